"""The runs of a diagnosis: prepared, trained, and what each gets right on dev.

What exists already is not repeated.
"""

import dataclasses
import io
import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from rich.console import Console as RichConsole

from mtt_jax import atomic
from mtt_jax.config import files as config_files
from mtt_jax.config.schema import BALANCERS, Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.prepare import Prepared, prepare, with_labels
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.devices.mesh import describe_devices
from mtt_jax.diagnose.arms import alone, compared_tasks, make_arms, with_points
from mtt_jax.errors import UserError, one_of
from mtt_jax.report.console import Console, duration
from mtt_jax.scoring.evaluate import sentence_tallies
from mtt_jax.scoring.infer import infer, make_forward
from mtt_jax.tasks import Task
from mtt_jax.train.loop import train
from mtt_jax.train.run_directory import Layout, keep_labels, keep_tokenizer, open_folder
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import build_model
from mtt_jax.weights.initial import complete, keep_source_labels

_DIAGNOSIS = Layout(name="diagnosis", flag="--out", config="diagnose.json", work="runs")

# Task -> int64 [n, 3, X] tallies of each labeled sentence of dev.
Tallies = dict[str, np.ndarray]


class Study(NamedTuple):
    """What a diagnosis works with.

    Attributes:
      config: of the run to decide on.
      out: the folder of the diagnosis.
      data: the run's.
      arms: name -> config.
      seeds: runs per arm.
      balancers: values of train.balance that are compared.
      console: where the user sees progress.
    """

    config: Config
    out: Path
    data: Prepared
    arms: dict[str, Config]
    seeds: int
    balancers: tuple[str, ...]
    console: Console

    @property
    def tasks(self) -> list[Task]:
        """The tasks that are compared."""
        return compared_tasks(self.config)

    @property
    def variants(self) -> list[str]:
        """The arms that train all tasks differently from joint."""
        apart = {alone(task.name) for task in self.tasks}
        return [arm for arm in self.arms if arm != "joint" and arm not in apart]


def prepare_study(
    config: Config, out: Path, seeds: int, balancers: tuple[str, ...], console: Console
) -> Study:
    """Checks the arguments, creates or recognizes the folder, and reads the data.

    Raises:
      UserError: for errors a user can fix.
    """
    if config.phases:
        raise UserError(
            "config.phases: a diagnosis compares joint with separate training, and phases are "
            "neither; set --config.phases='()' and --config.train.steps."
        )
    if config.reads_texts:
        raise UserError(
            "config.train.mlm: a diagnosis compares tasks, and training on texts without labels is "
            "none; set --config.train.mlm=0, or leave out the task of kind mlm."
        )
    if len(compared_tasks(config)) < 2:
        raise UserError(
            "config.tasks: a diagnosis needs at least two tasks that train with a weight above 0."
        )
    if seeds < 2:
        raise UserError(f"--seeds: {seeds} is too few to measure chance; use at least 2.")
    for name in balancers:
        one_of("--balancers", name, BALANCERS[1:])
    config = complete(keep_tokenizer(out, config, _DIAGNOSIS))
    # The same dev split and training sentences for all seeds.
    config = dataclasses.replace(
        config, data=dataclasses.replace(config.data, seed=config.data_seed)
    )
    config = with_labels(keep_source_labels(keep_labels(out, config, _DIAGNOSIS)))
    open_folder(out, config, _DIAGNOSIS)
    console.say(f"Running on {describe_devices()}.")
    data = prepare(config, out)
    for note in data.notes:
        console.say(note)
    dev = data.splits["dev"].counts()
    for task in compared_tasks(config):
        if not dev[task.name]:
            raise UserError(
                f"config.data.{task.name}.dev: no labeled sentences; a diagnosis needs some."
            )
    arms = make_arms(config, data.splits["train"], balancers)
    return Study(config, out, data, arms, seeds, balancers, console)


def folder_of(study: Study, arm: str, seed: int) -> Path:
    """The run directory of an arm with a seed."""
    return study.out / "runs" / f"{arm.replace(' ', '-')}-{seed}"


