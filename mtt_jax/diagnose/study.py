"""The study: every arm trained over several seeds, compared on dev, and written down.

    OUT/diagnose.json      the config that is diagnosed; data.json what its data was
    OUT/runs/ARM-SEED/     each run, as launch.py leaves it
    OUT/outcomes/*.npz     what each got right on dev, sentence by sentence
    OUT/gradients.json     the tasks' gradients along the first joint run
    OUT/report.json        figures and verdicts
    OUT/report.html        the same as a page that opens offline

Whatever is there already is not done again. No decision looks at the test split.
"""

import dataclasses
import io
import json
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console as RichConsole
from rich.table import Table

from mtt_jax.config import files as config_files
from mtt_jax.config.schema import BALANCERS, Config
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.prepare import Prepared, prepare
from mtt_jax.devices.mesh import describe_devices
from mtt_jax.diagnose.arms import FROZEN, POINTS, REAL, alone, make_arms, with_points
from mtt_jax.diagnose.gradients import compare_gradients, make_gradients
from mtt_jax.diagnose.outcomes import outcomes, score
from mtt_jax.diagnose.page import render
from mtt_jax.diagnose.verdict import (
    Difference,
    Verdict,
    balance_or_not,
    difference,
    freeze_or_train,
    made_up_or_real,
    share_or_separate,
)
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.report.console import Console
from mtt_jax.scoring.infer import make_forward
from mtt_jax.tasks.schemes import Task
from mtt_jax.train.checkpoint import Checkpoints
from mtt_jax.train.loop import train
from mtt_jax.train.run_directory import open_folder, write
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.build import build_model, count_parameters

# Batches on which gradients are compared, the same at every point of training.
_BATCHES = 16
_ROUNDS = 5


class Study(NamedTuple):
    """What a diagnosis works with."""

    config: Config
    out: Path
    data: Prepared
    arms: dict[str, Config]
    seeds: int
    balancers: tuple[str, ...]
    console: Console


def diagnose(
    config: Config, out: str | Path, seeds: int, balancers: Sequence[str], console: Console
) -> dict:
    """Runs what is not done yet, and returns the content of report.json.

    Args:
      config: of the run to decide on.
      out: folder to make, or to go on with.
      seeds: runs of each arm; at least 2.
      balancers: values of train.balance to set beside plain joint training.
      console: where the user sees progress.

    Raises:
      UserError: for what the user can mend.
      InterruptedRunError: after SIGTERM or Ctrl-C, once everything is saved.
    """
    study = _prepared(config, Path(out).expanduser(), seeds, tuple(balancers), console)
    found = run_arms(study)
    differences = _differences(study, found)
    cost = _cost(study)
    report = {
        "config": json.loads(config_files.to_json(study.config)),
        "device": describe_devices(),
        "seeds": seeds,
        "dev_sentences": study.data.splits["dev"].counts(),
        "steps": {arm: c.train.steps for arm, c in study.arms.items()},
        "scores": _scores(study, found),
        "differences": {
            name: {task: change._asdict() for task, change in changes.items()}
            for name, changes in differences.items()
        },
        "cost": cost,
        "gradients": _gradients(study),
        "verdicts": {
            question: verdict._asdict()
            for question, verdict in _verdicts(study, differences, cost).items()
        },
    }
    write(study.out / "report.json", json.dumps(report, indent=2, ensure_ascii=False) + "\n")
    write(study.out / "report.html", render(study.out.name, report))
    _show(study, report)
    return report


def _prepared(
    config: Config, out: Path, seeds: int, balancers: tuple[str, ...], console: Console
) -> Study:
    """Checks what is asked for, makes or recognises the folder, and reads the data."""
    if config.phases:
        raise UserError(
            "config.phases: a diagnosis compares training at once with training apart; set "
            "--config.phases='()' and --config.train.steps."
        )
    if sum(task.weight > 0 for task in config.tasks.values()) < 2:
        raise UserError("config.tasks: a diagnosis needs two tasks with a weight above 0.")
    if seeds < 2:
        raise UserError(f"--seeds: {seeds} tells nothing of chance; at least 2.")
    for name in balancers:
        if name not in BALANCERS[1:]:
            raise UserError(
                f"--balancers: {name!r} is not one of {', '.join(BALANCERS[1:])}."
                f"{did_you_mean(name, BALANCERS)}"
            )
    config = pretrained.complete(config)
    # One dev split and one set of training sentences for all seeds.
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, seed=config.data_seed)
    )
    open_folder(out, config, "diagnose.json", "runs", "--out", "a diagnosis", "of")
    console.say(f"Running on {describe_devices()}.")
    data = prepare(config, out)
    for note in data.notes:
        console.say(note)
    dev = data.splits["dev"].counts()
    for name, task in config.tasks.items():
        if task.weight and not dev[name]:
            raise UserError(
                f"config.data.{name}.dev: no labelled sentence; a diagnosis needs some."
            )
    arms = make_arms(config, data.splits["train"], balancers)
    return Study(config, out, data, arms, seeds, balancers, console)


