"""Prediction on inputs: lines in, lines out, in order and in constant memory.

In the formats that can be resumed, every input line gives exactly one output line, an error line if
the input is broken, so that the number of lines already written says where to resume.
"""

import csv
import io
import json
import os
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from mtt_jax import atomic
from mtt_jax.data.inputs import Input, Line, is_cut
from mtt_jax.errors import UserError
from mtt_jax.predict.predictor import Prediction, Predictor
from mtt_jax.report.as_json import finite
from mtt_jax.scoring.infer import NOT_FINITE
from mtt_jax.tasks import Task

# The key of a JSONL result for keys of the input that the result uses itself.
_INPUT = "input"

Write = Callable[[Prediction, Line], None]


class Format(NamedTuple):
    """An output format.

    Attributes:
      writer: (stream, tasks) -> a function that writes one prediction.
      by_line: whether each result is one line, so that an output can be resumed.
    """

    writer: Callable[[TextIO, Sequence[Task]], Write]
    by_line: bool


def predict_lines(
    predictor: Predictor,
    inputs: Sequence[Input],
    output: str,
    format_name: str,
    strict: bool,
    progress: Callable[[int], None],
    at_once: bool = False,
) -> int:
    """Predicts for every line of some inputs and writes the results.

    Args:
      predictor: the model.
      inputs: as returned by `open_inputs`.
      output: a file, or "-" for standard output. A file that exists is resumed if the format has
        one line per result.
      format_name: one of FORMATS.
      strict: stops at the first broken line.
      progress: called with the number of lines done so far.
      at_once: answers each line before it reads the next, for a person who types.

    Returns:
      The number of broken lines.

    Raises:
      UserError: for files that cannot be read or written, and for a broken line if `strict`.
    """
    lines = chain.from_iterable(one.lines() for one in inputs)
    chosen = FORMATS[format_name]
    done, broken = _resume(output, chosen, lines, strict)
    progress(done)
    with _opened(output, chosen.by_line) as stream:
        write = chosen.writer(stream, predictor.tasks)
        pairs = ((line.text, line) for line in lines)
        size = 1 if at_once else 256
        for prediction, line in predictor.predictions(pairs, size, as_tuples=True):
            done += 1
            line = line._replace(fault=line.fault or prediction.fault)
            if line.fault:
                if strict:
                    raise UserError(f"{line.place}: {line.fault}")
                broken += 1
                print(f"{line.place}: {line.fault}", file=sys.stderr)
            write(prediction, line)
            if at_once:
                stream.flush()
            progress(done)
    return broken


def check_output(output: str, files: Sequence[str]) -> None:
    """Refuses an output that is one of the files to read, or a directory.

    Raises:
      UserError: naming it.
    """
    if output == "-":
        return
    path = Path(output)
    if path.is_dir():
        raise UserError(f"--output: {output} is a directory; name a file.")
    for name in files:
        if name != "-" and path.exists() and Path(name).exists() and path.samefile(name):
            raise UserError(f"--output: {output} is the input; name another file.")


def _resume(output: str, chosen: Format, lines: Iterator[Line], strict: bool) -> tuple[int, int]:
    """Skips the lines whose results the output has; a last line that a kill cut off is removed.

    Returns:
      (results that are there, how many of them are for broken lines).

    Raises:
      UserError: if the output contains anything but results for these lines.
    """
    file = Path(output)
    if output == "-" or not file.is_file():  # a pipe or a device has nothing to resume
        return 0, 0
    if not chosen.by_line:
        name = next(name for name, other in FORMATS.items() if other is chosen)
        names = " or ".join(name for name, other in FORMATS.items() if other.by_line)
        raise UserError(
            f"--output: {output} exists, and {name} cannot be resumed; remove it, or use "
            f"--format={names}."
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
                    f"--output: {output}, line {count + 1} is not the result of line {count + 1} "
                    "of the input; name another file."
                )
            if fault and strict:
                raise UserError(f"{line.place}: {line.fault or NOT_FINITE}")
            count, broken, whole = count + 1, broken + fault, whole + len(raw)
        rest = file.stat().st_size - whole
    if rest and not count and not raw.startswith(b"{"):
        raise UserError(f"--output: {output} exists and contains no results; name another file.")
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
    fault = line.fault or NOT_FINITE  # the model may have had no answer to a sound line
    if row.get("title") == fault or row.get("error") == f"{line.place}: {fault}":
        return True
    if line.fault:
        return True if "error" in row else None
    return False if row.get("text") == line.text else None


