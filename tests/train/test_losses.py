"""Losses count every label, and nothing else."""

import dataclasses
import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss

from mtt_jax.tasks import KINDS
from mtt_jax.train.losses import (
    LOSSES,
    make_losses,
    masked_binary_cross_entropy,
    masked_cross_entropy,
)
from tests.helpers import four_task_config, make_config

LOGITS = jax.random.normal(jax.random.key(0), (4, 5, 3))
IDS = np.arange(20).reshape(4, 5) % 3
SETS = np.asarray(jax.random.bernoulli(jax.random.key(1), shape=(4, 5, 3)), np.float32)
MASK = (np.arange(20).reshape(4, 5) % 4 > 0).astype(np.float32)

LOSS_AND_TARGETS = pytest.mark.parametrize(
    ("loss", "targets"), [(masked_cross_entropy, IDS), (masked_binary_cross_entropy, SETS)]
)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_task_names_a_loss(kind):
    assert KINDS[kind].loss in LOSSES


# Both losses


@LOSS_AND_TARGETS
def test_parts_of_a_batch_add_up_to_the_whole(loss, targets):
    whole = loss(LOGITS, targets, MASK)
    parts = [loss(LOGITS[i], targets[i], MASK[i]) for i in range(4)]
    np.testing.assert_allclose(whole, np.sum(parts, axis=0), rtol=1e-6)


@LOSS_AND_TARGETS
def test_masked_units_have_exactly_zero_loss_and_gradient(loss, targets):
    total, count = loss(LOGITS, targets, MASK)
    known = MASK > 0
    alone = loss(LOGITS[known], targets[known], MASK[known])
    assert count == known.sum() == alone[1]
    np.testing.assert_allclose(total, alone[0], rtol=1e-6)
    gradient = jax.grad(lambda logits: loss(logits, targets, MASK)[0])(LOGITS)
    np.testing.assert_array_equal(gradient[~known], 0.0)
    assert np.abs(gradient[known]).min() > 0
    changed = np.where(known.reshape(known.shape + (1,) * (targets.ndim - 2)), targets, 1)
    np.testing.assert_array_equal(loss(LOGITS, changed, MASK)[0], total)


@LOSS_AND_TARGETS
def test_a_batch_without_labels_has_exactly_zero_loss(loss, targets):
    assert loss(LOGITS, targets, np.zeros_like(MASK)) == (0.0, 0.0)


@LOSS_AND_TARGETS
def test_infinite_logits_of_a_masked_unit_do_not_reach_the_loss(loss, targets):
    wild = LOGITS.at[0, 0].set(jnp.array([jnp.inf, -jnp.inf, jnp.nan]))
    assert MASK[0, 0] == 0
    np.testing.assert_array_equal(loss(wild, targets, MASK)[0], loss(LOGITS, targets, MASK)[0])


@LOSS_AND_TARGETS
def test_class_weights_scale_the_sum_and_not_the_count(loss, targets):
    plain = loss(LOGITS, targets, MASK)
    double = loss(LOGITS, targets, MASK, class_weights=[2.0, 2.0, 2.0])
    np.testing.assert_allclose(double[0], 2 * plain[0], rtol=1e-6)
    assert double[1] == plain[1]


@LOSS_AND_TARGETS
def test_bfloat16_logits_are_computed_in_float32(loss, targets):
    total, _ = loss(LOGITS.astype(jnp.bfloat16), targets, MASK)
    assert total.dtype == jnp.float32


# Cross-entropy


def test_cross_entropy_is_that_of_scikit_learn():
    total, count = masked_cross_entropy(LOGITS, IDS, MASK)
    known = MASK > 0
    probs = np.asarray(jax.nn.softmax(LOGITS), np.float64)[known]
    expected = log_loss(IDS[known], probs / probs.sum(-1, keepdims=True), labels=[0, 1, 2])
    assert total / count == pytest.approx(expected, rel=1e-5)


def test_class_0_counts_like_any_other():
    total, count = masked_cross_entropy(LOGITS, np.zeros_like(IDS), np.ones_like(MASK))
    assert count == 20
    assert total > 0


def test_a_class_of_weight_0_is_left_out_of_the_sum():
    without = masked_cross_entropy(LOGITS, IDS, MASK, class_weights=[0.0, 1.0, 1.0])
    alone = masked_cross_entropy(LOGITS, IDS, MASK * (IDS > 0))
    np.testing.assert_allclose(without[0], alone[0], rtol=1e-6)


def test_label_smoothing_mixes_in_the_uniform_distribution():
    uniform = -jax.nn.log_softmax(LOGITS).mean(-1)
    plain, count = masked_cross_entropy(LOGITS, IDS, MASK)
    smooth, _ = masked_cross_entropy(LOGITS, IDS, MASK, label_smoothing=0.2)
    np.testing.assert_allclose(smooth, 0.8 * plain + 0.2 * (uniform * MASK).sum(), rtol=1e-5)
    assert count == MASK.sum()