def run_arms(study: Study) -> dict[str, list[Tallies]]:
    """Arm -> the tallies of its run with each seed; trains what does not exist yet.

    Raises:
      UserError: if a run that exists was trained with another config.
    """
    total, done = study.seeds * len(study.arms), 0
    waiting = [
        arm
        for seed in range(study.seeds)
        for arm in study.arms
        if not tallies_file(study, arm, seed).is_file()
    ]
    begun, trained = time.monotonic(), 0
    found: dict[str, list[Tallies]] = {arm: [] for arm in study.arms}
    forward = None
    for seed in range(study.seeds):
        for arm, config in study.arms.items():
            done += 1
            if arm == "joint" and seed == 0:
                config = with_points(config)
            config = dataclasses.replace(config, seed=config.seed + seed)
            folder, file = folder_of(study, arm, seed), tallies_file(study, arm, seed)
            if not file.is_file():
                steps = sum(study.arms[name].train.steps for name in waiting)
                seconds = (time.monotonic() - begun) * steps / trained if trained else 0.0
                left = f"; about {duration(seconds)} left" if trained else ""
                study.console.say(f"run {done} of {total}: {arm}, seed {seed}{left}")
                final = train(config, folder, Console(RichConsole(file=io.StringIO())))
                forward = forward or forward_of(saved_model.load(folder))
                tallies = _tallies_of(forward, folder, config, study.data.splits["dev"])
                _write(file, config, final["seconds"], tallies)
                waiting.remove(arm)
                trained += config.train.steps
            about, tallies = read_tallies(file)
            there = config_files.from_json(about["config"], str(file))
            changed = config_files.differences(config, there)
            if changed:
                raise UserError(
                    f"{file}: was trained with another config ({changed[0]}). Name another "
                    "directory with --out=..., or delete this file and its run in runs/."
                )
            found[arm].append(tallies)
    return found


def forward_of(model: saved_model.SavedModel) -> Callable:
    """The jitted forward pass of a saved model."""
    return make_forward(build_model(model.config, vocabulary_size(model.tokenizer)))


def _tallies_of(forward: Callable, run: Path, config: Config, dev: ExampleSet) -> Tallies:
    """What a run gets right on dev: each task in the model that is its own best, if there are any.

    Args:
      forward: of the run's model.
      run: a finished run.
      config: the run's.
      dev: the split.
    """
    if not config.train.best_by_task:
        return dev_tallies(forward, saved_model.load(run), dev)
    best = {
        task.name: saved_model.load(run / saved_model.directory(task.name))
        for task in compared_tasks(config)
    }
    return {name: dev_tallies(forward, model, dev)[name] for name, model in best.items()}


def dev_tallies(forward: Callable, model: saved_model.SavedModel, dev: ExampleSet) -> Tallies:
    """What a model gets right on dev, sentence by sentence."""
    rows = model.config.train.batch_rows
    inferences = list(infer(forward, model.params, dev, model.config, rows))
    return sentence_tallies(inferences, dev, model.tasks)


def tallies_file(study: Study, arm: str, seed: int) -> Path:
    """The file of a run's tallies."""
    return study.out / "outcomes" / f"{folder_of(study, arm, seed).name}.npz"


def _write(file: Path, config: Config, seconds: float, tallies: Tallies) -> None:
    about = {"config": config_files.to_json(config), "seconds": seconds}
    flat: dict[str, Any] = {task: array.reshape(len(array), -1) for task, array in tallies.items()}
    file.parent.mkdir(exist_ok=True)
    with atomic.replacing(file, "--out") as fresh:
        np.savez(fresh, **flat, about=np.array(json.dumps(about)))


def read_tallies(file: Path) -> tuple[dict[str, Any], Tallies]:
    """({"config", "seconds"} of a run, its tallies)."""
    with np.load(file) as stored:
        arrays = dict(stored)
    about = json.loads(str(arrays.pop("about")))
    return about, {task: array.reshape(len(array), 3, -1) for task, array in arrays.items()}
