"""The convolution over the embeddings reads the neighbors of a word in its own sentence."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.model.convolution import neighbors
from mtt_jax.train.flops import per_token
from tests.helpers import batch_of, forward_of, make_config, model_and_params


def test_neighbors_are_those_of_the_same_sentence_and_zero_beyond_it():
    vectors = jnp.arange(1.0, 6.0).reshape(1, 5, 1)
    segments = jnp.array([[1, 1, 1, 2, 2]])
    found = neighbors(vectors, segments, 1)[0]
    np.testing.assert_array_equal(
        found, [[0, 1, 2], [1, 2, 3], [2, 3, 0], [0, 4, 5], [4, 5, 0]]
    )  # before, itself, after


def test_the_ends_of_a_row_that_holds_one_sentence_are_not_neighbors():
    found = neighbors(jnp.ones((1, 3, 2)), jnp.ones((1, 3), jnp.int32), 2)
    np.testing.assert_array_equal(
        found[0, :, ::2], [[0, 0, 1, 1, 1], [0, 1, 1, 1, 0], [1, 1, 1, 0, 0]]
    )


def test_a_sentence_shorter_than_the_reach_has_only_itself():
    found = neighbors(jnp.full((1, 1, 1), 7.0), jnp.ones((1, 1), jnp.int32), 3)
    np.testing.assert_array_equal(found, [[[0, 0, 0, 7, 0, 0, 0]]])


def test_nan_in_a_neighboring_sentence_stays_there():
    vectors = jnp.array([[[1.0], [jnp.nan]]])
    found = neighbors(vectors, jnp.array([[1, 2]]), 1)
    assert np.isfinite(found[0, 0]).all()
    np.testing.assert_array_equal(found[0, 0], [0, 1, 0])


@pytest.mark.parametrize("reach", [1, 3])
def test_without_attention_a_word_sees_as_far_as_the_reach(reach, tokenizer, examples):
    config = make_config(encoder__convolution=reach, encoder__layers=1)
    model, params = model_and_params(config, tokenizer)
    off = jax.tree.map(jnp.zeros_like, params["encoder"]["layer_0"])
    params = {**params, "encoder": {**params["encoder"], "layer_0": off}}
    batch = batch_of([examples[0]], config, rows=1).batch
    changed = batch.tokens.copy()
    changed[0, 4] += 1
    before, after = (
        forward_of(model)(params, b).logits["ner"][0]
        for b in (batch, batch._replace(tokens=changed))
    )
    moved = np.flatnonzero(np.abs(before - after).max(axis=-1))
    length = int((batch.segments > 0).sum())
    assert moved.tolist() == [at for at in range(4 - reach, 5 + reach) if 0 <= at < length]


def test_its_matrix_counts_in_the_arithmetic_of_a_step():
    without, with_it = (make_config(encoder__convolution=reach).encoder for reach in (0, 2))
    assert per_token(with_it, 64) - per_token(without, 64) == 6 * 5 * without.width**2


def test_its_matrix_has_no_low_rank_update(tokenizer):
    _, params = model_and_params(
        make_config(encoder__convolution=1, encoder__lora_rank=2), tokenizer
    )
    encoder = params["encoder"]
    assert encoder["convolution"]["projection"].keys() == {"kernel", "bias"}
    assert "lora_a" in encoder["layer_0"]["up"]
