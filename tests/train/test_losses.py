"""Masked cross-entropy counts what has a label, all of it, and nothing else."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import log_loss

from mtt_jax.train.losses import masked_cross_entropy

LOGITS = jax.random.normal(jax.random.key(0), (4, 5, 3))
LABELS = np.arange(20).reshape(4, 5) % 3
WEIGHTS = (np.arange(20).reshape(4, 5) % 4 > 0).astype(np.float32)


def test_the_mean_over_labels_is_the_usual_cross_entropy():
    total, count = masked_cross_entropy(LOGITS, LABELS, WEIGHTS)
    known = WEIGHTS > 0
    probs = np.asarray(jax.nn.softmax(LOGITS), np.float64)[known]
    expected = log_loss(LABELS[known], probs / probs.sum(-1, keepdims=True), labels=[0, 1, 2])
    assert count == known.sum()
    assert total / count == pytest.approx(expected, rel=1e-5)


def test_the_label_zero_counts_like_any_other():
    only_zero = np.zeros((4, 5), np.int32)
    total, count = masked_cross_entropy(LOGITS, only_zero, np.ones((4, 5), np.float32))
    assert count == 20
    assert total > 0


def test_parts_of_a_batch_add_up_to_the_whole():
    whole = masked_cross_entropy(LOGITS, LABELS, WEIGHTS)
    parts = [masked_cross_entropy(LOGITS[i], LABELS[i], WEIGHTS[i]) for i in range(4)]
    np.testing.assert_allclose(whole, np.sum(parts, axis=0), rtol=1e-6)


def test_an_unlabelled_place_has_exactly_zero_gradient_even_with_infinite_logits():
    wild = LOGITS.at[0, 0].set(jnp.array([jnp.inf, 0.0, 1.0]))  # weight 0 there
    gradient = jax.grad(lambda x: masked_cross_entropy(x, LABELS, WEIGHTS)[0])(LOGITS)
    np.testing.assert_array_equal(gradient[WEIGHTS == 0], 0.0)
    assert np.abs(gradient[WEIGHTS > 0]).min() > 0
    assert jnp.isfinite(masked_cross_entropy(wild, LABELS, WEIGHTS)[0])


def test_class_weights_enlarge_the_sum_and_not_the_count():
    plain = masked_cross_entropy(LOGITS, LABELS, WEIGHTS)
    double = masked_cross_entropy(LOGITS, LABELS, WEIGHTS, class_weights=[2.0, 2.0, 2.0])
    np.testing.assert_allclose(double[0], 2 * plain[0], rtol=1e-6)
    assert double[1] == plain[1]
    without = masked_cross_entropy(LOGITS, LABELS, WEIGHTS, class_weights=[0.0, 1.0, 1.0])
    alone = masked_cross_entropy(LOGITS, LABELS, WEIGHTS * (LABELS > 0))
    np.testing.assert_allclose(without[0], alone[0], rtol=1e-6)


def test_label_smoothing_mixes_in_the_even_distribution():
    even = -jax.nn.log_softmax(LOGITS).mean(-1)
    plain, count = masked_cross_entropy(LOGITS, LABELS, WEIGHTS)
    smooth, _ = masked_cross_entropy(LOGITS, LABELS, WEIGHTS, label_smoothing=0.2)
    np.testing.assert_allclose(smooth, 0.8 * plain + 0.2 * (even * WEIGHTS).sum(), rtol=1e-5)
    assert count == WEIGHTS.sum()
