"""The command line: `mtt COMMAND`, or `python -m mtt_jax COMMAND`; one file per command.

A command is a module with `HELP`, `add_arguments(parser)` and `run(options) -> exit status`, and a
row in `COMMANDS`. Slow imports are inside `run`, after the arguments are checked.
"""

import argparse
import errno
import os
import sys
import warnings
from types import ModuleType
from typing import NoReturn

from mtt_jax import __version__
from mtt_jax.cli import (
    check,
    completion,
    convert,
    diagnose,
    distill,
    evaluate,
    export,
    fields,
    info,
    init,
    predict,
    report,
    serve,
    train,
    verify,
)
from mtt_jax.cli.options import Parser
from mtt_jax.devices import memory
from mtt_jax.errors import RenamedWarning, UserError, did_you_mean, installed
from mtt_jax.train.stop import InterruptedRunError, end_on_ctrl_c, end_process

COMMANDS: dict[str, ModuleType] = {
    "init": init,
    "train": train,
    "distill": distill,
    "evaluate": evaluate,
    "predict": predict,
    "serve": serve,
    "export": export,
    "report": report,
    "diagnose": diagnose,
    "check": check,
    "convert": convert,
    "info": info,
    "verify": verify,
    "fields": fields,
    "completion": completion,
}

# Faults of the machine rather than of this program: a disk that is full, gone, read-only or broken,
# and too many open files.
_WORLD = frozenset(
    (
        errno.EACCES, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE,
        errno.ENODEV, errno.ENOSPC, errno.EPERM, errno.EROFS, errno.ESTALE,
    )
)  # fmt: skip

_FREE = (
    "Close other programs that use the device's memory, give less data at a time, or write "
    "JAX_PLATFORMS=cpu in front of the command."
)


def entry() -> NoReturn:
    """Runs the command that the process was started with, and ends the process."""
    end_on_ctrl_c()
    end_process(main())


def main(arguments: list[str] | None = None) -> int:
    """Runs a command.

    Args:
      arguments: command and its arguments; those of the process by default.

    Returns:
      The exit status: 0, or 2 after a mistake of the user.
    """
    given = sys.argv[1:] if arguments is None else arguments
    return guarded(lambda: _command(given))


def guarded(run) -> int:
    """Runs a command; a mistake of the user ends in one line on standard error.

    Args:
      run: () -> exit status.

    Returns:
      The exit status: that of `run`, 2 after a mistake of the user, 128 + N after signal N.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("always", RenamedWarning)
        warnings.showwarning = _show_warning
        try:
            with installed():
                status = run()
                sys.stdout.flush()
                return status
        except UserError as error:
            print(f"error: {error}", file=sys.stderr)
            return 2
        except InterruptedRunError as stop:
            print(f"{stop}.", file=sys.stderr)
            return stop.code
        except BrokenPipeError:
            return 0
        except OSError as error:
            if error.errno not in _WORLD:
                raise
            about = error.filename or "standard output"
            print(f"error: {about}: {error.strerror}.", file=sys.stderr)
            if error.filename is None:  # what its buffer holds cannot be written at the end either
                sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115
            return 2
        except Exception as error:
            if not memory.is_exhausted(error):
                raise
            print(f"error: {memory.exhausted(error, _FREE)}", file=sys.stderr)
            return 2


def _command(arguments: list[str]) -> int:
    name = arguments[0] if arguments else ""
    if name in ("-h", "--help", "help", ""):
        print(_overview(), file=sys.stdout if name else sys.stderr)
        return 0 if name else 2
    if name == "--version":
        print(__version__)
        return 0
    if name not in COMMANDS:
        raise UserError(
            f"{name}: no such command; the commands are {', '.join(COMMANDS)}."
            f"{did_you_mean(name, COMMANDS)}"
        )
    command = COMMANDS[name]
    parser = Parser(
        prog=f"mtt {name}",
        description=command.__doc__,
        epilog=getattr(command, "EPILOG", None),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    command.add_arguments(parser)
    parser.set_defaults(commands=COMMANDS)
    return command.run(command.parse(parser, arguments[1:]))


def _overview() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:{width}}  {command.HELP}" for name, command in COMMANDS.items()]
    return "\n".join(
        [
            "usage: mtt COMMAND ...",
            "",
            "One shared transformer that answers several questions about a text.",
            "",
            *lines,
            "",
            "mtt COMMAND --help describes a command.",
        ]
    )


def _show_warning(message, category, filename, lineno, file=None, line=None) -> None:
    if issubclass(category, RenamedWarning):
        print(f"note: {message}", file=sys.stderr)
    else:
        sys.stderr.write(warnings.formatwarning(message, category, filename, lineno, line))
