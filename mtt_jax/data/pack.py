"""Packing: several sentences behind one another in a row, so that almost nothing is padding.

Training packs a stream, window by window (pipeline.py); evaluation and prediction pack a finite
set. Both lay the same rows out.
"""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.data.encode import ExampleSet, Window, cut, tags, windows
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Batch, Example


class Piece(NamedTuple):
    """A sentence, or a stretch of one, as it goes into a row; a class id of -1 is "no label".

    Attributes:
      tokens: int32 [n].
      tags: token task -> int32 [n] class ids.
      labels: sentence task -> class id.
    """

    tokens: np.ndarray
    tags: dict[str, np.ndarray]
    labels: dict[str, int]


def piece_of(example: Example, tasks: Sequence[Task], max_length: int) -> Piece:
    """An example as training reads it: cut to `max_length`."""
    example = cut(example, max_length)
    words = np.flatnonzero(example.starts >= 0)
    return _piece(example, tasks, example.tokens, words, example.starts[words])


def _piece(example: Example, tasks: Sequence[Task], tokens, words, starts) -> Piece:
    """The piece of an example that holds `tokens`, where `words` start at `starts`."""
    by_task = {}
    for task in tasks:
        if task.name in example.spans:
            ids = tags(example.spans[task.name], len(example.starts), task.scheme)
            by_task[task.name] = np.full(len(tokens), -1, np.int32)
            by_task[task.name][starts] = ids[words]
    labels = {t.name: example.labels[t.name] for t in tasks if t.name in example.labels}
    return Piece(tokens, by_task, labels)


def assign_rows(lengths: Sequence[int], row_length: int, slots: int) -> list[list[int]]:
    """Packs by best fit, the longest first: row -> indices of what it holds.

    Args:
      lengths: of the pieces, each at most `row_length`.
      row_length: positions of a row.
      slots: most pieces of a row.
    """
    rows: list[list[int]] = []
    open_rows: list[list[int]] = [[] for _ in range(row_length + 1)]  # by room left
    for index in sorted(range(len(lengths)), key=lambda i: (-lengths[i], i)):
        need = int(lengths[index])
        room = next((r for r in range(need, row_length + 1) if open_rows[r]), None)
        if room is None:
            rows.append([])
            row, room = len(rows) - 1, row_length
        else:
            row = open_rows[room].pop()
        rows[row].append(index)
        if len(rows[row]) < slots and room > need:
            open_rows[room - need].append(row)
    return rows


def lay_out(
    rows: Sequence[Sequence[Piece]], tasks: Sequence[Task], row_length: int, slots: int, count: int
) -> Batch:
    """Rows of pieces as a batch of B = count rows; those without any piece are empty."""
    tokens, segments, places = np.zeros((3, count, row_length), np.int32)
    ids = {
        task.name: np.full((count, slots if task.kind == "sentence" else row_length), -1, np.int32)
        for task in tasks
    }
    for row, slot, offset, piece in _places(rows):
        length = len(piece.tokens)
        here = slice(offset, offset + length)
        tokens[row, here] = piece.tokens
        segments[row, here] = slot + 1
        places[row, here] = np.arange(length)
        for name, column in piece.tags.items():
            ids[name][row, here] = column
        for name, label in piece.labels.items():
            ids[name][row, slot] = label
    return Batch(
        tokens,
        segments,
        places,
        labels={name: np.maximum(column, 0) for name, column in ids.items()},
        weights={name: (column >= 0).astype(np.float32) for name, column in ids.items()},
    )


def _places(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[int, int, int, Any]]:
    """Yields (row, slot, offset of its first position, item) of everything that rows hold."""
    for row, items in enumerate(rows):
        offset = 0
        for slot, item in enumerate(items):
            yield row, slot, offset, item
            offset += len(item.tokens)


class PackedWindows(NamedTuple):
    """A batch of windows and where each stands in it.

    Attributes:
      batch: rows of packed windows; rows without any fill the batch up.
      windows: (row, slot, offset of its first position, window).
    """

    batch: Batch
    windows: list[tuple[int, int, int, Window]]


def pack_examples(
    examples: ExampleSet | Sequence[Example],
    tasks: Sequence[Task],
    *,
    max_length: int,
    overlap: int,
    row_length: int,
    slots: int,
    rows: int | Sequence[int],
) -> Iterator[PackedWindows]:
    """Packs a finite set for evaluation or prediction, every word exactly once.

    Args:
      examples: what to read, of any length.
      tasks: whose labels the batches carry.
      max_length: subwords that the model reads at once.
      overlap: subwords that windows of a long example share.
      row_length: L.
      slots: S.
      rows: B; every batch has that many, so that one compiled shape serves all. Of several sizes,
        ascending, a batch has the largest that what is left fills.
    """
    found = list(windows((examples[i] for i in range(len(examples))), max_length, overlap))
    packed = assign_rows([len(window.tokens) for window in found], row_length, slots)
    sizes = (rows,) if isinstance(rows, int) else rows
    while packed:
        size = max((n for n in sizes if n <= len(packed)), default=sizes[0])
        members = [[found[index] for index in row] for row in packed[:size]]
        packed = packed[size:]
        pieces = [
            [_piece(examples[w.source], tasks, w.tokens, w.words, w.starts) for w in row]
            for row in members
        ]
        batch = lay_out(pieces, tasks, row_length, slots, size)
        yield PackedWindows(batch, list(_places(members)))
