"""A sentence per line, its words with their tags.

Ann/B-PER left/O Oslo/B-LOC            also with | or _, and with further columns: Ann|NNP|B-PER
Ann left Oslo<tab>B-PER O B-LOC        the words, a tab and the tags
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.blocks import column, most, split_columns
from mtt_jax.data.readers.files import lines
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_TAG = re.compile("O|(?:[BIESLUM]|[biesulm])[-_:–—].+|.+[-_:–—][BIESLUM]")
_CLASS = re.compile(r"[A-Z]{1,5}\$?|[.,:()$#\"'`]{1,2}")
_SEPARATORS = "/|_"
_ENOUGH = 1000  # lines, to find the separator
_TAB = "\t"


class _Shape(NamedTuple):
    """How words and tags are written: the separator (a tab for two lists), and how many columns."""

    separator: str
    width: int


def recognize(head: Head) -> str | None:
    """Says how a file writes words and tags; None if it does not look so."""
    shape = _shape([line for line in head.text.split("\n") if line.strip(" \t")])
    if shape is None:
        return None
    if shape.separator == _TAB:
        return "sentences with their tags after a tab"
    return f"sentences of {shape.separator.join(['word', 'tag', 'tag'][: shape.width])}"


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the sentence of each line; the last column is also named `tags`.

    Args:
      path: of the file.
      layout: its encoding; column of the words, 1 by default.

    Raises:
      UserError: naming file and line, for a word without a tag.
    """
    numbered = ((n, line) for n, line in lines(path, layout.encoding) if line.strip(" \t"))
    shape = _shape([line for _, line in islice(numbered, _ENOUGH)])
    if shape is None:
        raise UserError(
            f"{path}: expected a sentence per line, as in 'Ann/B-PER left/O' with one of "
            f"{' '.join(_SEPARATORS)} before each tag, or the words, a tab and the tags."
        )
    for number, line in lines(path, layout.encoding):
        if not line.strip(" \t"):
            continue
        place = Place(path, number)
        columns = _halves(line, place) if shape.separator == _TAB else _columns(line, shape, place)
        fields: dict[str, Any] = {str(i): cells for i, cells in enumerate(columns, start=1)}
        fields["tags"] = columns[-1]
        word = column(layout.word or 1, len(columns), f"{layout.flag}.word", place)
        yield Row(place, fields, tokens=columns[word])


def _shape(sentences: Sequence[str]) -> _Shape | None:
    """How sentences write words and tags; None if they do not."""
    halves = [[_items(half) for half in line.split(_TAB)] for line in sentences]
    pairs = [half for half in halves if len(half) == 2 and len(half[0]) == len(half[1])]
    tags = [tag for half in pairs for tag in half[1]]
    if most(len(half) == 2 for half in halves) and 10 * len(pairs) >= 9 * len(sentences):
        long = any(len(half[0]) > 1 for half in pairs)
        return _Shape(_TAB, 2) if long and _are_tags(tags) else None
    items = [item for line in sentences for item in _items(line)]
    if not any(len(_items(line)) > 1 for line in sentences):
        return None
    for separator in _SEPARATORS:
        width = 1 + min((n for item in items if (n := item.count(separator))), default=0)
        cells = [item.rsplit(separator, width - 1) for item in items]
        whole = most(len(row) == width > 1 and all(row) for row in cells)
        if whole and _are_tags([row[-1] for row in cells]):
            return _Shape(separator, width)
    return None


def _are_tags(values: Sequence[str]) -> bool:
    """Whether values are tags of entities, or classes of words such as NNP."""
    some = any(value == "O" or _TAG.fullmatch(value) for value in values)
    entities = some and most(bool(_TAG.fullmatch(value)) for value in values)
    few = len(set(values)) <= max(5, len(values) // 2)
    return entities or (few and most(bool(_CLASS.fullmatch(value)) for value in values))


def _items(text: str) -> list[str]:
    """What is between the spaces; a no-break space is part of a word."""
    stripped = text.strip(" ")
    return split_columns(stripped) if stripped else []


def _halves(line: str, place: Place) -> list[list[str]]:
    """The words and the tags of a line with a tab."""
    halves = [_items(half) for half in line.split(_TAB)]
    if len(halves) != 2:
        raise UserError(
            f"{place}: {len(halves) - 1} tabs; expected one, between the words and the tags."
        )
    if len(halves[0]) != len(halves[1]):
        raise UserError(
            f"{place}: {len(halves[0])} words, but {len(halves[1])} tags; give each word one."
        )
    return halves


def _columns(line: str, shape: _Shape, place: Place) -> list[list[str]]:
    """The words and the tags of a line of word/tag."""
    rows = []
    for item in _items(line.replace(_TAB, " ")):
        cells = item.rsplit(shape.separator, shape.width - 1)
        if len(cells) != shape.width or not all(cells):
            raise UserError(
                f"{place}: {item!r} is not a word with "
                f"{'a tag' if shape.width == 2 else f'{shape.width - 1} tags'} after "
                f"{shape.separator!r}; write as O the tag of a word without an entity."
            )
        rows.append(cells)
    return [list(cells) for cells in zip(*rows, strict=True)]
