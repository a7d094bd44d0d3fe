"""Dropout from one random byte per element; Flax draws four, and drawing is what dropout costs."""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from mtt_jax.model.shapes import Array, Float, UInt8

_LEVELS = 256


def dropped_levels(rate: float) -> int:
    """How many of the 256 values of a byte mean "drop": nearest to the rate, at least one."""
    return min(max(1, round(rate * _LEVELS)), _LEVELS - 1) if rate else 0


def drop(x: Float[Array, "*shape"], key: Array, rate: float) -> Float[Array, "*shape"]:
    """Zeroes a share of x and scales up the rest, so that the mean is preserved.

    Args:
      x: any array.
      key: random key.
      rate: share to drop, rounded to the nearest 1/256.
    """
    return drop_by(x, random_bytes(key, x.shape), rate)


def drop_by(
    x: Float[Array, "*shape"], drawn: UInt8[Array, "*shape"], rate: float
) -> Float[Array, "*shape"]:
    """`drop` with bytes that are already drawn."""
    levels = dropped_levels(rate)
    return jnp.where(drawn >= levels, x * (_LEVELS / (_LEVELS - levels)), 0).astype(x.dtype)


def random_bytes(key: Array, shape: tuple[int, ...]) -> UInt8[Array, "..."]:
    """Uniform bytes of a shape: four from each 32-bit draw, or on a GPU `hashed_bytes`."""
    if jax.default_backend() == "gpu":
        return hashed_bytes(key, shape)
    words = jax.random.bits(key, (*shape[:-1], -(-shape[-1] // 4)), jnp.uint32)
    # Without the barrier the compiler draws again for every use, also in the backward pass.
    words = jax.lax.optimization_barrier(words)
    quads = jax.lax.bitcast_convert_type(words, jnp.uint8)  # [..., ceil(D / 4), 4]
    return quads.reshape(*shape[:-1], -1)[..., : shape[-1]]


def hashed_bytes(key: Array, shape: tuple[int, ...]) -> UInt8[Array, "..."]:
    """Uniform bytes of a shape, each a hash of its place and of two numbers drawn with the key.

    For a GPU, where memory is slow and arithmetic is not: what uses them computes them, in the
    forward and in the backward pass, and they are never stored. On several devices each computes
    those of its own rows.
    """
    added, flipped = jax.random.bits(key, (2,), jnp.uint32)
    row = jax.lax.broadcasted_iota(jnp.uint32, shape, 0)
    size = math.prod(shape[1:])
    within = jnp.arange(size, dtype=jnp.uint32).reshape(shape[1:])
    place = row * jnp.uint32(size & 0xFFFFFFFF) + within
    return (mix((place + added) ^ flipped) >> 24).astype(jnp.uint8)


def mix(x: Array) -> Array:
    """A bijective hash of uint32: lowbias32 of https://nullprogram.com/blog/2018/07/31/."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)


class Dropout(nn.Module):
    """`drop` with the random stream "dropout", in training only."""

    rate: float

    @nn.compact
    def __call__(self, x: Float[Array, "*shape"], train: bool) -> Float[Array, "*shape"]:
        """Returns x itself outside training."""
        if not train or not self.rate:
            return x
        return drop(x, self.make_rng("dropout"), self.rate)
