"""Signals at known points of a process: while it imports, before anything is saved, and after."""

import os
import resource
import signal
import subprocess
import sys

import pytest

from tests.faults.kills import Field
from tests.faults.runs import ROOT, signal_at_import

DOORS = {
    "launch.py": (["launch.py", "--config=balanced"], "absl"),
    "python -m mtt_jax": (["-m", "mtt_jax", "train", "--config=balanced"], "mtt_jax.errors"),
    "mtt": (
        ["-c", "from mtt_jax.__main__ import entry; entry()", "train", "--config=balanced"],
        "mtt_jax.cli",
    ),
}


@pytest.mark.parametrize("door", DOORS)
@pytest.mark.parametrize("late", [False, True])
def test_ctrl_c_during_imports_is_one_line(door, late, tmp_path):
    arguments, module = DOORS[door]
    done = subprocess.run(
        [sys.executable, *arguments, f"--workdir={tmp_path / 'run'}"],
        cwd=ROOT, capture_output=True, text=True,
        env={
            **os.environ,
            **signal_at_import("mtt_jax.train.loop" if late else module, signal.SIGINT),
        },
    )  # fmt: skip
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "stopped.\n")
    assert not (tmp_path / "run").exists()


@pytest.fixture(scope="module")
def field(tmp_path_factory):
    field = Field(tmp_path_factory.mktemp("signals"), workers=1)
    yield field
    field.close()


@pytest.mark.peers  # slow: two starts of a run for each signal
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_while_a_checkpoint_is_saved_stops_the_run_which_resumes_to_the_same_end(
    number, field
):
    status, said, problem = field.signalled(f"stopped-{number}", number, "rename checkpoints/2")
    assert status == 128 + number
    assert "; the same command resumes from there.\n" in said
    assert problem == ""


@pytest.mark.peers  # slow: two starts of a run
def test_a_signal_before_anything_is_saved_ends_the_run_at_once(field):
    status, said, problem = field.signalled("early", signal.SIGHUP, "rename config.json")
    assert status == 128 + signal.SIGHUP
    assert said.endswith("stopped before the first checkpoint; the same command starts over.\n")
    assert problem == ""


@pytest.mark.peers  # slow: two starts of a run
def test_a_second_ctrl_c_ends_the_run_at_once(field):
    """At every operation on the first checkpoint, all of which are after step 2."""
    status, said, problem = field.signalled("twice", signal.SIGINT, "* checkpoints/2.*")
    assert status == 130
    assert said.endswith("stopped.\n")
    assert problem == ""


@pytest.mark.peers  # slow: two starts of a run
def test_sigquit_ends_the_run_at_once_and_loses_nothing_saved(field):
    before = resource.getrlimit(resource.RLIMIT_CORE)
    resource.setrlimit(resource.RLIMIT_CORE, (0, before[1]))
    status, _, problem = field.signalled("quit", signal.SIGQUIT, "rename checkpoints/2")
    resource.setrlimit(resource.RLIMIT_CORE, before)
    assert status == -signal.SIGQUIT
    assert problem == ""
