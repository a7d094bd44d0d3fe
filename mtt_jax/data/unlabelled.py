"""Unlabeled text: the texts of data.unlabelled, one after another, however many there are."""

import re
from collections.abc import Iterator
from pathlib import Path

from mtt_jax.config.schema import Config
from mtt_jax.data.inputs import EMPTY_LINE, Input, open_input
from mtt_jax.data.readers import READERS, expand, head
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from mtt_jax.types import Record

FLAG = "--config.data.unlabelled"


def unlabelled_texts(config: Config) -> Iterator[Record]:
    """Yields the texts of data.unlabelled as records without labels, in the order of the files.

    Files are opened one after another and read line by line, so that memory does not depend on
    their size. Empty texts are left out. Before the first text is yielded, every file has been
    recognized and its first lines have been read.

    Args:
      config: names the files, their format and encoding.

    Raises:
      UserError: naming file, line and remedy, at the call for a file that cannot be read, and
        during iteration for a line that cannot.
    """
    return _texts(unlabelled_inputs(config))


def unlabelled_inputs(config: Config) -> list[Input]:
    """The files of data.unlabelled, recognized.

    Raises:
      UserError: for one that is missing or cannot be read.
    """
    data, layout = config.data, Layout(config.data.encoding, flag=FLAG)
    try:
        return [
            open_input(path, data.unlabelled_text, data.unlabelled_format, layout)
            for path in unlabelled_files(config)
        ]
    except UserError as error:
        raise UserError(_with_own_flags(str(error))) from None


def unlabelled_files(config: Config) -> list[Path]:
    """What data.unlabelled names; of a folder in no known format, the files in it.

    Raises:
      UserError: if it names nothing, or something that is not there.
    """
    return [
        file
        for path in expand(config.data.unlabelled, FLAG)
        for file in (_files(path) if path.is_dir() else [path])
    ]


def _files(folder: Path) -> list[Path]:
    """A folder that a reader recognizes as a whole; otherwise the files in it."""
    found = head(folder)
    if any(reader.recognize(found) is not None for reader in READERS):
        return [folder]
    files = sorted(folder.rglob("*"))
    hidden = [any(part.startswith(".") for part in f.relative_to(folder).parts) for f in files]
    kept = [f for f, skip in zip(files, hidden, strict=True) if f.is_file() and not skip]
    if not any(file.stat().st_size for file in kept):
        raise UserError(f"{FLAG}: {folder}: this folder holds no text; name files.")
    return kept


def _texts(inputs: list[Input]) -> Iterator[Record]:
    try:
        for one in inputs:
            for line in one.lines():
                if line.fault and line.fault != EMPTY_LINE:
                    raise UserError(
                        f"{FLAG}: {line.place}: {line.fault} Correct the line, or leave it out."
                    )
                if line.text.strip():
                    yield Record(line.text, {}, line.place)
    except UserError as error:
        raise UserError(_with_own_flags(str(error))) from None


def _with_own_flags(message: str) -> str:
    """A message of a reader, with the flags that these files have."""
    message = re.sub(rf"{FLAG}\.(text|format)\b", rf"{FLAG}_\1", message)
    return re.sub(
        rf"(?:set )?{FLAG}\.\w+(?: to one of|=\S+| to)?", "convert it with mtt convert", message
    )
