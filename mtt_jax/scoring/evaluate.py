"""Evaluation: parameters and examples to scores, the same for training, commands and prediction."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.errors import UserError
from mtt_jax.scoring.calibrate import calibration, decisions_of, reached, with_precision
from mtt_jax.scoring.held_out import Perplexity, score_of_texts
from mtt_jax.scoring.infer import Inference, infer
from mtt_jax.scoring.mistakes import answered, worst
from mtt_jax.tasks import Score, Task
from mtt_jax.tasks.score import Reached
from mtt_jax.types import Batch, Example, Outputs


class Evaluation(NamedTuple):
    """The scores of a split, and the tasks as they were scored.

    Attributes:
      scores: task -> its score, for every task that has labels in the split.
      tasks: with whatever was chosen on dev: temperatures, thresholds.
      mistakes: task -> the sentences that it gets most wrong, as `worst` returns them; {} unless
        they were asked for.
    """

    scores: dict[str, Score]
    tasks: tuple[Task, ...]
    mistakes: dict[str, list[dict[str, Any]]]


def evaluate(
    forward: Callable[[Any, Batch], Outputs],
    params: Any,
    examples: ExampleSet,
    config: Config,
    rows: int = 32,
    tasks: Sequence[Task] | None = None,
    fit: bool = False,
    calibrated: bool = False,
    mistakes: Collection[str] = (),
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
      calibrated: see `fit_tasks` and `score_inferences`.
      mistakes: names of the tasks of which to list the sentences that go most wrong.
    """
    chosen = tuple(tasks or config.task_list)
    inferences = list(infer(forward, params, examples, config, rows, tasks=chosen))
    if fit:
        chosen = fit_tasks(inferences, examples, chosen, calibrated)
    scores = score_inferences(inferences, examples, chosen, calibrated)
    listed = {
        task.name: worst(task, inferences, examples)
        for task in chosen
        if task.name in mistakes and task.name in scores
    }
    return Evaluation(scores, chosen, listed)


def fit_tasks(
    inferences: Sequence[Inference],
    examples: ExampleSet,
    tasks: Sequence[Task],
    calibrated: bool = False,
) -> tuple[Task, ...]:
    """The tasks with what they choose on dev: thresholds, and temperatures if asked for.

    Args:
      inferences: one for each example of dev.
      examples: dev.
      tasks: all.
      calibrated: whether to choose temperatures. No answer depends on them, and they take longer
        than the rest.
    """
    check_finite(inferences)
    fitted = []
    for task in tasks:
        pairs = _pairs(task, inferences, examples)
        gold = [example.labels[task.name] for example, _ in pairs]
        log_probs = [found for _, found in pairs]
        if calibrated:
            task = task.calibrate(gold, log_probs, [example.words for example, _ in pairs])
        fitted.append(task.fit(gold, log_probs))
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
    inferences: Sequence[Inference],
    examples: ExampleSet,
    tasks: Sequence[Task],
    calibrated: bool = False,
) -> dict[str, Score]:
    """Task -> score, for every task that has labels in a split.

    Args:
      inferences: one for each example.
      examples: the split.
      tasks: all.
      calibrated: whether to measure calibration, too, which takes longer than the rest.
    """
    check_finite(inferences)
    scores = {}
    for task in tasks:
        counts: Counter = Counter()
        loss, units = 0.0, 0
        pairs = _pairs(task, inferences, examples)
        for example, log_probs in pairs:
            gold = example.labels[task.name]
            counts.update(task.count(gold, task.answer(log_probs), example.words))
            part, count = task.cross_entropy(gold, log_probs)
            loss, units = loss + part, units + count
        if counts:
            score = task.score(counts, loss / max(units, 1))
            found = calibration(task, pairs) if calibrated else None
            scores[task.name] = score._replace(calibration=found)
    return scores


def choose_thresholds(
    tasks: Sequence[Task],
    splits: Mapping[str, tuple[Sequence[Inference], ExampleSet]],
    precision: float,
) -> tuple[tuple[Task, ...], dict[str, dict[str, Reached]]]:
    """The tasks with thresholds for a precision, and task -> label -> what its threshold gives.

    Temperatures are chosen anew, too. A task without labels in dev stays as it is.

    Args:
      tasks: all.
      splits: split -> (inferences, examples); dev, on which everything is chosen, is the first.
      precision: to reach; 0 for the thresholds that training chooses.
    """
    for inferences, _ in splits.values():
        check_finite(inferences)
    chosen, found = [], {}
    for task in fit_tasks(*splits["dev"], tasks, calibrated=True):
        pairs = {split: _pairs(task, *both) for split, both in splits.items()}
        if pairs["dev"]:
            decisions = {split: decisions_of(task, own) for split, own in pairs.items() if own}
            if precision:
                task = with_precision(task, decisions["dev"], precision)
            found[task.name] = reached(task, decisions)
        chosen.append(task)
    return tuple(chosen), found


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
                    task.answer(log_probs),
                    example.words,
                )
            )
            for example, log_probs in _pairs(task, inferences, examples)
        ]
        if rows:
            found[task.name] = np.stack(rows)
    return found


def overall_score(
    scores: Mapping[str, Score], config: Config, texts: Mapping[str, Perplexity] | None = None
) -> float:
    """The score that chooses checkpoints: the mean of headline scores weighted by train.score.

    Args:
      scores: of dev.
      config: which tasks count, and how much.
      texts: objective -> perplexity on held-out text, which counts if no task trains.
    """
    trained = any(task.name in config.trained for task in config.task_list)
    if not trained and texts:
        return score_of_texts(texts)
    weights = {n: w for n, w in config.train.score.items() if n in config.trained}
    parts = {n: score.headline for n, score in scores.items() if weights.get(n, 0) > 0}
    total = sum(weights[name] for name in parts)
    return sum(weights[name] * value for name, value in parts.items()) / total if total else 0.0


def _pairs(
    task: Task, inferences: Sequence[Inference], examples: ExampleSet
) -> list[tuple[Example, np.ndarray]]:
    """The examples that carry a label of a task and get an answer, with its log-probabilities."""
    return [
        (examples[index], inferences[index].log_probs[task.name])
        for index in answered(task, examples)
    ]
