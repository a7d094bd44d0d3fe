"""configs/pretrained.py with other files and fields, and what its two tasks are scored by."""

from pathlib import Path

from mtt_jax.config.files import load_config

PRETRAINED = Path(__file__).resolve().parents[2] / "configs" / "pretrained.py"
# AG News with the three topics of the embedded corpus.
AG_NEWS = {
    "data.topic.text": "2,3",
    "data.topic.label": "1",
    "data.topic.label_map": "1=politics, 2=sports, 3=others, 4=others",
    "tasks.topic.labels": "sports,politics,others",
    "tasks.ner.labels": "O,PER,ORG,LOC,MISC",
}
# Task -> the figure in which two sides are compared.
FIGURES = {"topic": "accuracy", "ner": "f1"}
# Subwords per sentence, on both sides.
MAX_LENGTH = 128


def pretrained_config(fields):
    """configs/pretrained.py for AG News with three topics, resolved.

    Args:
      fields: further ones, such as "data.topic.train" -> value; paths are relative to the working
        directory.
    """
    return load_config(str(PRETRAINED), overrides_of({**AG_NEWS, **fields}))


def overrides_of(fields):
    """Fields such as "data.topic.train" -> value as overrides of a config."""
    return [(f"config.{name}", str(value)) for name, value in fields.items()]


def flags_of(fields):
    """Fields such as "data.topic.train" -> value as flags of launch.py."""
    return [f"--config.{name}={value}" for name, value in fields.items()]
