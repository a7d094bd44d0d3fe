"""`mtt check`: what it prints and writes, its exit status, and what it refuses."""

import json
import shutil

import pytest

from mtt_jax.cli import main
from tests.check.trained import sentences, trained_run
from tests.helpers import written


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("check")


@pytest.fixture(scope="module")
def run(folder):
    return trained_run(folder, steps=3)


@pytest.fixture
def arguments(tmp_path):
    """Arguments that name clean files; one of them may be replaced by `lines`."""

    def make(**lines):
        found = ["--config=news_files", f"--config.data.cache_dir={tmp_path / 'cache'}"]
        for split, count, first in (("train", 90, 0), ("dev", 60, 1000), ("test", 60, 2000)):
            rows = "".join(json.dumps(row) + "\n" for row in sentences(count, first))
            file = written(tmp_path, f"{split}.jsonl", lines.get(split, rows))
            found += [f"--config.data.{task}.{split}={file}" for task in ("topic", "ner")]
        return found

    return make


def checked(capsys, *arguments):
    """(exit status, standard output, standard error) of `mtt check`."""
    status = main(["check", *map(str, arguments)])
    return status, *capsys.readouterr()


def refused(capsys, *arguments):
    status, out, err = checked(capsys, *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


BROKEN = "".join(json.dumps(row) + "\n" for row in sentences(60, 1000)) + '{"text": "Tom\n'
SMALL = "".join(json.dumps(row) + "\n" for row in sentences(20, 1000))


def test_clean_files_give_status_0(arguments, capsys):
    status, out, _ = checked(capsys, *arguments())
    assert status == 0
    assert out.endswith("0 errors, 0 warnings.\n")
    assert "train: 90 texts of " in out


def test_warnings_alone_give_status_0(arguments, capsys):
    status, out, _ = checked(capsys, *arguments(dev=SMALL))
    assert status == 0
    assert "warning: topic, ner: dev has only 20 labeled sentences" in " ".join(out.split())


def test_errors_give_status_1_with_file_and_line(arguments, capsys, tmp_path):
    status, out, _ = checked(capsys, *arguments(dev=BROKEN))
    assert status == 1
    assert "error: topic, ner: dev: not valid JSON" in out
    assert f"{tmp_path}/dev.jsonl, line 61" in out
    assert out.endswith("1 error, 0 warnings.\n")


def test_json_is_all_that_is_printed(arguments, capsys):
    status, out, _ = checked(capsys, *arguments(dev=BROKEN), "--json")
    found = json.loads(out)
    assert status == 1
    assert found["errors"] == 1
    assert found["findings"][0]["places"][0].endswith("dev.jsonl, line 61")


def test_nothing_is_written_unless_a_folder_is_named(arguments, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    checked(capsys, *arguments())
    before = {file.name for file in tmp_path.iterdir()}
    assert before <= {"train.jsonl", "dev.jsonl", "test.jsonl", "cache"}
    checked(capsys, *arguments(), "--out=new/check")
    page = (tmp_path / "new" / "check" / "check.html").read_text(encoding="utf-8")
    assert "Data of news_files" in page
    assert json.loads((tmp_path / "new" / "check" / "check.json").read_text())["errors"] == 0


def test_a_folder_that_cannot_be_written_is_refused(arguments, capsys, tmp_path):
    file = written(tmp_path, "file", "")
    status, _, err = checked(capsys, *arguments(), f"--out={file}")
    assert status == 2
    assert err.startswith(f"error: --out: cannot write {file}")


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([], "name the data to check with either --config=NAME or --run=DIR"),
        (["--config=balanced", "--run=runs/a"], "either --config=NAME or --run=DIR"),
        (["--config=balanced", "--split=test"], "--split: says what a model judges; name its run"),
        (["--config=balanced", "--folds=2"], "--folds: says what a model judges; name its run"),
        (["--config=balanced", "--no-verify"], "--no-verify: is about a model; name its run"),
        (["--config=ballanced"], "Did you mean 'balanced'?"),
        (["--run=runs/a", "--folds=1"], "--folds: 1 is too few; use at least 2"),
        (["--run=runs/a", "--config.train.steps=9"], "a finished run keeps its config, except"),
        (["--run=runs/nothing"], "runs/nothing: no such directory"),
    ],
)
def test_mistakes_end_in_one_line(given, message, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert message in refused(capsys, *given)


def test_a_run_that_is_not_finished_is_refused(run, tmp_path, capsys):
    shutil.copytree(run, tmp_path / "run")
    shutil.rmtree(tmp_path / "run" / "model")
    assert "this run has no model yet; resume it" in refused(capsys, f"--run={tmp_path / 'run'}")


def test_a_run_judges_a_split_and_writes_what_it_finds(run, capsys):
    status, out, _ = checked(capsys, f"--run={run}", "--split=test")
    assert status == 0
    assert "topic: the model gives another answer for " in out
    assert {file.name for file in (run / "check").iterdir()} == {
        f"{name}-test-{task}.jsonl" for name in ("suspects", "mistakes") for task in TASKS
    } | {"check.html", "check.json"}
    assert "Least likely labels" in (run / "check" / "check.html").read_text(encoding="utf-8")


TASKS = ("topic", "ner")


def test_a_model_that_was_changed_judges_only_with_no_verify(run, capsys, tmp_path):
    shutil.copytree(run, tmp_path / "run")
    file = tmp_path / "run" / "model" / "config.json"
    file.write_text(file.read_text() + "\n")
    arguments = f"--run={tmp_path / 'run'}", "--split=test"
    assert "config.json: has " in refused(capsys, *arguments)
    assert checked(capsys, *arguments, "--no-verify")[0] == 0


def test_training_sentences_are_judged_by_folds_and_json_stays_alone(run, capsys, tmp_path):
    status, out, _ = checked(capsys, f"--run={run}", "--folds=2", "--json", f"--out={tmp_path}")
    assert status == 0
    assert set(json.loads(out)["counts"]) == set(TASKS)
    assert (tmp_path / "suspects-train-topic.jsonl").is_file()


def test_files_that_were_moved_are_named_and_can_be_given(run, folder, capsys, tmp_path):
    moved = folder / "test.jsonl"
    hidden = moved.rename(tmp_path / "moved.jsonl")
    try:
        err = refused(capsys, f"--run={run}", "--split=test")
        assert f"--config.data.topic.test: {moved}: no such file" in err
        flags = [f"--config.data.{task}.test={hidden}" for task in TASKS]
        status, out, _ = checked(capsys, f"--run={run}", "--split=test", *flags)
        assert status == 0
        assert "moved.jsonl" in out
    finally:
        hidden.rename(moved)


def test_labels_that_the_model_does_not_have_are_errors(run, folder, capsys, tmp_path):
    rows = sentences(60, 3000)
    rows[4]["label"] = "weather"
    file = written(tmp_path, "new.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    flags = [f"--config.data.{task}.test={file}" for task in TASKS]
    out = f"--out={tmp_path / 'out'}"
    status, shown, _ = checked(capsys, f"--run={run}", "--split=test", out, *flags)
    assert status == 1
    assert "'weather' is not a label of task 'topic'" in shown
    lines = (tmp_path / "out" / "suspects-test-topic.jsonl").read_text().splitlines()
    assert len(lines) == 59


def test_a_run_without_test_data_says_which_splits_there_are(run, capsys):
    flags = [f"--config.data.{task}.test=" for task in TASKS]
    status, _, err = checked(capsys, f"--run={run}", "--split=test", *flags)
    assert status == 2
    assert "error: --split: the data has no test sentences; it has train, dev." in err
