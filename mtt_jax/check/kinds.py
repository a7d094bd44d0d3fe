"""Which kind of task a file holds labels for, by its first texts."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from mtt_jax.config.schema import DataConfig, TaskConfig, TaskDataConfig
from mtt_jax.data.readers import expand, layout_of, read_rows
from mtt_jax.data.readers.fields import label_keys
from mtt_jax.data.readers.records import records_of
from mtt_jax.data.readers.rows import Row
from mtt_jax.data.readers.source import Source
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task, make_task
from mtt_jax.types import Record

# Texts of the first file that decide.
_SAMPLE = 1000
# Entities that cover more of the text than this are a tag per word.
_MOST = 0.8
# From this many different labels on they are compared with the number of texts.
_MANY = 20
_SEPARATORS = ("|", ";")


class Kind(NamedTuple):
    """What a file was recognized to hold labels for.

    Attributes:
      name: of the kind, as in `tasks.NAME.kind`.
      fields: how to read the file: those given, and a separator that was found.
    """

    name: str
    fields: TaskDataConfig


def find_kind(task: str, spec: str, data: DataConfig, fields: TaskDataConfig) -> Kind:
    """The kind of a task whose labels are in some files.

    A key or column with the name of the task decides; otherwise the kinds are tried from the most
    specific to the most general.

    Args:
      task: name of the task.
      spec: the files, as in data.NAME.train.
      data: encoding.
      fields: how to read them, as far as it was given.

    Raises:
      UserError: if no kind of task reads the file, with the reason.
    """
    flag = f"--{task}"
    path = expand(spec, flag)[0]
    opened = read_rows(path, layout_of(data, fields, task)._replace(flag=flag), fields.format)
    rows = list(islice(opened.rows, _SAMPLE))
    found: list[tuple[bool, Kind]] = []
    faults: dict[str, UserError] = {}
    given = fields.separator != TaskDataConfig().separator
    separators = (fields.separator,) if given else _SEPARATORS
    for name, fits in _FITS.items():
        for separator in separators if name == "multilabel" else (fields.separator,):
            trial = dataclasses.replace(fields, separator=separator)
            try:
                asked, records = _read(task, name, path, rows, trial)
            except UserError as error:
                faults.setdefault(name, error)
                continue
            if records and fits(asked, records):
                kept = trial if name == "multilabel" else fields
                found.append((_is_named(asked, rows, trial), Kind(name, kept)))
                break
    if found:
        return max(found, key=lambda one: one[0])[1]  # the first of those that are equal
    several = any(row.tokens for row in rows)
    fault = faults.get("entities" if several else "classes")
    reason = str(fault) if fault else f"{path}: holds no labels."
    raise UserError(
        f"{reason} Where it was looked for depends on the kind of the task: "
        f"--{task}.kind={'|'.join(_FITS)}"
    )


def task_of(name: str, kind: str) -> Task:
    """A task of a kind whose labels are not known yet."""
    made = make_task(name, TaskConfig(kind=kind))
    assert isinstance(made, Task)  # every kind of `_FITS` answers
    return made


def _read(
    task: str, kind: str, path: Path, rows: Sequence[Row], fields: TaskDataConfig
) -> tuple[Task, list[Record]]:
    asked = task_of(task, kind)
    records = records_of(iter(rows), Source(asked, fields), path, "")
    return asked, [record for record in records if task in record.labels]


def _is_named(task: Task, rows: Sequence[Row], fields: TaskDataConfig) -> bool:
    """Whether the labels are under the name of the task."""
    full = [row for row in rows if row.fields]
    try:
        where = label_keys(full, task, fields.label, (), f"--{task.name}.label")
    except UserError:
        return False
    return where is not None and [key.lower() for key in where.keys] == [task.name.lower()]


def _has_entities(task: Task, records: Sequence[Record]) -> bool:
    spans = [span for record in records for span in record.labels[task.name]]
    covered = sum(span.end - span.start for span in spans)
    return bool(spans) and covered < _MOST * sum(len(record.text) for record in records)


def _has_sets(task: Task, records: Sequence[Record]) -> bool:
    """Whether some texts have several labels that others have too.

    A label such as `Science; Technology` is one whose parts occur nowhere else.
    """
    sets = {frozenset(task.names(record.labels[task.name])) for record in records}
    uses = Counter(label for found in sets for label in found)
    shared = any(len(found) > 1 and max(uses[label] for label in found) > 1 for found in sets)
    return shared and (len(uses) < _MANY or 2 * len(uses) <= len(records))


def _has_classes(task: Task, records: Sequence[Record]) -> bool:
    """Whether labels are repeated, as those of texts or ids are not."""
    labels = {record.labels[task.name] for record in records}
    return len(labels) < _MANY or 2 * len(labels) <= len(records)


def _has_tags(task: Task, records: Sequence[Record]) -> bool:
    return any(record.labels[task.name] for record in records)


# From the most specific to the most general.
_FITS: Mapping[str, Callable[[Task, Sequence[Record]], bool]] = {
    "entities": _has_entities,
    "multilabel": _has_sets,
    "classes": _has_classes,
    "tags": _has_tags,
}
# The kinds of tasks that files are recognized for.
FORMS = tuple(_FITS)
