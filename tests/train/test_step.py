"""The step: it learns, counts every label once, and changes nothing that is frozen."""

import jax
import numpy as np
import pytest

from mtt_jax.devices.mesh import place_batch
from tests.helpers import FOUR_KINDS, Run, balanced, batch_of, encoded, four_task_records, without


def gradient(run, batch):
    return balanced(run, batch)[1]


@pytest.fixture(scope="module")
def plain(tokenizer):
    """A run with the tiny config as it is, for tests that do not change it."""
    return Run(tokenizer)


@pytest.fixture(scope="module")
def batch(plain, examples):
    return batch_of(examples, plain.config).batch


@pytest.fixture(scope="module")
def plain_step(plain, batch):
    """(state, metrics) after one step of the plain run."""
    return plain(batch)


def test_training_overfits_a_handful_of_sentences(tokenizer, examples):
    run = Run(tokenizer, train__steps=150, train__schedule="constant", train__weight_decay=0.0)
    _, metrics = run(batch_of(examples, run.config).batch, steps=150)
    assert metrics.losses["topic"] < 0.02
    assert metrics.losses["ner"] < 0.02


@pytest.mark.parametrize("task", ["topic", "ner"])
def test_a_missing_label_gives_exactly_zero_gradient(plain, batch, task):
    bare = gradient(plain, without(batch, task))
    for leaf in jax.tree.leaves(bare["heads"][task]):
        np.testing.assert_array_equal(leaf, 0)
    changed = batch._replace(targets={**batch.targets, task: (batch.targets[task] + 1) % 3})
    other = gradient(plain, without(changed, task))
    jax.tree.map(np.testing.assert_array_equal, bare, other)


def test_a_batch_without_labels_changes_nothing_and_stays_finite(tokenizer, examples):
    run = Run(tokenizer, train__weight_decay=0.0)
    batch = batch_of(examples, run.config).batch
    state, metrics = run(without(without(batch, "topic"), "ner"))
    assert metrics.loss == 0
    assert metrics.gradient_norm == 0
    jax.tree.map(np.testing.assert_array_equal, state.params, run.params)


@pytest.mark.parametrize("parts", [2, 4])
def test_gradient_accumulation_gives_the_gradient_of_the_whole_batch(
    tokenizer, plain_step, batch, parts
):
    one, expected = plain_step
    two, metrics = Run(tokenizer, train__accumulate=parts)(batch)
    np.testing.assert_allclose(metrics.loss, expected.loss, rtol=1e-5)
    np.testing.assert_allclose(metrics.gradient_norm, expected.gradient_norm, rtol=1e-4)
    np.testing.assert_array_equal(metrics.tokens, expected.tokens)
    # A loose tolerance: Adam's first step depends on the sign of a gradient, not on its size, and
    # rounding may flip the sign of one near 0.
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


def test_a_task_weight_scales_its_loss_in_the_sum_and_not_as_reported(tokenizer, plain_step, batch):
    _, before = plain_step
    _, after = Run(tokenizer, tasks__ner__weight=3.0)(batch)
    assert after.losses["ner"] == before.losses["ner"]
    assert after.loss == pytest.approx(before.losses["topic"] + 3 * before.losses["ner"], rel=1e-5)


@pytest.mark.parametrize(
    "balance", ["fixed", "uncertainty", pytest.param("pcgrad", marks=pytest.mark.peers)]
)
def test_a_task_of_weight_0_reports_its_loss_and_has_exactly_zero_gradient(
    tokenizer, plain, plain_step, batch, balance
):
    run = Run(tokenizer, tasks__ner__weight=0.0, train__balance=balance)
    _, metrics = run(batch)
    assert metrics.losses["ner"] == pytest.approx(plain_step[1].losses["ner"], rel=1e-6)
    assert metrics.loss == pytest.approx(metrics.losses["topic"])
    (_, weights, _), ours = balanced(run, batch)
    for leaf in jax.tree.leaves(ours["heads"]["ner"]):
        np.testing.assert_array_equal(leaf, 0)
    # Not a bit of its labels reaches any gradient.
    changed = batch._replace(targets={**batch.targets, "ner": (batch.targets["ner"] + 1) % 3})
    jax.tree.map(np.testing.assert_array_equal, ours, balanced(run, changed)[1])
    if balance == "fixed":
        theirs = gradient(plain, without(batch, "ner"))
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), ours, theirs)
    else:
        assert weights[list(run.config.tasks).index("ner")] == 0


def test_a_task_that_is_not_in_train_tasks_is_frozen_and_reports_no_loss(tokenizer, batch):
    run = Run(tokenizer, train__tasks=("topic",))
    state, metrics = run(batch, steps=2)
    assert set(metrics.losses) == {"topic"}
    assert metrics.loss == metrics.losses["topic"]
    ours, theirs = state.params["heads"], run.params["heads"]
    jax.tree.map(np.testing.assert_array_equal, ours["ner"], theirs["ner"])
    assert np.any(ours["topic"]["logits"]["kernel"] != theirs["topic"]["logits"]["kernel"])


def test_all_four_kinds_of_tasks_are_learned_together(tokenizer):
    fields = {"train__steps": 200, "train__schedule": "constant", "train__weight_decay": 0.0}
    run = Run(tokenizer, **FOUR_KINDS, **fields)
    examples = encoded(four_task_records(), tokenizer, run.config.task_list)
    _, metrics = run(batch_of(examples, run.config).batch, steps=200)
    assert set(metrics.losses) == {"topic", "ner", "subjects", "pos"}
    assert max(metrics.losses.values()) < 0.05


def test_a_frozen_encoder_stays_bit_for_bit_while_the_heads_train(tokenizer, examples):
    run = Run(tokenizer, train__freeze=("encoder/.*",))
    state, _ = run(batch_of(examples, run.config).batch, steps=3)
    jax.tree.map(np.testing.assert_array_equal, state.params["encoder"], run.params["encoder"])
    for task in ("topic", "ner"):
        kernels = (p["heads"][task]["logits"]["kernel"] for p in (state.params, run.params))
        assert np.any(np.not_equal(*kernels))


def test_the_step_donates_its_state_and_compiles_once(tokenizer, examples):
    run = Run(tokenizer)
    batch = place_batch(batch_of(examples, run.config).batch, run.mesh)
    state = run.state()
    for _ in range(3):
        given, (state, _) = state, run.step(state, batch, jax.random.key(0))
        assert all(leaf.is_deleted() for leaf in jax.tree.leaves(given.params))
    assert int(state.step) == 3
    assert run.step._cache_size() == 1


def test_dropout_is_the_same_for_the_same_step_and_differs_in_the_next(tokenizer, examples):
    run = Run(tokenizer, encoder__dropout=0.3, train__learning_rate=0.0)
    batch = batch_of(examples, run.config).batch
    losses = [float(run(batch, steps=n)[1].loss) for n in (1, 1, 2)]
    assert losses[0] == losses[1] != losses[2]
