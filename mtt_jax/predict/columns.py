"""Prediction from Parquet and Arrow to Parquet: columns are kept, answers are further columns.

A Parquet file can be read only once it is whole, so the output is written in parts, each a whole
file, in the folder OUTPUT.parts. Parts that are there are not predicted again; at the end they are
joined, and the folder is removed.
"""

import functools
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from mtt_jax import atomic
from mtt_jax.data.inputs import Columns, Line
from mtt_jax.data.readers.parquet import is_text
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.predict.predictor import Predictor
from mtt_jax.tasks import Task

# Rows of a part, at least: what is in memory at once, and what a kill can cost.
ROWS = 16_384
_TEXT, _ERROR, _INPUT = "text", "error", "input"


def check_parquet(output: str) -> None:
    """Refuses an output that a Parquet file cannot be written to.

    Raises:
      UserError: naming it.
    """
    if output == "-":
        raise UserError("--format=parquet: needs a file; add --output=NAME.parquet")
    if Path(output).exists():
        raise UserError(f"--output: {output} exists; remove it, or name another file.")


def predict_columns(
    predictor: Predictor,
    inputs: Sequence[Columns],
    output: str,
    strict: bool,
    progress: Callable[[int], None],
) -> int:
    """Predicts for every row of some files and writes their columns with the answers.

    Args:
      predictor: the model.
      inputs: as `open_columns` returns them.
      output: a file that does not exist; what an earlier start left in OUTPUT.parts is resumed.
      strict: stops at the first row without a text.
      progress: called with the number of rows done so far.

    Returns:
      The number of rows without an answer.

    Raises:
      UserError: for files that cannot be read or written, for parts of something else, and for a
        row without an answer if `strict`.
    """
    folder = Path(f"{output}.parts")
    form = _Form(inputs[0].schema, inputs[0].text, predictor.tasks)
    done, broken, parts = 0, 0, []
    with atomic.explained(folder, "--output"):
        folder.mkdir(parents=True, exist_ok=True)
        for number, (batches, lines) in enumerate(_groups(inputs)):
            part = folder / f"{number:06}.parquet"
            if part.is_file():
                faults = _faults_of_part(part, form, lines)
            else:
                faults = _write_part(part, form, predictor, batches, lines, strict)
            parts.append(part)
            done, broken = done + len(lines), broken + faults
            progress(done)
        _join(parts, form.schema, Path(output))
    shutil.rmtree(folder)
    return broken


class _Form:
    """What the columns of the output are.

    Attributes:
      schema: of pyarrow: the columns of the input, those whose name the output uses itself in a
        struct `input`, then the text if no column holds it, the answers and the error.
      text: the column that holds the text.
    """

    def __init__(self, given: Any, text: str, tasks: Sequence[Task]):
        import pyarrow as pa

        self.text = text or _TEXT
        self._tasks = tasks
        added = [] if text else [pa.field(_TEXT, pa.string())]
        added += [pa.field(task.name, _arrow(task.form)) for task in tasks]
        added.append(pa.field(_ERROR, pa.string()))
        taken = {_INPUT, *(field.name for field in added)}
        self._kept = [field.name for field in given if field.name not in taken]
        self._moved = [field for field in given if field.name in taken]
        kept = [given.field(name) for name in self._kept]
        moved = [pa.field(_INPUT, pa.struct(self._moved))] if self._moved else []
        self.schema = pa.schema([*kept, *moved, *added], given.metadata)

    def table(self, rows: Any, lines: Sequence[Line], results: Sequence[dict | None]) -> Any:
        """The rows of a table with their results, None for one without an answer."""
        import pyarrow as pa

        columns = {name: rows.column(name) for name in self._kept}
        if self._moved:
            arrays = [rows.column(field.name).combine_chunks() for field in self._moved]
            columns[_INPUT] = pa.StructArray.from_arrays(arrays, fields=self._moved)
        columns[_ERROR] = pa.array([line.fault or None for line in lines], pa.string())
        if self.text not in columns:
            columns[self.text] = pa.array([line.text for line in lines], pa.string())
        for task in self._tasks:
            answers = [result and result[task.name] for result in results]
            columns[task.name] = pa.array(answers, self.schema.field(task.name).type)
        return pa.table([columns[name] for name in self.schema.names], schema=self.schema)


def _arrow(form: Any) -> Any:
    """The type of pyarrow for the form of an answer."""
    import pyarrow as pa

    if isinstance(form, dict):
        return pa.struct([pa.field(name, _arrow(inner)) for name, inner in form.items()])
    if isinstance(form, list):
        return pa.list_(_arrow(form[0]))
    return {str: pa.string(), float: pa.float64(), int: pa.int64()}[form]


