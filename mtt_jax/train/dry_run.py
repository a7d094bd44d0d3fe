"""A dry run: what a run would train on, and the memory and time that it should take."""

import tempfile
import time
from pathlib import Path
from typing import Any, NamedTuple

import jax

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet
from mtt_jax.devices import memory, startup
from mtt_jax.devices.mesh import place, place_batch, replicated
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.train.announce import announce_phase, announce_run, labels_found
from mtt_jax.train.phases import Phase
from mtt_jax.train.setup import Setup, begin, complete_config, open_stream, set_up
from mtt_jax.train.step import TrainState, make_step
from mtt_jax.train.stop import stop_signals
from mtt_jax.weights.build import count_parameters

# Steps of each phase that are timed, after one that is not.
_TIMED = 3


class Measured(NamedTuple):
    """What a phase takes.

    Attributes:
      memory: bytes that a step needs on each device; None if the backend does not say.
      compiling: seconds.
      step: seconds of a step.
      forward: seconds of a forward pass over as many rows as a training batch has.
    """

    memory: int | None
    compiling: float
    step: float
    forward: float


def dry_run(config: Config, console: Console) -> dict[str, Any]:
    """Prepares a run, tries a few steps of every phase and says what to expect; keeps nothing.

    Only the encoded data stay in data.cache_dir, where the run will find them.

    Args:
      config: checked.
      console: where the user reads it.

    Returns:
      {"seconds": that the run should take, "parameters": how many, "phases": for each what
      `expected` returns}.

    Raises:
      UserError: for whatever would end the run before its first step, and for several processes.
    """
    startup.start_devices()
    if jax.process_count() > 1:
        raise UserError("--dry-run: works in one process; leave out the flags of several.")
    with (
        tempfile.TemporaryDirectory() as folder,
        stop_signals() as asked,
        memory.explained(memory.remedy(config)),
    ):
        run = Path(folder) / "run"
        given, config = config, complete_config(config, run)
        for line in labels_found(given, config):
            console.say(line)
        run.mkdir()
        with set_up(config, run, console, asked) as setup:
            state, _ = begin(setup)
            announce_run(setup, state)
            phases = []
            for index, phase in enumerate(setup.phases):
                announce_phase(setup, phase, state)
                state, measured = _try(setup, index, phase, state)
                lines, figures = expected(setup, phase, measured)
                phases.append(figures)
                for line in lines:
                    console.say(f"  {line}")
            parameters = count_parameters(state.params)
    total = sum(figures["seconds"] for figures in phases)
    console.say(f"The run should take {duration(total)}. Nothing was trained or written.")
    return {"seconds": total, "parameters": parameters, "phases": phases}


def _try(setup: Setup, index: int, phase: Phase, state: TrainState) -> tuple[TrainState, Measured]:
    """A few steps of a phase; returns the state after them, and what they took."""
    advance = make_step(
        setup.model, setup.optimizers[index], phase.config, setup.mesh, phase.frozen, setup.steps
    )
    root = place(jax.random.key(0), replicated(setup.mesh))
    stream = open_stream(setup, phase)
    batch = place_batch(next(stream), setup.mesh)
    begun = time.perf_counter()
    compiled = advance.lower(state, batch, root).compile()
    compiling = time.perf_counter() - begun
    memory.check_program(compiled, phase.config, list(setup.mesh.devices.flat))
    state, _ = jax.block_until_ready(advance(state, batch, root))
    begun = time.perf_counter()
    for _ in range(_TIMED):
        batch = place_batch(next(stream), setup.mesh)
        state, _ = advance(state, batch, root)
    jax.block_until_ready(state)
    step = (time.perf_counter() - begun) / _TIMED
    read = batch._replace(teacher=None, teacher_masks=None, hidden=None)
    jax.block_until_ready(setup.forward(state.model_params, read))  # to compile
    begun = time.perf_counter()
    jax.block_until_ready(setup.forward(state.model_params, read))
    found = compiled.memory_analysis()
    needed = found.temp_size_in_bytes + found.argument_size_in_bytes if found else None
    return state, Measured(needed, compiling, step, time.perf_counter() - begun)


def expected(setup: Setup, phase: Phase, measured: Measured) -> tuple[list[str], dict[str, Any]]:
    """Lines about a phase, and the same figures by name: seconds, and bytes of each device.

    Args:
      setup: of the run.
      phase: of it.
      measured: of the phase.
    """
    config, dev = setup.config, setup.data.splits["dev"]
    steps = phase.end - phase.start
    evaluations = len({*range(0, phase.end + 1, config.train.eval_every), phase.end}) - len(
        {*range(0, phase.start + 1, config.train.eval_every)}
    )
    reading = measured.forward * batches(dev, config)
    total = measured.compiling + steps * measured.step + evaluations * reading
    lines = [
        f"About {duration(total)}: {duration(measured.compiling)} to compile, {steps:,} steps of "
        f"{duration(measured.step)}, {evaluations:,} evaluations of {duration(reading)}."
    ]
    devices = list(setup.mesh.devices.flat)
    there = memory.of_devices(devices) // len(devices)
    if measured.memory:
        of = f" of {memory.size(there)}" if there else ""
        where = "" if len(devices) == 1 else " on each device"
        lines.append(f"A step needs {memory.size(measured.memory)}{of} of memory{where}.")
    return lines, {
        "name": phase.name,
        "start": phase.start,
        "end": phase.end,
        "seconds": total,
        "compile_seconds": measured.compiling,
        "step_seconds": measured.step,
        "evaluations": evaluations,
        "evaluation_seconds": reading,
        "step_bytes": measured.memory,
        "device_bytes": there or None,
    }


def batches(examples: ExampleSet, config: Config) -> float:
    """Training batches that hold as many subwords as some examples have."""
    positions = config.train.batch_rows * config.train.row_length
    return float(examples.lengths().sum()) / positions if len(examples) else 0.0


def duration(seconds: float) -> str:
    """Seconds in words: `0.29 s`, `12 s`, `4 min 20 s`, `3 h 5 min`."""
    if seconds < 10:
        return f"{seconds:.2f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600:,} h {whole % 3600 // 60} min"
