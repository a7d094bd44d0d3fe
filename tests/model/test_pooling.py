"""Pooling gives a vector per sentence of a packed row, and zeros for an empty slot."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.model.pooling import Pooling

HIDDEN = np.arange(1, 13, dtype=np.float32).reshape(1, 6, 2) * np.array([1, -1], np.float32)
SEGMENTS = np.array([[1, 1, 1, 2, 2, 0]], np.int32)
POSITIONS = np.array([[0, 1, 2, 0, 1, 0]], np.int32)


def pool(method):
    return Pooling(method, 3).apply({}, HIDDEN, SEGMENTS, POSITIONS)


@pytest.mark.parametrize(
    ("method", "expected"),
    [
        ("mean", [HIDDEN[0, :3].mean(0), HIDDEN[0, 3:5].mean(0)]),
        ("max", [HIDDEN[0, :3].max(0), HIDDEN[0, 3:5].max(0)]),
        ("cls", [HIDDEN[0, 0], HIDDEN[0, 3]]),
    ],
)
def test_pooling_is_per_sentence_and_zero_for_empty_slots(method, expected):
    pooled = pool(method)
    np.testing.assert_allclose(pooled[0, :2], expected, rtol=1e-6)
    np.testing.assert_array_equal(pooled[0, 2], [0, 0])


def test_attention_pooling_is_a_weighted_mean_with_trainable_weights():
    module = Pooling("attention", 3)
    params = module.init(jax.random.key(0), HIDDEN, SEGMENTS, POSITIONS)["params"]
    even = jax.tree.map(jnp.zeros_like, params)
    pooled = module.apply({"params": even}, HIDDEN, SEGMENTS, POSITIONS)
    np.testing.assert_allclose(pooled[0, :2], pool("mean")[0, :2], rtol=1e-6)
    np.testing.assert_array_equal(pooled[0, 2], [0, 0])
    sharp = {"score": {"kernel": jnp.array([[100.0], [0.0]]), "bias": jnp.zeros(1)}}
    pooled = module.apply({"params": sharp}, HIDDEN, SEGMENTS, POSITIONS)
    np.testing.assert_allclose(pooled[0, :2], [HIDDEN[0, 2], HIDDEN[0, 4]], rtol=1e-5)
    gradient = jax.grad(
        lambda p: module.apply({"params": p}, HIDDEN, SEGMENTS, POSITIONS)[..., 0].sum()
    )(params)
    assert np.isfinite(gradient["score"]["kernel"]).all()
    assert np.abs(gradient["score"]["kernel"]).max() > 0
