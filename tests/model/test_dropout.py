"""Dropout: the share that is dropped, the mean that stays, and no effect outside training."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from mtt_jax.model.dropout import Dropout, drop, dropped_levels, key_in, random_bytes


def test_random_bytes_are_uniform():
    drawn = np.asarray(random_bytes(jax.random.key(0), (512, 512)))
    counts = np.bincount(drawn.reshape(-1), minlength=256)
    expected = drawn.size / 256
    chi_squared = ((counts - expected) ** 2 / expected).sum()
    assert chi_squared < 350  # 255 degrees of freedom: one in 25,000 draws is above


def test_the_four_bytes_of_a_draw_are_not_correlated():
    drawn = np.asarray(random_bytes(jax.random.key(0), (4000, 4))).astype(float)
    correlation = np.corrcoef(drawn.T) - np.eye(4)
    assert np.abs(correlation).max() < 0.08


@pytest.mark.parametrize("rate", [0.1, 0.25, 0.5])
def test_dropout_drops_the_rate_and_preserves_the_mean(rate):
    dropped = np.asarray(drop(jnp.ones((400, 401)), jax.random.key(1), rate))
    share = dropped_levels(rate) / 256
    assert share == pytest.approx(rate, abs=1 / 512)
    assert (dropped == 0).mean() == pytest.approx(share, abs=0.005)
    assert dropped.mean() == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(dropped[dropped > 0], 1 / (1 - share), rtol=1e-6)


def test_dropout_rates_above_zero_drop_at_least_one_level_and_zero_drops_none():
    assert dropped_levels(0.0001) == 1
    assert dropped_levels(0.0) == 0


def test_dropout_acts_only_in_training_and_is_determined_by_its_key():
    x = jnp.ones((8, 16))
    rngs = {"dropout": jax.random.key(2)}
    layer = Dropout(0.5)
    assert layer.apply({}, x, False) is x
    once, again = (layer.apply({}, x, True, rngs=rngs) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert (np.asarray(once) == 0).any()


def test_a_key_in_a_submodule_is_the_one_that_it_draws_itself():
    class Inner(nn.Module):
        @nn.compact
        def __call__(self):
            return self.make_rng("dropout")

    class Outer(nn.Module):
        @nn.compact
        def __call__(self):
            names = ("first", "second")
            return [(key_in(self, name), Inner(name=name)()) for name in names]

    found = Outer().apply({}, rngs={"dropout": jax.random.key(0)})
    (one, same), (other, same_as_other) = jax.tree.map(jax.random.key_data, found)
    np.testing.assert_array_equal(one, same)
    np.testing.assert_array_equal(other, same_as_other)
    assert (np.asarray(one) != other).any()
