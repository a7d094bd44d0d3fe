"""LoRA: updates are zero at the start, train alone, and merge without changing the logits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.config.schema import phase
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.train.phases import param_paths, plan
from mtt_jax.weights.build import build_model, count_parameters
from mtt_jax.weights.saved_model import merged
from tests.helpers import Run, batch_of, forward_of, make_config, model_and_params

RANK = 4


def lora_config(**overrides):
    return make_config(encoder__lora_rank=RANK, **overrides)


def with_updates(params):
    """The parameters with updates that are not zero."""
    paths = param_paths(params)
    return jax.tree.map(
        lambda path, leaf: jnp.full_like(leaf, 0.05) if path.endswith("lora_b") else leaf,
        paths, params,
    )  # fmt: skip


def test_lora_changes_nothing_before_training(tokenizer, examples):
    batch = batch_of(examples, make_config()).batch
    plain, ours = (model_and_params(c, tokenizer) for c in (make_config(), lora_config()))
    outputs = [forward_of(model)(params, batch) for model, params in (plain, ours)]
    jax.tree.map(np.testing.assert_array_equal, *outputs)


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("scan", [False, pytest.param(True, marks=pytest.mark.peers)])
def test_merged_lora_gives_the_same_logits(tokenizer, examples, scan, gated):
    config = lora_config(encoder__scan=scan, encoder__gated=gated)
    model, params = model_and_params(config, tokenizer)
    params = with_updates(params)
    batch = batch_of(examples, config).batch
    plain_config, whole = merged(config, params)
    assert plain_config.encoder.lora_rank == 0
    assert not any("lora" in path for path in jax.tree.leaves(param_paths(whole)))
    ours = forward_of(model)(params, batch)
    plain = build_model(plain_config, vocabulary_size(tokenizer))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-5),
        ours, forward_of(plain)(whole, batch),
    )  # fmt: skip
    _, fresh = model_and_params(make_config(encoder__scan=scan, encoder__gated=gated), tokenizer)
    assert np.abs(forward_of(plain)(fresh, batch).tokens - ours.tokens).max() > 1e-2


def test_merging_a_model_without_lora_changes_nothing(tiny):
    config, _, params = tiny
    assert merged(config, params) == (config, params)


@pytest.mark.peers  # slow: steps are compiled
def test_lora_trains_only_its_updates_and_keeps_no_moments_for_matrices(tokenizer, examples):
    phases = (phase("lora", steps=3, trainable=("heads/.*", "encoder/.*/lora_[ab]")),)
    run = Run(tokenizer, encoder__lora_rank=RANK, phases=phases)
    state, _ = run(batch_of(examples, run.config).batch, steps=3)
    (only,) = plan(run.config, None, run.params)
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), run.params, state.params)
    assert moved == jax.tree.map(lambda frozen: not frozen, only.frozen)
    moments = count_parameters(state.opt_state[1])
    trained = sum(
        leaf.size
        for leaf, frozen in zip(*map(jax.tree.leaves, (run.params, only.frozen)), strict=True)
        if not frozen
    )
    assert 2 * trained <= moments <= 2 * trained + 4  # plus the counts of steps
