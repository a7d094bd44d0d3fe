"""Prediction on files and pipes: lines in, lines out, in order and in constant memory.

Every input line gives exactly one output line in the formats that can be gone on with, a broken
one an error line, so that the number of lines already written says where to go on.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple, TextIO

from mtt_jax.data.readers.records import json_fault
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError
from mtt_jax.predict.predictor import Predictor
from mtt_jax.tasks.schemes import OUTSIDE

# Formats in which an output line stands for an input line.
_BY_LINE = ("jsonl", "displacy")


class Line(NamedTuple):
    """A line of input.

    Attributes:
      place: such as `news.txt, line 7`.
      text: what to predict on; empty where there is a fault.
      fault: what is wrong with it, or "".
    """

    place: str
    text: str
    fault: str


def predict_lines(
    predictor: Predictor,
    files: list[str],
    output: str,
    kind: str,
    text_key: str,
    strict: bool,
    progress: Callable[[int], None],
) -> int:
    """Predicts for every line of some files, or of standard input, and writes the results.

    Args:
      predictor: the model.
      files: text with a sentence a line, or JSONL by their ending; "-" for standard input, whose
        lines are JSON where the first begins with a brace.
      output: a file, "-" for standard output. In a format of a line a result, one that is there
        already is gone on with.
      kind: one of FORMATS.
      text_key: where the text is in JSONL.
      strict: ends at the first broken line.
      progress: told the number of lines done so far.

    Returns:
      How many lines were broken.

    Raises:
      UserError: for files that cannot be read or written, and for a broken line if `strict`.
    """
    for name in files:
        if name != "-" and (not Path(name).exists() or Path(name).is_dir()):
            raise UserError(f"{name}: {'a directory' if Path(name).is_dir() else 'no such file'}.")
        if name != "-" and Path(output).exists() and Path(output).samefile(name):
            raise UserError(f"--output: {output} is the input; name another file.")
    lines = _lines(files, text_key)
    done, broken = _go_on(output, kind, lines, strict)
    with _opened(output) as stream:
        write = FORMATS[kind](stream)
        for result, line in predictor.pipe(((line.text, line) for line in lines), as_tuples=True):
            done += 1
            if line.fault:
                if strict:
                    raise UserError(f"{line.place}: {line.fault}")
                broken += 1
                print(f"{line.place}: {line.fault}", file=sys.stderr)
            write(result, line)
            progress(done)
    return broken


def _lines(files: list[str], text_key: str) -> Iterator[Line]:
    """The lines of all files, each checked."""
    for name in files:
        with nullcontext(sys.stdin.buffer) if name == "-" else _readable(name) as stream:
            is_json = name.endswith((".jsonl", ".ndjson"))
            for number, raw in enumerate(stream, start=1):
                place = f"{'standard input' if name == '-' else name}, line {number}"
                try:
                    text = raw.decode("utf-8-sig" if number == 1 else "utf-8").rstrip("\r\n")
                except UnicodeDecodeError as error:
                    yield Line(place, "", f"byte {error.start + 1} is not UTF-8.")
                    continue
                if number == 1 and name == "-":
                    is_json = text.lstrip().startswith("{")
                yield _from_json(text, text_key, place) if is_json else Line(place, text, "")


def _readable(name: str) -> BinaryIO:
    try:
        return Path(name).open("rb")
    except OSError as error:
        raise UserError(f"{name}: cannot be read: {error.strerror}.") from None


def _from_json(text: str, key: str, place: str) -> Line:
    """The text of a JSON object."""
    if not text.strip():
        return Line(place, "", "an empty line, no JSON.")
    try:
        row = json.loads(text)
    except (ValueError, RecursionError) as error:
        return Line(place, "", f"not valid JSON{json_fault(error)}.")
    if not isinstance(row, dict) or not isinstance(row.get(key), str):
        return Line(place, "", f"no text under the key {key!r}; another is named by --text-key.")
    if is_cut(row[key]):
        return Line(place, "", "half of a surrogate pair; the text was cut inside a sign.")
    return Line(place, row[key], "")


def is_cut(text: str) -> bool:
    """Whether a text holds half of a surrogate pair, which no UTF-8 file can hold."""
    return any("\ud800" <= sign <= "\udfff" for sign in text)


def _go_on(output: str, kind: str, lines: Iterator[Line], strict: bool) -> tuple[int, int]:
    """Takes off `lines` what the output holds already; what a kill left of a last line is cut off.

    Returns:
      (results that are there, how many of them are for broken lines).

    Raises:
      UserError: where the output holds anything else than results for these lines.
    """
    file = Path(output)
    if output == "-" or not file.is_file():  # a pipe or a device has nothing to go on with
        if output != "-" and file.is_dir():
            raise UserError(f"--output: {output} is a directory; name a file.")
        return 0, 0
    if kind not in _BY_LINE:
        raise UserError(
            f"--output: {output} is there already, and {kind} cannot be gone on with; remove it, "
            f"or use --format={' or '.join(_BY_LINE)}."
        )
    count, broken, whole = 0, 0, 0
    with file.open("rb") as results:
        for raw in results:
            if not raw.endswith(b"\n"):
                break
            line = next(lines, None)
            fault = _result_of(raw, line)
            if line is None or fault is None:
                raise UserError(
                    f"--output: {output}, line {count + 1} is not the result of the input's line "
                    f"{count + 1}; name another file."
                )
            if fault and strict:
                raise UserError(f"{line.place}: {line.fault}")
            count, broken, whole = count + 1, broken + fault, whole + len(raw)
        rest = file.stat().st_size - whole
    if rest and not count and not raw.startswith(b"{"):
        raise UserError(f"--output: {output} is there and holds no results; name another file.")
    os.truncate(file, whole)
    return count, broken


def _result_of(raw: bytes, line: Line | None) -> bool | None:
    """Whether a line of output says that `line` is broken; None if it is not about `line`."""
    try:
        row = json.loads(raw)
    except ValueError:
        return None
    if not isinstance(row, dict) or line is None:
        return None
    if line.fault:
        return True if "error" in row or row.get("title") == line.fault else None
    return False if row.get("text") == line.text else None


@contextmanager
def _opened(output: str) -> Iterator[TextIO]:
    if output == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's, JSON is UTF-8
        yield sys.stdout
        sys.stdout.flush()
        return
    with _writable(output) as file:
        yield file


def _writable(output: str) -> TextIO:
    try:
        return Path(output).open("a", encoding="utf-8", newline="")
    except OSError as error:
        raise UserError(f"--output: cannot write {output}: {error.strerror}.") from None


def _jsonl(stream: TextIO) -> Callable[[dict, Line], None]:
    """The result as it is, or {"error": ...}."""

    def write(result: dict[str, Any], line: Line) -> None:
        row = {"error": f"{line.place}: {line.fault}"} if line.fault else result
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _displacy(stream: TextIO) -> Callable[[dict, Line], None]:
    """What spaCy's displacy.render(..., manual=True) draws."""

    def write(result: dict[str, Any], line: Line) -> None:
        spans = [{k: e[k] for k in ("start", "end", "label")} for e in _entities(result)]
        labels = [v["label"] for v in result.values() if isinstance(v, dict)]
        title = line.fault or ", ".join(labels) or None
        row = {"text": result["text"], "ents": spans, "title": title}
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _csv(stream: TextIO) -> Callable[[dict, Line], None]:
    """A row a text: text, label and score of each sentence task, entities as JSON."""
    writer = csv.writer(stream, lineterminator="\n")
    begun = False

    def write(result: dict[str, Any], line: Line) -> None:
        nonlocal begun
        topics = {k: v for k, v in result.items() if isinstance(v, dict)}
        if not begun:
            heads = [part for name in topics for part in (name, f"{name}_score")]
            writer.writerow(["text", *heads, "entities", "error"])
            begun = True
        known = {} if line.fault else topics
        cells: list[str] = []
        for name in topics:
            answer = known.get(name)
            cells += (answer["label"], f"{answer['score']:.6f}") if answer else ("", "")
        found = "" if line.fault else json.dumps(_entities(result), ensure_ascii=False)
        writer.writerow([line.text, *cells, found, line.fault])

    return write


def _conll(stream: TextIO) -> Callable[[dict, Line], None]:
    """A word and its IOB2 tag a line, an empty line behind each text, its labels in a comment."""

    def write(result: dict[str, Any], line: Line) -> None:
        block = io.StringIO()
        if line.fault:
            block.write(f"# error = {line.place}: {line.fault}\n")
        for name, value in result.items():
            if isinstance(value, dict) and not line.fault:
                block.write(f"# {name} = {value['label']}\n")
        entities = _entities(result)
        for start, end in split_words(result["text"]):
            tag = OUTSIDE
            for entity in entities:
                if entity["start"] <= start < entity["end"]:
                    tag = ("B-" if entity["start"] == start else "I-") + entity["label"]
            block.write(f"{result['text'][start:end]} {tag}\n")
        stream.write(block.getvalue() + "\n")

    return write


def _entities(result: dict[str, Any]) -> list[dict[str, Any]]:
    """The entities of all token tasks, in their order in the text."""
    found: Iterable[dict] = (
        e for value in result.values() if isinstance(value, list) for e in value
    )
    return sorted(found, key=lambda entity: (entity["start"], entity["end"]))


FORMATS = {"jsonl": _jsonl, "displacy": _displacy, "csv": _csv, "conll": _conll}
