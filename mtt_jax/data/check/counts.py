"""How often each label occurs in each split, and where."""

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from typing import NamedTuple

from mtt_jax.data.check.findings import number
from mtt_jax.data.labels import count_labels
from mtt_jax.tasks import Task
from mtt_jax.types import Record

# How many labels the summary of a split names.
_SHOWN = 12

# Split -> its records.
Records = Mapping[str, Sequence[Record]]


class Labelled(NamedTuple):
    """The sentences of a split with a label of one task.

    Attributes:
      records: in the order of the split.
      plain: their texts, as `duplicates.plain` gives them.
    """

    records: list[Record]
    plain: list[str]


def labelled(task: Task, records: Sequence[Record], texts: Sequence[str]) -> Labelled:
    """The sentences that have a label of a task.

    Args:
      task: whose labels.
      records: of a split.
      texts: those of the records, as `duplicates.plain` gives them.
    """
    chosen = [task.name in record.labels for record in records]
    return Labelled(list(compress(records, chosen)), list(compress(texts, chosen)))


def label_counts(splits: Records, tasks: Sequence[Task]) -> dict[str, dict[str, Counter]]:
    """Task -> split -> label -> how often it occurs, for the splits with labels of the task."""
    return {
        task.name: {
            split: count_labels(task, records)
            for split, records in splits.items()
            if any(task.name in record.labels for record in records)
        }
        for task in tasks
    }


def summary(splits: Records, tasks: Sequence[Task]) -> list[str]:
    """A line per task and split: how many sentences are labeled, and how often with what."""
    lines = []
    for task, by_split in label_counts(splits, tasks).items():
        for split, found in by_split.items():
            shown = ", ".join(f"{label} {times:,}" for label, times in found.most_common(_SHOWN))
            more = f", {len(found) - _SHOWN:,} more labels" if len(found) > _SHOWN else ""
            total = sum(task in record.labels for record in splits[split])
            sentences = number(total, "sentence", "sentences", split)
            lines.append(f"{task}: {sentences}: {shown or 'no label'}{more}.")
    return lines


def places_of(labels: Sequence[str], task: Task, records: Sequence[Record]) -> tuple[str, ...]:
    """Where some labels are."""
    wanted = set(labels)
    return tuple(
        record.place for record in records if wanted & set(task.names(record.labels[task.name]))
    )
