"""`mtt predict` from Parquet to Parquet: columns keep their types, and a kill costs one part."""

import datetime
import json
import signal
import subprocess
import sys

import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet as pq
import pytest

from mtt_jax import Predictor
from mtt_jax.cli import main
from mtt_jax.predict import columns
from tests.helpers import ROOT, save_four_tasks

TEXTS = ["Tom Fry of Acme United scored in Rome .", "", "Shares fell .", "🙂 Ann Lee in Oslo"]


def table(**more):
    return pa.table({
        "id": pa.array([1, 2, 3, None], pa.int16()),
        "text": TEXTS,
        "when": pa.array([datetime.datetime(2024, 5, 1, tzinfo=datetime.UTC)] * 4,
                         pa.timestamp("us", "UTC")),
        "vector": pa.array([[0.5, float("nan")]] * 4, pa.list_(pa.float32(), 2)),
        "kind": pa.array(["a", "b", "a", None]).dictionary_encode(),
        "price": pa.array([None, 1, 2, 3], pa.decimal128(9, 2)),
        **more,
    })  # fmt: skip


def written(folder, rows, name="in.parquet"):
    path = folder / name
    pq.write_table(rows, path)
    return path


def predicted(run, file, output, *arguments):
    return main(["predict", str(run), str(file), f"--output={output}", *map(str, arguments)])


def test_columns_and_their_types_are_kept_and_answers_are_further_columns(run, tmp_path):
    file, output = written(tmp_path, table()), tmp_path / "out.parquet"
    assert predicted(run, file, output) == 0
    found, given = pq.read_table(output), pq.read_table(file)
    assert found.column_names == [*given.column_names, "topic", "ner", "error"]
    kept = found.select(given.column_names)
    assert kept.schema.equals(given.schema)
    for name in set(given.column_names) - {"vector"}:  # NaN is not equal to itself
        assert kept.column(name).equals(given.column(name))
    assert str(kept.column("vector").to_pylist()) == str(given.column("vector").to_pylist())
    results = Predictor.load(run)(TEXTS)
    assert [answer and answer["label"] for answer in found.column("topic").to_pylist()] == [
        result["topic"] and result["topic"]["label"] for result in results
    ]
    for ours, result in zip(found.column("ner").to_pylist(), results, strict=True):
        assert [(e["text"], e["start"], e["end"], e["label"]) for e in ours] == [
            (e["text"], e["start"], e["end"], e["label"]) for e in result["ner"]
        ]
    assert found.column("error").null_count == 4
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.parquet", "out.parquet"]


def test_every_kind_of_task_has_a_column_of_its_answers(tokenizer, tmp_path):
    run = save_four_tasks(tmp_path / "run", tokenizer)
    file, output = written(tmp_path, table()), tmp_path / "out.parquet"
    assert predicted(run, file, output) == 0
    assert predicted(run, file, tmp_path / "out.jsonl") == 0
    rows = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    predictor = Predictor.load(run)
    for task in predictor.tasks:
        assert pq.read_table(output).column(task.name).to_pylist() == [
            row[task.name] for row in rows
        ]


def test_columns_that_the_output_uses_itself_are_kept_in_a_struct(run, tmp_path):
    given = table(ner=pa.array([1, 2, 3, 4], pa.int8()), error=["a", "b", "c", "d"])
    file, output = written(tmp_path, given), tmp_path / "out.parquet"
    assert predicted(run, file, output) == 0
    found = pq.read_table(output)
    assert found.schema.field("input").type == pa.struct(
        [pa.field("ner", pa.int8()), pa.field("error", pa.string())]
    )
    assert found.column("input").to_pylist()[1] == {"ner": 2, "error": "b"}
    assert found.column("error").null_count == 4


def test_a_text_of_several_columns_is_a_column_of_its_own(run, tmp_path):
    given = pa.table({"title": ["Tom Fry", None], "body": ["left Rome", "fell"]})
    file, output = written(tmp_path, given), tmp_path / "out.parquet"
    assert predicted(run, file, output, "--text=title,body") == 0
    found = pq.read_table(output)
    assert found.column("text").to_pylist() == ["Tom Fry left Rome", " fell"]
    assert found.select(["title", "body"]).equals(given)


def test_a_row_without_a_text_has_an_error_and_no_answers(run, tmp_path, capsys):
    given = pa.table({"text": ["a", None, "c"]})
    file, output = written(tmp_path, given), tmp_path / "out.parquet"
    assert predicted(run, file, output) == 1
    found = pq.read_table(output).to_pylist()
    assert [row["error"] is None for row in found] == [True, False, True]
    assert "'text' is None" in found[1]["error"]
    assert found[1]["topic"] is None
    assert found[1]["ner"] is None
    assert f"{file}, row 2: " in capsys.readouterr().err
    assert predicted(run, file, tmp_path / "strict.parquet", "--strict") == 2
    assert not (tmp_path / "strict.parquet").exists()


