"""`mtt convert`: files in any format, written as JSONL."""

import json
import re

import pytest

from mtt_jax.cli import main

CONLL = "Mia B-PER\nran O\n\nOslo B-LOC\n"
LINES = [
    {
        "text": "Mia ran",
        "entities": [{"start": 0, "end": 3, "label": "PER"}],
        "tokens": ["Mia", "ran"],
    },
    {"text": "Oslo", "entities": [{"start": 0, "end": 4, "label": "LOC"}], "tokens": ["Oslo"]},
]


@pytest.fixture
def conll(tmp_path):
    path = tmp_path / "a.conll"
    path.write_text(CONLL)
    return path


def read(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_the_file_is_written_and_what_was_recognized_is_printed(conll, tmp_path, capsys):
    out = tmp_path / "a.jsonl"
    assert main(["convert", str(conll), str(out)]) == 0
    assert read(out) == LINES
    said = capsys.readouterr().out
    assert "2 texts, CoNLL columns (2, separated by spaces), entities from column 2" in said
    assert "scheme iob2" in said
    assert f"{out}: 2 lines written." in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.conll", "a.jsonl"]


def test_standard_output_holds_nothing_but_json(conll, capsys):
    assert main(["convert", str(conll), "-"]) == 0
    output = capsys.readouterr()
    assert [json.loads(line) for line in output.out.splitlines()] == LINES
    assert "CoNLL columns" in output.err


def test_several_files_and_globs_become_one(conll, tmp_path):
    (tmp_path / "b.json").write_text('[{"text": "Bo", "label": "news"}]')
    out = tmp_path / "all.jsonl"
    assert main(["convert", str(tmp_path / "*.conll"), str(tmp_path / "b.json"), str(out)]) == 0
    assert read(out) == [*LINES, {"text": "Bo", "label": "news"}]


def test_a_file_that_exists_is_overwritten_only_if_forced(conll, tmp_path, capsys):
    out = tmp_path / "a.jsonl"
    out.write_text("mine\n")
    assert main(["convert", str(conll), str(out)]) == 2
    assert "exists; name another file, or overwrite it with --force" in capsys.readouterr().err
    assert out.read_text() == "mine\n"
    assert main(["convert", str(conll), str(out), "--force"]) == 0
    assert read(out) == LINES


def test_a_fault_leaves_what_was_there(conll, tmp_path, capsys):
    bad, out = tmp_path / "bad.jsonl", tmp_path / "a.jsonl"
    bad.write_text('{"text": "Mia"}\n{"text": \n')
    out.write_text("mine\n")
    assert main(["convert", str(conll), str(bad), str(out), "--force"]) == 2
    assert "bad.jsonl, line 2: not valid JSON" in capsys.readouterr().err
    assert out.read_text() == "mine\n"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.conll", "a.jsonl", "bad.jsonl"]


def test_options_say_how_to_read(tmp_path):
    path, out = tmp_path / "a.csv", tmp_path / "a.jsonl"
    path.write_bytes("Titel;Text;Art\nCafé;Zürich;1\n".encode("cp1252"))
    arguments = ["--text=Titel,Text", "--label=Art", "--names=news,sports", "--encoding=cp1252"]
    assert main(["convert", str(path), str(out), *arguments]) == 0
    assert read(out) == [
        {"text": "Café Zürich", "label": "sports", "Titel": "Café", "Text": "Zürich"}
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: OUT"),
        (["{folder}/b.conll"], "b.conll: the last argument is the file to write; name it"),
        (["{folder}"], "the last argument is the file to write"),
        (["{folder}/none/b.jsonl"], "none does not exist; create it first"),
        (["-", "--scheme=bieso"], "--scheme: 'bieso' is not one of"),
        (["-", "--offsets=utf16"], "--offsets: 'utf16' is not one of .* Did you mean 'utf-16'"),
        (["-", "--encoding=utf99"], "--encoding: unknown encoding 'utf99'"),
        (["-", "--format=cnll"], "unknown format 'cnll'.* Did you mean 'conll'"),
        (["-", "--word=7"], "set --word to a number from 1 to 2"),
        (["-", "--label=7"], "set --label to a number from 1 to 2"),
        (["-", "--lable=2"], "--lable: no such option. Did you mean '--label'"),
    ],
)
def test_mistakes_are_one_line_with_the_options_of_this_command(
    conll, tmp_path, capsys, arguments, message
):
    arguments = [argument.format(folder=tmp_path) for argument in arguments]
    assert main(["convert", str(conll), *arguments]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "config." not in error

    assert re.search(message, error), error


def test_numbers_that_json_lacks_become_null(tmp_path, capsys):
    path = tmp_path / "a.jsonl"
    path.write_text('{"text": "Mia", "score": NaN}\n')
    assert main(["convert", str(path), "-"]) == 0
    assert json.loads(capsys.readouterr().out) == {"text": "Mia", "score": None}
