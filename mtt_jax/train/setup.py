"""Set-up: from a config to everything a run works with, up to the state before its next step."""

import dataclasses
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np
import optax
from jax.sharding import Mesh, NamedSharding

from mtt_jax.config.contradictions import check, check_used
from mtt_jax.config.resolve import put_labels
from mtt_jax.config.schema import Config
from mtt_jax.data.pipeline import Shards, open_shards
from mtt_jax.data.prepare import Prepared, prepare, with_labels
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.devices import memory, processes, startup
from mtt_jax.devices.mesh import (
    describe_devices,
    gather,
    make_mesh,
    of_state,
    over_mesh,
    place,
)
from mtt_jax.distill.teach import with_teachers
from mtt_jax.distill.teachers import open_teachers
from mtt_jax.errors import UserError
from mtt_jax.model.multitask import MultiTask
from mtt_jax.report.console import Console
from mtt_jax.scoring.infer import make_forward
from mtt_jax.train.balance import Balancer
from mtt_jax.train.checkpoint import FOLDER, Checkpoints, abstract, steps_in
from mtt_jax.train.gradient import make_balancer
from mtt_jax.train.lock import Lock
from mtt_jax.train.loggers import check_loggers
from mtt_jax.train.losses import make_sums
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import Phase, plan, shortened, stop_early
from mtt_jax.train.progress import History
from mtt_jax.train.run_directory import RUN, keep_labels, keep_tokenizer, open_run
from mtt_jax.train.step import TrainState, state_shapes
from mtt_jax.train.stop import Asked, stop_if_asked
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import attention_of, build_model, init_params, param_shapes
from mtt_jax.weights.initial import complete, keep_source_labels, starting_params


class Setup(NamedTuple):
    """What a run works with from start to end.

    Attributes:
      config: as returned by `complete_config`.
      run: the run directory.
      data: the splits and the tokenizer.
      model: the model.
      mesh: devices.
      phases: the run's, in order.
      optimizers: one per phase.
      balancer: weighs the tasks' gradients.
      forward: the forward pass on the mesh, without dropout.
      sums: the losses of what trains on texts without labels, likewise; None if nothing does.
      checkpoints: the run's.
      console: where the user sees progress.
      asked: signals that asked the run to stop, so far.
      started: time of the start in seconds since the epoch, earlier by what earlier starts took.
      scored: with train.patience, (step, score) of each evaluation on dev that is in a checkpoint.
      lock: of the run directory, in the process that writes into it.
    """

    config: Config
    run: Path
    data: Prepared
    model: MultiTask
    mesh: Mesh
    phases: tuple[Phase, ...]
    optimizers: list[optax.GradientTransformation]
    balancer: Balancer
    forward: Callable[[Any, Any], Any]
    sums: Callable[[Any, Any], Any] | None
    checkpoints: Checkpoints
    console: Console
    asked: Asked
    started: float
    scored: tuple[tuple[int, float], ...] = ()
    lock: Lock | None = None

    @property
    def steps(self) -> int:
        """Steps of the whole run, as planned or after early stops."""
        return self.phases[-1].end

    def evaluated(self, step: int, score: float) -> "Setup":
        """The set-up after an evaluation on dev, which ends the phase if patience runs out.

        Args:
          step: steps done.
          score: on dev.
        """
        patience = self.config.train.patience
        if not patience:
            return self
        scored = (*self.scored, (step, score))
        phases, optimizers = stop_early(self.phases, scored, patience), self.optimizers
        if phases[-1].end < self.steps:  # the learning rate of later phases moves forward with them
            optimizers = make_optimizers(self.config, phases, phases[0].frozen)
        return self._replace(scored=scored, phases=phases, optimizers=optimizers)


def complete_config(config: Config, run: Path) -> Config:
    """The config with everything that depends on files and processes filled in.

    Args:
      config: checked.
      run: the run directory; the labels of a run that has begun stay what they are.

    Raises:
      UserError: if the pretrained encoder cannot be read, the processes do not divide the data, or
        labels are left to data that cannot be read.
    """
    config = processes.together(lambda: complete(keep_tokenizer(run, with_shards(config), RUN)))
    check_used(config)
    if all(task.labels for task in config.task_list):
        return config
    make_balancer(config)  # before the data, for a mistake in its options
    found = processes.together(
        lambda: (
            with_labels(keep_source_labels(keep_labels(run, config, RUN)))
            if processes.is_main()
            else config
        )
    )
    labels = json.dumps({name: task.labels for name, task in found.tasks.items()})
    return put_labels(config, json.loads(processes.texts(labels)[0]))