def test_arrow_files_and_several_files_are_read_in_their_order(run, tmp_path):
    pyarrow.feather.write_feather(table(), tmp_path / "a.arrow")
    written(tmp_path, table(), "b.parquet")
    output = tmp_path / "out.parquet"
    assert predicted(run, tmp_path / "a.arrow", output, tmp_path / "b.parquet") == 0
    assert pq.read_table(output).column("text").to_pylist() == TEXTS * 2


@pytest.mark.peers  # slow: processes
def test_a_prediction_that_was_killed_is_resumed_after_its_last_whole_part(
    run, tmp_path, monkeypatch
):
    rows_per_part = 1024
    texts = [f"Tom {number} visited Rome ." for number in range(4 * rows_per_part)]
    file, output = written(tmp_path, pa.table({"text": texts})), tmp_path / "out.parquet"
    parts = tmp_path / "out.parquet.parts"
    code = (
        f"from mtt_jax.predict import columns; columns.ROWS = {rows_per_part}\n"
        f"from mtt_jax.cli import main; main(['predict', {str(run)!r}, {str(file)!r}, "
        f"'--output={output}'])"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    while not (parts / "000000.parquet").exists():
        assert process.poll() is None, process.communicate()
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert not output.exists()
    # A mark in the first part shows that it is not predicted again.
    rows = pq.read_table(parts / "000000.parquet")
    assert len(rows) == rows_per_part
    place = rows.schema.get_field_index("error")
    marked = rows.set_column(place, "error", pa.array(["mine"] * len(rows)))
    pq.write_table(marked, parts / "000000.parquet")
    monkeypatch.setattr(columns, "ROWS", rows_per_part)
    assert predicted(run, file, output) == 1  # as rows have errors
    found = pq.read_table(output)
    assert found.column("text").to_pylist() == texts
    errors = found.column("error").to_pylist()
    assert set(errors[:rows_per_part]) == {"mine"}
    assert set(errors[rows_per_part:]) == {None}
    assert not parts.exists()


def test_parts_of_other_rows_are_refused_and_left_as_they_are(run, tmp_path, capsys):
    file, output = written(tmp_path, pa.table({"text": ["a", "b"]})), tmp_path / "out.parquet"
    assert predicted(run, file, output) == 0
    (tmp_path / "out.parquet.parts").mkdir()
    part = tmp_path / "out.parquet.parts" / "000000.parquet"
    output.rename(part)
    before = part.read_bytes()
    written(tmp_path, pa.table({"text": ["a", "other"]}))
    assert predicted(run, file, output) == 2
    assert f"{part} is not the result of these rows" in capsys.readouterr().err
    assert part.read_bytes() == before


@pytest.mark.parametrize("damage", [lambda whole: b"no Parquet", lambda whole: whole[:-20]])
def test_a_damaged_part_is_refused_and_left_as_it_is(damage, run, tmp_path, capsys):
    file, output = written(tmp_path, pa.table({"text": ["a", "b"]})), tmp_path / "out.parquet"
    assert predicted(run, file, output) == 0
    (tmp_path / "out.parquet.parts").mkdir()
    part = tmp_path / "out.parquet.parts" / "000000.parquet"
    part.write_bytes(before := damage(output.read_bytes()))
    output.unlink()
    assert predicted(run, file, output) == 2
    assert f"{part} is not the result of these rows" in capsys.readouterr().err
    assert part.read_bytes() == before


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("in.parquet", ["--output=there.parquet"], "--output: there.parquet exists; remove it"),
        ("in.parquet", ["--format=parquet"], "--format=parquet: needs a file; add --output="),
        ("in.jsonl", ["--output=o.parquet"], "in.jsonl: not a Parquet or Arrow file, whose"),
        ("-", ["--output=o.parquet"], "standard input: cannot be read as Parquet; name a file"),
        ("empty.parquet", ["--output=o.parquet"], "empty.parquet: contains no rows."),
        ("[io]*.parquet", ["--output=o.parquet"], "its columns are not those of in.parquet"),
    ],
)
def test_what_cannot_be_written_as_parquet_is_refused_before_the_model_is_loaded(
    name, arguments, message, tmp_path, monkeypatch, capsys
):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, table())
    written(tmp_path, pa.table({"text": ["a"]}), "inn.parquet")
    written(tmp_path, table().slice(0, 0), "empty.parquet")
    (tmp_path / "in.jsonl").write_text('{"text": "a"}\n')
    (tmp_path / "there.parquet").write_bytes(b"mine")
    assert main(["predict", "no/such/run", name, *arguments]) == 2
    assert message in capsys.readouterr().err
    assert (tmp_path / "there.parquet").read_bytes() == b"mine"
