"""Lists the file operations of a process, and signals the process before or after one of them.

Python's own operations are seen, in all threads: opening for writing, rename, fsync, mkdir and
removal, below some folders. Those of C++ libraries are not; kills at random moments are for these.
"""

import builtins
import fnmatch
import io
import os
import signal
import sys
import threading
import time

_counted = threading.Lock()


class Hook:
    """What `install` puts around Python's functions.

    Args:
      below: folders of which operations count.
      log: file that gets a line for each operation before it is done; "" for none.
      index: of the operation, from 0, at which the signal is sent; None for all that match.
      matching: the operation as it is logged, such as "rename metrics.json"; * for any text.
      after: whether the signal is sent after the operation instead of before.
      number: of the signal.
    """

    def __init__(
        self, below=(), log="", index=None, matching="", after=False, number=signal.SIGKILL
    ):
        self.below = tuple(os.path.join(os.path.realpath(folder), "") for folder in below)
        self.log = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND) if log else None
        self.index, self.matching, self.after, self.number = index, matching, after, number
        self.count = 0

    def around(self, name, function, writes=lambda *args, **kwargs: True, target=0):
        """A function in place of one of Python's; the path is argument number `target`."""

        def wrapped(*args, **kwargs):
            path = args[target] if len(args) > target else None
            if path is None or not writes(*args, **kwargs):
                return function(*args, **kwargs)
            where = self._where(path, kwargs.get("dir_fd"))
            shown = next((where[len(b) :] for b in self.below if where.startswith(b)), None)
            if shown is None:
                return function(*args, **kwargs)
            with _counted:
                index, self.count = self.count, self.count + 1
            chosen = self._chosen(index, f"{name} {shown}")
            if chosen and not self.after:
                self._signal()
            result = function(*args, **kwargs)
            if chosen and self.after:
                self._signal()
            return result

        return wrapped

    def _where(self, path, folder):
        if isinstance(path, int):
            return os.path.realpath(f"/proc/self/fd/{path}")
        path = os.fsdecode(path)
        if folder is not None:
            path = os.path.join(os.path.realpath(f"/proc/self/fd/{folder}"), path)
        return os.path.join(os.path.realpath(os.path.dirname(path) or "."), os.path.basename(path))

    def _chosen(self, index, shown):
        if self.log is not None:
            os.write(self.log, f"{index} {shown}\n".encode())
        if self.matching:
            return fnmatch.fnmatchcase(shown, self.matching)
        return index == self.index

    def _signal(self):
        os.kill(os.getpid(), self.number)
        if self.number == signal.SIGKILL:
            time.sleep(60)


def _opens_to_write(path, mode="r", *_, **others):
    return any(letter in others.get("mode", mode) for letter in "wax+")


def _creates(path, flags, *_, **__):
    return bool(flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR))


def install(**options):
    """Puts a hook around Python's file operations, for as long as the process runs."""
    hook = Hook(**options)
    builtins.open = io.open = hook.around("open", io.open, _opens_to_write)
    os.open = hook.around("open", os.open, _creates)
    # The new name says what happens.
    os.rename = hook.around("rename", os.rename, target=1)
    os.replace = hook.around("rename", os.replace, target=1)
    os.fsync = hook.around("fsync", os.fsync)
    os.mkdir = hook.around("mkdir", os.mkdir)
    os.unlink = os.remove = hook.around("remove", os.unlink)
    os.rmdir = hook.around("remove", os.rmdir)


def signal_at_import(module, number):
    """Sends the process a signal, once, when it is about to import a module."""
    waiting = [module]

    def look(event, args):
        if event == "import" and waiting and args[0] == waiting[0]:
            waiting.clear()
            os.kill(os.getpid(), number)

    sys.addaudithook(look)
