"""Matmuls with bfloat16 operands and float32 sums, on a CPU.

A CPU with instructions for it (AVX512-BF16, AMX) multiplies bfloat16 twice as fast as float32;
everything else gains nothing from bfloat16, since the CPU adds and normalizes in float32 anyway.
So only the operands of matmuls are rounded, and the result is float32. XLA is that fast in only
one form, which the functions below use:

    sums in float32       a matmul whose result is rounded to bfloat16 at once takes twice as long
    no implicit transpose the weights' gradient x^T g sums over rows; by default XLA reads x column
                          by column, which takes twice as long too, and still does on several
                          devices
"""

import math

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint

from mtt_jax.model.shapes import Array, BFloat16, Float32


def bfloat16_dot_general(
    x, kernel, dimension_numbers, precision=None, preferred_element_type=None
) -> jax.Array:
    """`jax.lax.dot_general` as a dense layer calls it, in bfloat16 with float32 sums.

    Args:
      x: float32 [..., in axes].
      kernel: float32 [in axes, out axes].
      dimension_numbers: the last axes of x with the first axes of the kernel; no batch axes.
      precision: ignored.
      preferred_element_type: ignored.

    Returns:
      float32 [..., out axes].
    """
    axes = len(dimension_numbers[0][0])
    rows, inner = x.shape[:-axes], kernel.shape[:axes]
    outer = kernel.shape[axes:]
    flat = _matmul(x.reshape(math.prod(rows), -1), kernel.reshape(math.prod(inner), -1))
    return flat.reshape(*rows, *outer)


@jax.custom_vjp
def _matmul(x: Float32[Array, "N I"], weights: Float32[Array, "I O"]) -> Float32[Array, "N O"]:
    return _forward(x, weights)[0]


def _forward(x, weights):
    x, weights = x.astype(jnp.bfloat16), weights.astype(jnp.bfloat16)
    return _dot(x, weights, 1, 0), (x, weights)


def _backward(saved, grad):
    x, weights = saved
    grad = grad.astype(jnp.bfloat16)
    transposed = x.T
    if jax.device_count() == 1:  # on several, each would gather all rows for it
        transposed = with_layout_constraint(transposed, Layout(major_to_minor=(0, 1)))
    return _dot(grad, weights, 1, 1), _dot(transposed, grad, 1, 0)


_matmul.defvjp(_forward, _backward)


def _dot(
    a: BFloat16[Array, "_ _"], b: BFloat16[Array, "_ _"], axis: int, other: int
) -> Float32[Array, "_ _"]:
    """Sums over one axis of a and another of b."""
    return jax.lax.dot_general(
        a, b, (((axis,), (other,)), ((), ())), preferred_element_type=jnp.float32
    )
