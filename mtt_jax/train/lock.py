"""The lock on a run directory: one process at a time writes into it.

It is a lock of the operating system (flock) on the file .lock, held by the open file. So it ends
with its process, however that ends, and a file that is left over locks nothing. Readers, such as
`mtt predict` and `mtt report`, do not ask for it. On network file systems:

  NFS      the lock holds between machines (Linux passes it to the server as a byte-range lock);
           if a machine dies, the server frees it once its lease has run out, after 90 s by default
  Lustre   between machines if it is mounted with `flock`, as it usually is; with `localflock` only
           between the processes of one machine
  SMB      between machines, as the server's lock

On a file system without locks, and on Windows, a run says that there is none, and goes on.
"""

import contextlib
import errno
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from mtt_jax import atomic
from mtt_jax.errors import UserError

fcntl: ModuleType | None
try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

NAME = ".lock"
# What a file system without locks answers.
_NO_LOCKS = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP)
# The files that hold locks, which a forked process must not keep open: it would keep the lock.
_held: set[int] = set()


class Lock:
    """The lock of one folder, while it is held.

    Attributes:
      folder: that is locked.
      note: why there is no lock; "" if there is one.
    """

    def __init__(self, folder: Path, file: int, note: str = ""):
        self.folder, self.note = folder, note
        self._file = file
        self._identity = _identity(folder)

    def check(self) -> None:
        """Checks that the folder is still the one that was locked.

        Raises:
          UserError: if it was removed, renamed or replaced; whatever is written then would be
            half of something.
        """
        if self.lost():
            raise UserError(
                f"{self.folder}: was removed, renamed or replaced while the run was writing into "
                "it, so the run ends. If it was renamed, resume it under its new name; otherwise "
                "start it again."
            )

    def lost(self) -> bool:
        """Whether the folder is no longer the one that was locked."""
        return _identity(self.folder) != self._identity

    def _release(self) -> None:
        """Removes the file while it is still locked, so that none is left behind."""
        if not self.lost():
            with contextlib.suppress(OSError):
                (self.folder / NAME).unlink()
        _held.discard(self._file)
        os.close(self._file)


@contextlib.contextmanager
def locked(folder: Path, flag: str = "") -> Iterator[Lock]:
    """Locks a folder, which is created if it is missing, while the block runs.

    A folder that was created and is still empty at the end is removed again.

    Args:
      folder: to lock.
      flag: the flag that names it, for the message; "" if none does.

    Raises:
      UserError: if another process holds the lock, saying which, or the folder cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{flag}: {folder} is a file; name a directory.")
    there = folder.exists()
    with atomic.explained(folder, flag):
        folder.mkdir(parents=True, exist_ok=True)
    lock = _take(folder, flag)
    try:
        yield lock
    finally:
        ours = not lock.lost()
        lock._release()
        if ours and not there:
            with contextlib.suppress(OSError):  # not empty
                folder.rmdir()


def guard(model: Path) -> Path:
    """The directory whose lock guards a model directory: that of its run, otherwise its own."""
    run = model.resolve().parent
    return run if (run / "config.json").is_file() else model


def is_only_lock(folder: Path) -> bool:
    """Whether a folder holds nothing, or nothing but its lock."""
    return all(path.name == NAME for path in folder.iterdir())


def _take(folder: Path, flag: str) -> Lock:
    path = folder / NAME
    while True:
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise atomic.refused(folder, error.errno or errno.EIO, flag) from None
        try:
            if fcntl is None:
                return _kept(folder, file, f"{folder}: this system has no locks on files")
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in _NO_LOCKS:
                return _kept(folder, file, f"{folder}: its file system has no locks")
            holder = _holder(file)
            os.close(file)
            if error.errno not in (errno.EAGAIN, errno.EACCES):
                raise atomic.refused(path, error.errno or errno.EIO, flag) from None
            where = f"{flag}: " if flag else ""
            other = f", stop it, or name another directory with {flag}=..." if flag else "."
            raise UserError(
                f"{where}{folder} is in use by {holder}. Wait until it has ended{other}"
            ) from None
        if _identity(path) == _identity_of(os.fstat(file)):
            return _kept(folder, file)
        os.close(file)  # the one before removed it between our open and our lock


def _kept(folder: Path, file: int, note: str = "") -> Lock:
    """Writes down who holds the lock, and returns it."""
    _held.add(file)
    about = {
        "host": socket.gethostname(),
        "process": os.getpid(),
        "since": time.strftime("%Y-%m-%d %H:%M:%S %Z"),
    }
    with contextlib.suppress(OSError):  # a full disk: what the run writes first will say so
        os.ftruncate(file, 0)
        os.pwrite(file, (json.dumps(about) + "\n").encode(), 0)
    ending = "; do not start a second run on this directory." if note else ""
    return Lock(folder, file, note + ending)


def _holder(file: int) -> str:
    """Who holds the lock, from what it has written into the file."""
    try:
        about = json.loads(os.pread(file, 4096, 0))
        return f"process {about['process']} on {about['host']}, since {about['since']}"
    except (OSError, ValueError, KeyError, TypeError):  # it has locked, and not yet written
        return "another process"


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file or folder is at a path; None if there is none."""
    try:
        return _identity_of(path.stat())
    except OSError:
        return None


def _identity_of(status: os.stat_result) -> tuple[int, int]:
    return status.st_dev, status.st_ino


def _leave_to_parent() -> None:
    for file in _held:
        with contextlib.suppress(OSError):
            os.close(file)
    _held.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)
