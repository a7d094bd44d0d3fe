"""The run: from a config to a finished run directory.

The order in the loop is a contract: step, evaluate, save, then the next batch. What a checkpoint
holds is therefore exactly what the next step starts from.
"""

import dataclasses
import json
import math
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mtt_jax.config import files as config_files
from mtt_jax.config.resolve import check
from mtt_jax.config.schema import Config
from mtt_jax.data.pipeline import open_shards
from mtt_jax.data.prepare import Prepared, prepare
from mtt_jax.data.sampling import expected_draws, lengths_read, parts_by_task
from mtt_jax.devices import processes, startup
from mtt_jax.devices.mesh import (
    describe_devices,
    gather,
    make_mesh,
    of_state,
    over_mesh,
    place,
    place_batch,
    replicated,
)
from mtt_jax.errors import UserError
from mtt_jax.report import card
from mtt_jax.report import run_page as report
from mtt_jax.report.console import Console, silent
from mtt_jax.scoring.evaluate import evaluate, overall_score
from mtt_jax.scoring.infer import make_forward
from mtt_jax.train import flops
from mtt_jax.train.balance import Balancer
from mtt_jax.train.checkpoint import Checkpoints, abstract
from mtt_jax.train.gradient import make_balancer
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import Phase, plan
from mtt_jax.train.profile import Trace
from mtt_jax.train.progress import History, ProgressLine, progress_bar
from mtt_jax.train.run_directory import open_run, write
from mtt_jax.train.step import StepMetrics, TrainState, make_step, state_shapes
from mtt_jax.train.stop import InterruptedRunError, stop_if_asked, stop_signals
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.build import build_model, count_parameters, init_params

_DIVERGED = (
    "Checkpoints before this step are untouched. Lower --config.train.learning_rate, raise "
    "--config.train.warmup or set --config.train.clip, and start in a new --workdir."
)


class Setup(NamedTuple):
    """What a run works with, from start to end.

    `optimizers` has one for each phase; `asked` holds the signals that ask the run to stop.
    """

    config: Config
    run: Path
    data: Prepared
    model: Any
    mesh: Any
    phases: tuple[Phase, ...]
    optimizers: list[Any]
    balancer: Balancer
    console: Console
    asked: list[int]

    @property
    def steps(self) -> int:
        """Steps of the whole run."""
        return self.phases[-1].end


class Records(NamedTuple):
    """Where a run writes down how it goes."""

    history: History
    progress: ProgressLine
    checkpoints: Checkpoints
    trace: Trace


def train(config: Config, workdir: str | Path, console: Console) -> dict:
    """Trains, or goes on, until the run is finished.

    Args:
      config: checked.
      workdir: the run directory; made if missing, gone on with if it holds the same config.
      console: where the user sees progress.

    Returns:
      The content of metrics.json.

    Raises:
      UserError: for what the user can mend.
      InterruptedRunError: after SIGTERM or Ctrl-C, once everything is saved.
    """
    if not processes.is_main():
        console = silent()
    with stop_signals() as asked:
        config = processes.together(lambda: pretrained.complete(config_of_run(config)))
        return _train(config, workdir, console, asked)


def config_of_run(config: Config) -> Config:
    """The config with as many data shards as there are processes, where it names no number.

    Raises:
      UserError: where the processes do not divide the shards, or these not the rows of a batch.
    """
    processes = jax.process_count()
    shards = config.data.shards or processes
    if shards % processes:
        raise UserError(
            f"config.data.shards: {processes} processes do not divide {shards} shards evenly; use "
            f"a multiple of {processes}."
        )
    complete = dataclasses.replace(config, data=dataclasses.replace(config.data, shards=shards))
    check(complete)
    return complete


