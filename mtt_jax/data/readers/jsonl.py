"""JSONL and JSON: one object per line, or an array of objects.

{"text": "Ann sold Acme.", "label": "others"}
{"text": "Ann sold Acme.", "labels": ["business", "people"]}
{"text": "Ann sold Acme.", "entities": [{"start": 0, "end": 3, "label": "PER"}]}
{"tokens": ["Ann", "sold", "Acme", "."], "tags": ["PROPN", "VERB", "PROPN", "PUNCT"]}
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.files import lines
from mtt_jax.data.readers.json_items import fault, first_items, items
from mtt_jax.data.readers.objects import row_of
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError


def recognize(head: Head) -> str | None:
    """A description of a file with an object per line."""
    first = next((line.strip() for line in head.text.split("\n") if line.strip()), "")
    if not first.startswith("{"):
        return None
    whole = first.endswith("}") and isinstance(next(iter(first_items(head)), None), dict)
    return "JSONL" if whole else None


def recognize_json(head: Head) -> str | None:
    """A description of an array of objects, or of an object over several lines."""
    if head.text.lstrip()[:1] not in ("[", "{") or recognize(head):
        return None
    first = next(iter(first_items(head)), None)
    array = head.text.lstrip().startswith("[")
    return ("JSON array" if array else "JSON") if isinstance(first, dict) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Yields a row per line.

    Args:
      path: of the file.
      layout: its encoding.

    Raises:
      UserError: for a line that is not a JSON object.
    """
    for number, line in lines(path, layout.encoding):
        if not line.strip():
            continue
        place = Place(path, number)
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as error:
            layout.fault(
                f"{place}: not valid JSON{fault(error)}. JSONL has one whole object per line."
            )
            continue
        if isinstance(value, dict):
            yield row_of(place, value)
        else:
            layout.fault(f'{place}: expected an object, as in {{"text": ...}}, got {line[:40]}')


def read_json(path: Path, layout: Layout) -> Iterator[Row]:
    """Yields a row per object of an array, or of an object that holds nothing but one array.

    Args:
      path: of the file.
      layout: its encoding.

    Raises:
      UserError: for an item that is not a JSON object.
    """
    for place, value in items(path, layout.encoding):
        inside = _only_array(value)
        for number, item in enumerate(inside or [value], start=1):
            where = Place(path, number, "item") if inside else place
            if not isinstance(item, dict):
                raise UserError(
                    f'{where}: expected an object, as in {{"text": ...}}, got '
                    f"{json.dumps(item, ensure_ascii=False)[:40]}"
                )
            yield row_of(where, item)


def _only_array(value: Any) -> list[dict[str, Any]]:
    """The objects of `{"data": [{...}, ...]}`; [] for any other value."""
    inner = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None
    objects = isinstance(inner, list) and all(isinstance(item, dict) for item in inner)
    return inner if isinstance(inner, list) and objects else []
