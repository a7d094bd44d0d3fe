"""Offsets of entities: checked, and counted in characters whatever the file counts."""

import json
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

from mtt_jax.data.readers.rows import Place
from mtt_jax.errors import UserError
from mtt_jax.types import Span

_UNITS = {"utf-16": "UTF-16 code units", "bytes": "bytes of UTF-8"}
_STARTS, _ENDS = ("start", "start_offset"), ("end", "end_offset")
# Last the key that some use for the text of the entity.
_TYPES = ("label", "type", "tag", "labels", "entity_type", "entity_group", "entity")
_SURFACES = ("text", "surface", "word", "mention")


class Found(NamedTuple):
    """An entity as a file gives it.

    Attributes:
      span: in whatever the file counts.
      surface: the text that the file says it has; "" if it says nothing.
    """

    span: Span
    surface: str = ""


def entities_of(value: Any, key: str, place: Place) -> list[Found]:
    """The entities of a JSON value: objects or lists with start, end and type.

    Args:
      value: as the file gives it.
      key: that holds it, for messages.
      place: of the row, for messages.

    Raises:
      UserError: for another value, showing it.
    """
    if isinstance(value, dict) and any(isinstance(value.get(name), list) for name in _STARTS):
        value = _from_columns(value)
    if not isinstance(value, list):
        raise UserError(f"{place}: {key!r} is {value!r}; expected a list, [] for none.")
    return [_entity(item, place) for item in value]


def _from_columns(value: dict) -> Any:
    """The objects of `{"start": [0], "end": [3], "label": ["PER"]}`, as `datasets` writes them."""
    columns = {name: column for name, column in value.items() if isinstance(column, list)}
    if len({len(column) for column in columns.values()}) > 1:
        return value
    return [dict(zip(columns, items, strict=True)) for items in zip(*columns.values(), strict=True)]


def is_entity(item: Any) -> bool:
    """Whether a JSON value is an object or a list that may be an entity."""
    if isinstance(item, dict):
        return any(name in item for name in _STARTS)
    return isinstance(item, list) and len(item) >= 3 and type(item[0]) is type(item[1]) is int


def _entity(item: Any, place: Place) -> Found:
    start, end, label, surface = None, None, None, ""
    if isinstance(item, dict):
        start, end, label = (_first(item, names) for names in (_STARTS, _ENDS, _TYPES))
        surface = _first(item, _SURFACES)
    elif isinstance(item, list) and len(item) >= 3:
        start, end, label = item[:3]
    if isinstance(label, list) and len(label) > 1:
        raise UserError(
            f"{place}: entity {_shown(item)} has {len(label)} labels; keep one of them."
        )
    label = label[0] if isinstance(label, list) and label else label
    label = str(label) if type(label) is int else label
    if type(start) is not int or type(end) is not int or not isinstance(label, str) or not label:
        raise UserError(
            f"{place}: entity {_shown(item)}: expected "
            '{"start": 0, "end": 5, "label": "PER"} or [0, 5, "PER"] with whole numbers.'
        )
    return Found(Span(start, end, label), surface if isinstance(surface, str) else "")


def _first(item: dict, names: Sequence[str]) -> Any:
    return next((item[name] for name in names if item.get(name) is not None), None)


def _shown(item: Any) -> str:
    text = json.dumps(item, ensure_ascii=False)
    return text if len(text) <= 120 else text[:117] + "..."


# What is counted


def in_characters(text: str, unit: str) -> Callable[[int], int]:
    """The function from an offset in some unit to one in characters; -1 inside a character."""
    if unit == "characters" or text.isascii():
        return lambda offset: offset
    size = (lambda c: 2 if ord(c) > 0xFFFF else 1) if unit == "utf-16" else _bytes_of
    ends = [0]
    for character in text:
        ends.append(ends[-1] + size(character))

    def moved(offset: int) -> int:
        if offset > ends[-1]:
            return len(text) + offset - ends[-1]
        at = bisect_left(ends, offset)
        return at if 0 <= offset == ends[at] else -1

    return moved


def _bytes_of(character: str) -> int:
    point = ord(character)
    return 1 if point < 0x80 else 2 if point < 0x800 else 3 if point < 0x10000 else 4


class Annotated(NamedTuple):
    """A text with its entities as a file gives them."""

    place: Place
    text: str
    entities: Sequence[Found]


