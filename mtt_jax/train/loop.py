"""The run: from a config to a finished run directory.

The order in the loop is a contract: step, evaluate, save, then the next batch. What a checkpoint
holds is therefore exactly what the next step starts from.
"""

import json
import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from mtt_jax import card, config_files, pretrained, report, saved_model
from mtt_jax.build import build_model, count_parameters, init_params
from mtt_jax.checkpoint import Checkpoints, abstract
from mtt_jax.config import Config
from mtt_jax.console import Console
from mtt_jax.data.pipeline import mixing_weights, parts_by_task, training_stream
from mtt_jax.data.prepare import Prepared, prepare
from mtt_jax.decide import make_forward
from mtt_jax.errors import UserError
from mtt_jax.evaluate import evaluate, overall_score
from mtt_jax.sharding import describe_devices, make_mesh, place_batch, replicated
from mtt_jax.train.balance import Balancer
from mtt_jax.train.gradient import make_balancer
from mtt_jax.train.optim import make_optimizer
from mtt_jax.train.progress import History, progress_bar
from mtt_jax.train.step import StepMetrics, TrainState, make_step
from mtt_jax.train.stop import InterruptedRunError, stop_if_asked, stop_signals

_DIVERGED = (
    "Checkpoints before this step are untouched. Lower --config.train.learning_rate, raise "
    "--config.train.warmup or set --config.train.clip, and start in a new --workdir."
)


class Setup(NamedTuple):
    """What a run works with, from start to end; `asked` holds the signals that ask it to stop."""

    config: Config
    run: Path
    data: Prepared
    model: Any
    mesh: Any
    optimizer: Any
    balancer: Balancer
    console: Console
    asked: list[int]


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
    with stop_signals() as asked:
        return _train(pretrained.complete(config), workdir, console, asked)


def _train(config: Config, workdir: str | Path, console: Console, asked: list[int]) -> dict:
    """`train` for a complete config, while signals are caught."""
    if config.init_from:
        saved_model.find(config.init_from)
    run = Path(workdir).expanduser()
    finished = _open_run(run, config)
    if finished:
        console.say(
            f"{run} is finished: {finished['steps']} steps, best at {finished['best_step']}. "
            "Start another with --workdir=..."
        )
        console.scores(config, finished)
        return finished
    started = time.time()
    balancer = make_balancer(config)  # before the data, for a mistake in its options
    mesh = make_mesh(config.mesh.data, config.train.batch_rows, config.train.accumulate)
    console.say(f"Running on {describe_devices()}.")
    data = prepare(config, run)
    for note in data.notes:
        console.say(note)
    stop_if_asked(asked, 0)
    model = build_model(config, data.tokenizer.get_vocab_size())
    shapes = jax.eval_shape(
        lambda key: init_params(model, key, config.train.row_length), jax.random.key(0)
    )
    optimizer = make_optimizer(config.train, shapes)
    setup = Setup(config, run, data, model, mesh, optimizer, balancer, console, asked)
    checkpoints = Checkpoints(run, config.train.keep)
    try:
        _fit(setup, shapes, checkpoints)
        return _finish(setup, shapes, checkpoints, time.time() - started)
    finally:
        checkpoints.close()


def _open_run(run: Path, config: Config) -> dict | None:
    """Makes or recognises the run directory; returns metrics.json of a finished run.

    Raises:
      UserError: where the directory holds a run of another config, or other things.
    """
    file = run / "config.json"
    if run.exists() and not run.is_dir():
        raise UserError(f"--workdir: {run} is a file; name a directory.")
    if file.is_file():
        there = config_files.from_json(file.read_text(encoding="utf-8"), str(file))
        changed = config_files.differences(config, there)
        begun = (run / "checkpoints").is_dir() and any((run / "checkpoints").iterdir())
        if changed and not begun:
            # It stopped before its first checkpoint, as on a mistake in the data: nothing to keep.
            (run / "data.json").unlink(missing_ok=True)
            _write(file, config_files.to_json(config))
        elif changed:
            shown = "\n  ".join(changed[:8])
            raise UserError(
                f"--workdir: {run} holds a run with another config:\n  {shown}\n"
                "Name another directory with --workdir=..., or give the config of that run."
            )
        return saved_model.read_json(run / "metrics.json")
    if run.is_dir() and any(run.iterdir()):
        raise UserError(f"--workdir: {run} is not empty and holds no run; name a new directory.")
    try:
        run.mkdir(parents=True, exist_ok=True)
        _write(file, config_files.to_json(config))
    except OSError as error:
        raise UserError(f"--workdir: cannot write to {run}: {error.strerror}.") from None
    return None


