"""Eight simulated devices compute what one device computes."""

import jax
import numpy as np
import pytest

from mtt_jax.data.pipeline import training_stream
from mtt_jax.devices.mesh import (
    by_rows,
    make_mesh,
    of_state,
    over_mesh,
    place,
    place_batch,
    replicated,
)
from mtt_jax.errors import UserError
from mtt_jax.train.checkpoint import Checkpoints, abstract
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.step import TrainState, make_step
from tests.helpers import batch_of, forward_of, make_config, model_and_params, only_phase

CONFIG = make_config(encoder__dropout=0.2, train__learning_rate=1e-3)


def trained(devices, tokenizer, examples, steps=3, config=CONFIG, fsdp=1, saved=None):
    """(state, losses) after some steps from a fresh state, or from checkpoint 3 in a folder."""
    mesh = make_mesh(devices, config.train.batch_rows, fsdp=fsdp)
    model, params = model_and_params(config, tokenizer)
    phase = only_phase(config, params)
    (optimizer,) = make_optimizers(config, [phase], params)
    state = TrainState(np.int32(0), params, optimizer.init(params), ())
    state = place(state, of_state(state, mesh))
    if saved:
        checkpoints = Checkpoints(saved, keep=1)
        state = checkpoints.restore_state(3, abstract(state, of_state(state, mesh)))
        checkpoints.close()
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


def test_training_on_eight_devices_gives_the_losses_and_parameters_of_one(one_and_eight):
    (one, losses), (eight, others) = one_and_eight
    np.testing.assert_allclose(losses, others, rtol=1e-5)
    assert len(jax.tree.leaves(eight.params)[0].sharding.device_set) == 8
    # Adam divides by the size of a gradient, which magnifies rounding in some first updates.
    for ours, theirs in zip(
        *(jax.tree.leaves(jax.device_get(s.params)) for s in (one, eight)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=2e-3)


# Large enough that some parameters are sharded and some are not.
WIDE = make_config(
    encoder__dropout=0.2, encoder__width=32, encoder__feedforward=64, train__learning_rate=1e-3
)


@pytest.fixture(scope="module")
def unsharded(tokenizer, examples):
    """Six steps on one device."""
    return trained(1, tokenizer, examples, 6, WIDE)


@pytest.fixture(scope="module")
def sharded(tokenizer, examples, tmp_path_factory):
    """(state, losses, folder of a checkpoint) after three steps on 2 x 4 devices, fsdp 4."""
    state, losses = trained(2, tokenizer, examples, 3, WIDE, fsdp=4)
    folder = tmp_path_factory.mktemp("sharded")
    checkpoints = Checkpoints(folder, keep=1)
    checkpoints.save(3, state, iter(training_stream(examples, WIDE)), None)
    checkpoints.close()
    return state, losses, folder


@pytest.mark.peers  # slow: steps on many devices are compiled
def test_sharded_parameters_give_the_losses_of_unsharded_ones(unsharded, sharded):
    np.testing.assert_allclose(sharded[1], unsharded[1][:3], rtol=1e-5)


@pytest.mark.peers  # slow: steps on many devices are compiled
def test_large_parameters_and_their_moments_are_sharded_and_small_ones_replicated(sharded):
    state, _, _ = sharded
    shards = {}
    for leaf in jax.tree.leaves((state.params, state.opt_state)):
        part = leaf.addressable_shards[0].data
        assert part.size in (leaf.size, leaf.size // 4)
        shards.setdefault(leaf.shape, set()).add(leaf.size // part.size)
    assert {shape for shape, parts in shards.items() if parts == {4}} == {
        shape for shape in shards if np.prod(shape) >= 1024 and any(size % 4 == 0 for size in shape)
    }
    assert all(len(parts) == 1 for parts in shards.values())
    assert shards[32, 64] == {4}
    assert shards[64,] == {1}


@pytest.mark.peers  # slow: a step is compiled for each
@pytest.mark.parametrize(("devices", "fsdp"), [(1, 1), (1, 2), (1, 8)])
def test_resume_from_sharded_checkpoint_on_other_devices(
    devices, fsdp, unsharded, sharded, tokenizer, examples
):
    _, _, folder = sharded
    _, losses = trained(devices, tokenizer, examples, 3, WIDE, fsdp, folder)
    np.testing.assert_allclose(losses, unsharded[1][3:], rtol=1e-5)


def test_forward_pass_over_a_mesh_gives_the_outputs_of_one_device(tiny, examples):
    config, model, params = tiny
    batch = batch_of(examples, config).batch
    one = forward_of(model)(params, batch)
    mesh = make_mesh(4, 8, fsdp=2)
    eight = over_mesh(forward_of(model), mesh)(place(params, of_state(params, mesh)), batch)
    assert eight.tokens is None
    for name in config.tasks:
        np.testing.assert_allclose(one.logits[name], eight.logits[name], atol=1e-5)


def test_batch_is_sharded_by_rows(examples):
    mesh = make_mesh(8, 8)
    placed = place_batch(batch_of(examples, CONFIG).batch, mesh)
    assert placed.tokens.sharding == by_rows(mesh)
    assert {shard.data.shape[0] for shard in placed.tokens.addressable_shards} == {1}


def test_checkpoint_of_eight_devices_restores_on_one(one_and_eight, examples, tmp_path):
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


def test_mesh_uses_the_most_devices_that_divide_the_rows_by_default():
    assert make_mesh(0, 32).size == 8
    assert make_mesh(0, 6).size == 6
    assert make_mesh(0, 7).size == 7
    assert make_mesh(0, 16, accumulate=4).size == 4
    assert make_mesh(0, 32, fsdp=2).shape == {"data": 4, "fsdp": 2}
    assert make_mesh(0, 4, fsdp=2).shape == {"data": 2, "fsdp": 2}


def test_fsdp_with_too_many_devices_or_rows_it_does_not_divide_is_refused():
    with pytest.raises(UserError, match=r"config.mesh.fsdp: 16 devices requested, 8 found"):
        make_mesh(0, 32, fsdp=16)
    with pytest.raises(UserError, match=r"config.mesh.data: 16 devices requested, 8 found"):
        make_mesh(4, 32, fsdp=4)
    with pytest.raises(UserError, match=r"config.mesh.fsdp: 4 devices do not divide 6 rows"):
        make_mesh(0, 6, fsdp=4)


@pytest.mark.parametrize(
    ("devices", "rows", "message"), [(9, 36, "9 devices requested, 8 found"), (3, 8, "evenly")]
)
def test_mesh_with_too_many_devices_or_rows_it_does_not_divide_is_refused(devices, rows, message):
    with pytest.raises(UserError, match=message):
        make_mesh(devices, rows)
