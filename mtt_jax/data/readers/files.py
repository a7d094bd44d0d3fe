"""Files: topics and entities from CSV, TSV, JSONL and CoNLL columns, with every fault named.

A fault that would teach the model something wrong ends the run with file, line and remedy. What
is harmless (an empty text, an illegal tag that has one sensible reading) is counted, and the
count is stated with the first place.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers.conll import read_conll
from mtt_jax.data.readers.jsonl import read_jsonl
from mtt_jax.data.readers.records import LabelReader, Loaded, Tally
from mtt_jax.data.readers.tables import read_table
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Record

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".conll": "conll",
    ".txt": "conll",
    ".bio": "conll",
    ".iob": "conll",
}


def read_file(
    path: str, task: Task, data: DataConfig, task_data: TaskDataConfig, flag: str
) -> Loaded:
    """Reads the records of one task.

    Args:
      path: of the file.
      task: whose labels to read.
      data: encoding and cleaning.
      task_data: format, columns, scheme and label map.
      flag: the field that names the file, for messages.

    Raises:
      UserError: naming file, line and remedy.
    """
    file = _existing(path, flag)
    kind = _format(file, task, task_data)
    tally = Tally()
    labels = LabelReader(task, task_data)
    if kind == "conll":
        loaded = read_conll(file, labels, data, task_data, tally)
    elif kind == "jsonl":
        loaded = Loaded(list(read_jsonl(file, labels, data, task_data, tally)), [])
    else:
        loaded = Loaded(list(read_table(file, kind, labels, data, task_data, tally)), [])
    if not loaded.records:
        raise UserError(f"{file}: holds no sentence; expected {kind} with one or more. {flag}")
    return Loaded(loaded.records, [*loaded.notes, *tally.notes()])


def _existing(path: str, flag: str) -> Path:
    file = Path(path).expanduser()
    if file.is_dir():
        raise UserError(f"{flag}: {path} is a directory; name a file in it.")
    if file.exists() and not file.is_file():
        raise UserError(f"{flag}: {path} is a device or a pipe, read only once; name a file.")
    if not file.is_file():
        beside = file.parent.iterdir() if file.parent.is_dir() else ()
        near = did_you_mean(path, (str(Path(path).parent / other.name) for other in beside))
        raise UserError(f"{flag}: {path}: no such file.{near}")
    if not file.stat().st_size:
        raise UserError(f"{flag}: {path}: the file is empty.")
    return file


def _format(file: Path, task: Task, task_data: TaskDataConfig) -> str:
    where = f"config.data.{task.name}.format"
    kind = task_data.format
    if kind == "auto":
        if file.suffix.lower() not in _FORMATS:
            raise UserError(
                f"{file}: the ending {file.suffix!r} tells no format; set --{where}=csv, tsv, "
                "jsonl or conll."
            )
        kind = _FORMATS[file.suffix.lower()]
    allowed = ("csv", "tsv", "jsonl") if task.kind == "sentence" else ("conll", "jsonl")
    if kind not in allowed:
        raise UserError(
            f"{file}: a {task.kind} task such as '{task.name}' is read from "
            f"{', '.join(allowed)}, not from {kind}; --{where} says which the file is."
        )
    return kind


def hold_out(
    records: Sequence[Record], share: float, seed: int
) -> tuple[list[Record], list[Record]]:
    """Divides records into (train, dev) by a checksum of seed and text.

    The same text goes to the same side wherever and however often it stands, so that a duplicate
    never leaks from train into dev, and adding data moves no sentence that was there.
    """
    digests = {
        record.text: hashlib.sha256(f"{seed} {record.text}".encode()).digest() for record in records
    }
    limit = int(share * 2**64)
    wanted = {text for text, d in digests.items() if int.from_bytes(d[:8], "big") < limit}
    wanted = wanted or {min(digests, key=lambda text: digests[text])}
    train = [record for record in records if record.text not in wanted]
    return train, [record for record in records if record.text in wanted]
