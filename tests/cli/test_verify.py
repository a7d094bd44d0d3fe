"""`mtt verify`: every damaged file of a run or a model on a line, and 1 as the exit status."""

import json
import shutil

import pytest

from mtt_jax.cli import main
from tests.helpers import ROOT, save_untrained

OLD = ROOT / "tests" / "old_runs" / "v0_1"


@pytest.fixture
def run(tokenizer, tmp_path):
    """The files of a finished run of version 0.1, with a model of this version."""
    run = tmp_path / "run"
    run.mkdir()
    for name in ("config.json", "data.json", "metrics.json", "metrics.jsonl"):
        shutil.copy(OLD / "finished" / name, run)
    return save_untrained(run, tokenizer)


def verified(capsys, *arguments):
    """(exit status, lines)"""
    status = main(["verify", *map(str, arguments)])
    out, err = capsys.readouterr()
    return status, (out or err).splitlines()


def test_a_whole_run_has_one_line(run, capsys):
    assert verified(capsys, run) == (0, [f"{run}: whole: 1 model, 4 other files."])
    assert verified(capsys, run / "model") == (0, [f"{run}/model: whole: 1 model."])


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("config.json", '{"format"', "config.json: is not JSON: "),
        ("config.json", "\xff", "config.json: is not UTF-8 (byte 0)."),
        ("data.json", "[]", "data.json: damaged. Restore it from a copy; or delete it if you are"),
        (
            "metrics.json",
            "{}",
            "metrics.json: is damaged (the file: best_step is missing). ",
        ),
        ("metrics.json", "null", "metrics.json: is damaged (the file: expected a JSON object)"),
        ("metrics.jsonl", "1\n{}\n", "metrics.jsonl: is damaged (line 1: not JSON). Restore it"),
        ("model/config.json", "{}", "model/config.json: has 2 bytes, and was written with "),
        ("model/README.md", "Hello", "model/README.md: has 5 bytes, and was written with 0."),
        ("model/manifest.json", "{}", "model/manifest.json: damaged: not a manifest."),
    ],
)
def test_a_damaged_file_is_named(name, content, message, run, capsys):
    (run / name).write_bytes(content.encode("latin-1"))
    status, lines = verified(capsys, run)
    assert status == 1
    assert lines[0].startswith(f"{run}/{message}")
    assert lines[1] == f"{run}: 1 damaged file in 1 model, 4 other files."


def test_several_directories_are_checked_and_found_as_json(run, capsys):
    (run / "model" / "tokenizer.json").unlink()
    status, lines = verified(capsys, run, OLD / "stopped", "--json", "--quiet")
    ours, old = json.loads("\n".join(lines))["runs"]
    assert status == 1
    assert (ours["whole"], ours["models"], ours["checkpoints"]) == (False, ["model"], [])
    assert ours["damaged"] == [{"file": f"{run}/model/tokenizer.json", "what": "missing"}]
    assert (old["whole"], old["checkpoints"]) == (True, [6, 12])
    assert old["not_compared"] == ["checkpoints/6", "checkpoints/12"]


def test_a_model_that_was_changed_on_purpose_can_be_accepted(run, capsys):
    file = run / "model" / "config.json"
    file.write_text(file.read_text().replace('"others"', '"rest"'))
    assert main(["info", str(run)]) == 2
    advice = capsys.readouterr().err.rpartition("accept it as it is: mtt ")[2].split()
    assert main(advice) == 0
    assert capsys.readouterr().out.splitlines() == [
        f"Accepted {file}.",
        f"{run}/model: whole: 1 model.",
    ]
    assert main(["info", str(run)]) == 0
    assert '"rest"' in capsys.readouterr().out


def test_a_model_that_cannot_be_loaded_is_not_accepted(run, capsys):
    file = run / "model" / "config.json"
    file.write_text(file.read_text().replace(', "others"', "").replace(',\n        "others"', ""))
    before = (run / "model" / "manifest.json").read_bytes()
    assert main(["verify", str(run), "--accept"]) == 2
    assert "they do not belong together" in capsys.readouterr().err
    assert (run / "model" / "manifest.json").read_bytes() == before


def test_a_changed_model_is_loaded_once_with_no_verify(run, capsys):
    file = run / "model" / "config.json"
    file.write_text(file.read_text() + "\n")
    assert main(["info", str(run)]) == 2
    assert "config.json: has " in capsys.readouterr().err
    assert main(["info", str(run), "--no-verify"]) == 0


def test_what_is_neither_a_run_nor_a_model_is_refused(tmp_path, capsys):
    assert main(["verify", str(tmp_path / "none")]) == 2
    assert "no such directory; expected a run" in capsys.readouterr().err
    assert main(["verify", str(tmp_path)]) == 2
    assert "contains no model" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["~nouser/run", "a" * 300])
def test_a_name_that_no_folder_can_have_is_one_line(name, capsys):
    status, lines = verified(capsys, name)
    assert (status, len(lines)) == (2, 1)
    assert lines[0].startswith(f"error: {name[:200]}")
