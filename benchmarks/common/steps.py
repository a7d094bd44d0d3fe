"""Our training step by itself: from a config to a step, its state and a generated batch.

Configs are given as plain groups of fields, so that a step needs only JAX, Flax, Optax
and tokenizers.
"""

import argparse

import jax
import numpy as np

from benchmarks.common.flags import positive
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import as_plain, default_tasks
from mtt_jax.devices.mesh import make_mesh, of_state, place, place_batch, replicated
from mtt_jax.train.gradient import make_balancer
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import plan
from mtt_jax.train.step import TrainState, make_step
from mtt_jax.types import Batch
from mtt_jax.weights.build import build_model, init_params

# Vocabulary of generated batches.
VOCAB = 8000


def config_of(encoder, train, tasks=None):
    """The default config with some fields of `encoder` and `train` changed.

    Without word features: generated batches hold no words, and the peers read none.

    Args:
      encoder: field -> value.
      train: field -> value.
      tasks: name -> TaskConfig; topic and ner by default.
    """
    tasks = tasks or default_tasks()
    return resolve(
        {
            "encoder": {"word_features": "", **encoder},
            "train": {"score": ", ".join(f"{name}=1" for name in tasks), **train},
            "tasks": {name: as_plain(task) for name, task in tasks.items()},
        }
    )


def size_flags(about):
    """The parser of a benchmark that times one generated batch; the default is MiniLM's size."""
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--layers", type=positive, default=6)
    parser.add_argument("--width", type=positive, default=384)
    parser.add_argument("--heads", type=positive, default=12)
    parser.add_argument("--rows", type=positive, default=16)
    parser.add_argument("--length", type=positive, default=128)
    parser.add_argument("--rounds", type=positive, default=10)
    return parser


def step_of_size(options, rng, **train):
    """`compiled_step` for the options of `size_flags` and some fields of `train`."""
    encoder = {
        "layers": options.layers, "width": options.width, "heads": options.heads,
        "feedforward": 4 * options.width,
    }  # fmt: skip
    rows = {"batch_rows": options.rows, "row_length": options.length}
    return compiled_step(config_of(encoder, {**rows, **train}), rng)


def compiled_step(config, rng):
    """A function that takes one step on the same generated batch, already compiled."""
    step, state, mesh = fresh_run(config)
    batch = place_batch(generated_batch(config, rng), mesh)
    held = [step(state, batch, jax.random.key(1))[0]]

    def once():
        held[0], metrics = step(held[0], batch, jax.random.key(1))
        return metrics.loss

    once()
    return once


def fresh_run(config, devices=1):
    """`begin` with initial parameters."""
    model, params = untrained(config, VOCAB)
    return begin(config, model, jax.device_get(params), devices=devices)


def untrained(config, vocab_size):
    """(model, parameters) before any training."""
    model = build_model(config, vocab_size)
    return model, init_params(model, jax.random.key(0))


def begin(config, model, params, examples=None, devices=1, mesh=None):
    """(step, state, mesh) of a run on some devices, or on a mesh, before its first step."""
    mesh = mesh or make_mesh(devices, config.train.batch_rows)
    (phase,) = plan(config, examples, params)
    (optimizer,) = make_optimizers(config, [phase], params)
    balance = make_balancer(config).init(len(config.tasks))
    state = TrainState(np.int32(0), params, optimizer.init(params), balance)
    # Placed as the step returns it; otherwise it would be compiled twice.
    state = place(state, of_state(state, mesh))
    return make_step(model, optimizer, config, mesh, phase.frozen), state, mesh


def generated_batch(config, rng):
    """A batch without padding: four sentences per row.

    The first two carry the labels of tasks per sentence, the others those of tasks per word, one
    label per position.
    """
    rows, length = config.train.batch_rows, config.train.row_length
    size = length // 4
    segments = np.tile(np.repeat(np.arange(1, 5), size), (rows, 1)).astype(np.int32)
    tokens = rng.integers(5, VOCAB, (rows, length), dtype=np.int32)
    targets, masks = {}, {}
    for task in config.task_list:
        if task.unit == "sentence":
            masks[task.name] = np.zeros((rows, config.slots), np.float32)
            masks[task.name][:, :2] = 1
        else:
            masks[task.name] = (segments > 2).astype(np.float32)
        targets[task.name] = random_targets(task, masks[task.name].shape, rng)
    positions = np.tile(np.arange(length, dtype=np.int32) % size, (rows, 1))
    return Batch(tokens, segments, positions, targets, masks)


def random_targets(task, shape, rng):
    """Targets of a task for so many sentences or words: [*shape, ...]."""
    values = 2 if task.target_shape else len(task.classes)
    ids = rng.integers(0, values, (*shape, *task.target_shape), dtype=np.int32)
    return ids.astype(task.target_dtype)


class Ours:
    """Training steps of ours; each call takes one and returns its real tokens."""

    def __init__(self, config, model, params, stream, examples=None):
        self.step, self.state, self.mesh = begin(config, model, params, examples)
        self.stream = stream
        self.key = place(jax.random.key(1), replicated(self.mesh))
        self.tokens = self.positions = 0

    def __call__(self):
        """One step, getting and placing its batch included."""
        batch = next(self.stream)
        self.state, _ = self.step(self.state, place_batch(batch, self.mesh), self.key)
        real = int(np.count_nonzero(batch.segments))
        self.tokens += real
        self.positions += batch.tokens.size
        return real

    def wait(self):
        """Returns when all steps so far are computed."""
        jax.block_until_ready(self.state)

    def describe(self):
        """How full its rows were, and how often its step was compiled."""
        return (
            f"{self.tokens / self.positions:.1%} of positions hold a token, "
            f"{self.step._cache_size()} compiled shapes"
        )
