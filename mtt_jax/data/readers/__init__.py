"""Readers: a file per format, and the table of them.

A fault that would teach the model something wrong ends the run with file, line and remedy. What is
harmless (an empty text, an illegal tag that has one sensible reading) is counted, and the count is
printed with the location of the first. A new format is a file here and a row in `READERS`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers.conll import read_conll
from mtt_jax.data.readers.jsonl import read_jsonl
from mtt_jax.data.readers.records import Loaded, Source, Tally
from mtt_jax.data.readers.tables import read_csv, read_tsv
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import Task
from mtt_jax.types import Record


class Reader(NamedTuple):
    """One file format.

    Attributes:
      name: its value of data.NAME.format.
      extensions: of files that are read with it if the format is auto.
      holds: what of `Task.reads` such a file can hold.
      read: (file, source) -> records.
    """

    name: str
    extensions: tuple[str, ...]
    holds: frozenset[str]
    read: Callable[[Path, Source], list[Record]]


READERS = (
    Reader("csv", (".csv",), frozenset({"value"}), read_csv),
    Reader("tsv", (".tsv",), frozenset({"value"}), read_tsv),
    Reader("jsonl", (".jsonl", ".ndjson"), frozenset({"value", "tags", "offsets"}), read_jsonl),
    Reader("conll", (".conll", ".txt", ".bio", ".iob"), frozenset({"tags"}), read_conll),
)


def read_file(path: str, task: Task, data: DataConfig, fields: TaskDataConfig, flag: str) -> Loaded:
    """Reads the records of one task.

    Args:
      path: of the file.
      task: whose labels to read.
      data: encoding and cleaning.
      fields: format, columns, scheme and label map.
      flag: the flag that names the file, for messages.

    Raises:
      UserError: naming file, line and remedy.
    """
    file = _existing(path, flag)
    reader = _reader(file, task, fields)
    source = Source(task, fields, data, Tally())
    records = reader.read(file, source)
    if not records:
        raise UserError(
            f"{flag}: {file} contains no sentence; expected at least one in {reader.name} format."
        )
    return Loaded(records, source.tally.notes())


def _existing(path: str, flag: str) -> Path:
    file = Path(path).expanduser()
    if file.is_dir():
        raise UserError(f"{flag}: {path} is a directory; name a file in it.")
    if file.exists() and not file.is_file():
        raise UserError(
            f"{flag}: {path} is a device or a pipe, which can be read only once; name a file."
        )
    if not file.is_file():
        siblings = file.parent.iterdir() if file.parent.is_dir() else ()
        near = did_you_mean(path, (str(Path(path).parent / other.name) for other in siblings))
        raise UserError(f"{flag}: {path}: no such file.{near}")
    if not file.stat().st_size:
        raise UserError(f"{flag}: {path}: the file is empty.")
    return file


def _reader(file: Path, task: Task, fields: TaskDataConfig) -> Reader:
    """The reader that the config names, or that the file's extension implies."""
    flag = f"--config.data.{task.name}.format"
    extension = file.suffix.lower()
    found = next(
        (
            reader
            for reader in READERS
            if fields.format == reader.name
            or (fields.format == "auto" and extension in reader.extensions)
        ),
        None,
    )
    names = ", ".join(reader.name for reader in READERS)
    if found is None:
        raise UserError(
            f"{file}: cannot infer the format from the extension {file.suffix!r}; set {flag} to "
            f"one of {names}."
        )
    if not found.holds & task.reads:
        fitting = ", ".join(reader.name for reader in READERS if reader.holds & task.reads)
        raise UserError(
            f"{file}: labels of task '{task.name}' are read from {fitting}, not from {found.name}; "
            f"{flag} says which format the file has."
        )
    return found