def folder_of(study: Study, arm: str, seed: int) -> Path:
    """The run directory of an arm with a seed."""
    return study.out / "runs" / f"{arm.replace(' ', '-')}-{seed}"


def run_arms(study: Study) -> dict[str, list[dict[str, np.ndarray]]]:
    """Arm -> for each seed: task -> counts by sentence of dev; trains what is not there yet.

    Raises:
      UserError: where what is there was trained with another config.
    """
    total, done = study.seeds * len(study.arms), 0
    found: dict[str, list[dict[str, np.ndarray]]] = {arm: [] for arm in study.arms}
    forward = None
    for seed in range(study.seeds):
        for arm, config in study.arms.items():
            done += 1
            if arm == "joint" and seed == 0:
                config = with_points(config)
            config = dataclasses.replace(config, seed=config.seed + seed)
            folder = folder_of(study, arm, seed)
            kept = _kept(study, arm, seed)
            if not kept.is_file():
                study.console.say(f"run {done} of {total}: {arm}, seed {seed}")
                final = train(config, folder, Console(RichConsole(file=io.StringIO())))
                model = saved_model.load(folder)
                forward = forward or _forward(model)
                counts = outcomes(forward, model.params, study.data.splits["dev"], model.config)
                about = {"config": config_files.to_json(config), "seconds": final["seconds"]}
                kept.parent.mkdir(exist_ok=True)
                fresh = kept.with_name(f".{kept.name}.new.npz")
                arrays: dict[str, Any] = {**counts, "about": np.array(json.dumps(about))}
                np.savez(fresh, **arrays)
                fresh.replace(kept)
            about, counts = _read(kept)
            there = config_files.from_json(about["config"], str(kept))
            changed = config_files.differences(config, there)
            if changed:
                raise UserError(
                    f"{kept}: was trained with another config ({changed[0]}). Name another "
                    "directory with --out=..., or delete this file and the run beside it."
                )
            found[arm].append(counts)
    return found


def _kept(study: Study, arm: str, seed: int) -> Path:
    return study.out / "outcomes" / f"{folder_of(study, arm, seed).name}.npz"


