r"""The training stream: Grain from examples to packed batches.

    task A's sentences -> shuffle, repeat \
                                           mix by weight -> features -> pack -> batch -> prefetch
    task B's sentences -> shuffle, repeat /

Every stage is seeded, and the iterator's state is a small dict that goes into the checkpoint.
"""

from collections.abc import Sequence

import grain
import numpy as np

from mtt_jax.config import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.pack import features, to_batch
from mtt_jax.tasks import Task
from mtt_jax.types import Batch, Example

# Rows under construction at once: the more, the fuller they get, and the later a sentence comes.
_BINS_PER_BATCH = 4


def parts_by_task(examples: ExampleSet, config: Config) -> dict[str, np.ndarray]:
    """Task -> int64 indices of the sentences that stand for it.

    A sentence with several labels stands for the scarcest of them; one without a label of a task
    whose weight is above 0 is left out.
    """
    counts = examples.counts()
    tasks = [task for task in examples.tasks if config.tasks[task.name].weight]
    owner = np.full(len(examples), "", dtype=object)
    for task in sorted(tasks, key=lambda task: -counts[task.name]):
        owner[examples.labelled(task)] = task.name
    parts = {task.name: np.flatnonzero(owner == task.name) for task in tasks}
    return {name: part for name, part in parts.items() if len(part)}


def mixing_weights(parts: dict[str, np.ndarray], config: Config) -> dict[str, float]:
    """Task -> share of the stream; by size unless the config's `sampling` says otherwise."""
    sentences = sum(map(len, parts.values()))
    given = {n: config.tasks[n].sampling or len(part) / sentences for n, part in parts.items()}
    total = sum(given.values())
    return {name: weight / total for name, weight in given.items()}


class _Part:
    """The examples at some indices, as the random-access source that Grain reads."""

    def __init__(self, examples: ExampleSet, indices: np.ndarray):
        self._examples = examples
        self._indices = indices

    def __len__(self) -> int:
        return len(self._indices)

    def __getitem__(self, index: int) -> Example:
        return self._examples[int(self._indices[index])]


def training_stream(
    examples: ExampleSet, config: Config, process: int = 0, processes: int = 1
) -> grain.IterDataset:
    """An endless stream of batches.

    Args:
      examples: the training split.
      config: mixing weights, row length, rows, seed.
      process: index of this process, which reads its own share of every task's sentences.
      processes: how many there are.

    Returns:
      A Grain data set of `Batch`, B = train.batch_rows / processes.
    """
    tasks = config.task_list
    parts = parts_by_task(examples, config)
    weights = mixing_weights(parts, config)
    streams = [
        grain.MapDataset.source(_Part(examples, parts[name][process::processes]))
        .seed(_seed(config.seed, name))
        .shuffle()
        .repeat()
        for name in weights
    ]
    mixed = grain.MapDataset.mix(streams, list(weights.values()))
    rows = config.train.batch_rows // processes
    packed = grain.experimental.BestFitPackIterDataset(
        mixed.map(lambda example: features(example, tasks, config.data.max_length)).to_iter_dataset(
            grain.ReadOptions(num_threads=1, prefetch_buffer_size=64)
        ),
        length_struct={"positions": config.train.row_length, "slots": config.slots},
        num_packing_bins=rows * _BINS_PER_BATCH,
        seed=_seed(config.seed, "rows"),
    )
    batches = packed.batch(rows, drop_remainder=True).map(lambda rows: _to_batch(rows, tasks))
    return grain.experimental.ThreadPrefetchIterDataset(batches, prefetch_buffer_size=2)


def _seed(root: int, stream: str) -> int:
    """A seed of its own for each stream, the same on every machine."""
    return int(np.random.SeedSequence([root, *stream.encode()]).generate_state(1)[0] >> 1)


def _to_batch(rows: dict[str, np.ndarray], tasks: Sequence[Task]) -> Batch:
    """Grain's packed features as the model's batch."""
    return to_batch(
        rows["positions"],
        rows["slots"],
        rows["positions_segment_ids"].astype(np.int32),
        rows["positions_positions"].astype(np.int32),
        tasks,
    )
