"""The optimiser: schedules, decay with the right sign, and what is frozen stays as it was."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from conftest import make_config

from mtt_jax.errors import UserError
from mtt_jax.train.optim import decay_mask, frozen_mask, make_optimizer, make_schedule, param_paths

TRAIN = dataclasses.replace(
    make_config().train, learning_rate=0.1, warmup=0, steps=10, schedule="constant", clip=0.0
)


def with_(**fields):
    return dataclasses.replace(TRAIN, **fields)


def zeros(params):
    return jax.tree.map(jnp.zeros_like, params)


def ones(params):
    return jax.tree.map(jnp.ones_like, params)


def after(config, params, grads, steps=1):
    optimizer = make_optimizer(config, params)
    state = optimizer.init(params)
    for _ in range(steps):
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def test_the_rate_rises_in_equal_steps_and_falls_to_zero_at_the_end():
    schedule = make_schedule(with_(warmup=4, steps=20, schedule="linear"))
    np.testing.assert_allclose(
        [schedule(i) for i in range(5)], [0.025, 0.04375, 0.0625, 0.08125, 0.1], rtol=1e-6
    )
    assert float(schedule(12)) == pytest.approx(0.05)
    assert float(schedule(20)) == pytest.approx(0, abs=1e-8)


def test_cosine_is_halfway_down_in_the_middle_and_constant_stays():
    cosine = make_schedule(with_(steps=10, schedule="cosine"))
    assert [float(cosine(i)) for i in (0, 5, 10)] == pytest.approx([0.1, 0.05, 0], abs=1e-7)
    constant = make_schedule(with_(warmup=2))
    assert float(constant(1000)) == pytest.approx(0.1)


def test_decay_shrinks_weights_and_leaves_biases_and_normalisation(tiny):
    _, _, params = tiny
    params = ones(params)
    shrunk, _ = after(with_(weight_decay=0.5), params, zeros(params))
    mask = decay_mask(params)
    for decays, leaf in zip(jax.tree.leaves(mask), jax.tree.leaves(shrunk), strict=True):
        np.testing.assert_allclose(leaf, 1 - 0.1 * 0.5 if decays else 1, rtol=1e-6)
    undecayed = {
        path.rsplit("/", 1)[-1]
        for path, decays in zip(
            jax.tree.leaves(param_paths(params)), jax.tree.leaves(mask), strict=True
        )
        if not decays
    }
    assert undecayed == {"bias", "scale"}


def test_a_step_goes_against_the_gradient(tiny):
    _, _, params = tiny
    moved, _ = after(with_(weight_decay=0.0), params, ones(params))
    for old, new in zip(jax.tree.leaves(params), jax.tree.leaves(moved), strict=True):
        np.testing.assert_allclose(new, old - 0.1, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pattern", ["encoder/.*", "heads/ner/.*", "encoder/layer_1/.*"])
def test_a_frozen_parameter_is_bit_for_bit_what_it_was_and_has_no_moments(tiny, pattern):
    _, _, params = tiny
    config = with_(freeze=(pattern,), weight_decay=0.1, clip=1.0)
    moved, state = after(config, params, ones(params), steps=3)
    mask = frozen_mask(params, config.freeze)
    trained = 0
    for frozen, old, new in zip(*map(jax.tree.leaves, (mask, params, moved)), strict=True):
        if frozen:
            np.testing.assert_array_equal(old, new)
        else:
            assert np.any(old != new)
            trained += old.size
    moments = sum(leaf.size for leaf in jax.tree.leaves(state) if jnp.ndim(leaf) > 0)
    assert moments == 2 * trained


def test_the_gradient_is_clipped_by_its_global_norm(tiny):
    _, _, params = tiny
    clip = make_optimizer(with_(clip=1.0), params)
    free = make_optimizer(with_(clip=0.0), params)
    norm = optax.global_norm(ones(params))
    scaled = jax.tree.map(lambda leaf: leaf / norm, ones(params))
    ours, _ = clip.update(ones(params), clip.init(params), params)
    theirs, _ = free.update(scaled, free.init(params), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), ours, theirs)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("encodr/.*", r"'encodr/\.\*' matches no parameter\. Did you mean 'encoder/\.\*'"),
        (".*", "freeze everything"),
    ],
)
def test_a_pattern_that_cannot_be_meant_is_refused(tiny, pattern, message):
    with pytest.raises(UserError, match=message):
        frozen_mask(tiny[2], (pattern,))
