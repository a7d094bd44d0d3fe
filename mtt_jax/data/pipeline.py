r"""The training stream: from examples to packed batches.

    task A's sentences -> shuffle, repeat \
    task B's sentences -> shuffle, repeat  - mix by weight -> pack by windows -> batch -> prefetch
    texts -> shuffle, repeat, hide words  /

With encoder.word_dropout, words are hidden in what a window packs (hide.py).

A window of sentences is packed as a whole, longest first, which fills rows better than packing them
in the order in which they come; its rows are then shuffled. Every stage is seeded. Windows are laid
out ahead, in a thread of Grain's, whose iterator's state is a small dict that goes into the
checkpoint.

A run may read its data in shards: each has its own part of every task's sentences, its own stream
and its own rows of the batch. Shards are divided among processes, so that a batch is the same
whichever process reads which shard.
"""

import sys
from collections.abc import Iterator, Mapping
from typing import Any

import grain
import jax
import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, cut
from mtt_jax.data.hide import hide_words
from mtt_jax.data.order import Draws, Order, Shares, generator_of, shuffling_seed
from mtt_jax.data.pack import assign_rows, lay_out, piece_of
from mtt_jax.data.sampling import (
    annealed_selection,
    lengths_read,
    mixing_weights,
    parts_by_task,
    seed_of,
)
from mtt_jax.data.window import Sizes, lay_out_window
from mtt_jax.errors import UserError
from mtt_jax.types import Batch, Example

# Sentences per window, as a multiple of the row length: hundreds of rows, all full but the last.
_WINDOW = 8


class Shards:
    """An endless iterator of batches that concatenates the rows of some shards, in their order.

    Attributes:
      streams: shard -> Grain iterator.
      count: how many shards the whole run has.
    """

    def __init__(self, streams: dict[int, Any], count: int):
        self.streams = streams
        self.count = count

    def __iter__(self) -> "Shards":
        return self

    def __next__(self) -> Batch:
        batches = [next(stream) for stream in self.streams.values()]
        if len(batches) == 1:
            return batches[0]
        return jax.tree.map(lambda *rows: np.concatenate(rows), *batches)


def open_shards(
    examples: ExampleSet, config: Config, process: int = 0, processes: int = 1
) -> Shards:
    """The stream of one process: K / processes of the K = data.shards shards, in order.

    Its batches have train.batch_rows / processes rows; concatenated, those of all processes are the
    batch of the run.

    Raises:
      UserError: if the processes do not divide the shards, or a task has too few sentences.
    """
    count = config.data.shards or 1
    if count % processes:
        raise UserError(
            f"config.data.shards: {processes} processes do not divide {count} shards evenly."
        )
    for name, part in parts_by_task(examples, config).items():
        if len(part) < count:
            raise UserError(
                f"config.data.shards: {count} shards, but task '{name}' has only {len(part)} "
                "training sentences; use fewer shards."
            )
    each = count // processes
    return Shards(
        {
            shard: iter(training_stream(examples, config, shard, count))
            for shard in range(process * each, (process + 1) * each)
        },
        count,
    )


def training_stream(
    examples: ExampleSet, config: Config, shard: int = 0, shards: int = 1
) -> grain.IterDataset:
    """An endless stream of the batches of one shard.

    Args:
      examples: the training split.
      config: mixing weights, row length, rows, seed.
      shard: which one, with its own share of every task's sentences.
      shards: how many there are.

    Returns:
      A Grain data set of `Batch`, B = train.batch_rows / shards.
    """
    windows = _Windows(examples, config, shard, shards)
    rows = config.train.batch_rows // shards
    ahead = grain.ReadOptions(num_threads=1, prefetch_buffer_size=2)
    return _Batches(grain.MapDataset.source(windows).to_iter_dataset(ahead), rows)


