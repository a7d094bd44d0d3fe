"""Train, or resume, the run of a config.

    mtt train --config=balanced --workdir=runs/other --config.train.steps=500
    mtt train --config=balanced --dry-run

Every field of the config can be set on the command line; `mtt fields` lists them.
"""

import argparse
from collections.abc import Sequence

from mtt_jax.cli.options import add_config, add_json, add_quiet, console_of, print_json
from mtt_jax.cli.options import parse_with_config as parse
from mtt_jax.config.files import Override, find_file, load_config

HELP = "train a model, or resume a run that was stopped"

__all__ = ["HELP", "add_arguments", "parse", "run", "train_config"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_config(parser, "the run")
    add_quiet(parser)
    add_json(parser, "the content of metrics.json, or what --dry-run expects,")
    parser.add_argument("--workdir", help="run directory; runs/NAME of the config by default")
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="only say what would be trained on what, and the memory and time to expect",
    )
    parser.add_argument(
        "--coordinator", help="HOST:PORT of process 0, in a run of several processes"
    )
    parser.add_argument("--processes", type=int, help="number of processes of the run")
    parser.add_argument("--process", type=int, help="index of this process, from 0")
    parser.add_argument(
        "--distributed",
        action="store_true",
        help="take all three from Slurm, Open MPI, Kubernetes or a TPU pod",
    )


def run(options: argparse.Namespace) -> int:
    """Trains; returns the exit status."""
    return train_config(
        options.config,
        options.overrides,
        options.workdir,
        options.coordinator,
        options.processes,
        options.process,
        options.distributed,
        options.dry_run,
        options.quiet,
        options.json,
    )


def train_config(
    name: str,
    overrides: Sequence[Override],
    workdir: str | None = None,
    coordinator: str | None = None,
    processes: int | None = None,
    process: int | None = None,
    distributed: bool = False,
    dry: bool = False,
    quiet: bool = False,
    as_json: bool = False,
) -> int:
    """What `mtt train` and `launch.py` do.

    Args:
      name: of a config file, or of a shipped config.
      overrides: fields to change, as `split_overrides` returns them.
      workdir: run directory; runs/NAME by default.
      coordinator: HOST:PORT of process 0.
      processes: how many processes there are.
      process: which one this is.
      distributed: detect all three.
      dry: only say what to expect.
      quiet: print nothing but errors.
      as_json: print the result as JSON, and everything else on standard error.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after SIGTERM or Ctrl-C, once everything is saved.
    """
    config = load_config(name, overrides)
    # Only now: JAX takes a second to import, and a mistake above should not wait for it.
    from mtt_jax.devices import processes as several
    from mtt_jax.devices import startup
    from mtt_jax.train.dry_run import dry_run
    from mtt_jax.train.loop import train

    startup.prepare()
    several.start(coordinator, processes, process, distributed)
    if dry:  # whose lines are for nothing else than to be read, unless there is JSON
        found = dry_run(config, console_of(quiet and as_json, as_json))
    else:
        console = console_of(quiet, as_json)
        found = train(config, workdir or f"runs/{find_file(name).stem}", console)
    if as_json and several.is_main():
        print_json(found)
    return 0
