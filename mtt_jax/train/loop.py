"""The run: from a config to a finished run directory.

The order in the loop is a contract: step, evaluate, save, then the next batch. What a checkpoint
holds is therefore exactly what the next step starts from.
"""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import jax

from mtt_jax.atomic import WriteError, clear
from mtt_jax.config.schema import Config
from mtt_jax.data.prepare import Prepared
from mtt_jax.devices import memory, processes, startup
from mtt_jax.devices.mesh import place, place_batch, replicated
from mtt_jax.report.console import Console, silent
from mtt_jax.train.announce import announce_phase, announce_run, labels_found
from mtt_jax.train.finish import finish, show
from mtt_jax.train.journal import open_history, open_journal
from mtt_jax.train.lock import Lock, locked
from mtt_jax.train.progress import History
from mtt_jax.train.run_directory import RUN
from mtt_jax.train.setup import (
    Setup,
    begin,
    check_directory,
    complete_config,
    open_directory,
    open_stream,
    set_up,
)
from mtt_jax.train.step import make_step
from mtt_jax.train.stop import InterruptedRunError, stop_signals
from mtt_jax.untrusted.folder import user_path


def train(
    config: Config, workdir: str | Path, console: Console, data: Prepared | None = None
) -> dict[str, Any]:
    """Trains until the run is finished; resumes a run that was stopped.

    Args:
      config: checked.
      workdir: the run directory: created if missing, resumed if it holds a run with this config.
      console: where the user sees progress.
      data: to train on, for a caller who has prepared it, with the answers of teachers; by
        default that of the config.

    Returns:
      The content of metrics.json.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after SIGTERM or Ctrl-C, once everything is saved.
    """
    startup.start_devices()
    console = console if processes.is_main() else silent()
    run = user_path(workdir, "--workdir")
    with (
        stop_signals() as asked,
        memory.explained(memory.remedy(config)),
        _locked(run) as lock,
    ):
        if jax.process_count() > 1:
            asked.at_once = frozenset()  # the other processes would wait for this one
        if lock and lock.note:
            console.say(lock.note)
        given, config = config, complete_config(config, run)
        for line in labels_found(given, config):
            console.say(line)
        finished = open_directory(run, config)
        if finished:
            console.say(
                f"{run} is finished: {finished['steps']} steps, best at {finished['best_step']}. "
                "Start another run with --workdir=..."
            )
            show(finished, console)
            return finished
        with (
            set_up(config, run, console, asked, data, lock) as setup,
            open_history(setup) as history,
            processes.ending_together(),
        ):
            if setup.checkpoints.latest() != setup.steps:
                setup = run_steps(setup, history)
            return finish(setup, history)


@contextmanager
def _locked(run: Path) -> Iterator[Lock | None]:
    """Locks the run directory in process 0; whatever fails once it is gone is due to that.

    Raises:
      UserError: in all processes, if another run is at work there.
    """
    with ExitStack() as held:
        lock = processes.together(lambda: _hold(run, held) if processes.is_main() else None)
        try:
            yield lock
        except Exception:
            if lock:
                lock.check()
            raise


def _hold(run: Path, held: ExitStack) -> Lock | None:
    try:
        lock = held.enter_context(locked(run, RUN.flag))
        clear(run)
        return lock
    except WriteError:
        if (run / "metrics.json").is_file():  # a finished run is shown from a read-only disk too
            return None
        raise


def run_steps(setup: Setup, history: History) -> Setup:
    """Trains from the newest checkpoint, or from the start, to the last step.

    Args:
      setup: of the run.
      history: takes the numbers of every step.

    Returns:
      The set-up with the phases as they turned out; train.patience may have ended some early.
    """
    train = setup.config.train
    state, stream = begin(setup)
    first = int(state.step)
    setup.asked.saved(first)
    announce_run(setup, state)
    root = place(jax.random.fold_in(jax.random.key(setup.config.seed), 1), replicated(setup.mesh))
    with open_journal(setup, first, history) as journal:
        if setup.config.phases and not first:
            journal.evaluate(state)  # to see what the first phase changes
        for index in range(len(setup.phases)):
            phase = setup.phases[index]
            if phase.end <= first:
                continue
            announce_phase(setup, phase, state)
            advance = make_step(
                setup.model, setup.optimizers[index], phase.config, setup.mesh, phase.frozen,
                setup.steps,
            )  # fmt: skip
            stream = stream or open_stream(setup, phase)
            start = int(state.step)
            if start == phase.start:
                state = state.next_phase()
            for step in range(start + 1, phase.end + 1):
                with journal.tracing(step):
                    batch = place_batch(next(stream), setup.mesh)
                    if step == start + 1:
                        with journal.compiling():
                            compiled = advance.lower(state, batch, root).compile()
                        memory.check_program(compiled, phase.config, list(setup.mesh.devices.flat))
                        setup.asked.unsaved = True
                    state, metrics = advance(state, batch, root)
                if step == start + 1:
                    startup.release_freed_memory()
                journal.stepped(step, state, metrics, batch)
                setup.checkpoints.check()
                evaluating = step == phase.end or step % train.eval_every == 0
                saving = evaluating or step % train.save_every == 0
                asked = asked_to_stop(setup, step, saving)
                if saving or asked:
                    journal.catch_up(step, state)
                    dev = journal.evaluate(state) if evaluating else None
                    journal.flush()
                    # First, as saving would do it: a directory may go in the meantime.
                    setup.checkpoints.wait()
                    check_directory(setup)
                    if evaluating or asked or not journal.skipping:
                        setup.checkpoints.save(step, state, stream, *(dev[:2] if dev else ()))
                    if dev:
                        setup = setup.evaluated(step, dev.of_phase)
                        journal.planned(setup)
                if asked and step < setup.steps:
                    setup.checkpoints.wait()
                    raise InterruptedRunError(step, asked[0])
                if step == setup.phases[index].end:
                    break
            stream = None
            setup.checkpoints.wait()
            setup.asked.saved(setup.phases[index].end)
    return setup


def asked_to_stop(setup: Setup, step: int, saving: bool) -> list[int]:
    """The signals that ask the run to stop after this step, the same in all processes.

    Several processes compare theirs only at steps that save or log, since comparing takes time.
    """
    alone = jax.process_count() == 1
    if alone or saving or step % setup.config.train.log_every == 0:
        return processes.agreed(setup.asked)
    return []
