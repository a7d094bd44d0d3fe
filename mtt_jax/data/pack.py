"""Packing: several sentences behind one another in a row, so that almost nothing is padding.

Training packs a stream (pipeline.py); here a finite set is packed for evaluation and
prediction, and both meet in the layout of features below. A sentence travels as two small
arrays, so that one packer moves everything:

    positions  int32 [n, 1 + token tasks]      subword id, then class id + 1 of each token task
    slots      int32 [1, sentence tasks + 1]   class id + 1 of each sentence task, then 1

0 is "no label", so the zeros that a packer fills in are right as they are.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from mtt_jax.data.encode import ExampleSet, Window, cut, tags, windows
from mtt_jax.tasks import Task
from mtt_jax.types import Batch, Example


def features(example: Example, tasks: Sequence[Task], max_length: int) -> dict[str, np.ndarray]:
    """An example, cut to `max_length`, as {"positions": ..., "slots": ...}."""
    example = cut(example, max_length)
    token_tasks, sentence_tasks = by_kind(tasks)
    positions = np.zeros((len(example.tokens), 1 + len(token_tasks)), np.int32)
    positions[:, 0] = example.tokens
    words = np.flatnonzero(example.starts >= 0)
    for column, task in enumerate(token_tasks, start=1):
        if task.name in example.spans:
            ids = tags(example.spans[task.name], len(example.starts), task.scheme)
            positions[example.starts[words], column] = ids[words] + 1
    labels = [example.labels.get(task.name, -1) + 1 for task in sentence_tasks]
    return {"positions": positions, "slots": np.array([[*labels, 1]], np.int32)}


def by_kind(tasks: Sequence[Task]) -> tuple[list[Task], list[Task]]:
    """(token tasks, sentence tasks), each in the order given."""
    return [t for t in tasks if t.kind == "token"], [t for t in tasks if t.kind == "sentence"]


def to_batch(
    positions: np.ndarray,  # int32 [B, L, 1 + token tasks]
    slots: np.ndarray,  # int32 [B, S, sentence tasks + 1]
    segments: np.ndarray,  # int32 [B, L]
    places: np.ndarray,  # int32 [B, L] position inside the sentence
    tasks: Sequence[Task],
) -> Batch:
    """Packed features as the model's batch."""
    token_tasks, sentence_tasks = by_kind(tasks)
    columns = {task.name: positions[:, :, i] for i, task in enumerate(token_tasks, start=1)}
    columns |= {task.name: slots[:, :, i] for i, task in enumerate(sentence_tasks)}
    return Batch(
        tokens=positions[:, :, 0],
        segments=segments,
        positions=places,
        labels={name: np.maximum(column - 1, 0) for name, column in columns.items()},
        weights={name: (column > 0).astype(np.float32) for name, column in columns.items()},
    )


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
    rows: int,
) -> Iterator[PackedWindows]:
    """Packs a finite set for evaluation or prediction, every word exactly once.

    Args:
      examples: what to read, of any length.
      tasks: whose labels the batches carry.
      max_length: subwords that the model reads at once.
      overlap: subwords that windows of a long example share.
      row_length: L.
      slots: S.
      rows: B; every batch has that many, so that one compiled shape serves all.
    """
    pieces = list(windows((examples[i] for i in range(len(examples))), max_length, overlap))
    packed = assign_rows([len(piece.tokens) for piece in pieces], row_length, slots)
    for begin in range(0, len(packed), rows):
        yield _fill(packed[begin : begin + rows], pieces, examples, tasks, row_length, slots, rows)


def _fill(packed, pieces, examples, tasks, row_length, slots, rows) -> PackedWindows:
    """Lays rows of pieces out in one batch."""
    token_tasks, sentence_tasks = by_kind(tasks)
    positions = np.zeros((rows, row_length, 1 + len(token_tasks)), np.int32)
    slot_ids = np.zeros((rows, slots, 1 + len(sentence_tasks)), np.int32)
    segments, places = np.zeros((2, rows, row_length), np.int32)
    placed = []
    for row, members in enumerate(packed):
        offset = 0
        for slot, index in enumerate(members):
            piece: Window = pieces[index]
            example = examples[piece.source]
            here = slice(offset, offset + len(piece.tokens))
            positions[row, here, 0] = piece.tokens
            segments[row, here] = slot + 1
            places[row, here] = np.arange(len(piece.tokens))
            for column, task in enumerate(token_tasks, start=1):
                if task.name in example.spans:
                    ids = tags(example.spans[task.name], len(example.starts), task.scheme)
                    positions[row, offset + piece.starts, column] = ids[piece.words] + 1
            for column, task in enumerate(sentence_tasks):
                slot_ids[row, slot, column] = example.labels.get(task.name, -1) + 1
            placed.append((row, slot, offset, piece))
            offset += len(piece.tokens)
    return PackedWindows(to_batch(positions, slot_ids, segments, places, tasks), placed)
