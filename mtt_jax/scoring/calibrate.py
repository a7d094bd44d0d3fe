"""Calibration on a split: how far scores are from probabilities, and thresholds for a precision."""

import dataclasses
import math
from collections.abc import Mapping, Sequence

import numpy as np

from mtt_jax.tasks import Task
from mtt_jax.tasks.calibrate import Decisions, joined, reliability
from mtt_jax.tasks.score import Calibration, Reached, Row, ratios
from mtt_jax.tasks.thresholds import best_precision, for_precision
from mtt_jax.types import Example

# A labeled example of a task, with log-probabilities as for `Task.answer`.
Pair = tuple[Example, np.ndarray]


def decisions_of(task: Task, pairs: Sequence[Pair]) -> Decisions:
    """What a task says about at least one labeled example, whatever its thresholds."""
    return joined(
        [
            task.decisions(example.labels[task.name], log_probs, example.words)
            for example, log_probs in pairs
        ]
    )


def calibration(task: Task, pairs: Sequence[Pair]) -> Calibration:
    """Expected calibration error with the task's temperature and without any."""
    plain = dataclasses.replace(task, temperature=1.0)
    before, after = (
        reliability(found.scores, found.right)
        for found in (decisions_of(one, pairs) for one in (plain, task))
    )
    return Calibration(task.temperature, before, after)


def with_precision(task: Task, dev: Decisions, precision: float) -> Task:
    """The task with the threshold per label that reaches a precision with the highest recall.

    A label that cannot reach it gets an infinite one: it is never answered.

    Args:
      task: with its temperature.
      dev: its decisions on dev.
      precision: 0 to 1.
    """
    parts = [_of_label(dev, c) for c in range(len(task.answer_labels))]
    return task.with_thresholds(
        [for_precision(part.right, part.scores, precision) for part in parts]
    )


def reached(task: Task, splits: Mapping[str, Decisions]) -> dict[str, Reached]:
    """Label -> what the task's threshold for it gives.

    Args:
      task: with its thresholds.
      splits: split -> the task's decisions there; dev among them.
    """
    found = {}
    for c, (label, threshold) in enumerate(zip(task.answer_labels, task.needed(), strict=True)):
        dev = _of_label(splits["dev"], c)
        found[label] = Reached(
            float(threshold) if math.isfinite(threshold) else None,
            best_precision(dev.right, dev.scores),
            {
                split: _row(_of_label(decisions, c), threshold)
                for split, decisions in splits.items()
            },
        )
    return found


def _of_label(decisions: Decisions, label: int) -> Decisions:
    own = decisions.labels == label
    labels, scores, right, given = decisions
    return Decisions(labels[own], scores[own], right[own], given[label : label + 1])


def _row(decisions: Decisions, threshold: float) -> Row:
    kept = decisions.scores >= threshold
    given = int(decisions.given[0])
    row = ratios(int(decisions.right[kept].sum()), int(kept.sum()), given, given)
    return row if kept.any() else row._replace(precision=None)
