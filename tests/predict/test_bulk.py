"""The recipes of docs/bulk.md, run as they stand there, on Ray Data and on Spark."""

import os
import re
import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from mtt_jax import UserError
from mtt_jax.predict.columns import schema_with_answers, with_answers
from tests.helpers import ROOT

TEXTS = ["Tom Fry of Acme United scored in Rome .", "", None, "Ann Lee left Oslo ."]


def rows_of(count):
    return pa.table({"id": range(count), "text": (TEXTS * count)[:count]})


def test_a_batch_keeps_its_columns_and_gets_those_of_the_answers(predictor):
    given = rows_of(4)
    found = with_answers(given, predictor)
    assert found.column_names == ["id", "text", "topic", "ner", "error"]
    assert found.schema.equals(schema_with_answers(given.schema, predictor))
    assert found.select(["id", "text"]).equals(given)
    assert found.column("error").to_pylist() == [None, None, "the text is null.", None]
    answers = found.column("ner").to_pylist()
    assert answers[2] is None
    for row in (0, 1, 3):
        places = [(e["start"], e["end"], e["label"]) for e in answers[row]]
        alone = predictor(TEXTS[row])["ner"]  # whose scores depend a little on the batch
        assert places == [(e["start"], e["end"], e["label"]) for e in alone]
    (batch,) = given.to_batches()
    assert with_answers(batch, predictor).equals(found)


def test_rows_without_a_text_column_are_refused(predictor):
    with pytest.raises(UserError, match="no column of strings 'txt' in id, text; .* Did you mean"):
        with_answers(rows_of(1), predictor, text="txt")
    with pytest.raises(UserError, match="no column of strings 'id'"):
        schema_with_answers(rows_of(1).schema, predictor, text="id")


def test_no_rows_give_no_rows_with_the_same_columns(predictor):
    none = rows_of(4).slice(0, 0)
    assert with_answers(none, predictor).schema.equals(schema_with_answers(none.schema, predictor))


def recipe(name, folder):
    """A file of the page, written into a folder."""
    page = (ROOT / "docs" / "bulk.md").read_text(encoding="utf-8")
    code = next(
        block
        for block in re.findall(r"```python\n(.*?)```", page, re.DOTALL)
        if block.startswith(f"# {name}")
    )
    (folder / name).write_text(code, encoding="utf-8")
    return folder / name


@pytest.mark.peers
@pytest.mark.parametrize(
    ("name", "package"), [("bulk_ray.py", "ray"), ("bulk_spark.py", "pyspark")]
)
def test_the_recipe_gives_every_row_its_answers(name, package, run, predictor, tmp_path):
    pytest.importorskip(package, reason="needs: pip install -r requirements-bulk.txt")
    given = rows_of(40)
    (tmp_path / "in").mkdir()
    pq.write_table(given, tmp_path / "in" / "a.parquet")
    done = subprocess.run(
        [sys.executable, str(recipe(name, tmp_path)), str(run), str(tmp_path / "in"),
         str(tmp_path / "out")],
        capture_output=True, text=True, cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYSPARK_PYTHON": sys.executable,
             "RAY_USAGE_STATS_ENABLED": "0",
             "RAY_raylet_start_wait_time_s": "600"},  # on a busy machine
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    found = pq.read_table(tmp_path / "out").sort_by("id").to_pylist()
    expected = with_answers(given, predictor).to_pylist()
    assert [row["id"] for row in found] == list(range(40))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["text"] == theirs["text"]
        assert ours["error"] == theirs["error"]
        assert [e["label"] for e in ours["ner"] or ()] == [e["label"] for e in theirs["ner"] or ()]
        assert (ours["topic"] is None) == (theirs["topic"] is None)
