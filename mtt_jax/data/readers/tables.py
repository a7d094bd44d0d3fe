"""CSV and TSV: one text per row, its labels in columns.

The separator and the line of column names are recognized. A row holds every cell under the number
of its column, from "1", and under the column's name if there are names.
"""

import csv
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path

from mtt_jax.data.readers.files import head, lines, lines_with_ends
from mtt_jax.data.readers.rows import Head, Layout, Place, Row

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# News stories pasted whole fit; a quote that is never closed still ends in an error.
_LONGEST_CELL = 10_000_000
# Rows from which separator and header are recognized.
_SAMPLE = 200
# Names of columns that say by themselves that a line is a header.
_NAMES = frozenset([
    "text", "texts", "sentence", "sentences", "content", "body", "title", "headline", "description",
    "tweet", "review", "document", "comment", "message", "question", "utterance", "label", "labels",
    "category", "categories", "class", "classes", "topic", "topics", "target", "sentiment",
    "intent", "polarity", "rating", "stars", "id", "idx", "index",
])  # fmt: skip


def recognize_csv(head: Head) -> str | None:
    """A description of a .csv file, or of one whose lines all have the same number of cells."""
    if head.extension in (".tsv", ".tab") and "\t" in head.text:
        return None
    return _description(head, "CSV") if head.extension == ".csv" and head.text else None


def recognize_tsv(head: Head) -> str | None:
    """A description of a .tsv file with tabs, or of any whose lines have two or more cells."""
    if not head.text or head.text.lstrip()[:1] in ("{", "["):
        return None
    if head.extension == ".csv":
        return None
    if head.extension in (".tsv", ".tab") or _uniform(head.text, "\t"):
        return _description(head, "TSV")
    return None


def read_csv(path: Path, layout: Layout) -> Iterator[Row]:
    """The rows of a CSV file with any separator."""
    separator = _separator(head(path).text, ",;\t|") or ","
    return _rows(path, layout, separator)


def read_tsv(path: Path, layout: Layout) -> Iterator[Row]:
    """The rows of a TSV file."""
    separator = _separator(head(path).text, "\t,;|") or "\t"
    return _rows(path, layout, separator)


def _description(head: Head, name: str) -> str:
    """What is recognized: the separator if it is not that of the name, and the header."""
    order = ",;\t|" if name == "CSV" else "\t,;|"
    separator = _separator(head.text, order) or order[0]
    rows = _sample(head.text, separator)
    by = "" if separator == order[0] else f" separated by {_SEPARATORS[separator]}"
    if has_header(rows):
        return f"{name}{by} with a header ({', '.join(cell.strip() for cell in rows[0])})"
    return f"{name}{by} without a header"


def _rows(path: Path, layout: Layout, separator: str) -> Iterator[Row]:
    """The rows of a table; a line that has no cell is left out."""
    lined = separator == "\t" and not _has_lines_in_cells(head(path).text)
    cells = _plain_lines(path, layout.encoding) if lined else _csv_lines(path, layout, separator)
    first = list(islice(cells, _SAMPLE))
    width = _width([row for _, row in first])
    header = has_header([row for _, row in first]) if layout.header is None else layout.header
    names: list[str] = []
    seen = 0
    for line, row in chain(first, cells):
        place = Place(path, line)
        row = row[:width] if all(not cell.strip() for cell in row[width:]) else row
        seen += 1
        if len(row) != width:
            what = f"a text that contains the separator ({_SEPARATORS[separator][:-1]})"
            layout.fault(
                f"{place}: {len(row)} columns, but the first line has {width}; quote {what}."
            )
            continue
        if header and seen == 1:
            names = [cell.strip() for cell in row]
            continue
        fields = {str(number): cell for number, cell in enumerate(row, start=1)}
        yield Row(place, fields | {n: cell for n, cell in zip(names, row, strict=False) if n})


def _width(rows: Sequence[Sequence[str]]) -> int:
    """Columns of the first line, less those that are empty in every line: trailing separators."""
    if not rows:
        return 0
    width = len(rows[0])
    while width > 1 and all(len(row) >= width and not row[width - 1].strip() for row in rows):
        width -= 1
    return width


