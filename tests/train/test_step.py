"""The step: it learns, counts every label once, and leaves alone what it should."""

import jax
import numpy as np
import pytest

from mtt_jax.devices.mesh import place_batch
from mtt_jax.train.step import class_weights
from tests.helpers import Run, balanced, batch_of, make_config, without


def gradient(run, batch):
    return balanced(run, batch)[1]


@pytest.fixture(scope="module")
def plain(tokenizer):
    """A run with nothing changed in its config, for tests that only look at it."""
    return Run(tokenizer)


@pytest.fixture(scope="module")
def batch(plain, examples):
    return batch_of(examples, plain.config).batch


@pytest.fixture(scope="module")
def plain_step(plain, batch):
    """(state, metrics) after one step of the plain run."""
    return plain(batch)


def test_a_handful_of_sentences_is_learned_by_heart(tokenizer, examples):
    run = Run(tokenizer, train__steps=150, train__schedule="constant", train__weight_decay=0.0)
    _, metrics = run(batch_of(examples, run.config).batch, steps=150)
    assert metrics.losses["topic"] < 0.02
    assert metrics.losses["ner"] < 0.02


@pytest.mark.parametrize("task", ["topic", "ner"])
def test_a_missing_label_gives_exactly_zero_gradient(plain, batch, task):
    bare = gradient(plain, without(batch, task))
    for leaf in jax.tree.leaves(bare["heads"][task]):
        np.testing.assert_array_equal(leaf, 0)
    changed = batch._replace(labels={**batch.labels, task: (batch.labels[task] + 1) % 3})
    other = gradient(plain, without(changed, task))
    jax.tree.map(np.testing.assert_array_equal, bare, other)


def test_a_batch_without_a_single_label_changes_nothing_and_is_finite(tokenizer, examples):
    run = Run(tokenizer, train__weight_decay=0.0)
    batch = batch_of(examples, run.config).batch
    state, metrics = run(without(without(batch, "topic"), "ner"))
    assert metrics.loss == 0
    assert metrics.gradient_norm == 0
    jax.tree.map(np.testing.assert_array_equal, state.params, run.params)


@pytest.mark.parametrize("parts", [2, 4])
def test_parts_of_a_batch_add_up_to_the_whole(tokenizer, plain_step, batch, parts):
    one, expected = plain_step
    two, metrics = Run(tokenizer, train__accumulate=parts)(batch)
    np.testing.assert_allclose(metrics.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(metrics.gradient_norm, expected.gradient_norm, rtol=1e-4)
    np.testing.assert_array_equal(metrics.tokens, expected.tokens)
    # The sum itself, not the parameters: Adam's first step is the sign of a gradient, whatever
    # its size, and rounding turns the sign of a zero.
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=0.02), one.params, two.params)


def test_packing_changes_neither_losses_nor_gradients(plain, batch, examples):
    alone = [batch_of([examples[i]], plain.config, rows=1).batch for i in range(len(examples))]
    loose = jax.tree.map(lambda *parts: np.concatenate(parts), *alone)
    assert (batch.segments > 1).any()
    assert not (loose.segments > 1).any()
    for ours, theirs in zip(
        *(jax.tree.leaves(gradient(plain, given)) for given in (batch, loose)), strict=True
    ):
        np.testing.assert_allclose(ours, theirs, atol=1e-5)


def test_the_weights_of_tasks_and_classes_scale_their_losses(tokenizer, plain, plain_step, batch):
    _, before = plain_step
    _, after = Run(tokenizer, tasks__ner__weight=3.0)(batch)
    assert after.losses["ner"] == pytest.approx(before.losses["ner"])
    assert after.loss == pytest.approx(before.losses["topic"] + 3 * before.losses["ner"], rel=1e-5)
    ner = plain.config.task_list[1]
    assert class_weights(ner, "PER=2, O=0.5") == [0.5, 2, 1, 1, 1]
    iob2 = make_config(tasks__ner__scheme="iob2").task_list[1]
    assert class_weights(iob2, "PER=2")[:3] == [1, 2, 2]
    assert class_weights(ner, "") is None


def test_a_frozen_encoder_stays_bit_for_bit_while_the_heads_learn(tokenizer, examples):
    run = Run(tokenizer, train__freeze=("encoder/.*",))
    state, _ = run(batch_of(examples, run.config).batch, steps=3)
    jax.tree.map(np.testing.assert_array_equal, state.params["encoder"], run.params["encoder"])
    for task in ("topic", "ner"):
        kernels = (p["heads"][task]["logits"]["kernel"] for p in (state.params, run.params))
        assert np.any(np.not_equal(*kernels))


def test_the_state_is_donated_and_the_step_is_compiled_once(tokenizer, examples):
    run = Run(tokenizer)
    batch = place_batch(batch_of(examples, run.config).batch, run.mesh)
    state = run.state()
    for _ in range(3):
        given, (state, _) = state, run.step(state, batch, jax.random.key(0))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given.params))
    assert int(state.step) == 3
    assert run.step._cache_size() == 1


def test_the_same_step_draws_the_same_dropout_and_the_next_another(tokenizer, examples):
    run = Run(tokenizer, encoder__dropout=0.3, train__learning_rate=0.0)
    batch = batch_of(examples, run.config).batch
    losses = [float(run(batch, steps=n)[1].loss) for n in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
