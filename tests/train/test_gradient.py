"""Balanced gradients: the encoder gets the weighted sum, each head its own task's gradient."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.config.schema import BALANCERS, BALANCERS_BY_GRADIENT
from mtt_jax.errors import UserError
from mtt_jax.train import balance
from mtt_jax.train.gradient import make_balancer
from tests.helpers import Run, balanced, batch_of, make_config, without

TASKS = ("ner", "topic")


def flat(tree):
    return np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(tree)])


@pytest.fixture(scope="module")
def plain(tokenizer, examples):
    """(run, batch, task -> gradient of it alone)."""
    run = Run(tokenizer)
    batch = batch_of(examples, run.config).batch
    alone = {"ner": balanced(run, without(batch, "topic"))[1],
             "topic": balanced(run, without(batch, "ner"))[1]}  # fmt: skip
    return run, batch, alone


@pytest.fixture(scope="module")
def balancing(tokenizer):
    """(method, where) -> a run, compiled once for all tests."""

    @functools.cache
    def run(name, where):
        return Run(tokenizer, train__balance=name, train__balance_on=where)

    return lambda name, where="parameters": run(name, where)


def test_config_and_library_name_the_same_balancers():
    assert set(BALANCERS) == set(balance.METHODS)
    for name in BALANCERS:
        assert make_balancer(make_config(train__balance=name)).needs_gram == (
            name in BALANCERS_BY_GRADIENT
        )


@pytest.mark.parametrize(
    ("name", "where"),
    [("uncertainty", "parameters"), ("stch", "parameters"), ("mgda", "parameters"),
     ("pcgrad", "parameters"), ("cagrad", "parameters"), ("mgda", "features")],
)  # fmt: skip
def test_the_encoder_gets_the_weighted_sum_and_each_head_its_own_gradient(
    name, where, plain, balancing
):
    run, batch, alone = plain
    (_, weights, _), grads = balanced(balancing(name, where), batch)
    names = list(run.config.tasks)
    mixed = sum(float(weights[names.index(task)]) * flat(alone[task]["encoder"]) for task in TASKS)
    np.testing.assert_allclose(flat(grads["encoder"]), mixed, rtol=1e-6, atol=2e-6)
    for task in TASKS:
        np.testing.assert_allclose(
            flat(grads["heads"][task]), flat(alone[task]["heads"][task]), atol=1e-6
        )


@pytest.mark.parametrize("name", ["mgda", "imtl_g"])
def test_balancer_weights_come_from_the_inner_products_of_the_gradients(name, plain, balancing):
    run, batch, alone = plain
    (_, weights, _), _ = balanced(balancing(name), batch)
    vectors = np.stack([flat(alone[task]["encoder"]) for task in run.config.tasks])
    method = balance.make(name)
    wanted, _ = method.weigh(
        jnp.ones(2), jnp.asarray(vectors @ vectors.T), (), jax.random.key(0), jnp.ones(2, bool)
    )
    np.testing.assert_allclose(weights, wanted, rtol=1e-3)


@pytest.mark.parametrize("name", ["geometric", "pcgrad", "nash_mtl"])
def test_a_task_without_labels_in_a_batch_gets_balancer_weight_0(name, plain, balancing):
    _, batch, _ = plain
    other = balancing(name)
    (_, weights, _), grads = balanced(other, without(batch, "ner"))
    assert float(weights[list(other.config.tasks).index("ner")]) == 0
    assert np.isfinite(flat(grads)).all()
    assert np.abs(flat(grads["encoder"])).max() > 0


@pytest.mark.parametrize(
    "name",
    ["famo", "gradnorm", "config"]
    + [pytest.param(name, marks=pytest.mark.peers) for name in ("dwa", "gradvac", "upgrad")],
)
def test_a_run_with_a_stateful_balancer_learns(name, tokenizer, examples):
    run = Run(tokenizer, train__balance=name, train__steps=40, train__weight_decay=0.0)
    batch = batch_of(examples, run.config).batch
    first, last = run(batch)[1], run(batch, steps=40)[1]
    assert sum(last.losses.values()) < 0.5 * sum(first.losses.values())


def test_a_frozen_encoder_stays_bit_for_bit_with_a_balancer(tokenizer, examples):
    run = Run(tokenizer, train__balance="pcgrad", train__freeze=("encoder/.*",))
    batch = batch_of(examples, run.config).batch
    state, metrics = run(batch, steps=2)
    jax.tree.map(np.testing.assert_array_equal, state.params["encoder"], run.params["encoder"])
    assert np.isfinite(metrics.loss)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"train__balance": "pcgard"}, "'pcgard' is not one of .* Did you mean 'pcgrad'?"),
        ({"train__balance": "dwa", "train__balance_on": "features"}, "compares no gradients"),
        ({"train__balance": "mgda", "train__accumulate": 2}, "leave accumulate at 1"),
        ({"train__balance_options": "alpha=much"}, "'much' is not a number"),
        ({"train__balance_options": "weights=2"}, "fixed weights are tasks.NAME.weight"),
    ],
)
def test_balance_settings_that_contradict_each_other_are_refused(overrides, message):
    with pytest.raises(UserError, match=message):
        make_config(**overrides)


def test_an_unknown_balancer_option_is_refused():
    config = make_config(train__balance="cagrad", train__balance_options="alpha=1")
    with pytest.raises(UserError, match="train.balance=cagrad: no option .alpha.; it has c"):
        make_balancer(config)
