"""Block sizes of attention on a CPU: the time of a forward and backward pass with each.

    python benchmarks/blocks.py

Attention goes through a batch a few rows at a time, so that the weights of a block stay in the
CPU's cache (mtt_jax/model/attention.py). All sizes take turns in one process, on rows that hold
four sentences, with dropout of the weights. The last line is JSON: `ours` is the shipped size's
median in seconds by shape, `peer` that of the fastest other size, `ratio` peer divided by ours.
"""

import argparse
import json
import sys
from pathlib import Path

import jax
import jax.numpy as jnp

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.flags import positive
from benchmarks.common.rounds import median_seconds
from mtt_jax.devices import startup
from mtt_jax.model import attention

# Rows, positions, heads, width of a head.
SHAPES = ((32, 128, 12, 32), (32, 128, 6, 32), (16, 256, 12, 32), (8, 512, 12, 64))
SIZES = (0.5, 1, 2, 4, 8, 16)  # MiB
SENTENCES = 4


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=positive, default=15)
    options = parser.parse_args()
    startup.prepare()
    result = {"ours": {}, "peer": {}, "ratio": {}}
    shipped = attention.BLOCK_BYTES / 2**20
    for shape in SHAPES:
        found = median_seconds({size: step(size, shape) for size in SIZES}, options.rounds)
        shown = ", ".join(f"{size:g} MiB {1e3 * found[size]:.1f} ms" for size in SIZES)
        print(f"{shape}: {shown}", flush=True)
        ours, peer = found.pop(shipped), min(found.values())
        for name, figure in (("ours", ours), ("peer", peer), ("ratio", peer / ours)):
            result[name]["x".join(map(str, shape))] = figure
    print(json.dumps(result))


def step(size, shape):
    """A compiled forward and backward pass in blocks of a size, without arguments."""
    rows, length, *_ = shape
    here = jnp.arange(length)
    segments = jnp.tile(1 + here * SENTENCES // length, (rows, 1))
    positions = jnp.tile(here % (length // SENTENCES), (rows, 1))
    inputs = [jax.random.normal(jax.random.key(index), shape) for index in range(3)]

    def loss(query, key, value):
        mask = attention.mask_of(segments, positions)
        mixed = attention.attend("blocked", query, key, value, mask, 0.1, jax.random.key(3))
        return (mixed**2).sum()

    shipped, attention.BLOCK_BYTES = attention.BLOCK_BYTES, int(size * 2**20)
    try:
        compiled = jax.jit(jax.grad(loss, argnums=(0, 1, 2))).lower(*inputs).compile()
    finally:
        attention.BLOCK_BYTES = shipped
    return lambda: compiled(*inputs)


if __name__ == "__main__":
    main()
