"""Labels that a split lacks, has too few of, or has almost alone."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from mtt_jax.data.check.counts import Labelled, places_of
from mtt_jax.data.check.findings import ERROR, WARNING, Finding, files_of, listed, number
from mtt_jax.data.readers.unknown import nearest
from mtt_jax.tasks import Task
from mtt_jax.tasks.schemes import OUTSIDE
from mtt_jax.types import Record

# A label with fewer examples than this in train is rarely learned.
_FEW = 10
# A dev or test split with fewer labeled sentences than this measures little.
_SMALL = 50
# If one class has this share of a split, always answering it scores well.
_DOMINANT = 0.9


def find_unused_labels(
    task: Task, by_split: Mapping[str, Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Labels that the config names and no sentence has."""
    if "train" not in by_split:
        return
    there = set().union(*by_label.values()) | {OUTSIDE}
    never = [label for label in task.labels if label not in there]
    if never:
        yield Finding(
            WARNING, "label without examples", task.name, "train",
            f"{task.name}: no sentence has {listed(never)}, which --config.tasks.{task.name}."
            "labels names; is it spelled differently in the files?",
            files_of(by_split["train"].records),
        )  # fmt: skip


def find_scarce_labels(
    task: Task, by_split: Mapping[str, Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Labels that a split lacks, or has too few of."""
    train = by_label.get("train", Counter())
    rare = _rare(train)
    name = task.name
    for split, here in by_label.items():
        records = by_split[split].records
        sentences, files = len(records), files_of(records)
        held = split != "train"
        if not here:
            yield _without_labels(task, split, sentences, files)
            continue
        if held and sentences < _SMALL:
            yield Finding(
                WARNING, "small split", name, split,
                f"{name}: {split} has only {number(sentences, 'sentence', 'sentences', 'labeled')}"
                ", whose score says little; add some.",
                files,
            )  # fmt: skip
        label, most = here.most_common(1)[0]
        one = len(here) == 1 and task.unit == "sentence"
        if one and (len(train) > 1 if held else task.fewest_labels > 1):
            yield Finding(
                ERROR, "one label", name, split,
                f"{name}: all {split} labels are {label!r}; "
                + ("a model that always says so is right. Take sentences of all labels."
                   if held else "there is nothing to learn."),
                files,
            )  # fmt: skip
            continue
        if task.unit == "sentence" and len(train) > 1 and most > _DOMINANT * sentences:
            yield Finding(
                WARNING, "dominant label", name, split,
                f"{name}: {most / sentences:.0%} of the {split} sentences are {label!r}; a model "
                "that always says so scores as well. "
                f"--config.tasks.{name}.class_sampling=over draws the others more often.",
                files,
            )  # fmt: skip
        if held and train:
            yield from _unlike_train(task, split, records, here, train, rare)
    if rare:
        near = {label: nearest(label, [n for n in train if n not in rare]) for label in rare}
        like = next((f"Is {a!r} a slip for {b!r}? " for a, b in near.items() if b), "")
        yield Finding(
            WARNING, "rare label", name, "train",
            f"{name}: train has fewer than {_FEW} examples of {listed(rare)}. {like}Add some, or "
            f"join it with another label by --config.data.{name}.label_map",
            places_of(rare, task, by_split["train"].records),
        )  # fmt: skip


def _unlike_train(
    task: Task,
    split: str,
    records: Sequence[Record],
    here: Counter,
    train: Counter,
    rare: Sequence[str],
) -> Iterator[Finding]:
    """Labels of train that a held-out split lacks, unless they are rare, and the reverse.

    Args:
      task: whose labels.
      split: "dev" or "test".
      records: of the split.
      here: label -> how often the split has it.
      train: label -> how often train has it.
      rare: the labels of which train has few examples.
    """
    name = task.name
    absent = [label for label in train if label not in here and label not in rare]
    if absent:
        yield Finding(
            WARNING, "absent label", name, split,
            f"{name}: {split} has no {listed(absent)}, which train has; the score there says "
            "nothing about it. Add sentences with it.",
            files_of(records),
        )  # fmt: skip
    unknown = [label for label in here if label not in train]
    if unknown:
        yield Finding(
            ERROR, "label that train lacks", name, split,
            f"{name}: {split} has {listed(unknown)}, which train lacks, so that the model "
            "cannot learn it. Add such sentences to train; if it is another name of a label, "
            f"map it with --config.data.{name}.label_map",
            places_of(unknown, task, records),
        )  # fmt: skip


def _rare(train: Counter) -> list[str]:
    """The labels of which train has few examples, unless it is small as a whole."""
    rare = [label for label, count in train.items() if count < _FEW]
    return rare if train.total() > _FEW * len(train) else []


def _without_labels(task: Task, split: str, sentences: int, files: tuple[str, ...]) -> Finding:
    """The finding that all sentences of a split say that nothing applies."""
    what = "an entity" if "offsets" in task.reads else "a label"
    count = f"none of {sentences:,} {split} sentences has {what}"
    flag = f"--config.data.{task.name}"
    remedy = {
        "train": f"look at {flag}.label, which says where the labels are.",
        "dev": "its score chooses the best checkpoint and says nothing. Name another file with "
        f"{flag}.dev, or look at {flag}.label",
    }.get(split, "its score says nothing.")
    severity = WARNING if split == "test" else ERROR
    return Finding(
        severity, "no labels", task.name, split, f"{task.name}: {count}; {remedy}", files
    )
