"""GermEval 2014: an index, a word, and tags of the outer and the inner entities.

#    http://de.example.org/Essen    [2010-01-05]
1    Universität    B-ORG    O
2    Essen          I-ORG    B-LOC
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.blocks import (
    blocks,
    check_index,
    check_width,
    column,
    is_index,
    most,
)
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_WIDTH = 4
_COMMENT = "#"


def recognize(head: Head) -> str | None:
    """Says that a file is in this format; None for another."""
    lines = [line for line in head.text.split("\n") if line.strip(" \t")]
    cells = [line.split("\t") for line in lines if not line.startswith(_COMMENT)]
    if not most(len(row) == _WIDTH for row in cells) or not is_index(cells):
        return None
    tags = [tag for row in cells for tag in row[2:4]]
    if not most(tag == "O" or tag[:2] in ("B-", "I-") for tag in tags):
        return None
    return "GermEval 2014 columns (outer and inner entities)"


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the sentences of a file; the tags are the fields `outer` and `inner`.

    Args:
      path: of the file.
      layout: its encoding; column of the words, 2 by default.

    Raises:
      UserError: naming file and line, for a line with too few columns or an index that jumps.
    """
    for block in blocks(path, layout.encoding):
        fields: dict[str, Any] = {}
        rows: list[list[str]] = []
        places: list[Place] = []
        for number, line in block:
            if line.startswith(_COMMENT):
                fields["source"] = line.removeprefix(_COMMENT).lstrip("\t ")
                continue
            place, cells = Place(path, number), line.split("\t")
            check_width(len(cells), _WIDTH, places[0].line if places else number, place)
            if not cells[0].isdecimal():
                raise UserError(
                    f"{place}: {cells[0]!r} in the first column; expected the number of the word "
                    "in its sentence, counted from 1."
                )
            check_index(int(cells[0]), len(rows), place)
            rows.append(cells)
            places.append(place)
        if rows:
            columns = [list(cells) for cells in zip(*rows, strict=True)]
            fields |= {str(number): cells for number, cells in enumerate(columns, start=1)}
            fields |= {"outer": columns[2], "inner": columns[3]}
            word = column(layout.word or 2, _WIDTH, f"{layout.flag}.word", places[0])
            yield Row(places[0], fields, tokens=columns[word], token_places=places)
