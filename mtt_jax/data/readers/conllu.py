"""CoNLL-U, CoNLL-U Plus and Universal NER: an index, a word and more on each line.

    # sent_id = 7
    # text = Mia didn't.
    1    Mia     Mia  PROPN  _  _  3  nsubj  _  NER=B-PER
    2-3  didn't  _    _      _  _  _  _      _  SpaceAfter=No
    2    did     do   AUX    _  _  0  root   _  NER=O
    3    n't     not  PART   _  _  2  advmod _  NER=O
    4    .       .    PUNCT  _  _  2  punct  _  NER=O

Words are those of the text. A multiword token (2-3) whose parts make up its text, as here, gives
its parts; of another, such as French `du` = `de` + `le`, the words are one, and so are their
columns: ADP+DET, and O with B-LOC is B-LOC. Empty nodes (5.1) are not in the text and are left out.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.blocks import (
    blocks,
    check_index,
    check_width,
    column,
    is_index,
    most,
    split_columns,
)
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_NAMES = ["ID", "FORM", "LEMMA", "UPOS", "XPOS", "FEATS", "HEAD", "DEPREL", "DEPS", "MISC"]
_UNIVERSAL_NER = ["ID", "FORM", "TAG", "OTAG", "ANNOTATOR"]
_INDEX = re.compile(r"(\d+)(?:-(\d+)|\.\d+)?")
_COMMENT = re.compile(r"#\s*([^=]+?)\s*= ?(.*)")
_GLOBAL = "global.columns"
_TAG = re.compile(r"O|[BIESLUM]-.+")
_EMPTY = ("_", "*")  # CoNLL-U Plus: not annotated, and annotated as nothing
_SPACING = ("SpaceAfter", "SpacesAfter", "SpacesBefore", "SpacesInToken")


def recognize(head: Head) -> str | None:
    """Says which of the three formats a file has; None for another."""
    lines = head.text.split("\n")
    comments = [match for line in lines if (match := _COMMENT.match(line))]
    if any(match[1] == _GLOBAL for match in comments):
        return "CoNLL-U Plus columns"
    cells = [line.split("\t") for line in lines if line.strip(" \t") and line[0] != "#"]
    width = len(cells[0]) if cells else 0
    if not most(len(row) == width and bool(_INDEX.fullmatch(row[0])) for row in cells):
        return None
    cells = [row for row in cells if len(row) == width]
    if len(_NAMES) <= width <= len(_NAMES) + 2:
        heads = most(row[6] == "_" or row[6].isdecimal() for row in cells)
        return "CoNLL-U columns" if heads else None
    plain = [row for row in cells if row[0].isdecimal()]
    if width == len(_UNIVERSAL_NER) and is_index(plain) and most(row[3] == "-" for row in plain):
        return "Universal NER columns"
    said = any(match[1] in ("sent_id", "text") for match in comments)
    return "columns with an index, comments and text" if 3 <= width < 10 and said else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the sentences of a file, which is read twice: first to see what its columns hold.

    Args:
      path: of the file.
      layout: its encoding; column of the words, if it is not the one named FORM.

    Raises:
      UserError: naming file and line, for a line with too few columns or an index that jumps.
    """
    table = _table(path, layout)
    for block in blocks(path, layout.encoding):
        comments, units = _sentence(path, block, table)
        if units:
            yield _row(comments, units, table)


class _Table(NamedTuple):
    """What is known about all sentences of a file.

    Attributes:
      names: of the columns; "" for one without a name.
      first: number of the line that says how many columns there are.
      numbered, word, misc: columns of the index, the words and the MISC items; -1 if there is none.
      marked: columns of tags where `_` says that a word has none.
      items: MISC keys, and whether their values are tags, and whether O is among them.
    """

    names: Sequence[str]
    first: int
    numbered: int
    word: int
    misc: int
    marked: frozenset[int]
    items: Mapping[str, tuple[bool, bool]]


class _Unit(NamedTuple):
    """A word of the text: its columns and MISC items, and whether no space follows it."""

    cells: list[str]
    items: dict[str, str]
    glued: bool
    place: Place


class _Line(NamedTuple):
    """A line with a word, or with a multiword token: its first and last index.

    Attributes:
      whole: whether it is a multiword token, whose parts follow.
    """

    start: int
    end: int
    whole: bool
    unit: _Unit


class _Values:
    """What is remembered of the values of a column: whether they are tags of entities."""

    def __init__(self) -> None:
        self.only_tags, self.prefixed, self.outside = True, False, False

    def add(self, value: str) -> None:
        """Looks at one value."""
        self.only_tags &= bool(_TAG.fullmatch(value))
        self.prefixed |= value != "O"
        self.outside |= value == "O"

    @property
    def are_tags(self) -> bool:
        """Whether some are tags such as B-PER and the others O."""
        return self.only_tags and self.prefixed


