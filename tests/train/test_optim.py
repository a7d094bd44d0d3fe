"""The optimizer: schedules, weight decay, clipping, and frozen parameters that stay as they are."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mtt_jax.config.schema import phase
from mtt_jax.errors import UserError
from mtt_jax.train.optim import decay_mask, make_optimizers, make_schedule
from mtt_jax.train.phases import frozen_mask, param_paths, plan
from mtt_jax.weights.saved_model import unstack_layers
from tests.helpers import make_config, model_and_params, only_phase

SETTINGS = {"learning_rate": 0.1, "warmup": 0, "steps": 10, "schedule": "constant", "clip": 0.0}


def with_(phases=(), **fields):
    named = {n if "__" in n else f"train__{n}": v for n, v in (SETTINGS | fields).items()}
    return make_config(phases=phases, **named)


def optimizer_of(config, params):
    (optimizer,) = make_optimizers(config, [only_phase(config, params)], params)
    return optimizer


def schedule_of(config, params):
    return make_schedule(plan(config, None, params))


def zeros(params):
    return jax.tree.map(jnp.zeros_like, params)


def ones(params):
    return jax.tree.map(jnp.ones_like, params)


def after(config, params, grads, steps=1):
    optimizer = optimizer_of(config, params)
    state = optimizer.init(params)
    for _ in range(steps):
        updates, state = optimizer.update(grads, state, params)
        params = optax.apply_updates(params, updates)
    return params, state


def test_the_learning_rate_warms_up_linearly_and_decays_to_zero(tiny):
    schedule = schedule_of(with_(warmup=4, steps=20, schedule="linear"), tiny[2])
    np.testing.assert_allclose(
        [schedule(i) for i in range(5)], [0.025, 0.04375, 0.0625, 0.08125, 0.1], rtol=1e-6
    )
    assert float(schedule(12)) == pytest.approx(0.05)
    assert float(schedule(20)) == pytest.approx(0, abs=1e-8)


def test_cosine_decay_is_at_half_in_the_middle_and_constant_does_not_decay(tiny):
    cosine = schedule_of(with_(steps=10, schedule="cosine"), tiny[2])
    assert [float(cosine(i)) for i in (0, 5, 10)] == pytest.approx([0.1, 0.05, 0], abs=1e-7)
    constant = schedule_of(with_(warmup=2), tiny[2])
    assert float(constant(1000)) == pytest.approx(0.1)


def test_weight_decay_shrinks_matrices_but_not_biases_and_normalization(tiny):
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


def test_an_update_goes_against_the_gradient(tiny):
    _, _, params = tiny
    moved, _ = after(with_(weight_decay=0.0), params, ones(params))
    for old, new in zip(jax.tree.leaves(params), jax.tree.leaves(moved), strict=True):
        np.testing.assert_allclose(new, old - 0.1, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("pattern", ["encoder/.*", "heads/ner/.*", "encoder/layer_1/.*"])
def test_a_frozen_parameter_stays_bit_for_bit_and_has_no_moments(tiny, pattern):
    _, _, params = tiny
    config = with_(freeze=(pattern,), weight_decay=0.1, clip=1.0)
    moved, state = after(config, params, ones(params), steps=3)
    mask = frozen_mask(params, config)
    trained = 0
    for frozen, old, new in zip(*map(jax.tree.leaves, (mask, params, moved)), strict=True):
        if frozen:
            np.testing.assert_array_equal(old, new)
        else:
            assert np.any(old != new)
            trained += old.size
    moments = sum(leaf.size for leaf in jax.tree.leaves(state) if jnp.ndim(leaf) > 0)
    assert moments == 2 * trained


def test_moments_and_weight_decay_of_a_group_are_frozen_with_it(tiny):
    _, _, params = tiny
    config = with_(
        phases=(
            phase("encoder", steps=2, trainable=("encoder/.*", "heads/topic/.*")),
            phase("heads", steps=2, trainable=("heads/.*",)),
        ),
        weight_decay=0.1,
    )
    phases = plan(config, None, params)
    first, second = make_optimizers(config, phases, params)
    state = first.init(params)
    assert jax.tree.structure(state) == jax.tree.structure(second.init(params))
    for _ in range(2):
        updates, state = first.update(ones(params), state, params)
        params = optax.apply_updates(params, updates)
    before, moments = params, state
    for _ in range(2):
        updates, state = second.update(ones(params), state, params)
        params = optax.apply_updates(params, updates)
    jax.tree.map(np.testing.assert_array_equal, before["encoder"], params["encoder"])
    for name in ("ner", "topic"):
        assert np.any(
            before["heads"][name]["logits"]["bias"] != params["heads"][name]["logits"]["bias"]
        )
    encoder, both, ner = ("+-", "++", "-+")
    inner, then = state[1].inner_states, moments[1].inner_states
    assert set(inner) == {encoder, both, ner}
    jax.tree.map(np.testing.assert_array_equal, inner[encoder], then[encoder])
    counts = {name: int(inner[name].inner_state[0].count) for name in inner}
    assert counts == {encoder: 2, both: 4, ner: 2}


def test_each_phase_warms_up_and_decays_to_zero(tiny):
    phases = (
        phase("a", steps=4, warmup=2, schedule="linear"),
        phase("b", steps=4, learning_rate=0.2, warmup=2, schedule="linear"),
    )
    schedule = schedule_of(with_(phases=phases), tiny[2])
    rates = [float(schedule(step)) for step in range(8)]
    assert rates == pytest.approx([0.05, 0.075, 0.1, 0.05, 0.1, 0.15, 0.2, 0.1])


@pytest.mark.parametrize("scan", [False, True])
def test_layer_decay_lowers_the_learning_rate_from_layer_to_layer(tokenizer, scan):
    config = with_(layer_decay=0.5, weight_decay=0.0, encoder__scan=scan)
    _, params = model_and_params(config, tokenizer)
    moved, _ = after(config, params, ones(params))
    change = jax.tree.map(lambda old, new: old - new, params, moved)
    shares = {"heads": 1.0, "final_norm": 1.0, "layer_1": 0.5, "layer_0": 0.25,
              "token_embedding": 0.125, "position_embedding": 0.125}  # fmt: skip
    found = {"heads": change["heads"], **unstack_layers(change)["encoder"]}
    for name, share in shares.items():
        for leaf in jax.tree.leaves(found[name]):
            np.testing.assert_allclose(leaf, 0.1 * share, rtol=2e-3, atol=1e-4)


def test_the_gradient_is_clipped_by_its_global_norm(tiny):
    _, _, params = tiny
    clip = optimizer_of(with_(clip=1.0), params)
    free = optimizer_of(with_(clip=0.0), params)
    norm = optax.global_norm(ones(params))
    scaled = jax.tree.map(lambda leaf: leaf / norm, ones(params))
    ours, _ = clip.update(ones(params), clip.init(params), params)
    theirs, _ = free.update(scaled, free.init(params), params)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4), ours, theirs)


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("encodr/.*", r"'encodr/\.\*' matches no parameter\. Did you mean 'encoder/\.\*'"),
        (".*", "every parameter is frozen, so nothing would train; leave some out of --config"),
    ],
)
def test_a_freeze_pattern_that_matches_nothing_or_everything_is_refused(tiny, pattern, message):
    with pytest.raises(UserError, match=message):
        frozen_mask(tiny[2], with_(freeze=(pattern,)))


@pytest.mark.parametrize("scan", [False, True])
def test_encoder_embeddings_and_heads_have_learning_rates_of_their_own(tokenizer, scan):
    rates = {"encoder_rate": 0.5, "embedding_rate": 0.2, "head_rate": 3.0}
    config = with_(**rates, weight_decay=0.0, encoder__scan=scan)
    _, params = model_and_params(config, tokenizer)
    moved, _ = after(config, params, ones(params))
    change = jax.tree.map(lambda old, new: old - new, params, moved)
    shares = {"heads": 3.0, "final_norm": 0.5, "layer_1": 0.5, "layer_0": 0.5,
              "token_embedding": 0.1, "position_embedding": 0.1}  # fmt: skip
    found = {"heads": change["heads"], **unstack_layers(change)["encoder"]}
    for name, share in shares.items():
        for leaf in jax.tree.leaves(found[name]):
            np.testing.assert_allclose(leaf, 0.1 * share, rtol=2e-3, atol=1e-4)


def test_the_learning_rate_of_a_group_multiplies_that_of_its_layer(tiny):
    _, _, params = tiny
    config = with_(layer_decay=0.5, encoder_rate=0.5, weight_decay=0.0)
    moved, _ = after(config, params, ones(params))
    for name, share in {"layer_1": 0.25, "layer_0": 0.125}.items():
        for old, new in zip(
            *(jax.tree.leaves(p["encoder"][name]) for p in (params, moved)), strict=True
        ):
            np.testing.assert_allclose(old - new, 0.1 * share, rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize(
    ("rate", "freeze"),
    [
        ("encoder_rate", "encoder/.*"),
        ("embedding_rate", "encoder/.*embedding.*"),
        ("head_rate", "heads/.*"),
    ],
)
def test_the_learning_rate_of_a_group_that_never_trains_is_refused(tiny, rate, freeze):
    config = with_(freeze=(freeze,), **{rate: 0.5})
    with pytest.raises(UserError, match=f"config.train.{rate}: 0.5 has no effect because"):
        optimizer_of(config, tiny[2])
    with pytest.raises(UserError, match=f"config.train.{rate}: 0 computes gradients and .* freeze"):
        with_(**{rate: 0.0})