def _read(kept: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The config of a run with the seconds that it took, and its counts by task."""
    with np.load(kept) as file:
        arrays = dict(file)
    return json.loads(str(arrays.pop("about"))), arrays


def _forward(model: saved_model.SavedModel):
    return make_forward(build_model(model.config, model.tokenizer.get_vocab_size()))


def _tasks(study: Study) -> list[Task]:
    """The tasks that are trained."""
    return [t for t in study.config.task_list if study.config.tasks[t.name].weight]


def _variants(study: Study) -> list[str]:
    """The arms that train all tasks in another way than joint."""
    apart = {alone(task.name) for task in _tasks(study)}
    return [arm for arm in study.arms if arm != "joint" and arm not in apart]


def _scores(study: Study, found) -> dict[str, dict[str, dict]]:
    """Task -> arm -> the mean score on dev, and that of each seed."""
    scores: dict[str, dict[str, dict]] = {}
    for task in _tasks(study):
        scores[task.name] = {}
        for arm, config in study.arms.items():
            if config.tasks[task.name].weight:
                each = [float(score(task, run[task.name].sum(axis=0))) for run in found[arm]]
                scores[task.name][arm] = {"mean": float(np.mean(each)), "seeds": each}
    return scores


def _differences(study: Study, found) -> dict[str, dict[str, Difference]]:
    """What is compared -> task -> difference."""

    def less(task: Task, ours: str, theirs: str) -> Difference:
        one, other = (np.stack([run[task.name] for run in found[arm]]) for arm in (ours, theirs))
        return difference(task, one, other)

    tasks = _tasks(study)
    compared = {"joint less alone": {t.name: less(t, "joint", alone(t.name)) for t in tasks}}
    for arm in _variants(study):
        compared[f"{arm} less joint"] = {t.name: less(t, arm, "joint") for t in tasks}
    return compared


def _cost(study: Study) -> dict[str, dict[str, float]]:
    """What each choice costs: parameters, seconds of training, sentences predicted in a second."""
    apart = {alone(task.name): task.name for task in _tasks(study)}
    dev = study.data.splits["dev"]
    models = {arm: saved_model.load(folder_of(study, arm, 0)) for arm in ("joint", *apart)}
    forward = _forward(models["joint"])
    seconds: dict[str, list[float]] = {arm: [] for arm in models}
    for round_ in range(_ROUNDS + 1):
        for arm, model in models.items():
            start = time.perf_counter()
            outcomes(forward, model.params, dev, model.config)
            if round_:  # the first compiles
                seconds[arm].append(time.perf_counter() - start)
    trained = {
        arm: median(_read(_kept(study, arm, seed))[0]["seconds"] for seed in range(study.seeds))
        for arm in study.arms
    }
    shared = models["joint"].params
    separate = sum(
        count_parameters(shared["encoder"]) + count_parameters(shared["heads"][task])
        for task in apart.values()
    )
    cost = {
        "joint": {
            "parameters": count_parameters(shared),
            "training_seconds": trained["joint"],
            "dev_seconds": median(seconds["joint"]),
        },
        "separate": {
            "parameters": separate,
            "training_seconds": sum(trained[arm] for arm in apart),
            "dev_seconds": sum(median(seconds[arm]) for arm in apart),
        },
    }
    for arm in _variants(study):
        cost[arm] = {**cost["joint"], "training_seconds": trained[arm]}
    return cost


def _gradients(study: Study) -> list[dict]:
    """For each saved step of the first joint run: the tasks' gradients, layer by layer."""
    kept = study.out / "gradients.json"
    if kept.is_file():
        return json.loads(kept.read_text(encoding="utf-8"))
    config = study.arms["joint"]
    stream = iter(training_stream(study.data.splits["train"], config))
    batches = [next(stream) for _ in range(_BATCHES)]
    gradients = make_gradients(build_model(config, study.data.tokenizer.get_vocab_size()), config)
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
    write(kept, json.dumps(found) + "\n")
    return found


def _verdicts(study: Study, differences, cost) -> dict[str, Verdict]:
    joint, separate = cost["joint"], cost["separate"]
    verdicts = {
        "share or separate": share_or_separate(
            differences["joint less alone"],
            separate["parameters"] / joint["parameters"],
            separate["dev_seconds"] / joint["dev_seconds"],
        )
    }
    if FROZEN in study.arms:
        time_of = cost[FROZEN]["training_seconds"] / joint["training_seconds"]
        verdicts["freeze or train the encoder"] = freeze_or_train(
            differences[f"{FROZEN} less joint"], time_of
        )
    if REAL in study.arms:
        verdicts["made-up sentences or real ones alone"] = made_up_or_real(
            differences[f"{REAL} less joint"]
        )
    if study.balancers:
        verdicts["balance or not"] = balance_or_not(
            {name: differences[f"{name} less joint"] for name in study.balancers}
        )
    return verdicts


def _show(study: Study, report: dict) -> None:
    """The report on the terminal."""
    tasks = list(report["scores"])
    table = Table(title="dev score, mean over seeds", title_justify="left")
    for heading in ("", *tasks):
        table.add_column(heading)
    for arm in study.arms:
        cells = [
            f"{report['scores'][task][arm]['mean']:.3f}" if arm in report["scores"][task] else ""
            for task in tasks
        ]
        table.add_row(arm, *cells)
    study.console.rich.print(table)
    table = Table(title="difference, with 95% interval", title_justify="left")
    for heading in ("", *tasks):
        table.add_column(heading)
    for name, changes in report["differences"].items():
        table.add_row(name, *(str(Difference(**changes[task])) for task in tasks))
    study.console.rich.print(table)
    for question, verdict in report["verdicts"].items():
        study.console.say(f"{question}: {verdict['kind'].upper()}. {verdict['text']}")
    study.console.say(f"Wrote {study.out}/: report.html, report.json, runs/.")