def _table(path: Path, layout: Layout) -> _Table:
    """Reads the whole file to see what its columns and MISC items hold."""
    names: list[str] = []
    first = 0
    columns: dict[int, _Values] = {}
    items: dict[str, _Values] = {}
    misc = -1
    for number, line in (pair for block in blocks(path, layout.encoding) for pair in block):
        match = _COMMENT.match(line)
        if match and match[1] == _GLOBAL and not names:
            names, first = match[2].split(), number
            misc = _position(names, "MISC")
        if line.startswith("#"):
            continue
        cells = split_columns(line)
        if not names:
            names, first = _names_for(cells), number
            misc = _position(names, "MISC")
        if len(cells) != len(names):
            continue  # `_sentence` says what is wrong
        for index in range(len(names)):
            if names[index] not in _NAMES and cells[index] not in _EMPTY:
                columns.setdefault(index, _Values()).add(cells[index])
        for key, value in _items(cells, misc).items():
            if key not in _SPACING:
                items.setdefault(key, _Values()).add(value)
    marked = frozenset(index for index, values in columns.items() if values.are_tags)
    if len(names) > len(_NAMES) and not names[10] and 10 in marked and "NER" not in items:
        names[10] = "NER"
    if not names:
        raise UserError(f"{path}: no line with a word; expected 10 columns in each, as in CoNLL-U.")
    place = Place(path, first)
    if layout.word:
        word = column(layout.word, len(names), f"{layout.flag}.word", place)
    else:
        word = _position(names, "FORM")
    if word < 0:
        raise UserError(
            f"{place}: no column is named FORM ({', '.join(names)}); give the number of the one "
            f"with the words: {layout.flag}.word=1"
        )
    about = {key: (values.are_tags, values.outside) for key, values in items.items()}
    return _Table(names, first, _position(names, "ID"), word, misc, marked, about)


def _names_for(cells: Sequence[str]) -> list[str]:
    """The names of columns in a file that does not give them."""
    if len(cells) >= len(_NAMES):
        return _NAMES + [""] * (len(cells) - len(_NAMES))
    if len(cells) in (3, len(_UNIVERSAL_NER)):
        return _UNIVERSAL_NER[: len(cells)]
    return ["ID", "FORM"] + [""] * (len(cells) - 2)


def _position(names: Sequence[str], name: str) -> int:
    return names.index(name) if name in names else -1


def _items(cells: Sequence[str], misc: int) -> dict[str, str]:
    """The items of a MISC column, `NER=B-PER|SpaceAfter=No`."""
    if misc < 0 or cells[misc] == "_":
        return {}
    pairs = (item.partition("=") for item in cells[misc].split("|"))
    return {key.strip(): value for key, equals, value in pairs if equals and key.strip()}


def _sentence(
    path: Path, block: Sequence[tuple[int, str]], table: _Table
) -> tuple[dict[str, str], list[_Unit]]:
    """The comments of a sentence and the words of its text."""
    comments: dict[str, str] = {}
    lines: list[_Line] = []
    for number, line in block:
        if line.startswith("#"):
            match = _COMMENT.match(line)
            if match and match[1] != _GLOBAL:
                comments[match[1]] = match[2]
            continue
        place = Place(path, number)
        cells = split_columns(line)
        check_width(len(cells), len(table.names), table.first, place)
        items = _items(cells, table.misc)
        glued = items.get("SpaceAfter") == "No"
        items = {key: value for key, value in items.items() if key in table.items}
        unit = _Unit(cells, items, glued, place)
        if table.numbered < 0:
            lines.append(_Line(len(lines) + 1, len(lines) + 1, False, unit))
        elif index := _index(cells[table.numbered], place):
            lines.append(_Line(*index, "-" in cells[table.numbered], unit))
    return comments, _units(lines, table.word)


def _index(cell: str, place: Place) -> tuple[int, int] | None:
    """First and last number of an index; None for an empty node."""
    match = _INDEX.fullmatch(cell)
    if not match or (match[2] and int(match[2]) < int(match[1])):
        raise UserError(
            f"{place}: {cell!r} in column ID; expected a number, such as 4, 4-5 for a multiword "
            "token or 4.1 for an empty node."
        )
    return None if "." in cell else (int(match[1]), int(match[2] or match[1]))


