"""Old run directories: they open, and a stopped one is resumed, or refused if words differ.

tests/old_runs/v0_1 was written by version 0.1: a finished run, and one of two phases that was
stopped at step 12 of 40. format_2, format_3 and format_4 were written by the versions whose
config.json had that format: a finished run, and the same as it was at step 6 of 12. Paths in their
configs are relative to these folders.
"""

import io
import json
import re
import shutil

import pytest
from rich.console import Console as RichConsole

import mtt_jax
from mtt_jax.config.aliases import FORMAT
from mtt_jax.config.files import from_json, load_config
from mtt_jax.predict.run import Run
from mtt_jax.report.console import Console
from mtt_jax.report.run_files import read_run
from mtt_jax.report.run_page import render
from mtt_jax.train.loop import train
from tests.helpers import ROOT

OLD = ROOT / "tests" / "old_runs" / "v0_1"
# Its config files use the names of that version.
pytestmark = pytest.mark.filterwarnings("ignore::mtt_jax.errors.RenamedWarning")


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of the folder, as the working directory."""
    copy = tmp_path / "v0_1"
    shutil.copytree(OLD, copy)
    monkeypatch.chdir(copy)
    return copy


def config_of(run):
    return from_json((run / "config.json").read_text(encoding="utf-8"))


def trained(config, run):
    """(content of metrics.json, what was printed)."""
    text = io.StringIO()
    return train(config, run, Console(RichConsole(file=text, width=200))), text.getvalue()


def close(ours, theirs, tolerance):
    """Whether two JSON values are equal, numbers up to a tolerance."""
    if isinstance(theirs, dict):
        return ours.keys() == theirs.keys() and all(
            close(ours[k], theirs[k], tolerance) for k in ours
        )
    if isinstance(theirs, list):
        pairs = zip(ours, theirs, strict=True)
        return len(ours) == len(theirs) and all(close(a, b, tolerance) for a, b in pairs)
    if isinstance(theirs, float):
        return ours == pytest.approx(theirs, abs=tolerance)
    return ours == theirs


def in_both(entities):
    """The entities whose words are cut today as they were then, without their scores.

    Those are the ones without punctuation. A score was that of the least certain word, and is the
    probability of the entity.
    """
    return [
        {key: value for key, value in entity.items() if key != "score"}
        for entity in entities
        if re.fullmatch(r"[^\W\d]+( [^\W\d]+)*", entity["text"])
    ]


def test_a_finished_run_of_version_0_1_predicts_what_it_predicted(folder):
    predictor = mtt_jax.Predictor.load(folder / "finished")
    expected = json.loads((folder / "expected_predictions.json").read_text(encoding="utf-8"))
    found = predictor([row["text"] for row in expected])
    compared = 0
    for ours, row in zip(found, expected, strict=True):
        assert close(ours["topic"], row["topic"], 1e-4)
        # The only entity task answered under "entities" until version 0.1.
        theirs = in_both(row["entities"])
        assert in_both(ours["ner"]) == theirs
        compared += len(theirs)
    assert compared > 10


def test_a_finished_run_of_version_0_1_is_not_trained_again(folder):
    run = folder / "finished"
    before = (run / "metrics.json").read_bytes()
    final, printed = trained(load_config("cfg.py"), run)
    assert "is finished: 6 steps, best at 6" in printed
    assert "test scores" in printed
    assert "strict, overall" in printed
    assert final == json.loads(before)
    assert (run / "metrics.json").read_bytes() == before


def test_the_scores_of_a_run_of_version_0_1_are_read_as_todays(folder):
    run = Run(folder / "finished")
    assert run.scores["test"]["topic"].headline == run.final["test"]["topic"]["macro_f1"]
    assert run.scores["test"]["ner"].headline == run.final["test"]["ner"]["f1"]


def test_a_run_of_version_0_1_is_evaluated_again_with_the_same_scores(folder, capsys):
    from mtt_jax.cli import main

    expected = Run(folder / "finished").scores["test"]
    assert main(["evaluate", str(folder / "finished"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["test"]
    for task, score in expected.items():
        assert found[task][score.figures[0].name] == pytest.approx(score.headline, abs=1e-6)


@pytest.mark.parametrize("config", ["phases.py", "config.json"])
def test_a_stopped_run_of_version_0_1_is_not_resumed_on_other_words(folder, config):
    run = folder / "stopped"
    before = {file: file.read_bytes() for file in run.rglob("*") if file.is_file()}
    without_features = [("config.encoder.word_features", "")]  # version 0.1 had none
    given = config_of(run) if config == "config.json" else load_config(config, without_features)
    with pytest.raises(mtt_jax.UserError, match="which divides texts into other words") as error:
        trained(given, run)
    assert "Resume it with that version, or start a new run in another" in str(error.value)
    assert {file: file.read_bytes() for file in before} == before


def test_a_run_of_version_0_1_is_not_resumed_with_another_config(folder):
    config = load_config("phases.py", [("config.train.learning_rate", "0.5")])
    with pytest.raises(mtt_jax.UserError, match="holds a run with another config:") as error:
        trained(config, folder / "stopped")
    assert "train.learning_rate: 0.5 here, 0.01 there" in str(error.value)


# A folder for each format of config.json since


def config_format(text):
    """The format of a config.json; version 0.1 wrote none."""
    return json.loads(text).get("format", 1)


def test_there_is_an_old_run_of_every_format_that_config_json_had():
    found = [
        config_format((run / "config.json").read_text(encoding="utf-8"))
        for run in OLD.parent.glob("*/finished")
    ]
    assert sorted(found) == list(range(1, FORMAT + 1))


@pytest.fixture(params=[f"format_{number}" for number in range(2, FORMAT + 1)])
def of_format(request, tmp_path, monkeypatch):
    """A copy of the folder of a format, as the working directory."""
    copy = tmp_path / request.param
    shutil.copytree(OLD.parent / request.param, copy)
    monkeypatch.chdir(copy)
    return copy


def test_a_finished_run_of_every_format_opens_and_predicts_what_it_predicted(of_format):
    predictor = mtt_jax.Predictor.load(of_format / "finished")
    expected = json.loads((of_format / "expected_predictions.json").read_text(encoding="utf-8"))
    found = predictor([row["text"] for row in expected])
    for ours, row in zip(found, expected, strict=True):
        assert close(ours["topic"], row["topic"], 1e-4)
        theirs = row.get("ner", row.get("entities"))
        same = found_in_todays if of_format.name == "format_4" else in_both
        assert same(ours["ner"]) == same(theirs)


def found_in_todays(entities):
    """All entities, their scores to three places."""
    return [entity | {"score": round(entity["score"], 3)} for entity in entities]


def test_a_finished_run_of_every_format_is_scored_and_not_trained_again(of_format):
    run = of_format / "finished"
    before = (run / "metrics.json").read_bytes()
    final, printed = trained(config_of(run), run)
    assert "is finished: 12 steps" in printed
    assert final == json.loads(before)
    assert set(Run(run).scores["test"]) == {"topic", "ner"}
    assert "of 12 kept" in render(read_run(run))


def test_a_stopped_run_of_every_format_is_resumed_to_its_end_or_refused(of_format):
    """Those before format 4 divide texts into other words."""
    run = of_format / "stopped"
    if of_format.name != f"format_{FORMAT}":
        with pytest.raises(mtt_jax.UserError, match="which divides texts into other words"):
            trained(config_of(run), run)
        return
    final, printed = trained(config_of(run), run)
    assert f"Resuming {run} from step 6." in printed
    assert final["steps"] == 12
    ours, theirs = (
        {
            row["step"]: row["losses"]
            for line in (folder / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
            if (row := json.loads(line))["kind"] == "train"
        }
        for folder in (run, of_format / "finished")
    )
    assert close(ours, theirs, 1e-3)
