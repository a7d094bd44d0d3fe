"""Dropout from a random byte an element, where Flax draws four: drawing is what it costs."""

import jax
import jax.numpy as jnp
from flax import linen as nn

_LEVELS = 256


def dropped_levels(rate: float) -> int:
    """How many of the 256 values of a byte mean "drop": the rate's nearest, at least one."""
    return min(max(1, round(rate * _LEVELS)), _LEVELS - 1) if rate else 0


def drop(x: jax.Array, key: jax.Array, rate: float) -> jax.Array:
    """Zeros for a share of x, the rest enlarged so that the mean stays.

    Args:
      x: [..., D].
      key: of JAX.
      rate: of what is dropped, taken to the nearest 1/256.
    """
    return drop_by(x, random_bytes(key, x.shape), rate)


def drop_by(x: jax.Array, drawn: jax.Array, rate: float) -> jax.Array:
    """`drop` by bytes that are drawn already, uint8 of x's shape."""
    levels = dropped_levels(rate)
    return jnp.where(drawn >= levels, x * (_LEVELS / (_LEVELS - levels)), 0).astype(x.dtype)


def random_bytes(key: jax.Array, shape: tuple[int, ...]) -> jax.Array:
    """Uniform uint8 of a shape, four from each 32-bit draw."""
    words = jax.random.bits(key, (*shape[:-1], -(-shape[-1] // 4)), jnp.uint32)
    # Kept as they are: the compiler would draw again for every use, in the backward pass as well.
    words = jax.lax.optimization_barrier(words)
    every = jax.lax.bitcast_convert_type(words, jnp.uint8)  # [..., ceil(D / 4), 4]
    return every.reshape(*shape[:-1], -1)[..., : shape[-1]]


class Dropout(nn.Module):
    """`drop` with the module's random stream "dropout", in training only."""

    rate: float

    @nn.compact
    def __call__(self, x, train: bool):
        """[..., D] -> [..., D]."""
        if not train or not self.rate:
            return x
        return drop(x, self.make_rng("dropout"), self.rate)
