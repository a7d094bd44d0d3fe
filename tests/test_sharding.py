"""Devices: eight simulated ones compute what one does."""

import jax
import numpy as np
import pytest
from conftest import batch_of, make_config, model_and_params, only_phase

from mtt_jax.checkpoint import Checkpoints, abstract
from mtt_jax.data.pipeline import training_stream
from mtt_jax.errors import UserError
from mtt_jax.sharding import by_rows, make_mesh, place_batch, replicated
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.step import TrainState, make_step

CONFIG = make_config(encoder__dropout=0.2, train__learning_rate=1e-3)


def trained(devices, tokenizer, examples, steps=3, config=CONFIG):
    mesh = make_mesh(devices, config.train.batch_rows)
    model, params = model_and_params(config, tokenizer)
    phase = only_phase(config, params)
    (optimizer,) = make_optimizers(config, [phase], params)
    state = TrainState(np.int32(0), params, optimizer.init(params), ())
    state = jax.device_put(state, replicated(mesh))
    step = make_step(model, optimizer, config, mesh, phase.frozen)
    key = jax.device_put(jax.random.key(3), replicated(mesh))
    losses = []
    batch = batch_of(examples, config).batch
    for _ in range(steps):
        state, metrics = step(state, place_batch(batch, mesh), key)
        losses.append(float(metrics.loss))
    return state, losses


@pytest.fixture(scope="module")
def one_and_eight(tokenizer, examples):
    return trained(1, tokenizer, examples), trained(8, tokenizer, examples)


def test_eight_devices_give_the_losses_and_parameters_of_one(one_and_eight):
    (one, losses), (eight, others) = one_and_eight
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    assert len(jax.tree.leaves(eight.params)[0].sharding.device_set) == 8
    # Adam divides by the size of a gradient, so that rounding shows in some first updates.
    for ours, theirs in zip(
        *(jax.tree.leaves(jax.device_get(s.params)) for s in (one, eight)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


def test_a_batch_is_divided_by_rows(examples):
    mesh = make_mesh(8, 8)
    placed = place_batch(batch_of(examples, CONFIG).batch, mesh)
    assert placed.tokens.sharding == by_rows(mesh)
    assert {shard.data.shape[0] for shard in placed.tokens.addressable_shards} == {1}


def test_a_checkpoint_of_eight_devices_opens_on_one(one_and_eight, examples, tmp_path):
    _, (eight, _) = one_and_eight
    checkpoints = Checkpoints(tmp_path, keep=1)
    stream = iter(training_stream(examples, CONFIG))
    checkpoints.save(3, eight, stream, None)
    checkpoints.wait()
    like = abstract(eight, replicated(make_mesh(1, 8)))
    back = checkpoints.restore_state(3, like)
    checkpoints.close()
    assert len(jax.tree.leaves(back)[0].sharding.device_set) == 1
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(back), jax.device_get(eight))


def test_without_a_number_the_most_devices_that_divide_the_rows_are_used():
    assert make_mesh(0, 32).size == 8
    assert make_mesh(0, 6).size == 6
    assert make_mesh(0, 7).size == 7
    assert make_mesh(0, 16, accumulate=4).size == 4


@pytest.mark.parametrize(
    ("devices", "rows", "message"), [(9, 36, "9 devices asked for, 8 found"), (3, 8, "evenly")]
)
def test_a_mesh_that_cannot_be_is_refused(devices, rows, message):
    with pytest.raises(UserError, match=message):
        make_mesh(devices, rows)