def _train(config: Config, workdir: str | Path, console: Console, asked: list[int]) -> dict:
    """`train` for a complete config, while signals are caught."""
    if config.init_from:
        saved_model.find(config.init_from)
    run = Path(workdir).expanduser()
    finished = _open(run, config)
    if finished:
        console.say(
            f"{run} is finished: {finished['steps']} steps, best at {finished['best_step']}. "
            "Start another with --workdir=..."
        )
        console.scores(config, finished)
        return finished
    started = time.time()
    balancer = make_balancer(config)  # before the data, for a mistake in its options
    mesh = make_mesh(
        config.mesh.data, config.train.batch_rows, config.train.accumulate, config.mesh.fsdp
    )
    console.say(f"Running on {describe_devices()}.")
    data = _prepare(config, run)
    for note in data.notes:
        console.say(note)
    stop_if_asked(processes.agreed(asked), 0)
    model = build_model(config, data.tokenizer.get_vocab_size())
    shapes = jax.eval_shape(
        lambda key: init_params(model, key, config.train.row_length), jax.random.key(0)
    )
    phases = plan(config, data.splits["train"], shapes)
    optimizers = make_optimizers(config, phases, shapes)
    setup = Setup(config, run, data, model, mesh, phases, optimizers, balancer, console, asked)
    checkpoints = Checkpoints(run, config.train.keep)
    try:
        _fit(setup, checkpoints)
        return _finish(setup, checkpoints, time.time() - started)
    finally:
        checkpoints.close()


def _open(run: Path, config: Config) -> dict | None:
    """`open_run` in process 0, its answer in all."""
    finished = processes.together(
        lambda: open_run(run, config) if processes.is_main() else None
    )
    return json.loads(processes.texts(json.dumps(finished))[0])


def _prepare(config: Config, run: Path) -> Prepared:
    """The data, encoded by process 0 and then read by the others.

    They find it in the cache, or encode it themselves where their machine has one of its own.
    """
    main = processes.is_main()
    data = processes.together(lambda: prepare(config, run) if main else None)
    return processes.together(lambda: data or prepare(config))


def _initial_state(setup: Setup) -> TrainState:
    """A fresh state on the mesh, its parameters new or from `init_from`."""
    config = setup.config
    shardings = of_state(_shapes(setup), setup.mesh)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)
    params = jax.jit(
        lambda key: init_params(setup.model, key, config.train.row_length),
        out_shardings=shardings.params,
    )(place(key, replicated(setup.mesh)))
    if config.init_from or config.encoder.init:
        params = place(_grafted(setup, gather(params)), shardings.params)
    opt_state = jax.jit(setup.optimizers[0].init, out_shardings=shardings.opt_state)(params)
    balance = place(setup.balancer.init(len(config.tasks)), shardings.balance)
    return TrainState(place(np.int32(0), shardings.step), params, opt_state, balance)


def _grafted(setup: Setup, params: Any) -> Any:
    """Fresh parameters on the host, with those that the run starts from in their place."""
    config = setup.config
    if config.init_from:
        source = saved_model.load(config.init_from)
        if source.tokenizer.get_vocab() != setup.data.tokenizer.get_vocab():
            raise UserError(
                f"config.init_from: {config.init_from} reads with another tokenizer; add "
                f"--config.tokenizer.file={source.path / 'tokenizer.json'}."
            )
        params = saved_model.graft(params, source, config.init_parts, config.encoder.scan)
    if config.encoder.init:
        vocab_size = setup.data.tokenizer.get_vocab_size()
        encoder = pretrained.encoder(config, vocab_size, params["encoder"])
        params = {**params, "encoder": encoder}
    return params


def _shapes(setup: Setup) -> TrainState:
    return state_shapes(setup.model, setup.optimizers[0], setup.config)


def _state_like(setup: Setup) -> TrainState:
    """Shapes and placements of the state, to restore into."""
    shapes = _shapes(setup)
    return abstract(shapes, of_state(shapes, setup.mesh))


