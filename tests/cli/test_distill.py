"""`mtt distill`: training with teachers named on the command line."""

import pytest

from mtt_jax.cli import distill, main


@pytest.fixture
def started(monkeypatch):
    """The options with which training would have started."""
    found = []
    monkeypatch.setattr(distill, "train", lambda options: found.append(options) or 0)
    return found


def test_teachers_are_a_field_of_the_config_and_the_run_has_a_name_of_its_own(started):
    arguments = ["--config=balanced", "--teachers=runs/a,ner=b.jsonl", "--config.train.steps=9"]
    assert main(["distill", *arguments]) == 0
    (options,) = started
    assert options.overrides == [
        ("config.train.steps", "9"),
        ("config.distill.teachers", "runs/a,ner=b.jsonl"),
    ]
    assert options.workdir == "runs/balanced-distilled"


def test_teachers_may_be_those_of_the_config(started):
    arguments = ["--config=balanced", "--config.distill.teachers=runs/a", "--workdir=runs/b"]
    assert main(["distill", *arguments]) == 0
    assert started[0].workdir == "runs/b"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config=balanced"], "--teachers is missing; try --teachers=runs/balanced."),
        (["--config=balanced", "--teacher=runs/a"], "--teacher: no such option."),
        (
            ["--config=balanced", "--teachers=runs/none", "--workdir={folder}/run"],
            "config.distill.teachers: runs/none: no such directory or file",
        ),
    ],
)
def test_a_mistake_is_one_line_and_creates_nothing(arguments, message, capsys, tmp_path):
    assert main(["distill", *[a.format(folder=tmp_path) for a in arguments]]) == 2
    said = capsys.readouterr().err
    assert message in said
    assert said.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
