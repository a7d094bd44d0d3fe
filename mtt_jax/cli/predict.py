"""Predict for lines of text or JSONL.

    mtt predict runs/balanced news.txt --output=results.jsonl
    mtt predict runs/balanced

Without files it reads standard input. On a terminal each line is answered as it comes, in a form
for people to read; --format=jsonl and the others print that format instead.
"""

import argparse
import sys

from mtt_jax.cli.options import RUN, add_engine
from mtt_jax.cli.options import parse_strictly as parse

HELP = "predict for lines of text or JSONL"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help=RUN)
    inputs = "text with one sentence per line, or .jsonl; standard input by default"
    parser.add_argument("files", metavar="FILE", nargs="*", help=inputs)
    parser.add_argument("--output", default="-", help="file to write, or to resume")
    parser.add_argument(
        "--format",
        choices=("jsonl", "displacy", "csv", "conll", "text"),
        help="jsonl by default; text, which is easier to read, if lines are typed",
    )
    parser.add_argument("--text-key", default="text", help="key of the text in JSONL")
    add_engine(parser)
    parser.add_argument(
        "--aggregation",
        choices=("first", "max", "average"),
        default="first",
        help="which subwords decide a word",
    )
    parser.add_argument("--strict", action="store_true", help="stop at the first broken line")


def run(options: argparse.Namespace) -> int:
    """Predicts; returns the exit status, 1 if lines were broken."""
    from rich.console import Console as RichConsole
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mtt_jax.predict.predictor import Predictor
    from mtt_jax.predict.stream import predict_lines

    files = options.files or ["-"]
    typed = files == ["-"] and sys.stdin.isatty()
    default = "text" if typed and options.output == "-" else "jsonl"
    predictor = Predictor.load(options.run_dir, options.engine, options.aggregation)
    if typed:
        print("Type a text and press Enter; Ctrl-D to quit.", file=sys.stderr)
    terminal = RichConsole(stderr=True)
    columns = TextColumn("texts"), MofNCompleteColumn(), TimeElapsedColumn()
    hidden = typed or not terminal.is_terminal
    with Progress(*columns, console=terminal, disable=hidden) as bar:
        task = bar.add_task("texts", total=None)
        broken = predict_lines(
            predictor,
            files,
            options.output,
            options.format or default,
            options.text_key,
            options.strict,
            lambda done: bar.update(task, completed=done),
            at_once=typed,
        )
    if broken:
        print(f"{broken:,} broken lines.", file=sys.stderr)
    return 1 if broken else 0
