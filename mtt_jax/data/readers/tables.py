"""CSV and TSV: one sentence per row, its text and its labels in columns."""

import csv
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mtt_jax.data.readers.records import Place, Source, lines, text_record
from mtt_jax.errors import UserError
from mtt_jax.types import Record

# News stories pasted whole fit; a quote that is never closed still ends in an error.
_LONGEST_CELL = 10_000_000


def read_csv(file: Path, source: Source) -> list[Record]:
    """Reads a record from each row of a CSV file."""
    return list(_records(file, _csv_rows(file, source.data.encoding), source, "a comma"))


def read_tsv(file: Path, source: Source) -> list[Record]:
    """Reads a record from each line of a TSV file."""
    return list(_records(file, _tsv_rows(file, source.data.encoding), source, "a tab"))


class _Columns(NamedTuple):
    """Where text and label are.

    Attributes:
      texts: columns that are joined to form the text.
      label: column of the label; -1 if each label has a column.
      flags: label -> column with 0 or 1.
    """

    texts: list[int]
    label: int
    flags: dict[str, int]


def _records(
    file: Path, rows: Iterator[tuple[int, list[str]]], source: Source, separator: str
) -> Iterator[Record]:
    width = 0
    for line, row in rows:
        place = Place(file, line)
        if not width:
            width = len(row)
            columns = _columns(row, source, file)
            if source.fields.header:
                continue
        if len(row) != width:
            raise UserError(
                f"{place}: {len(row)} columns, but the first line has {width}; quote a text that "
                f"contains the separator ({separator})."
            )
        text = " ".join(row[column] for column in columns.texts)
        value = _value(row, columns)
        # A row without a text is left out whatever its label.
        label = source.read_value(value, "the label", place) if text.strip() else None
        if label is not None and source.task.is_empty(label) and columns.label >= 0:
            source.tally.add(f"empty cells, read as no label of {source.task.name}", place)
        record = text_record(text, label, source, place)
        if record:
            yield record


def _value(row: Sequence[str], columns: _Columns) -> str | dict[str, str]:
    if columns.label >= 0:
        return row[columns.label].strip()
    return {label: row[column].strip() for label, column in columns.flags.items()}


def _columns(row: list[str], source: Source, file: Path) -> _Columns:
    names = row if source.fields.header else None
    flag = source.flag.removeprefix("--")
    text = "text" if source.fields.text == "auto" else source.fields.text
    texts = [_column(part.strip(), row, names, f"{flag}.text", file) for part in text.split(",")]
    task, spec = source.task, source.fields.label
    label = task.fields["table"] if spec == "auto" else spec
    if "columns" not in task.reads:
        return _Columns(texts, _column(label, row, names, f"{flag}.label", file), {})
    if spec == "auto" and names and label not in names and set(task.labels) <= set(names):
        return _Columns(texts, -1, {name: names.index(name) for name in task.labels})
    parts = [part.strip() for part in label.split(",")]
    found = [_column(part, row, names, f"{flag}.label", file) for part in parts]
    if len(found) == 1:
        return _Columns(texts, found[0], {})
    titles = [names[column] for column in found] if names else list(task.labels)
    if len(titles) != len(found):
        raise UserError(
            f"{file}, line 1: --{flag}.label names {len(found)} columns, and task '{task.name}' "
            f"has {len(titles)} labels; name one column per label, in the order of the labels."
        )
    return _Columns(texts, -1, dict(zip(titles, found, strict=True)))


def _csv_rows(file: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each row; quotes and line ends inside them are understood."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader((line + "\n" for _, line in lines(file, encoding)), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{file}, line {begins}: not valid CSV: {error}. A quote inside a quoted text is "
                'written twice: "".'
            ) from None
        if row:
            yield begins, row


def _tsv_rows(file: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each line; quotes are plain characters unless they enclose a whole cell."""
    for number, line in lines(file, encoding):
        if line.strip():
            cells = line.split("\t")
            yield (
                number,
                [
                    cell[1:-1].replace('""', '"') if cell[:1] == '"' == cell[1:][-1:] else cell
                    for cell in cells
                ],
            )


def _column(spec: str, row: list[str], names: list[str] | None, flag: str, file: Path) -> int:
    """Index of a column that is given by a number from 1 or by its name in the header."""
    if names is not None and spec in names:
        return names.index(spec)
    if spec.isdecimal() and 1 <= int(spec) <= len(row):
        return int(spec) - 1
    if names is not None:
        shown = ", ".join(names)
        raise UserError(f"{file}, line 1: no column {spec!r} in {shown}; set --{flag}=...")
    task_flag = flag.rsplit(".", 1)[0]
    header = f" or, if the file begins with column names, --{task_flag}.header=true"
    raise UserError(
        f"{file}, line 1: {spec!r} is not a column number from 1 to {len(row)}; set "
        f"--{flag}=NUMBER{'' if spec.isdecimal() else header}."
    )