def with_shards(config: Config) -> Config:
    """The config with one data shard per process, if it does not name a number of shards.

    Raises:
      UserError: if the number of processes does not divide the number of shards, or the number of
        shards does not divide the rows of a batch.
    """
    count = jax.process_count()
    shards = config.data.shards or count
    if shards % count:
        raise UserError(
            f"config.data.shards: {count} processes do not divide {shards} shards evenly; use a "
            f"multiple of {count}."
        )
    filled = dataclasses.replace(config, data=dataclasses.replace(config.data, shards=shards))
    check(filled)
    return filled


def open_directory(run: Path, config: Config) -> dict | None:
    """`open_run` in process 0; its result in all processes."""
    if not (run / "metrics.json").is_file():  # a finished run needs neither any more
        if config.init_from:
            source = saved_model.find(config.init_from)  # an error before anything is made
            if not steps_in(run / FOLDER):
                saved_model.check(source)
        open_teachers(config)
        processes.together(lambda: check_loggers(config) if processes.is_main() else None)
    finished = processes.together(lambda: open_run(run, config) if processes.is_main() else None)
    return json.loads(processes.texts(json.dumps(finished))[0])


@contextmanager
def set_up(
    config: Config,
    run: Path,
    console: Console,
    asked: Asked,
    data: Prepared | None = None,
    lock: Lock | None = None,
) -> Iterator[Setup]:
    """Prepares the data, the model and the optimizers of a run; closes its checkpoints at the end.

    Args:
      config: complete, as `complete_config` returns it.
      run: the run directory.
      console: where the user sees progress.
      asked: the signals that asked the run to stop.
      data: to train on, with the answers of teachers; None reads that of the config.
      lock: of the run directory.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: if a signal has arrived in the meantime.
    """
    # As if the starts of a run that was stopped followed one another without a pause.
    started = time.time() - History.seconds(run)
    balancer = make_balancer(config)  # before the data, for a mistake in its options
    mesh = make_mesh(
        config.mesh.data, config.train.batch_rows, config.train.accumulate, config.mesh.fsdp
    )
    attention = f", with {attention_of(config)} attention" if jax.default_backend() == "gpu" else ""
    console.say(f"Running on {describe_devices()}{attention}.")
    on_cpu = jax.default_backend() == "cpu"
    if on_cpu and config.encoder.dtype == "bfloat16" and startup.lacks_bfloat16():
        console.say(
            "encoder.dtype=bfloat16: this CPU has no instructions for it, so that it saves no time "
            "here; --config.encoder.dtype=float32 is more exact."
        )
    memory.check_batch(config, list(mesh.devices.flat))
    data = data or _prepare(config, run, console.say)
    for note in data.notes:
        console.say(note)
    _check_dev(config, data)
    stop_if_asked(processes.agreed(asked), 0)
    model = build_model(config, vocabulary_size(data.tokenizer), training=True)
    shapes = param_shapes(model)
    phases = plan(config, data.splits["train"], shapes)
    for line in shortened(config, phases):
        console.say(line)
    checkpoints = Checkpoints(run, config.train.keep, by_task(config, data), console.say)
    try:
        scored = _scored(config, run, checkpoints.latest() or 0)
        phases = stop_early(phases, scored, config.train.patience)
        optimizers = make_optimizers(config, phases, shapes)
        forward = over_mesh(make_forward(model), mesh)
        sums = over_mesh(make_sums(model, config), mesh) if config.reads_texts else None
        yield Setup(
            config, run, data, model, mesh, phases, optimizers, balancer, forward, sums,
            checkpoints, console, asked, started, scored, lock,
        )  # fmt: skip
    finally:
        checkpoints.close()


def check_directory(setup: Setup) -> None:
    """Checks, in all processes, that the run directory is still there before it is written to.

    Raises:
      UserError: if it was removed, renamed or replaced.
    """
    processes.together(lambda: setup.lock.check() if setup.lock else None)


def by_task(config: Config, data: Prepared) -> tuple[str, ...]:
    """The tasks of which the best checkpoint is kept: those that train and are scored on dev."""
    if not config.train.best_by_task:
        return ()
    labelled = data.splits["dev"].counts()
    return tuple(name for name in labelled if name in config.trained and labelled[name])


def _check_dev(config: Config, data: Prepared) -> None:
    """Refuses fields that choose by the score on dev if there is none.

    Raises:
      UserError: naming the field.
    """
    has_dev = len(data.splits["dev"]) or (not config.task_list and data.held_out)
    for name in ("patience", "best_by_task"):
        if getattr(config.train, name) and not has_dev:
            raise UserError(
                f"config.train.{name}: goes by the score on dev, and there is no dev data; leave "
                f"out --config.train.{name}, or give files for dev."
            )


