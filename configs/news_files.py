"""A topic per sentence and entities, from your own files, from scratch.

    python launch.py --config=configs/news_files.py \
        --config.data.topic.train=topics.csv --config.data.topic.test=topics_test.csv \
        --config.data.ner.train=train.conll --config.data.ner.dev=dev.conll \
        --config.data.ner.test=test.conll

The labels are those of the training files. docs/formats.md lists the files that can be read, and
the flags for those whose columns or keys have unusual names. AG News has a config of its own,
configs/ag_news.py.
"""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.data.source = "files"
    config.tasks.topic.labels = ()  # those of the files
    config.tasks.ner.labels = ()
    config.tasks.ner.scheme = "iob2"
    # Most words are outside entities, so the mean loss of entities is small.
    config.tasks.ner.weight = 3.0
    config.train.mixing = "explicit"
    config.tasks.topic.sampling = 1.0
    config.tasks.ner.sampling = 2.0
    config.encoder.positions = "rotary"
    config.encoder.width = 192
    config.encoder.heads = 6
    config.encoder.feedforward = 768
    config.encoder.dropout = 0.2
    config.encoder.word_dropout = 0.2
    # Names are told by their neighbors: the convolution reads one subword to each side, and three
    # of four layers read four.
    config.encoder.convolution = 1
    config.encoder.window = 4
    config.encoder.global_every = 4
    config.train.steps = 1600
    return config
