"""Cases with a known verdict: files from the embedded corpus's grammar, and the run itself."""

import json
import os
import sys
from pathlib import Path

from mtt_jax.config import TaskConfig, default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.devices import startup
from mtt_jax.diagnose.study import diagnose
from mtt_jax.report.console import Console

TOPICS = ("sports", "politics", "others")
_RUNS = Path(__file__).resolve().parents[2] / "runs"


def data_folder(name):
    """Where the files of a case go."""
    return _RUNS / "diagnose-data" / name


def sentences(count, seed):
    """(text, topic) of generated sentences."""
    return [(sentence.text, sentence.topic) for sentence in generate("train", count, seed)]


def written(out, name, rows):
    """A JSONL file of (text, label) rows."""
    out.mkdir(parents=True, exist_ok=True)
    path = out / f"{name}.jsonl"
    lines = (json.dumps({"text": text, "label": label}) + "\n" for text, label in rows)
    path.write_text("".join(lines), encoding="utf-8")
    return os.path.relpath(path)  # so that a report does not depend on where it was made


def halves(name, labelled, dev):
    """The config of two tasks with the same labels, each on one half of a small data set.

    Args:
      name: of the case, for its files.
      labelled: training sentences per task.
      dev: dev sentences per task.
    """
    out = data_folder(name)
    rows = sentences(2 * labelled + 2 * dev, seed=1)
    parts = {"train": rows[: 2 * labelled], "dev": rows[2 * labelled :]}
    files = {
        task: {
            split: written(out, f"{task}-{split}", some[half * len(some) // 2 :][: len(some) // 2])
            for split, some in parts.items()
        }
        for half, task in enumerate(("first", "second"))
    }
    labels = dict.fromkeys(files, TOPICS)
    return config_of(labels, files, width=32, layers=2, steps=400, warmup=20, learning_rate=3e-3)


def config_of(labels, files, width, layers, weights=None, **train):
    """A small model with one class per sentence in each task, from scratch.

    Args:
      labels: task -> its labels.
      files: task -> {"train": file, "dev": file}.
      width: of the encoder.
      layers: of the encoder.
      weights: task -> weight of its loss, 1 for a task not named.
      train: fields of config.train.
    """
    config = default_config({name: TaskConfig(labels=given) for name, given in labels.items()})
    config.data.source = "files"
    for name, paths in files.items():
        config.data[name].update(paths)
    for name, weight in (weights or {}).items():
        config.tasks[name].weight = weight
    config.data.max_length, config.data.overlap = 48, 8
    config.tokenizer.vocab_size = 600
    config.encoder.update(width=width, layers=layers, heads=2, feedforward=2 * width)
    config.encoder.positions = "rotary"
    config.train.update(row_length=48, slots=3, batch_rows=16, **train)
    return resolve(config)


def run(name, config, seeds, expected):
    """Diagnoses; exits with 1 if the verdict differs from the expected one."""
    startup.prepare()
    report = diagnose(config, _RUNS / "diagnose" / name, seeds, (), Console())
    found = report["verdicts"]["share or separate"]["finding"]
    if found != expected:
        sys.exit(f"expected {expected}, found {found}")
