"""Manifests: the size and the SHA-256 of every file of a folder, to tell whether it is whole.

    {"format": 1, "sha256": "e3b0...", "files": {"model.safetensors": {"size": 90868376, "sha256":
    "9f86..."}, ...}}

The first SHA-256 is that of the files' entries.
A folder gets its manifest.json last, so that a folder with one had all of its files. Folders of
version 0.1 have none.
"""

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple

from mtt_jax import atomic
from mtt_jax.errors import UserError
from mtt_jax.untrusted.folder import read_bytes
from mtt_jax.untrusted.json_text import parse_json

FILE = "manifest.json"
FORMAT = 1


class Entry(NamedTuple):
    """What a manifest says about a file.

    Attributes:
      size: in bytes.
      sha256: of its content, in hexadecimal.
    """

    size: int
    sha256: str


class Damage(NamedTuple):
    """A file that is not as its manifest says, or a manifest that cannot be read.

    Attributes:
      file: its path.
      what: is wrong with it, to follow its name and a colon.
    """

    file: Path
    what: str

    def __str__(self) -> str:
        return f"{self.file}: {self.what}"


def write(folder: Path, left_out: tuple[str, ...] = ()) -> None:
    """Writes the manifest of all files in a folder and the folders in it, atomically and to disk.

    Args:
      folder: all of whose files are written.
      left_out: names of files, relative to the folder, that will change.
    """
    _write(folder, {n: _entry(folder / n) for n in _names(folder) if n not in left_out})


def update(folder: Path, name: str) -> None:
    """Takes one file of a folder as it is now into its manifest; nothing without a manifest.

    Args:
      folder: whose other files stay as the manifest says.
      name: of the file, which may have been removed.

    Raises:
      UserError: if the manifest is damaged.
    """
    entries = read(folder)
    if entries is None:
        return
    entries.pop(name, None)
    if (folder / name).is_file():
        entries[name] = _entry(folder / name)
    _write(folder, dict(sorted(entries.items())))


def _write(folder: Path, entries: Mapping[str, Entry]) -> None:
    files = {name: entry._asdict() for name, entry in entries.items()}
    plain = {"format": FORMAT, "sha256": _digest(files), "files": files}
    atomic.write(folder / FILE, json.dumps(plain, indent=1) + "\n")
    _to_disk(folder)


def _digest(files: Mapping[str, Any]) -> str:
    """Of what a manifest says about its files, so that its own damage is not taken for theirs."""
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()


def _names(folder: Path) -> Iterator[str]:
    """The files of a folder, relative to it; without its manifest and what begins with a dot."""
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        if path.is_file() and name != FILE and not name.startswith("."):
            yield name


def _entry(file: Path) -> Entry:
    with file.open("rb") as content:
        digest = hashlib.file_digest(content, "sha256").hexdigest()
        return Entry(content.tell(), digest)


def _to_disk(folder: Path) -> None:
    """Makes the renames in a folder survive a loss of power."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read(folder: Path) -> dict[str, Entry] | None:
    """File -> what the manifest of a folder says about it; None if there is no manifest.

    Raises:
      UserError: if the manifest is damaged, or of a newer format.
    """
    file = folder / FILE
    if not file.is_file():
        return None
    try:
        plain = parse_json(read_bytes(file))
        number, files = plain["format"], plain["files"]
        if type(number) is int and number > FORMAT:
            raise UserError(
                f"{file}: written by a newer version of mtt_jax (format {number}, and this one "
                f"reads {FORMAT}); update mtt_jax."
            )
        found = {_inside(name): _checked(**entry) for name, entry in files.items()}
        if number != FORMAT or not found or plain["sha256"] != _digest(files):
            raise ValueError
    except UserError:
        raise
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        raise UserError(f"{file}: damaged: not a manifest.") from None
    return found


def _inside(name: str) -> str:
    """The name of a file, which must not lead out of the folder."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or "\0" in name or not path.parts:
        raise ValueError
    return name


def _checked(size: int, sha256: str) -> Entry:
    if type(size) is not int or not isinstance(sha256, str):
        raise TypeError
    return Entry(size, sha256)


def damages(
    folder: Path, left_out: tuple[str, ...] = (), needed: tuple[str, ...] = ()
) -> list[Damage] | None:
    """The files of a folder that are not as its manifest says, in its order; [] if it is whole.

    All sizes are compared before the first file is read.

    Args:
      folder: with a manifest or without.
      left_out: names of files, relative to the folder, that may have changed.
      needed: those that are damage if they are there but not in the manifest.

    Returns:
      None if there is no manifest.
    """
    try:
        entries = read(folder)
    except UserError as error:
        return [Damage(folder / FILE, str(error).removeprefix(f"{folder / FILE}: ").rstrip("."))]
    if entries is None:
        return None
    wanted = {name: entry for name, entry in entries.items() if name not in left_out}
    found = {name: _wrong_size(folder / name, entry.size) for name, entry in wanted.items()}
    for name, entry in wanted.items():
        if not found[name]:
            found[name] = _wrong_content(folder / name, entry.sha256)
    for name in needed:
        if name not in entries and (folder / name).exists():
            found[name] = "was added later"
    return [Damage(folder / name, what) for name, what in found.items() if what]


def _wrong_size(file: Path, size: int) -> str:
    try:
        there = file.stat().st_size
    except OSError as error:
        return "missing" if isinstance(error, FileNotFoundError) else f"{error.strerror}"
    if not file.is_file():
        return "is not a file"
    return "" if there == size else f"has {there:,} bytes, and was written with {size:,}"


def _wrong_content(file: Path, sha256: str) -> str:
    try:
        there = _entry(file).sha256
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    return "" if there == sha256 else "its content is not what was written (SHA-256 differs)"


def listed(found: list[Damage]) -> str:
    """Damages in one line: the first three, and how many more there are."""
    more = f"; and {len(found) - 3} more" if len(found) > 3 else ""
    return "; ".join(map(str, found[:3])) + more
