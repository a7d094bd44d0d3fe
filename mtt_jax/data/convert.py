"""From a file in any format to objects as the JSONL reader takes them.

    {"text": "Ann left.", "label": "news", "entities": [{"start": 0, "end": 3, "label": "PER"}],
     "tokens": ["Ann", "left", "."], "UPOS": ["PROPN", "VERB", "PUNCT"], "id": 7}

Entities are read as training reads them, so that the records are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config.schema import TaskDataConfig
from mtt_jax.data.readers import read_rows
from mtt_jax.data.readers.fields import (
    Where,
    is_tags,
    label_keys,
    remaining_text,
    text_keys,
)
from mtt_jax.data.readers.files import encoding_notes
from mtt_jax.data.readers.offsets import is_entity
from mtt_jax.data.readers.records import records_of
from mtt_jax.data.readers.rows import Layout, Row
from mtt_jax.data.readers.source import Source
from mtt_jax.data.readers.texts import text_of
from mtt_jax.errors import UserError
from mtt_jax.tasks import Classes, Entities, Task
from mtt_jax.tasks.schemes import OUTSIDE, read_tagging

# Faults name flags with this prefix; `mtt convert` shows its own options instead.
NAME = "convert"
FLAG = f"--config.data.{NAME}"


class Converted(NamedTuple):
    """The objects of a file, and lines about what was read and what was left out."""

    objects: list[dict[str, Any]]
    notes: list[str]


class _Plan(NamedTuple):
    """What becomes what.

    Attributes:
      texts: keys whose texts, joined, are the text; () for what the reader says.
      where: the keys of the label; None if it is not known, and then keys stay as they are.
      form: of that label: "entities", "tags" or "label".
      key: what the label is called in the objects; None for its own name.
      others: the keys that are kept.
    """

    texts: tuple[str, ...]
    where: Where | None
    form: str
    key: str | None
    others: tuple[str, ...]


def convert(path: Path, layout: Layout, fields: TaskDataConfig) -> Converted:
    """Reads a file and turns its rows into objects; the file is held in memory.

    Args:
      path: of the file or folder.
      layout: encoding, header and column of the words.
      fields: format, and where text and label are and how they are written.

    Raises:
      UserError: naming file, line and remedy.
    """
    opened = read_rows(path, layout, fields.format)
    rows = list(opened.rows)
    full = [row for row in rows if row.fields or row.text is not None]
    source = Source(Entities(NAME, ()), fields)
    for row in rows:
        source.tally.add_faults(row)
    if not full:
        raise UserError(f"{path}: no text in it; expected at least one in {opened.description}.")
    plan = _plan(full, fields)
    if plan.where is not None and plan.form == "entities":
        source.fields = replace(fields, label=plan.where.keys[0])
    texts = [text_of(row, plan.texts, fields.text, f"{FLAG}.text")[0] for row in full]
    kept = [(row, text) for row, text in zip(full, texts, strict=True) if text.strip()]
    for row, text in zip(full, texts, strict=True):
        if not text.strip():
            source.tally.add("empty texts, left out", row.place)
    labels = _labels([row for row, _ in kept], plan, source, path, opened.description)
    objects = [
        _object(row, text, label, plan) for (row, text), label in zip(kept, labels, strict=True)
    ]
    notes = source.tally.notes()
    if plan.form != "entities":
        label = f", {plan.key or 'label'} from {plan.where}" if plan.where else ""
        notes = [f"{path}: {len(objects):,} texts, {opened.description}{label}.", *notes]
    return Converted(objects, notes + encoding_notes(path, layout.encoding))


def _plan(rows: Sequence[Row], fields: TaskDataConfig) -> _Plan:
    """Decides what becomes what, from all rows."""
    where, form = _label(rows, fields)
    texts = text_keys(rows, fields.text, f"{FLAG}.text")
    tokens = any(row.tokens is not None for row in rows)
    if not texts and all(row.text is None for row in rows) and not tokens:
        texts = remaining_text(rows, where, f"{FLAG}.text")
    key: str | None = None
    if where is not None and len(where.keys) == 1:
        named = fields.label == "auto" and not where.keys[0].isdecimal()
        key = where.keys[0] if named and form != "entities" else form
    dropped = {"tokens"} if tokens else set()
    if len(texts) == 1:
        dropped |= {texts[0]}
    if key is not None and where is not None:
        dropped |= set(where.keys)
    others = tuple(
        name for name in _kept_keys(rows) if name not in dropped and not _are_words(rows, name)
    )
    for name, source in (("text", f"{FLAG}.text"), (key, f"{FLAG}.label")):
        if name in others and not (name == "text" and not texts):
            raise UserError(
                f"{rows[0].place.file}: there is a key {name!r} already, beside the one that "
                f"{source} names; rename one of them."
            )
    return _Plan(texts, where, form, key, tuple(name for name in others if name != "text"))


def _label(rows: Sequence[Row], fields: TaskDataConfig) -> tuple[Where | None, str]:
    """The keys of the label, and its kind."""
    flag = f"{FLAG}.label"
    where = label_keys(rows, Entities(NAME, ()), fields.label, (), flag)
    if where is not None and _are_entities(rows, where, fields):
        return where, "entities"
    if fields.label == "auto":
        tagged = where is not None and where.keys[0].isdecimal()
        if not tagged:
            task: Task = Classes(NAME, ())
            where = label_keys(rows, task, "auto", (), flag) if fields.names else None
            where = where or _beside_text(rows, fields.text)
    return where, "tags" if where is not None and _is_tagged(rows, where) else "label"


def _beside_text(rows: Sequence[Row], text: str) -> Where | None:
    """The other column of a table that has two, without names."""
    keys = [key for key in _kept_keys(rows) if key != text]
    two = len(keys) == 1 and keys[0].isdecimal() and text.isdecimal()
    return Where((keys[0],)) if two and rows[0].tokens is None else None


def _are_entities(rows: Sequence[Row], where: Where, fields: TaskDataConfig) -> bool:
    """Whether a label is entities with offsets, or tags in a scheme of entities."""
    if len(where.keys) > 1:
        return False
    pairs = [(row, value) for row in rows if (value := where.value(row)) is not None]
    if pairs and all(
        isinstance(value, list) and all(is_entity(item) for item in value) for _, value in pairs
    ):
        return any(value for _, value in pairs) or where.keys[0] in ("entities", "spans", "ents")
    if not _is_tagged(rows, where):
        return False
    if all(type(tag) is int for _, tags in pairs for tag in tags) and not fields.names:
        return False
    if fields.scheme != "auto":
        return True
    source = Source(Entities(NAME, ()), fields)
    try:
        tags = [[str(source.named(tag)) for tag in tags] for _, tags in pairs]
    except ValueError as error:
        raise UserError(f"{pairs[0][0].place}: {where}: {error}.") from None
    return read_tagging(tags).scheme != "io" or any(OUTSIDE in row for row in tags)


def _is_tagged(rows: Sequence[Row], where: Where) -> bool:
    """Whether a label is a list with a tag for each token."""
    pairs = [(row, where.value(row)) for row in rows]
    given = [(row, value) for row, value in pairs if value is not None]
    return (
        len(where.keys) == 1
        and bool(given)
        and all(is_tags(value, row) and len(value) == len(row.tokens or ()) for row, value in given)
    )


def _kept_keys(rows: Sequence[Row]) -> list[str]:
    """All keys, without the numbers of columns that have names too."""
    keys = list(dict.fromkeys(key for row in rows for key in row.fields))
    named = [key for key in keys if not key.isdecimal()]
    if not named or len(named) == len(keys):
        return keys
    if rows[0].tokens is None:
        return named
    return [
        key
        for key in keys
        if not key.isdecimal()
        or not any(
            all(row.fields.get(name) is row.fields.get(key) for row in rows) for name in named
        )
    ]


def _are_words(rows: Sequence[Row], key: str) -> bool:
    """Whether a column is that of the words."""
    return all(
        row.tokens is not None and list(row.tokens) == row.fields.get(key)
        for row in rows
        if key in row.fields
    )


def _labels(
    rows: Sequence[Row], plan: _Plan, source: Source, path: Path, description: str
) -> Iterator[Any]:
    """Yields the label of each row, None for one without."""
    if plan.form != "entities" or plan.where is None:
        for row in rows:
            value = plan.where.value(row) if plan.where and plan.key else None
            yield _named(value, row, source)
        return
    for record in records_of(rows, source, path, description):
        spans = record.labels.get(NAME)
        yield None if spans is None else [span._asdict() for span in spans]


def _named(value: Any, row: Row, source: Source) -> Any:
    """A value with names in place of numbers, if the user gives names."""
    try:
        if isinstance(value, list):
            return [source.named(item) for item in value]
        return source.named(value)
    except ValueError as error:
        raise UserError(f"{row.place}: {error}.") from None


def _object(row: Row, text: str, label: Any, plan: _Plan) -> dict[str, Any]:
    """The object of a row."""
    found: dict[str, Any] = {"text": text}
    if plan.key is not None and label is not None:
        found[plan.key] = label
    if row.tokens is not None:
        found["tokens"] = list(row.tokens)
    fields: Mapping[str, Any] = row.fields
    return found | {key: fields[key] for key in plan.others if key in fields}
