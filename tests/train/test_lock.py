"""The lock on a run directory, between real processes."""

import os
import signal
import socket
import subprocess
import sys

import pytest

from mtt_jax.errors import UserError
from mtt_jax.train.lock import guard, is_only_lock, locked
from tests.faults.disks import small_disk
from tests.helpers import ROOT

HOLDS = r"""
import os, sys, time
from pathlib import Path
from mtt_jax.train.lock import locked
with locked(Path(sys.argv[1]), "--workdir"):
    if sys.argv[2:] and not os.fork():
        os.write(1, b"forked\n")
        time.sleep(600)
    os.write(1, b"locked\n")
    sys.stdin.read()
"""


def holder(run, *arguments):
    """A process that holds the lock."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(run), *arguments],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, start_new_session=True,
    )  # fmt: skip
    said = {process.stdout.readline().strip() for _ in range(1 + len(arguments))}
    assert "locked" in said
    return process


def refusal(run):
    with pytest.raises(UserError) as caught, locked(run, "--workdir"):
        pass
    return str(caught.value)


def test_a_second_process_is_refused_and_told_who_holds_the_lock(tmp_path):
    run = tmp_path / "run"
    process = holder(run)
    before = (run / ".lock").read_bytes()
    message = refusal(run)
    assert message.startswith(
        f"--workdir: {run} is in use by process {process.pid} on {socket.gethostname()}, since 20"
    )
    assert message.endswith("name another directory with --workdir=...")
    assert (run / ".lock").read_bytes() == before
    process.communicate("")
    with locked(run, "--workdir"):
        pass


def test_a_directory_that_no_flag_names_is_to_be_waited_for(tmp_path):
    process = holder(tmp_path)
    with pytest.raises(UserError) as caught, locked(tmp_path):
        pass
    message = str(caught.value)
    assert message.startswith(f"{tmp_path} is in use by process {process.pid} on ")
    assert message.endswith(". Wait until it has ended.")
    process.communicate("")


def test_a_model_is_guarded_by_the_lock_of_its_run(tmp_path):
    model = tmp_path / "model"
    model.mkdir()
    assert guard(model) == model
    (tmp_path / "config.json").write_text("{}")
    assert guard(model) == tmp_path


def test_the_lock_ends_with_a_killed_process_even_if_its_file_stays(tmp_path):
    process = holder(tmp_path)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert (tmp_path / ".lock").is_file()
    assert is_only_lock(tmp_path)
    with locked(tmp_path, "--workdir"):
        pass
    assert not (tmp_path / ".lock").exists()


def test_a_forked_process_does_not_keep_the_lock_of_its_killed_parent(tmp_path):
    process = holder(tmp_path, "fork")
    process.send_signal(signal.SIGKILL)
    process.wait()
    try:
        with locked(tmp_path, "--workdir"):
            pass
    finally:
        os.killpg(process.pid, signal.SIGKILL)  # the forked one
        process.communicate()


def test_the_same_process_is_refused_too(tmp_path):
    with locked(tmp_path, "--workdir"):
        assert f"process {os.getpid()} on" in refusal(tmp_path)


def test_a_folder_that_was_made_for_the_lock_goes_with_it(tmp_path):
    with locked(tmp_path / "run", "--workdir"):
        assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]
    assert not (tmp_path / "run").exists()
    with locked(tmp_path / "run", "--workdir"):
        (tmp_path / "run" / "kept").touch()
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["kept"]


def test_a_directory_that_is_gone_is_noticed(tmp_path):
    run, other = tmp_path / "run", tmp_path / "other"
    for change in ("renamed", "replaced by a file", "made anew"):
        with locked(run, "--workdir") as lock:
            lock.check()
            run.rename(other)
            if change == "replaced by a file":
                run.touch()
            if change == "made anew":
                run.mkdir()
            with pytest.raises(UserError, match="was removed, renamed or replaced"):
                lock.check()
        assert run.exists() == (change != "renamed")
        (other / ".lock").unlink()
        other.rmdir()
        if run.is_file():
            run.unlink()


def test_a_read_only_disk_is_refused(tmp_path):
    with small_disk(tmp_path, 1) as disk:
        (disk.path / "run").mkdir()
        disk.read_only()
        assert refusal(disk.path / "run") == (
            f"--workdir: cannot write {disk.path / 'run'}: Read-only file system."
        )
