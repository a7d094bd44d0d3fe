"""Files of a folder that a stranger made: inside it, regular, and of a bounded size.

A name may come from a file of the folder, and any file may be a link: both could name what is
outside, such as a private file whose content then ends up in a model or an answer.
"""

import os
import stat
from pathlib import Path
from typing import Any

from mtt_jax.errors import UserError
from mtt_jax.untrusted.json_text import JsonError, parse_json

# The largest config.json and shard index known have some 100 kB, tokenizer.json 40 MB.
JSON_BYTES = 16 << 20
TOKENIZER_BYTES = 256 << 20
# Of a path that no file can have, in a message.
_SHOWN = 200


def file_in(folder: Path, name: str) -> Path | None:
    """The path of a file in a folder; None if there is none.

    Links may lead to other places in the folder, and in the cache of the Hugging Face hub from
    snapshots/ to blobs/ beside it.

    Args:
      folder: as the user named it; it may be a link itself.
      name: relative, with `/` between its parts.

    Raises:
      UserError: for a name that is absolute or leads out of the folder, also by a link, and for
        what is not a regular file, such as a directory or a pipe.
    """
    path = folder / name
    outside = not name or "\0" in name or "\\" in name or Path(name).is_absolute()
    if outside or ".." in Path(name).parts:
        raise UserError(
            f"{folder}: names the file {name[:200]!r}; expected one in that folder, such as "
            "'model.safetensors'. A model does not read files outside its folder."
        )
    try:
        real = Path(os.path.realpath(path))
        if not any(real.is_relative_to(place) for place in _places(folder)):
            raise UserError(
                f"{path}: a link to {real}, outside the folder; a model does not read files "
                "outside its folder. Copy the file in place of the link, if you trust it."
            )
        check_regular(path)
    except FileNotFoundError:
        return None
    return path


def _places(folder: Path) -> list[Path]:
    """Where a folder's files may be, without links."""
    real = Path(os.path.realpath(folder))
    if real.parent.name == "snapshots" and real.parent.parent.name.startswith("models--"):
        return [real, real.parent.parent / "blobs"]
    return [real]


def check_regular(path: Path) -> int:
    """The size in bytes of a regular file; a pipe would be waited for without end.

    Raises:
      UserError: if it is something else, or cannot be looked at.
      FileNotFoundError: if it does not exist.
    """
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise UserError(f"{path}: a link to a file that does not exist.") from None
        raise FileNotFoundError(path) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read: {reason}.") from None
    if not stat.S_ISREG(found.st_mode):
        what = "a directory" if stat.S_ISDIR(found.st_mode) else "not a regular file"
        raise UserError(f"{path}: is {what}; expected a file.")
    return found.st_size


def read_bytes(path: Path, most: int = JSON_BYTES) -> bytes:
    """The content of a regular file.

    Args:
      path: of a file that exists.
      most: how many bytes it may have.

    Raises:
      UserError: if it is larger, is not a regular file or cannot be read.
    """
    try:
        size = check_regular(path)
        if size <= most:
            with path.open("rb") as file:
                data = file.read(most + 1)
            size = len(data)
        if size <= most:
            return data
    except OSError as error:
        reason = error.strerror or "it does not exist"
        raise UserError(f"{path}: cannot be read: {reason}.") from None
    raise UserError(f"{path}: is larger than {most:,} bytes, the most that such a file may have.")


def read_text(path: Path, most: int = JSON_BYTES) -> str:
    """The content of a regular file in UTF-8; otherwise as `read_bytes`.

    Raises:
      UserError: also if it is not UTF-8.
    """
    try:
        return read_bytes(path, most).decode("utf-8")
    except UnicodeDecodeError as error:
        raise UserError(f"{path}: is not UTF-8 (byte {error.start}).") from None


def read_json(path: Path, most: int = JSON_BYTES, finite: bool = True) -> Any:
    """The value of a JSON file, as `parse_json` reads it; otherwise as `read_bytes`.

    Raises:
      UserError: also if it is not JSON, saying where.
    """
    try:
        return parse_json(read_bytes(path, most), finite)
    except JsonError as error:
        raise UserError(f"{path}: {error}.") from None


def read_object(path: Path, most: int = JSON_BYTES) -> dict[str, Any]:
    """The object of a JSON file; otherwise as `read_json`.

    Raises:
      UserError: also if its value is something else.
    """
    found = read_json(path, most)
    if not isinstance(found, dict):
        raise UserError(f"{path}: expected a JSON object, got {type(found).__name__}.")
    return found


def user_path(name: str | Path, flag: str = "") -> Path:
    """A path as a user wrote it, with the home directory filled in for `~`.

    Args:
      name: of a file or folder that may not exist.
      flag: that it comes from, for the message.

    Raises:
      UserError: if no file can have that name: it is too long, or names a user who does not exist;
        or if the folder that holds it may not be searched.
    """
    where = f"{flag}: " if flag else ""
    shown = str(name) if len(str(name)) <= _SHOWN else f"{str(name)[:_SHOWN]}..."
    try:
        path = Path(name).expanduser()
        path.exists()
    except RuntimeError:  # of pathlib
        raise UserError(
            f"{where}{shown}: there is no such user, and so no home directory."
        ) from None
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UserError(f"{where}{shown}: cannot be opened: {reason}.") from None
    return path


def exists(name: str) -> bool:
    """Whether a text is the path of a file or folder, with `~` filled in.

    Several paths together, with commas, may be longer than any path.
    """
    try:
        return Path(name).expanduser().exists()
    except (OSError, RuntimeError):
        return False