def _units(lines: Sequence[_Line], word: int) -> list[_Unit]:
    """The words of the text: multiword tokens and their parts are resolved."""
    units: list[_Unit] = []
    position, last = 0, 0
    while position < len(lines):
        start, end, whole, unit = lines[position]
        check_index(start, last, unit.place)
        position += 1
        last = end
        if not whole:
            units.append(unit)
            continue
        parts: list[_Unit] = []
        while position < len(lines) and lines[position].end <= end:
            check_index(lines[position].start, start - 1 + len(parts), lines[position].unit.place)
            parts.append(lines[position].unit)
            position += 1
        if parts and len(parts) <= end - start:
            raise UserError(
                f"{unit.place}: a multiword token of the words {start} to {end}, but only "
                f"{len(parts)} of them {'follow' if len(parts) > 1 else 'follows'}; put back the "
                "missing lines, or set the index right."
            )
        units += _multiword(unit, parts, word)
    return units


def _multiword(whole: _Unit, parts: Sequence[_Unit], word: int) -> list[_Unit]:
    """A multiword token as words of the text: its parts if they make up its text, else one."""
    if parts and not whole.items and "".join(p.cells[word] for p in parts) == whole.cells[word]:
        last = parts[-1]._replace(glued=whole.glued)
        return [*(part._replace(glued=True) for part in parts[:-1]), last]
    columns = zip(whole.cells, *(part.cells for part in parts), strict=True)
    cells = [own if own != "_" or not rest else _joined(rest) for own, *rest in columns]
    keys = {key for part in parts for key in part.items}
    items = {key: _joined([part.items[key] for part in parts if key in part.items]) for key in keys}
    return [whole._replace(cells=cells, items=items | whole.items)]


def _joined(values: Sequence[str]) -> str:
    """One value for a word from those of its parts.

    Tags of one entity become the tag of the whole: (O, B-LOC) is B-LOC, (B-LOC, E-LOC) is S-LOC.
    Others are joined as in ADP+DET.
    """
    known = [value for value in dict.fromkeys(values) if value not in _EMPTY]
    if len(known) < 2:
        return known[0] if known else "_"
    tags = [value for value in values if value != "O"]
    one = len({tag[2:] for tag in tags}) == 1
    if not one or not all(_TAG.fullmatch(v) for v in known) or any(t[0] in "BSU" for t in tags[1:]):
        return "+".join(known)
    begins, ends = tags[0][0] in "BSU", tags[-1][0] in "ESLU"
    if begins and ends:
        prefix = "S" if tags[-1][0] in "ES" else "U"
    else:
        prefix = tags[0][0] if begins else tags[-1][0]
    return prefix + tags[0][1:]


def _row(comments: Mapping[str, str], units: Sequence[_Unit], table: _Table) -> Row:
    """The row of a sentence."""
    fields: dict[str, Any] = dict(comments)
    for key, (tags, outside) in table.items.items():
        # A file that writes O says by its absence that a sentence is not annotated.
        if tags and outside and not any(key in unit.items for unit in units):
            continue
        fields[key] = [unit.items.get(key, "O" if tags else "_") for unit in units]
    for index, name in enumerate(table.names):
        cells = [unit.cells[index] for unit in units]
        if index in table.marked:
            cells = ["O" if cell in _EMPTY else cell for cell in cells]
        fields[str(index + 1)] = cells
        if name:
            fields[name] = cells
    words = [unit.cells[table.word] for unit in units]
    places = [unit.place for unit in units]
    text = comments.get("text")
    if text is None and table.misc < 0:
        return Row(places[0], fields, None, words, None, places)
    built, offsets = _with_spaces(words, [unit.glued for unit in units])
    if text is None or text == built:
        return Row(places[0], fields, built, words, offsets, places)
    return Row(places[0], fields, text, words, _found(words, text), places)


def _with_spaces(words: Sequence[str], glued: Sequence[bool]) -> tuple[str, list[tuple[int, int]]]:
    """The text that words make with a space after each that is not glued; and their offsets."""
    parts: list[str] = []
    offsets, end = [], 0
    for word, joined in zip(words, glued, strict=True):
        offsets.append((end, end + len(word)))
        parts += [word] if joined else [word, " "]
        end += len(word) + (not joined)
    text = "".join(parts)
    return text if glued[-1] else text[:-1], offsets


def _found(words: Sequence[str], text: str) -> list[tuple[int, int]] | None:
    """Offsets of words in a text with only spaces between them; None if they are not so."""
    offsets, end = [], 0
    for word in words:
        start = text.find(word, end)
        if start < 0 or text[end:start].strip():
            return None
        end = start + len(word)
        offsets.append((start, end))
    return offsets