def _fit(setup: Setup, checkpoints: Checkpoints) -> None:
    """Steps from the newest checkpoint, or from the start, to the last."""
    config, console = setup.config, setup.console
    first = checkpoints.latest() or 0
    if first == setup.steps:
        return
    # At the edge between two phases the next one's stream starts afresh.
    within = next((phase for phase in setup.phases if phase.start < first < phase.end), None)
    stream = _stream(setup, within) if within else None
    if not first:
        state = _initial_state(setup)
    else:
        console.say(f"Continuing {setup.run} from step {first}.")
        like = _state_like(setup)
        state = (
            checkpoints.restore(first, like, stream)
            if stream
            else checkpoints.restore_state(first, like)
        )
    train_split = setup.data.splits["train"]
    labelled = ", ".join(f"{count:,} with {name}" for name, count in train_split.counts().items())
    console.say(
        f"{count_parameters(state.params):,} parameters; {len(train_split):,} sentences to train "
        f"on ({labelled})."
    )
    forward = over_mesh(make_forward(setup.model), setup.mesh)
    with (
        History(setup.run, first, config, processes.is_main()) as history,
        progress_bar(console, config, setup.phases, first, _peak(setup)) as progress,
        Trace(setup.run, config.train.profile) as trace,
    ):
        records = Records(history, progress, checkpoints, trace)
        if config.phases and not first:
            _score(setup, forward, state, records)  # to tell what the first phase did
        for index, phase in enumerate(setup.phases):
            if phase.end > first:
                _describe(setup, phase, state)
                step = make_step(
                    setup.model, setup.optimizers[index], phase.config, setup.mesh, phase.frozen
                )
                here = stream if phase is within else _stream(setup, phase)
                state = _fit_phase(setup, phase, state, step, forward, here, records)
    checkpoints.wait()


def _peak(setup: Setup) -> float | None:
    """FLOP/s of the mesh's devices together; None where that is not known."""
    each = flops.peak(setup.mesh.devices.flat[0].device_kind, setup.config.encoder.dtype)
    return each * setup.mesh.size if each else None


def _stream(setup: Setup, phase: Phase):
    """The share of a phase's batches that this process reads."""
    process, processes = jax.process_index(), jax.process_count()
    return open_shards(setup.data.splits["train"], phase.config, process, processes)


def _fit_phase(
    setup: Setup, phase: Phase, state: TrainState, step, forward, stream, records: Records
) -> TrainState:
    """Steps to the end of a phase."""
    config = setup.config
    root = place(jax.random.fold_in(jax.random.key(config.seed), 1), replicated(setup.mesh))
    pending: tuple[int, StepMetrics] | None = None
    first = int(state.step) + 1
    for done in range(first, phase.end + 1):
        with records.trace.step(done):
            state, metrics = step(state, place_batch(next(stream), setup.mesh), root)
        if done == first:
            startup.give_back_freed()
        records.trace.after(done, state)
        # Reported one step late: the device works on this step while we read the last one.
        if pending:
            records.progress.step(*_checked(*pending), records.history)
        pending = done, metrics
        evaluating = done == phase.end or done % config.train.eval_every == 0
        saving = evaluating or done % config.train.save_every == 0
        asked = _asked(setup, done, saving)
        if not saving and not asked:
            continue
        records.progress.step(*_checked(*pending), records.history)
        pending = None
        _check_finite(done, state)
        score = _score(setup, forward, state, records) if evaluating else None
        records.history.flush()
        records.checkpoints.save(done, state, stream, score)
        if asked and done < setup.steps:
            records.checkpoints.wait()
            raise InterruptedRunError(done, asked[0])
    return state


def _asked(setup: Setup, done: int, saving: bool) -> list[int]:
    """The signals that ask the run to stop after this step, the same in all processes.

    Several processes compare theirs at steps that save or log: at each step it would cost time.
    """
    alone = jax.process_count() == 1
    if alone or saving or done % setup.config.train.log_every == 0:
        return processes.agreed(setup.asked)
    return []


def _score(setup: Setup, forward, state: TrainState, records: Records) -> float | None:
    """Evaluates on dev and writes it down; None without dev data."""
    config, dev, done = setup.config, setup.data.splits["dev"], int(state.step)
    if not len(dev):
        return None
    scores = evaluate(forward, state.params, dev, config, config.train.batch_rows)
    score = overall_score(scores, config)
    records.history.evaluated(done, score, scores)
    records.progress.evaluated(done, score, scores)
    return score


_all_finite = jax.jit(
    lambda tree: jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
)


def _check_finite(step: int, state: TrainState) -> None:
    """Looks at parameters before they are saved: the loss of a step does not show its update.

    Raises:
      UserError: where one is no number; the last checkpoint stays as it was.
    """
    if not _all_finite(state.params):
        raise UserError(f"step {step}: a parameter is no number any more. {_DIVERGED}")


