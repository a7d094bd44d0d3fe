"""Outcomes: what a model got right, sentence by sentence, as counts that add up."""

from collections.abc import Callable
from typing import Any

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.scoring.infer import decide
from mtt_jax.tasks.decode import decode_spans
from mtt_jax.tasks.schemes import Task


def outcomes(
    forward: Callable, params: Any, examples: ExampleSet, config: Config
) -> dict[str, np.ndarray]:
    """Task -> counts of each of its labelled sentences, int64 [n, K].

    K is 3 for a token task: entities found right, found, and given. It is 3 * C for a sentence
    task: the same three for every class.
    """
    decisions = list(decide(forward, params, examples, config, config.train.batch_rows))
    found: dict[str, np.ndarray] = {}
    for task in config.task_list:
        rows = []
        for index in np.flatnonzero(examples.labelled(task)):
            example, decision = examples[int(index)], decisions[int(index)]
            if task.kind == "sentence":
                size = len(task.classes)
                gold, predicted = example.labels[task.name], decision.sentence[task.name].argmax()
                row = np.zeros(3 * size, np.int64)
                row[size + predicted] = row[2 * size + gold] = 1
                row[gold] = gold == predicted
            else:
                types = task.entity_types
                given = {(int(a), int(b), types[int(k)]) for a, b, k in example.spans[task.name]}
                spans = {tuple(span) for span in decode_spans(decision.words[task.name], task)}
                row = np.array([len(given & spans), len(spans), len(given)], np.int64)
            rows.append(row)
        if rows:
            found[task.name] = np.stack(rows)
    return found


def score(task: Task, totals: np.ndarray) -> np.ndarray:
    """The task's main score from sums of counts [..., K]: macro F1, or strict entity F1.

    Classes that are neither given nor predicted have no F1, and the others share the mean.
    """
    totals = np.asarray(totals, np.float64)
    if task.kind == "token":
        right, found, given = np.moveaxis(totals, -1, 0)
        return 2 * right / np.maximum(found + given, 1)
    by_kind = totals.reshape(*totals.shape[:-1], 3, len(task.classes))
    right, found, given = np.moveaxis(by_kind, -2, 0)
    both = found + given
    present = both > 0
    by_class = np.where(present, 2 * right / np.maximum(both, 1), 0.0)
    return by_class.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)
