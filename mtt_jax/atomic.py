"""Files and folders that appear in one step: whole, or not at all.

They are written under a temporary name, handed to the disk and renamed. After a kill or an error
there is either the old file or the new one, and an error leaves nothing under the temporary name.
"""

import contextlib
import errno
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from mtt_jax.errors import UserError

# What is wrong is the disk or the folder, not the command, so the same command may succeed later.
_FULL = (errno.ENOSPC, errno.EDQUOT)
_TEMPORARY = re.compile(r"\..+-\d+\.(new|old)(\.\w+)?")
# How libraries in Rust (safetensors, tokenizers) name an error of the operating system.
_IN_RUST = re.compile(r"\(os error (\d+)\)")


class WriteError(UserError):
    """A file or folder could not be written; the message names it and the reason.

    Attributes:
      path: of the file or folder.
      number: of the operating system's error.
    """

    def __init__(self, message: str, path: Path, number: int):
        super().__init__(message)
        self.path, self.number = path, number


@contextlib.contextmanager
def replacing(path: Path, flag: str = "") -> Iterator[Path]:
    """Yields a path to write to; it then becomes `path`, which is whole whenever it exists.

    Args:
      path: the file. Its ending is that of the temporary name too, since NumPy goes by it.
      flag: the flag or field that names the file, for the message.

    Raises:
      WriteError: if the disk does not take it.
    """
    fresh = path.with_name(f".{path.stem}-{os.getpid()}.new{path.suffix}")
    try:
        with explained(path, flag, fresh):
            yield fresh
            _to_disk(fresh)
            fresh.replace(path)
    finally:
        with contextlib.suppress(OSError):
            fresh.unlink(missing_ok=True)


def write(path: Path, text: str, flag: str = "") -> None:
    """Writes a text as UTF-8 in one step.

    Args:
      path: the file.
      text: its content.
      flag: the flag or field that names the file, for the message.

    Raises:
      WriteError: if the disk does not take it.
    """
    with replacing(path, flag) as fresh:
        fresh.write_text(text, encoding="utf-8")


@contextlib.contextmanager
def replacing_folder(path: Path, flag: str = "", keep: bool = False) -> Iterator[Path]:
    """Yields an empty folder to write into; it then becomes `path`, in place of what was there.

    Args:
      path: the folder.
      flag: the flag or field that names it, for the message.
      keep: leaves a folder that is there by then, which another process has written, as it is.

    Raises:
      WriteError: if the disk does not take it.
    """
    fresh = path.with_name(f".{path.name}-{os.getpid()}.new")
    old = path.with_name(f".{path.name}-{os.getpid()}.old")
    shutil.rmtree(fresh, ignore_errors=True)
    try:
        with explained(path, flag, fresh):
            fresh.mkdir(parents=True)
            yield fresh
            for file in fresh.rglob("*"):
                if file.is_file():
                    _to_disk(file)
            if path.exists() and not keep:
                path.rename(old)
            try:
                fresh.rename(path)
            except OSError:
                if not (keep and path.is_dir()):
                    raise
    finally:
        for folder in (fresh, old):
            shutil.rmtree(folder, ignore_errors=True)


def clear(folder: Path) -> None:
    """Removes what killed processes left under temporary names in a folder.

    Args:
      folder: which no other process writes into.
    """
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            shutil.rmtree(path, ignore_errors=True)
            path.unlink(missing_ok=True)


@contextlib.contextmanager
def explained(path: Path, flag: str = "", written: Path | None = None) -> Iterator[None]:
    """Turns an error of the operating system within the block into one line that names a file.

    Args:
      path: the file or folder that the block writes.
      flag: the flag or field that names it, for the message.
      written: the name under which it is being written; `path` by default. An error about any
        other file, such as one that is being read, is left as it is.

    Raises:
      WriteError: with the reason.
    """
    written = written or path
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        about = getattr(error, "filename", None)
        others = about is not None and not _within(about, (written, path))
        number = None if others else _number(error, written)
        if number is None:
            raise
        raise refused(path, number, flag) from error


def refused(path: Path, number: int, flag: str = "") -> WriteError:
    """The error for a file or folder that cannot be written.

    Args:
      path: of it.
      number: of the operating system's error.
      flag: the flag or field that names it.
    """
    after = " Free some space and start again; nothing saved is lost." if number in _FULL else ""
    where = f"{flag}: " if flag else ""
    message = f"{where}cannot write {path}: {os.strerror(number)}.{after}"
    return WriteError(message, path, number)


def _within(name: object, folders: tuple[Path, ...]) -> bool:
    """Whether a file is one of these, or in one of them."""
    try:
        path = Path(os.fsdecode(name))  # type: ignore[arg-type]
    except TypeError:  # the number of an open file
        return False
    return any(path == folder or folder in path.parents for folder in folders)


def _number(error: Exception, written: Path) -> int | None:
    """The operating system's number of an error; None for an error of another kind."""
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno
    if found := _IN_RUST.search(str(error)):
        return int(found[1])
    if isinstance(error, OSError):
        return _tried(written)  # NumPy only says how many of its bytes were written
    return None


def _tried(written: Path) -> int:
    """The number of the error that one gets for writing more into a file, or into a folder."""
    files = [written] if written.is_file() else [f for f in written.rglob("*") if f.is_file()]
    try:
        newest = max(files, key=lambda file: file.stat().st_mtime_ns)
        with newest.open("ab", buffering=0) as file:
            for _ in range(16):
                file.write(bytes(1 << 16))
    except (OSError, ValueError) as error:
        return getattr(error, "errno", None) or errno.EIO
    return errno.EIO


def _to_disk(file: Path) -> None:
    """Waits until a file is on the disk, so that after a power cut it is not empty."""
    with file.open("rb") as stream:
        os.fsync(stream.fileno())
