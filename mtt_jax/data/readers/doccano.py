"""doccano: JSONL, JSON and CSV of its projects for texts.

{"id": 1, "text": "Ann sold Acme.", "label": [[0, 3, "PER"]], "Comments": []}
{"id": 1, "text": "Ann sold Acme.", "entities": [{"label": "PER", "start_offset": 0, ...}]}
{"id": 1, "text": "Ann sold Acme.", "label": ["business", "people"]}
{"id": 1, "text": "Ann sold Acme.", "cats": ["business"], "entities": [[0, 3, "PER"]]}
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.json_items import first_items, items
from mtt_jax.data.readers.offsets import is_entity
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import entities_of, longest
from mtt_jax.data.readers.tables import read_csv as read_named_columns
from mtt_jax.errors import UserError, did_you_mean

# "data" was the name of the text in the versions before 1.5.
_TEXTS = ("text", "data")
_SPANS = ("entities", "label", "labels", "annotations")
_OWN = ("Comments", "comments", "annotation_approver")
_SEPARATOR = "#"


def recognize(head: Head) -> str | None:
    """A description of objects with keys that only doccano writes, or `[0, 3, "PER"]` labels."""
    found = [item for item in first_items(head) if isinstance(item, dict)]
    if not found:
        return None
    if any(_is_entities(item) for item in found):
        return "doccano entities"
    if any(key in found[0] for key in _OWN) and any(key in found[0] for key in _TEXTS):
        return "doccano JSON"
    return None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each object.

    Entities are under the key `entities`, and classes under `label`.

    Raises:
      UserError: for an object without a text, and for entities without offsets.
    """
    keys = (_key_of_entities(item) for _, item in items(path, layout.encoding))
    key = next(filter(None, keys), "")
    for place, item in items(path, layout.encoding):
        yield _row(item, key, place)


def recognize_csv(head: Head) -> str | None:
    """A description of a table with doccano's four columns."""
    first = next(iter(head.text.splitlines()), "")
    names = {name.strip('"') for name in first.split(",")}
    known = {"id", "label"} < names and not names.isdisjoint(_TEXTS) and not names.isdisjoint(_OWN)
    return "doccano CSV" if known else None


def read_csv(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each line; several classes of a text are separated by `#`.

    Raises:
      UserError: for a table without a column of texts, or that is not CSV.
    """
    for row in read_named_columns(path, layout._replace(header=True)):
        fields = {name: cell for name, cell in row.fields.items() if not name.isdecimal()}
        classes = fields.pop("label", "").strip()
        if classes:
            names = classes.split(_SEPARATOR)
            fields["label"] = names if len(names) > 1 else classes
        yield Row(row.place, fields, text=_text(fields, row.place))


def _row(item: Any, key: str, place: Place) -> Row:
    """The row of an object; `key` is that of the entities in this file, "" if there are none."""
    if not isinstance(item, dict):
        raise UserError(f'{place}: expected an object, as in {{"text": ...}}, got {str(item)[:40]}')
    text = _text(item, place)
    fields = {name: value for name, value in item.items() if name != key}
    faults: list[str] = []
    if item.get(key) is not None:
        fields["entities"], faults = longest(entities_of(item[key], key, place, text))
    elif isinstance(item.get("annotations"), list):  # classes, in the versions before 1.2
        parts = fields.pop("annotations")
        fields["label"] = [part.get("label") for part in parts if isinstance(part, dict)]
    if isinstance(item.get("cats"), list):
        fields["label"] = fields.pop("cats")
    return Row(place, fields, text=text, faults=faults)


def _text(fields: Mapping[str, Any], place: Place) -> str:
    for key in _TEXTS:
        if isinstance(fields.get(key), str):
            return fields[key]
    raise UserError(
        f"{place}: no text; expected the key 'text', as doccano writes it; keys there: "
        f"{', '.join(map(str, fields))}.{did_you_mean('text', map(str, fields))}"
    )


def _key_of_entities(item: Any) -> str:
    """The key of a list of entities; "" if there is none.

    `entities` is always one, and under the other keys a list is one by its contents. An empty one
    may as well be of classes: what other objects have under its key tells.
    """
    for key in _SPANS if isinstance(item, dict) else ():
        value = item.get(key)
        if isinstance(value, list) and (key == "entities" or any(map(is_entity, value))):
            return key
    return ""


def _is_entities(item: Mapping[str, Any]) -> bool:
    """Whether an object has entities as only doccano writes them."""
    key = _key_of_entities(item)
    parts = item[key] if key else ()
    return any(
        "start_offset" in part if isinstance(part, dict) else key != "entities" for part in parts
    )
