"""Prodigy: answers one per line, as `prodigy db-out` writes them.

{"text": "Ann sold Acme.", "spans": [{"start": 0, "end": 3, "label": "PER"}], "answer": "accept"}
{"text": "Rovers win.", "label": "sports", "answer": "reject"}
{"text": "Rovers win.", "options": [{"id": "sports"}, ...], "accept": ["sports"], ...}

What is not accepted is left out, with one exception: a question about one label ("is this sports?")
is answered by a rejection as well as by an acceptance. The answers about a text are gathered in
`cats`, as spaCy has them: {"sports": 0, "politics": 1}.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.json_items import first_items, items
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import entities_of, longest
from mtt_jax.errors import UserError

_ANSWERS = ("accept", "reject", "ignore")
_HASHES = ("_input_hash", "_task_hash")
_LEFT_OUT = {"reject": "rejected answers, left out", "ignore": "ignored answers, left out"}
# Each question of this view is about one suggested entity.
_BINARY_VIEW = "ner"
_ONE_ENTITY = "answers about a single entity; the others of its text are taken to be none"
_PARTLY = "texts that were not asked about every label; the labels not asked about count as absent"
_NOTHING_CHOSEN = "answers without a choice, read as unlabeled"
_CHANGED = frozenset(("spans", "tokens", "options", "accept", "label", "answer"))


def recognize(head: Head) -> str | None:
    """A description of objects with Prodigy's answers, hashes or token numbers."""
    found = [item for item in first_items(head) if isinstance(item, dict)]
    return "Prodigy answers" if any(map(_is_answer, found)) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each accepted answer, in two passes over the file.

    Chosen options are under `label`: a string, or a list if several may be chosen. A text without
    the key `spans` has no entities if other texts of the file have some.

    Raises:
      UserError: for an answer without a text, and for spans without offsets.
    """
    several = marked = False
    asked: dict[str, dict[str, int]] = {}  # text -> the answer about each label
    labels: dict[str, None] = {}  # in the order in which they were asked about
    for _, item in _answers(path, layout.encoding):
        several |= _is_multiple(item)
        marked |= isinstance(item.get("spans"), list)
        if _is_question(item) and item["answer"] != "ignore":
            cats = asked.setdefault(item["text"], {})
            cats[item["label"]] = int(item["answer"] == "accept")
            labels[item["label"]] = None
    for place, item in _answers(path, layout.encoding):
        if item["answer"] == "ignore":
            yield Row(place, {}, faults=[_LEFT_OUT["ignore"]])
        elif _is_question(item):
            if item["text"] in asked:  # otherwise given with the first question about the text
                cats = asked.pop(item["text"])
                faults = [_PARTLY] if len(cats) < len(labels) else []
                flags = {label: cats.get(label, 0) for label in labels}
                yield _row(item, {"cats": flags}, place, faults)
        elif item["answer"] == "reject":
            yield Row(place, {}, faults=[_LEFT_OUT["reject"]])
        else:
            spans: list[Any] | None = (
                [] if marked and not isinstance(item.get("accept"), list) else None
            )
            yield _accepted({"spans": spans, **item}, several, place)


def _answers(path: Path, encoding: str) -> Iterator[tuple[Place, dict[str, Any]]]:
    for place, item in items(path, encoding):
        if not isinstance(item, dict) or not isinstance(item.get("text"), str):
            shown = ", ".join(item) if isinstance(item, dict) else str(item)[:40]
            raise UserError(
                f"{place}: no text; expected an object with the key 'text', as Prodigy writes it "
                f"for texts, got {shown}"
            )
        answer = item.get("answer", "accept")
        if answer not in _ANSWERS:
            raise UserError(f"{place}: answer {answer!r}; expected one of {', '.join(_ANSWERS)}.")
        yield place, {**item, "answer": answer}


def _accepted(item: Mapping[str, Any], several: bool, place: Place) -> Row:
    labels: dict[str, Any] = {}
    faults: list[str] = []
    if isinstance(item.get("spans"), list):
        labels["entities"], faults = longest(entities_of(item["spans"], "spans", place))
        if item.get("_view_id") == _BINARY_VIEW:
            faults.append(_ONE_ENTITY)
    if isinstance(item.get("accept"), list):
        if several:
            labels["label"] = item["accept"]
        elif item["accept"]:
            labels["label"] = item["accept"][0]
        else:
            faults.append(_NOTHING_CHOSEN)
    return _row(item, labels, place, faults)


def _row(
    item: Mapping[str, Any], labels: Mapping[str, Any], place: Place, faults: list[str]
) -> Row:
    fields = {key: value for key, value in item.items() if key not in _CHANGED}
    tokens = _tokens(item)
    return Row(
        place,
        {**fields, **labels},
        text=item["text"],
        tokens=[item["text"][start:end] for start, end in tokens] or None,
        offsets=tokens or None,
        faults=faults,
    )


def _tokens(item: Mapping[str, Any]) -> list[tuple[int, int]]:
    """(start, end) of the tokens; [] if the file gives none that fit its text."""
    text, found = item["text"], []
    tokens = item.get("tokens")
    for token in tokens if isinstance(tokens, list) else ():
        start, end = _place(token)
        if start >= end or text[start:end] != token.get("text"):
            return []
        if not token["text"].isspace():
            found.append((start, end))
    return found


def _place(token: Any) -> tuple[int, int]:
    """(start, end) of a token; (0, 0) for anything else."""
    start, end = (token.get(key) for key in ("start", "end")) if isinstance(token, dict) else (0, 0)
    return (start, end) if type(start) is int and type(end) is int else (0, 0)


def _is_answer(item: Mapping[str, Any]) -> bool:
    if "text" not in item:
        return False
    tokens = isinstance(item.get("spans"), list) and any(
        isinstance(span, dict) and "token_start" in span for span in item["spans"]
    )
    return tokens or item.get("answer") in _ANSWERS or any(key in item for key in _HASHES)


def _is_question(item: Mapping[str, Any]) -> bool:
    """Whether an answer says if one label fits the whole text."""
    others = isinstance(item.get("accept"), list) or bool(item.get("spans"))
    # In this view spans show what a pattern found in a text whose class is asked for.
    asked = item.get("_view_id") == "classification" or not others
    return isinstance(item.get("label"), str) and asked


def _is_multiple(item: Mapping[str, Any]) -> bool:
    """Whether several options of one text may be chosen."""
    config = item.get("config")
    style = config.get("choice_style") if isinstance(config, dict) else None
    chosen = item.get("accept")
    return style == "multiple" or (isinstance(chosen, list) and len(chosen) > 1)
