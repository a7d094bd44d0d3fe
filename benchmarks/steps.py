"""A training step by itself: from a config to a step, its state and a batch; turns and medians.

Configs are given as plain groups of fields, so that JAX, Flax, Optax and tokenizers are all that
a step needs.
"""

import dataclasses
import sys
import time
from pathlib import Path
from statistics import median

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_tasks
from mtt_jax.devices.mesh import make_mesh, of_state, place, place_batch
from mtt_jax.train.gradient import make_balancer
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import plan
from mtt_jax.train.step import TrainState, make_step
from mtt_jax.types import Batch
from mtt_jax.weights.build import build_model, init_params

# Words of generated batches.
VOCAB = 8000


def config_of(encoder, train, tasks=None):
    """The default config with some fields of the encoder and of train."""
    tasks = tasks or default_tasks()
    return resolve(
        {
            "encoder": encoder,
            "train": {"score": ", ".join(f"{name}=1" for name in tasks), **train},
            "tasks": {name: dataclasses.asdict(task) for name, task in tasks.items()},
        }
    )


def repeated(config, rng):
    """A function that takes one step on a generated batch, compiled."""
    step, state, mesh = started(config)
    batch = place_batch(generated(config, rng), mesh)
    held = [step(state, batch, jax.random.key(1))[0]]

    def once():
        held[0], metrics = step(held[0], batch, jax.random.key(1))
        return metrics.loss

    once()
    return once


def started(config, devices=1):
    """`begin` with fresh parameters."""
    model, params = untrained(config, VOCAB)
    return begin(config, model, jax.device_get(params), devices=devices)


def untrained(config, vocab_size):
    """(model, parameters) that have learned nothing."""
    model = build_model(config, vocab_size)
    length = config.train.row_length
    return model, jax.jit(lambda key: init_params(model, key, length))(jax.random.key(0))


def begin(config, model, params, examples=None, devices=1):
    """(step, state, mesh) of a run on some devices, before its first step."""
    mesh = make_mesh(devices, config.train.batch_rows)
    (phase,) = plan(config, examples, params)
    (optimizer,) = make_optimizers(config, [phase], params)
    balance = make_balancer(config).init(len(config.tasks))
    state = TrainState(np.int32(0), params, optimizer.init(params), balance)
    # As the step returns it, or it would be compiled for both.
    state = place(state, of_state(state, mesh))
    return make_step(model, optimizer, config, mesh, phase.frozen), state, mesh


def generated(config, rng):
    """A batch in which every position is real, four sentences a row, half of them of each kind."""
    rows, length = config.train.batch_rows, config.train.row_length
    size = length // 4
    segments = np.tile(np.repeat(np.arange(1, 5), size), (rows, 1)).astype(np.int32)
    tokens = rng.integers(5, VOCAB, (rows, length), dtype=np.int32)
    labels, weights = {}, {}
    for task in config.task_list:
        if task.kind == "sentence":
            weights[task.name] = np.zeros((rows, config.slots), np.float32)
            weights[task.name][:, :2] = 1
        else:
            weights[task.name] = (segments > 2).astype(np.float32)
        shape = weights[task.name].shape
        labels[task.name] = rng.integers(0, len(task.classes), shape, dtype=np.int32)
    positions = np.tile(np.arange(length, dtype=np.int32) % size, (rows, 1))
    return Batch(tokens, segments, positions, labels, weights)


def by_turns(steps, rounds):
    """Name -> median seconds of a step, one of each taken in every round."""
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            jax.block_until_ready(step())
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}
