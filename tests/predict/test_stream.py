"""`mtt predict` in processes of its own: files, pipes, kills, and every format read back."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pytest

from mtt_jax import Predictor
from mtt_jax.cli import main
from mtt_jax.predict.stream import FORMATS
from mtt_jax.weights import saved_model
from tests.faults.runs import signal_at_import
from tests.helpers import ROOT, entities, read, save_four_tasks

TEXTS = ["Tom Fry of Acme United scored in Rome .", "", "Shares fell .", 'He said "no", then left']


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
    return path


def command(*arguments, **options):
    return subprocess.Popen(
        [sys.executable, "-m", "mtt_jax", *map(str, arguments)],
        cwd=ROOT, env=os.environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        **options,
    )  # fmt: skip


def rows(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def topic_of(result):
    """The topic of a result; an empty text has none."""
    return result["topic"]["label"] if result["topic"] else ""


def subjects_of(result):
    return result["subjects"]["labels"] if result["subjects"] else []


def test_file_gives_one_result_per_line_in_order(run, file, tmp_path):
    output = tmp_path / "out.jsonl"
    assert main(["predict", str(run), str(file), f"--output={output}"]) == 0
    assert [row["text"] for row in rows(output)] == TEXTS
    assert all({"topic", "ner"} <= row.keys() for row in rows(output))


def test_pipe_of_json_gives_json_and_nothing_else(run):
    process = command("predict", run, stdin=subprocess.PIPE)
    given = "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in TEXTS)
    out, err = process.communicate(given)
    assert process.returncode == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == TEXTS
    assert err == ""


def test_broken_line_is_reported_and_does_not_stop_the_rest(run, tmp_path, capsys):
    file, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": "a"}\n{"text"\n{"txt": "b"}\n[1]\n{"text": "c"}\n')
    assert main(["predict", str(run), str(file), f"--output={output}"]) == 1
    errors = [row.get("error", "") for row in rows(output)]
    assert [bool(error) for error in errors] == [False, True, True, True, False]
    assert errors[1].startswith(f"{file}, line 2: not valid JSON at column")
    assert "--input.text" in errors[2]
    assert f"{file}, line 3: the key 'text' is missing" in capsys.readouterr().err


def test_strict_stops_at_the_first_broken_line_after_writing_those_before_it(run, tmp_path, capsys):
    file, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": "a"}\n{"text"\n{"text": "c"}\n')
    assert main(["predict", str(run), str(file), f"--output={output}", "--strict"]) == 2
    assert [row["text"] for row in rows(output)] == ["a"]
    assert f"error: {file}, line 2" in capsys.readouterr().err


def test_csv_displacy_and_conll_give_the_same_answers_as_jsonl(run, file, tmp_path):
    outputs = {}
    for name in ("jsonl", "csv", "displacy", "conll"):
        outputs[name] = tmp_path / f"out.{name}"
        main(["predict", str(run), str(file), f"--format={name}", f"--output={outputs[name]}"])
    results = rows(outputs["jsonl"])
    assert sum(len(result["ner"]) for result in results) > 2
    with outputs["csv"].open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [row["text"] for row in table] == TEXTS
    assert [row["topic"] for row in table] == [topic_of(result) for result in results]
    assert [json.loads(row["ner"]) for row in table] == [r["ner"] for r in results]
    for drawn, result in zip(rows(outputs["displacy"]), results, strict=True):
        assert [(e["start"], e["end"], e["label"]) for e in drawn["ents"]] == [
            (e["start"], e["end"], e["label"]) for e in result["ner"]
        ]
    blocks = outputs["conll"].read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")
    for block, result in zip(blocks, results, strict=True):
        assert block.split("\n")[0] == f"# topic = {topic_of(result)}"
        begun = [line for line in block.split("\n") if line.split(" ")[-1].startswith("B-")]
        assert len(begun) == len(result["ner"])


def test_prediction_that_was_killed_is_resumed_where_the_output_stops(run, tmp_path):
    file, output = tmp_path / "in.txt", tmp_path / "out.jsonl"
    file.write_text("".join(f"Tom {i} visited Rome .\n" for i in range(8_000)))
    process = command("predict", run, file, f"--output={output}")
    while not (output.exists() and output.stat().st_size > 100_000):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    begun = output.read_bytes()
    output.write_bytes(begun[:-7])  # as if it had been killed inside a line
    process = command("predict", run, file, f"--output={output}")
    process.communicate(timeout=120)
    assert process.returncode == 0
    assert [row["text"] for row in rows(output)] == file.read_text().splitlines()
    assert output.read_bytes().startswith(begun[: len(begun) // 2])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["no_such_file.txt"], "error: no_such_file.txt: no such file"),
        (["{file}", "--output={there}", "--format=csv"], "exists, and csv cannot be resumed"),
        (["{file}", "--output={there}"], "line 1 is not the result of line 1 of the input"),
    ],
)
def test_mistake_of_the_user_is_one_line_and_exit_status_2(
    run, file, tmp_path, capsys, arguments, message
):
    there = tmp_path / "there.jsonl"
    there.write_text("{}\n" * 9)
    filled = [argument.format(file=file, there=there) for argument in arguments]
    assert main(["predict", str(run), *filled]) == 2
    assert message in capsys.readouterr().err
    assert there.read_text() == "{}\n" * 9


def test_options_may_come_before_the_files(run, file, tmp_path):
    output = tmp_path / "out.jsonl"
    assert main(["predict", str(run), "--output", str(output), "--strict", str(file)]) == 0
    assert [row["text"] for row in rows(output)] == TEXTS


@pytest.mark.parametrize("content", ["Dear Ann,\nyours", "not json", '{"text": "another"}\n'])
def test_output_that_contains_something_else_is_left_unchanged(
    content, run, file, tmp_path, capsys
):
    essay = tmp_path / "essay.txt"
    essay.write_text(content)
    assert main(["predict", str(run), str(file), f"--output={essay}"]) == 2
    assert essay.read_text() == content
    assert "name another file" in capsys.readouterr().err


def test_output_that_is_the_input_or_a_directory_is_refused(run, file, tmp_path, capsys):
    assert main(["predict", str(run), str(file), f"--output={file}"]) == 2
    assert "is the input" in capsys.readouterr().err
    assert main(["predict", str(run), str(file), f"--output={tmp_path}"]) == 2
    assert "is a directory" in capsys.readouterr().err


def test_broken_lines_are_counted_again_if_an_output_is_resumed(run, tmp_path):
    given, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    deep, digits = "[" * 100_000, '{"text": ' + "9" * 5000 + "}"
    given.write_text(f'{{"text": "a"}}\n{deep}\n{digits}\n\n{{"text": "b"}}\n')
    arguments = ["predict", str(run), str(given), f"--output={output}"]
    assert main(arguments) == 1
    assert [row.get("text") for row in rows(output)] == ["a", None, None, None, "b"]
    assert main(arguments) == 1
    assert main([*arguments, "--strict"]) == 2
    assert len(rows(output)) == 5


def test_named_pipe_is_read_and_a_device_is_written(run, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = command("predict", run, pipe, "--output=/dev/null")
    pipe.write_text("Shares fell .\n")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_output_is_utf_8_whatever_the_terminal_uses(run):
    process = command("predict", run, stdin=subprocess.PIPE)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process.communicate("")
    done = subprocess.run(
        [sys.executable, "-m", "mtt_jax", "predict", str(run)],
        cwd=ROOT, env=environment, input="Zoë left Łódź .\n".encode(), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["text"] == "Zoë left Łódź ."


def test_ctrl_c_ends_with_one_line(run):
    done = subprocess.run(
        [sys.executable, "-m", "mtt_jax", "predict", str(run)],
        cwd=ROOT, input="Shares fell .\n", capture_output=True, text=True,
        env={**os.environ, **signal_at_import("mtt_jax.predict.predictor", signal.SIGINT)},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "stopped.\n")


# Tasks of all four kinds

MIXED = [*TEXTS, "# Rome , Oslo # and \tAT&T", "東京 : Zoë left", "-DOCSTART- ; = |"]


@pytest.fixture(scope="module")
def four(tokenizer, tmp_path_factory):
    """A run whose multilabel task has thresholds, so that some sets are empty and others not."""
    folder = tmp_path_factory.mktemp("four")
    run = save_four_tasks(folder, tokenizer)
    scores = [found["subjects"]["scores"] for found in Predictor.load(run)(MIXED) if found["text"]]
    thresholds = [
        float(np.quantile([s[name] for s in scores], 0.7, method="midpoint")) for name in scores[0]
    ]
    return save_four_tasks(folder, tokenizer, tuple(thresholds))


@pytest.fixture(scope="module")
def results(four):
    """What the predictor says of MIXED, with entities and both empty sets and others."""
    found = Predictor.load(four)(MIXED)
    assert sum(len(result["ner"]) for result in found) > 2
    assert {bool(subjects_of(result)) for result in found if result["text"]} == {False, True}
    return found


def output_of(four, folder, name, lines=MIXED):
    """What `mtt predict` writes in a format."""
    given, output = folder / "in.txt", folder / f"out.{name}"
    given.write_text("".join(line + "\n" for line in lines), encoding="utf-8")
    main(["predict", str(four), str(given), f"--format={name}", f"--output={output}"])
    return output


def assert_close(found, expected):
    """Equal but for scores, which depend a little on how texts are packed."""
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for key, value in expected.items():
            assert_close(found[key], value)
    elif isinstance(expected, list):
        assert len(found) == len(expected)
        for ours, theirs in zip(found, expected, strict=True):
            assert_close(ours, theirs)
    else:
        same = pytest.approx(expected, abs=1e-5) if isinstance(expected, float) else expected
        assert found == same


def test_jsonl_has_the_answer_of_each_task_under_its_name(four, results, tmp_path):
    assert_close(rows(output_of(four, tmp_path, "jsonl")), results)


def test_csv_has_the_columns_of_each_task(four, results, tmp_path):
    with output_of(four, tmp_path, "csv").open(newline="", encoding="utf-8") as stream:
        header, *table = csv.reader(stream)
    assert header == ["text", "subjects", "topic", "topic_score", "ner", "pos", "error"]
    assert len(table) == len(MIXED)
    for row, result in zip(table, results, strict=True):
        text, subjects, topic, score, ner, pos, error = row
        assert (text, error) == (result["text"], "")
        assert subjects == "|".join(subjects_of(result))
        assert topic == topic_of(result)
        expected = result["topic"]["score"] if text else 0.0
        assert float(score or 0) == pytest.approx(expected, abs=1e-5)
        assert_close(json.loads(ner), result["ner"])
        assert_close(json.loads(pos), result["pos"])


def test_csv_of_a_broken_line_has_empty_cells_and_the_error(four, tmp_path):
    given, output = tmp_path / "in.jsonl", tmp_path / "out.csv"
    given.write_text('{"text"\n{"text": "Tom ran"}\n')
    assert main(["predict", str(four), str(given), "--format=csv", f"--output={output}"]) == 1
    with output.open(newline="", encoding="utf-8") as stream:
        header, broken, good = csv.reader(stream)
    assert broken[:-1] == [""] * (len(header) - 1)
    assert "not valid JSON" in broken[-1]
    assert good[0] == "Tom ran"
    assert all(good[2:6])


def test_conll_has_a_column_per_task_with_tags_and_comments_for_the_others(four, results, tmp_path):
    blocks = output_of(four, tmp_path, "conll").read_text("utf-8").removesuffix("\n\n")
    for block, result in zip(blocks.split("\n\n"), results, strict=True):
        first, second, *lines = block.split("\n")
        assert first == f"# subjects = {'|'.join(subjects_of(result))}"
        assert second == f"# topic = {topic_of(result)}"
        words = [(tag["text"], tag["label"]) for tag in result["pos"]]
        columns = [line.split(" ") for line in lines if line]
        assert [(word, pos) for word, _, pos in columns] == words
        begun = [tag[2:] for _, tag, _ in columns if tag.startswith("B-")]
        assert begun == [entity["label"] for entity in result["ner"]]


def test_conll_is_read_back_by_the_reader_with_the_same_entities_and_tags(four, results, tmp_path):
    output = output_of(four, tmp_path, "conll")
    labelled = [result for result in results if result["pos"]]
    ner, pos = (
        read(output, task, label=label, clean=False).records
        for task, label in (("ner", "2"), ("pos", "3"))
    )
    for result, named, tagged in zip(labelled, ner, pos, strict=True):
        words = [tag["text"] for tag in result["pos"]]
        assert tagged.text == " ".join(words)
        tags = [tag["label"] for tag in result["pos"]]
        assert [span.label for span in tagged.labels["pos"]] == tags
        starts = [tag["start"] for tag in result["pos"]]
        ends = [tag["end"] for tag in result["pos"]]
        assert entities(named) == [
            (" ".join(words[starts.index(e["start"]) : ends.index(e["end"]) + 1]), e["label"])
            for e in result["ner"]
        ]


def test_displacy_has_the_entities_and_the_sentence_answers_as_its_title(four, results, tmp_path):
    for drawn, result in zip(rows(output_of(four, tmp_path, "displacy")), results, strict=True):
        assert drawn["text"] == result["text"]
        assert drawn["ents"] == [
            {key: entity[key] for key in ("start", "end", "label")} for entity in result["ner"]
        ]
        titles = ["|".join(subjects_of(result)), topic_of(result)]
        assert drawn["title"] == (", ".join(title for title in titles if title) or None)


def test_text_has_lines_per_task_for_people(four, results, tmp_path):
    text = output_of(four, tmp_path, "text").read_text("utf-8")
    expected = ""
    for result in results:
        subjects = [
            f"{name} {result['subjects']['scores'][name]:.2f}" for name in subjects_of(result)
        ]
        expected += f"  subjects: {', '.join(subjects) or '(none)'}\n"
        score = f" {result['topic']['score']:.2f}" if result["topic"] else ""
        expected += f"  topic: {topic_of(result) or '(none)'}{score}\n"
        for entity in result["ner"]:
            expected += f"  ner: {entity['text']} ({entity['label']}) {entity['score']:.2f}\n"
        expected += "" if result["ner"] else "  ner: (none)\n"
        tags = " ".join(f"{tag['text']}/{tag['label']}" for tag in result["pos"])
        expected += f"  pos: {tags or '(none)'}\n"
    assert [line.rstrip("0123456789") for line in text.split("\n")] == [
        line.rstrip("0123456789") for line in expected.split("\n")
    ]


@pytest.mark.parametrize("name", ["jsonl", "displacy"])
def test_output_of_all_four_kinds_is_resumed_after_its_last_whole_line(name, four, tmp_path):
    whole = output_of(four, tmp_path, name).read_bytes()
    output = tmp_path / f"out.{name}"
    lines = whole.split(b"\n")
    output.write_bytes(b"\n".join(lines[:3]) + b"\n" + lines[3][:-9])
    output_of(four, tmp_path, name)
    assert output.read_bytes().startswith(b"\n".join(lines[:3]) + b"\n")
    assert_close(rows(output), [json.loads(line) for line in lines if line])


@pytest.mark.parametrize("name", ["csv", "conll", "text"])
def test_output_that_cannot_be_resumed_is_refused_and_left_unchanged(name, four, tmp_path, capsys):
    output = tmp_path / f"out.{name}"
    output.write_text("mine\n")
    output_of(four, tmp_path, name)
    message = capsys.readouterr().err
    assert f"error: --output: {output} exists, and {name} cannot be resumed" in message
    assert "--format=jsonl or displacy" in message
    assert output.read_text() == "mine\n"


def test_every_format_of_the_command_is_a_format_of_the_stream(capsys):
    with pytest.raises(SystemExit):
        main(["predict", "--help"])
    assert "{" + ",".join([*FORMATS, "parquet"]) + "}" in capsys.readouterr().out.replace("\n", "")


# Formats of the input


def predicted(run, folder, *arguments):
    """The results that `mtt predict` writes for some files."""
    output = folder / "results.jsonl"
    assert main(["predict", str(run), *map(str, arguments), f"--output={output}"]) == 0
    return rows(output)


def test_other_keys_of_a_record_are_beside_its_result(run, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text('{"id": "x7", "text": "Shares fell .", "label": 3, "meta": {"n": null}}\n')
    (row,) = predicted(run, tmp_path, file)
    assert list(row) == ["text", "topic", "ner", "id", "label", "meta"]
    assert (row["id"], row["label"], row["meta"]) == ("x7", 3, {"n": None})


def test_keys_that_a_result_uses_itself_are_kept_under_input(run, tmp_path):
    file = tmp_path / "in.jsonl"
    given = {"body": "Shares fell .", "text": "old", "ner": [], "error": "e", "input": 1, "id": 7}
    file.write_text(json.dumps(given) + "\n")
    (row,) = predicted(run, tmp_path, file, "--text=body")
    assert row["text"] == "Shares fell ."
    assert set(row["topic"]) == {"label", "score", "scores"}
    assert row["id"] == 7
    assert row["input"] == {"text": "old", "ner": [], "error": "e", "input": 1}


def test_other_keys_may_hold_what_neither_json_nor_utf_8_can(run, tmp_path):
    file = tmp_path / "in.jsonl"
    file.write_text('{"text": "Shares fell .", "cut": "\\ud83d", "n": [NaN, {"m": -Infinity}]}\n')
    (row,) = predicted(run, tmp_path, file)
    assert (row["cut"], row["n"]) == ("\ud83d", [None, {"m": None}])


def test_a_table_gives_a_result_per_row_with_its_other_columns(run, tmp_path, capsys):
    file = tmp_path / "in.csv"
    file.write_text('id,review\n7,"Shares fell , again ."\n8,Ann left\n')
    results = predicted(run, tmp_path, file, "--text=review")
    assert [(row["id"], row["text"]) for row in results] == [
        ("7", "Shares fell , again ."),
        ("8", "Ann left"),
    ]
    assert f"{file}: CSV with a header (id, review), text from 'review'" in capsys.readouterr().err


@pytest.mark.parametrize("flag", ["--text", "--text-key", "--input.text"])
def test_the_text_may_be_named_by_an_old_name_of_the_flag(run, tmp_path, flag):
    file = tmp_path / "in.jsonl"
    file.write_text('{"body": "Shares fell ."}\n')
    assert [row["text"] for row in predicted(run, tmp_path, file, f"{flag}=body")] == [
        "Shares fell ."
    ]


INPUTS = {
    "in.csv": "id,text\n" + "".join(f"{i},Tom {i} left .\n" for i in range(9)),
    "in.conll": "".join(f"Tom B-PER\n{i} O\nleft O\n\n" for i in range(9)),
    "in.json": json.dumps([{"text": f"Tom {i} left ."} for i in range(9)]),
    "in.txt": "".join(f"__label__x Tom {i} left .\n" for i in range(9)),
}


@pytest.mark.parametrize("name", INPUTS)
@pytest.mark.parametrize("form", ["jsonl", "displacy"])
def test_prediction_of_every_format_is_resumed_after_its_last_whole_line(run, tmp_path, name, form):
    file, output = tmp_path / name, tmp_path / "results.jsonl"
    file.write_text(INPUTS[name])
    whole = predicted(run, tmp_path, file, f"--format={form}")
    assert len(whole) == 9
    lines = output.read_bytes().splitlines(keepends=True)
    output.write_bytes(b"".join(lines[:4]) + lines[4][:-9])
    assert_close(predicted(run, tmp_path, file, f"--format={form}"), whole)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.csv", "1,a b\n2,c\n", "2 columns without names; say which one holds the text"),
        ("in.pdf", "%PDF\0", "is not a text"),
        ("in.json", '{"text": ', "in.json"),
        ("in.html", "<p>", "add --input.format=text"),
    ],
)
def test_what_cannot_be_read_is_refused_before_a_model_is_loaded(
    tmp_path, capsys, name, content, message
):
    (tmp_path / name).write_text(content)
    assert main(["predict", str(tmp_path / "no_run"), str(tmp_path / name)]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert "no_run" not in error
    assert error.count("\n") == 1


def test_answers_below_their_thresholds_are_null_or_empty_in_every_format(tokenizer, tmp_path):
    run = save_four_tasks(tmp_path / "run", tokenizer)
    model = saved_model.load(run)
    never = [task.with_thresholds([float("inf")] * len(task.answer_labels)) for task in model.tasks]
    saved_model.write_fitted(model.path, never)
    file, found = tmp_path / "in.txt", {}
    file.write_text("Ann left .\n")
    for name in ("jsonl", "csv", "conll", "displacy", "text"):
        output = tmp_path / f"out.{name}"
        arguments = [str(run), str(file), f"--format={name}", f"--output={output}"]
        assert main(["predict", *arguments]) == 0
        found[name] = output.read_text(encoding="utf-8")
    result = json.loads(found["jsonl"])
    assert result["topic"]["label"] is None
    assert len(result["topic"]["scores"]) == 3
    assert result["subjects"]["labels"] == result["ner"] == []
    assert [word["label"] for word in result["pos"]] == [None] * 3
    (row,) = csv.DictReader(found["csv"].splitlines())
    assert (row["topic"], row["subjects"], row["ner"]) == ("", "", "[]")
    assert float(row["topic_score"]) > 0
    assert "Ann O _\nleft O _\n. O _\n" in found["conll"]
    assert "# topic = \n" in found["conll"]
    assert json.loads(found["displacy"]) == {"text": "Ann left .", "ents": [], "title": None}
    assert f"topic: (none) {float(row['topic_score']):.2f}" in found["text"]
    assert "pos: Ann/_ left/_ ./_" in found["text"]
