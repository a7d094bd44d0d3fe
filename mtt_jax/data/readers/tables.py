"""CSV and TSV: a row a sentence, its text and its label in columns."""

import csv
from collections.abc import Iterator
from pathlib import Path

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers.records import LabelReader, Place, Tally, lines, text_record
from mtt_jax.errors import UserError
from mtt_jax.types import Record

# News stories pasted whole fit; a quote that is never closed still ends in an error.
_LONGEST_CELL = 10_000_000


def read_table(
    file: Path,
    kind: str,
    labels: LabelReader,
    data: DataConfig,
    task_data: TaskDataConfig,
    tally: Tally,
) -> Iterator[Record]:
    """Yields a record for each row of a CSV or TSV file."""
    rows = _csv_rows(file, data.encoding) if kind == "csv" else _tsv_rows(file, data.encoding)
    width, texts, label_column = 0, [], 0
    for line, row in rows:
        place = Place(file, line)
        if not width:
            width = len(row)
            names = row if task_data.header else None
            task = labels.task.name
            text_field = "text" if task_data.text == "auto" else task_data.text
            label_field = "label" if task_data.label == "auto" else task_data.label
            texts = [
                _column(part.strip(), row, names, f"config.data.{task}.text", file)
                for part in text_field.split(",")
            ]
            label_column = _column(label_field, row, names, f"config.data.{task}.label", file)
            if task_data.header:
                continue
        if len(row) != width:
            raise UserError(
                f"{place}: {len(row)} columns, but the first line has {width}; quote a text that "
                f"holds the separator ({'a comma' if kind == 'csv' else 'a tab'})."
            )
        label = row[label_column].strip()
        record = text_record(" ".join(row[i] for i in texts), data, {}, tally, place)
        if record is None:
            continue
        if label:
            record.labels[labels.task.name] = labels.read(label, label, place)
        else:
            tally.add(f"sentences without a label of {labels.task.name}", place)
        yield record


def _csv_rows(file: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each row, quotes and line ends within them understood."""
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
    """(line, cells) of each line; quotes are plain signs unless they enclose a whole cell."""
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
    """Index of the column that a number from 1 or a header name names."""
    if names is not None and spec in names:
        return names.index(spec)
    if spec.isdecimal() and 1 <= int(spec) <= len(row):
        return int(spec) - 1
    if names is not None:
        shown = ", ".join(names)
        raise UserError(f"{file}, line 1: no column {spec!r} in {shown}; set --{flag}=...")
    task_flag = flag.rsplit(".", 1)[0]
    header = f" or, if the file begins with names, --{task_flag}.header=true"
    raise UserError(
        f"{file}, line 1: {spec!r} is no column number from 1 to {len(row)}; set --{flag}=NUMBER"
        f"{'' if spec.isdecimal() else header}."
    )
