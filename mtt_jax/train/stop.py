"""Stopping: what a process does when it is asked to end. A run saves a checkpoint first.

Python runs a signal handler in the main thread, between two of its own instructions, so not while a
compiler or a full queue blocks that thread. Another thread therefore watches for signals too, and
ends the process at once if nothing would be lost.
"""

import contextlib
import os
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn

_leaving = threading.Lock()
_abandoned = threading.Event()


def end_on_ctrl_c() -> None:
    """Makes Ctrl-C end the process at once, with one line, until `stop_signals` takes over.

    The exception that Python raises by default may occur inside a callback that swallows it, or
    inside a compiler that crashes on it.
    """
    signal.signal(signal.SIGINT, _end)
    _watch(lambda number: _end(number, None) if number == signal.SIGINT else None)


def _end(number: int, frame: Any) -> None:
    _leave(number, "stopped.")


def _leave(number: int, message: str) -> None:
    """Ends the process without unwinding, during which an interrupted compiler would crash.

    All files are written atomically, so none is left half written. If both threads come here, the
    first one ends the process.
    """
    if not _leaving.acquire(blocking=False):
        return
    with contextlib.suppress(RuntimeError, OSError, ValueError):  # in the middle of a write
        sys.stdout.flush()
    with contextlib.suppress(OSError):
        shown = "\033[?25h\n" if os.isatty(2) else ""  # a progress bar hides the cursor
        os.write(2, f"{shown}{message}\n".encode())
    os._exit(128 + number)


def end_process(code: int) -> NoReturn:
    """Ends the process with an exit status, also if `abandon_threads` was called."""
    if _abandoned.is_set():
        with contextlib.suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(code)
    sys.exit(code)


def abandon_threads() -> None:
    """Notes that a library's threads hang after an error, and must not keep the process alive."""
    _abandoned.set()


class InterruptedRunError(Exception):
    """The run was asked to stop, and has saved a checkpoint.

    Attributes:
      code: exit status by shell convention, 128 + the number of the signal.
    """

    def __init__(self, step: int, number: int):
        super().__init__(_stopped(step))
        self.code = 128 + number


def _stopped(step: int) -> str:
    where = f"at step {step}" if step else "before the first checkpoint"
    then = "resumes from there" if step else "starts over"
    return f"stopped {where}; the same command {then}"


class Asked(list[int]):
    """The signals that asked a run to stop, in the order in which they came.

    Attributes:
      unsaved: whether there is work that a checkpoint has to save before the process may end.
      step: the step of the last checkpoint, for the message.
      at_once: the signals that may end the process at once while nothing is unsaved.
    """

    def __init__(self) -> None:
        super().__init__()
        self.unsaved = False
        self.step = 0
        self.at_once: frozenset[int] = frozenset()
        self._before: list[int] = []  # those that the watching thread has seen

    def saved(self, step: int) -> None:
        """Notes that a checkpoint of this step exists, and that nothing was done since."""
        self.step, self.unsaved = step, False

    def arrived(self, number: int) -> None:
        """Takes a signal, in the watching thread: ends the process if nothing would be lost."""
        if self._before and number == signal.SIGINT:
            _leave(number, "stopped.")
        self._before.append(number)
        if number in self.at_once and not self.unsaved:
            _leave(number, f"{_stopped(self.step)}.")


@contextlib.contextmanager
def stop_signals() -> Iterator[Asked]:
    """Collects SIGTERM, SIGINT and SIGHUP in a list; a second Ctrl-C ends the process at once.

    SIGHUP comes when a terminal or a connection is closed; a process that was started with nohup
    goes on ignoring it. SIGQUIT ends the process at once, as it does by default.

    A command is ended at once by the first signal too while nothing is unsaved: while data are
    read, or a step is compiled. A program that calls us keeps its own Ctrl-C.
    """
    asked = Asked()
    if threading.current_thread() is not threading.main_thread():
        yield asked  # Python handles signals in the main thread only
        return

    def remember(number, frame):
        asked.append(number)

    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, remember) for number in numbers}
    ends = {n for n, handler in before.items() if handler in (_end, signal.SIG_DFL)}
    asked.at_once = frozenset(ends)
    unwatch = _watch(asked.arrived)
    try:
        yield asked
    finally:
        unwatch()
        for number, handler in before.items():
            signal.signal(number, handler)


def stop_if_asked(asked: list[int], step: int) -> None:
    """Ends the run between two stages of its work.

    Raises:
      InterruptedRunError: if a signal has arrived; everything up to `step` is saved.
    """
    if asked:
        raise InterruptedRunError(step, asked[0])


def _watch(arrived: Callable[[int], None]) -> Callable[[], None]:
    """Calls a function with the number of every signal, in a thread of its own.

    Python writes the number of a signal that has a handler into a socket as soon as it comes,
    whatever the main thread is doing.

    Returns:
      A function that ends this, and restores what was before.
    """
    reading, writing = socket.socketpair()
    writing.setblocking(False)
    before = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)

    def read() -> None:
        while numbers := reading.recv(64):
            for number in numbers:
                arrived(number)

    threading.Thread(target=read, name="signals", daemon=True).start()

    def end() -> None:
        signal.set_wakeup_fd(before)
        _open.remove(writing)
        writing.close()

    _open.append(writing)
    return end


_open: list[socket.socket] = []  # so that none is closed while signals are written into it