# Binary cross-entropy


def numpy_binary_cross_entropy(logits, targets, weights=(1.0, 1.0, 1.0), smoothing=0.0):
    """Per unit, in float64, straight from the definition."""
    probs = 1 / (1 + np.exp(-np.asarray(logits, np.float64)))
    targets = targets * (1 - smoothing) + smoothing / 2
    terms = -(targets * np.log(probs) + (1 - targets) * np.log(1 - probs))
    return (terms * np.asarray(weights)).mean(axis=-1)


@pytest.mark.parametrize("weights", [(1.0, 1.0, 1.0), (2.0, 0.5, 0.0)])
@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_binary_cross_entropy_is_that_of_numpy(weights, smoothing):
    total, count = masked_binary_cross_entropy(LOGITS, SETS, MASK, weights, smoothing)
    expected = numpy_binary_cross_entropy(LOGITS, SETS, weights, smoothing)
    np.testing.assert_allclose(total, expected[MASK > 0].sum(), rtol=1e-6)
    assert count == (MASK > 0).sum()


def test_binary_cross_entropy_at_even_odds_does_not_depend_on_the_number_of_classes():
    for classes in (1, 2, 50):
        logits, targets = jnp.zeros((7, classes)), np.ones((7, classes), np.float32)
        total, count = masked_binary_cross_entropy(logits, targets, np.ones(7, np.float32))
        assert total / count == pytest.approx(np.log(2))


def test_binary_cross_entropy_is_exact_for_large_logits():
    logits = jnp.array([[1e4, -1e4, 90.0, -90.0]])
    one = np.ones(1, np.float32)
    right, wrong = np.array([[1, 0, 1, 0]], np.float32), np.array([[0, 1, 0, 1]], np.float32)
    assert float(masked_binary_cross_entropy(logits, right, one)[0]) < 1e-37
    total, _ = masked_binary_cross_entropy(logits, wrong, one)
    assert total == pytest.approx((1e4 + 1e4 + 90 + 90) / 4)
    gradient = jax.grad(lambda x: masked_binary_cross_entropy(x, wrong, one)[0])(logits)
    np.testing.assert_allclose(gradient, [[0.25, -0.25, 0.25, -0.25]], rtol=1e-6)


def test_infinite_logits_of_a_masked_unit_have_exactly_zero_gradient():
    wild = LOGITS.at[0, 0].set(jnp.array([jnp.inf, -jnp.inf, jnp.nan]))
    loss = functools.partial(masked_binary_cross_entropy, targets=SETS, mask=MASK)
    gradient = jax.grad(lambda logits: loss(logits)[0])(wild)
    np.testing.assert_array_equal(gradient[MASK == 0], 0.0)
    assert np.isfinite(gradient).all()


# The losses of a batch


class Labels:
    """A batch, as far as losses read it."""

    teacher = teacher_masks = None
    targets = {"topic": IDS, "ner": IDS, "subjects": SETS, "pos": IDS}
    masks = dict.fromkeys(targets, MASK)


COUNTS = dict.fromkeys(Labels.targets, MASK.sum())
NER = jax.random.normal(jax.random.key(2), (4, 5, 5))
OUTPUTS = {"topic": LOGITS, "ner": NER, "subjects": LOGITS, "pos": LOGITS}


def test_each_task_has_the_loss_of_its_kind():
    found = make_losses(four_task_config())(OUTPUTS, Labels, COUNTS).mean
    for name in ("topic", "pos"):
        assert found[name] == masked_cross_entropy(LOGITS, IDS, MASK)[0] / MASK.sum()
    assert found["subjects"] == masked_binary_cross_entropy(LOGITS, SETS, MASK)[0] / MASK.sum()


def test_weights_of_tasks_and_classes_scale_the_weighted_loss():
    config = make_config(tasks__ner__weight=3.0, tasks__ner__class_weights="PER=2, O=0.5")
    found = make_losses(config)(OUTPUTS, Labels, COUNTS)
    expected = masked_cross_entropy(NER, IDS, MASK, [0.5, 2, 1, 1, 1])[0] / MASK.sum()
    assert found.mean["ner"] == pytest.approx(expected)
    assert found.weighted["ner"] == pytest.approx(3 * expected)
    assert found.weighted["topic"] == found.mean["topic"]


def test_a_task_of_weight_0_still_reports_its_loss():
    found = make_losses(make_config(tasks__ner__weight=0.0))(OUTPUTS, Labels, COUNTS)
    assert found.weighted["ner"] == 0
    assert found.mean["ner"] > 0


def test_a_task_that_does_not_train_reports_no_loss():
    config = make_config()
    config = dataclasses.replace(config, train=dataclasses.replace(config.train, tasks=("topic",)))
    found = make_losses(config)(OUTPUTS, Labels, COUNTS)
    assert set(found.mean) == {"topic"}
    assert found.weighted["ner"] == 0
