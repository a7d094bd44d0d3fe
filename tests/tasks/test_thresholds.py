"""Thresholds, against trying all of them."""

import math

import numpy as np
import pytest

from mtt_jax.tasks.thresholds import best_precision, for_precision


def kept(right, scores, threshold):
    """(precision, how many right ones are left)."""
    left = right[scores >= threshold]
    return left.mean() if len(left) else math.nan, left.sum()


@pytest.mark.parametrize("decimals", [6, 1])
@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("precision", [0.5, 0.8, 0.95, 1.0])
def test_a_threshold_reaches_the_precision_with_the_highest_recall_of_any(
    seed, decimals, precision
):
    rng = np.random.default_rng(seed)
    scores = np.round(rng.random(40), decimals)
    right = rng.random(40) < scores
    threshold = for_precision(right, scores, precision)
    tried = [kept(right, scores, at) for at in np.unique(scores)]
    possible = [hits for share, hits in tried if share >= precision and hits]
    if not possible:
        assert threshold == math.inf
        return
    share, hits = kept(right, scores, threshold)
    assert share >= precision
    assert hits == max(possible)
    assert share == max(share for share, hits in tried if hits == max(possible))


def test_a_threshold_is_midway_between_two_scores():
    right, scores = np.array([True, True, False]), np.array([0.9, 0.7, 0.5])
    assert for_precision(right, scores, 1.0) == pytest.approx(0.6)


def test_a_precision_that_nothing_reaches_has_an_infinite_threshold():
    right, scores = np.array([False, True, False]), np.array([0.9, 0.7, 0.5])
    assert for_precision(right, scores, 0.9) == math.inf
    assert best_precision(right, scores) == 0.5
    assert for_precision(right[:0], scores[:0], 0.9) == math.inf
    assert best_precision(right[:0], scores[:0]) is None