def check_unit(texts: Iterable[Annotated], flag: str) -> None:
    """Refuses offsets that clearly count something other than characters.

    They do if, read as characters, they cut words, leave the text or miss the text that the file
    gives, and do not if read as UTF-16 code units or bytes, over all texts in which this differs.

    Args:
      texts: of one file.
      flag: prefix of the flags of these data.

    Raises:
      UserError: naming the first place and the flag that tells what they count.
    """
    texts = list(texts)
    fits = {unit: _compared(unit, texts) for unit in _UNITS}
    # A unit that moves nothing fits as well as characters do and says nothing.
    unit = min(fits, key=lambda name: (fits[name].first is None, fits[name].wrong))
    if fits[unit].first and fits[unit].wrong * 10 <= fits[unit].plain:
        raise UserError(
            f"{fits[unit].first}: the offsets of entities seem to count {_UNITS[unit]}: read as "
            f"characters {fits[unit].plain:,} of them cut words or do not fit the text, read so "
            f"{fits[unit].wrong:,} do. Set {flag}.offsets={unit}"
        )
    missed = [(t, e) for _, t, es in texts for e in es if e.surface and _is_wrong(t, e, None)]
    short = sum(not _is_wrong(text, _one_longer(entity), None) for text, entity in missed)
    if short and short * 10 >= len(missed) * 9:
        raise UserError(
            f"{texts[0].place.file}: judging by the texts given with them, {short:,} entities "
            "end at their last character; end is exclusive: add 1 to each."
        )


class _Fit(NamedTuple):
    """How many entities are wrong in characters and in another unit, and the first such place."""

    plain: int
    wrong: int
    first: Place | None


def _compared(unit: str, texts: Iterable[Annotated]) -> _Fit:
    """Compares a unit with characters over the entities that it would move."""
    plain, wrong, first = 0, 0, None
    for place, text, entities in texts:
        if text.isascii():
            continue
        moved = in_characters(text, unit)
        for found in entities:
            if (moved(found.span.start), moved(found.span.end)) != found.span[:2]:
                bad = _is_wrong(text, found, None)
                first = first or (place if bad else None)
                plain, wrong = plain + bad, wrong + _is_wrong(text, found, moved)
    return _Fit(plain, wrong, first)


def _one_longer(found: Found) -> Found:
    return found._replace(span=found.span._replace(end=found.span.end + 1))


def _is_wrong(text: str, found: Found, moved: Callable[[int], int] | None) -> bool:
    """Whether an entity is outside the text, cuts a word or is not the text that the file gives."""
    start, end, _ = found.span
    start, end = (moved(start), moved(end)) if moved else (start, end)
    if not 0 <= start < end <= len(text):
        return True
    if found.surface:
        return text[start:end].split() != found.surface.split()
    return (
        any(
            0 < edge < len(text) and text[edge - 1].isalnum() and text[edge].isalnum()
            for edge in (start, end)
        )
        or text[start].isspace()
        or text[end - 1].isspace()
    )


def spans_of(annotated: Annotated, unit: str) -> tuple[list[Span], list[str]]:
    """The entities of a text in characters, in their order; and harmless faults.

    Spaces at the ends of an entity are no part of it; the same entity twice is one.

    Raises:
      UserError: for one that is outside the text, empty, or overlaps another one.
    """
    place, text, entities = annotated
    moved = in_characters(text, unit)
    spans: list[Span] = []
    faults = []
    last, last_shown = Span(0, 0, ""), ""
    for given, surface in sorted(entities):
        shown = f"{given.label} at {given.start}:{given.end}"
        if given.end < given.start:
            raise UserError(
                f"{place}: entity {shown} ends before it begins; start is the first of the two."
            )
        start, end = moved(given.start), moved(given.end)
        if not 0 <= start < end <= len(text):
            counted = "characters" if unit == "characters" else _UNITS[unit]
            raise UserError(
                f"{place}: entity {shown} is outside the text, which has {len(text)} characters; "
                f"offsets count {counted} from 0, and end is exclusive."
            )
        inner = text[start:end]
        trimmed = Span(end - len(inner.lstrip()), start + len(inner.rstrip()), given.label)
        if not inner.strip():
            raise UserError(f"{place}: entity {shown} covers no word; remove it.")
        if trimmed[:2] != (start, end):
            faults.append("entities with spaces at their ends, read without them")
        if trimmed == last:
            faults.append("duplicate entities, read once")
            continue
        if trimmed.start < last.end:
            raise UserError(f"{place}: entity {shown} overlaps {last_shown}; keep one of them.")
        if surface and inner.split() != surface.split():
            faults.append("entities whose text is not the one at their offsets, read by offset")
        spans.append(trimmed)
        last, last_shown = trimmed, shown
    return spans, faults