def has_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row holds names of columns.

    It does if its cells are short and different, and one of them is a usual name of a column, or is
    a word above numbers only, or is missing among the few values below it while texts are longer.
    """
    if not rows:
        return False
    first, rest = [cell.strip() for cell in rows[0]], rows[1:]
    named = [cell for cell in first if cell]
    if not named or len(set(named)) < len(named) or not all(map(_is_name, named)):
        return False
    columns = [[row[i].strip() for row in rest if i < len(row)] for i in range(len(first))]
    for name, column in zip(first, columns, strict=True):
        if name.lower() in _NAMES and name not in column:
            return True
    if len(rest) < 3:
        return False
    numbers = [
        _is_number(cell) and all(map(_is_number, col))
        for cell, col in zip(first, columns, strict=True)
    ]
    if any(numbers):
        return False
    if any(
        name and all(map(_is_number, col)) for name, col in zip(first, columns, strict=True) if col
    ):
        return True
    few = any(
        name not in col and len(set(col)) <= max(2, len(col) // 4)
        for name, col in zip(first, columns, strict=True)
    )
    long = any(
        col and statistics.median(len(cell.split()) for cell in col) >= 3 > len(name.split())
        for name, col in zip(first, columns, strict=True)
    )
    return few and long


def _is_name(cell: str) -> bool:
    return len(cell) <= 40 and len(cell.split()) <= 4 and not re.search(r"[.!?,;]$", cell)


def _is_number(cell: str) -> bool:
    return re.fullmatch(r"[-+]?\d+(\.\d+)?", cell) is not None


def _uniform(text: str, order: str) -> str:
    """The separator that divides all lines into as many cells; "" if there is none.

    Of several, the first that is not followed by a space, as a comma in a sentence is.
    """
    found = {}
    for separator in order:
        rows = _sample(text, separator)
        if len({len(row) for row in rows}) == 1 and len(rows[0]) > 1:
            found[separator] = any(cell.startswith(" ") for row in rows for cell in row[1:])
    return min(found, key=lambda separator: (found[separator], order.index(separator)), default="")


def _separator(text: str, order: str) -> str:
    """The separator of a table; failing `_uniform`, the first that is in every line."""
    found = [line for line in text.splitlines() if line.strip()]
    return _uniform(text, order) or next(
        (separator for separator in order if found and all(separator in line for line in found)), ""
    )


def _sample(text: str, separator: str) -> list[list[str]]:
    """The first rows of a text; a row that its end cuts is left out."""
    rows: list[list[str]] = []
    if separator == "\t" and not _has_lines_in_cells(text):
        found = (line for line in text.split("\n") if line.strip())
        return [_plain_cells(line) for line in islice(found, _SAMPLE)]
    reader = csv.reader(text.splitlines(keepends=True), delimiter=separator, strict=True)
    with suppress(csv.Error):
        rows.extend(row for row in islice(reader, _SAMPLE) if row)
    return rows


def _has_lines_in_cells(text: str) -> bool:
    """Whether cells in quotes hold line ends: only then do all lines have as many tabs."""
    found = [line for line in text.split("\n") if line.strip()]
    widths = {line.count("\t") for line in found}
    if len(widths) < 2 or not re.search('(^|\t)"', text, re.MULTILINE):
        return False
    reader = csv.reader(text.splitlines(keepends=True), delimiter="\t", strict=True)
    try:
        rows = [row for row in reader if row]
    except csv.Error:
        return False
    return len({len(row) for row in rows}) == 1 and len(rows) > 1


def _csv_lines(path: Path, layout: Layout, separator: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each row; quotes and line ends inside them are understood.

    If faults are collected, a row that cannot be read ends at its first line: what a quote that is
    never closed has swallowed is read again.
    """
    csv.field_size_limit(_LONGEST_CELL)
    given = lines_with_ends(path, layout.encoding)
    row_lines: list[str] = []  # of the row that is being read

    def noted(found: Iterable[str]) -> Iterator[str]:
        for line in found:
            row_lines.append(line)
            yield line

    reader, before = csv.reader(noted(given), delimiter=separator, strict=True), 0
    while True:
        begins = before + reader.line_num + 1
        row_lines.clear()
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            layout.fault(
                f"{path}, line {begins}: not valid CSV: {error}. A quote inside a quoted text is "
                'written twice: "".'
            )
            given, before = chain(list(row_lines[1:]), given), begins
            reader = csv.reader(noted(given), delimiter=separator, strict=True)
            continue
        if row:
            yield begins, row


def _plain_lines(path: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each line."""
    for number, line in lines(path, encoding):
        if line.strip():
            yield number, _plain_cells(line)


def _plain_cells(line: str) -> list[str]:
    """Cells between tabs; quotes are plain characters unless they enclose a whole cell."""
    return [
        cell[1:-1].replace('""', '"') if cell[:1] == '"' == cell[1:][-1:] else cell
        for cell in line.split("\t")
    ]
