"""Print the page of all config fields, in Markdown.

mtt fields > docs/config.md
"""

import argparse

from mtt_jax.cli.options import parse_strictly as parse

HELP = "print the page of all config fields"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds nothing: the command has no arguments."""
    del parser


def run(options: argparse.Namespace) -> int:
    """Prints the page; returns the exit status."""
    from mtt_jax.config.files import document

    del options
    print(document(), end="")
    return 0