def _scored(config: Config, run: Path, last: int) -> tuple[tuple[int, float], ...]:
    """(step, score for patience) of the evaluations on dev up to a step, from metrics.jsonl.

    A later one was written just before a kill; its step is done again.
    """
    if not config.train.patience:
        return ()
    rows = [row for row in History.read(run) if row["kind"] == "dev" and row["step"] <= last]
    text = json.dumps([[row["step"], row.get("phase_score", row["score"])] for row in rows])
    return tuple((step, score) for step, score in json.loads(processes.texts(text)[0]))


def _prepare(config: Config, run: Path, say: Callable[[str], None]) -> Prepared:
    """The data, encoded and taught by process 0 before the other processes read them.

    They find them in the cache, or encode them themselves if their machine has its own cache.
    """
    main = processes.is_main()

    def ready(run: Path | None) -> Prepared:
        return with_teachers(config, prepare(config, run), run, say)

    data = processes.together(lambda: ready(run) if main else None)
    return processes.together(lambda: data or ready(None))


def open_stream(setup: Setup, phase: Phase) -> Shards:
    """This process's share of a phase's batches."""
    process, count = jax.process_index(), jax.process_count()
    return open_shards(setup.data.splits["train"], phase.config, process, count)


def begin(setup: Setup) -> tuple[TrainState, Shards | None]:
    """The state before the next step, and the stream if that step is in the middle of a phase.

    The state is that of the newest checkpoint, or fresh if there is none. A phase starts with a new
    stream.
    """
    first = setup.checkpoints.latest()
    if not first:
        return initial_state(setup), None
    setup.console.say(f"Resuming {setup.run} from step {first}.")
    within = next((phase for phase in setup.phases if phase.start < first < phase.end), None)
    if not within:
        return setup.checkpoints.restore_state(first, state_like(setup)), None
    stream = open_stream(setup, within)
    return setup.checkpoints.restore(first, state_like(setup), stream), stream


def initial_state(setup: Setup) -> TrainState:
    """A fresh state on the mesh; its parameters are new, or those that the config starts from."""
    config, shapes = setup.config, _shapes(setup)
    shardings = of_state(shapes, setup.mesh)
    params = shapes.params
    if config.init_parts == "embedding":  # which takes the scale of the new ones
        params = gather(_with_new(setup, params, shardings.params))
    params = starting_params(config, setup.data.tokenizer, params, setup.console.say)
    params = _with_new(setup, params, shardings.params)
    opt_state = jax.jit(setup.optimizers[0].init, out_shardings=shardings.opt_state)(params)
    balance = place(setup.balancer.init(len(config.tasks)), shardings.balance)
    return TrainState(place(np.int32(0), shardings.step), params, opt_state, balance)


def _with_new(setup: Setup, params: Any, shardings: Any) -> Any:
    """Parameters on the mesh; each that is only a shape becomes a new one, from the config's seed.

    XLA leaves out what no result needs, so nothing is drawn for a parameter that has a value.
    """
    leaves, tree = jax.tree.flatten(params)
    where = dict(enumerate(jax.tree.leaves(shardings)))
    old = {i: leaf for i, leaf in enumerate(leaves) if not isinstance(leaf, jax.ShapeDtypeStruct)}
    new = {i: where[i] for i in where if i not in old}
    found = place(old, {i: where[i] for i in old}) | (_draw(setup, new) if new else {})
    return jax.tree.unflatten(tree, [found[i] for i in where])


def _draw(setup: Setup, shardings: dict[int, NamedSharding]) -> dict[int, jax.Array]:
    """New parameters on the mesh, by their places among all of the model, as in `shardings`.

    On a GPU every parameter is a program of its own to compile, which takes longer than to compute
    them all on the CPU.
    """
    key = jax.random.fold_in(jax.random.key(setup.config.seed), 0)
    # As numbers of the host: with a key on the mesh, JAX would trace the parameters once more.
    seed = jax.device_get(jax.random.key_data(key))

    def draw(seed: jax.Array) -> dict[int, jax.Array]:
        leaves = jax.tree.leaves(init_params(setup.model, jax.random.wrap_key_data(seed)))
        return {index: leaves[index] for index in shardings}

    if jax.default_backend() == "gpu" and (host := _cpu()):
        with jax.default_device(host):
            return place(jax.device_get(jax.jit(draw)(seed)), shardings)
    return jax.jit(draw, out_shardings=shardings)(seed)


def _cpu() -> jax.Device | None:
    """The CPU as a device of JAX; None if JAX_PLATFORMS leaves it out."""
    try:
        return jax.local_devices(backend="cpu")[0]
    except RuntimeError:
        return None


def _shapes(setup: Setup) -> TrainState:
    return state_shapes(setup.model, setup.optimizers[0], setup.config)


def state_like(setup: Setup) -> TrainState:
    """Shapes and shardings of the state, to restore into."""
    shapes = _shapes(setup)
    return abstract(shapes, of_state(shapes, setup.mesh))