def _checked(step: int, metrics: StepMetrics) -> tuple[int, StepMetrics]:
    """The metrics on the host.

    Raises:
      UserError: where the loss is no number; the last checkpoint stays as it was.
    """
    metrics = jax.device_get(metrics)
    if not math.isfinite(metrics.loss):
        parts = ", ".join(f"{name} {value:.3g}" for name, value in metrics.losses.items())
        raise UserError(f"step {step}: the loss is {metrics.loss} ({parts}). {_DIVERGED}")
    return step, metrics


def _describe(setup: Setup, phase: Phase, state: TrainState) -> None:
    """Says what a phase is about to train on what."""
    train_split = setup.data.splits["train"]
    trained = sum(
        leaf.size
        for leaf, still in zip(
            jax.tree.leaves(state.params), jax.tree.leaves(phase.frozen), strict=True
        )
        if not still
    )
    setup.console.say(
        f"{phase.name}, steps {phase.start + 1:,} to {phase.end:,}: {trained:,} parameters train."
    )
    parts = parts_by_task(train_split, phase.config)
    for name, task in phase.config.tasks.items():
        if task.weight and name not in parts:
            setup.console.say(f"  {name}: its sentences are drawn as those of another task.")
    draws = expected_draws(parts, lengths_read(train_split, phase.config), phase.config)
    for name, part in parts.items():
        different = len(np.unique(part))
        repeats = f" ({len(part):,} with repeats)" if different < len(part) else ""
        setup.console.say(
            f"  {name}: {draws[name] / sum(draws.values()):.0%} of the sentences drawn, about "
            f"{draws[name]:,.0f} from {different:,}{repeats}, {draws[name] / len(part):.1f} passes."
        )


def _finish(setup: Setup, checkpoints: Checkpoints, seconds: float) -> dict:
    """Scores the best checkpoint; process 0 writes what the run leaves."""
    config, console = setup.config, setup.console
    best = checkpoints.best()
    step = best[0] if best else setup.steps
    state = checkpoints.restore_state(step, _state_like(setup))
    forward = over_mesh(make_forward(setup.model), setup.mesh)
    history = History.read(setup.run)
    model_config, params = saved_model.merged(config, gather(state.params))
    final: dict[str, Any] = {
        "best_step": step,
        "steps": setup.steps,
        "score": config.train.score,
        "seconds": round(seconds, 1),
        "device": describe_devices(),
        "parameters": count_parameters(params),
    }
    if config.phases:
        final["phases"] = _effects(setup.phases, history)
    for split in ("dev", "test"):
        stop_if_asked(processes.agreed(setup.asked), setup.steps)
        if len(setup.data.splits[split]):
            final[split] = evaluate(
                forward, state.params, setup.data.splits[split], config, config.train.batch_rows
            )
    if processes.is_main():
        _write(setup, model_config, params, history, final)
    processes.wait("written")
    console.phases(final)
    console.scores(config, final)
    console.say(f"Wrote {setup.run}/: model/, metrics.json, report.html.")
    return final


def _write(
    setup: Setup, model_config: Config, params: Any, history: Sequence[dict], final: dict
) -> None:
    """Writes the model, the report and metrics.json.

    Args:
      setup: of the run.
      model_config: of `saved_model.merged`, as `params`.
      params: on the host.
      history: the run's.
      final: what metrics.json is to hold.
    """
    plain = json.loads(config_files.to_json(setup.config))
    counts = {name: split.counts() for name, split in setup.data.splits.items()}
    text = card.render(setup.run.name, plain, final, list(setup.data.notes), counts)
    saved_model.save(setup.run / "model", model_config, params, setup.data.tokenizer, text)
    write(setup.run / "report.html", report.render(setup.run.name, plain, history, final))
    # Last: metrics.json is what marks a run as finished.
    write(setup.run / "metrics.json", json.dumps(final, indent=2, ensure_ascii=False) + "\n")


def _effects(phases: Sequence[Phase], history: Sequence[dict]) -> list[dict]:
    """What each phase did to the tasks' scores on dev, {} where there is no dev data."""
    scores = {row["step"]: row["scores"] for row in history if row["kind"] == "dev"}
    return [
        {
            "name": phase.name,
            "start": phase.start,
            "end": phase.end,
            "tasks": [name for name, task in phase.config.tasks.items() if task.weight],
            "learning_rate": phase.config.train.learning_rate,
            "before": scores.get(phase.start, {}),
            "after": scores.get(phase.end, {}),
        }
        for phase in phases
    ]
