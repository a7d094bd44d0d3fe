"""All implementations of attention compute the same, forward and backward."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.model import attention
from mtt_jax.model.attention import attend, mask_of

B, L, H, K = 6, 24, 3, 8


@pytest.fixture(scope="module")
def rows():
    rng = np.random.default_rng(0)
    segments = np.repeat([[1] * 10 + [2] * 9 + [0] * 5], B, axis=0)
    query, key, value, grad = rng.normal(size=(4, B, L, H, K)).astype(np.float32)
    segments = jnp.asarray(segments)
    positions = jnp.asarray(np.tile(np.arange(L, dtype=np.int32), (B, 1)))
    masks = {"global": mask_of(segments, positions), "window": mask_of(segments, positions, 3)}
    return (query, key, value), masks, grad


def forward_and_backward(implementation, inputs, mask, grad, dropout=0.0, rng=None):
    """The result and the gradients with respect to query, key and value."""
    out, back = jax.vjp(lambda *x: attend(implementation, *x, mask, dropout, rng), *inputs)
    return out, *back(jnp.asarray(grad).astype(out.dtype))


@pytest.mark.parametrize("rows_at_once", [1, 2, 6])
@pytest.mark.parametrize("mask", ["global", "window"])
def test_blocked_attention_equals_plain_attention_for_any_block_size(
    rows, mask, rows_at_once, monkeypatch
):
    monkeypatch.setattr(attention, "BLOCK_BYTES", rows_at_once * 4 * H * L * L)
    inputs, masks, grad = rows
    plain = forward_and_backward("plain", inputs, masks[mask], grad)
    blocked = forward_and_backward("blocked", inputs, masks[mask], grad)
    for ours, theirs in zip(blocked, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_blocked_attention_gradient_with_dropout_matches_finite_differences(rows, monkeypatch):
    monkeypatch.setattr(attention, "BLOCK_BYTES", 2 * 4 * H * L * L)
    inputs, masks, grad = rows
    rng = jax.random.key(3)

    def total(query):
        return (attend("blocked", query, *inputs[1:], masks["global"], 0.3, rng) * grad).sum()

    query = jnp.asarray(inputs[0])
    direction = np.random.default_rng(1).normal(size=query.shape).astype(np.float32)
    step = 1e-2
    slope = (total(query + step * direction) - total(query - step * direction)) / (2 * step)
    assert float((jax.grad(total)(query) * direction).sum()) == pytest.approx(
        float(slope), rel=1e-2
    )


def test_plain_and_blocked_attention_drop_the_same_weights(rows):
    inputs, masks, grad = rows
    rng = jax.random.key(4)
    plain = forward_and_backward("plain", inputs, masks["global"], grad, 0.3, rng)
    blocked = forward_and_backward("blocked", inputs, masks["global"], grad, 0.3, rng)
    for ours, theirs in zip(blocked, plain, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_blocked_attention_in_bfloat16_returns_bfloat16_near_plain_attention(rows):
    inputs, masks, grad = rows
    inputs = tuple(jnp.asarray(x, jnp.bfloat16) for x in inputs)
    for ours, theirs in zip(
        forward_and_backward("blocked", inputs, masks["global"], grad),
        forward_and_backward("plain", inputs, masks["global"], grad),
        strict=True,
    ):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_allclose(ours.astype(np.float32), theirs.astype(np.float32), atol=0.06)


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs an NVIDIA GPU")
def test_cudnn_attention_equals_plain_attention():
    rng = np.random.default_rng(0)
    query, key, value, grad = (
        jnp.asarray(x, jnp.bfloat16) for x in rng.normal(size=(4, 2, 128, 4, 64))
    )
    segments = jnp.asarray([[1] * 60 + [2] * 68] * 2)
    mask = mask_of(segments, segments)
    for ours, theirs in zip(
        forward_and_backward("cudnn", (query, key, value), mask, grad),
        forward_and_backward("plain", (query, key, value), mask, grad),
        strict=True,
    ):
        np.testing.assert_allclose(ours.astype(np.float32), theirs.astype(np.float32), atol=0.05)
