"""Labels that the config leaves to the data: those of the training sentences, and what is odd.

Everything that names a label, such as class weights, is checked once they are known.
"""

from collections import Counter
from collections.abc import Mapping, Sequence

from mtt_jax.config.schema import Config
from mtt_jax.data.readers.unknown import to_paste
from mtt_jax.data.splits import SPLITS
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task
from mtt_jax.types import Record

# From this many different labels on they are compared with the number of labels.
_MANY = 20


def find_labels(
    task: Task, records: Mapping[str, Sequence[Record]], config: Config
) -> tuple[str, ...]:
    """The labels of a task in the training data, most frequent first, then by name.

    Args:
      task: without labels.
      records: split -> all records of the data, read without knowing the labels.
      config: that the task is from.

    Raises:
      UserError: if there are too few, if they are no labels, or if dev or test have others.
    """
    need_labels(task, records["train"], config)
    counts = {split: count_labels(task, records[split]) for split in SPLITS}
    if config.data.source != "newswire" and not config.tasks[task.name].data.dev:
        counts["train"] += counts.pop("dev")  # it was held out of train
    train = counts.pop("train")
    found = tuple(sorted(train, key=lambda name: (-train[name], name)))
    _need_several(task, found)
    if "columns" in task.reads:
        _need_separated(task, records["train"])
    _need_repeats(task, found, train.total())
    unknown = {
        name: {split: count[name] for split, count in counts.items() if count[name]}
        for name in sorted(set().union(*counts.values()) - set(found))
    }
    if unknown:
        raise UserError(_unknown(task, found, unknown, config))
    return found


def count_labels(task: Task, records: Sequence[Record]) -> Counter:
    """Name -> how often it occurs as a label of a task."""
    return Counter(
        name
        for record in records
        if task.name in record.labels
        for name in task.names(record.labels[task.name])
    )


def need_labels(task: Task, records: Sequence[Record], config: Config) -> None:
    """Checks that a task has any label to learn from.

    Args:
      task: whose labels to look for.
      records: all training sentences.
      config: says what to look at if there are none.

    Raises:
      UserError: if no record carries one, with what to look at.
    """
    if any(task.name in record.labels for record in records):
        return
    remedy = (
        f"look at --config.data.{task.name}.label, which says where the label is in the file"
        if config.data.source == "files"
        else "the newswire corpus labels the tasks topic and ner; for others use data.source=files"
        if config.data.source == "newswire"
        else f"see --config.data.{task.name}.label"
    )
    raise UserError(
        f"config.tasks.{task.name}: no training sentence carries a label of this task; {remedy}."
    )


def _need_several(task: Task, found: Sequence[str]) -> None:
    if len(task.all_labels(found)) >= task.fewest_labels:
        return
    there = f"only the label {found[0]!r}" if found else "no label"
    raise UserError(
        f"config.tasks.{task.name}.labels: {there} in the training data, which leaves nothing to "
        f"learn. Look at --config.data.{task.name}.label, which says where the labels are."
    )


def _need_separated(task: Task, records: Sequence[Record]) -> None:
    """Refuses cells of several labels that were not divided: all of them are taken for one label.

    They are if no text has two labels, and most of those with a comma or semicolon in them are made
    of parts that occur in others too.
    """
    sets = [record.labels[task.name] for record in records if task.name in record.labels]
    if any(len(task.names(label)) > 1 for label in sets):
        return
    names = {name for label in sets for name in task.names(label)}
    for separator in ",;":
        parts = {name: [part.strip() for part in name.split(separator)] for name in sorted(names)}
        uses = Counter(part for found in parts.values() for part in set(found))
        joined = [name for name, found in parts.items() if len(found) > 1]
        shared = [name for name in joined if all(uses[part] > 1 for part in parts[name])]
        if shared and 2 * len(shared) > len(joined):
            raise UserError(
                f"config.data.{task.name}.separator: {shared[0]!r} seems to be several labels. Set "
                f"--config.data.{task.name}.separator='{separator}', or list the labels with "
                f"--config.tasks.{task.name}.labels=..."
            )


def _need_repeats(task: Task, found: Sequence[str], total: int) -> None:
    """Refuses a column of texts or ids; nearly every one of them is different."""
    if len(found) < _MANY or 2 * len(found) <= total:
        return
    shown = ", ".join(name if len(name) <= 30 else f"{name[:30]}..." for name in found[:3])
    raise UserError(
        f"config.data.{task.name}.label: {len(found):,} different labels among {total:,}, such as "
        f"{shown}: these are texts or ids rather than labels. Name the column or key of the label "
        f"with --config.data.{task.name}.label=..., or list the labels with "
        f"--config.tasks.{task.name}.labels=..."
    )


def _unknown(
    task: Task, found: Sequence[str], unknown: Mapping[str, Mapping[str, int]], config: Config
) -> str:
    """The message on labels that only dev or test have."""
    shown = "; ".join(
        f"{name!r} ({', '.join(f'{count:,} in {split}' for split, count in counts.items())})"
        for name, counts in unknown.items()
    )
    label_map = config.tasks[task.name].data.label_map
    return (
        f"config.tasks.{task.name}.labels: not in the training data, so that the model cannot "
        f"learn them: {shown}."
    ) + to_paste(list(unknown), task.all_labels(found), task.name, label_map)
