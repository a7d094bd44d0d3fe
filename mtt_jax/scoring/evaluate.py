"""Evaluation: parameters and examples to scores, the same for training, commands and prediction."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.errors import UserError
from mtt_jax.scoring.infer import Inference, infer
from mtt_jax.tasks import Score, Task
from mtt_jax.types import Batch, Example, Outputs


class Evaluation(NamedTuple):
    """The scores of a split, and the tasks as they were scored.

    Attributes:
      scores: task -> its score, for every task that has labels in the split.
      tasks: with whatever was chosen on dev, such as thresholds.
    """

    scores: dict[str, Score]
    tasks: tuple[Task, ...]


def evaluate(
    forward: Callable[[Any, Batch], Outputs],
    params: Any,
    examples: ExampleSet,
    config: Config,
    rows: int = 32,
    tasks: Sequence[Task] | None = None,
    fit: bool = False,
) -> Evaluation:
    """Scores a model on a split.

    Args:
      forward: as returned by `make_forward`.
      params: of the model.
      examples: the split.
      config: tasks, lengths and slots.
      rows: B.
      tasks: as another evaluation returned them, for what was chosen on dev; those of the config by
        default.
      fit: whether the tasks choose on this split; for dev only.
    """
    chosen = tuple(tasks or config.task_list)
    inferences = list(infer(forward, params, examples, config, rows, tasks=chosen))
    if fit:
        chosen = fit_tasks(inferences, examples, chosen)
    return Evaluation(score_inferences(inferences, examples, chosen), chosen)


def fit_tasks(
    inferences: Sequence[Inference], examples: ExampleSet, tasks: Sequence[Task]
) -> tuple[Task, ...]:
    """The tasks with what they choose on dev, such as thresholds.

    Args:
      inferences: one for each example of dev.
      examples: dev.
      tasks: all.
    """
    check_finite(inferences)
    fitted = []
    for task in tasks:
        pairs = list(_labelled(task, inferences, examples))
        gold = [example.labels[task.name] for example, _ in pairs]
        fitted.append(task.fit(gold, [found.log_probs[task.name] for _, found in pairs]))
    return tuple(fitted)


def check_finite(inferences: Sequence[Inference]) -> None:
    """Refuses to score answers that are NaN or infinite.

    Raises:
      UserError: saying for how many sentences, and which is the first.
    """
    failed = [index for index, found in enumerate(inferences, start=1) if not found.finite]
    if failed:
        raise UserError(
            f"the model's answer is NaN or infinite for {len(failed):,} of {len(inferences):,} "
            f"sentences, first for sentence {failed[0]:,} of the split; there is no score. Train "
            "again with a lower learning rate, or leave these sentences out."
        )


def score_inferences(
    inferences: Sequence[Inference], examples: ExampleSet, tasks: Sequence[Task]
) -> dict[str, Score]:
    """Task -> score, for every task that has labels in a split.

    Args:
      inferences: one for each example.
      examples: the split.
      tasks: all.
    """
    check_finite(inferences)
    scores = {}
    for task in tasks:
        counts: Counter = Counter()
        loss, units = 0.0, 0
        for example, found in _labelled(task, inferences, examples):
            gold, log_probs = example.labels[task.name], found.log_probs[task.name]
            counts.update(task.count(gold, task.answer(log_probs), example.words))
            part, count = task.cross_entropy(gold, log_probs)
            loss, units = loss + part, units + count
        if counts:
            scores[task.name] = task.score(counts, loss / max(units, 1))
    return scores


def sentence_tallies(
    inferences: Sequence[Inference], examples: ExampleSet, tasks: Sequence[Task]
) -> dict[str, np.ndarray]:
    """Task -> int64 [n, 3, X] what was right, found and given in each of its labeled sentences.

    `Task.headline` turns sums of them into the task's headline score.
    """
    check_finite(inferences)
    found = {}
    for task in tasks:
        rows = [
            task.tallies(
                task.count(
                    example.labels[task.name],
                    task.answer(inference.log_probs[task.name]),
                    example.words,
                )
            )
            for example, inference in _labelled(task, inferences, examples)
        ]
        if rows:
            found[task.name] = np.stack(rows)
    return found


def overall_score(scores: Mapping[str, Score], config: Config) -> float:
    """The score that chooses checkpoints: the mean of headline scores weighted by train.score."""
    weights = {n: w for n, w in config.train.score.items() if n in config.trained}
    parts = {n: score.headline for n, score in scores.items() if weights.get(n, 0) > 0}
    total = sum(weights[name] for name in parts)
    return sum(weights[name] * value for name, value in parts.items()) / total if total else 0.0


def _labelled(
    task: Task, inferences: Sequence[Inference], examples: ExampleSet
) -> Iterator[tuple[Example, Inference]]:
    """The examples that carry a label of a task, with what the model says about them.

    Without those to which a predictor gives no answer: no task per sentence answers for a text
    without a word.
    """
    for index in np.flatnonzero(examples.labelled(task)):
        example = examples[int(index)]
        if task.unit == "word" or len(example.words):
            yield example, inferences[int(index)]
