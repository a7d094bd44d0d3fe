"""Predict for the texts of files in any format that is read in training.

    mtt predict runs/balanced news.txt --output=results.jsonl
    mtt predict runs/balanced reviews.csv --text=review
    mtt predict runs/balanced in.parquet --output=out.parquet
    mtt predict runs/balanced

What a file was recognized as is on standard error. A plain text file holds one text per line, and
so does standard input, which is read if no file is named. On a terminal each line is answered as it
comes, in a form for people to read; --format=jsonl and the others print that format instead.
"""

import argparse
import sys
from typing import Any

from mtt_jax.cli.options import (
    RUN,
    add_aggregation,
    add_engine,
    add_json,
    add_no_verify,
    add_quiet,
    console_of,
    print_json,
)
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.errors import UserError

HELP = "predict for the texts of files or of standard input"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help=RUN)
    parser.add_argument(
        "files",
        metavar="FILE",
        nargs="*",
        help="in any format that training reads, or with one text per line; also globs, folders "
        "and hub:OWNER/NAME:SPLIT; standard input by default",
    )
    add_quiet(parser)
    add_json(parser, "how many texts were read, and how many of their lines were broken,")
    parser.add_argument("--output", default="-", help="file to write, or to resume")
    parser.add_argument(
        "--format",
        choices=("jsonl", "displacy", "csv", "conll", "text", "parquet"),
        help="jsonl by default; parquet for an --output whose name ends with .parquet; text, which "
        "is easier to read, if lines are typed",
    )
    parser.add_argument(
        "--text",
        "--text-key",
        "--input.text",
        default="auto",
        help="column or key of the text, several joined as in 2,3; recognized by default",
    )
    add_layout(parser)
    add_engine(parser)
    add_aggregation(parser)
    parser.add_argument("--strict", action="store_true", help="stop at the first broken line")
    add_no_verify(parser)


def add_layout(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that say how to read a file if that is not recognized."""
    group = parser.add_argument_group("files that are not recognized")
    group.add_argument(
        "--input.format",
        dest="input_format",
        default="auto",
        metavar="FORMAT",
        help="text for one text per line, or a format of docs/formats.md; recognized by default",
    )
    group.add_argument(
        "--input.header",
        dest="header",
        choices=("auto", "true", "false"),
        default="auto",
        help="whether a table begins with column names; recognized by default",
    )
    group.add_argument(
        "--input.word",
        dest="word",
        type=int,
        default=0,
        metavar="COLUMN",
        help="column of the words in CoNLL and similar formats, from 1; recognized by default",
    )
    group.add_argument(
        "--input.encoding",
        "--config.data.encoding",
        dest="encoding",
        default="auto",
        metavar="NAME",
        help="such as latin-1; recognized by default",
    )


def run(options: argparse.Namespace) -> int:
    """Predicts; returns the exit status, 1 if lines were broken."""
    from mtt_jax.data.inputs import count, described, open_columns, open_inputs
    from mtt_jax.data.readers.rows import Layout

    if options.json and options.output == "-":
        raise UserError(
            "--json: prints a summary where the results go; write them to --output=FILE."
        )
    files = options.files or ["-"]
    header = {"auto": None, "true": True, "false": False}[options.header]
    layout = Layout(options.encoding, header, options.word, "--input")
    in_columns = options.format == "parquet" or (
        not options.format and options.output.endswith(".parquet")
    )
    # Before JAX and the model are loaded: a file that cannot be read is refused at once.
    inputs: Any = (
        open_columns(files, options.text, layout)
        if in_columns
        else open_inputs(files, options.text, options.input_format, layout)
    )
    for line in described(inputs) if not options.quiet else ():
        print(line, file=sys.stderr)

    from mtt_jax.predict.columns import check_parquet, predict_columns
    from mtt_jax.predict.predictor import Predictor
    from mtt_jax.predict.stream import check_output, predict_lines

    check_output(options.output, files)
    if in_columns:
        check_parquet(options.output)
    typed = files == ["-"] and sys.stdin.isatty()
    default = "text" if typed and options.output == "-" else "jsonl"
    predictor = Predictor.load(
        options.run_dir, options.engine, options.aggregation, verify=options.verify
    )
    if typed:
        print("Type a text and press Enter; Ctrl-D to quit.", file=sys.stderr)
    console = console_of(typed or options.quiet, to_stderr=True)
    total = count(inputs) if console.shows_progress else None
    done = 0
    with console.counting("texts", total) as show:

        def progress(so_far: int) -> None:
            nonlocal done
            done = so_far
            show(so_far)

        if in_columns:
            broken = predict_columns(predictor, inputs, options.output, options.strict, progress)
        else:
            broken = predict_lines(
                predictor,
                inputs,
                options.output,
                options.format or default,
                options.strict,
                progress,
                at_once=typed,
            )
    if options.json:
        print_json({"output": options.output, "texts": done, "broken": broken})
    elif broken:
        print(f"{broken:,} broken lines.", file=sys.stderr)
    return 1 if broken else 0
