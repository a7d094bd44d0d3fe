"""Calibration: the temperature that makes scores probabilities, and how far they are from it.

A network's softmax is often too sure of itself. Its logits are divided by one number per task, the
temperature, which is chosen on dev so that the cross-entropy is lowest (temperature scaling, Guo et
al. 2017, arXiv:1706.04599). No answer changes: the most probable class stays the most probable one.
"""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from mtt_jax.tasks.score import Bin, Reliability

BINS = 15
# A dev set without a single mistake would ask for a temperature of 0, one of noise for infinity.
_LOWEST, _HIGHEST = 0.5, 8.0
_GOLDEN = (math.sqrt(5) - 1) / 2
# The lowest probability whose logarithm is taken.
_NEVER = 1e-12

# Temperature -> mean cross-entropy on dev.
Curve = Callable[[float], float]


class Decisions(NamedTuple):
    """What the model said with a score, and whether it was right; k decisions, C labels.

    Attributes:
      labels: int64 [k] the label of each, as an index of `Task.answer_labels`.
      scores: float64 [k] the score that a result shows.
      right: bool [k].
      given: int64 [C] how many gold labels there are of each.
    """

    labels: np.ndarray
    scores: np.ndarray
    right: np.ndarray
    given: np.ndarray


def joined(parts: Sequence[Decisions]) -> Decisions:
    """The decisions of several sentences, at least one."""
    return Decisions(
        np.concatenate([part.labels for part in parts]),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.right for part in parts]),
        np.sum([part.given for part in parts], axis=0),
    )


def best_temperature(cross_entropy: Curve) -> float:
    """The temperature, 0.5 to 8, with the lowest cross-entropy, to within a thousandth.

    Golden-section search (Kiefer 1953) over the logarithm of the temperature.
    """

    def value(place: float) -> float:
        return cross_entropy(math.exp(place))

    low, high = math.log(_LOWEST), math.log(_HIGHEST)
    left, right = high - _GOLDEN * (high - low), low + _GOLDEN * (high - low)
    at_left, at_right = value(left), value(right)
    while high - low > 1e-3:
        if at_left <= at_right:
            high, right, at_right = right, left, at_left
            left = high - _GOLDEN * (high - low)
            at_left = value(left)
        else:
            low, left, at_left = left, right, at_right
            right = low + _GOLDEN * (high - low)
            at_right = value(right)
    return math.exp((low + high) / 2)


def softmax_curve(log_probs: np.ndarray, classes: np.ndarray) -> Curve:
    """Mean cross-entropy of softmax(log_probs / temperature).

    Args:
      log_probs: [k, C], before any temperature; k is at least 1.
      classes: int [k], what is right.
    """
    logits = np.asarray(log_probs, np.float64)
    logits = logits - logits.max(axis=-1, keepdims=True)
    right = logits[np.arange(len(classes)), classes].mean()

    def at(temperature: float) -> float:
        total = np.log(np.exp(logits / temperature).sum(axis=-1)).mean()
        return float(total - right / temperature)

    return at


def binary_curve(scores: Callable[[float], np.ndarray], right: np.ndarray) -> Curve:
    """Mean cross-entropy of scores that say how probable it is that something is right.

    Args:
      scores: temperature -> float [k], 0 to 1; k is at least 1.
      right: bool [k].
    """

    def at(temperature: float) -> float:
        found = scores(temperature)
        return -float(np.log(np.maximum(np.where(right, found, 1 - found), _NEVER)).mean())

    return at


def reliability(scores: np.ndarray, right: np.ndarray) -> Reliability:
    """Expected calibration error with 15 bins of equal width, as in Guo et al. 2017, equation 3.

    Args:
      scores: float [k], 0 to 1.
      right: bool [k].
    """
    places = np.clip(np.ceil(scores * BINS).astype(int) - 1, 0, BINS - 1)
    counts = np.bincount(places, minlength=BINS)
    sums = np.bincount(places, scores, BINS), np.bincount(places, right, BINS)
    error = np.abs(sums[0] - sums[1]).sum() / max(len(scores), 1)
    bins = tuple(
        Bin(int(n), float(score / n), float(hits / n))
        for n, score, hits in zip(counts, *sums, strict=True)
        if n
    )
    return Reliability(float(error), bins)
