"""A tiny run on short news, some of whose labels are wrong, for what needs a trained model."""

import json

from mtt_jax.config import default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.report.console import silent
from mtt_jax.train.loop import train
from tests.helpers import written

_TEXTS = {
    "sports": ("{0} won the match in {1}", "{0} scored twice in {1}", "Coach {0} left {1}"),
    "politics": ("{0} voted for the law in {1}", "Minister {0} resigned in {1}", "{0} governs {1}"),
}
_PEOPLE = ("Tom", "Ann", "Lee", "Max", "Eva")
_PLACES = ("Rome", "Oslo", "Bern", "Lima")
# Every so many training sentences one topic, and one entity, is wrong: of all kinds of sentences.
WRONG = 13


def sentences(count, first=0):
    """Objects with a topic and two entities each."""
    found = []
    for n in range(first, first + count):
        topic = ("sports", "politics")[n % 2]
        person, place = _PEOPLE[n % 5], _PLACES[n % 4]
        text = _TEXTS[topic][n % 3].format(person, place) + f" on day {n} ."
        spans = [
            {"start": text.index(name), "end": text.index(name) + len(name), "label": label}
            for name, label in ((person, "PER"), (place, "LOC"))
        ]
        found.append({"text": text, "label": topic, "entities": spans})
    return found


def with_wrong_labels(rows):
    """The rows, with wrong topics in lines 1, 14, 27, ... and wrong entities in 7, 20, 33, ..."""
    for row in rows[::WRONG]:
        row["label"] = {"sports": "politics", "politics": "sports"}[row["label"]]
    for row in rows[WRONG // 2 :: WRONG]:
        row["entities"][0]["label"] = "LOC"
    return rows


def trained_run(folder, steps=60):
    """A finished run in a folder, with its files beside it."""
    raw = default_config()
    raw.data.update(source="files", cache_dir=str(folder / "cache"), max_length=32, overlap=8)
    raw.tokenizer.vocab_size = 300
    raw.tasks.topic.labels = raw.tasks.ner.labels = ()
    rows = {
        "train": with_wrong_labels(sentences(240)),
        "dev": sentences(60, 1000),
        "test": sentences(60, 2000),
    }
    for split, values in rows.items():
        lines = "".join(json.dumps(value) + "\n" for value in values)
        for task in ("topic", "ner"):
            raw.data[task][split] = str(written(folder, f"{split}.jsonl", lines))
    raw.encoder.update(layers=1, width=32, heads=2, feedforward=32, max_positions=64, dropout=0.0)
    raw.encoder.word_features = ""  # the endings of their numbers tell so few sentences apart
    raw.tasks.topic.dropout = raw.tasks.ner.dropout = 0.0
    raw.train.update(steps=steps, warmup=2, batch_rows=4, row_length=64, learning_rate=1e-2)
    train(resolve(raw), folder / "run", silent())
    return folder / "run"
