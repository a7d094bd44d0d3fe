"""Turn files in any format into JSONL.

    mtt convert train.conll train.jsonl
    mtt convert reviews.csv reviews.jsonl --text=title,body --label=stars
    mtt convert part1.json part2.json.gz - | head

Entities get character offsets, whether the file has offsets or tags; other labels and keys are
kept. docs/formats.md lists the formats.
"""

import argparse
import contextlib
import json
import re
import sys
from collections.abc import Iterator
from typing import Any, TextIO

from mtt_jax import atomic
from mtt_jax.cli.options import add_quiet, console_of
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.config.values import parse_names
from mtt_jax.errors import UserError, one_of
from mtt_jax.report.as_json import finite
from mtt_jax.untrusted.folder import user_path

HELP = "turn files in any format into JSONL"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_quiet(parser)
    parser.add_argument("inputs", metavar="IN", nargs="+", help="file, folder or glob to read")
    parser.add_argument("output", metavar="OUT", help="JSONL file to write; - for standard output")
    parser.add_argument("--force", action="store_true", help="overwrite OUT if it exists")
    parser.add_argument("--format", default="auto", help="of IN; recognized by default")
    parser.add_argument("--text", default="auto", help="keys or columns of the text")
    parser.add_argument("--label", default="auto", help="key or column of the label")
    parser.add_argument("--word", type=int, default=0, help="column of the words, from 1")
    parser.add_argument(
        "--header", default="auto", choices=("auto", "true", "false"), help="of a CSV or TSV file"
    )
    parser.add_argument("--scheme", default="auto", help="of the tags, such as iob2 or bioes")
    parser.add_argument("--names", default="", help="of numbers, from 0, as in O,B-PER,I-PER")
    parser.add_argument("--offsets", default="characters", help="characters, utf-16 or bytes")
    parser.add_argument("--encoding", default="auto", help="of IN, such as cp1252")


def run(options: argparse.Namespace) -> int:
    """Writes the file and prints what was recognized; returns the exit status."""
    from mtt_jax.config.schema import OFFSETS, TaskDataConfig
    from mtt_jax.data.convert import FLAG, convert
    from mtt_jax.data.readers import expand
    from mtt_jax.data.readers.rows import Layout
    from mtt_jax.tasks.schemes import FILE_SCHEMES, scheme_name

    scheme = scheme_name(options.scheme)
    one_of("--scheme", scheme, ("auto", *FILE_SCHEMES))
    one_of("--offsets", options.offsets, OFFSETS)
    if options.word < 0:
        raise UserError("--word: columns are counted from 1.")
    header = {"true": True, "false": False}.get(options.header)
    layout = Layout(options.encoding, header, options.word, FLAG)
    fields = TaskDataConfig(
        format=options.format,
        text=options.text,
        label=options.label,
        scheme=scheme,
        names=tuple(parse_names(options.names)),
        offsets=options.offsets,
    )
    said = sys.stderr if options.output == "-" else sys.stdout
    console = console_of(options.quiet, to_stderr=True)
    with contextlib.ExitStack() as stack:
        stack.enter_context(_own_options())
        stream = stack.enter_context(_written(options.output, options.force))
        paths = [path for spec in options.inputs for path in expand(spec, "IN")]
        progress = stack.enter_context(console.counting("files", len(paths)))
        count = 0
        for done, path in enumerate(paths, start=1):
            found = convert(path, layout, fields)
            for number, item in enumerate(found.objects, start=1):
                stream.write(_line(item, f"{path}, text {number}"))
            count += len(found.objects)
            progress(done)
            for note in found.notes if not options.quiet else ():
                print(_shown(note), file=said)
    if options.output != "-" and not options.quiet:
        print(f"{options.output}: {count:,} lines written.")
    return 0


def _line(item: dict[str, Any], place: str) -> str:
    """The JSON of an object, which any reader of JSON takes."""
    try:
        line = json.dumps(item, ensure_ascii=False, allow_nan=False, default=str)
    except ValueError:
        line = json.dumps(finite(item), ensure_ascii=False, default=str)
    try:
        line.encode()
    except UnicodeEncodeError:
        raise UserError(
            f"{place}: holds half of a surrogate pair, such as \\ud83d alone; the program that "
            "wrote it cut a text inside an emoji. Remove it."
        ) from None
    return f"{line}\n"


def _shown(message: str) -> str:
    """A message with the options of this command in place of config fields."""
    return re.sub(r"(?:--)?config\.data\.(?:convert\.)?(?=[a-z])", "--", message)


@contextlib.contextmanager
def _own_options() -> Iterator[None]:
    """Errors name the options of this command."""
    try:
        yield
    except UserError as error:
        raise UserError(_shown(str(error))) from None


@contextlib.contextmanager
def _written(name: str, force: bool) -> Iterator[TextIO]:
    """The file to write, which is there only once it is whole; or standard output."""
    if name == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's, JSON is UTF-8
        yield sys.stdout
        return
    path = user_path(name)
    if path.suffix.lower() not in (".jsonl", ".ndjson", ".json"):
        raise UserError(f"{name}: the last argument is the file to write; name it *.jsonl")
    if path.is_dir():
        raise UserError(f"{name}: is a folder; name a file in it, such as {name}/train.jsonl")
    if path.exists() and not force:
        raise UserError(f"{name}: exists; name another file, or overwrite it with --force.")
    if not path.parent.is_dir():
        raise UserError(f"{name}: the folder {path.parent} does not exist; create it first.")
    with atomic.replacing(path) as draft, draft.open("x", encoding="utf-8", newline="\n") as stream:
        yield stream
