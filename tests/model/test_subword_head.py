"""The head over hidden subwords: tied to the encoder's table, and never over a whole row."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.data.pack import pack_pieces, piece_of
from mtt_jax.data.tokenizer import subwords, vocabulary_size
from mtt_jax.train.gradient import make_balancer, make_gradient
from mtt_jax.train.losses import make_losses, make_sums
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import build_model, init_params
from tests.helpers import make_config


def the_model(tokenizer, **overrides):
    config = make_config(train__mlm=0.5, **overrides)
    model = build_model(config, vocabulary_size(tokenizer), training=True)
    return config, model, init_params(model, jax.random.key(0))


@pytest.fixture(scope="module")
def both(tokenizer):
    return the_model(
        tokenizer, encoder__layers=1, tasks__mlm={"kind": "mlm", "dropout": 0.0, "weight": 0.5}
    )


def batch_of(examples, tokenizer, config, alone=False):
    """Every example twice: with its labels, and with hidden words."""
    mlm = config.objectives[-1]
    rng, vocabulary = np.random.default_rng(0), subwords(tokenizer)
    drawn = [mlm.drawn(examples[i], vocabulary, rng) for i in range(len(examples))]
    whole = [] if alone else [examples[i] for i in range(len(examples))]
    pieces = [piece_of(one, config.objectives, 32) for one in (*whole, *drawn)]
    slots = 1 if alone else config.slots
    (batch,) = pack_pieces(pieces, config.objectives, config.train.row_length, slots, 16)
    return batch


def counts_of(batch):
    return {name: mask.sum() for name, mask in batch.masks.items()}


def gradient_of(config, model, params, batch):
    frozen = jax.tree.map(lambda _: False, params)
    state = make_balancer(config).init(len(config.tasks))
    gradient = make_gradient(model, config, frozen)
    compute = jax.jit(gradient)
    return compute(params, batch, counts_of(batch), jax.random.key(0), state)


def test_no_array_has_a_logit_for_every_position_of_a_row(both, examples, tokenizer):
    config, model, params = both
    batch = batch_of(examples, tokenizer, config)
    length, size = config.train.row_length, vocabulary_size(tokenizer)
    text = str(jax.make_jaxpr(lambda p: gradient_of(config, model, p, batch))(params))
    assert f"{config.objectives[-1].room(length, 0)},{size}]" in text, "the check sees logits"
    assert f"{length},{size}]" not in text


def test_its_gradient_reaches_the_table_of_the_encoder(both, examples, tokenizer):
    config, model, params = both
    batch = batch_of(examples, tokenizer, config)
    ids = set(batch.tokens.flat) | set(batch.targets["mlm"][..., 1].flat)
    (_, grads) = gradient_of(config, model, params, batch)
    table = grads["encoder"]["token_embedding"]["embedding"]
    unseen = [i for i in range(len(table)) if i not in ids]
    # A subword that is nowhere in the batch is pushed away only by the output layer.
    assert np.abs(np.asarray(table)[unseen]).max(axis=1).min() > 0


@pytest.mark.parametrize(
    ("balance", "on"),
    [
        ("random", "parameters"),
        pytest.param("upgrad", "parameters", marks=pytest.mark.peers),
        ("upgrad", "features"),
    ],
)
def test_the_table_gets_the_gradient_of_the_output_layer_however_tasks_are_balanced(
    both, examples, tokenizer, balance, on
):
    fixed, model, params = both
    config = make_config(
        tasks__mlm={"kind": "mlm", "dropout": 0.0, "weight": 0.5}, encoder__layers=1,
        train__balance=balance, train__balance_on=on,
    )  # fmt: skip
    batch = batch_of(examples, tokenizer, config)
    (_, weights, _), grads = gradient_of(config, model, params, batch)

    def weighted(params):
        outputs = model.apply({"params": params}, batch)
        losses = make_losses(config)(outputs.logits, batch, counts_of(batch)).weighted
        return (weights * jnp.stack(list(losses.values()))).sum()

    expected = jax.jit(jax.grad(weighted))(params)["encoder"]
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, atol=2e-6), grads["encoder"], expected
    )


def test_packed_or_alone_hidden_subwords_have_the_same_loss(both, examples, tokenizer):
    config, model, params = both
    sums = jax.jit(make_sums(model, config))
    packed = batch_of(examples, tokenizer, config)
    alone = batch_of(examples, tokenizer, config, alone=True)
    (one, count), (other, same) = (sums(params, batch)["mlm"] for batch in (packed, alone))
    assert float(count) == float(same) > 5
    np.testing.assert_allclose(one, other, rtol=1e-5)


def test_a_batch_without_hidden_subwords_adds_exactly_zero(both, examples, tokenizer):
    config, model, params = both
    batch = batch_of(examples, tokenizer, config)
    empty = batch._replace(masks={**batch.masks, "mlm": np.zeros_like(batch.masks["mlm"])})
    (losses, _, _), grads = gradient_of(config, model, params, empty)
    assert float(losses.mean["mlm"]) == 0
    assert all((np.asarray(leaf) == 0).all() for leaf in jax.tree.leaves(grads["heads"]["mlm"]))


def test_a_saved_model_is_as_large_as_one_without_the_head(both, tokenizer):
    config, _, params = both
    without = make_config(encoder__layers=1)
    plain = build_model(without, vocabulary_size(tokenizer))
    expected = init_params(plain, jax.random.key(0))
    saved, kept = saved_model.merged(config, params)
    assert saved == without
    assert jax.tree.map(jnp.shape, kept) == jax.tree.map(jnp.shape, expected)
