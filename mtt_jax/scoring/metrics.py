"""Metrics as counts that add up: `empty`, `merge`, `compute`, without state.

Scores come from sums over the whole split, never from averages of batches. Entity scores are
strict, as in seqeval's strict mode: an entity counts where its start, its end and its type are
all right.
"""

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import ArrayLike

from mtt_jax.tasks.schemes import Task, through_scheme
from mtt_jax.types import Span

NO_ENTITY = "(none)"


def _ratios(right: float, predicted: float, gold: float) -> dict[str, float]:
    """Precision, recall and F1; 0 where there is nothing to divide by."""
    return {
        "precision": right / predicted if predicted else 0.0,
        "recall": right / gold if gold else 0.0,
        "f1": 2 * right / (predicted + gold) if predicted + gold else 0.0,
    }


class Classification:
    """Scores of a sentence task from its confusion matrix, int64 [C gold, C predicted]."""

    @staticmethod
    def empty(classes: int) -> np.ndarray:
        """The matrix before any sentence."""
        return np.zeros((classes, classes), np.int64)

    @staticmethod
    def count(gold: ArrayLike, predicted: ArrayLike, classes: int) -> np.ndarray:
        """The matrix of some sentences."""
        pairs = np.asarray(gold, np.int64) * classes + np.asarray(predicted, np.int64)
        return np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    @staticmethod
    def merge(ours: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        """The matrix of both."""
        return ours + theirs

    @staticmethod
    def compute(matrix: np.ndarray, labels: Sequence[str]) -> dict:
        """Accuracy, macro F1 over the classes that occur, per-class scores, the matrix itself."""
        per_class = {}
        for index, label in enumerate(labels):
            gold = int(matrix[index].sum())
            scores = _ratios(int(matrix[index, index]), int(matrix[:, index].sum()), gold)
            per_class[label] = {**scores, "support": gold}
        # A class that is neither given nor predicted has no F1; the others share the mean.
        present = [i for i in range(len(labels)) if matrix[i].sum() + matrix[:, i].sum()]
        total = int(matrix.sum())
        return {
            "accuracy": float(np.trace(matrix)) / total if total else 0.0,
            "macro_f1": float(np.mean([per_class[labels[i]]["f1"] for i in present] or [0.0])),
            "count": total,
            "per_class": per_class,
            "confusion": {"labels": list(labels), "counts": matrix.tolist()},
        }


class Entities:
    """Strict scores of a token task from counts of (what, type, type) over sentences."""

    @staticmethod
    def empty() -> Counter:
        """The counts before any sentence."""
        return Counter()

    @staticmethod
    def count(gold: Iterable[Span], predicted: Iterable[Span], scheme: str, words: int) -> Counter:
        """The counts of one sentence.

        Args:
          gold: true entities, in words.
          predicted: found entities, in words.
          scheme: the head's tag scheme, to count what is lost by writing `gold` in it.
          words: length of the sentence.
        """
        gold = tuple(gold)
        gold_by_place = {(span.start, span.end): span.label for span in gold}
        found_by_place = {(span.start, span.end): span.label for span in predicted}
        counts: Counter = Counter({("sentences",): 1})
        for place in gold_by_place.keys() | found_by_place.keys():
            pair = gold_by_place.get(place, NO_ENTITY), found_by_place.get(place, NO_ENTITY)
            counts[("pair", *pair)] += 1
        ceiling = set(through_scheme(gold, words, scheme))
        counts[("ceiling right",)] += len(ceiling & set(gold))
        counts[("ceiling predicted",)] += len(ceiling)
        return counts

    @staticmethod
    def merge(ours: Counter, theirs: Counter) -> Counter:
        """The counts of both."""
        return ours + theirs

    @staticmethod
    def compute(counts: Counter, task: Task) -> dict:
        """Precision, recall, F1 overall and by type, and the ceiling that the scheme puts on F1."""
        labels = [*task.entity_types, NO_ENTITY]
        matrix = [[counts[("pair", gold, found)] for found in labels] for gold in labels]
        per_entity = {}
        for index, label in enumerate(task.entity_types):
            gold, found = sum(matrix[index]), sum(row[index] for row in matrix)
            per_entity[label] = {**_ratios(matrix[index][index], found, gold), "support": gold}
        right = sum(matrix[i][i] for i in range(len(labels) - 1))
        gold_total = sum(map(sum, matrix[:-1]))
        found_total = sum(sum(row[:-1]) for row in matrix)
        best = _ratios(counts[("ceiling right",)], counts[("ceiling predicted",)], gold_total)
        return {
            **_ratios(right, found_total, gold_total),
            "count": counts[("sentences",)],
            "mode": "strict",
            "per_entity": per_entity,
            "ceiling": {"scheme": task.scheme, "f1": best["f1"] if gold_total else 1.0},
            "confusion": {"labels": labels, "counts": matrix},
        }
