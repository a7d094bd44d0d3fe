"""The values of a JSON file: one per line (JSONL), the items of an array, or one object."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.files import lines, read_text
from mtt_jax.data.readers.rows import Head, Place
from mtt_jax.errors import UserError

_SPACE = " \t\r\n"


def items(path: Path, encoding: str) -> Iterator[tuple[Place, Any]]:
    """Yields the values of a file with their places.

    A value per line is read line by line; everything else is held in memory as text, but not as
    objects. An array that begins with a string is one value, as in spaCy's `["text", {...}]`.

    Args:
      path: of the file.
      encoding: as `files.lines` takes it.

    Raises:
      UserError: with line and column for what is not JSON.
    """
    if _is_jsonl(path, encoding):
        for number, line in lines(path, encoding):
            if line.strip(_SPACE):
                place = Place(path, number)
                yield place, _line(line, place)
    else:
        yield from _values(path, read_text(path, encoding))


def first_items(head: Head) -> list[Any]:
    """The whole values in the beginning of a file; none if it is not JSON.

    Args:
      head: the beginning of the file; a value that its end cuts is left out.
    """
    text, found = head.text.lstrip(_SPACE), []
    begin = _open(text)
    while begin < len(text):
        try:
            value, begin = _DECODER.raw_decode(text, begin)
        except (ValueError, RecursionError):
            break
        found.append(value)
        begin = _skip(text, begin, _SPACE + ",")
    return found


def fault(error: Exception) -> str:
    """What is wrong with JSON, for the end of a message."""
    if isinstance(error, json.JSONDecodeError):
        return f" at column {error.colno}: {error.msg}"
    return ": nested too deeply" if isinstance(error, RecursionError) else f": {error}"


_DECODER = json.JSONDecoder()


def _is_jsonl(path: Path, encoding: str) -> bool:
    """Whether the first line is a whole value that is not an array of values."""
    for _, line in lines(path, encoding):
        value = line.strip(_SPACE)
        if value.startswith("{"):
            return value.endswith("}")
        if value.startswith("["):
            return value[_skip(value, 1, _SPACE) :][:1] == '"' and value.endswith("]")
        if value:
            return True
    return True


def _line(line: str, place: Place) -> Any:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise UserError(
            f"{place}: not valid JSON{fault(error)}. JSONL has one whole value per line."
        ) from None


def _values(path: Path, text: str) -> Iterator[tuple[Place, Any]]:
    """The items of an array, or values one after the other."""
    begin = _skip(text, 0, _SPACE)
    array = text.startswith("[", begin)
    begin = _skip(text, begin + array, _SPACE)
    number = 0
    while begin < len(text) and not (array and text[begin] == "]"):
        number += 1
        try:
            value, begin = _DECODER.raw_decode(text, begin)
            begin = _skip(text, begin, _SPACE)
            if array and begin < len(text) and text[begin] != "]":
                if text[begin] != ",":
                    raise json.JSONDecodeError("Expecting ',' or ']'", text, begin)
                begin = _skip(text, begin + 1, _SPACE)
        except (ValueError, RecursionError) as error:
            line = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
            raise UserError(
                f"{path}{line}: not valid JSON{fault(error)}, in item {number} of the file."
            ) from None
        yield Place(path, number, "item"), value
    if array and (begin >= len(text) or text[begin + 1 :].strip(_SPACE)):
        what = "the array is not closed" if begin >= len(text) else "text after the array"
        raise UserError(f"{path}: not valid JSON: {what}, after item {number}.")


def _open(text: str) -> int:
    """Where the first value begins: inside the array of all values, if there is one."""
    inside = _skip(text, 1, _SPACE)
    return inside if text.startswith("[") and text[inside : inside + 1] != '"' else 0


def _skip(text: str, begin: int, characters: str) -> int:
    while begin < len(text) and text[begin] in characters:
        begin += 1
    return begin
