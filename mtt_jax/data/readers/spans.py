"""Entities as annotation tools write them, in the one form that rows have, without overlaps."""

from bisect import bisect
from collections.abc import Iterable, Mapping
from typing import Any

from mtt_jax.data.readers.offsets import entities_of as found_in
from mtt_jax.data.readers.rows import Place

OVERLAPS = "entities inside or across a longer one, left out"


def entities_of(
    value: Any, key: str, place: Place, text: str | None = None
) -> list[dict[str, Any]]:
    """Entities from a list of objects or of `[start, end, "TYPE"]`.

    Args:
      value: the list.
      key: that holds it, for messages.
      place: of the row.
      text: of the row.

    Raises:
      UserError: for anything else, showing it and what was expected.
    """
    found = found_in(value, key, place, text)
    return [entity(*one.span, surface=one.surface) for one in found]


def entity(start: int, end: int, label: str, surface: str = "") -> dict[str, Any]:
    """An entity as `Row.fields` holds it.

    Args:
      start: its first character.
      end: one past its last character.
      label: its type.
      surface: the text that the file says it has; "" if it says nothing.
    """
    found = {"start": start, "end": end, "label": label}
    return {**found, "text": surface} if surface else found


def longest(entities: Iterable[Mapping[str, Any]]) -> tuple[list[dict[str, Any]], list[str]]:
    """The entities of a text without overlaps, in their order, and a fault per one left out.

    Of entities that overlap, the longest stays, and of equally long ones the first. One that is
    there twice is no overlap.
    """
    kept: list[tuple[int, int]] = []  # sorted
    found: list[dict[str, Any]] = []
    faults = []
    for given in sorted(entities, key=lambda e: (e["start"] - e["end"], e["start"])):
        place = (given["start"], given["end"])
        index = bisect(kept, place)
        before, after = kept[max(index - 1, 0) : index], kept[index : index + 1]
        if before == [place] and any(given == other for other in found):
            found.append(dict(given))
        elif any(end > place[0] for _, end in before) or any(
            begin < place[1] for begin, _ in after
        ):
            faults.append(OVERLAPS)
        else:
            kept.insert(index, place)
            found.append(dict(given))
    return sorted(found, key=lambda e: (e["start"], e["end"])), faults
