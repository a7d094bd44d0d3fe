"""spaCy: training data of its versions 2 and 3, as JSON and JSONL.

["Ann sold Acme.", {"entities": [[0, 3, "PER"]], "cats": {"business": 1.0, "sports": 0.0}}]
{"text": "Ann sold Acme.", "cats": {"business": 1.0, "sports": 0.0}}
{"classes": ["PER"], "annotations": [["Ann sold Acme.", {"entities": [[0, 3, "PER"]]}], null]}
[{"id": 0, "paragraphs": [{"raw": "Ann ran.", "sentences": [{"tokens": [
    {"orth": "Ann", "tag": "NNP", "ner": "U-PER"}, ...]}], "cats": []}]}]
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.json_items import first_items, items
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import entities_of, longest
from mtt_jax.errors import UserError

_ENTITIES, _CATS = "entities", "cats"
_NULL = "items without an annotation (null), left out"
_NO_NER = "sentences in which some words have no entity tag ('-'), read as unlabeled"
# How the two files begin that are a single long object or item.
_ANNOTATOR = re.compile(r'\{\s*"classes"\s*:\s*\[[^]]*\]\s*,\s*"annotations"\s*:\s*\[')
_TRAINING = re.compile(r'\s*(\[\s*)?\{\s*("id"\s*:[^,{\[]*,\s*)?"paragraphs"\s*:\s*\[')
_MISSING = "-"
_THRESHOLD = 0.5


def recognize(head: Head) -> str | None:
    """A description of pairs of text and annotations, of `cats`, or of spaCy 2's training JSON."""
    if _TRAINING.match(head.text):
        return "spaCy 2 training JSON"
    if _ANNOTATOR.match(head.text.lstrip()):
        return "spaCy JSON of NER Annotator"
    for item in first_items(head):
        if _is_pair(item):
            return "spaCy pairs of text and annotations"
        if isinstance(item, dict) and isinstance(item.get(_CATS), dict) and "text" in item:
            return "spaCy JSON with cats"
    return None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each text; from each sentence of training JSON unless the whole has `cats`.

    Raises:
      UserError: for other JSON, and for entities without offsets.
    """
    for place, item in items(path, layout.encoding):
        if isinstance(item, dict) and "annotations" in item:
            for number, annotation in enumerate(_list(item, "annotations", place), start=1):
                inner = Place(path, number, "item")
                yield (
                    _annotated(annotation, inner) if annotation else Row(inner, {}, faults=[_NULL])
                )
        elif isinstance(item, dict) and "paragraphs" in item:
            for paragraph in _list(item, "paragraphs", place):
                yield from _sentences(paragraph, item.get("id"), place)
        else:
            yield _annotated(item, place)


def flags_of(cats: Any, place: Place) -> dict[str, int]:
    """Label -> 1 for a value above 0.5, which is when spaCy counts a label as given, 0 otherwise.

    Raises:
      UserError: for values that are not numbers.
    """
    numbers = isinstance(cats, dict) and all(isinstance(x, (int, float)) for x in cats.values())
    if not numbers:
        raise UserError(
            f"{place}: {_CATS!r} is {str(cats)[:60]}; expected a number from 0 to 1 for each "
            'label, as in {"sports": 1.0, "politics": 0.0}.'
        )
    return {name: int(value > _THRESHOLD) for name, value in cats.items()}


def _annotated(item: Any, place: Place) -> Row:
    """The row of a text and its annotations, as a pair or as one object."""
    if _is_pair(item):
        fields = {**item[1], "text": item[0]}
    elif isinstance(item, dict) and isinstance(item.get("text"), str):
        fields = dict(item)
    else:
        raise UserError(
            f'{place}: expected a text and its annotations, as in ["Ann ran.", {{"entities": '
            f'[[0, 3, "PER"]]}}], got {str(item)[:60]}'
        )
    faults: list[str] = []
    if fields.get(_ENTITIES) is not None:
        given = entities_of(fields[_ENTITIES], _ENTITIES, place, fields["text"])
        fields[_ENTITIES], faults = longest(given)
    cats = flags_of(fields.pop(_CATS, None) or {}, place)
    if cats:  # {} is exported for a text that was not classified
        fields[_CATS] = cats
    return Row(place, fields, text=fields["text"], faults=faults)


def _sentences(paragraph: Any, name: Any, place: Place) -> Iterator[Row]:
    """The rows of a paragraph of training JSON."""
    sentences = _list(paragraph, "sentences", place)
    words = [_list(sentence, "tokens", place) for sentence in sentences]
    cats = _cats(paragraph.get(_CATS) or [], place)
    if cats:
        words = [list(chain.from_iterable(words))]
    given = paragraph.get("raw")
    raw = given if isinstance(given, str) else ""
    end = 0
    for tokens in words:
        orths: list[Any] = [
            token.get("orth") if isinstance(token, dict) else None for token in tokens
        ]
        if not all(isinstance(orth, str) and orth.strip() for orth in orths):
            raise UserError(f"{place}: a token without 'orth'; each has the word under this key.")
        offsets = _aligned(orths, raw, end)
        fields, faults = _columns(tokens)
        if name is not None:
            fields["id"] = name
        if cats:
            fields[_CATS] = cats
        begin, end = (offsets[0][0], offsets[-1][1]) if offsets else (0, end)
        yield Row(
            place,
            fields,
            text=raw[begin:end] if offsets else None,
            tokens=orths or None,
            offsets=[(a - begin, b - begin) for a, b in offsets] or None,
            faults=faults,
        )


def _cats(given: Any, place: Place) -> dict[str, Any]:
    """Label -> value, of the list that training JSON has."""
    if not isinstance(given, list) or not all(
        isinstance(cat, dict) and isinstance(cat.get("label"), str) and "value" in cat
        for cat in given
    ):
        raise UserError(
            f'{place}: {_CATS!r}: expected a list, as in [{{"label": "sports", "value": 1.0}}].'
        )
    return flags_of({cat["label"]: cat["value"] for cat in given}, place)


def _columns(tokens: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], list[str]]:
    """Key -> its value for each token, of the keys that all tokens have; and faults."""
    names = [name for name in (tokens[0] if tokens else ()) if name not in ("id", "orth")]
    fields: dict[str, Any] = {
        name: [token[name] for token in tokens]
        for name in names
        if all(token.get(name) is not None for token in tokens)
    }
    missing = fields.get("ner", []).count(_MISSING)
    if missing:
        del fields["ner"]
    return fields, [_NO_NER] if 0 < missing < len(tokens) else []


def _aligned(words: Sequence[str], text: str, begin: int) -> list[tuple[int, int]]:
    """(start, end) of each word in a text; [] if only spaces are not between them."""
    found = []
    for word in words:
        start = text.find(word, begin)
        if start < 0 or text[begin:start].strip():
            return []
        begin = start + len(word)
        found.append((start, begin))
    return found


def _list(value: Any, key: str, place: Place) -> list[Any]:
    inner = value.get(key) if isinstance(value, dict) else None
    if not isinstance(inner, list):
        raise UserError(f"{place}: expected an object with a list under {key!r}.")
    return inner


def _is_pair(item: Any) -> bool:
    """Whether a value is a text with its annotations, as spaCy 2 takes them."""
    return (
        isinstance(item, list)
        and len(item) in (2, 3)
        and isinstance(item[0], str)
        and isinstance(item[1], dict)
    )
