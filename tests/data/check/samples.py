"""Records that the tests of the check share, and its findings by name."""

from mtt_jax.data.check import inspect
from mtt_jax.tasks import Classes, Entities
from mtt_jax.types import Record

TOPIC = Classes("topic", ("sports", "politics", "others"))
NER = Entities("ner", ("O", "PER", "LOC"))


def topics(file, *labels, text="{} is about news of day {} in Rome"):
    """Records of a file with some labels, each with a text of its own."""
    return [
        Record(text.format(label, f"{file} {n}"), {"topic": label}, f"{file}, line {n}")
        for n, label in enumerate(labels, 1)
    ]


def record(text, place="", **labels):
    return Record(text, labels, place)


def splits(train=(), dev=(), test=()):
    return {"train": list(train), "dev": list(dev), "test": list(test)}


THREE = ("sports", "politics", "others")
GOOD = splits(*(topics(f"{name}.csv", *THREE * 20) for name in ("train", "dev", "test")))


def named(records, name, tasks=(TOPIC,)):
    """The only finding with a name."""
    (found,) = (finding for finding in inspect(records, tasks) if finding.name == name)
    return found


def names(records, tasks=(TOPIC,)):
    return [finding.name for finding in inspect(records, tasks)]
