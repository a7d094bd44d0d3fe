"""mtt report: a run's page anew, and several runs side by side, from their directories."""

import json
import shutil

import pytest

from mtt_jax.cli import main
from tests.helpers import ROOT, Elements

OLD = ROOT / "tests/old_runs/v0_1"


@pytest.fixture
def runs(tmp_path):
    """A finished run and a stopped one, of version 0.1."""
    for name in ("finished", "stopped"):
        shutil.copytree(OLD / name, tmp_path / name, ignore=shutil.ignore_patterns("checkpoints"))
    (tmp_path / "finished" / "report.html").unlink()
    return [str(tmp_path / "finished"), str(tmp_path / "stopped")]


def test_the_report_of_a_run_is_written_into_its_directory(runs, tmp_path, capsys):
    assert main(["report", runs[0]]) == 0
    page = (tmp_path / "finished" / "report.html").read_text(encoding="utf-8")
    final = json.loads((tmp_path / "finished" / "metrics.json").read_text())
    assert Elements(page).open == []
    assert f"macro F1 {final['test']['topic']['macro_f1']:.4f}" in page
    assert capsys.readouterr().out == f"Wrote {tmp_path}/finished/report.html.\n"


def test_a_run_that_was_stopped_has_a_report(runs, tmp_path):
    assert main(["report", runs[1]]) == 0
    page = (tmp_path / "stopped" / "report.html").read_text(encoding="utf-8")
    assert "This run is not finished" in page


def test_several_runs_are_compared_on_one_page(runs, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *runs]) == 0
    found = Elements((tmp_path / "compare.html").read_text(encoding="utf-8"))
    assert found.headings[0] == "finished and stopped"
    assert main(["report", *runs, "--out=other.html"]) == 0
    assert (tmp_path / "other.html").read_bytes() == (tmp_path / "compare.html").read_bytes()


def test_figures_are_printed_as_json_and_no_page_is_written(runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["report", *runs, "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    final = json.loads((tmp_path / "finished" / "metrics.json").read_text())
    assert [run["name"] for run in printed["runs"]] == ["finished", "stopped"]
    ours = printed["runs"][0]["scores"]["test"]
    assert ours["topic"]["macro_f1"] == final["test"]["topic"]["macro_f1"]
    assert ours["ner"]["f1"] == final["test"]["ner"]["f1"]
    assert not (tmp_path / "compare.html").exists()


def test_json_and_a_page_can_be_had_together(runs, tmp_path, capsys):
    assert main(["report", runs[0], "--json", f"--out={tmp_path}/a.html"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"]
    assert (tmp_path / "a.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["none"], "none: not found; name one, such as runs/balanced."),
        (["FILE"], "FILE: is a file, not a run directory; name one, such as runs/balanced."),
        (["."], ".: is not a run directory: it has no config.json; name one"),
        (["RUN", "--out=none/a.html"], "--out: cannot write none/a.html: No such file"),
        (["RUN", "--jsn"], "--jsn: no such option. Did you mean '--json'? See mtt report --help."),
        ([], "the following arguments are required: RUN; see mtt report --help."),
    ],
)
def test_a_mistake_is_one_line(arguments, message, runs, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "FILE").touch()
    assert main(["report", *(a.replace("RUN", runs[0]) for a in arguments)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["metrics.json", "mistakes.json"])
def test_a_file_of_the_run_that_holds_no_object_is_named(name, runs, tmp_path, capsys):
    run = shutil.copytree(runs[0], tmp_path / "run")
    (run / name).write_text("[1, 2]")
    assert main(["report", str(run)]) == 2
    err = capsys.readouterr().err
    assert err.startswith(f"error: {run / name}: is damaged (the file: expected a JSON object)")
    assert err.count("\n") == 1
