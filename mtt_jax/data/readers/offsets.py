"""Offsets of entities: checked, and counted in characters whatever the file counts."""

import ast
import json
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from mtt_jax.data.readers.rows import Place
from mtt_jax.errors import UserError
from mtt_jax.types import Span

_UNITS = {"utf-16": "UTF-16 code units", "bytes": "bytes of UTF-8"}
# Names of keys, as `_plain` gives them: `BeginOffset`, `begin_offset` and `begin-offset` are one.
_STARTS = ("start", "startoffset", "startchar", "charstart", "startindex", "startpos", "begin",
           "beginoffset", "from")  # fmt: skip
_ENDS = ("end", "endoffset", "endchar", "charend", "endindex", "endpos", "stop", "to")
_SURE = _STARTS[:2]  # by which an entity is one though its end is missing
# Last the key that some use for the text of the entity.
_TYPES = ("label", "type", "tag", "labels", "entitytype", "entitygroup", "entitylabel", "category",
          "class", "entity")  # fmt: skip
_SURFACES = ("text", "surface", "word", "mention")
# Of so many entities that tell, nine of ten must, before all are read as inclusive.
_ENOUGH = 5
# Scripts that join words, or particles of one character to them: an end inside one says nothing.
_JOINED = re.compile("[\u0e00-\u0eff\u1000-\u11ff\u1780-\u17ff\u3040-\u9fff\uac00-\ud7af]")


class Found(NamedTuple):
    """An entity as a file gives it.

    Attributes:
      span: in whatever the file counts.
      surface: the text that the file says it has; "" if it says nothing.
    """

    span: Span
    surface: str = ""


def entities_of(value: Any, key: str, place: Place, text: str | None = None) -> list[Found]:
    """The entities of a JSON value: objects or lists with start, end and type.

    Args:
      value: as the file gives it.
      key: that holds it, for messages.
      place: of the row, for messages.
      text: of the row, which tells the type from the text of an entity in `[0, 3, "Ann", "PER"]`.

    Raises:
      UserError: for another value, showing it.
    """
    value = _in_cell(value) if isinstance(value, str) else value
    if isinstance(value, dict) and isinstance(_first(_plain(value), _STARTS), list):
        value = _from_columns(value)
    if not isinstance(value, list):
        raise UserError(f"{place}: {key!r} is {value!r}; expected a list, [] for none.")
    return [_entity(item, place, text) for item in value]


def _in_cell(cell: str) -> Any:
    """The list that a cell of a table holds as JSON or Python writes it; otherwise the cell."""
    if cell.strip()[:1] + cell.strip()[-1:] != "[]":
        return cell
    try:
        found = ast.literal_eval(cell.strip())
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        try:
            return json.loads(cell)
        except (ValueError, RecursionError):
            return cell
    return [list(item) if isinstance(item, tuple) else item for item in found]


def _from_columns(value: dict) -> Any:
    """The objects of `{"start": [0], "end": [3], "label": ["PER"]}`, as `datasets` writes them."""
    columns = {name: column for name, column in value.items() if isinstance(column, list)}
    if len({len(column) for column in columns.values()}) > 1:
        return value
    return [dict(zip(columns, items, strict=True)) for items in zip(*columns.values(), strict=True)]


def is_entity(item: Any) -> bool:
    """Whether a JSON value is an object or a list that may be an entity."""
    if isinstance(item, dict):
        given = _plain(item)
        both = any(name in given for name in _STARTS) and any(name in given for name in _ENDS)
        return both or any(name in given for name in _SURE) or {"offset", "length"} <= given.keys()
    if not isinstance(item, list):
        return False
    numbers, names = _parts(item)
    return len(numbers) == 2 and bool(names)


def _entity(item: Any, place: Place, text: str | None) -> Found:
    start, end, label, surface = None, None, None, ""
    if isinstance(item, dict):
        given = _plain(item)
        start, end, label = (_first(given, names) for names in (_STARTS, _ENDS, _TYPES))
        surface = _first(given, _SURFACES)
        if start is None and type(given.get("offset")) is type(given.get("length")) is int:
            start, end = given["offset"], given["offset"] + given["length"]
    elif isinstance(item, list):
        numbers, names = _parts(item)
        if len(numbers) == 2 and names:
            start, end = numbers
            label, surface = _type_first(names, start, end, text)
        elif len(item) >= 3:
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


