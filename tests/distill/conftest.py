"""Teachers and students that are small enough to train in a test."""

import json

import pytest

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config

NAMES, TOWNS = ("Ann", "Tom", "Mo"), ("Oslo", "Rome")


def sentence(number):
    """(text, topic, entities) of a sentence that is easy to learn."""
    name, town = NAMES[number % 3], TOWNS[number % 2]
    text = f"{name} {'won' if number % 2 else 'voted'} {number} times in {town}."
    spans = [(0, len(name), "PER"), (len(text) - 1 - len(town), len(text) - 1, "LOC")]
    return text, "sports" if number % 2 else "politics", spans


def write(file, rows):
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return str(file)


def topic_row(number):
    text, topic, _ = sentence(number)
    return {"text": text, "topic": topic}


def ner_row(number):
    text, _, spans = sentence(number)
    return {"text": text, "ner": [{"start": s, "end": e, "label": x} for s, e, x in spans]}


@pytest.fixture(scope="session")
def folder(tmp_path_factory):
    """A folder with the files of two tasks on different sentences."""
    folder = tmp_path_factory.mktemp("distill")
    write(folder / "topic.jsonl", map(topic_row, range(40)))
    write(folder / "ner.jsonl", map(ner_row, range(40, 60)))
    write(folder / "topic-dev.jsonl", map(topic_row, range(60, 66)))
    write(folder / "ner-dev.jsonl", map(ner_row, range(66, 72)))
    return folder


@pytest.fixture(scope="session")
def raw(folder):
    """The config of both tasks on these files with some fields changed, not resolved."""

    def make(**overrides):
        config = default_config()
        config.tasks.topic.labels = ("sports", "politics")
        config.tasks.ner.labels = ("O", "PER", "LOC")
        config.tasks.ner.scheme = "iob2"
        config.data.source, config.data.cache_dir = "files", str(folder / "cache")
        for task in ("topic", "ner"):
            config.data[task].update(
                label=task,
                train=str(folder / f"{task}.jsonl"),
                dev=str(folder / f"{task}-dev.jsonl"),
            )
        config.data.max_length, config.data.overlap = 32, 8
        config.encoder.update(layers=1, width=16, heads=2, feedforward=16, max_positions=32)
        config.tokenizer.vocab_size = 200
        config.train.update(
            row_length=32, batch_rows=4, steps=4, eval_every=4, warmup=0, learning_rate=1e-2,
            log_to=(),
        )  # fmt: skip
        for path, value in overrides.items():
            *groups, name = path.split("__")
            node = config
            for group in groups:
                node = node[group]
            node[name] = value
        return config

    return make


@pytest.fixture(scope="session")
def configured(raw):
    """The same, resolved."""
    return lambda **overrides: resolve(raw(**overrides))
