"""The exponential moving average: what NumPy computes, bit for bit where nothing moves."""

import os

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from mtt_jax.config.schema import phase
from mtt_jax.devices.mesh import make_mesh, of_state, place, place_batch, replicated
from mtt_jax.train.average import Average
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import plan
from mtt_jax.train.step import TrainState, make_step
from tests.helpers import Run, assert_trees_equal, batch_of, make_config, only_phase


def steps_of(run, batch, count):
    """(the parameters before and after each step, the last state)."""
    state, key = run.state(), place(jax.random.key(0), replicated(run.mesh))
    seen = [jax.device_get(state.params)]
    for _ in range(count):
        state, _ = run.step(state, place_batch(batch, run.mesh), key)
        seen.append(jax.device_get(state.params))
    return seen, state


def expected(seen, decay):
    """The average in float64."""
    mean = jax.tree.map(np.float64, seen[0])
    for done, params in enumerate(seen[1:]):
        share = min(decay, (1 + done) / (10 + done))
        mean = jax.tree.map(lambda m, p, d=share: d * m + (1 - d) * p, mean, params)
    return mean


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"encoder__scan": True, "encoder__layers": 2},
        pytest.param({"train__accumulate": 2}, marks=pytest.mark.peers),
        pytest.param({"encoder__lora_rank": 2}, marks=pytest.mark.peers),
    ],
)
def test_the_average_is_that_of_numpy(tokenizer, examples, fields):
    run = Run(tokenizer, train__ema=0.15, **fields)
    seen, state = steps_of(run, batch_of(examples, run.config).batch, 5)
    # Steps 0 and 1 warm the decay up; from step 2 on it is 0.15.
    jax.tree.map(
        lambda ours, theirs: np.testing.assert_allclose(ours, theirs, rtol=1e-5, atol=1e-7),
        jax.device_get(state.model_params),
        expected(seen, 0.15),
    )
    kernel = state.params["heads"]["ner"]["logits"]["kernel"]
    assert np.any(kernel != state.model_params["heads"]["ner"]["logits"]["kernel"])


@pytest.mark.peers  # slow: two steps are compiled
@pytest.mark.skipif(
    os.environ.get("JAX_DISABLE_MOST_OPTIMIZATIONS") == "1",
    reason="two programs round alike as compiled for users: JAX_DISABLE_MOST_OPTIMIZATIONS=0",
)
def test_the_average_does_not_change_what_is_trained(tokenizer, examples):
    plain, averaged = Run(tokenizer), Run(tokenizer, train__ema=0.9)
    batch = batch_of(examples, plain.config).batch
    ours, theirs = (steps_of(run, batch, 3)[1] for run in (averaged, plain))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-6, atol=1e-7),
        ours.params,
        theirs.params,
    )


def test_without_an_average_the_state_is_what_it_was(tokenizer):
    """So that checkpoints of earlier versions can be resumed."""
    run = Run(tokenizer)
    state = run.state()
    assert len(state.opt_state) == 4
    assert state.model_params is state.params
    assert_trees_equal(state.next_phase(), state)


def test_what_never_trains_has_no_average(tokenizer, examples):
    run = Run(tokenizer, train__ema=0.9, train__freeze=("encoder/.*",))
    average = run.state().opt_state[-1]
    assert isinstance(average, Average)
    assert len(jax.tree.leaves(average.params)) == len(jax.tree.leaves(run.params["heads"]))
    state, _ = run(batch_of(examples, run.config).batch, steps=2)
    assert_trees_equal(state.model_params["encoder"], run.params["encoder"])


@pytest.mark.peers  # slow: steps are compiled
def test_the_next_phase_starts_from_the_average_and_what_it_freezes_stays_there(tokenizer, tiny):
    phases = (phase("all", steps=3), phase("heads", steps=3, trainable=("heads/.*",)))
    config = make_config(phases=phases, train__ema=0.9, train__schedule="constant")
    params = tiny[2]
    first, second = make_optimizers(config, plan(config, None, params), params)
    grads = jax.tree.map(jnp.ones_like, params)
    state = TrainState(jnp.int32(0), params, first.init(params), ())

    def stepped(state, optimizer):
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        fresh = optax.apply_updates(state.params, updates)
        return state._replace(step=state.step + 1, params=fresh, opt_state=opt_state)

    for _ in range(3):
        state = stepped(state, first)
    scored, state = state.model_params, state.next_phase()
    assert_trees_equal(state.params, scored)
    assert_trees_equal(state.model_params, scored)
    assert int(state.opt_state[-1].steps) == 0
    buffers = [leaf.unsafe_buffer_pointer() for leaf in jax.tree.leaves(state)]
    assert len(buffers) == len(set(buffers))  # a step donates each of them
    for _ in range(3):
        state = stepped(state, second)
    assert_trees_equal(state.model_params["encoder"], scored["encoder"])
    assert_trees_equal(state.params["encoder"], scored["encoder"])
    kernels = (p["heads"]["ner"]["logits"]["kernel"] for p in (state.model_params, scored))
    assert np.any(np.not_equal(*kernels))


@pytest.mark.peers  # slow: it compiles for eight devices
def test_the_average_is_sharded_as_the_parameters_and_computed_over_a_mesh(tokenizer, examples):
    wide = {"encoder__width": 32, "encoder__feedforward": 64, "train__ema": 0.15}
    alone = Run(tokenizer, train__learning_rate=1e-3, **wide)
    batch = batch_of(examples, alone.config).batch
    _, one = steps_of(alone, batch, 3)
    mesh = make_mesh(2, alone.config.train.batch_rows, fsdp=4)
    frozen = only_phase(alone.config, alone.params).frozen
    state = alone.state()
    state = place(jax.device_get(state), of_state(state, mesh)).next_phase()
    step = make_step(alone.model, alone.optimizer, alone.config, mesh, frozen)
    for _ in range(3):
        state, _ = step(state, place_batch(batch, mesh), place(jax.random.key(0), replicated(mesh)))
    for params, mean in zip(
        jax.tree.leaves(state.params), jax.tree.leaves(state.opt_state[-1].params), strict=True
    ):
        assert params.sharding == mean.sharding
    # Adam divides by the size of a gradient, which magnifies rounding in some first updates.
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3),
        jax.device_get(state.model_params),
        jax.device_get(one.model_params),
    )
