"""What `save_to_disk` of Hugging Face `datasets` writes: a folder per split, with Arrow files.

DIR/dataset_dict.json              the names of the splits
DIR/train/dataset_info.json
DIR/train/state.json               the Arrow files, in order
DIR/train/data-00000-of-00001.arrow
"""

import itertools
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.parquet import read as read_parquet
from mtt_jax.data.readers.rows import Head, Layout, Row
from mtt_jax.errors import UserError

_SPLITS, _INFO, _STATE = "dataset_dict.json", "dataset_info.json", "state.json"


def recognize(head: Head) -> str | None:
    """A description of a folder that `datasets` wrote."""
    if not head.path.is_dir():
        return None
    if (head.path / _SPLITS).is_file():
        return "datasets folder with splits"
    has_arrow = (head.path / _STATE).is_file() or any(head.path.glob("*.arrow"))
    return "datasets folder" if has_arrow and (head.path / _INFO).is_file() else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the rows of one split.

    Raises:
      UserError: naming the splits if the folder holds several, or a file that is missing.
    """
    if (path / _SPLITS).is_file():
        splits = _json(path / _SPLITS).get("splits") or []
        shown = ", ".join(str(path / str(split)) for split in splits)
        raise UserError(f"{path}: holds several splits; name the folder of one: {shown}.")
    for file in _arrow_files(path):
        yield from read_parquet(file, layout)


def _arrow_files(path: Path) -> list[Path]:
    """The Arrow files of a split in their order.

    Raises:
      UserError: if one is missing, or their rows are not those of the data set.
    """
    if not (path / _STATE).is_file():
        return _cached_files(path)
    state = _json(path / _STATE)
    if state.get("_indices_data_files"):
        raise UserError(
            f"{path}: its rows are in an order that is stored apart; save it again with "
            "dataset.flatten_indices().save_to_disk(...)."
        )
    files = [path / str(entry.get("filename")) for entry in state.get("_data_files") or []]
    for file in files:
        if not file.is_file():
            raise UserError(
                f"{file}: no such file, but {path / _STATE} names it; copy the whole folder."
            )
    return files


def _cached_files(path: Path) -> list[Path]:
    """The Arrow files of a folder in the cache of `datasets`, which may hold several splits.

    Raises:
      UserError: naming a pattern per split if it does.
    """
    files = sorted(path.glob("*.arrow"))
    by_split = {
        name: list(group) for name, group in itertools.groupby(files, lambda file: _stem(file))
    }
    if len(by_split) > 1:
        shown = ", ".join(str(path / f"{name}*.arrow") for name in by_split)
        raise UserError(f"{path}: holds several splits; name the files of one: {shown}.")
    return files


def _stem(file: Path) -> str:
    """The name of a file of the cache up to its number: `imdb-train` of
    `imdb-train-00000-of-00002.arrow`.
    """
    parts = file.stem.split("-")
    return "-".join(parts[:-3] if len(parts) > 3 and parts[-2] == "of" else parts)


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"{file}: cannot be read: {error}. Copy the folder again.") from None
    if not isinstance(found, dict):
        raise UserError(f"{file}: expected an object, as `datasets` writes it.")
    return found
