"""A diagnosis from start to finish on a small corpus: every arm, the report, and resuming."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import phase
from mtt_jax.diagnose.study import diagnose
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from tests.helpers import Elements, make_config


def quiet():
    return Console(RichConsole(file=io.StringIO(), width=1000))


@pytest.fixture(scope="module")
def study(raw, tmp_path_factory):
    """(folder, report, what was printed) of a diagnosis with two seeds."""
    out = tmp_path_factory.mktemp("study") / "out"
    console = quiet()
    report = diagnose(resolve(raw), out, 2, (), console)
    return out, report, console.rich.file.getvalue()


@pytest.mark.peers  # slow: the diagnosis trains every arm twice
def test_every_arm_is_scored_on_dev_for_every_seed(study):
    _, report, printed = study
    assert set(report["scores"]["tone"]) == {"joint", "tone alone"}
    assert all(
        len(arm["seeds"]) == 2 for arms in report["scores"].values() for arm in arms.values()
    )
    assert set(report["differences"]) == {"joint minus alone"}
    assert set(report["verdicts"]) == {"share or separate"}
    cost = report["cost"]
    assert 1.5 < cost["separate"]["parameters"] / cost["joint"]["parameters"] < 2
    assert "tone, macro F1" in printed
    assert "who, micro F1" in printed
    for verdict in report["verdicts"].values():
        assert verdict["text"] in printed
    assert re.search(r"run 1 of 6: joint, seed 0\n", printed)
    assert re.search(r"run 6 of 6: who alone, seed 1; about \d+ (s|min) left\n", printed)


@pytest.mark.peers  # slow: the diagnosis trains every arm twice
def test_gradients_are_compared_during_training_and_layer_by_layer(study):
    _, report, _ = study
    assert [point["step"] for point in report["gradients"]] == list(range(3, 25, 3))
    (layers,) = report["gradients"][-1]["pairs"].values()
    assert list(layers) == ["embeddings", "layer_0", "top", "all"]
    for row in layers.values():
        assert -1 <= row["cosine"]["low"] <= row["cosine"]["mean"] <= row["cosine"]["high"] <= 1
        assert 0 <= row["conflict_rate"]["mean"] <= 1


@pytest.mark.peers  # slow: the diagnosis trains every arm twice
def test_the_report_opens_offline(study):
    out, report, _ = study
    page = (out / "report.html").read_text(encoding="utf-8")
    elements = Elements(page)
    assert elements.open == []
    assert elements.fetched == []
    assert report["verdicts"]["share or separate"]["finding"] in page
    assert len(elements.charts) == 3


@pytest.mark.peers  # slow: the diagnosis trains every arm twice
def test_a_resumed_diagnosis_trains_only_what_is_missing(raw, study, tmp_path):
    out, report, _ = study
    again = tmp_path / "again"
    shutil.copytree(out, again)
    lost = again / "outcomes" / "who-alone-1.npz"
    lost.unlink()
    shutil.rmtree(again / "runs" / "who-alone-1")
    console = quiet()
    repeated = diagnose(resolve(raw), again, 2, (), console)
    assert repeated["scores"] == report["scores"]
    assert repeated["differences"] == report["differences"]
    assert console.rich.file.getvalue().count("run 6 of 6: who alone, seed 1") == 1


@pytest.mark.peers  # slow: the diagnosis trains every arm twice
def test_a_diagnosis_is_not_resumed_on_other_data(raw, study, tmp_path):
    out, _, _ = study
    again = tmp_path / "again"
    shutil.copytree(out, again)
    dev = Path(raw.data.tone.dev)
    before = dev.read_text(encoding="utf-8")
    try:
        dev.write_text(before.replace("day", "night"), encoding="utf-8")
        with pytest.raises(UserError, match="dev has changed since the run started"):
            diagnose(resolve(raw), again, 2, (), quiet())
    finally:
        dev.write_text(before, encoding="utf-8")


def test_after_a_mistake_in_the_data_the_same_folder_can_be_used(raw, tmp_path):
    file = tmp_path / "train.jsonl"
    file.write_text(json.dumps({"text": "x", "tone": "fine", "who": "a"}) + "\n" * 1)
    plain = raw.to_dict()
    plain["data"]["tone"]["train"] = str(file)
    with pytest.raises(UserError, match="'fine' is not a label"):
        diagnose(resolve(plain), tmp_path / "out", 2, (), quiet())
    plain["data"]["tone"]["label_map"] = "fine=wrong"
    with pytest.raises(UserError, match="'wrong'|'fine'"):
        diagnose(resolve(plain), tmp_path / "out", 2, (), quiet())


@pytest.mark.peers  # slow: the diagnosis trains every arm twice
def test_a_diagnosis_is_not_resumed_with_another_config(raw, study):
    other = resolve({**raw.to_dict(), "seed": 7})
    with pytest.raises(UserError, match=r"a diagnosis with another config:\n  .*seed"):
        diagnose(other, study[0], 2, (), quiet())


def test_a_mistake_is_an_error_before_the_work_begins(raw, tmp_path):
    config = resolve(raw)
    plain = raw.to_dict()
    cases = [
        (config, 1, (), "--seeds: 1 is too few to measure chance"),
        (config, 2, ("pcgard",), "--balancers: 'pcgard' is not one of .*Did you mean 'pcgrad'"),
        (resolve({**plain, "phases": (phase("a", steps=1),)}), 2, (), "config.phases: a diagnosis"),
        (
            make_config(tasks__ner__weight=0.0),
            2,
            (),
            "config.tasks: a diagnosis needs at least two",
        ),
    ]
    for given, seeds, balancers, message in cases:
        with pytest.raises(UserError, match=message):
            diagnose(given, tmp_path / "new", seeds, balancers, quiet())
    assert not (tmp_path / "new").exists()
    (tmp_path / "notes.txt").write_text("x")
    with pytest.raises(UserError, match="is not empty and holds no diagnosis"):
        diagnose(config, tmp_path, 2, (), quiet())
