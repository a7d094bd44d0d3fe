"""configs/pretrained.py with other files and fields, and what its two tasks are scored by."""

from pathlib import Path

from mtt_jax.config.files import load_config

PRETRAINED = Path(__file__).resolve().parents[2] / "configs" / "pretrained.py"
# Task -> the figure in which two sides are compared.
FIGURES = {"topic": "accuracy", "ner": "f1"}
# Subwords per sentence, on both sides.
MAX_LENGTH = 128


def pretrained_config(fields):
    """configs/pretrained.py, resolved.

    Args:
      fields: such as "data.topic.train" -> value; paths are relative to the working directory.
    """
    overrides = [(f"config.{name}", str(value)) for name, value in fields.items()]
    return load_config(str(PRETRAINED), overrides)
