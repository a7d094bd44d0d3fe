"""JSONL: one object per line, with a label, with character offsets, or with tokens and tags.

{"text": "Ann sold Acme.", "label": "others"}
{"text": "Ann sold Acme.", "labels": ["business", "people"]}
{"text": "Ann sold Acme.", "entities": [{"start": 0, "end": 3, "label": "PER"}]}
{"tokens": ["Ann", "sold", "Acme", "."], "tags": ["PROPN", "VERB", "PROPN", "PUNCT"]}
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.records import (
    Place,
    Source,
    Tagged,
    json_fault,
    lines,
    offsets_record,
    records_of,
    text_record,
)
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.types import Record, Span

_TOKENS = "tokens"


def read_jsonl(file: Path, source: Source) -> list[Record]:
    """Reads a record from each object."""
    rows = _rows(file, source.data.encoding)
    return records_of([_sentence(row, source, place) for place, row in rows], source, str(file))


def _rows(file: Path, encoding: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    for number, line in lines(file, encoding):
        if not line.strip():
            continue
        place = Place(file, number)
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{place}: not valid JSON{json_fault(error)}. JSONL has one whole object per line."
            ) from None
        if not isinstance(row, dict):
            raise UserError(f'{place}: expected an object, as in {{"text": ...}}, got {line[:40]}')
        yield place, row


def _sentence(row: Mapping[str, Any], source: Source, place: Place) -> Record | Tagged | None:
    """The record of an object, or its words and tags; None for an empty text."""
    task, tokens = source.task, row.get(_TOKENS)
    key, value = _label(row, source)
    if value is not None and "tags" in task.reads and _is_tags(value, tokens, task.reads):
        _check_tokens(tokens, value, key, place)
        text = _text(row, source, place)
        if not tokens:
            return text_record(text, None, source, place)
        return Tagged([place] * len(value), tokens, [str(tag) for tag in value], text)
    text = _text(row, source, place)
    if "offsets" in task.reads and value is not None:
        return offsets_record(text, _spans(value, key, place), source, place)
    if "value" in task.reads and value is not None:
        value = source.read_value(value, repr(key), place)
    elif value is not None:
        raise UserError(
            f"{place}: {key!r} is {value!r}; expected one tag per token, with the key "
            f"{_TOKENS!r} holding the list of tokens."
        )
    return text_record(text, value, source, place)


def _label(row: Mapping[str, Any], source: Source) -> tuple[str, Any]:
    """The key of the label and its value; None for a sentence without one.

    A task that takes one column per label finds them in the keys that carry the labels' names.
    """
    task, spec = source.task, source.fields.label
    key = task.fields["jsonl"] if spec == "auto" else spec
    if "columns" in task.reads and key not in row:
        names = task.labels if spec == "auto" else [part.strip() for part in spec.split(",")]
        if any(name in row for name in names):
            return ", ".join(names), {name: row.get(name) for name in names}
    return key, row.get(key)


def _is_tags(value: Any, tokens: Any, reads: frozenset[str]) -> bool:
    """Whether a label is one tag per token rather than a list of entities."""
    if "offsets" not in reads:
        return isinstance(value, list)
    texts = isinstance(value, list) and bool(value) and isinstance(value[0], (str, int))
    return texts and isinstance(tokens, list)


def _check_tokens(tokens: Any, tags: Any, key: str, place: Place) -> None:
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise UserError(
            f"{place}: the key {_TOKENS!r} is missing or not a list of strings; {key!r} holds one "
            "tag per token."
        )
    for token in tokens:
        _check_surrogates(token, _TOKENS, place)
    if len(tokens) != len(tags):
        raise UserError(f"{place}: {len(tokens)} tokens, but {len(tags)} tags in {key!r}.")
    wrong = [tag for tag in tags if isinstance(tag, bool) or not isinstance(tag, (str, int))]
    if wrong:
        raise UserError(f"{place}: {key!r} holds {wrong[0]!r}; expected tags as strings.")


def _text(row: Mapping[str, Any], source: Source, place: Place) -> str:
    """The text of an object; without one, its tokens joined by spaces."""
    key = "text" if source.fields.text == "auto" else source.fields.text
    text, tokens = row.get(key), row.get(_TOKENS)
    if source.fields.text == "auto" and text is None and isinstance(tokens, list):
        text = " ".join(str(token) for token in tokens)
    if not isinstance(text, str):
        what = "is missing" if key not in row else f"is {text!r}, not a string"
        raise UserError(
            f"{place}: the key {key!r} {what}.{did_you_mean(key, row)} Name another key with "
            f"{source.flag}.text."
        )
    _check_surrogates(text, key, place)
    return text


def _check_surrogates(text: str, key: str, place: Place) -> None:
    if any("\ud800" <= character <= "\udfff" for character in text):
        raise UserError(
            f"{place}: {key!r} holds half of a surrogate pair, such as \\ud83d alone; "
            "the program that wrote it cut a text inside an emoji. Remove it."
        )


def _spans(value: Any, key: str, place: Place) -> list[Span]:
    """Entities with character offsets from JSON."""
    if not isinstance(value, list):
        raise UserError(f"{place}: {key!r} is {value!r}; expected a list, [] for none.")
    spans = []
    for item in value:
        good = isinstance(item, dict) and all(
            type(item.get(name)) is kind
            for name, kind in (("start", int), ("end", int), ("label", str))
        )
        if not good:
            raise UserError(
                f"{place}: entity {json.dumps(item, ensure_ascii=False)}: expected "
                '{"start": 0, "end": 5, "label": "PER"} with whole numbers.'
            )
        spans.append(Span(item["start"], item["end"], item["label"]))
    return spans
