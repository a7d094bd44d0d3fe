"""Matmuls in bfloat16: operands rounded, sums in float32, forward and backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.model.matmul import bfloat16_dot_general

ROWS, INNER, OUTER = (3, 50), (4, 6), (5, 7)


@pytest.fixture
def arrays():
    """Returns x [..., in axes], kernel [in axes, out axes] and a gradient of the result."""
    shapes = (*ROWS, *INNER), (*INNER, *OUTER), (*ROWS, *OUTER)
    rng = np.random.default_rng(0)
    return tuple(jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes)


def matmul(x, kernel):
    numbers = ((2, 3), (0, 1)), ((), ())
    return bfloat16_dot_general(x, kernel, numbers)


def rounded(*arrays):
    """Each rounded to bfloat16, in float64, flat: [N, I], [I, O], [N, O]."""
    sizes = [(150, 24), (24, 35), (150, 35)]
    return [
        np.asarray(a.astype(jnp.bfloat16)).astype(np.float64).reshape(size)
        for a, size in zip(arrays, sizes, strict=False)
    ]


def test_bfloat16_matmul_rounds_its_operands_and_sums_in_float32(arrays):
    x, kernel, _ = arrays
    found = jax.jit(matmul)(x, kernel)
    assert found.shape == (*ROWS, *OUTER)
    assert found.dtype == jnp.float32
    flat = rounded(x, kernel)
    np.testing.assert_allclose(found.reshape(150, 35), flat[0] @ flat[1], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("devices", [1, 8])
def test_bfloat16_matmul_gradients_round_their_operands_too(devices, arrays, monkeypatch):
    monkeypatch.setattr(jax, "device_count", lambda: devices)
    x, kernel, grad = arrays

    @jax.jit
    def gradients(x, kernel, grad):
        return jax.vjp(matmul, x, kernel)[1](grad)

    of_x, of_kernel = gradients(x, kernel, grad)
    assert of_x.dtype == of_kernel.dtype == jnp.float32
    flat = rounded(x, kernel, grad)
    np.testing.assert_allclose(of_x.reshape(150, 24), flat[2] @ flat[1].T, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(of_kernel.reshape(24, 35), flat[0].T @ flat[2], rtol=1e-5, atol=1e-5)


def test_bfloat16_matmul_and_its_gradients_lower_to_no_float32_matmul(arrays):
    def loss(x, kernel):
        return jnp.sum(jnp.sin(matmul(x, kernel)))

    text = jax.jit(jax.grad(loss, argnums=(0, 1))).lower(*arrays[:2]).as_text()
    matmuls = [line for line in text.splitlines() if "dot_general" in line]
    assert len(matmuls) == 3
    for line in matmuls:
        operands, result = line.rsplit(":", 1)[1].split("->")
        assert operands.count("bf16") == 2
        assert "xf32" in result


def test_bfloat16_matmul_can_be_vmapped(arrays):
    x, kernel, grad = arrays
    _, back = jax.vjp(matmul, x, kernel)
    together = jax.vmap(back)(jnp.stack([grad, 2 * grad]))
    for many, one in zip(together, back(grad), strict=True):
        np.testing.assert_allclose(many[0], one, rtol=1e-6)
        np.testing.assert_allclose(many[1], 2 * one, rtol=1e-6)