@contextmanager
def _opened(output: str, by_line: bool) -> Iterator[TextIO]:
    """Opens the output; one that cannot be resumed is there only once it is whole."""
    if output == "-":
        if hasattr(sys.stdout, "reconfigure"):
            sys.stdout.reconfigure(encoding="utf-8")  # whatever the terminal's, JSON is UTF-8
        yield sys.stdout
        sys.stdout.flush()
        return
    path = Path(output)
    if by_line or (path.exists() and not path.is_file()):  # a pipe or a device
        with (
            atomic.explained(path, "--output"),
            path.open("a", encoding="utf-8", newline="") as file,
        ):
            yield file
        return
    with (
        atomic.replacing(path, "--output") as fresh,
        fresh.open("w", encoding="utf-8", newline="") as file,
    ):
        yield file


def _jsonl(stream: TextIO, tasks: Sequence[Task]) -> Write:
    """The result with what else the input says about the text, or {"error": ...}."""
    taken = {"text", "error", _INPUT, *(task.name for task in tasks)}

    def write(prediction: Prediction, line: Line) -> None:
        row = {"error": f"{line.place}: {line.fault}"}
        if not line.fault:
            row = prediction.result | _beside(line.others, taken)
        stream.write(_dumped(row) + "\n")

    return write


def _beside(others: Mapping[str, Any], taken: Collection[str]) -> dict[str, Any]:
    """Keys of the input as a result holds them: those that it uses itself are under `_INPUT`."""
    row = {key: value for key, value in others.items() if key not in taken}
    hidden = {key: value for key, value in others.items() if key in taken}
    return finite(row | {_INPUT: hidden} if hidden else row)


def _dumped(row: dict[str, Any]) -> str:
    """A row as JSON; half of a surrogate pair, which an input may hold, is escaped."""
    found = json.dumps(row, ensure_ascii=False)
    return json.dumps(row) if is_cut(found) else found


def _displacy(stream: TextIO, tasks: Sequence[Task]) -> Write:
    """What spaCy's displacy.render(..., manual=True) draws."""

    def write(prediction: Prediction, line: Line) -> None:
        result = prediction.result
        spans = [span for task in tasks for span in task.as_spans(result[task.name])]
        spans.sort(key=lambda span: (span["start"], span["end"]))
        titles = (task.as_title(result[task.name]) for task in tasks)
        row = {
            "text": result["text"],
            "ents": [{key: span[key] for key in ("start", "end", "label")} for span in spans],
            "title": line.fault or ", ".join(title for title in titles if title) or None,
        }
        stream.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _csv(stream: TextIO, tasks: Sequence[Task]) -> Write:
    """One row per text: the text, each task's answer in its columns, and the error."""
    writer = csv.writer(stream, lineterminator="\n")
    headings = [heading for task in tasks for heading in task.as_cells(None)]
    begun = False

    def write(prediction: Prediction, line: Line) -> None:
        nonlocal begun
        if not begun:
            writer.writerow(["text", *headings, "error"])
            begun = True
        answers = (None if line.fault else prediction.result[task.name] for task in tasks)
        cells = [
            cell
            for task, answer in zip(tasks, answers, strict=True)
            for cell in task.as_cells(answer).values()
        ]
        writer.writerow([line.text, *cells, line.fault])

    return write


def _conll(stream: TextIO, tasks: Sequence[Task]) -> Write:
    """One word per line, a column per task; labels of the whole text are in comments."""

    def write(prediction: Prediction, line: Line) -> None:
        result, words = prediction.result, prediction.words
        block = io.StringIO()
        if line.fault:
            block.write(f"# error = {line.place}: {line.fault}\n")
        columns = []
        for task in tasks:
            tags = task.as_tags(result[task.name], words)
            if tags is not None:
                columns.append(tags)
            elif not line.fault:
                block.write(f"# {task.name} = {task.as_title(result[task.name])}\n")
        for index, (start, end) in enumerate(words):
            cells = [result["text"][start:end], *(tags[index] for tags in columns)]
            block.write(" ".join(cells) + "\n")
        stream.write(block.getvalue() + "\n")

    return write


def _text(stream: TextIO, tasks: Sequence[Task]) -> Write:
    """An indented line per task and per labeled span, for reading on a terminal."""

    def write(prediction: Prediction, line: Line) -> None:
        if line.fault:
            return  # it is on standard error
        for task in tasks:
            for shown in task.as_lines(prediction.result[task.name]):
                stream.write(f"  {shown}\n")

    return write


FORMATS = {
    "jsonl": Format(_jsonl, by_line=True),
    "displacy": Format(_displacy, by_line=True),
    "csv": Format(_csv, by_line=False),
    "conll": Format(_conll, by_line=False),
    "text": Format(_text, by_line=False),
}
