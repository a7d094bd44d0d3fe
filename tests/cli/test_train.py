"""`mtt train` and `launch.py` read the same command line and refuse it with the same words."""

import dataclasses
import os
import subprocess
import sys

import pytest
from absl import flags

import launch
import mtt_jax.devices.processes
import mtt_jax.devices.startup
import mtt_jax.train.loop
from mtt_jax.cli import main
from mtt_jax.config.files import load_config
from tests.helpers import ROOT


def mtt_train(*arguments):
    return main(["train", *arguments])


def launch_py(*arguments):
    for name in launch._FLAGS[:-1]:  # absl remembers flags from call to call
        flags.FLAGS[name].unparse()
    return launch.main(["launch.py", *arguments])


both_doors = pytest.mark.parametrize("door", [mtt_train, launch_py])


@pytest.fixture
def trained(monkeypatch):
    """What `train` is called with: a list of (config, workdir), in place of training."""
    calls = []
    monkeypatch.setattr(
        mtt_jax.train.loop,
        "train",
        lambda config, workdir, console: calls.append((config, workdir)),
    )
    monkeypatch.setattr(mtt_jax.devices.startup, "prepare", lambda: None)
    monkeypatch.setattr(
        mtt_jax.devices.processes, "start", lambda *arguments: calls.append(arguments)
    )
    return calls


@both_doors
@pytest.mark.parametrize(
    ("line", "overrides", "workdir"),
    [
        ("--config=balanced", [], "runs/balanced"),
        ("--config=configs/balanced.py", [], "runs/balanced"),
        ("--config balanced --workdir=x/y", [], "x/y"),
        (
            "--config.train.steps=700 --config=balanced --config.encoder.scan --workdir x",
            [("config.train.steps", "700"), ("config.encoder.scan", None)],
            "x",
        ),
        (
            "--config=balanced --config.data.seed -1 --config.train.tasks ('ner',)",
            [("config.data.seed", "-1"), ("config.train.tasks", "('ner',)")],
            "runs/balanced",
        ),
    ],
)
def test_a_command_line_trains_the_same_config_with_mtt_train_and_launch_py(
    door, line, overrides, workdir, trained, monkeypatch
):
    monkeypatch.chdir(ROOT)
    assert door(*line.split()) == 0
    assert trained == [(None, None, None, False), (load_config("balanced", overrides), workdir)]


