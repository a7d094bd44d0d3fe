"""What balancing costs: the time of a training step with each method beside the plain one.

    python benchmarks/balancing.py --methods pcgrad uncertainty --layers=6 --width=384

All steps are taken by turns in one process, on the same generated batch, with the encoder's size
given (that of all-MiniLM-L6-v2 by default). The last line is JSON: `peer` is the plain step's
median in seconds, `ours` the methods', `ratio` ours by peer, so that 1 means free.
"""

import argparse
import json
import sys
import time
from pathlib import Path
from statistics import median

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtt_jax.build import build_model, init_params
from mtt_jax.config import BALANCERS_BY_GRADIENT, default_config
from mtt_jax.resolve import resolve
from mtt_jax.sharding import make_mesh, of_state, place, place_batch
from mtt_jax.train.gradient import make_balancer
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import plan
from mtt_jax.train.step import TrainState, make_step
from mtt_jax.types import Batch

VOCAB = 8000


def main():
    options = parse(__doc__)
    rng = np.random.default_rng(0)
    steps = {"plain": prepared(options, rng)}
    for name in options.methods:
        steps[name] = prepared(options, rng, name)
        if name in BALANCERS_BY_GRADIENT:
            steps[f"{name}, features"] = prepared(options, rng, name, "features")
    medians = by_turns(steps, options.rounds)
    plain = medians.pop("plain")
    print(f"plain: {plain:.3f} s")
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.3f} s, {seconds / plain:.2f} times plain")
    ratio = {name: seconds / plain for name, seconds in medians.items()}
    print(json.dumps({"ours": medians, "peer": plain, "ratio": ratio}))


def by_turns(steps, rounds):
    """Name -> median seconds of a step, one of each taken in every round."""
    times = {name: [] for name in steps}
    for _ in range(rounds):
        for name, step in steps.items():
            start = time.perf_counter()
            jax.block_until_ready(step())
            times[name].append(time.perf_counter() - start)
    return {name: median(values) for name, values in times.items()}


def parse(about):
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["pcgrad", "uncertainty"])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=10)
    return parser.parse_args()


def prepared(options, rng, balance="fixed", where="parameters", freeze=()):
    """A function that takes one step, compiled."""
    config = default_config()
    config.encoder.update(layers=options.layers, width=options.width, heads=options.heads)
    config.encoder.feedforward = 4 * options.width
    config.train.update(batch_rows=options.rows, row_length=options.length)
    config.train.update(balance=balance, balance_on=where, freeze=freeze)
    return repeated(resolve(config), rng)


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
    model = build_model(config, VOCAB)
    params = jax.jit(lambda key: init_params(model, key, config.train.row_length))(
        jax.random.key(0)
    )
    return begin(config, model, jax.device_get(params), devices=devices)


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


if __name__ == "__main__":
    main()
