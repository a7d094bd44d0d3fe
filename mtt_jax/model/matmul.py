"""Products of bfloat16 matrices on a CPU, summed in float32.

A CPU with instructions for it (AVX512-BF16, AMX) multiplies bfloat16 twice as fast as float32; in
all else bfloat16 saves it nothing, since it adds and normalises in float32 anyway. So only the
operands of products are rounded, and what comes out is float32. XLA runs that fast in two forms
alone, which the functions below keep to:

    the sum is asked for in float32     rounded to bfloat16 at once, the product takes twice as long
    neither matrix is turned round      the weights' gradient x^T g sums over rows; left to itself
                                        XLA reads x by columns, and that takes twice as long as
                                        well, as it does here on several devices
"""

import math

import jax
import jax.numpy as jnp
from jax.experimental.layout import Layout, with_layout_constraint


def bfloat16_dot_general(
    x, kernel, dimension_numbers, precision=None, preferred_element_type=None
) -> jax.Array:
    """`jax.lax.dot_general` as a dense layer calls it, in bfloat16 with a sum in float32.

    Args:
      x: float32 [..., in axes].
      kernel: float32 [in axes, out axes].
      dimension_numbers: the last axes of x with the first of the kernel, none of a batch.
      precision: has no say here.
      preferred_element_type: neither.

    Returns:
      float32 [..., out axes].
    """
    axes = len(dimension_numbers[0][0])
    rows, inner = x.shape[:-axes], kernel.shape[:axes]
    outer = kernel.shape[axes:]
    flat = _matmul(x.reshape(math.prod(rows), -1), kernel.reshape(math.prod(inner), -1))
    return flat.reshape(*rows, *outer)


@jax.custom_vjp
def _matmul(x, weights):
    """float32 [N, I] and [I, O] -> [N, O]."""
    return _forward(x, weights)[0]


def _forward(x, weights):
    x, weights = x.astype(jnp.bfloat16), weights.astype(jnp.bfloat16)
    return _dot(x, weights, 1, 0), (x, weights)


def _backward(saved, grad):
    x, weights = saved
    grad = grad.astype(jnp.bfloat16)
    turned = x.T
    if jax.device_count() == 1:  # of several, each would gather the rows of all for it
        turned = with_layout_constraint(turned, Layout(major_to_minor=(0, 1)))
    return _dot(grad, weights, 1, 1), _dot(turned, grad, 1, 0)


_matmul.defvjp(_forward, _backward)


def _dot(a, b, axis: int, other: int):
    """Sums over an axis of each."""
    return jax.lax.dot_general(
        a, b, (((axis,), (other,)), ((), ())), preferred_element_type=jnp.float32
    )
