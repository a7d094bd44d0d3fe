"""Whether a device computes what a CPU does: attention, a training step, and a resumed run."""

import dataclasses
import signal

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh
from rich.console import Console as RichConsole

from benchmarks.common.configs import overrides_of
from benchmarks.common.steps import VOCAB, begin, config_of, generated_batch, untrained
from benchmarks.common.whole_run import tiny_run
from mtt_jax.config.files import load_config
from mtt_jax.config.schema import default_tasks
from mtt_jax.devices.mesh import place, place_batch, replicated
from mtt_jax.model.attention import attend, mask_of
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train
from mtt_jax.train.stop import InterruptedRunError

# Rows, positions, heads, width of a head, and window: on a GPU, and on a CPU, where kernels are
# interpreted.
SHAPES = ((8, 128, 12, 32, 0), (4, 512, 12, 64, 0), (4, 512, 12, 64, 64))
SMALL_SHAPES = ((2, 64, 2, 16, 0), (1, 128, 2, 16, 20))
KINDS = {"gpu": ("plain", "cudnn", "fused"), "cpu": ("plain", "blocked", "fused")}
# By how much results may differ, as a share of the largest value. bfloat16 rounds to 2 ** -8.
ATTENTION_LIMIT, STEP_LIMIT = 0.02, 0.02
STEPS = 3


def cpu():
    """The CPU as a device of JAX."""
    return jax.local_devices(backend="cpu")[0]


# Attention


def attention(shapes, kinds):
    """Kind -> largest difference from plain attention in float32 on the CPU, over all shapes.

    Compared are the result and the gradients of queries, keys and values, each as a share of its
    largest value.

    Args:
      shapes: (rows, positions, heads, width, window).
      kinds: implementations of attention, which compute in bfloat16.
    """
    found = dict.fromkeys(kinds, 0.0)
    for rows, length, heads, width, window in shapes:
        segments, positions = packed_rows(rows, length)
        values = np.random.default_rng(1).normal(size=(4, rows, length, heads, width))
        inputs = jnp.asarray(values, jnp.bfloat16)
        exact = np.asarray(inputs.astype(jnp.float32))
        with jax.default_device(cpu()):
            right = forward_and_backward("plain", exact, segments, positions, window)
        for kind in kinds:
            ours = forward_and_backward(kind, inputs, segments, positions, window)
            found[kind] = max(found[kind], *map(difference, ours, right))
    return found


def packed_rows(rows, length, mean=50):
    """(segments, positions), int32 [rows, length], of sentences of random lengths."""
    rng = np.random.default_rng(0)
    segments, positions = np.zeros((2, rows, length), np.int32)
    for row, within in zip(segments, positions, strict=True):
        at = 0
        while at < length - int(rng.integers(mean)):  # the rest is empty
            size = min(int(rng.integers(1, 2 * mean)), length - at)
            row[at : at + size] = row.max() + 1
            within[at : at + size] = np.arange(size)
            at += size
    return segments, positions


def forward_and_backward(kind, inputs, segments, positions, window):
    """The result of attention, and the gradients with respect to query, key and value.

    Args:
      kind: implementation.
      inputs: query, key, value, and the gradient of the result.
      segments: of packed rows.
      positions: inside each sentence.
      window: as `mask_of` takes it.
    """

    @jax.jit
    def run(inputs, segments, positions):
        mask = mask_of(segments, positions, window)
        out, back = jax.vjp(lambda *x: attend(kind, *x, mask), *inputs[:3])
        return out, *back(inputs[3].astype(out.dtype))

    return [np.asarray(x, np.float32) for x in run(inputs, segments, positions)]


def difference(ours, right):
    """The largest difference, as a share of the largest value; infinite if one is not finite."""
    share = float(np.abs(ours - right).max() / np.abs(right).max())
    return share if np.isfinite(share) else float("inf")


# A training step


def training_step():
    """How far some steps here are from the same ones on the CPU, as shares.

    Returns:
      {"loss": of the last loss, "parameters": of the length of what the steps have changed}.
    """
    config = step_config()
    with jax.default_matmul_precision("highest"):  # TF32 would hide smaller mistakes
        first = jax.device_get(untrained(config, VOCAB)[1])
        here, there = (steps_on(device, config, first) for device in (jax.devices()[0], cpu()))
    change = sum(
        float(np.square(a - b).sum()) for a, b in zip(there[1], _leaves(first), strict=True)
    )
    apart = sum(float(np.square(a - b).sum()) for a, b in zip(there[1], here[1], strict=True))
    return {"loss": abs(here[0] - there[0]) / there[0], "parameters": (apart / change) ** 0.5}


def step_config():
    """A small model without dropout, whose random numbers may differ from device to device."""
    tasks = {n: dataclasses.replace(t, dropout=0.0) for n, t in default_tasks().items()}
    encoder = {
        "layers": 2, "width": 64, "heads": 4, "feedforward": 128, "dropout": 0.0,
        "word_dropout": 0.0, "attention": "plain",
    }  # fmt: skip
    return config_of(encoder, {"batch_rows": 4, "row_length": 128, "warmup": 0}, tasks)


def steps_on(device, config, params):
    """(last loss, leaves of the parameters) after some steps on a device."""
    model = untrained(config, VOCAB)[0]
    mesh = Mesh(np.array([device]).reshape(1, 1), ("data", "fsdp"))
    step, state, _ = begin(config, model, params, mesh=mesh)
    batch = place_batch(generated_batch(config, np.random.default_rng(0)), mesh)
    key = place(jax.random.key(1), replicated(mesh))
    for _ in range(STEPS):
        state, metrics = step(state, batch, key)
    return float(metrics.loss), _leaves(jax.device_get(state.params))


def _leaves(tree):
    return [np.asarray(leaf, np.float64) for leaf in jax.tree.leaves(tree)]


# A resumed run


class _Stopping(Console):
    """Says nothing, and asks the run to stop, as a cluster does, at its first evaluation."""

    def __init__(self, stop):
        super().__init__(RichConsole(quiet=True))
        self._stop = stop

    def say(self, text):
        if self._stop and text.startswith("step "):
            self._stop = False
            signal.raise_signal(signal.SIGTERM)


def resumed(folder):
    """Whether a run that was stopped and resumed writes the bytes of one that was not.

    Args:
      folder: for runs.

    Returns:
      {"same": of the resumed run, "repeatable": of a second run that was not stopped, which tells
      a mistake in resuming from a device that adds up in any order}.
    """
    fields = {**tiny_run(folder), "data.cache_dir": folder / "cache"}
    config = load_config("balanced", overrides_of(fields))
    straight, again, stopped = (folder / name for name in ("straight", "again", "stopped"))
    for run in (straight, again):
        train(config, run, _Stopping(False))
    try:
        train(config, stopped, _Stopping(True))
    except InterruptedRunError:
        train(config, stopped, _Stopping(False))
    else:
        raise AssertionError("the run did not stop when it was asked to")
    weights, *others = (
        (run / "model" / "model.safetensors").read_bytes() for run in (straight, again, stopped)
    )
    return {"same": others[1] == weights, "repeatable": others[0] == weights}
