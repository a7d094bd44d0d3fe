"""OntoNotes in the columns of CoNLL-2011 and CoNLL-2012: entities as brackets.

#begin document (bc/x/00/x_0000); part 000
bc/x/00/x_0000  0  0  Ann    NNP  (TOP(S*  -  -  -  -  (PERSON*  -
bc/x/00/x_0000  0  1  Smith  NNP  *        -  -  -  -  *)        -
bc/x/00/x_0000  0  2  left   VBD  *))      -  -  -  -  *         -
#end document
"""

import re
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.blocks import blocks, column, most, split_columns
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_BEGIN = re.compile(r"#begin document \((.*)\)(?:; part (\d+))?")
_CELL = re.compile(r"(?:\([^()*\s]+)*(?:\*\)*|(?<=[^*])\)+)")
_OPENING = re.compile(r"\(([^()*\s]+)")
_INSIDE = "entities inside another, left out"
_NO_ENTITY = re.compile(  # roles of predicates, and phrases
    r"V|C-V|(?:[CR]-)?(?:ARG|AM|A\d)\S*|[NVPQX]P|AD[JV]P|WH\S+|CONJP|FRAG|INTJ|LST|PRT|TOP|UCP|S\S*"
)
_ENOUGH = 20_000  # words, to find the columns of a file that has others
_SHARED = 11  # the columns that each sentence has; one per predicate follows, and coreference
_WORD, _POS, _NER = 3, 4, 10


class _Columns(NamedTuple):
    """Where words, parts of speech (-1 for none) and entities are."""

    word: int
    pos: int
    ner: int


def recognize(head: Head) -> str | None:
    """Says that a file is in this format; None for another."""
    lines = head.text.split("\n")
    if _find([split_columns(line) for line in lines if _is_word(line)]) is None:
        return None
    return "OntoNotes columns (entities in brackets)"


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the sentences of a file; its entities become the field `ner`, with tags in IOB2.

    Args:
      path: of the file.
      layout: its encoding; column of the words, 4 by default.

    Raises:
      UserError: naming file and line, for a line with too few columns or unbalanced brackets.
    """
    found = _find_in(path, layout)
    document: dict[str, str] = {}
    for block in blocks(path, layout.encoding):
        rows: list[list[str]] = []
        places: list[Place] = []
        for number, line in block:
            match = _BEGIN.match(line)
            if match:
                document = {"document": match[1]} | ({"part": match[2]} if match[2] else {})
            if not _is_word(line):
                continue
            place, cells = Place(path, number), split_columns(line)
            first = rows[0] if rows else cells
            if len(cells) != len(first) or len(cells) <= found.ner:
                expected = f"{len(first)}, as in line {places[0].line}" if rows else found.ner + 1
                raise UserError(
                    f"{place}: {len(cells)} columns; expected {expected}. All words of a sentence "
                    "have as many, and an empty line ends it."
                )
            rows.append(cells)
            places.append(place)
        if rows:
            yield _row(rows, places, found, document, layout)


def _is_word(line: str) -> bool:
    """Whether a line holds a word, rather than `#begin document` or nothing."""
    return bool(line.strip(" \t")) and not line.startswith(("#begin ", "#end "))


def _find_in(path: Path, layout: Layout) -> _Columns:
    """The columns of a file."""
    lines = (line for block in blocks(path, layout.encoding) for _, line in block)
    words = (split_columns(line) for line in lines if _is_word(line))
    found = _find(list(islice(words, _ENOUGH)))
    if found is None:
        raise UserError(
            f"{path}: no column holds entities in brackets, such as (PERSON* and *), in every "
            f"line; if it has tags such as B-PER instead, set {layout.flag}.format=conll."
        )
    return found


def _find(cells: Sequence[Sequence[str]]) -> _Columns | None:
    """Where the columns are; None if no column holds entities in brackets.

    The first line counts: one with fewer columns further on is a fault that reading will name.
    """
    width = len(cells[0]) if cells else 0
    if width > _SHARED:
        first = [row for row in cells[:100] if len(row) > _SHARED]
        return _Columns(_WORD, _POS, _NER) if _opens(first, _NER, standard=True) else None
    cells = [row for row in cells if len(row) == width]
    for ner in range(1, width):
        if _opens(cells, ner, standard=False):
            index = next((i for i in range(ner) if _counts([row[i] for row in cells])), -1)
            return _Columns(index + 1, index + 2 if index + 2 < ner else -1, ner)
    return None


def _opens(cells: Sequence[Sequence[str]], index: int, standard: bool) -> bool:
    """Whether a column holds entities in brackets.

    Args:
      cells: the columns of each line.
      index: of the column.
      standard: whether it is where the standard has them; elsewhere there must be entities, and
        they must not look like roles or phrases.
    """
    matches = [_CELL.fullmatch(row[index]) for row in cells]
    names = {name for row in cells for name in _OPENING.findall(row[index])}
    other = any(_NO_ENTITY.fullmatch(name) for name in names)
    if standard:
        return most(map(bool, matches))
    return all(matches) and bool(names) and not other


def _counts(values: Sequence[str]) -> bool:
    """Whether a column counts the words of each sentence from 0 or 1."""
    if not all(value.isdecimal() for value in values) or int(values[0]) > 1:
        return False
    pairs = [(int(a), int(b)) for a, b in zip(values, values[1:], strict=False)]
    return all(b == a + 1 or b < 2 for a, b in pairs) and any(b > a for a, b in pairs)


def _row(
    rows: Sequence[Sequence[str]],
    places: Sequence[Place],
    found: _Columns,
    document: dict[str, str],
    layout: Layout,
) -> Row:
    """The row of a sentence."""
    columns = [list(cells) for cells in zip(*rows, strict=True)]
    fields: dict[str, Any] = dict(document)
    fields |= {str(number): cells for number, cells in enumerate(columns, start=1)}
    fields["ner"], faults = _tags(columns[found.ner], places)
    if found.pos >= 0:
        fields["pos"] = columns[found.pos]
    word = layout.word or found.word + 1
    tokens = columns[column(word, len(columns), f"{layout.flag}.word", places[0])]
    return Row(places[0], fields, tokens=tokens, token_places=places, faults=faults)


def _tags(cells: Sequence[str], places: Sequence[Place]) -> tuple[list[str], list[str]]:
    """The IOB2 tags of entities in brackets, and a fault for each that is inside another."""
    tags: list[str] = []
    faults: list[str] = []
    within: list[tuple[str, Place]] = []  # what is open, the outer one first
    for cell, place in zip(cells, places, strict=True):
        if not _CELL.fullmatch(cell):
            raise UserError(
                f"{place}: {cell!r} in the column of entities; expected (TYPE*, *, *) or (TYPE)."
            )
        outer = within[0][0] if within else ""
        opening = [(name, place) for name in _OPENING.findall(cell)]
        within += opening
        faults += [_INSIDE] * (len(opening) - (bool(opening) and not outer))
        if outer:
            tags.append(f"I-{outer}")
        else:
            tags.append(f"B-{within[0][0]}" if within else "O")
        for _ in range(cell.count(")")):
            if not within:
                raise UserError(
                    f"{place}: {cell!r} closes an entity, but none is open in this sentence; write "
                    "* or the missing (TYPE*."
                )
            within.pop()
    if within:
        name, opened = within[-1]
        raise UserError(
            f"{opened}: the entity {name} is not closed in its sentence; write *) at its last word."
        )
    return tags, faults
