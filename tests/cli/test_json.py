"""--json prints one JSON document on standard output, with finite numbers and nothing beside it."""

import json
import shutil

import pytest

from mtt_jax.cli import COMMANDS, main
from mtt_jax.cli.options import Parser, option_names, print_json
from mtt_jax.report.as_json import finite
from tests.helpers import save_untrained, written

# Those that print figures.
WITH_JSON = ("train", "distill", "evaluate", "predict", "report", "diagnose", "check", "info")
ROW = {
    "text": "Ann left Oslo in week 7 .",
    "label": "sports",
    "entities": [{"start": 0, "end": 3, "label": "PER"}],
}


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    """An untrained model in a run directory, as of a run that has not finished."""
    folder = save_untrained(tmp_path_factory.mktemp("run") / "news", tokenizer)
    shutil.copy(folder / "model" / "config.json", folder)
    return folder


@pytest.fixture
def rows(tmp_path, monkeypatch):
    """A file with labels of both tasks, in an empty working directory."""
    monkeypatch.chdir(tmp_path)
    lines = [
        json.dumps({**ROW, "text": f"Ann {verb} Oslo in week {week} .", "label": topic}) + "\n"
        for week in range(20)
        for verb, topic in (("beat", "sports"), ("left", "politics"))
    ]
    return written(tmp_path, "rows.jsonl", "".join(lines))


def printed(capfd, *arguments, status=0):
    """The document that a command prints, also below Python's sys.stdout."""
    assert main([*map(str, arguments), "--json"]) == status
    return document(capfd.readouterr().out)


def document(text):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(text, parse_constant=refuse)


@pytest.mark.parametrize("name", WITH_JSON)
def test_every_command_that_prints_figures_has_json(name):
    parser = Parser(prog=f"mtt {name}")
    COMMANDS[name].add_arguments(parser)
    assert "--json" in option_names(parser)


def test_nan_and_infinity_become_null(capfd):
    print_json({"a": [float("nan"), 1.5], "b": {"c": (float("inf"), None, "x", True, 3)}})
    assert document(capfd.readouterr().out) == {
        "a": [None, 1.5], "b": {"c": [None, None, "x", True, 3]},
    }  # fmt: skip
    assert finite(-float("inf")) is None


def test_info_is_json_with_and_without_the_flag(run, capfd):
    assert main(["info", str(run)]) == 0
    without = document(capfd.readouterr().out)
    assert printed(capfd, "info", run) == without


def test_evaluate_prints_the_scores_of_other_files(run, rows, capfd):
    found = printed(capfd, "evaluate", run, f"--ner={rows}", f"--topic={rows}")
    (scores,) = found.values()
    assert set(scores) == {"topic", "ner"}


def test_quiet_evaluate_prints_nothing(run, rows, capfd):
    assert main(["evaluate", str(run), f"--ner={rows}", "--quiet"]) == 0
    assert capfd.readouterr() == ("", "")


def test_predict_prints_how_many_texts_it_read_and_how_many_were_broken(run, rows, capfd):
    rows.write_text(f"{json.dumps(ROW)}\n{{broken\n{json.dumps(ROW)}\n")
    summary = {"output": "out.jsonl", "texts": 3, "broken": 1}
    arguments = "predict", run, rows, "--output=out.jsonl"
    assert printed(capfd, *arguments, status=1) == summary
    assert printed(capfd, *arguments, status=1) == summary  # with nothing left to do
    assert main(["predict", str(run), str(rows), "--json"]) == 2
    assert "write them to --output=FILE" in capfd.readouterr().err


def test_report_prints_the_figures(run, capfd):
    (about,) = printed(capfd, "report", run)["runs"]
    assert about["name"] == "news"


def flags(rows):
    values = {
        "data.source": "files", "data.topic.train": rows, "data.ner.train": rows,
        "data.cache_dir": rows.parent / "cache",
        "encoder.layers": 1, "encoder.width": 16, "encoder.heads": 2, "encoder.feedforward": 16,
        "tokenizer.vocab_size": 100, "train.row_length": 48, "train.batch_rows": 4,
        "data.max_length": 32, "data.overlap": 8, "train.steps": 10, "train.warmup": 0,
    }  # fmt: skip
    return [f"--config.{name}={value}" for name, value in values.items()]


def test_check_prints_what_it_found(rows, capfd):
    arguments = "check", "--config=news_files", *flags(rows)
    assert main([*arguments, "--json"]) in (0, 1)
    assert document(capfd.readouterr().out)


@pytest.mark.peers  # slow: it compiles a step and times it
def test_dry_run_prints_memory_and_time_to_expect(rows, capfd):
    found = printed(capfd, "train", "--config=news_files", "--dry-run", *flags(rows))
    (phase,) = found["phases"]
    assert (phase["start"], phase["end"]) == (0, 10)
    assert found["seconds"] == pytest.approx(phase["seconds"])
    assert phase["step_bytes"] > 0
    assert found["parameters"] > 1000


@pytest.mark.peers  # slow: a run
def test_train_prints_the_content_of_metrics_json(rows, capfd):
    arguments = "train", "--config=news_files", *flags(rows), "--config.train.steps=1"
    found = printed(capfd, *arguments, "--workdir=run")
    assert found == json.loads((rows.parent / "run" / "metrics.json").read_text())
