"""Inputs without labels: files of every format that is read in training, or texts line by line.

A plain text file, a pipe and standard input hold one text per line; JSON Lines one object. In these
a broken line gives a line with a fault, and those after it are read. Other files are recognized by
their content, and what cannot be read is refused before a model is loaded.
"""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from mtt_jax.data.readers import (
    READERS,
    Reader,
    expand,
    extension,
    head,
    jsonl,
    parquet,
    read_rows,
)
from mtt_jax.data.readers.fields import remaining_text, text_keys
from mtt_jax.data.readers.files import encoding_of, not_text, open_binary
from mtt_jax.data.readers.files import lines as lines_of
from mtt_jax.data.readers.json_items import fault as json_fault
from mtt_jax.data.readers.objects import WORDS, row_of
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.texts import text_of
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks.schemes import SEPARATORS
from mtt_jax.untrusted.folder import exists

# The format of a file whose lines are texts; all others are names of readers.
PLAIN = "text"
_PLAIN_EXTENSIONS = ("", ".txt", ".text", ".list", ".lst", ".log")
_STANDARD_INPUT = "standard input"
# How many rows decide where the text is.
_SAMPLE = 100
_EXPANDED = "FILE"
# Tags with a letter of a scheme, which the last words of texts are not.
_LETTERED = re.compile(
    f"[BIESLUMbieslum][{re.escape(SEPARATORS)}]\\S+|\\S+[{re.escape(SEPARATORS)}][BIESLUM]"
)
# All tags of words; the last words of texts that happen to be equally long may be such.
_TAG = re.compile(f"O|[_-]|{_LETTERED.pattern}|[A-Z$.,:()]+")
# The fault of an empty line among lines of JSON.
EMPTY_LINE = "an empty line, which is not JSON."


class Line(NamedTuple):
    """A text of a file.

    Attributes:
      place: such as `news.txt, line 7`.
      text: "" if there is a fault.
      fault: what is wrong with it, or "".
      others: what else the file says about it, by key or column.
    """

    place: str
    text: str
    fault: str
    others: Mapping[str, Any] = {}  # noqa: RUF012  never changed


class Input(NamedTuple):
    """A file that can be read.

    Attributes:
      name: of the file.
      description: what it was recognized as, for the user; "" if there is nothing to say.
      lines: opens it and yields its lines, read as they are asked for.
    """

    name: str
    description: str
    lines: Callable[[], Iterator[Line]]


class Columns(NamedTuple):
    """A Parquet or Arrow file whose columns are kept as they are.

    Attributes:
      name: of the file.
      description: what it was recognized as, for the user.
      schema: of pyarrow.
      text: the column of strings that holds the text; "" if the text is made of other columns.
      batches: opens the file and yields its record batches, each with the line of every row.
    """

    name: str
    description: str
    schema: Any
    text: str
    batches: Callable[[], Iterator[tuple[Any, list[Line]]]]


# Texts that are counted before they are read, which takes seconds.
_COUNTED = 1_000_000

# What opens a file, and where its text is, for the user.
_Found = tuple[Callable[[], Iterator[Line]], str]


def open_inputs(
    files: list[str], text: str = "auto", format: str = "auto", layout: Layout | None = None
) -> list[Input]:
    """Finds and recognizes the files to predict for, and reads the first texts of each.

    Args:
      files: paths, globs, folders and data sets of the hub; "-" for standard input.
      text: column or key of the text; "auto" finds it.
      format: name of a reader, or `PLAIN`; "auto" recognizes it.
      layout: how to read a file that does not say so itself.

    Raises:
      UserError: for what cannot be read, naming the file and what to do.
    """
    layout = layout or Layout(flag="--input")
    found = []
    for name in files:
        if name == "-" or _is_stream(name):
            found.append(Input(name, "", partial(_streamed, name, text, f"{layout.flag}.text")))
        else:
            found += [open_input(path, text, format, layout) for path in _paths(name)]
    return found


def open_columns(
    files: list[str], text: str = "auto", layout: Layout | None = None
) -> list[Columns]:
    """Finds Parquet and Arrow files to predict for, all with the same columns.

    Args:
      files: paths, globs and folders.
      text: column of the text; "auto" finds it.
      layout: whose flag messages name.

    Raises:
      UserError: for what is another format or cannot be read, naming the file.
    """
    layout = layout or Layout(flag="--input")
    found: list[Columns] = []
    for path in (path for name in files for path in _tables(name)):
        one = _columns(path, text, f"{layout.flag}.text")
        if found and not one.schema.equals(found[0].schema):
            raise UserError(
                f"{path}: its columns are not those of {found[0].name}; predict for it with an "
                "--output of its own."
            )
        found.append(one)
    return found


