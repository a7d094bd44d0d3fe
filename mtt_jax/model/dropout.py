"""Dropout from one random byte per element; Flax draws four, and drawing is what dropout costs."""

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.core.scope import LazyRng

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
    """Uniform bytes of a shape, four from each 32-bit draw."""
    words = jax.random.bits(key, (*shape[:-1], -(-shape[-1] // 4)), jnp.uint32)
    # Without the barrier the compiler draws again for every use, also in the backward pass.
    words = jax.lax.optimization_barrier(words)
    quads = jax.lax.bitcast_convert_type(words, jnp.uint8)  # [..., ceil(D / 4), 4]
    return quads.reshape(*shape[:-1], -1)[..., : shape[-1]]


def key_in(module: nn.Module, name: str) -> Array:
    """The key that a submodule gets from its first `make_rng("dropout")`.

    A function that several modules share needs it as an argument: by itself it would draw the same
    for all of them.
    """
    assert module.scope is not None, "the module is not bound"
    return LazyRng.create(module.scope.rngs["dropout"], name, 1).as_jax_rng()


class Dropout(nn.Module):
    """`drop` in training only, with the random stream "dropout" or a given key."""

    rate: float

    @nn.compact
    def __call__(
        self, x: Float[Array, "*shape"], train: bool, key: Array | None = None
    ) -> Float[Array, "*shape"]:
        """Returns x itself outside training."""
        if not train or not self.rate:
            return x
        return drop(x, self.make_rng("dropout") if key is None else key, self.rate)
