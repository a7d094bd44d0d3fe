"""Packing: several sentences one after another in a row, so that almost nothing is padding.

Training packs a stream, window by window (pipeline.py); evaluation and prediction pack a finite
set. Both lay the same rows out.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.config.schema import DistillConfig
from mtt_jax.data.encode import ExampleSet, Window, cut, windows
from mtt_jax.tasks import Objective, Task
from mtt_jax.types import Batch, Example


class Piece(NamedTuple):
    """A sentence, or a window of one, as it goes into a row.

    Attributes:
      tokens: int32 [n].
      features: uint16 [n, F] ids of word features.
      targets: task -> (values, mask) as `Objective.target` returns them; absent without a label.
      starts: int [w] position of the first subword of each word that may be hidden.
      hidden: bool [n], True for the subwords of words that are; None without word dropout.
      teacher: task -> (probabilities, mask) as `_taught` returns them; absent without an answer.
    """

    tokens: np.ndarray
    features: np.ndarray
    targets: dict[str, tuple[Any, Any]]
    starts: np.ndarray
    hidden: np.ndarray | None = None
    teacher: Mapping[str, tuple[Any, Any]] = {}  # noqa: RUF012  never changed


def piece_of(
    example: Example,
    tasks: Sequence[Objective],
    max_length: int,
    distill: DistillConfig | None = None,
) -> Piece:
    """An example as training reads it: cut to `max_length`, with what teachers say about it."""
    example = cut(example, max_length)
    words = np.flatnonzero(example.starts >= 0)
    piece = _piece(example, tasks, example, words, example.starts[words])
    if any(task.redrawn and task.name in piece.targets for task in tasks):
        piece = piece._replace(starts=piece.starts[:0])  # its objective has hidden words already
    if not distill or not example.teacher:
        return piece
    return piece._replace(teacher=_taught(example, tasks, piece, words, distill))


def _taught(
    example: Example, tasks: Sequence[Objective], piece: Piece, words: Any, distill: DistillConfig
) -> dict[str, tuple[Any, Any]]:
    """Task -> (probabilities, mask) of a piece, as `Task.soft_target` returns them.

    The mask is 1 where there is a label, to which the teachers' answer is added; elsewhere it is
    the weight of what teachers fill in, or 0 if they are not confident enough.
    """
    found = {}
    for task in tasks:
        if not isinstance(task, Task) or task.name not in example.teacher:
            continue
        values, known = task.soft_target(
            example.teacher[task.name], words, example.starts[words], len(piece.tokens)
        )
        _, labelled = piece.targets.get(task.name, (None, 0.0))
        filled = distill.weight * (task.confidence(values) >= distill.floor)
        found[task.name] = values, known * np.where(np.asarray(labelled) > 0, 1.0, filled)
    return found


def _piece(
    example: Example, tasks: Sequence[Objective], part: Example | Window, words: Any, starts: Any
) -> Piece:
    """The piece of an example that is `part` of it, in which `words` begin at `starts`."""
    tokens = part.tokens
    targets = {
        task.name: task.target(example.labels[task.name], words, starts, len(tokens))
        for task in tasks
        if task.name in example.labels
    }
    return Piece(tokens, part.features, targets, starts)


def assign_rows(lengths: Sequence[int], row_length: int, slots: int) -> list[list[int]]:
    """Packs by best fit, longest first: row -> indices of the pieces in it.

    Args:
      lengths: of the pieces, each at most `row_length`.
      row_length: positions of a row.
      slots: most pieces per row.
    """
    rows: list[list[int]] = []
    open_rows: list[list[int]] = [[] for _ in range(row_length + 1)]  # by positions left
    lefts = 0  # bit r is set if a row has r positions left
    sizes = np.asarray(lengths, np.int64)
    order = np.argsort(-sizes, kind="stable")
    for index, need in zip(order.tolist(), sizes[order].tolist(), strict=True):
        enough = lefts >> need
        if not enough:
            rows.append([index])
            row, left = len(rows) - 1, row_length - need
        else:
            room = need + (enough & -enough).bit_length() - 1  # the least that is enough
            row, left = open_rows[room].pop(), room - need
            if not open_rows[room]:
                lefts &= ~(1 << room)
            rows[row].append(index)
        if left and len(rows[row]) < slots:
            open_rows[left].append(row)
            lefts |= 1 << left
    return rows


def lay_out(
    rows: Sequence[Sequence[Piece]],
    tasks: Sequence[Objective],
    row_length: int,
    slots: int,
    count: int,
    taught: Collection[str] = (),
) -> Batch:
    """Rows of pieces as a batch of B = count rows; those without any piece are empty.

    Args:
      rows: of pieces.
      tasks: all.
      row_length: L.
      slots: S.
      count: B.
      taught: names of the tasks that teachers answer.
    """
    tokens, segments, positions = np.zeros((3, count, row_length), np.int32)
    by_name = {task.name: task for task in tasks}
    room = {task.name: task.room(row_length, slots) for task in tasks}
    targets: dict[str, np.ndarray] = {
        task.name: np.zeros((count, room[task.name], *task.target_shape), task.target_dtype)
        for task in tasks
    }
    masks = {name: np.zeros((count, size), np.float32) for name, size in room.items()}
    width = next((piece.features.shape[1] for row in rows for piece in row), 0)
    features = np.zeros((count, row_length, width), np.int32) if width else None
    hides = any(piece.hidden is not None for row in rows for piece in row)
    hidden = np.zeros((count, row_length), bool) if hides else None
    for row, slot, offset, piece in _places(rows):
        length = len(piece.tokens)
        here = slice(offset, offset + length)
        tokens[row, here] = piece.tokens
        segments[row, here] = slot + 1
        positions[row, here] = np.arange(length)
        if features is not None:
            features[row, here] = piece.features
        if hidden is not None:
            hidden[row, here] = piece.hidden
        for name, found in piece.targets.items():
            by_name[name].put(targets[name][row], masks[name][row], slot, offset, found)
    batch = Batch(tokens, segments, positions, targets, masks, features, hidden)
    if not taught:
        return batch
    return _with_teacher(batch, rows, [task for task in tasks if task.name in taught])


def _with_teacher(
    batch: Batch, rows: Sequence[Sequence[Piece]], tasks: Sequence[Objective]
) -> Batch:
    """A batch with what teachers say about the pieces in it."""
    shapes = {task.name: batch.masks[task.name].shape for task in tasks}
    teacher = {
        task.name: np.zeros((*shapes[task.name], len(task.classes)), np.float32) for task in tasks
    }
    masks = {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}
    for row, slot, offset, piece in _places(rows):
        for task in tasks:
            if task.name in piece.teacher:
                here = slice(offset, offset + len(piece.tokens))
                place = slot if task.unit == "sentence" else here
                teacher[task.name][row, place], masks[task.name][row, place] = piece.teacher[
                    task.name
                ]
    return batch._replace(teacher=teacher, teacher_masks=masks)


def _places(rows: Sequence[Sequence[Any]]) -> Iterator[tuple[int, int, int, Any]]:
    """Yields (row, slot, offset of its first position, item) of everything that rows hold."""
    for row, items in enumerate(rows):
        offset = 0
        for slot, item in enumerate(items):
            yield row, slot, offset, item
            offset += len(item.tokens)


def pack_pieces(
    pieces: Sequence[Piece],
    tasks: Sequence[Objective],
    row_length: int,
    slots: int,
    rows: int,
) -> Iterator[Batch]:
    """Packs a finite number of pieces; arguments as for `pack_examples`."""
    packed = assign_rows([len(piece.tokens) for piece in pieces], row_length, slots)
    for first in range(0, len(packed), rows):
        members = [[pieces[index] for index in row] for row in packed[first : first + rows]]
        yield lay_out(members, tasks, row_length, slots, rows)


class PackedWindows(NamedTuple):
    """A batch of windows and the place of each in it.

    Attributes:
      batch: rows of packed windows; empty rows fill the batch up.
      windows: (row, slot, offset of its first position, window).
    """

    batch: Batch
    windows: list[tuple[int, int, int, Window]]


def pack_examples(
    examples: ExampleSet | Sequence[Example],
    tasks: Sequence[Objective],
    *,
    max_length: int,
    overlap: int,
    row_length: int,
    slots: int,
    rows: int | Sequence[int],
) -> Iterator[PackedWindows]:
    """Packs a finite set for evaluation or prediction; every word is decided exactly once.

    Args:
      examples: what to read, of any length.
      tasks: whose labels the batches carry.
      max_length: subwords that the model reads at once.
      overlap: subwords that neighboring windows of a long example share.
      row_length: L.
      slots: S.
      rows: B; every batch has that many, so that one compiled shape serves all. If several sizes
        are given, in ascending order, a batch has the largest that the remaining rows fill.
    """
    found = list(windows((examples[i] for i in range(len(examples))), max_length, overlap))
    packed = assign_rows([len(window.tokens) for window in found], row_length, slots)
    sizes = (rows,) if isinstance(rows, int) else rows
    while packed:
        size = max((n for n in sizes if n <= len(packed)), default=sizes[0])
        members = [[found[index] for index in row] for row in packed[:size]]
        packed = packed[size:]
        pieces = [
            [_piece(examples[w.source], tasks, w, w.words, w.starts) for w in row]
            for row in members
        ]
        batch = lay_out(pieces, tasks, row_length, slots, size)
        yield PackedWindows(batch, list(_places(members)))
