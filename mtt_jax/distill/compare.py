"""Student and teachers side by side, on the sentences that the student is scored on."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.prepare import Prepared, texts_of
from mtt_jax.distill.teachers import Teacher, open_teachers
from mtt_jax.scoring.evaluate import fit_tasks, score_inferences
from mtt_jax.scoring.infer import Inference
from mtt_jax.tasks import Task


def compare(config: Config, data: Prepared) -> dict[str, Any]:
    """What metrics.json says about the teachers of a run.

    Args:
      config: of the run, which has teachers.
      data: of the run, with the teachers' answers.

    Returns:
      {"temperature", "gold", "anneal", "weight", "floor", "unlabelled", "filled", "teachers"}:
      "filled" are the training sentences without a label of each task that have an answer, and each
      of "teachers" is {"path", "tasks", and for each split the score of each task}.
    """
    train, fields = data.splits["train"], config.distill
    texts = texts_of(config)
    answers = train.answers
    assert answers is not None
    return {
        "temperature": fields.temperature,
        "gold": fields.gold,
        "anneal": fields.anneal,
        "weight": fields.weight,
        "floor": fields.floor,
        "unlabelled": fields.unlabelled,
        "filled": {
            task.name: int((answers.answered(task.name) & ~train.labelled(task)).sum())
            for task in config.task_list
            if task.name in answers.tasks
        },
        "teachers": [
            {
                "path": _shown(teacher.path),
                "tasks": [task.name for task in teacher.tasks],
                **_scores(teacher, data.splits, texts),
            }
            for teacher in open_teachers(config)
        ],
    }


def _shown(path: str) -> str:
    """A path without its folders if it is absolute, since reports are passed on."""
    return Path(path).name if Path(path).expanduser().is_absolute() else path


def _scores(
    teacher: Teacher, splits: Mapping[str, ExampleSet], texts: Mapping[str, Sequence[str]]
) -> dict[str, dict[str, Any]]:
    """Split -> task -> score as JSON; thresholds are chosen on dev, as a student's are."""
    tasks, found = teacher.tasks, {}
    for split in ("dev", "test"):
        examples = splits[split]
        if not len(examples):
            continue
        inferences, covered = _inferences(teacher, examples, texts[split])
        if split == "dev":
            tasks = fit_tasks(inferences, examples, tasks)
        own = [task for task in tasks if task.name in covered]
        scores = score_inferences(inferences, examples, own)
        found[split] = {name: score.as_json() for name, score in scores.items()}
    return found


def _inferences(
    teacher: Teacher, examples: ExampleSet, texts: Sequence[str]
) -> tuple[list[Inference], set[str]]:
    """What a teacher says about a split, and the tasks of which it answers every sentence."""
    words = [examples[index].words for index in range(len(examples))]
    answers = teacher.answer(texts, words)
    none = np.zeros(0, np.float32)
    inferences = [
        Inference(
            {task.name: task.as_log_probs(answers[task.name][index]) for task in teacher.tasks},
            none,
        )
        for index in range(len(examples))
    ]
    covered = {task.name for task in teacher.tasks if _covers(task, answers[task.name], examples)}
    return inferences, covered


def _covers(task: Task, answers: Sequence[np.ndarray], examples: ExampleSet) -> bool:
    """Whether every labeled sentence that has words has an answer."""
    return all(
        np.isfinite(answers[index]).any() or not len(examples[index].words)
        for index in np.flatnonzero(examples.labelled(task)).tolist()
    )
