"""Print a script that completes commands, flags and files in a shell.

mtt completion bash > ~/.local/share/bash-completion/completions/mtt
mtt completion zsh > ~/.zfunc/_mtt      # a folder of $fpath
mtt completion tcsh > ~/.mtt.tcsh       # which ~/.tcshrc sources
"""

import argparse
from collections.abc import Iterator, Mapping
from types import ModuleType

from mtt_jax.cli.options import actions_of, option_names
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.config.schema import SECTIONS, TaskConfig, TaskDataConfig, default_tasks, options_of

HELP = "print a script that completes commands and flags in a shell"
# Those that shtab writes scripts for.
SHELLS = ("bash", "zsh", "tcsh")

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("shell", choices=SHELLS, help="what reads the script")


def run(options: argparse.Namespace) -> int:
    """Prints the script; returns the exit status."""
    import shtab

    print(shtab.complete(parser_of(options.commands), shell=options.shell))
    return 0


def parser_of(commands: Mapping[str, ModuleType]) -> argparse.ArgumentParser:
    """One parser for all commands; where a config is named, with a flag for each of its fields.

    Args:
      commands: name -> command.
    """
    import shtab

    whole = argparse.ArgumentParser("mtt")
    whole.add_argument("--version", action="store_true", help="print the version")
    parts = whole.add_subparsers()
    for name, command in commands.items():
        part = parts.add_parser(name, help=command.HELP, description=command.HELP)
        command.add_arguments(part)
        if "--config" in option_names(part):
            for flag, choices, meaning in fields():
                part.add_argument(flag, choices=choices or None, help=meaning.replace("%", "%%"))
        for action in actions_of(part):
            if action.nargs != 0 and not action.choices:
                action.complete = shtab.FILE
    return whole


def fields() -> Iterator[tuple[str, tuple[str, ...], str]]:
    """Yields (flag, choices, meaning) of every field of a config with the default tasks."""
    groups: dict[str, type] = dict(SECTIONS)
    for task in default_tasks():
        groups |= {f"tasks.{task}": TaskConfig, f"data.{task}": TaskDataConfig}
    for prefix, section in groups.items():
        for field in options_of(section):
            choices = tuple(map(str, field.metadata["choices"] or ()))
            meaning = field.metadata["meaning"].partition(";")[0]
            yield f"--config.{prefix}.{field.name}", choices, meaning