@both_doors
def test_a_shipped_config_is_found_from_any_directory(door, trained, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert door("--config=balanced", "--config.seed=3") == 0
    expected = dataclasses.replace(load_config(str(ROOT / "configs" / "balanced.py")), seed=3)
    assert trained[-1] == (expected, "runs/balanced")


@both_doors
def test_processes_are_described_by_the_same_options(door, trained):
    line = "--config=balanced --coordinator=host:1234 --processes=2 --process=1"
    assert door(*line.split()) == 0
    assert trained[0] == ("host:1234", 2, 1, False)
    assert door("--config=balanced", "--distributed") == 0
    assert trained[2] == (None, None, None, True)


@both_doors
@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("--config=balancd", "--config: balancd: neither a file nor the name of a shipped config. "
                             "Did you mean 'balanced'?"),
        ("--config=configs/balancd.py", "--config: configs/balancd.py: no such file. "
                                        "Did you mean 'configs/balanced.py'?"),
        ("--config=balanced --config.train.stpes=3",
         "--config.train.stpes: no such field. Did you mean 'steps'?"),
        ("--config=balanced --config.trian.steps 3",
         "--config.trian: no such field. Did you mean 'train'?"),
        ("--config=balanced --config.train.steps=many",
         "--config.train.steps: expected a whole number, got 'many'."),
        ("--config=balanced --config.train.steps",
         "--config.train.steps: needs a value, as in --config.train.steps=900."),
        ("--config=balanced --config.train.steps --workdir=x",
         "--config.train.steps: needs a value, as in --config.train.steps=900."),
        ("--config=balanced --config.train=3",
         "--config.train: a group of fields; name one: "),
        ("--config=balanced --config.encoder.scan=perhaps",
         "--config.encoder.scan: expected true or false, got 'perhaps'."),
        ("--config=balanced --config.phases[0].steps=3",
         "--config.phases[0]: no such element; there are none."),
        ("--config=balanced --config.train.steps=0",
         "config.train.steps: 0 is too small; must be at least 1."),
        ("--config=balanced --config.train.steps=-5",
         "config.train.steps: -5 is too small; must be at least 1."),
        ("--config=balanced --config.train.steps -5",
         "config.train.steps: -5 is too small; must be at least 1."),
        ("--config=balanced --config.encoder.heads=3",
         "config.encoder.heads: 3 heads do not divide a width of 128; set "),
        ("--config=balanced --config.train.balance=pcgard",
         "config.train.balance: 'pcgard' is not one of "),
        ("--config=news_files",
         "config.data.topic.train: data.source=files needs a file for task 'topic': "
         "--config.data.topic.train=..."),
        ("--config=balanced --wrokdir=x", "--wrokdir: no such option. Did you mean '--workdir'? "),
        ("--config=balanced --work=x", "--work: no such option."),
        ("--config=balanced --train.steps=5",
         "--train.steps: no such option. Here it is --config.train.steps=5. See "),
        ("--config=balanced --batch-size 8",
         "--batch-size: no such option. Here it is --config.train.batch_rows=VALUE (a row holds "),
        ("--config=balanced --output_dir=x",
         "--output_dir: no such option. Here: --workdir=DIR. See "),
        ("--config=balanced --device=cuda",
         "--device: no such option. Here: JAX takes the GPU or TPU that it finds; "),
        ("--config=balanced train.steps=5",
         "unexpected argument 'train.steps=5'. Here it is --config.train.steps=5. See "),
        ("--config=balanced extra", "unexpected argument 'extra'; see "),
        ("--config=balanced -- extra", "unexpected argument 'extra'; see "),
        ("", "--config is missing; try --config="),
        ("--config.train.steps=3", "--config is missing; try --config="),
    ],
)  # fmt: skip
def test_a_mistake_is_the_same_line_with_mtt_train_and_launch_py(
    door, line, message, trained, monkeypatch, capsys
):
    monkeypatch.chdir(ROOT)
    assert door(*line.split()) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"error: {message}"), err
    assert err.count("\n") == 1
    assert trained == []


@both_doors
@pytest.mark.parametrize(
    ("argument", "note"),
    [
        (
            "--config.tokenizer.kind=bpe",
            "--config.tokenizer.kind is now --config.tokenizer.algorithm",
        ),
        ("--config.tasks.ner.kind=token", "config.tasks.ner.kind=token is now entities"),
    ],
)
def test_an_old_name_is_one_note_with_mtt_train_and_launch_py(
    door, argument, note, trained, capsys
):
    assert door("--config=balanced", argument) == 0
    assert capsys.readouterr().err == f"note: {note}; the old name still works.\n"
    assert len(trained) == 2


def test_help_of_launch_py_lists_every_field(capsys):
    assert launch_py("--config=balanced", "--help") == 0
    out = capsys.readouterr().out
    assert "--config=configs/balanced.py" in out
    assert "| `config.encoder.layers` | int | `4` | transformer layers |" in out


def test_launch_py_reads_a_flagfile(trained, tmp_path):
    file = tmp_path / "flags"
    file.write_text(f"--config=balanced\n--config.train.steps=700\n--workdir={tmp_path / 'run'}\n")
    assert launch_py(f"--flagfile={file}", "--config.seed=3") == 0
    config, workdir = trained[-1]
    assert (config.train.steps, config.seed, workdir) == (700, 3, str(tmp_path / "run"))


def test_a_missing_flagfile_is_one_line(capsys, tmp_path):
    assert launch_py(f"--flagfile={tmp_path / 'none'}") == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    assert str(tmp_path / "none") in err


@pytest.mark.parametrize("door", [["launch.py"], ["-m", "mtt_jax", "train"]])
def test_a_mistake_in_a_process_is_one_line_and_exit_status_2(door):
    done = subprocess.run(
        [sys.executable, *door, "--config=balanced", "--config.train.stpes=3"],
        capture_output=True, text=True, cwd=ROOT, env={**os.environ, "JAX_PLATFORMS": "cpu"},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    expected = "error: --config.train.stpes: no such field. Did you mean 'steps'?\n"
    assert done.stderr == expected
