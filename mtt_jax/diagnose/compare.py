"""What the runs of a diagnosis show: scores, differences, gradients and verdicts."""

import json

import numpy as np

from mtt_jax.atomic import write
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.diagnose.arms import FROZEN, POINTS, REAL, alone
from mtt_jax.diagnose.gradients import compare_gradients, make_gradients
from mtt_jax.diagnose.runs import Study, Tallies, folder_of
from mtt_jax.diagnose.verdict import (
    Difference,
    Verdict,
    balance_or_not,
    difference,
    freeze_or_train,
    share_or_separate,
    synthetic_or_real,
)
from mtt_jax.report.run_files import read_metrics
from mtt_jax.tasks import Score, Task
from mtt_jax.train.checkpoint import Checkpoints
from mtt_jax.weights.build import build_model

# Batches on which gradients are compared, the same at every point of training.
_BATCHES = 16


def scores_of(study: Study, found: dict[str, list[Tallies]]) -> dict[str, dict[str, dict]]:
    """Task -> arm -> the headline score on dev: of each seed, and their mean."""
    scores: dict[str, dict[str, dict]] = {}
    for task in study.tasks:
        scores[task.name] = {}
        for arm, config in study.arms.items():
            if task.name in config.active:
                each = [float(task.headline(run[task.name].sum(axis=0))) for run in found[arm]]
                scores[task.name][arm] = {"mean": float(np.mean(each)), "seeds": each}
    return scores


def titles_of(study: Study) -> dict[str, str]:
    """Task -> what its headline score is called, such as "macro F1"."""
    final = read_metrics(folder_of(study, "joint", 0))
    assert final is not None  # the run is finished
    return {t.name: Score.from_json(final["dev"][t.name]).figures[0].title for t in study.tasks}


def differences_of(
    study: Study, found: dict[str, list[Tallies]]
) -> dict[str, dict[str, Difference]]:
    """What is compared -> task -> difference."""

    def minus(task: Task, ours: str, theirs: str) -> Difference:
        one, other = (np.stack([run[task.name] for run in found[arm]]) for arm in (ours, theirs))
        return difference(task, one, other)

    compared = {
        "joint minus alone": {t.name: minus(t, "joint", alone(t.name)) for t in study.tasks}
    }
    for arm in study.variants:
        compared[f"{arm} minus joint"] = {t.name: minus(t, arm, "joint") for t in study.tasks}
    return compared


def gradients_of(study: Study) -> list[dict]:
    """The tasks' gradients, layer by layer, at each checkpoint of the first joint run."""
    file = study.out / "gradients.json"
    if file.is_file():
        return json.loads(file.read_text(encoding="utf-8"))
    config = study.arms["joint"]
    stream = iter(training_stream(study.data.splits["train"], config))
    batches = [next(stream) for _ in range(_BATCHES)]
    gradients = make_gradients(build_model(config, vocabulary_size(study.data.tokenizer)), config)
    checkpoints = Checkpoints(folder_of(study, "joint", 0), POINTS)
    try:
        found = [
            {
                "step": step,
                "pairs": compare_gradients(
                    gradients, checkpoints.parameters(step), batches, config
                ),
            }
            for step in checkpoints.steps()
        ]
    finally:
        checkpoints.close()
    write(file, json.dumps(found) + "\n")
    return found


def verdicts_of(
    study: Study, differences: dict[str, dict[str, Difference]], cost: dict[str, dict[str, float]]
) -> dict[str, Verdict]:
    """Question -> verdict."""
    joint, separate = cost["joint"], cost["separate"]
    verdicts = {
        "share or separate": share_or_separate(
            differences["joint minus alone"],
            separate["parameters"] / joint["parameters"],
            separate["dev_seconds"] / joint["dev_seconds"],
        )
    }
    if FROZEN in study.arms:
        time_of = cost[FROZEN]["training_seconds"] / joint["training_seconds"]
        verdicts["freeze or train the encoder"] = freeze_or_train(
            differences[f"{FROZEN} minus joint"], time_of
        )
    if REAL in study.arms:
        verdicts["synthetic sentences or real ones alone"] = synthetic_or_real(
            differences[f"{REAL} minus joint"]
        )
    if study.balancers:
        verdicts["balance or not"] = balance_or_not(
            {name: differences[f"{name} minus joint"] for name in study.balancers}
        )
    return verdicts
