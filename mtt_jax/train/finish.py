"""The finish: the best checkpoint scored, the model saved, and the report written."""

import json
import time
from collections.abc import Mapping, Sequence
from typing import Any

from mtt_jax.atomic import write
from mtt_jax.config import files as config_files
from mtt_jax.config.schema import Config
from mtt_jax.devices import processes
from mtt_jax.devices.mesh import describe_devices, gather
from mtt_jax.distill.compare import compare
from mtt_jax.report import card, paths, run_page
from mtt_jax.report.console import Console
from mtt_jax.report.run_files import MISTAKES, read_run
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.tasks import Score, Task
from mtt_jax.tasks.score import read_scores
from mtt_jax.train.health import skipped_steps
from mtt_jax.train.journal import held_out
from mtt_jax.train.phases import Phase, early_stops
from mtt_jax.train.progress import History
from mtt_jax.train.setup import Setup, by_task, check_directory, state_like
from mtt_jax.train.stop import stop_if_asked
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import count_parameters


def finish(setup: Setup, history: History) -> dict[str, Any]:
    """Scores the best checkpoint and writes the model, the report and metrics.json.

    Without dev data the last checkpoint is the best.

    Args:
      setup: of the run.
      history: takes the scores on test.

    Returns:
      The content of metrics.json.
    """
    seconds = time.time() - setup.started
    config, console = setup.config, setup.console
    check_directory(setup)
    best = setup.checkpoints.best()
    step = best[0] if best else setup.steps
    params = _params_of(setup, step)
    rows = History.read(setup.run)
    model_config, model_params = saved_model.merged(config, gather(params))
    final: dict[str, Any] = {
        "best_step": step,
        "steps": setup.steps,
        "score": config_files.to_plain(config)["train"]["score"],
        "seconds": round(seconds, 1),
        "device": describe_devices(),
        "parameters": count_parameters(model_params),
    }
    if stops := early_stops(setup.phases, setup.scored):
        final["stopped_early"] = [stop._asdict() for stop in stops]
    final["skipped_steps"] = len(skipped_steps(rows))
    final["loss_spikes"] = sum(row["kind"] == "spike" for row in rows)
    if config.phases:
        final["phases"] = effects(setup.phases, rows)
    scores, tasks, mistakes = _score(setup, params)
    final |= scores
    if test := read_scores(scores).get("test"):
        history.tested(setup.steps, step, test)
    final["data"] = _about_data(setup)
    if texts := held_out(setup, params):
        final["held_out"] = {name: found.as_json() for name, found in texts.items()}
    if of_tasks := by_task(config, setup.data):
        final["best_by_task"] = {name: _keep_best(setup, name, final) for name in of_tasks}
    check_directory(setup)
    if processes.is_main():
        if config.distill.teachers and setup.data.splits["train"].answers:
            final["distill"] = compare(config, setup.data)
        _write(setup, model_config, model_params, tasks, final, mistakes)
    check_directory(setup)
    show(final, console)
    folders = ", ".join(f"{saved_model.directory(name)}/" for name in ("", *of_tasks))
    console.say(f"Wrote {setup.run}/: {folders}, metrics.json, report.html.")
    return final


def _params_of(setup: Setup, step: int) -> Any:
    """The parameters of a checkpoint that are evaluated and saved."""
    return setup.checkpoints.restore_state(step, state_like(setup)).model_params


def _keep_best(setup: Setup, task: str, final: Mapping[str, Any]) -> dict[str, Any]:
    """Saves the model of the checkpoint that is best by one task.

    Args:
      setup: of the run.
      task: one of which the best checkpoint was kept.
      final: what metrics.json says about the run as a whole.

    Returns:
      {"step", and for each split the score of that task}.
    """
    best = setup.checkpoints.best(task)
    assert best is not None  # every run with dev data ends with an evaluation
    step = best[0]
    params = _params_of(setup, step)
    scores, tasks, _ = _score(setup, params, with_mistakes=False)
    config, whole = saved_model.merged(setup.config, gather(params))
    if processes.is_main():
        here = {key: value for key, value in final.items() if key not in ("dev", "test")}
        text = _card(setup, tasks, {**here, "best_step": step, "chosen_by": task, **scores})
        folder = setup.run / saved_model.directory(task)
        saved_model.save(folder, config, whole, setup.data.tokenizer, text, tasks=tasks)
    return {"step": step, **{s: scored[task] for s, scored in scores.items() if task in scored}}


