"""The data and the config that tests of the diagnosis share."""

import json

import pytest

from mtt_jax.config import TaskConfig, default_config


@pytest.fixture(scope="session")
def raw(tmp_path_factory):
    """A ConfigDict of two tasks on one small file: a class and a set of classes per sentence."""
    folder = tmp_path_factory.mktemp("data")
    for name, first in (("train", 0), ("dev", 200)):
        with (folder / f"{name}.jsonl").open("w") as file:
            for i in range(first, first + 80):
                text = f"{('Ann', 'Tom', 'Mo')[i % 3]} had a {('good', 'bad')[i % 2]} day {i}"
                row = {"text": text, "tone": ("good", "bad")[i % 2], "who": ["abc"[i % 3]]}
                file.write(json.dumps(row) + "\n")
    config = default_config(
        {
            "tone": TaskConfig(kind="classes", labels=("good", "bad")),
            "who": TaskConfig(kind="multilabel", labels=("a", "b", "c")),
        }
    )
    config.data.update(source="files", cache_dir=str(folder / "cache"), max_length=32, overlap=8)
    for name in config.tasks:
        files = {split: str(folder / f"{split}.jsonl") for split in ("train", "dev")}
        config.data[name].update(label=name, **files)
    config.encoder.update(layers=1, width=16, heads=2, feedforward=32)
    config.tokenizer.vocab_size = 200
    config.mesh.data = 1
    config.train.update(steps=24, warmup=2, batch_rows=4, row_length=32, learning_rate=1e-2)
    return config
