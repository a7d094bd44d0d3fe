"""Trains a model: `python launch.py --config=configs/balanced.py [--workdir=DIR] [--config.X=Y]`.

Every field of the config can be set on the command line; docs/config.md lists them. `mtt train`
does the same from anywhere.
"""

import os
import signal
import sys

if __name__ == "__main__":
    # Before the other imports, so that Ctrl-C during them shows no traceback.
    def _end(number, frame):
        os.write(2, b"stopped.\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, _end)

from mtt_jax.errors import UserError, installed

with installed():
    from absl import flags

    from mtt_jax.cli import guarded
    from mtt_jax.cli.options import unknown_argument
    from mtt_jax.cli.train import train_config
    from mtt_jax.config.files import document, split_overrides
    from mtt_jax.train.stop import end_on_ctrl_c, end_process

_CONFIG = flags.DEFINE_string("config", None, "Config file, such as configs/balanced.py.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Run directory; runs/NAME of the config file by default."
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator", None, "HOST:PORT of process 0, in a run of several processes."
)
_PROCESSES = flags.DEFINE_integer("processes", None, "Number of processes of the run.")
_PROCESS = flags.DEFINE_integer("process", None, "Index of this process, from 0.")
_DISTRIBUTED = flags.DEFINE_bool(
    "distributed", False, "Take all three from Slurm, Open MPI, Kubernetes or a TPU pod."
)
_DRY_RUN = flags.DEFINE_bool(
    "dry_run", False, "Only say what would be trained on what, and the memory and time to expect."
)
_QUIET = flags.DEFINE_bool("quiet", False, "Print nothing but errors.")
_FLAGS = (
    "config", "workdir", "coordinator", "processes", "process", "distributed", "dry_run", "quiet",
    "help",
)  # fmt: skip


def main(argv: list[str]) -> int:
    """Trains from the command line; returns the exit status, 2 after a mistake of the user."""
    return guarded(lambda: _train(argv))


def _train(argv: list[str]) -> int:
    if any(argument in ("--help", "-h", "--helpfull") for argument in argv):
        print(f"{__doc__}\n{document()}")
        return 0
    try:
        expanded = flags.FLAGS.read_flags_from_files(argv, force_gnu=False)
        overrides, rest = split_overrides(expanded)
        _check(rest[1:])
        left = flags.FLAGS(rest)
    except (flags.Error, OSError) as error:  # OSError: a --flagfile that does not exist
        raise UserError(str(error)) from None
    if len(left) > 1:
        raise unknown_argument(left[1], "launch.py", "train", ())
    if _CONFIG.value is None:
        raise UserError("--config is missing; try --config=configs/balanced.py.")
    return train_config(
        _CONFIG.value,
        overrides,
        _WORKDIR.value,
        _COORDINATOR.value,
        _PROCESSES.value,
        _PROCESS.value,
        _DISTRIBUTED.value,
        _DRY_RUN.value,
        _QUIET.value,
    )


def _check(arguments: list[str]) -> None:
    """Refuses unknown options with the nearest known one.

    Raises:
      UserError: naming the option.
    """
    for argument in arguments:
        name = argument.lstrip("-").partition("=")[0]
        if not argument.startswith("-") or not name:
            continue
        if name not in flags.FLAGS and name.removeprefix("no") not in flags.FLAGS:
            known = [f"--{flag}" for flag in _FLAGS]
            raise unknown_argument(f"--{argument.lstrip('-')}", "launch.py", "train", known)


if __name__ == "__main__":
    end_on_ctrl_c()
    end_process(main(sys.argv))
