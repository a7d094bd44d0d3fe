"""A small, fast student of a bigger run: its subword vectors, two layers, and its answers.

The teacher is a run of configs/pretrained.py, or any other run with the same tasks.

    python launch.py --config=configs/student.py \
        --config.distill.teachers=runs/pretrained --config.init_from=runs/pretrained \
        --config.data.topic.train=topics.csv --config.data.topic.test=topics_test.csv \
        --config.data.ner.train=train.conll --config.data.ner.dev=dev.conll \
        --config.data.ner.test=test.conll --config.data.unlabelled='news/*.txt'

Two cores, busy with other work too, 4,000 sentences of AG News and 6,000 of WikiNEuRal with labels
and 19,000 texts without: 24 minutes. Test: topic accuracy 0.944, strict entity F1 0.806; its
teacher, a run of configs/pretrained.py, has 0.950 and 0.839, and is a sixth as fast
(docs/results.md).
"""

from mtt_jax.config import default_config


def get_config():
    config = default_config()
    config.data.source = "files"
    config.tasks.topic.labels = ()  # those of the files
    config.tasks.ner.labels = ()
    config.tasks.ner.scheme = "iob2"
    config.tasks.ner.weight = 3.0
    config.init_parts = "embedding"
    config.encoder.layers = 2
    config.encoder.width = 256
    config.encoder.heads = 8
    config.encoder.feedforward = 1024
    config.encoder.positions = "rotary"
    config.encoder.word_dropout = 0.1
    config.train.steps = 2000
    config.train.learning_rate = 1e-3
    return config
