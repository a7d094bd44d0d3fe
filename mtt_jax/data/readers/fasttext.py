"""fastText: a text per line, with its labels as words that begin with `__label__`.

__label__sports Rovers win at home.
__label__sports __label__politics The match tax was voted down.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.files import lines
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_PREFIX = "__label__"
_LABEL = re.compile(rf"(?<!\S){_PREFIX}(\S*)")


def recognize(head: Head) -> str | None:
    """A description of the file if its first lines contain labels with fastText's prefix."""
    first = [line for line in head.text.splitlines()[:20] if line.strip()]
    labelled = sum(line.lstrip().startswith(_PREFIX) for line in first)
    return "fastText lines" if first and labelled * 2 > len(first) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads a row from each line that is not empty.

    fastText takes a label wherever it is in the line, and the rest of the line is the text. A line
    without a label is a text without one.

    Raises:
      UserError: for a prefix without a name after it.
    """
    for number, line in lines(path, layout.encoding):
        if line.strip():
            yield _row(line, Place(path, number))


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
