"""Trains a model: `python launch.py --config=configs/balanced.py [--workdir=DIR] [--config.X=Y]`.

Every field of the config can be set on the command line; docs/config.md lists them.
"""

import os
import signal
import sys

if __name__ == "__main__":
    # Before the other imports, so that Ctrl-C during them shows no traceback.
    signal.signal(signal.SIGINT, lambda number, frame: os._exit(128 + number))

from pathlib import Path
from typing import NoReturn

from absl import app, flags
from ml_collections import config_flags

from mtt_jax.config import files as config_files
from mtt_jax.config.resolve import resolve
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.train.stop import InterruptedRunError, end_on_ctrl_c

_CONFIG = config_flags.DEFINE_config_file(
    "config", None, "Config file, such as configs/balanced.py.", lock_config=True
)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Run directory; runs/NAME of the config file by default."
)

_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, where a run has several processes."
)
_PROCESSES = flags.DEFINE_integer("processes", None, "How many processes the run has.")
_PROCESS = flags.DEFINE_integer("process", None, "Which of them this is, from 0.")
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Take all three from Slurm, Open MPI, Kubernetes or a TPU pod."
)
_FLAGS = ("config", "workdir", "coordinator", "processes", "process", "distributed", "help")


def main(argv: list[str]) -> None:
    """Trains from the flags; exits with 2 after a mistake of the user's."""
    if len(argv) > 1:
        _fail(f"unexpected argument {argv[1]!r}; flags look like --workdir=runs/other.")
    if _CONFIG.value is None:
        _fail("--config is missing; try --config=configs/balanced.py.")
    try:
        config = resolve(_CONFIG.value)
        # Only now: JAX takes a second to import, and a mistake above needs none of it.
        from mtt_jax.devices import processes, startup
        from mtt_jax.report.console import Console
        from mtt_jax.train.loop import train

        startup.prepare()
        processes.start(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value, _DISTRIBUTED.value)
        file = Path(config_flags.get_config_filename(flags.FLAGS["config"]))
        try:
            train(config, _WORKDIR.value or f"runs/{file.stem}", Console())
        except InterruptedRunError as stop:
            print(f"{stop}.", file=sys.stderr)
            sys.exit(stop.code)
    except UserError as error:
        _fail(str(error))


def parse(argv: list[str]) -> list[str]:
    """Absl's flag parsing, with one line instead of a traceback for a mistake."""
    if any(arg in ("--help", "-h", "--helpfull") for arg in argv):
        print(f"{__doc__}\n{config_files.document()}")
        sys.exit(0)
    try:
        _check(argv[1:])
        return flags.FLAGS(argv)
    except (flags.Error, UserError, OSError) as error:  # OSError: a --flagfile that is not there
        _fail(str(error))


def _check(arguments: list[str]) -> None:
    """Looks flags over before absl does, whose messages for a config are tracebacks.

    Raises:
      UserError: naming the flag, what was expected and the nearest known name.
    """
    given = list(_pairs(arguments))
    file = next((value for name, value in given if name == "config"), None)
    config = config_files.load_file(file) if file else None
    for name, value in given:
        if name.startswith("config.") and config is not None:
            config_files.check_override(config, name, value)
        elif name.split(".")[0] not in flags.FLAGS and name.removeprefix("no") not in flags.FLAGS:
            known = did_you_mean(name, _FLAGS)
            raise UserError(f"--{name}: no such flag.{known}")


def _pairs(arguments: list[str]):
    """Yields (flag, value) of `--flag=value` and `--flag value`; a bare flag has the value None."""
    for index, argument in enumerate(arguments):
        if not argument.startswith("-"):
            continue
        name, equals, value = argument.lstrip("-").partition("=")
        following = next(iter(arguments[index + 1 :]), "--")
        bare = not equals and following.startswith("--")
        yield name, None if bare else value if equals else following


def _fail(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


if __name__ == "__main__":
    end_on_ctrl_c()
    app.run(main, flags_parser=parse)
