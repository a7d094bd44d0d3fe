"""Kaggle's ner_dataset.csv: a word per row, with the number of its sentence.

    Sentence #,Word,POS,Tag
    Sentence: 1,Ann,NNP,B-per
    ,left,VBD,O

The number stands on the first row of a sentence, or on every row.
"""

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.blocks import column
from mtt_jax.data.readers.files import lines, lines_with_ends
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_SENTENCE = ("sentence #", "sentence#", "sentence_idx", "sentence_id", "sentence", "sent_id")
_WORD = ("word", "words", "token", "tokens")
_TAG = ("tag", "tags", "label", "labels", "ner", "ner_tag", "ner_tags", "entity")
_SEPARATORS = ",;\t"


class _Header(NamedTuple):
    """The first line: separator, names, and the columns of sentence and word."""

    separator: str
    names: list[str]
    sentence: int
    word: int


def recognize(head: Head) -> str | None:
    """Says that a file is in this format; None for another."""
    begin, _, rest = head.text.partition("\n")
    header = _header(begin)
    if header is None or _has_sentences(rest, header):
        return None
    return "Kaggle's table with a word per row and numbered sentences"


def _has_sentences(text: str, header: _Header) -> bool:
    """Whether most cells of the words hold several: a table with a sentence per row."""
    reader = csv.reader(text.split("\n"), delimiter=header.separator)
    try:
        cells = [row[header.word] for row in islice(reader, 50) if len(row) > header.word]
    except csv.Error:
        return False
    return 2 * sum(" " in cell.strip() or cell.startswith("[") for cell in cells) > len(cells)


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the sentences of a file; its columns are fields by name and number.

    Args:
      path: of the file.
      layout: its encoding; column of the words, if it is not the one named Word.

    Raises:
      UserError: naming file and line, for a row with too few cells or without a word.
    """
    header = _header(next(lines(path, layout.encoding), (1, ""))[1])
    if header is None:
        raise UserError(
            f"{path}, line 1: expected names of columns such as 'Sentence #,Word,POS,Tag'; for "
            f"other tables set {layout.flag}.format=csv."
        )
    if layout.word:
        place = Place(path, 1)
        word = column(layout.word, len(header.names), f"{layout.flag}.word", place)
        header = header._replace(word=word)
    begun: list[str] = []
    for sentence in _sentences(path, layout, header):
        begun.append(sentence[0].cells[header.sentence].strip())
        yield _row(sentence, header)
    if len(begun) > 3 * len(set(begun)):
        raise UserError(
            f"{path}: the rows of a sentence are not together: {len(set(begun)):,} numbers in "
            f"column {header.names[header.sentence]!r} begin {len(begun):,} times. Sort the rows "
            "by it, keeping their order otherwise."
        )


class _Line(NamedTuple):
    """A row of the table."""

    place: Place
    cells: list[str]


def _header(line: str) -> _Header | None:
    """What the first line says; None if it does not name sentence, word and tag."""
    for separator in _SEPARATORS:
        names = [name.strip() for name in next(csv.reader([line], delimiter=separator), [])]
        lower = [name.lower() for name in names]
        sentence = next((lower.index(name) for name in _SENTENCE if name in lower), -1)
        word = next((lower.index(name) for name in _WORD if name in lower), -1)
        if sentence >= 0 and word >= 0 and any(name in lower for name in _TAG):
            return _Header(separator, names, sentence, word)
    return None


def _sentences(path: Path, layout: Layout, header: _Header) -> Iterator[list[_Line]]:
    """Yields the rows of each sentence."""
    current, sentence = "", list[_Line]()
    for line in _lines(path, layout.encoding, header):
        number = line.cells[header.sentence].strip()
        if not number and not current:
            raise UserError(
                f"{line.place}: a word without a sentence; expected a number in column "
                f"{header.names[header.sentence]!r}, at least on the first word of each sentence."
            )
        if number and number != current:
            if sentence:
                yield sentence
            current, sentence = number, []
        sentence.append(line)
    if sentence:
        yield sentence


def _lines(path: Path, encoding: str, header: _Header) -> Iterator[_Line]:
    """Yields the rows after the first; quotes are understood."""
    reader = csv.reader(lines_with_ends(path, encoding), delimiter=header.separator, strict=True)
    width = len(header.names)
    while True:
        place = Place(path, reader.line_num + 1)
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f'{place}: not valid CSV: {error}. A quote that is a word is written as four: """"'
            ) from None
        if place.line == 1 or not any(cells):
            continue
        if len(cells) != width:
            raise UserError(
                f"{place}: {len(cells)} columns, but line 1 names {width}; put a word that "
                f"contains {header.separator!r} in quotes."
            )
        if not cells[header.word].strip():
            raise UserError(
                f"{place}: no word in column {header.names[header.word]!r}; remove the row."
            )
        yield _Line(place, cells)


def _row(sentence: Sequence[_Line], header: _Header) -> Row:
    """The row of a sentence."""
    columns = [list(cells) for cells in zip(*(line.cells for line in sentence), strict=True)]
    fields: dict[str, Any] = {}
    for index, name in enumerate(header.names):
        if index == header.sentence:
            fields[name] = columns[index][0].strip()
        else:
            fields[str(index + 1)] = columns[index]
            if name:
                fields[name] = columns[index]
    places = [line.place for line in sentence]
    return Row(places[0], fields, tokens=columns[header.word], token_places=places)
