"""Stopping: what a process does when it is asked to end. A run saves a checkpoint first."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Iterator


def end_on_ctrl_c() -> None:
    """Makes Ctrl-C end the process at once, with one line, until `stop_signals` takes over.

    The exception that Python raises by default may occur inside a callback that swallows it, or
    inside a compiler that crashes on it.
    """

    def end(number, frame):
        with contextlib.suppress(RuntimeError, OSError):  # in the middle of a write
            sys.stdout.flush()
        os.write(2, b"stopped.\n")
        os._exit(128 + number)

    signal.signal(signal.SIGINT, end)


class InterruptedRunError(Exception):
    """The run was asked to stop, and has saved a checkpoint.

    Attributes:
      code: exit status by shell convention, 128 + the number of the signal.
    """

    def __init__(self, step: int, number: int):
        where = f"at step {step}" if step else "before the first checkpoint"
        then = "resumes from there" if step else "starts over"
        super().__init__(f"stopped {where}; the same command {then}")
        self.code = 128 + number


@contextlib.contextmanager
def stop_signals() -> Iterator[list[int]]:
    """Collects SIGTERM and SIGINT in a list; a second Ctrl-C ends the process at once.

    At once means without unwinding, during which an interrupted compiler would crash; all files are
    written atomically, so none is left half written.
    """
    asked: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield asked  # Python handles signals in the main thread only
        return

    def remember(number, frame):
        if asked and number == signal.SIGINT:
            os._exit(128 + number)
        asked.append(number)

    before = {n: signal.signal(n, remember) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_asked(asked: list[int], step: int) -> None:
    """Ends the run between two stages of its work.

    Raises:
      InterruptedRunError: if a signal has arrived; everything up to `step` is saved.
    """
    if asked:
        raise InterruptedRunError(step, asked[0])
