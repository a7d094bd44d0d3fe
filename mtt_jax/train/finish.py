"""The finish: the best checkpoint scored, the model saved, and the report written."""

import json
import time
from collections.abc import Sequence
from typing import Any

from mtt_jax.config import files as config_files
from mtt_jax.config.schema import Config
from mtt_jax.devices import processes
from mtt_jax.devices.mesh import describe_devices, gather
from mtt_jax.report import card, paths, run_page
from mtt_jax.report.console import Console
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.tasks import Score, Task
from mtt_jax.tasks.score import read_scores
from mtt_jax.train.phases import Phase
from mtt_jax.train.progress import History
from mtt_jax.train.run_directory import write
from mtt_jax.train.setup import Setup, state_like
from mtt_jax.train.stop import stop_if_asked
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import count_parameters


def finish(setup: Setup) -> dict[str, Any]:
    """Scores the best checkpoint and writes the model, the report and metrics.json.

    Without dev data the last checkpoint is the best.

    Returns:
      The content of metrics.json.
    """
    seconds = time.time() - setup.started
    config, console = setup.config, setup.console
    best = setup.checkpoints.best()
    step = best[0] if best else setup.steps
    params = setup.checkpoints.restore_state(step, state_like(setup)).params
    history = History.read(setup.run)
    model_config, model_params = saved_model.merged(config, gather(params))
    final: dict[str, Any] = {
        "best_step": step,
        "steps": setup.steps,
        "score": config_files.to_plain(config)["train"]["score"],
        "seconds": round(seconds, 1),
        "device": describe_devices(),
        "parameters": count_parameters(model_params),
    }
    if config.phases:
        final["phases"] = effects(setup.phases, history)
    scores, tasks = _score(setup, params)
    final |= {
        split: {task: score.as_json() for task, score in by_task.items()}
        for split, by_task in scores.items()
    }
    if processes.is_main():
        _write(setup, model_config, model_params, tasks, history, final)
    processes.wait("written")
    show(final, console)
    console.say(f"Wrote {setup.run}/: model/, metrics.json, report.html.")
    return final


def _score(setup: Setup, params: Any) -> tuple[dict[str, dict[str, Score]], tuple[Task, ...]]:
    """(split -> task -> score, the tasks with what they chose on dev); no choice looks at test."""
    scores, tasks = {}, setup.config.task_list
    for split in ("dev", "test"):
        stop_if_asked(processes.agreed(setup.asked), setup.steps)
        examples = setup.data.splits[split]
        if len(examples):
            scores[split], tasks = evaluate(
                setup.forward, params, examples, setup.config, setup.config.train.batch_rows,
                tasks=tasks, fit=split == "dev", calibrated=True,
            )  # fmt: skip
    return scores, tasks


def _write(
    setup: Setup,
    config: Config,
    params: Any,
    tasks: Sequence[Task],
    history: Sequence[dict],
    final: dict[str, Any],
) -> None:
    """Writes the model, the report and metrics.json.

    Args:
      setup: of the run.
      config: of the model, as returned by `saved_model.merged`.
      params: likewise, on the host.
      tasks: with what they chose on dev.
      history: rows of metrics.jsonl.
      final: the content of metrics.json.
    """
    whole = config_files.to_plain(setup.config)
    plain = paths.named(whole)  # these pages are passed on; config.json keeps what a resume needs
    counts = {name: split.counts() for name, split in setup.data.splits.items()}
    name = setup.run.name
    notes = [paths.without_folders(note, whole) for note in setup.data.notes]
    text = card.render(name, tasks, plain, final, notes, counts)
    folder = setup.run / "model"
    saved_model.save(folder, config, params, setup.data.tokenizer, text, tasks=tasks)
    write(setup.run / "report.html", run_page.render(name, plain, history, final))
    # Last, since a run with a metrics.json is finished.
    write(setup.run / "metrics.json", json.dumps(final, indent=2, ensure_ascii=False) + "\n")


def effects(phases: Sequence[Phase], history: Sequence[dict]) -> list[dict[str, Any]]:
    """What each phase did to the tasks' headline scores on dev; no scores without dev data."""
    scores = {row["step"]: row["scores"] for row in history if row["kind"] == "dev"}
    return [
        {
            "name": phase.name,
            "start": phase.start,
            "end": phase.end,
            "tasks": list(phase.config.active),
            "learning_rate": phase.config.train.learning_rate,
            "before": scores.get(phase.start, {}),
            "after": scores.get(phase.end, {}),
        }
        for phase in phases
    ]


def show(final: dict[str, Any], console: Console) -> None:
    """Prints the scores of a finished run, from the content of its metrics.json."""
    console.phases(final.get("phases", []))
    console.scores(read_scores(final))
