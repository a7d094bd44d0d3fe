"""python -m mtt_jax predict, for real: files, pipes, kills, and every format read back."""

import csv
import json
import os
import signal
import subprocess
import sys
import time

import pytest

from mtt_jax.__main__ import main
from tests.helpers import ROOT, save_untrained

TEXTS = ["Tom Fry of Acme United scored in Rome .", "", "Shares fell .", 'He said "no", then left']


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


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


def test_a_file_gives_a_result_a_line_in_order(run, file, tmp_path):
    output = tmp_path / "out.jsonl"
    assert main(["predict", str(run), str(file), f"--output={output}"]) == 0
    assert [row["text"] for row in rows(output)] == TEXTS
    assert all({"topic", "entities"} <= row.keys() for row in rows(output))


def test_a_pipe_of_json_gives_json_and_nothing_else(run):
    process = command("predict", run, stdin=subprocess.PIPE)
    given = "".join(json.dumps({"text": text, "id": 1}) + "\n" for text in TEXTS)
    out, err = process.communicate(given)
    assert process.returncode == 0
    assert [json.loads(line)["text"] for line in out.splitlines()] == TEXTS
    assert err == ""


def test_a_broken_line_is_named_and_does_not_stop_the_rest(run, tmp_path, capsys):
    file, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": "a"}\n{"text"\n{"txt": "b"}\n[1]\n{"text": "c"}\n')
    assert main(["predict", str(run), str(file), f"--output={output}"]) == 1
    errors = [row.get("error", "") for row in rows(output)]
    assert [bool(error) for error in errors] == [False, True, True, True, False]
    assert errors[1].startswith(f"{file}, line 2: not valid JSON at column")
    assert "--text-key" in errors[2]
    assert f"{file}, line 3: no text under the key 'text'" in capsys.readouterr().err


def test_strict_ends_at_the_first_broken_line_with_what_came_before_it_written(
    run, tmp_path, capsys
):
    file, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    file.write_text('{"text": "a"}\n{"text"\n{"text": "c"}\n')
    assert main(["predict", str(run), str(file), f"--output={output}", "--strict"]) == 2
    assert [row["text"] for row in rows(output)] == ["a"]
    assert f"error: {file}, line 2" in capsys.readouterr().err


def test_csv_displacy_and_conll_say_the_same_as_jsonl(run, file, tmp_path):
    outputs = {}
    for kind in ("jsonl", "csv", "displacy", "conll"):
        outputs[kind] = tmp_path / f"out.{kind}"
        main(["predict", str(run), str(file), f"--format={kind}", f"--output={outputs[kind]}"])
    results = rows(outputs["jsonl"])
    assert sum(len(result["entities"]) for result in results) > 2
    with outputs["csv"].open(newline="", encoding="utf-8") as stream:
        table = list(csv.DictReader(stream))
    assert [row["text"] for row in table] == TEXTS
    assert [row["topic"] for row in table] == [result["topic"]["label"] for result in results]
    assert [json.loads(row["entities"]) for row in table] == [r["entities"] for r in results]
    for drawn, result in zip(rows(outputs["displacy"]), results, strict=True):
        assert [(e["start"], e["end"], e["label"]) for e in drawn["ents"]] == [
            (e["start"], e["end"], e["label"]) for e in result["entities"]
        ]
    blocks = outputs["conll"].read_text(encoding="utf-8").removesuffix("\n\n").split("\n\n")
    for block, result in zip(blocks, results, strict=True):
        assert block.split("\n")[0] == f"# topic = {result['topic']['label']}"
        begun = [line for line in block.split("\n") if line.split(" ")[-1].startswith("B-")]
        assert len(begun) == len(result["entities"])


def test_killed_and_started_again_it_goes_on_where_the_output_stops(run, tmp_path):
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
        (["{file}", "--output={there}", "--format=csv"], "is there already"),
        (["{file}", "--output={there}"], "is not the result of the input's line"),
    ],
)
def test_a_mistake_is_one_line_and_exit_status_2(run, file, tmp_path, capsys, arguments, message):
    there = tmp_path / "there.jsonl"
    there.write_text("{}\n" * 9)
    filled = [argument.format(file=file, there=there) for argument in arguments]
    assert main(["predict", str(run), *filled]) == 2
    assert message in capsys.readouterr().err
    assert there.read_text() == "{}\n" * 9


def test_info_says_what_a_run_holds(run, capsys):
    assert main(["info", str(run)]) == 0
    about = json.loads(capsys.readouterr().out)
    assert about["tasks"]["ner"]["labels"] == ["O", "PER", "ORG", "LOC", "MISC"]
    assert about["parameters"] > 1000


def test_options_may_stand_before_the_files(run, file, tmp_path):
    output = tmp_path / "out.jsonl"
    assert main(["predict", str(run), "--output", str(output), "--strict", str(file)]) == 0
    assert [row["text"] for row in rows(output)] == TEXTS


@pytest.mark.parametrize("content", ["Dear Ann,\nyours", "not json", '{"text": "another"}\n'])
def test_an_output_that_holds_something_else_is_left_as_it_is(content, run, file, tmp_path, capsys):
    essay = tmp_path / "essay.txt"
    essay.write_text(content)
    assert main(["predict", str(run), str(file), f"--output={essay}"]) == 2
    assert essay.read_text() == content
    assert "name another file" in capsys.readouterr().err


def test_an_output_that_is_the_input_or_a_directory_is_refused(run, file, tmp_path, capsys):
    assert main(["predict", str(run), str(file), f"--output={file}"]) == 2
    assert "is the input" in capsys.readouterr().err
    assert main(["predict", str(run), str(file), f"--output={tmp_path}"]) == 2
    assert "is a directory" in capsys.readouterr().err


def test_broken_lines_of_before_count_when_a_file_is_gone_on_with(run, tmp_path):
    given, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    deep, digits = "[" * 100_000, '{"text": ' + "9" * 5000 + "}"
    given.write_text(f'{{"text": "a"}}\n{deep}\n{digits}\n\n{{"text": "b"}}\n')
    arguments = ["predict", str(run), str(given), f"--output={output}"]
    assert main(arguments) == 1
    assert [row.get("text") for row in rows(output)] == ["a", None, None, None, "b"]
    assert main(arguments) == 1
    assert main([*arguments, "--strict"]) == 2
    assert len(rows(output)) == 5


def test_a_named_pipe_is_read_and_a_device_is_written(run, tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    process = command("predict", run, pipe, "--output=/dev/null")
    pipe.write_text("Shares fell .\n")
    _, err = process.communicate(timeout=120)
    assert (process.returncode, err) == (0, "")


def test_any_terminal_gets_utf_8(run):
    process = command("predict", run, stdin=subprocess.PIPE)
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    process.communicate("")
    done = subprocess.run(
        [sys.executable, "-m", "mtt_jax", "predict", str(run)],
        cwd=ROOT, env=environment, input="Zoë left Łódź .\n".encode(), capture_output=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout.decode("utf-8"))["text"] == "Zoë left Łódź ."


def test_ctrl_c_ends_in_one_line(run):
    process = command("predict", run, stdin=subprocess.PIPE)
    process.stdin.write("Shares fell .\n")
    process.stdin.flush()
    time.sleep(1.5)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == "stopped.\n"
