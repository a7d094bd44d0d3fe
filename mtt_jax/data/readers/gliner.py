"""GLiNER: words, and entities by the numbers of their first and last word.

[{"tokenized_text": ["Ann", "sold", "Acme", "."], "ner": [[0, 0, "person"], [2, 2, "company"]]}]
"""

from collections.abc import Iterator, Mapping, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.json_items import first_items, items
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import longest
from mtt_jax.errors import UserError

_WORDS, _ENTITIES = "tokenized_text", "ner"


def recognize(head: Head) -> str | None:
    """A description of objects with the key `tokenized_text`."""
    found = [item for item in first_items(head) if isinstance(item, dict)]
    return "GLiNER JSON" if found and _WORDS in found[0] else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each object; its text is the words with spaces between.

    Entities become offsets in that text, so that two of one type side by side stay two. A text
    without the key `ner` has no label.

    Raises:
      UserError: for an object without words, and for entities outside of them.
    """
    for place, item in items(path, layout.encoding):
        words = item.get(_WORDS) if isinstance(item, dict) else None
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise UserError(f"{place}: expected an object with a list of words, {_WORDS!r}.")
        starts = list(accumulate((len(word) + 1 for word in words), initial=0))
        offsets = [(start, start + len(word)) for start, word in zip(starts, words, strict=False)]
        fields = {key: value for key, value in item.items() if key not in (_WORDS, _ENTITIES)}
        fields["text"] = text = " ".join(words)
        faults: list[str] = []
        if item.get(_ENTITIES) is not None:
            fields["entities"], faults = longest(_entities(item, offsets, place))
        yield Row(
            place,
            fields,
            text=text,
            tokens=words or None,
            offsets=offsets or None,
            faults=faults,
        )


def _entities(
    item: Mapping[str, Any], offsets: Sequence[tuple[int, int]], place: Place
) -> Iterator[dict[str, Any]]:
    given = item[_ENTITIES]
    if not isinstance(given, list):
        raise UserError(f"{place}: {_ENTITIES!r} is {given!r}; expected a list, [] for no entity.")
    for entity in given:
        if not _is_entity(entity):
            raise UserError(
                f"{place}: entity {entity!r}; expected the numbers of its first and last word from "
                '0 and its type, as in [0, 1, "person"].'
            )
        first, last, label = entity
        if not 0 <= first <= last < len(offsets):
            raise UserError(
                f"{place}: entity {entity!r}, but there are {len(offsets)} words; expected its "
                "first and its last word, counted from 0, and not the one after the last."
            )
        yield {"start": offsets[first][0], "end": offsets[last][1], "label": label}


def _is_entity(entity: Any) -> bool:
    return (
        isinstance(entity, list)
        and len(entity) == 3
        and type(entity[0]) is type(entity[1]) is int
        and isinstance(entity[2], str)
    )
