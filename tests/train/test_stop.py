"""Stopping, with real signals: at once where nothing is unsaved, even inside a compiler."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers import ROOT

# A call that keeps the main thread outside of Python for minutes, as a compiler may.
BUSY = """
import hashlib, signal, sys, time
from mtt_jax.train.stop import end_on_ctrl_c, stop_signals

def outside_python():
    print("ready", flush=True)
    hashlib.pbkdf2_hmac("sha256", b"", b"", 2**31 - 1)
"""
COMMAND = (
    BUSY
    + """
end_on_ctrl_c()
with stop_signals() as asked:
    outside_python()
"""
)
RESUMED = (
    BUSY
    + """
end_on_ctrl_c()
with stop_signals() as asked:
    asked.saved(300)
    outside_python()
"""
)
UNSAVED = (
    BUSY
    + """
end_on_ctrl_c()
with stop_signals() as asked:
    asked.unsaved = True
    print("ready", flush=True)
    while not asked:
        time.sleep(0.01)
    print("saving", flush=True)
    if sys.argv[1:]:
        outside_python()
"""
)
BEFORE_TRAINING = (
    BUSY
    + """
end_on_ctrl_c()
outside_python()
"""
)
PROGRAM_OF_THE_USER = (
    BUSY
    + """
with stop_signals() as asked:
    print("ready", flush=True)
    while not asked:
        time.sleep(0.01)
print(asked, signal.getsignal(signal.SIGINT) is signal.default_int_handler)
"""
)


class Process:
    """A program that has said that it is ready."""

    def __init__(self, program, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            # What a shell starts in the background ignores Ctrl-C.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.says("ready")

    def says(self, text):
        assert self.process.stdout.readline().strip() == text

    def signal(self, number):
        self.process.send_signal(number)
        return self

    def ends(self):
        """(exit status, standard output, standard error)"""
        try:
            out, err = self.process.communicate(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise
        return self.process.returncode, out, err


both_signals = pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])


@both_signals
def test_a_command_ends_at_once_inside_a_compiler_as_long_as_nothing_is_unsaved(number):
    code, _, err = Process(COMMAND).signal(number).ends()
    assert code == 128 + number
    assert err == "stopped before the first checkpoint; the same command starts over.\n"


@both_signals
def test_a_resumed_run_that_is_stopped_before_its_next_step_names_its_checkpoint(number):
    code, _, err = Process(RESUMED).signal(number).ends()
    assert code == 128 + number
    assert err == "stopped at step 300; the same command resumes from there.\n"


@both_signals
def test_unsaved_work_is_left_to_the_run_to_save(number):
    process = Process(UNSAVED).signal(number)
    process.says("saving")
    assert process.ends()[0] == 0


def test_a_second_ctrl_c_ends_the_process_even_inside_a_compiler():
    process = Process(UNSAVED, "then work").signal(signal.SIGINT)
    process.says("saving")
    process.says("ready")
    code, _, err = process.signal(signal.SIGINT).ends()
    assert (code, err) == (130, "stopped.\n")


def test_ctrl_c_ends_any_command_even_inside_a_compiler():
    code, _, err = Process(BEFORE_TRAINING).signal(signal.SIGINT).ends()
    assert (code, err) == (130, "stopped.\n")


def test_a_program_that_trains_keeps_its_own_ctrl_c():
    code, out, _ = Process(PROGRAM_OF_THE_USER).signal(signal.SIGINT).ends()
    assert (code, out) == (0, "[<Signals.SIGINT: 2>] True\n".replace("<Signals.SIGINT: 2>", "2"))