def _tables(name: str) -> Iterator[Path]:
    """The files of a name.

    Raises:
      UserError: for one that is not Parquet or Arrow.
    """
    if name == "-" or _is_stream(name):
        raise UserError(
            f"{_STANDARD_INPUT if name == '-' else name}: cannot be read as Parquet; name a file, "
            "or write JSON Lines: --output=NAME.jsonl"
        )
    for path in _paths(name):
        if not path.is_file() or parquet.recognize(head(path)) is None:
            raise UserError(
                f"{path}: not a Parquet or Arrow file, whose columns a Parquet output keeps; write "
                "JSON Lines: --output=NAME.jsonl"
            )
        yield path


def _columns(path: Path, spec: str, flag: str) -> Columns:
    first = next(parquet.batches(path), None)
    if first is None:
        raise UserError(f"{path}: contains no rows.")
    keys = _keys(list(islice(parquet.rows_of(first, path, 0), _SAMPLE)), spec, flag)

    def batches() -> Iterator[tuple[Any, list[Line]]]:
        number = 0
        for batch in parquet.batches(path):
            rows = parquet.rows_of(batch, path, number, (*keys, *WORDS) if keys else ())
            yield batch, [_line(row, keys, spec, flag, numbered=False) for row in rows]
            number += batch.num_rows

    plain = len(keys) == 1 and parquet.is_text(first.schema.field(keys[0]).type)
    description = parquet.recognize(head(path)) or ""
    return Columns(
        str(path), f"{description}{_where(keys)}", first.schema, keys[0] if plain else "", batches
    )


def described(inputs: Sequence[Input | Columns]) -> Iterator[str]:
    """What was recognized, for the user: a line per kind of file."""
    names: dict[str, list[str]] = {}
    for one in inputs:
        if one.description:
            names.setdefault(one.description, []).append(one.name)
    for description, (first, *others) in names.items():
        yield f"{first}{f' and {len(others):,} more' if others else ''}: {description}"


def count(inputs: Sequence[Input | Columns]) -> int | None:
    """How many texts there are; None for a pipe, which can be read only once, and for very many."""
    if any(one.name == "-" or _is_stream(one.name) for one in inputs):
        return None
    lines = (
        line
        for one in inputs
        for line in (
            one.lines()
            if isinstance(one, Input)
            else (line for _, lines in one.batches() for line in lines)
        )
    )
    found = sum(1 for _ in islice(lines, _COUNTED + 1))
    return found if found <= _COUNTED else None


