"""CSV and TSV: one text per row, its labels in columns.

The separator and the line of column names are recognized. A row holds every cell under the number
of its column, from "1", and under the column's name if there are names. Cells may hold a list with
an item for each word of the text, as JSON, Python or NumPy writes it, or tags of entities with
spaces or commas between them:

    sentence,word_labels
    Ann left Oslo,"B-PER,O,B-LOC"
"""

import csv
import re
import statistics
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.blocks import most
from mtt_jax.data.readers.files import head, lines, lines_with_ends
from mtt_jax.data.readers.objects import WORDS, list_in
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.tasks.schemes import OUTSIDE

_SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
# News stories pasted whole fit; a quote that is never closed still ends in an error.
_LONGEST_CELL = 10_000_000
# Rows from which separator and header are recognized.
_SAMPLE = 200
# Columns of parts of speech, these, tags of entities, and what divides the tags in a cell.
_PARTS_OF_SPEECH = frozenset(("pos", "pos_tags", "upos", "upos_tags", "xpos"))
_CLASS = re.compile(r"[A-Z]{1,6}\$?|[.,:()$#\"'`]{1,2}")
_TAG = re.compile("O|[BIESLUM][-_:–—].+|.+[-_:–—][BIESLUM]", re.IGNORECASE)
_BETWEEN = re.compile(r"\s*,\s*|\s+")
# Names of columns that say by themselves that a line is a header.
_NAMES = frozenset([
    "text", "texts", "sentence", "sentences", "content", "body", "title", "headline", "description",
    "tweet", "review", "document", "comment", "message", "question", "utterance", "label", "labels",
    "category", "categories", "class", "classes", "topic", "topics", "target", "sentiment",
    "intent", "polarity", "rating", "stars", "id", "idx", "index", "tokens", "word_labels",
    "ner_tags", "pos_tags",
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
    body = [row[:width] for _, row in first[bool(header) :] if len(row) >= width]
    named = [cell.strip() for cell in first[0][1]] if header and first else []
    columns = _columns_of_words(body, named)
    names: list[str] = []
    seen = 0
    for line, row in chain(first, cells):
        place = Place(path, line)
        row = row[:width] if all(not cell.strip() for cell in row[width:]) else row
        seen += 1
        if len(row) != width:
            between = _SEPARATORS[separator][:-1]
            layout.fault(
                f"{place}: {len(row)} columns, but the first line has {width}; quote a text that "
                f"contains the separator ({between})."
                if len(row) > width
                else f"{place}: {len(row)} of the {width} columns that the first line has; write "
                f"the missing ones, empty if need be, each after a separator ({between})."
            )
            continue
        if header and seen == 1:
            names = [cell.strip() for cell in row]
            continue
        values = columns.read(row)
        fields = {str(number): value for number, value in enumerate(values, start=1)}
        fields |= {name: value for name, value in zip(names, values, strict=False) if name}
        yield Row(place, fields, tokens=columns.words_of(row))


class _Columns(NamedTuple):
    """Which columns of a table hold something for each word of its texts.

    Attributes:
      words: of the text or of the list of words; -1 if there is none.
      lists: of those with a list.
      tags: of those with tags that have spaces or commas between them.
    """

    words: int = -1
    lists: frozenset[int] = frozenset()
    tags: frozenset[int] = frozenset()

    def read(self, row: Sequence[str]) -> list[Any]:
        """The cells of a row; those with something for each word as lists."""
        return [
            list_in(cell) if at in self.lists else _items(cell) if at in self.tags else cell
            for at, cell in enumerate(row)
        ]

    def words_of(self, row: Sequence[str]) -> list[str] | None:
        """The words of a row; None if the table does not divide its texts."""
        if self.words < 0:
            return None
        found = list_in(row[self.words]) if self.words in self.lists else row[self.words].split()
        return [str(word) for word in found] or None if isinstance(found, list) else None


def _columns_of_words(rows: Sequence[Sequence[str]], names: Sequence[str]) -> _Columns:
    """The columns with something for each word; none unless as many are in another column.

    Args:
      rows: the first of a table, without their names.
      names: of the columns; [] if they have none.
    """
    width = min(map(len, rows), default=0)
    title = [name.lower() for name in names] + [""] * (width - len(names))
    cells = [[row[at] for row in rows] for at in range(width)]
    listed = {at: [list_in(cell) for cell in cells[at]] for at in range(width)}
    lists = frozenset(
        at for at, found in listed.items() if found and all(isinstance(x, list) for x in found)
    )
    tags = frozenset(
        at
        for at in range(width)
        if at not in lists and _are_tags(list(map(_items, cells[at])), title[at])
    )
    counts = {at: [len(items) for items in listed[at]] for at in lists}
    counts |= {at: [len(_items(cell)) for cell in cells[at]] for at in tags}
    for at in sorted(range(width), key=lambda at: (at not in lists, at)):
        if at in tags or (at in lists and not _are_words(listed[at], title[at])):
            continue
        own = counts.get(at) or [len(cell.split()) for cell in cells[at]]
        alike = [
            other
            for other in counts
            if other != at and most(map(int.__eq__, own, counts[other]))
            if at in lists or other in tags or _are_tags(listed[other], title[other])
        ]
        if alike and max(own) > 1:
            return _Columns(at, lists & {at, *alike}, tags & {*alike})
    return _Columns()


def _items(cell: str) -> list[str]:
    return _BETWEEN.split(cell.strip()) if cell.strip() else []


def _are_tags(found: Sequence[Sequence[Any]], title: str) -> bool:
    """Whether cells hold tags: of entities, numbers in lists, or parts of speech by their name."""
    flat = [tag for items in found for tag in items]
    if any(type(tag) is int for tag in flat):
        return all(type(tag) is int for tag in flat)
    if any(len(tag) > 1 for tag in flat) and all(map(_TAG.fullmatch, flat)):
        return True
    return (OUTSIDE in flat or title in _PARTS_OF_SPEECH) and all(map(_CLASS.fullmatch, flat))


def _are_words(found: Sequence[Sequence[Any]], title: str) -> bool:
    """Whether lists are of words, by the name of their column; by their items if it has none."""
    if title:
        return title in WORDS
    return not _are_tags(found, title)


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
        cell[:1] != "[" and col and all(below[:1] == "[" for below in col)
        for cell, col in zip(first, columns, strict=True)
    ):
        return True
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
