"""BRAT: folders with a file of offsets, x.ann, for each text, x.txt.

T1	PER 0 3	Ann
T2	ORG 9 13;20 24	Acme Bank      in two pieces
R1	Sells Arg1:T1 Arg2:T2          relations, events, attributes and notes are not read
"""

import re
from bisect import bisect
from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.files import lines, read_text
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import entity, longest
from mtt_jax.errors import UserError

_ENTITY = re.compile(r"(T\S*)\t(\S+) (\d{1,12} \d{1,12}(?:;\d{1,12} \d{1,12})*)\t(.*)")
_OTHER = re.compile(r"[REAMN#]\d+\t.*|[*#].*")
_LINE_END = re.compile(r"\r\n|\r|\n")
_IN_PIECES = "entities in several pieces, left out"


class _Entity(NamedTuple):
    """A line of a file of offsets.

    Attributes:
      place: of the line.
      name: of the entity, such as T1.
      label: its type.
      pieces: (start, end) of each piece of it.
      text: what the file says is there.
    """

    place: Place
    name: str
    label: str
    pieces: list[tuple[int, int]]
    text: str


def recognize(head: Head) -> str | None:
    """A description of a folder with files .ann and .txt, or of a file .ann."""
    if head.path.is_dir():
        count = sum(file.with_suffix(".txt").exists() for file in head.path.rglob("*.ann"))
        return f"BRAT folder with {count:,} texts" if count else None
    first = next((line for line in head.text.splitlines() if line.strip()), "")
    known = not first or bool(_ENTITY.fullmatch(first) or _OTHER.fullmatch(first))
    return "BRAT offsets" if head.extension == ".ann" and known else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each line of each text; one row from a text with an entity across lines.

    Entities in several pieces are left out unless only spaces are between the pieces, which is how
    BRAT writes one that continues on the next line.

    Args:
      path: of a folder, with those inside it, or of one file .ann or .txt.
      layout: how to read it.

    Raises:
      UserError: for a file .ann without its text, other lines, and entities that are not in the
        text where the file says.
    """
    if path.is_dir():
        files = sorted(path.rglob("*.ann"))
        alone = sorted(set(path.rglob("*.txt")) - {file.with_suffix(".txt") for file in files})
        for file in files:
            yield from _document(file, layout, file.relative_to(path))
        for file in alone:
            fault = "texts without a file .ann, left out"
            yield Row(Place(file, 0), {}, faults=[fault])
    else:
        yield from _document(path.with_suffix(".ann"), layout, Path(path.name))


def _document(file: Path, layout: Layout, name: Path) -> Iterator[Row]:
    source = file.with_suffix(".txt")
    for path in (file, source):
        if not path.exists():
            raise UserError(f"{path}: no such file; BRAT keeps x.txt and x.ann side by side.")
    found = list(_entities(file, layout.encoding))
    text, fits = _text(read_text(source, layout.encoding), found, source)
    spans, faults = [], []
    for given in found:
        start, end = given.pieces[0][0], given.pieces[-1][1]
        between = [text[a[1] : b[0]] for a, b in pairwise(given.pieces)]
        if any(gap.strip() or not gap for gap in between):
            faults.append(_IN_PIECES)
        else:
            spans.append(entity(start, end, given.label, given.text))
    kept, overlapping = longest(spans)
    faults += overlapping
    fields = {"id": str(name.with_suffix("")), "text": text, "entities": kept}
    inside = _by_line(text, kept) if fits else None
    if inside is None:
        yield Row(Place(source, 0), fields, text, faults=faults)
        return
    for number, ((start, end), entities) in enumerate(inside, start=1):
        line = text[start:end]
        if line.strip():
            fields = {**fields, "text": line, "entities": entities}
            yield Row(Place(source, number), fields, line, faults=faults)
            faults = []


def _by_line(
    text: str, entities: Sequence[Mapping[str, Any]]
) -> list[tuple[tuple[int, int], list[dict[str, Any]]]] | None:
    """(start, end) of each line and the entities in it, by offsets in the line.

    None if an entity does not fit in a line.
    """
    places = list(_line_spans(text))
    inside: list[list[dict[str, Any]]] = [[] for _ in places]
    for found in entities:
        index = bisect(places, (found["start"], len(text) + 1)) - 1
        start, end = places[index]
        if found["end"] > end:
            return None
        shifted = {"start": found["start"] - start, "end": found["end"] - start}
        inside[index].append({**found, **shifted})
    return list(zip(places, inside, strict=True))


def _line_spans(text: str) -> Iterator[tuple[int, int]]:
    """(start, end) of each line, without its end."""
    begin = 0
    for found in _LINE_END.finditer(text):
        yield begin, found.start()
        begin = found.end()
    yield begin, len(text)


def _entities(file: Path, encoding: str) -> Iterator[_Entity]:
    for number, line in lines(file, encoding):
        if not line.strip() or _OTHER.fullmatch(line):
            continue
        place = Place(file, number)
        match = _ENTITY.fullmatch(line)
        if not match:
            raise UserError(
                f"{place}: {line[:60]!r}; expected an entity, as in 'T1<tab>PER 0 3<tab>Ann'."
            )
        name, label, pieces, text = match.groups()
        offsets = [tuple(map(int, piece.split(" "))) for piece in pieces.split(";")]
        yield _Entity(place, name, label, sorted((a, b) for a, b in offsets), text)


def _text(text: str, entities: Sequence[_Entity], source: Path) -> tuple[str, bool]:
    """The text in which the entities are, and whether they are where their offsets say.

    A file that was written on Windows may have line ends of two characters where the annotator's
    had one. Offsets in UTF-16 units or bytes are let through: whoever reads the rows recognizes
    them.

    Raises:
      UserError: if there is no such text.
    """
    single = _LINE_END.sub("\n", text)
    for candidate in (text, single):
        if all(_at(candidate, entity) == _squeezed(entity.text) for entity in entities):
            return candidate, True
    for encoding, width in (("utf-16-le", 2), ("utf-8", 1)):
        units = text.encode(encoding, "surrogatepass")
        if all(
            _squeezed(_slice(units, e, width).decode(encoding, "replace")) == _squeezed(e.text)
            for e in entities
        ):
            return text, False
    wrong = next(e for e in entities if _at(text, e) != _squeezed(e.text))
    start, end = wrong.pieces[0][0], wrong.pieces[-1][1]
    raise UserError(
        f"{wrong.place}: {wrong.name} is {wrong.text!r} from {start} to {end}, where {source} has "
        f"{text[start:end]!r}; offsets count characters from 0. If the text was changed after it "
        "was annotated (line ends, encoding, spaces), take the original."
    )


def _at(text: str, entity: _Entity) -> str:
    return _squeezed(" ".join(text[start:end] for start, end in entity.pieces))


def _slice(units: bytes, entity: _Entity, width: int) -> bytes:
    space = b" " if width == 1 else b" \0"
    return space.join(units[start * width : end * width] for start, end in entity.pieces)


def _squeezed(text: str) -> str:
    """A text whose spaces and line ends do not matter."""
    return "".join(text.split())