def _about_data(setup: Setup) -> dict[str, Any]:
    """What was read, and what the check of the data said, in metrics.json."""
    return {
        "sentences": {name: split.counts() for name, split in setup.data.splits.items()},
        "notes": _notes(setup),
    }


def _notes(setup: Setup) -> list[str]:
    """What the user was told about the data, without the folders of the files."""
    whole = config_files.to_plain(setup.config)
    return [paths.without_folders(note, whole) for note in setup.data.notes]


ByTask = dict[str, dict[str, Any]]


def _score(
    setup: Setup, params: Any, with_mistakes: bool = True
) -> tuple[ByTask, tuple[Task, ...], ByTask]:
    """(scores as JSON, the tasks with what they chose on dev, the sentences that went most wrong).

    Scores and sentences are split -> task -> them. The sentences are those of dev, so that whoever
    learns from them can still measure the result on test; those of test for a task without dev.
    None are looked for without `with_mistakes`.
    """
    scores: ByTask = {}
    mistakes: ByTask = {}
    tasks = setup.config.task_list
    for split in ("dev", "test"):
        stop_if_asked(processes.agreed(setup.asked), setup.steps)
        examples = setup.data.splits[split]
        if len(examples) and tasks:
            names = {task.name for task in tasks} if with_mistakes else set()
            found = evaluate(
                setup.forward, params, examples, setup.config, setup.config.train.batch_rows,
                tasks=tasks, fit=split == "dev", calibrated=True,
                mistakes=names - scores.get("dev", {}).keys(),
            )  # fmt: skip
            tasks = found.tasks
            scores[split] = {name: score.as_json() for name, score in found.scores.items()}
            mistakes[split] = found.mistakes
    return scores, tasks, mistakes


def _write(
    setup: Setup,
    config: Config,
    params: Any,
    tasks: Sequence[Task],
    final: dict[str, Any],
    mistakes: ByTask,
) -> None:
    """Writes the model, the report and metrics.json.

    Args:
      setup: of the run.
      config: of the model, as returned by `saved_model.merged`.
      params: likewise, on the host.
      tasks: with what they chose on dev.
      final: the content of metrics.json.
      mistakes: that of mistakes.json.
    """
    folder, text = setup.run / saved_model.directory(), _card(setup, tasks, final)
    saved_model.save(folder, config, params, setup.data.tokenizer, text, tasks=tasks)
    write(setup.run / MISTAKES, json.dumps(mistakes, indent=1, ensure_ascii=False) + "\n")
    run = read_run(setup.run)._replace(final=final)
    write(setup.run / "report.html", run_page.render(run))
    # Last, since a run with a metrics.json is finished.
    write(setup.run / "metrics.json", json.dumps(final, indent=2, ensure_ascii=False) + "\n")


def _card(setup: Setup, tasks: Sequence[Task], final: Mapping[str, Any]) -> str:
    """The model card, without the folders of the user's files, since it is passed on."""
    whole = config_files.to_plain(setup.config)
    counts = {name: split.counts() for name, split in setup.data.splits.items()}
    chosen = final.get("chosen_by")
    name = setup.run.name + (f"/{saved_model.directory(chosen)}" if chosen else "")
    return card.render(name, tasks, paths.named(whole), final, _notes(setup), counts)


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
    texts = final.get("held_out", {})
    if final.get("dev") or final.get("test") or not texts:
        console.scores(read_scores(final))
    for name, found in texts.items():
        console.say(
            f"{name}: perplexity {found['perplexity']:,.2f} on {found['count']:,} hidden subwords "
            "of held-out text."
        )
    console.teachers(final)
    for task, best in final.get("best_by_task", {}).items():
        own, shared = (
            Score.from_json(plain).headline for plain in (best["dev"], final["dev"][task])
        )
        console.say(
            f"{task}: best at step {best['step']:,}, dev {own:.3f} ({shared:.3f} in "
            f"{saved_model.directory()}/): {saved_model.directory(task)}/"
        )
