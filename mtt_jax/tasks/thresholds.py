"""Thresholds: the score from which on a label is answered, chosen on labeled sentences."""

import math
from typing import NamedTuple

import numpy as np


class _Cuts(NamedTuple):
    """Every place where a threshold can lie between scores, from the highest score down.

    Attributes:
      thresholds: float64 [m] midway between two adjacent scores.
      right: int64 [m] how many of the scores above are right.
      found: int64 [m] how many scores are above.
    """

    thresholds: np.ndarray
    right: np.ndarray
    found: np.ndarray


def best_f1(given: np.ndarray, probs: np.ndarray, otherwise: float) -> float:
    """The threshold with the highest F1; of equally good ones the nearest to `otherwise`.

    Args:
      given: bool [n], whether the label is there.
      probs: float [n], of the label.
      otherwise: for a label that is nowhere.
    """
    if not given.any():
        return otherwise
    cuts = _cuts(given, probs)
    f1 = 2 * cuts.right / (cuts.found + given.sum())
    best = cuts.thresholds[f1 >= f1.max() - 1e-12]
    return float(best[np.argmin(np.abs(best - otherwise))])


def for_precision(right: np.ndarray, scores: np.ndarray, precision: float) -> float:
    """The threshold with the highest recall that reaches a precision; infinity if none does.

    Of equal recall, the one with the higher precision is taken.

    Args:
      right: bool [n], whether each answer was right.
      scores: float [n], of the answers.
      precision: to reach.
    """
    cuts = _cuts(right, scores)
    reached = np.flatnonzero((cuts.right >= precision * cuts.found - 1e-9) & (cuts.right > 0))
    if not len(reached):
        return math.inf
    # The first of those with the most right answers: fewer are above it.
    return float(cuts.thresholds[reached[np.argmax(cuts.right[reached])]])


def best_precision(right: np.ndarray, scores: np.ndarray) -> float | None:
    """The highest precision that any threshold reaches; None if there is no answer."""
    cuts = _cuts(right, scores)
    return float((cuts.right / cuts.found).max()) if len(scores) else None


def _cuts(right: np.ndarray, scores: np.ndarray) -> _Cuts:
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(right[order])
    below = np.append(ranked[1:], 0.0)[: len(ranked)]
    middle = (ranked + below) / 2
    middle = np.where(middle > below, middle, ranked)  # the next float64 has nothing in between
    possible = ranked > below
    found = np.arange(1, len(scores) + 1)
    return _Cuts(middle[possible], hits[possible], found[possible])
