"""Temperatures and calibration errors, against scipy and counts by hand."""

import numpy as np
import pytest
from scipy.optimize import minimize_scalar

from mtt_jax.tasks.calibrate import BINS, best_temperature, reliability, softmax_curve


def drawn(seed, scale, count=400, classes=4):
    """Log-probabilities that are `scale` times too large, and classes drawn from the right ones."""
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(count, classes)) * 2
    probs = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    ids = np.array([rng.choice(classes, p=row) for row in probs])
    return (logits * scale).astype(np.float32), ids


@pytest.mark.parametrize("scale", [0.7, 1.0, 2.0, 5.0])
def test_the_temperature_is_what_scipy_finds_and_about_what_logits_were_multiplied_by(scale):
    curve = softmax_curve(*drawn(0, scale))
    found = best_temperature(curve)
    peer = minimize_scalar(curve, bounds=(0.5, 8), method="bounded", options={"xatol": 1e-6})
    assert found == pytest.approx(peer.x, rel=2e-3)
    assert found == pytest.approx(scale, rel=0.2)


def test_the_temperature_stays_in_bounds_if_all_is_right_or_all_is_noise():
    logits = np.eye(3, dtype=np.float32) * 2
    assert best_temperature(softmax_curve(logits, np.arange(3))) == pytest.approx(0.5, rel=1e-2)
    wrong = best_temperature(softmax_curve(logits, np.array([1, 2, 0])))
    assert wrong == pytest.approx(8, rel=1e-2)


def test_calibration_error_is_the_mean_gap_between_score_and_share_right_in_each_bin():
    scores, right = np.random.default_rng(1).random(500), np.random.default_rng(2).random(500) < 0.4
    expected, edges = 0.0, np.linspace(0, 1, BINS + 1)
    for low, high in zip(edges[:-1], edges[1:], strict=True):
        inside = (scores > low) & (scores <= high)
        if inside.any():
            gap = abs(scores[inside].mean() - right[inside].mean())
            expected += gap * inside.sum() / len(scores)
    found = reliability(scores, right)
    assert found.ece == pytest.approx(expected)
    assert sum(bin.size for bin in found.bins) == 500
    assert [bin.score for bin in found.bins] == sorted(bin.score for bin in found.bins)


def test_scores_of_zero_and_one_are_in_the_first_and_the_last_bin():
    found = reliability(np.array([0.0, 1.0, 1.0]), np.array([False, True, True]))
    assert found.ece == 0
    assert [tuple(bin) for bin in found.bins] == [(1, 0.0, 0.0), (2, 1.0, 1.0)]


def test_without_decisions_there_is_no_error():
    assert reliability(np.zeros(0), np.zeros(0, bool)) == (0.0, ())
