"""JSONL: an object a line, with a label or with entities by character offsets."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers.records import (
    LabelReader,
    Place,
    Tally,
    json_fault,
    lines,
    offsets_record,
    text_record,
)
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.types import Record, Span


def read_jsonl(
    file: Path, labels: LabelReader, data: DataConfig, task_data: TaskDataConfig, tally: Tally
) -> Iterator[Record]:
    """Yields a record for each object."""
    usual = "label" if labels.task.kind == "sentence" else "entities"
    text_key = "text" if task_data.text == "auto" else task_data.text
    label_key = usual if task_data.label == "auto" else task_data.label
    for number, line in lines(file, data.encoding):
        if not line.strip():
            continue
        place = Place(file, number)
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise UserError(
                f"{place}: not valid JSON{json_fault(error)}. JSONL has one whole object a line."
            ) from None
        if not isinstance(row, dict):
            raise UserError(f'{place}: expected an object, as {{"text": ...}}, got {line[:40]}')
        text = row.get(text_key)
        if not isinstance(text, str):
            what = "is missing" if text_key not in row else f"is {text!r}, no string"
            raise UserError(
                f"{place}: the key {text_key!r} {what}.{did_you_mean(text_key, row)} Another key "
                f"is named by --config.data.{labels.task.name}.text."
            )
        if any("\ud800" <= sign <= "\udfff" for sign in text):
            raise UserError(
                f"{place}: {text_key!r} holds half of a sign, as \\ud83d without the other half; "
                "the program that wrote it cut a text inside an emoji. Remove it."
            )
        value = row.get(label_key)
        name = labels.task.name
        if value is None:
            tally.add(f"sentences without a label of {name}", place)
            record = text_record(text, data, {}, tally, place)
        elif labels.task.kind == "token":
            record = offsets_record(
                text, _spans(value, label_key, place), labels, data, tally, place
            )
        elif isinstance(value, (str, int)):
            label = labels.read(str(value), str(value), place)
            record = text_record(text, data, {name: label}, tally, place)
        else:
            raise UserError(f"{place}: {label_key!r} is {value!r}; expected a label as a string.")
        if record:
            yield record


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
