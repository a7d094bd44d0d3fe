"""Rows: what every reader makes of a file, before any task takes its label from it.

A reader knows how a file is laid out and nothing about tasks; `records` knows what a task takes
from a row and nothing about files. Training, prediction, `mtt convert` and `mtt check` read the
same rows.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.errors import UserError


class Place(NamedTuple):
    """A line of a file, shown as `train.csv, line 7`; line 0 is the whole file.

    What is counted is a line unless `unit` says otherwise, as in `train.json, item 7`.
    """

    file: Path
    line: int
    unit: str = "line"

    def __str__(self) -> str:
        return f"{self.file}, {self.unit} {self.line}" if self.line else str(self.file)


class Row(NamedTuple):
    """One text of a file with everything that the file says about it.

    Attributes:
      place: where it is.
      fields: key, column name or column number (from "1") -> value, as the file gives it. Values
        are what JSON can hold. In column formats a value is a list with one item per token.
        Character offsets are written in one way, {"start": 0, "end": 3, "label": "PER"}, whatever
        the format calls them; all other keys are those of the file.
      text: the text, if the format says which one it is; None if it is one of the fields.
      tokens: the words that the file gives, None for a file without them; not empty.
      offsets: (start, end) of each token in `text`, if the file gives them.
      token_places: of each token, for messages; () if all are at `place`.
      faults: harmless ones, such as "rejected answers, left out", to be counted and reported with
        the first place of each. A row without fields stands for a text that was left out, and gives
        no record.
    """

    place: Place
    fields: Mapping[str, Any]
    text: str | None = None
    tokens: Sequence[str] | None = None
    offsets: Sequence[tuple[int, int]] | None = None
    token_places: Sequence[Place] = ()
    faults: Sequence[str] = ()


class Layout(NamedTuple):
    """How to read a file where the file does not say so itself.

    Attributes:
      encoding: of its characters; "auto" recognizes it.
      header: whether a table begins with the names of its columns; None recognizes it.
      word: column of the words in column formats, from 1; 0 recognizes it.
      flag: prefix of the flags that set these, such as `--config.data.ner`, for messages.
      faults: where faults of single lines are collected, for a caller who lists all of them; None
        ends the reading at the first.
    """

    encoding: str = "auto"
    header: bool | None = None
    word: int = 0
    flag: str = "-"
    faults: list[UserError] | None = None

    def fault(self, message: str) -> None:
        """Reports a line that cannot be read and, if it returns, is to be left out.

        Raises:
          UserError: with the message, unless faults are collected.
        """
        if self.faults is None:
            raise UserError(message)
        self.faults.append(UserError(message))


class Head(NamedTuple):
    """The beginning of a file, by which its format is recognized.

    Attributes:
      path: of the file, or of a folder.
      extension: in lower case, without that of the compression: `.csv` of `news.csv.gz`.
      text: the first 64 kB, decoded; "" for a folder or a file that is not text.
      raw: the first 64 kB, decompressed.
    """

    path: Path
    extension: str
    text: str
    raw: bytes
