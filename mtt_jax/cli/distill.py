"""Train a student from labels and from teachers: other runs, or files with predictions.

    mtt distill --config=balanced --teachers=runs/topic,runs/ner
    mtt distill --config=balanced --teachers=runs/balanced
    mtt distill --config=balanced --teachers=ner=answers.jsonl

It is `mtt train` with --config.distill.teachers=..., and the run is called runs/NAME-distilled.
Fields of the config: --config.distill.temperature=2. docs/distill.md says what they do.
"""

import argparse

from mtt_jax.cli.options import parse_with_config as parse
from mtt_jax.cli.train import add_arguments as add_arguments_of_train
from mtt_jax.cli.train import run as train
from mtt_jax.config.files import find_file, load_config
from mtt_jax.errors import UserError

HELP = "train a student from labels and from teachers: runs, or files with predictions"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments: those of train, and the teachers."""
    add_arguments_of_train(parser)
    parser.add_argument(
        "--teachers",
        help="run directories or JSONL files with commas between them, each with TASK= before it "
        "if it is to answer only that task",
    )


def run(options: argparse.Namespace) -> int:
    """Trains; returns the exit status."""
    overrides = list(options.overrides)
    if options.teachers:
        overrides.append(("config.distill.teachers", options.teachers))
    options.overrides = overrides
    options.workdir = options.workdir or f"runs/{find_file(options.config).stem}-distilled"
    if not load_config(options.config, overrides).distill.teachers:
        raise UserError("--teachers is missing; try --teachers=runs/balanced.")
    return train(options)