class _Windows:
    """The windows of a shard's draws, each packed into rows, as a random-access source for Grain.

    Attributes:
      size: sentences of a window.
    """

    def __init__(self, examples: ExampleSet, config: Config, shard: int, shards: int):
        self._examples, self._config = examples, config
        parts = parts_by_task(examples, config)
        self._names = list(parts)
        self._order = _order(examples, parts, config, shard, shards)
        self._sizes = Sizes(config.data.max_length, config.train.row_length, config.slots)
        # An epoch of a small corpus ends with its window; a window holds several of a tiny one.
        epoch = sum(map(len, parts.values())) // shards
        self.size = min(max(epoch, self._sizes.row), _WINDOW * self._sizes.row)
        self._seed = seed_of(config.seed, "rows")

    def __len__(self) -> int:
        return sys.maxsize // self.size

    def __getitem__(self, number: int) -> Batch:
        draws = self._order.draws(number * self.size, self.size)
        rng = generator_of(self._seed, number)
        redrawn = any(objective.redrawn for objective in self._config.objectives)
        if redrawn or self._examples.answers:
            return self._one_by_one(draws, rng)
        tasks = self._config.task_list
        share = self._config.encoder.word_dropout
        return lay_out_window(self._examples, draws.examples, tasks, self._sizes, share, rng)

    def _one_by_one(self, draws: Draws, rng: np.random.Generator) -> Batch:
        """A window of sentences that are drawn anew, or that teachers say something about."""
        config, sizes = self._config, self._sizes
        share = config.encoder.word_dropout
        pieces = [
            piece_of(example, config.objectives, sizes.longest, config.distill)
            for example in self._drawn(draws)
        ]
        packed = assign_rows([len(piece.tokens) for piece in pieces], sizes.row, sizes.slots)
        order = rng.permutation(len(packed))
        if share:
            pieces = hide_words(pieces, share, rng)
        rows = [[pieces[i] for i in packed[row]] for row in order]
        taught = self._examples.answers.tasks if self._examples.answers else ()
        return lay_out(rows, config.objectives, sizes.row, sizes.slots, len(rows), taught)

    def _drawn(self, draws: Draws) -> Iterator[Example]:
        """The examples, as objectives make them new at every draw, if they do."""
        redrawn = {task.name: task for task in self._config.objectives if task.redrawn}
        seeds = {name: seed_of(self._config.seed, f"draws of {name}") for name in redrawn}
        for task, turn, index in zip(*(part.tolist() for part in draws), strict=True):
            example, name = self._examples[index], self._names[task]
            if name not in redrawn:
                yield example
                continue
            vocabulary = self._examples.vocabulary
            assert vocabulary is not None, "a set without one is not drawn from without labels"
            # Without what teachers say, which is about words that are not hidden.
            read = cut(example, self._sizes.longest)._replace(teacher={})
            yield redrawn[name].drawn(read, vocabulary, generator_of(seeds[name], turn))


def _order(
    examples: ExampleSet, parts: Mapping[str, np.ndarray], config: Config, shard: int, shards: int
) -> Order:
    """A shard's draws in the tasks' shares; sentences of a task are reshuffled in every epoch."""
    own = [part[shard::shards] for part in parts.values()]
    seeds = [shuffling_seed(seed_of(config.seed, name)) for name in parts]
    if config.train.mixing == "annealed":
        lengths = lengths_read(examples, config)
        return Order(own, seeds, annealed_selection(parts, lengths, config, shards))
    weights = mixing_weights({name: len(part) for name, part in parts.items()}, config)
    return Order(own, seeds, Shares(list(weights.values())))


class _Batches(grain.IterDataset):
    """Windows cut into batches of some rows, which may begin in one window and end in another."""

    def __init__(self, windows: grain.IterDataset, rows: int):
        super().__init__(windows)
        self._windows, self._rows = windows, rows

    def __iter__(self) -> "_BatchIterator":
        return _BatchIterator(iter(self._windows), self._rows)


class _BatchIterator(grain.DatasetIterator):
    """Its state is that of the windows before the one that is being cut, and the row it is at."""

    def __init__(self, windows: grain.DatasetIterator, rows: int):
        super().__init__(windows)
        self._windows, self._rows = windows, rows
        self._before, self._row = windows.get_state(), 0
        self._window: Batch | None = None

    def __next__(self) -> Batch:
        parts: list[Batch] = []
        missing = self._rows
        while missing:
            if self._window is None:
                self._window = next(self._windows)
            end = min(self._row + missing, len(self._window.tokens))
            here = slice(self._row, end)
            if end > self._row:
                parts.append(jax.tree.map(lambda x, here=here: x[here], self._window))
            missing -= end - self._row
            self._row = end
            if end == len(self._window.tokens):
                self._before, self._row = self._windows.get_state(), 0
                self._window = None
        return parts[0] if len(parts) == 1 else jax.tree.map(lambda *x: np.concatenate(x), *parts)

    def get_state(self) -> dict[str, Any]:
        # As Grain's FlatMapIterDataset called them, which made the states of format 4's first runs.
        return {"parent": self._before, "next_index_in_buffer": self._row}

    def set_state(self, state: dict[str, Any]) -> None:
        self._before, self._row = state["parent"], state["next_index_in_buffer"]
        self._windows.set_state(self._before)
        self._window = None
