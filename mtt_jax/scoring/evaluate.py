"""Evaluation: parameters and examples to scores, the same for training, shell and prediction."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from mtt_jax.config.resolve import parse_pairs
from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, tags
from mtt_jax.scoring.infer import Decision, decide
from mtt_jax.scoring.metrics import Classification, Entities
from mtt_jax.tasks.decode import decode_spans
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Batch, Example, Outputs, Span


def evaluate(
    forward: Callable[[Any, Batch], Outputs],
    params,
    examples: ExampleSet,
    config: Config,
    rows: int = 32,
) -> dict[str, dict]:
    """Scores of a model on a split: what it decides, by `scores_of`."""
    return scores_of(list(decide(forward, params, examples, config, rows)), examples, config)


def scores_of(
    decisions: Sequence[Decision], examples: ExampleSet, config: Config
) -> dict[str, dict]:
    """Scores of every task that has labels in a split.

    Args:
      decisions: one for each example.
      examples: the split.
      config: tasks.

    Returns:
      task -> scores as `Classification.compute` and `Entities.compute` give them, with the mean
      cross-entropy over the labels as "loss".
    """
    scores = {}
    for task in config.task_list:
        labelled = np.flatnonzero(examples.labelled(task))
        if not len(labelled):
            continue
        score = _sentence_scores if task.kind == "sentence" else _token_scores
        pairs = [(examples[int(i)], decisions[int(i)]) for i in labelled]
        scores[task.name] = score(task, pairs)
    return scores


def _sentence_scores(task: Task, pairs: Sequence[tuple[Example, Decision]]) -> dict:
    gold = np.array([example.labels[task.name] for example, _ in pairs])
    log_probs = np.stack([decision.sentence[task.name] for _, decision in pairs])
    matrix = Classification.count(gold, log_probs.argmax(axis=-1), len(task.classes))
    loss = -log_probs[np.arange(len(gold)), gold].mean()
    return {**Classification.compute(matrix, task.labels), "loss": float(loss)}


def _token_scores(task: Task, pairs: Sequence[tuple[Example, Decision]]) -> dict:
    counts = Entities.empty()
    loss, words = 0.0, 0
    for example, decision in pairs:
        ids = example.spans[task.name]
        gold = [Span(int(s), int(e), task.entity_types[int(k)]) for s, e, k in ids]
        log_probs = decision.words[task.name]
        found = decode_spans(log_probs, task)
        counts = Entities.merge(
            counts, Entities.count(gold, found, task.scheme, len(example.starts))
        )
        read = np.flatnonzero(example.starts >= 0)
        classes = tags(ids, len(example.starts), task.scheme)[read]
        loss -= float(log_probs[read, classes].sum())
        words += len(read)
    return {**Entities.compute(counts, task), "loss": loss / max(words, 1)}


def overall_score(scores: dict[str, dict], config: Config) -> float:
    """The declared score: the weighted mean of macro F1 (sentence tasks) and F1 (token tasks)."""
    weights = parse_pairs(config.train.score, "config.train.score", kind=float)
    parts = {
        name: main_score(result) for name, result in scores.items() if weights.get(name, 0) > 0
    }
    total = sum(weights[name] for name in parts)
    return sum(weights[name] * value for name, value in parts.items()) / total if total else 0.0


def main_score(result: dict) -> float:
    """The one figure that stands for a task: macro F1 of a sentence task, F1 of a token task."""
    return result["macro_f1"] if "macro_f1" in result else result["f1"]
