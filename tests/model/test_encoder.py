"""The encoder keeps packed sentences separate, whatever its settings."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.weights.saved_model import stack_layers
from tests.helpers import batch_of, forward_of, make_config, model_and_params

VARIANTS = [
    {},
    {"encoder__positions": "rotary", "encoder__norm": "post", "encoder__pooling": "cls"},
    {"encoder__positions": "sinusoidal", "encoder__activation": "gelu", "encoder__pooling": "max"},
    {"encoder__pooling": "attention", "encoder__scan": True, "encoder__remat": True},
    {"encoder__activation": "silu", "encoder__remat": True},
    {"encoder__activation": "relu", "tasks__topic__hidden": 8},
    {"encoder__positions": "rotary", "encoder__window": 2, "encoder__global_every": 2,
     "encoder__embedding_norm": True, "encoder__gated": True},
    {"encoder__convolution": 2, "encoder__positions": "rotary", "encoder__window": 2},
]  # fmt: skip


def outputs_of(config, tokenizer, batch):
    model, params = model_and_params(config, tokenizer)
    return forward_of(model)(params, batch)


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_packing_a_sentence_does_not_change_its_logits(variant, tokenizer, examples):
    config = make_config(**variant)
    packed = batch_of(examples, config)
    model, params = model_and_params(config, tokenizer)
    forward = forward_of(model)
    together = forward(params, packed.batch)
    for row, slot, offset, window in packed.windows:
        alone = batch_of([examples[window.source]], config, rows=1)
        single = forward(params, alone.batch)
        here = slice(offset, offset + len(window.tokens))
        np.testing.assert_allclose(
            together.logits["topic"][row, slot], single.logits["topic"][0, 0], atol=2e-6
        )
        np.testing.assert_allclose(
            together.logits["ner"][row, here],
            single.logits["ner"][0, : len(window.tokens)],
            atol=2e-6,
        )


@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_packed_sentences_do_not_attend_to_each_other(variant, tokenizer, examples):
    config = make_config(**variant)
    batch = batch_of(examples, config).batch
    first = batch.segments == 1
    changed = batch._replace(tokens=np.where(first, (batch.tokens + 7) % 50, batch.tokens))
    model, params = model_and_params(config, tokenizer)
    forward = forward_of(model)
    before, after = (jax.tree.map(np.asarray, forward(params, b)) for b in (batch, changed))
    others = batch.segments > 1
    assert others.any()
    np.testing.assert_array_equal(before.logits["ner"][others], after.logits["ner"][others])
    np.testing.assert_array_equal(before.sentences[:, 1:], after.sentences[:, 1:])
    assert np.abs(before.sentences[:, 0] - after.sentences[:, 0]).max() > 1e-4


def test_tokens_in_padding_change_nothing(tiny, examples):
    config, model, params = tiny
    batch = batch_of(examples, config).batch
    filled = batch._replace(tokens=np.where(batch.segments == 0, 9, batch.tokens))
    real = batch.segments > 0
    before, after = (forward_of(model)(params, b) for b in (batch, filled))
    np.testing.assert_array_equal(before.logits["ner"][real], after.logits["ner"][real])
    np.testing.assert_array_equal(before.sentences, after.sentences)


def test_offset_in_the_row_changes_nothing_but_word_order_does(tiny, examples):
    config, model, params = tiny
    batch = batch_of([examples[0]], config, rows=1).batch
    rolled = jax.tree.map(lambda x: np.roll(x, 5, axis=1), batch._replace(targets={}, masks={}))
    before, after = (forward_of(model)(params, b) for b in (batch, rolled))
    np.testing.assert_allclose(before.sentences, after.sentences, atol=2e-6)
    length = int((batch.segments > 0).sum())
    swapped = batch.tokens.copy()
    swapped[0, 1 : length - 1] = swapped[0, 1 : length - 1][::-1]
    other = forward_of(model)(params, batch._replace(tokens=swapped))
    assert np.abs(before.sentences - other.sentences).max() > 1e-5


def test_scan_computes_what_separate_layers_compute(tokenizer, examples):
    plain, scanned = make_config(), make_config(encoder__scan=True)
    model, params = model_and_params(plain, tokenizer)
    stacked_model, _ = model_and_params(scanned, tokenizer)
    batch = batch_of(examples, plain).batch
    ours = forward_of(model)(params, batch)
    theirs = forward_of(stacked_model)(stack_layers(params), batch)
    np.testing.assert_allclose(ours.tokens, theirs.tokens, atol=2e-6)


@pytest.mark.parametrize("variant", [VARIANTS[i] for i in (0, 3, 6)], ids=str)
def test_bfloat16_outputs_are_near_float32(variant, tokenizer, examples):
    config = make_config(**variant)
    batch = batch_of(examples, config).batch
    exact = outputs_of(config, tokenizer, batch)
    rough = outputs_of(make_config(**variant, encoder__dtype="bfloat16"), tokenizer, batch)
    assert rough.logits["ner"].dtype == jnp.float32
    np.testing.assert_allclose(exact.logits["ner"], rough.logits["ner"], atol=0.05)
    assert np.abs(exact.tokens - rough.tokens).max() > 1e-5


@pytest.mark.parametrize(
    ("backend", "activations"), [("cpu", jnp.float32), ("gpu", jnp.bfloat16)], ids=["cpu", "gpu"]
)
def test_bfloat16_model_has_float32_activations_only_on_a_cpu(
    backend, activations, tokenizer, examples, monkeypatch
):
    monkeypatch.setattr(jax, "default_backend", lambda: backend)
    config = make_config(encoder__dtype="bfloat16", encoder__attention="plain")
    outputs = outputs_of(config, tokenizer, batch_of(examples, config).batch)
    assert outputs.tokens.dtype == outputs.sentences.dtype == activations
    assert outputs.logits["ner"].dtype == jnp.float32


def test_encoder_dropout_acts_only_in_training_and_is_determined_by_its_key(tokenizer, examples):
    config = make_config(encoder__layers=1, encoder__dropout=0.5, encoder__attention_dropout=0.2)
    model, params = model_and_params(config, tokenizer)
    batch = batch_of(examples, config).batch

    @jax.jit
    def apply(params, batch, key):
        return model.apply({"params": params}, batch, True, rngs={"dropout": key})

    def train(seed):
        return apply(params, batch, jax.random.key(seed)).sentences

    evaluated = forward_of(model)(params, batch).sentences
    np.testing.assert_array_equal(evaluated, forward_of(model)(params, batch).sentences)
    np.testing.assert_array_equal(train(1), train(1))
    assert np.abs(train(1) - train(2)).max() > 1e-3
    assert np.abs(train(1) - evaluated).max() > 1e-3


def test_each_layer_draws_its_own_dropout(tokenizer, examples):
    config = make_config(encoder__dropout=0.5)
    model, params = model_and_params(config, tokenizer)
    batch = batch_of(examples, config).batch

    def tokens(size, train):
        """With a first layer that adds `size` to every vector, and a second that takes it away."""
        changed = jax.tree.map(np.asarray, params)
        for name, added in (("layer_0", size), ("layer_1", -size)):
            layer = changed["encoder"][name]
            for block in (layer["attention"]["out"], layer["down"]):
                block["kernel"], block["bias"] = 0 * block["kernel"], 0 * block["bias"]
                block["bias"][: config.encoder.width // 2] = added  # all would be normalized away
        rngs = {"dropout": jax.random.key(0)}
        return model.apply({"params": changed}, batch, train, rngs=rngs).tokens

    np.testing.assert_allclose(tokens(1.0, False), tokens(0.0, False), atol=1e-4)
    assert np.abs(tokens(1.0, True) - tokens(0.0, True)).max() > 0.1


@pytest.mark.parametrize("variant", [{}, {"encoder__window": 2, "encoder__remat": True}], ids=str)
def test_layers_that_differ_in_their_parameters_alone_are_traced_once(variant, tokenizer, examples):
    def functions(layers):
        """How many functions of a layer the lowered gradient has."""
        config = make_config(encoder__layers=layers, **variant)
        model, params = model_and_params(config, tokenizer)
        batch = batch_of(examples, config).batch

        def loss(params):
            key = {"dropout": jax.random.key(0)}
            return model.apply({"params": params}, batch, True, rngs=key).sentences.sum()

        return jax.jit(jax.grad(loss)).lower(params).as_text().count("func.func private @_layer")

    assert functions(8) == functions(4) > 0


def test_what_a_hidden_word_is_does_not_reach_the_model_in_training_and_its_shape_does(
    tokenizer, examples
):
    config = make_config(encoder__layers=1, encoder__word_dropout=0.5, encoder__dropout=0.0)
    model, params = model_and_params(config, tokenizer)
    batch = batch_of(examples, config).batch
    hidden = np.zeros(batch.tokens.shape, bool)
    hidden[0, 1:3] = True
    batch = batch._replace(hidden=hidden)
    names = config.encoder.word_features
    others = {
        name: batch._replace(features=np.where(
            hidden[..., None] & (np.arange(len(names)) == index), 7, batch.features))
        for index, name in enumerate(names)
    } | {"token": batch._replace(tokens=np.where(hidden, 9, batch.tokens))}  # fmt: skip

    def sentences(batch, train):
        return model.apply({"params": params}, batch, train, rngs={"dropout": jax.random.key(0)})[1]

    for name, other in others.items():
        assert (np.abs(sentences(batch, False) - sentences(other, False)) > 0).any(), name
        same = np.array_equal(sentences(batch, True), sentences(other, True))
        assert same == (name != "shape"), name
    np.testing.assert_array_equal(
        sentences(batch, False), sentences(batch._replace(hidden=None), False)
    )