def _groups(inputs: Sequence[Columns]) -> Iterator[tuple[list[Any], list[Line]]]:
    """The record batches of a part, and the line of each of its rows."""
    batches: list[Any] = []
    lines: list[Line] = []
    for one in inputs:
        for batch, found in one.batches():
            batches.append(batch)
            lines += found
            if len(lines) >= ROWS:
                yield batches, lines
                batches, lines = [], []
    if batches:
        yield batches, lines


def _write_part(
    part: Path,
    form: _Form,
    predictor: Predictor,
    batches: Sequence[Any],
    lines: Sequence[Line],
    strict: bool,
) -> int:
    """Predicts for the rows of a part and writes it; returns how many have no answer."""
    import pyarrow as pa
    import pyarrow.parquet

    answered, results = _answers(predictor, lines, strict)
    table = form.table(pa.Table.from_batches(batches), answered, results)
    with atomic.replacing(part, "--output") as fresh:
        pyarrow.parquet.write_table(table, fresh)
    return results.count(None)


def _answers(
    predictor: Predictor, lines: Sequence[Line], strict: bool
) -> tuple[list[Line], list[dict | None]]:
    """(the lines with the faults of the model, their results, None for one with a fault).

    Raises:
      UserError: for the first fault if `strict`; otherwise it is printed.
    """
    answered: list[Line] = []
    results: list[dict | None] = []
    for prediction, line in predictor.predictions(((x.text, x) for x in lines), as_tuples=True):
        line = line._replace(fault=line.fault or prediction.fault)
        if line.fault:
            if strict:
                raise UserError(f"{line.place}: {line.fault}")
            print(f"{line.place}: {line.fault}", file=sys.stderr)
        results.append(None if line.fault else prediction.result)
        answered.append(line)
    return answered, results


@functools.lru_cache(maxsize=2)
def load_once(run: str, engine: str = "jax") -> Predictor:
    """`Predictor.load`, once per process: for a worker that is handed batch after batch."""
    return Predictor.load(run, engine)


def with_answers(rows: Any, predictor: Predictor, text: str = _TEXT) -> Any:
    """A pyarrow Table or RecordBatch with the answers of a model, as `mtt predict` writes them.

    For Ray Data, Spark and others that hand over columns; docs/bulk.md. The result is a Table.

    Args:
      rows: any columns.
      predictor: the model.
      text: the column of the texts; a row in which it is null has an error and no answers.

    Raises:
      UserError: if there is no such column of strings.
    """
    import pyarrow as pa

    table = pa.Table.from_batches([rows]) if isinstance(rows, pa.RecordBatch) else rows
    form = _Form(table.schema, _checked(table.schema, text), predictor.tasks)
    lines = [
        Line(f"row {number}", value or "", "the text is null." if value is None else "")
        for number, value in enumerate(table.column(text).to_pylist(), start=1)
    ]
    return form.table(table, *_answers(predictor, lines, strict=False))


def schema_with_answers(schema: Any, predictor: Predictor, text: str = _TEXT) -> Any:
    """The schema of what `with_answers` returns for rows of a schema of pyarrow.

    Raises:
      UserError: if there is no such column of strings.
    """
    return _Form(schema, _checked(schema, text), predictor.tasks).schema


def _checked(schema: Any, text: str) -> str:
    if text not in schema.names or not is_text(schema.field(text).type):
        raise UserError(
            f"no column of strings {text!r} in {', '.join(schema.names)}; name it with text=..."
            f"{did_you_mean(text, schema.names)}"
        )
    return text


def _faults_of_part(part: Path, form: _Form, lines: Sequence[Line]) -> int:
    """How many rows of a part that an earlier start wrote have no answer.

    Raises:
      UserError: if it is not the part of these rows.
    """
    import pyarrow as pa
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(part, partitioning=None)
        same = table.schema.equals(form.schema) and table.num_rows == len(lines)
    except pa.ArrowInvalid:  # not a Parquet file, or a damaged one
        same = False
    if same:
        pairs = zip(table.column(form.text).to_pylist(), lines, strict=True)
        same = all(text == line.text or line.fault for text, line in pairs)
    if not same:
        raise UserError(
            f"--output: {part} is not the result of these rows with this model; remove "
            f"{part.parent}, or name another file."
        )
    return len(lines) - table.column(_ERROR).null_count


def _join(parts: Sequence[Path], schema: Any, output: Path) -> None:
    """Writes parts as one file, which is there only once it is whole."""
    import pyarrow.parquet

    with (
        atomic.replacing(output, "--output") as fresh,
        pyarrow.parquet.ParquetWriter(fresh, schema) as writer,
    ):
        for part in parts:
            writer.write_table(pyarrow.parquet.read_table(part, partitioning=None))
