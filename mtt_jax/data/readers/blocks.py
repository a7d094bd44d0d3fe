"""What readers of columns share: sentences as blocks of lines, columns, and word indices."""

import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mtt_jax.data.readers.files import lines
from mtt_jax.data.readers.rows import Place
from mtt_jax.errors import UserError


def blocks(path: Path, encoding: str) -> Iterator[list[tuple[int, str]]]:
    """Yields the (number, line) pairs between empty lines; a line of tabs and spaces is empty.

    Args:
      path: of the file.
      encoding: of its characters, or "auto".
    """
    block: list[tuple[int, str]] = []
    for number, line in lines(path, encoding):
        if line.strip(" \t"):
            block.append((number, line))
        elif block:
            yield block
            block = []
    if block:
        yield block


def split_columns(line: str) -> list[str]:
    """The columns of a line: divided by tabs, or by runs of spaces if it has no tab.

    A no-break space belongs to the word that it stands in.
    """
    return line.split("\t") if "\t" in line else re.split(" +", line.strip(" "))


def most(values: Iterable[bool]) -> bool:
    """Whether nine of ten hold, and one at all.

    A format is recognized in spite of a few faulty lines, so that its reader can name them.
    """
    found = list(values)
    return bool(found) and 10 * sum(found) >= 9 * len(found)


def is_index(cells: Sequence[Sequence[str]]) -> bool:
    """Whether the first column counts the words of a sentence: 1, 2, 3, ...

    Args:
      cells: the columns of successive lines.
    """
    numbers = [row[0] for row in cells]
    if not numbers or numbers[0] != "1":
        return False
    pairs = zip(numbers, numbers[1:], strict=False)
    return len(numbers) == 1 or most(
        now == "1" or (now.isdecimal() and last.isdecimal() and int(now) == int(last) + 1)
        for last, now in pairs
    )


def check_index(found: int, last: int, place: Place) -> None:
    """Checks that word `found` of a sentence may follow word `last`.

    Args:
      found: index in the first column of a line.
      last: index of the word before it; 0 at the beginning of a sentence.
      place: of the line.

    Raises:
      UserError: naming the place, if it is not the next.
    """
    if found == last + 1:
        return
    begins = f"word {found} follows word {last}" if last else f"a sentence begins with word {found}"
    remedy = (
        "put an empty line between two sentences" if found == 1 else "a line is missing before it"
    )
    if not last:
        remedy = "remove the empty line before it, or put back the lines that are missing"
    raise UserError(f"{place}: {begins}, but the first column must count words from 1; {remedy}.")


def check_width(found: int, expected: int, first: int, place: Place) -> None:
    """Checks that a line has as many columns as line `first` of its file.

    Args:
      found: columns of the line.
      expected: columns of line `first`.
      first: its number.
      place: of the line.

    Raises:
      UserError: naming the place, if it does not.
    """
    if found != expected:
        raise UserError(
            f"{place}: {found} columns, but line {first} has {expected}; columns are separated "
            "by tabs, or by spaces in a line without a tab, and an empty one is written as _."
        )


def column(number: int, width: int, flag: str, place: Place) -> int:
    """Index of the column that a flag gives by its number.

    Args:
      number: of the column, from 1.
      width: how many columns there are.
      flag: that gives the number, for the message.
      place: of the line, for the message.

    Raises:
      UserError: if there are fewer columns.
    """
    if not 1 <= number <= width:
        raise UserError(
            f"{place}: {flag}={number}, but there are {width} columns; give a number from 1 to "
            f"{width}."
        )
    return number - 1
