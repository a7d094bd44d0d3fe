"""fastText: a text per line, with its labels as words that begin with `__label__`.

    __label__sports Rovers win at home.
    __label__sports __label__politics The match tax was voted down.

TREC's questions are like it, with a coarse and a fine label:

    LOC:city Where do Rovers play ?
"""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.files import extension, head, lines
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_PREFIX = "__label__"
_LABEL = re.compile(rf"(?<!\S){_PREFIX}(\S*)")


# A coarse and a fine label before a question; in TREC's files the coarse one is one of six.
_QUESTION = re.compile(r"\s*([A-Z]{2,}):(\w+)\s+(\S.*)")
_COARSE = frozenset(("ABBR", "DESC", "ENTY", "HUM", "LOC", "NUM"))


def recognize(head: Head) -> str | None:
    """A description of the file if its first lines contain labels with fastText's prefix."""
    first = [line for line in head.text.splitlines()[:20] if line.strip()]
    if _are_questions(first, head.extension == ".label"):
        return "TREC questions with coarse and fine labels"
    labelled = sum(line.lstrip().startswith(_PREFIX) for line in first)
    return "fastText lines" if first and labelled * 2 > len(first) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each line that is not empty.

    fastText takes a label wherever it is in the line, and the rest of the line is the text. A line
    without a label is a text without one.

    Raises:
      UserError: for a prefix without a name after it, and a question without labels.
    """
    first = [line for line in head(path).text.splitlines()[:20] if line.strip()]
    questions = _are_questions(first, extension(path) == ".label")
    for number, line in lines(path, layout.encoding):
        place = Place(path, number)
        if not line.strip():
            continue
        if not questions:
            yield _row(line, place)
        elif fields := _question(line):
            yield Row(place, fields, text=fields["text"])
        else:
            layout.fault(f"{place}: no labels; expected them first, as in 'LOC:city Where ... ?'")


def _are_questions(found: Sequence[str], named: bool) -> bool:
    """Whether most lines begin with labels as TREC's do; with any, if the file's name says so."""
    parts = [match for line in found if (match := _QUESTION.match(line))]
    known = [match for match in parts if named or match[1] in _COARSE]
    return bool(found) and 10 * len(known) >= 9 * len(found)


def _question(line: str) -> dict[str, Any] | None:
    """The fields of a line of TREC; None for another."""
    match = _QUESTION.match(line)
    if match is None:
        return None
    return {"text": match[3].strip(), "label": match[1], "fine_label": f"{match[1]}:{match[2]}"}


def _row(line: str, place: Place) -> Row:
    labels = _LABEL.findall(line)
    if "" in labels:
        raise UserError(
            f"{place}: {_PREFIX} without a name; write {_PREFIX}NAME, without a space between."
        )
    text = " ".join(part for part in _between(line) if part)
    fields: dict[str, Any] = {"text": text}
    if labels:
        fields["label"] = labels[0] if len(labels) == 1 else labels
    return Row(place, fields, text=text)


def _between(line: str) -> Iterator[str]:
    """The parts of a line before, between and after its labels."""
    begin = 0
    for found in _LABEL.finditer(line):
        yield line[begin : found.start()].strip()
        begin = found.end()
    yield line[begin:].strip()
