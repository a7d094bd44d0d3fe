"""Write a run's model in another tool's format.

mtt export runs/balanced models/onnx --to=onnx
"""

import argparse

from mtt_jax.cli.options import RUN, add_no_verify, add_quiet, console_of
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.config.values import parse_names

HELP = "write a run's model in another tool's format"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help=RUN)
    add_quiet(parser)
    parser.add_argument("folder", metavar="DIR", help="folder to create")
    parser.add_argument(
        "--to",
        choices=("hf", "onnx", "stablehlo"),
        required=True,
        help="hf: transformers, sentence-transformers; onnx: ONNX Runtime; stablehlo: jax.export",
    )
    parser.add_argument("--tasks", default="", help="heads to write, such as topic,ner (hf)")
    parser.add_argument("--int8", action="store_true", help="matrices as 8-bit integers (onnx)")
    add_no_verify(parser)


def run(options: argparse.Namespace) -> int:
    """Writes the folder and prints its files; returns the exit status."""
    from mtt_jax.predict.export import export

    tasks = parse_names(options.tasks)
    # The converters say nothing while they work, so there is no time left to show.
    with console_of(options.quiet, to_stderr=True).counting("files"):
        files = export(
            options.run_dir, options.to, options.folder, tasks, options.int8, options.verify
        )
    for file in files if not options.quiet else ():
        print(file)
    return 0