def _write(path: Path, text: str) -> None:
    """Writes a file in one move, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def _initial_state(setup: Setup, shapes) -> TrainState:
    """A fresh state on the mesh, its parameters new or from `init_from`."""
    config, everywhere = setup.config, replicated(setup.mesh)
    key = jax.random.fold_in(jax.random.key(config.seed), 0)
    params = jax.jit(
        lambda key: init_params(setup.model, key, config.train.row_length),
        out_shardings=everywhere,
    )(key)
    if config.init_from:
        source = saved_model.load(config.init_from)
        if source.tokenizer.get_vocab() != setup.data.tokenizer.get_vocab():
            raise UserError(
                f"config.init_from: {config.init_from} reads with another tokenizer; add "
                f"--config.tokenizer.file={source.path / 'tokenizer.json'}."
            )
        params = saved_model.graft(params, source, config.init_parts, config.encoder.scan)
        params = jax.device_put(params, everywhere)
    if config.encoder.init:
        vocab_size = setup.data.tokenizer.get_vocab_size()
        encoder = pretrained.encoder(config, vocab_size, params["encoder"])
        params = jax.device_put({**params, "encoder": encoder}, everywhere)
    opt_state = jax.jit(setup.optimizer.init, out_shardings=everywhere)(params)
    balance = jax.device_put(setup.balancer.init(len(config.tasks)), everywhere)
    return TrainState(jax.device_put(np.int32(0), everywhere), params, opt_state, balance)


def _state_like(setup: Setup, shapes) -> TrainState:
    """Shapes and placements of the state, to restore into."""
    opt_state = jax.eval_shape(setup.optimizer.init, shapes)
    balance = jax.eval_shape(lambda: setup.balancer.init(len(setup.config.tasks)))
    state = TrainState(jax.ShapeDtypeStruct((), np.int32), shapes, opt_state, balance)
    return abstract(state, replicated(setup.mesh))


def _fit(setup: Setup, shapes, checkpoints: Checkpoints) -> None:
    """Steps from the newest checkpoint, or from the start, to the last."""
    config, console, asked = setup.config, setup.console, setup.asked
    stream = iter(training_stream(setup.data.splits["train"], config))
    latest = checkpoints.latest()
    if latest is None:
        state = _initial_state(setup, shapes)
    else:
        if latest < config.train.steps:
            console.say(f"Continuing {setup.run} from step {latest}.")
        state = checkpoints.restore(latest, _state_like(setup, shapes), stream)
    first = int(state.step)
    if first >= config.train.steps:
        return
    step = make_step(setup.model, setup.optimizer, config, setup.mesh, shapes)
    forward = make_forward(setup.model)
    root = jax.device_put(
        jax.random.fold_in(jax.random.key(config.seed), 1), replicated(setup.mesh)
    )
    _describe(setup, state)
    with (
        History(setup.run, first, config) as history,
        progress_bar(console, config, first) as progress,
    ):
        pending: tuple[int, StepMetrics] | None = None
        for done in range(first + 1, config.train.steps + 1):
            state, metrics = step(state, place_batch(next(stream), setup.mesh), root)
            # Reported one step late: the device works on this step while we read the last one.
            if pending:
                progress.step(*_checked(*pending), history)
            pending = done, metrics
            last = done == config.train.steps
            evaluating = last or done % config.train.eval_every == 0
            saving = evaluating or done % config.train.save_every == 0 or asked
            if not saving:
                continue
            progress.step(*_checked(*pending), history)
            pending = None
            _check_finite(done, state)
            score = None
            if evaluating and len(setup.data.splits["dev"]):
                scores = evaluate(
                    forward, state.params, setup.data.splits["dev"], config, config.train.batch_rows
                )
                score = overall_score(scores, config)
                history.evaluated(done, score, scores)
                progress.evaluated(done, score, scores)
            history.flush()
            checkpoints.save(done, state, stream, score)
            if asked and not last:
                checkpoints.wait()
                raise InterruptedRunError(done, asked[0])
    checkpoints.wait()


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


def _describe(setup: Setup, state: TrainState) -> None:
    """Says what is about to be trained on what."""
    train_split = setup.data.splits["train"]
    parts = parts_by_task(train_split)
    shares = mixing_weights(parts, setup.config)
    drawn = ", ".join(f"{name} {share:.0%}" for name, share in shares.items())
    labelled = ", ".join(f"{count:,} with {name}" for name, count in train_split.counts().items())
    setup.console.say(
        f"{count_parameters(state.params):,} parameters; {len(train_split):,} sentences to train "
        f"on ({labelled}); drawn as {drawn}."
    )


def _finish(setup: Setup, shapes, checkpoints: Checkpoints, seconds: float) -> dict:
    """Scores the best checkpoint and writes what the run leaves."""
    config, console = setup.config, setup.console
    best = checkpoints.best()
    step = best[0] if best else config.train.steps
    state = checkpoints.restore_state(step, _state_like(setup, shapes))
    forward = make_forward(setup.model)
    final: dict[str, Any] = {
        "best_step": step,
        "steps": config.train.steps,
        "score": config.train.score,
        "seconds": round(seconds, 1),
        "device": describe_devices(),
        "parameters": count_parameters(state.params),
    }
    for split in ("dev", "test"):
        stop_if_asked(setup.asked, config.train.steps)
        if len(setup.data.splits[split]):
            final[split] = evaluate(
                forward, state.params, setup.data.splits[split], config, config.train.batch_rows
            )
    plain = json.loads(config_files.to_json(config))
    counts = {name: split.counts() for name, split in setup.data.splits.items()}
    text = card.render(setup.run.name, plain, final, list(setup.data.notes), counts)
    saved_model.save(
        setup.run / "model", config, jax.device_get(state.params), setup.data.tokenizer, text
    )
    history = History.read(setup.run)
    _write(setup.run / "report.html", report.render(setup.run.name, plain, history, final))
    # Last: metrics.json is what marks a run as finished.
    _write(setup.run / "metrics.json", json.dumps(final, indent=2, ensure_ascii=False) + "\n")
    console.scores(config, final)
    console.say(f"Wrote {setup.run}/: model/, metrics.json, report.html.")
    return final
