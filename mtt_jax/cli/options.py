"""What several commands share: overrides, engine, --quiet, --json, and strict parsing."""

import argparse
from collections.abc import Iterable
from typing import Any, NoReturn

from mtt_jax.cli.habits import advice
from mtt_jax.config.files import split_overrides
from mtt_jax.config.schema import ENGINES
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.report.as_json import dumped

RUN = "run or model directory, such as runs/balanced"


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, like every other mistake of a user."""

    def error(self, message: str) -> NoReturn:
        """Refuses the arguments.

        Raises:
          UserError: always.
        """
        raise UserError(f"{message}; see {self.prog} --help.")


def add_engine(parser: argparse.ArgumentParser) -> None:
    """Adds --engine, and its old name --backend."""
    parser.add_argument(
        "--engine",
        "--backend",
        choices=ENGINES,
        default="jax",
        help="what runs the model; docs/predict.md compares them (--backend is the old name)",
    )


def add_aggregation(parser: argparse.ArgumentParser) -> None:
    """Adds --aggregation."""
    parser.add_argument(
        "--aggregation",
        choices=("first", "max", "average"),
        default="first",
        help="which subwords decide a word",
    )


def add_no_verify(parser: argparse.ArgumentParser) -> None:
    """Adds --no-verify."""
    parser.add_argument(
        "--no-verify",
        dest="verify",
        action="store_false",
        help="load a model whose files are not those that were written; see docs/reliability.md",
    )


def add_quiet(parser: argparse.ArgumentParser) -> None:
    """Adds --quiet."""
    parser.add_argument("-q", "--quiet", action="store_true", help="print nothing but errors")


def add_json(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds --json, for commands that print with `print_json`."""
    parser.add_argument(
        "--json",
        action="store_true",
        help=f"print {what} as JSON on standard output, and everything else on standard error",
    )


def console_of(quiet: bool, to_stderr: bool) -> Any:
    """A `report.console.Console` for progress and notes.

    Args:
      quiet: whether it prints nothing.
      to_stderr: whether standard output is for something else, such as JSON.
    """
    from mtt_jax.report.console import Console, on_stderr, silent

    if quiet:
        return silent()
    return on_stderr() if to_stderr else Console()


def print_json(value: Any) -> None:
    """Prints one JSON document, which any reader of JSON takes."""
    print(dumped(value))


def parse_strictly(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parses arguments, in any order; anything unknown is refused with the nearest option.

    Raises:
      UserError: for an option that does not exist.
    """
    known = {"--", *option_names(parser)}
    # Before argparse, which would rather say that something else is missing.
    before = arguments[: arguments.index("--")] if "--" in arguments else arguments
    refuse(parser, [a for a in before if a[:2] == "--" and a.partition("=")[0] not in known])
    options, unknown = parser.parse_known_intermixed_args(arguments)
    refuse(parser, unknown)
    return options


def split_unknown(
    parser: argparse.ArgumentParser, arguments: list[str]
) -> tuple[list[str], list[str]]:
    """The options that the parser does not know, with their values; and the other arguments."""
    found: list[str] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, _ = argument.partition("=")
        if not argument.startswith("--") or name in option_names(parser):
            rest.append(argument)
            continue
        found.append(argument)
        if not equals and waiting and not waiting[0].startswith("--"):
            found.append(waiting.pop(0))
    return found, rest


def add_config(parser: argparse.ArgumentParser, what: str) -> None:
    """Adds --config, for commands that are parsed by `parse_with_config`."""
    parser.add_argument(
        "--config",
        help=f"config file of {what}, or the name of a shipped one, such as balanced; a file is "
        "Python code, which is run: use none that you would not run as a program",
    )


def parse_with_config(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parses --config and overrides, `--config.a.b=value`, which become `options.overrides`.

    Raises:
      UserError: for an option that does not exist, or without --config.
    """
    overrides, rest = split_overrides(arguments)
    options = parse_strictly(parser, rest)
    options.overrides = overrides
    if not options.config:
        raise UserError("--config is missing; try --config=balanced.")
    return options


def refuse(parser: argparse.ArgumentParser, unknown: list[str]) -> None:
    """Refuses what a parser does not know.

    Raises:
      UserError: naming the first of it and the nearest option.
    """
    unknown = [argument for argument in unknown if argument != "--"]
    if not unknown:
        return
    raise unknown_argument(
        unknown[0], parser.prog, parser.prog.removeprefix("mtt "), option_names(parser)
    )


def unknown_argument(argument: str, program: str, command: str, known: Iterable[str]) -> UserError:
    """The error for an argument that a command does not know, with what to write instead.

    Args:
      argument: as typed.
      program: what shows the help, such as `mtt train`.
      command: of `mtt`; "train" for launch.py.
      known: the options of the command, as `--name`.
    """
    name = argument.partition("=")[0]
    flag = argument.startswith("-")
    field = "=" in argument and command in (
        "train",
        "diagnose",
        "distill",
    )  # train.steps=5, without dashes
    said = advice(argument, command) if flag or field else ""
    if not flag:
        instead = f".{said} See" if said else "; see"
        return UserError(f"unexpected argument {argument!r}{instead} {program} --help.")
    said = said or did_you_mean(name, known)
    return UserError(f"{name}: no such option.{said} See {program} --help.")


def option_names(parser: argparse.ArgumentParser) -> list[str]:
    """The options of a parser, as `--name`."""
    return [o for action in actions_of(parser) for o in action.option_strings if o[:2] == "--"]


def actions_of(parser: argparse.ArgumentParser) -> list[Any]:
    """The arguments of a parser, as argparse keeps them."""
    return parser._actions  # argparse has no public way to list them