def is_cut(text: str) -> bool:
    """Whether a text contains half of a surrogate pair, which cannot be written as UTF-8."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return True
    return False


def _is_stream(name: str) -> bool:
    """Whether a file can be read only once, as a pipe."""
    path = Path(name)
    return exists(name) and path.exists() and not path.is_file() and not path.is_dir()


def _paths(name: str) -> list[Path]:
    path = Path(name)
    if exists(name) and path.is_file() and not path.stat().st_size:
        return [path]  # no text, no result
    try:
        return expand(name, _EXPANDED)
    except UserError as error:  # a file that is not named by a flag
        raise UserError(str(error).removeprefix(f"{_EXPANDED}: ")) from None


def open_input(path: Path, text: str, format: str, layout: Layout) -> Input:
    """Recognizes a file or a folder as `files.expand` gives it; for the rest see `open_inputs`."""
    if path.is_file() and not path.stat().st_size:
        return Input(str(path), "", lambda: iter(()))
    beginning = head(path)
    reader, description = _recognized(beginning, format, layout)
    found: Callable[[], Iterator[Line]]
    if reader is None:
        found, where = partial(_plain, beginning, layout), ", one text per line"
    elif not _has_objects(beginning, reader):
        found, where = _from_rows(path, reader, text, layout)
    else:
        try:
            found, where = _from_objects(beginning, text, layout)
        except UserError:
            if reader.name == "jsonl":
                raise
            # The text is deeper in the objects, and the reader knows where.
            found, where = _from_rows(path, reader, text, layout)
    return Input(str(path), f"{description}{where}{_encoding(beginning, layout)}", found)


def _recognized(head: Head, format: str, layout: Layout) -> tuple[Reader | None, str]:
    """The reader of a file and what the file is; None for plain text.

    Raises:
      UserError: if it is neither.
    """
    if format != "auto":
        if format == PLAIN:
            return None, "plain text"
        names = [PLAIN, *(reader.name for reader in READERS)]
        if format not in names:
            raise UserError(
                f"{head.path}: unknown format {format!r}; the formats are {', '.join(names)}."
                f"{did_you_mean(format, names)}"
            )
        opened = read_rows(head.path, layout, format)
        return opened.reader, opened.description
    is_plain = head.extension in _PLAIN_EXTENSIONS and bool(head.text)
    for reader in READERS:
        description = reader.recognize(head)
        if description is not None and not (is_plain and _is_prose(reader, head, layout)):
            return reader, description
    if is_plain:
        return None, "plain text"
    if fault := not_text(head):
        raise fault
    if head.path.is_dir() or any(head.extension in reader.extensions for reader in READERS):
        opened = read_rows(head.path, layout)
        return opened.reader, opened.description
    raise UserError(
        f"{head.path}: the format is not recognized; if each line is a text, add "
        f"{layout.flag}.format={PLAIN}; other formats are "
        f"{', '.join(reader.name for reader in READERS)}."
    )


def _is_prose(reader: Reader, head: Head, layout: Layout) -> bool:
    """Whether lines that seem to be columns are texts that happen to have as many words each.

    Raises:
      UserError: if they may be either, as `RATES RISE` may.
    """
    if reader.name != "conll":
        return False
    found = [line for line in head.text.split("\n") if line.strip() and not line.startswith("#")]
    if all("\t" in line for line in found):
        return False
    last = [line.split()[-1] for line in found]
    if "O" in last and len(set(last)) > max(10, len(last) / 3):
        return True
    if "O" not in last and not (all(map(_TAG.fullmatch, last)) and any(map(str.isalpha, last))):
        return True
    marks = any(not any(map(str.isalnum, line.split()[0])) for line in found)
    if marks or 2 * last.count("O") > len(last) or any(map(_LETTERED.fullmatch, last)):
        return False
    count, flag = len(found[0].split()), f"{layout.flag}.format"
    raise UserError(
        f"{head.path}: the lines may be texts of {count} words, or words with a tag each, such as "
        f"{last[0]!r}; add {flag}={PLAIN} or {flag}=conll."
    )


def _encoding(head: Head, layout: Layout) -> str:
    """The end of a description: a guessed encoding, which the user should hear of."""
    if not head.text:
        return ""
    try:
        found = encoding_of(head.path, layout.encoding)
    except UserError:
        return ""
    return f"; its encoding seems to be {found.name}" if found.guessed else ""


# Rows of a reader


def _from_rows(path: Path, reader: Reader, spec: str, layout: Layout) -> _Found:
    """The lines of a file, and where their text is.

    Raises:
      UserError: if there is no such key or column.
    """

    def rows() -> Iterator[Row]:
        found = reader.read(path, layout)
        return (row for row in found if row.fields or row.text is not None)

    first, flag = list(islice(rows(), _SAMPLE)), f"{layout.flag}.text"
    try:
        keys = _keys(first, spec, flag) if first else ()
    except UserError as error:
        if spec != "auto" or extension(path) not in _PLAIN_EXTENSIONS:
            raise
        line = f"{layout.flag}.format={PLAIN}"
        raise UserError(f"{error}; if each line is a text, add {line}") from None
    numbered = reader.name in ("csv", "tsv")
    return lambda: (_line(row, keys, spec, flag, numbered) for row in rows()), _where(keys)


def _keys(rows: Sequence[Row], spec: str, flag: str) -> tuple[str, ...]:
    """The keys that hold the text, as in training; () if the reader says what it is."""
    keys = text_keys(rows, spec, flag)
    if keys or rows[0].text is not None or any(row.tokens for row in rows):
        return keys
    return remaining_text(rows, None, flag)


def _where(keys: tuple[str, ...]) -> str:
    shown = [f"column {key}" if key.isdecimal() else repr(key) for key in keys]
    return f", text from {' and '.join(shown)}" if keys else ""


def _line(row: Row, keys: tuple[str, ...], spec: str, flag: str, numbered: bool) -> Line:
    """The line of a row; if `numbered`, numbers of columns are left out where these have names."""
    try:
        text, _ = text_of(row, keys, spec, flag)
    except UserError as error:  # the place of a fault is in its line
        return Line(str(row.place), "", str(error).removeprefix(f"{row.place}: "))
    fields = row.fields
    named = {key: value for key, value in fields.items() if not key.isdecimal()}
    if row.tokens is not None or (numbered and named):
        fields = named
    others = {key: value for key, value in fields.items() if value != text}
    return Line(str(row.place), text, "", others)


# Lines of objects


def _has_objects(head: Head, reader: Reader) -> bool:
    """Whether each line is an object, whatever tool has written it."""
    is_json = head.extension in (".jsonl", ".ndjson") and reader.name == "jsonl"
    return is_json or jsonl.recognize(head) is not None


def _from_objects(head: Head, spec: str, layout: Layout) -> _Found:
    """The lines of a file with an object per line, and where their text is.

    Raises:
      UserError: if none of the first lines is an object with a text.
    """

    def rows() -> Iterator[Row | Line]:
        for number, line in enumerate(_plain(head, layout), start=1):
            yield _parsed(line, Place(head.path, number))

    first, flag = list(islice(rows(), _SAMPLE)), f"{layout.flag}.text"
    sound = [row for row in first if isinstance(row, Row)]
    if not sound:
        faults = [f"{row.place}: {row.fault}" for row in first if isinstance(row, Line)]
        raise UserError(faults[0] if faults else f"{head.path}: holds no line.")
    keys = _keys(sound, spec, flag)

    def lines() -> Iterator[Line]:
        for row in rows():
            yield row if isinstance(row, Line) else _line(row, keys, spec, flag, numbered=False)

    return lines, _where(keys)


def _parsed(line: Line, place: Place) -> Row | Line:
    """The row of the JSON object in a line; the line with a fault if there is none."""
    if line.fault:
        return line
    if not line.text.strip():
        return line._replace(text="", fault=EMPTY_LINE)
    try:
        value = json.loads(line.text)
    except (ValueError, RecursionError) as error:
        return line._replace(text="", fault=f"not valid JSON{json_fault(error)}.")
    if not isinstance(value, dict):
        shown = line.text[:40]
        return line._replace(text="", fault=f'expected an object, {{"text": ...}}, got {shown}')
    return row_of(place, value)


# Lines of text


def _plain(head: Head, layout: Layout) -> Iterator[Line]:
    """A line per line of a text file, also the empty ones."""
    try:
        encoding = encoding_of(head.path, layout.encoding).name
    except UserError:
        if layout.encoding != "auto":
            raise
        encoding = "utf-8-sig"  # in a file with several, the others are faults of their lines
    if "16" in encoding or "32" in encoding or b"\n" not in head.raw:
        for number, text in lines_of(head.path, encoding):
            yield Line(str(Place(head.path, number)), text, "")
        return
    with open_binary(head.path) as stream:
        yield from _decoded(stream, encoding, str(head.path))


def _streamed(name: str, spec: str, flag: str) -> Iterator[Line]:
    """The lines of standard input or a pipe; JSON if the first one begins with a brace."""
    shown, is_json = _STANDARD_INPUT if name == "-" else name, name.endswith((".jsonl", ".ndjson"))
    keys: tuple[str, ...] | None = None
    with nullcontext(sys.stdin.buffer) if name == "-" else _readable(name) as stream:
        for number, line in enumerate(_decoded(stream, "utf-8-sig", shown), start=1):
            is_json |= number == 1 and line.text.lstrip().startswith("{")
            row = _parsed(line, Place(Path(shown), number)) if is_json else line
            if isinstance(row, Row):
                try:
                    keys = _keys([row], spec, flag) if keys is None else keys
                    row = _line(row, keys, spec, flag, numbered=False)
                except UserError as error:
                    row = line._replace(text="", fault=str(error).removeprefix(f"{line.place}: "))
            yield row


def _decoded(stream: BinaryIO, encoding: str, name: str) -> Iterator[Line]:
    for number, raw in enumerate(stream, start=1):
        place = str(Place(Path(name), number))
        decoder = encoding if number == 1 else encoding.removesuffix("-sig")
        try:
            yield Line(place, raw.decode(decoder).rstrip("\r\n"), "")
        except UnicodeDecodeError as error:
            shown = encoding.removesuffix("-sig").upper()
            yield Line(place, "", f"byte {error.start + 1} is not {shown}.")


def _readable(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}.") from None
