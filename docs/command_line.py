"""All commands as one parser, from which docs/commands.md is made."""

import argparse
import textwrap

from mtt_jax.cli import COMMANDS


def parser() -> argparse.ArgumentParser:
    """A parser with a subparser for each command, described in reStructuredText."""
    whole = argparse.ArgumentParser("mtt")
    parts = whole.add_subparsers(metavar="COMMAND")
    for name, command in COMMANDS.items():
        text = "\n\n".join(map(_marked, (command.__doc__ or "").split("\n\n")))
        command.add_arguments(parts.add_parser(name, help=command.HELP, description=text))
    return whole


def _marked(paragraph: str) -> str:
    """A paragraph of a docstring; as code if it holds commands."""
    if not paragraph.startswith(("    ", "mtt ")):
        return paragraph
    code = textwrap.indent(textwrap.dedent(paragraph.strip("\n")), "   ")
    return f".. code-block:: sh\n\n{code}"