def _plain(item: dict) -> dict[str, Any]:
    """An object whose keys are in lower case and without what divides words in them."""
    return {_plain_key(str(key)): value for key, value in item.items()}


@lru_cache(1024)
def _plain_key(key: str) -> str:
    return re.sub("[ _-]", "", key).lower()


def _parts(item: list) -> tuple[list[int], list[Any]]:
    """The offsets in a list, and its names, in their order; in `[[0, 3], "PER"]` as in a flat one.

    A list that begins with two numbers may have more of them: a type, or an id after it.
    """
    flat = [x for part in item for x in (part if _is_pair(part) else [part])]
    if len(flat) > 2 and _is_pair(flat[:2]):
        return flat[:2], [flat[2]] + [x for x in flat[3:] if isinstance(x, str)]
    names = [x for x in flat if isinstance(x, str) or (isinstance(x, list) and x)]
    return [x for x in flat if type(x) is int], names


def _is_pair(part: Any) -> bool:
    return isinstance(part, list) and len(part) == 2 and all(type(x) is int for x in part)


def _type_first(names: list[Any], start: int, end: int, text: str | None) -> tuple[Any, Any]:
    """The type of an entity, and the text that the file gives with it, "" if there is none."""
    covered = {text[start:end], text[start : end + 1]} if text and 0 <= start < end else set()
    if len(names) == 1 or not isinstance(names[0], str) or not isinstance(names[1], str):
        return names[0], ""
    if names[0] in covered and names[1] not in covered:
        return names[1], names[0]
    return names[0], names[1] if names[1] in covered else ""


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


def check_unit(texts: Iterable[Annotated], flag: str) -> str:
    """Refuses offsets that clearly count something other than characters.

    They do if, read as characters, they cut words, leave the text or miss the text that the file
    gives, and do not if read as UTF-16 code units or bytes, over all texts in which this differs.

    Args:
      texts: of one file.
      flag: prefix of the flags of these data.

    Returns:
      Why the end of each entity is that of its last character, which `lengthened` corrects; "" for
      ends that are exclusive.

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
    total = sum(len(entities) for _, _, entities in texts)
    given = sum(bool(entity.surface) for _, _, entities in texts for entity in entities)
    if short and short * 10 >= given * 9 and 2 * given >= total:
        return f"{short:,} of {given:,} miss the last character of the text given with them"
    if short and short * 10 >= len(missed) * 9:
        raise UserError(
            f"{texts[0].place.file}: judging by the texts given with them, {short:,} entities "
            "end at their last character; end is exclusive: add 1 to each."
        )
    return "" if given else _cut_before_last(texts)


def lengthened(annotated: Annotated) -> Annotated:
    """A text whose entities end after the character at which the file says they do."""
    return annotated._replace(entities=[_one_longer(entity) for entity in annotated.entities])


def _cut_before_last(texts: Iterable[Annotated]) -> str:
    """Why ends are inclusive, judging by the words: they end one before the last character of one.

    An annotated stem ends there too, before a suffix of one letter. So the letters that are left
    must differ, and those of scripts that join particles to words do not count.
    """
    total, cut, against = 0, 0, 0
    letters: set[str] = set()
    for _, text, entities in texts:
        for found in entities:
            total += 1
            _, end, _ = found.span
            if not 0 <= end < len(text) or text[end].isspace():
                against += 1
            elif _is_last(text, end) and (found.span.start == end or text[end - 1].isalnum()):
                joined = bool(_JOINED.match(text[end]))
                cut, against = cut + (not joined), against + joined
                letters.add(text[end].lower())
    if cut < _ENOUGH or cut * 10 < 9 * (cut + against) or 2 * cut < total or len(letters) < 3:
        return ""
    return f"{cut:,} of {total:,} cut a word before its last character"


def _is_last(text: str, index: int) -> bool:
    """Whether a character is the last of a word."""
    return text[index].isalnum() and not text[index + 1 : index + 2].isalnum()


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
