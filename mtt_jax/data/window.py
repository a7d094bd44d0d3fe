"""A window of training sentences, packed and laid out at once, without a loop over sentences.

What comes out is what `pack.lay_out` makes of the same sentences one by one, for tasks that have
labels: the two are tested against each other.

    examples  3 0 7       where each one's subwords are in the arrays of the split, a line of
    subwords  aaa bb cccc indices into them, and the same positions in the rows that they go to
    rows      cccc aaa. / bb......
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.hide import hidden_subwords
from mtt_jax.data.pack import assign_rows
from mtt_jax.tasks import Task
from mtt_jax.tasks.ragged import parts_of, ranges
from mtt_jax.types import Batch


class Sizes(NamedTuple):
    """What training reads, and into how much room.

    Attributes:
      longest: subwords of a sentence; a longer one is cut.
      row: positions of a row.
      slots: most sentences of a row.
    """

    longest: int
    row: int
    slots: int


class _Places(NamedTuple):
    """Where sentences are in rows, int64 [k] each.

    Attributes:
      rows: which row.
      slots: which sentence of the row.
      offsets: position in the row of its first subword.
    """

    rows: np.ndarray
    slots: np.ndarray
    offsets: np.ndarray


def lay_out_window(
    examples: ExampleSet,
    indices: np.ndarray,
    tasks: Sequence[Task],
    sizes: Sizes,
    word_dropout: float,
    rng: np.random.Generator,
) -> Batch:
    """Sentences as rows, in random order; as many rows as they need.

    Args:
      examples: the split.
      indices: int64 [k] of the sentences, in the order in which they were drawn.
      tasks: that train.
      sizes: of sentences and rows.
      word_dropout: share of the words that are hidden.
      rng: of the order of the rows, and then of the hidden words.
    """
    arrays = examples.arrays
    begins, ends = parts_of(arrays, "token", indices)
    lengths = np.minimum(ends - begins, sizes.longest)
    rows = assign_rows(lengths.tolist(), sizes.row, sizes.slots)
    places = _placed(rows, rng.permutation(len(rows)), lengths)
    count = len(rows)

    source = ranges(begins, lengths)
    before = np.cumsum(lengths) - lengths
    # The last subword of a sentence that is cut is its [SEP].
    source[before + lengths - 1] = ends - 1
    target = ranges(places.rows * sizes.row + places.offsets, lengths)
    tokens, segments, positions = np.zeros((3, count, sizes.row), np.int32)
    tokens.ravel()[target] = arrays["tokens"][source]
    segments.ravel()[target] = np.repeat(places.slots + 1, lengths)
    positions.ravel()[target] = ranges(np.zeros_like(lengths), lengths)
    features = None
    if width := arrays["features"].shape[1]:
        features = np.zeros((count, sizes.row, width), np.int32)
        features.reshape(-1, width)[target] = arrays["features"][source]

    first, last = parts_of(arrays, "start", indices)
    words = last - first
    starts = arrays["starts"][ranges(first, words)]
    # A word whose first subword is cut off carries no label.
    limits = np.where(ends - begins > lengths, lengths - 1, lengths)
    kept = (starts >= 0) & (starts < np.repeat(limits, words))
    hidden = None
    if word_dropout:
        all_starts = (np.repeat(before, words) + starts)[kept]
        hidden = np.zeros((count, sizes.row), bool)
        hidden.ravel()[target] = hidden_subwords(lengths, all_starts, word_dropout, rng)
    at = (np.repeat(places.rows * sizes.row + places.offsets, words) + starts)[kept]
    targets, masks = _labels(examples, indices, tasks, words, kept, at, places, count, sizes)
    return Batch(tokens, segments, positions, targets, masks, features, hidden)


def _placed(rows: Sequence[Sequence[int]], order: np.ndarray, lengths: np.ndarray) -> _Places:
    """Where each sentence goes, if row i of the result is rows[order[i]]."""
    counts = np.array([len(row) for row in rows])[order]
    sentences = np.concatenate([rows[row] for row in order])
    ends = np.cumsum(lengths[sentences])
    firsts = np.cumsum(counts) - counts  # of each row, among all sentences
    row_starts = (ends - lengths[sentences])[firsts]
    found = np.empty((3, len(lengths)), np.int64)
    found[0, sentences] = np.repeat(np.arange(len(rows)), counts)
    found[1, sentences] = np.arange(len(sentences)) - np.repeat(firsts, counts)
    found[2, sentences] = ends - lengths[sentences] - np.repeat(row_starts, counts)
    return _Places(*found)


def _labels(
    examples: ExampleSet,
    indices: np.ndarray,
    tasks: Sequence[Task],
    words: np.ndarray,
    kept: np.ndarray,
    starts: np.ndarray,
    places: _Places,
    count: int,
    sizes: Sizes,
) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """The targets and masks of a batch.

    Args:
      examples: as in `lay_out_window`, like `indices`, `tasks` and `sizes`.
      indices: of the sentences.
      tasks: that train.
      words: int64 [k] how many each sentence has.
      kept: bool [w], which of all words can carry a label.
      starts: where their first subwords are, counted over all rows.
      places: of the sentences.
      count: of rows.
      sizes: of rows.
    """
    begins = np.append(0, np.cumsum(words))
    targets, masks = {}, {}
    for task in tasks:
        room = task.room(sizes.row, sizes.slots)
        values, known = examples.gathered(task, indices, begins)
        target: np.ndarray = np.zeros((count * room, *task.target_shape), task.target_dtype)
        mask = np.zeros(count * room, np.float32)
        if task.unit == "sentence":
            at = (places.rows * room + places.slots)[known]
        else:
            at, values, known = starts[known[kept]], values[kept], known[kept]
        target[at], mask[at] = values[known], 1.0
        targets[task.name] = target.reshape(count, room, *task.target_shape)
        masks[task.name] = mask.reshape(count, room)
    return targets, masks
