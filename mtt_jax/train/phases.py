"""The phases of a run: how many steps each has, what it trains on, and what is frozen in it."""

import dataclasses
import math
import re
from collections.abc import Sequence
from typing import Any, NamedTuple

import jax

from mtt_jax.config.schema import Config, PhaseConfig
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.sampling import lengths_read, parts_by_task
from mtt_jax.errors import UserError, did_you_mean


class Phase(NamedTuple):
    """One part of a run.

    Attributes:
      name: in reports.
      start: steps of the run done before it.
      end: steps of the run done after it; fewer than planned after an early stop.
      config: the run's, with the phase's tasks, loss weights, learning rate, warm-up, schedule and
        planned number of steps, and a seed of its own.
      frozen: tree of bools over the parameters; True for a frozen one.
    """

    name: str
    start: int
    end: int
    config: Config
    frozen: Any


def plan(config: Config, examples: ExampleSet | None, params: Any) -> tuple[Phase, ...]:
    """The phases in order; a config without any has a single one of train.steps.

    A warm-up that is longer than its phase becomes a tenth of it; see `shortened`.

    Args:
      config: the run's.
      examples: the training split, needed for phases whose length is given in epochs.
      params: parameters or their shapes.

    Raises:
      UserError: for a pattern that matches no parameter, or a phase in which nothing trains.
    """
    specs = config.phases or (PhaseConfig(name="train", steps=config.train.steps),)
    phases: list[Phase] = []
    for index, spec in enumerate(specs):
        where = f"config.phases[{index}]" if config.phases else "config.train"
        view = _view(config, spec, index)
        steps = spec.steps or _steps(spec.epochs, view, examples)
        warmup = view.train.warmup
        if (config.phases and spec.warmup < 0) or warmup > steps:
            warmup = min(warmup, max(1, steps // 10))
        view = dataclasses.replace(
            view, train=dataclasses.replace(view.train, steps=steps, warmup=warmup)
        )
        start = phases[-1].end if phases else 0
        frozen = frozen_mask(params, view, spec.trainable, where)
        phases.append(Phase(spec.name, start, start + steps, view, frozen))
    return tuple(phases)


def stop_early(
    phases: Sequence[Phase], scored: Sequence[tuple[int, float]], patience: int
) -> tuple[Phase, ...]:
    """The phases, each ended by the first evaluation at which patience runs out.

    The count starts anew in every phase, and later phases move forward. To apply it again, with the
    same scores or more, changes nothing that has been decided.

    Args:
      phases: as returned by `plan` or by this function.
      scored: (step, score) of the evaluations on dev so far, in order.
      patience: evaluations in a row without a better score; 0 for no end.
    """
    stopped: list[Phase] = []
    for phase in phases:
        start = stopped[-1].end if stopped else 0
        end = start + phase.end - phase.start
        own = [(step, score) for step, score in scored if start < step <= end]
        stopped.append(phase._replace(start=start, end=_patience_ends(own, patience) or end))
    return tuple(stopped)


def _patience_ends(scored: Sequence[tuple[int, float]], patience: int) -> int | None:
    """The step at which patience runs out; None if it does not."""
    best, waited = -math.inf, 0
    for step, score in scored:
        best, waited = (score, 0) if score > best else (best, waited + 1)
        if patience and waited >= patience:
            return step
    return None


class EarlyStop(NamedTuple):
    """How a phase ended before its last planned step.

    Attributes:
      phase: its name.
      step: its last one, of the run.
      planned: what that would have been.
      best_step: of the best evaluation in the phase.
      best_score: its score.
    """

    phase: str
    step: int
    planned: int
    best_step: int
    best_score: float


def early_stops(
    phases: Sequence[Phase], scored: Sequence[tuple[int, float]]
) -> tuple[EarlyStop, ...]:
    """The early stops so far, in order; arguments as for `stop_early`."""
    found = []
    for phase in phases:
        planned = phase.start + phase.config.train.steps
        if phase.end < planned:
            own = [(score, -step) for step, score in scored if phase.start < step <= phase.end]
            score, step = max(own)
            found.append(EarlyStop(phase.name, phase.end, planned, -step, score))
    return tuple(found)


def shortened(config: Config, phases: Sequence[Phase]) -> list[str]:
    """A line for each phase whose warm-up the user gave longer than the phase.

    Args:
      config: the run's.
      phases: as `plan` returns them.
    """
    lines = []
    for index, phase in enumerate(phases):
        spec = config.phases[index] if config.phases else None
        if spec and spec.warmup < 0:
            continue  # documented as at most a tenth
        asked, steps = spec.warmup if spec else config.train.warmup, phase.end - phase.start
        if asked > steps:
            where = f"config.phases[{index}]" if spec else "config.train"
            lines.append(
                f"{where}.warmup: {asked:,} steps of warm-up are more than the {steps:,} of the "
                f"{'phase' if spec else 'run'}; shortened to {phase.config.train.warmup:,}."
            )
    return lines


def _view(config: Config, spec: PhaseConfig, index: int) -> Config:
    """The config of a phase, except for its number of steps."""
    tasks = {
        name: dataclasses.replace(task, weight=spec.weights.get(name, task.weight))
        for name, task in config.tasks.items()
    }
    train = dataclasses.replace(
        config.train,
        tasks=spec.tasks or config.train.tasks,
        learning_rate=spec.learning_rate or config.train.learning_rate,
        warmup=config.train.warmup if spec.warmup < 0 else spec.warmup,
        schedule=config.train.schedule if spec.schedule == "same" else spec.schedule,
    )
    # Another seed, so that no two phases draw the same sentences in the same order.
    return dataclasses.replace(config, tasks=tasks, train=train, seed=config.seed + (index << 32))


def _steps(epochs: float, view: Config, examples: ExampleSet | None) -> int:
    """Batches that the phase's sentences fill in `epochs` passes."""
    assert examples is not None
    lengths = lengths_read(examples, view)
    parts = parts_by_task(examples, view).values()
    subwords = sum(int(lengths[part].sum()) for part in parts)
    # A row is full when it runs out of positions or out of slots.
    rows = max(subwords / view.train.row_length, sum(map(len, parts)) / view.slots)
    return max(1, math.ceil(epochs * rows / view.train.batch_rows))


def param_paths(params: Any) -> Any:
    """The same tree with paths in place of parameters: `encoder/layer_0/attention/...`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "/".join(str(part.key) for part in path), params
    )


def frozen_mask(
    params: Any, config: Config, trainable: tuple[str, ...] = (".*",), where: str = "config.train"
) -> Any:
    """The same tree with True where a parameter is frozen.

    Frozen are the parameters that train.freeze matches, those that `trainable` does not match, and
    the heads of tasks that do not train. A pattern matches whole paths.

    Raises:
      UserError: for a pattern that matches no parameter, or if nothing is left to train.
    """
    paths = param_paths(params)
    for pattern in config.train.freeze:
        _must_match(pattern, paths, "config.train.freeze")
    for pattern in trainable:
        _must_match(pattern, paths, f"{where}.trainable")
    inactive = tuple(f"heads/{name}/" for name in config.tasks if name not in config.active)

    def is_frozen(path: str) -> bool:
        return (
            path.startswith(inactive)
            or _matches(path, config.train.freeze)
            or not _matches(path, trainable)
        )

    mask = jax.tree.map(is_frozen, paths)
    if all(jax.tree.leaves(mask)):
        raise UserError(
            f"{where}: every parameter is frozen, so nothing would train; leave some out of "
            f"--config.train.freeze{', or name them in trainable' if config.phases else ''}."
        )
    return mask


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(re.fullmatch(pattern, path) for pattern in patterns)


def _must_match(pattern: str, paths: Any, where: str) -> None:
    known = jax.tree.leaves(paths)
    if any(re.fullmatch(pattern, path) for path in known):
        return
    stems = {"/".join(path.split("/")[:n]) + "/.*" for path in known for n in (1, 2)}
    raise UserError(
        f"{where}: {pattern!r} matches no parameter.{did_you_mean(pattern, stems)} "
        f"Parameters have paths such as {known[0]}."
    )
