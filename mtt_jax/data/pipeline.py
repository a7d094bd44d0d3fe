r"""The training stream: Grain from examples to packed batches.

    task A's sentences -> shuffle, repeat \
    task B's sentences -> shuffle, repeat  - mix by weight -> pack by windows -> batch -> prefetch
    texts -> shuffle, repeat, hide words  /

With encoder.word_dropout, words are hidden in what a window packs (hide.py).

A window of sentences is packed as a whole, longest first, which fills rows better than packing them
in the order in which they come; its rows are then shuffled. Every stage is seeded, and the state of
the iterator is a small dict that goes into the checkpoint.

A run may read its data in shards: each has its own part of every task's sentences, its own stream
and its own rows of the batch. Shards are divided among processes, so that a batch is the same
whichever process reads which shard.
"""

from collections.abc import Mapping
from typing import Any

import grain
import jax
import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, cut
from mtt_jax.data.hide import hide_words
from mtt_jax.data.pack import Piece, assign_rows, lay_out, piece_of
from mtt_jax.data.sampling import (
    annealed_selection,
    lengths_read,
    mixing_weights,
    parts_by_task,
    seed_of,
)
from mtt_jax.errors import UserError
from mtt_jax.types import Batch, Example

# Sentences per window, as a multiple of the row length: hundreds of rows, all full but the last.
_WINDOW = 8


class _Part:
    """The examples at some indices, as a random-access source for Grain."""

    def __init__(self, examples: ExampleSet, indices: np.ndarray):
        self._examples = examples
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Example:
        return self._examples[int(self._indices[index])]


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
    tasks, length, slots = config.objectives, config.train.row_length, config.slots
    parts = parts_by_task(examples, config)
    rows = config.train.batch_rows // shards
    taught = examples.answers.tasks if examples.answers else ()
    share = config.encoder.word_dropout
    # An epoch of a small corpus ends with its window; a window holds several of a tiny one.
    window = min(max(sum(map(len, parts.values())) // shards, length), _WINDOW * length)

    def pack(pieces: list[Piece], rng: np.random.Generator) -> list[list[Piece]]:
        packed = assign_rows([len(piece.tokens) for piece in pieces], length, slots)
        order = rng.permutation(len(packed))
        if share:
            pieces = hide_words(pieces, share, rng)
        return [[pieces[i] for i in packed[row]] for row in order]

    windows = (
        _mixed(examples, parts, config, shard, shards)
        .map(lambda example: piece_of(example, tasks, config.data.max_length, config.distill))
        .batch(window, batch_fn=list)
        .random_map(pack, seed=seed_of(config.seed, "rows"))
        .to_iter_dataset(grain.ReadOptions(num_threads=1, prefetch_buffer_size=2))
    )
    batches = grain.experimental.FlatMapIterDataset(windows, _Rows(window)).batch(
        rows, batch_fn=lambda packed: lay_out(packed, tasks, length, slots, rows, taught)
    )
    return grain.experimental.ThreadPrefetchIterDataset(batches, prefetch_buffer_size=2)


def _mixed(
    examples: ExampleSet,
    parts: Mapping[str, np.ndarray],
    config: Config,
    shard: int,
    shards: int,
) -> grain.MapDataset:
    """A shard's sentences in the tasks' shares; those of a task are reshuffled in every epoch."""
    streams = [
        _redrawn(
            grain.MapDataset.source(_Part(examples, part[shard::shards]))
            .seed(seed_of(config.seed, name))
            .shuffle()
            .repeat(),
            name,
            examples,
            config,
        )
        for name, part in parts.items()
    ]
    if config.train.mixing == "annealed":
        lengths = lengths_read(examples, config)
        selection = annealed_selection(parts, lengths, config, shards)
        return grain.MapDataset.select_from_datasets(streams, selection)
    weights = mixing_weights({name: len(part) for name, part in parts.items()}, config)
    return grain.MapDataset.mix(streams, list(weights.values()))


def _redrawn(
    stream: grain.MapDataset, name: str, examples: ExampleSet, config: Config
) -> grain.MapDataset:
    """A task's sentences as it makes them new at every draw, if it does."""
    objective = next((task for task in config.objectives if task.name == name), None)
    if not objective or not objective.redrawn:
        return stream
    vocabulary = examples.vocabulary
    assert vocabulary is not None, "only a TextSet is drawn from without labels"

    def draw(example: Example, rng: np.random.Generator) -> Example:
        read = cut(example, config.data.max_length)._replace(teacher={})  # of the words not hidden
        return objective.drawn(read, vocabulary, rng)

    return stream.random_map(draw, seed=seed_of(config.seed, f"draws of {name}"))


class _Rows(grain.experimental.FlatMapTransform):
    """The rows of a window, one by one."""

    def __init__(self, most: int):
        self.max_fan_out = most

    def flat_map(self, element: list[list[Piece]]) -> list[list[Piece]]:
        return element
