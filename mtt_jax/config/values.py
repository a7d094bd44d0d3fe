"""Values that a config file or a flag writes as a string: 'PER=2, O=0.5', 'a, b' and '10:20'.

Each form is a codec: `parse` reads the text, naming the field in its errors, and `text` writes the
value back as config.json holds it. A name that holds a comma, or in pairs a `=`, is in quotes:
'"a, b", c'; a quote within is doubled.
"""

import ast
import re
import shlex
import warnings
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from mtt_jax.errors import UserError, did_you_mean


class Codec(NamedTuple):
    """How a field is read from a text and written back.

    Attributes:
      parse: (text, field) -> value; raises UserError.
      text: value -> text; a text is left as it is.
    """

    parse: Callable[[str, str], Any]
    text: Callable[[Any], str]


# The value of `labels` that leaves them to the data.
AUTO = "auto"
_DOUBLE, _SINGLE = r'"((?:[^"]|"")*)"', r"'((?:[^']|'')*)'"


def parse_names(text: str, where: str = "") -> tuple[str, ...]:
    """Reads 'a, b' as ("a", "b"), and also what Python or JSON writes: "('a', 'b')", '["a", "b"]'.

    Args:
      text: as typed, or from a file.
      where: the field, for messages.

    Raises:
      UserError: naming the field `where`, for a quote or a bracket that is not closed.
    """
    listed = _listed(text.strip(), where)
    if listed is not None:
        return listed
    names, at = [], 0
    while at < len(text):
        name, quoted, at = _token(text, at, ",", where)
        if name or quoted:
            names.append(name)
        at += 1
    return tuple(names)


def parse_labels(text: str, where: str) -> tuple[str, ...]:
    """Reads labels as `parse_names` does; 'auto' is (), which leaves them to the data."""
    return () if text.strip() == AUTO else parse_names(text, where)


def _token(text: str, at: int, stops: str, where: str) -> tuple[str, bool, int]:
    """(a name, whether it was in quotes, where it ends): up to one of the characters `stops`."""
    quoted = re.compile(rf"\s*(?:{_DOUBLE}|{_SINGLE})\s*(?=[{stops}]|\Z)").match(text, at)
    if quoted:
        double, single = quoted.groups()
        name = single.replace("''", "'") if double is None else double.replace('""', '"')
        return name, True, quoted.end()
    end = next((i for i in range(at, len(text)) if text[i] in stops), len(text))
    name = text[at:end].strip()
    if name.startswith('"'):
        raise UserError(
            f"{where}: a quote is not closed in {text!r}; write a name with a comma as in "
            "'\"a, b\", c', and a quote within quotes twice."
        )
    return name, False, end


def _listed(text: str, where: str) -> tuple[str, ...] | None:
    """The names of a list in brackets; None for a text that is not one."""
    if text[:1] not in ("(", "["):
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a regular expression may hold '\.'
            value = ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        value = None
    value = (value,) if isinstance(value, str) else value
    if isinstance(value, (list, tuple)) and all(isinstance(name, str) for name in value):
        return tuple(value)
    inside = _within_brackets(text, where)
    return None if inside is None else parse_names(inside, where)


def _within_brackets(text: str, where: str) -> str | None:
    """The inside of '(a, b)'; None for '(a|b)/.*, c', whose first bracket is part of a name."""
    plain = re.sub(_DOUBLE, lambda found: "x" * len(found[0]), text)
    depth, commas = 0, 0
    for index, char in enumerate(plain):
        depth += (char in "([{") - (char in ")]}")
        commas += char == "," and depth == 1
        if not depth:
            whole = index == len(text) - 1 and (commas or not text[1:-1].strip())
            return text[1:-1] if whole else None
    raise UserError(
        f"{where}: a bracket is not closed in {text!r}; write names as in 'a, b', one that begins "
        "with a bracket in double quotes."
    )


def parse_range(text: str, where: str) -> range:
    """Reads '10:20' as range(10, 21), and an empty text as an empty range.

    Raises:
      UserError: naming the field `where`, unless the text is two numbers from 1 in ascending order.
    """
    if not text.strip():
        return range(0)
    first, _, last = (part.strip() for part in text.partition(":"))
    if not all(re.fullmatch("[0-9]{1,12}", part) for part in (first, last)):
        raise UserError(f"{where}: expected 'FIRST:LAST', as in '10:20', got {text!r}.")
    if not 1 <= int(first) <= int(last):
        raise UserError(
            f"{where}: {text!r} is not a range of steps: they count from 1, and the first must not "
            "be after the last."
        )
    return range(int(first), int(last) + 1)


def parse_pairs(text: str, where: str) -> dict[str, str]:
    """Reads 'A=x, B=y' as {"A": "x", "B": "y"}.

    Raises:
      UserError: naming the field `where` for a part that is not a pair, or a name that is there
        twice with different values.
    """
    pairs: dict[str, str] = {}
    at = 0
    while at < len(text):
        start = at
        name, quoted, at = _token(text, at, "=,", where)
        value = ""
        if text[at : at + 1] == "=":
            value, _, at = _token(text, at + 1, ",", where)
        part = text[start:at].strip()
        at += 1
        if not part:
            continue
        if not name or not value:
            raise UserError(f"{where}: expected 'NAME=VALUE, NAME=VALUE', got {part!r}.")
        if pairs.get(name, value) != value:
            raise UserError(f"{where}: {name!r} has two values, {pairs[name]!r} and {value!r}.")
        pairs[name] = value
    return pairs


def parse_numbers(text: str, where: str) -> dict[str, float]:
    """Reads 'A=1, B=2' as {"A": 1.0, "B": 2.0}.

    Raises:
      UserError: naming the field `where` for a part that is not a pair, or a value that is not a
        finite number of at least 0.
    """
    numbers = {}
    for name, value in parse_pairs(text, where).items():
        try:
            number = float(value)
        except ValueError:
            raise UserError(f"{where}: {value!r} is not a number.") from None
        if not 0 <= number < float("inf"):
            raise UserError(f"{where}: {value} is not a finite number of at least 0.")
        numbers[name] = number
    return numbers


def parse_word_or_numbers(text: str, where: str) -> str | dict[str, float]:
    """Reads a single word as it is, and 'A=1, B=2' as `parse_numbers` does."""
    return parse_numbers(text, where) if "=" in text else text.strip()


def _quoted(name: str, stops: str) -> str:
    """A name as `_token` reads it, in quotes if it needs them."""
    plain = name == name.strip() and name[:1] not in ("", '"', "'", "(", "[") and name != AUTO
    if plain and not any(stop in name for stop in stops):
        return name
    return '"' + name.replace('"', '""') + '"'


def _pairs_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    shown = (
        f"{x:g}" if isinstance(x, float) and float(f"{x:g}") == x else str(x)
        for x in value.values()
    )
    return ", ".join(
        f"{_quoted(name, '=,')}={_quoted(x, ',')}" for name, x in zip(value, shown, strict=True)
    )


def _names_text(value: str | Iterable[str], comma: str = ", ") -> str:
    return value if isinstance(value, str) else comma.join(_quoted(name, ",") for name in value)


def _range_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value.start}:{value.stop - 1}" if value else ""


def parse_teachers(text: str, where: str) -> tuple[tuple[str, str], ...]:
    """Reads 'ner=runs/a, runs/b' as (("ner", "runs/a"), ("", "runs/b")); "" stands for all tasks.

    Raises:
      UserError: naming the field `where`, for a task without a path.
    """
    found = []
    for part in parse_names(text, where):
        task, equals, path = (side.strip() for side in part.partition("="))
        if not equals or not task.isidentifier():  # a path may contain a =
            task, path = "", part
        if not path:
            raise UserError(f"{where}: expected 'TASK=PATH' or 'PATH', got {part!r}.")
        found.append((task, path))
    return tuple(found)


def _teachers_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    parts = (part if isinstance(part, str) else "=".join(filter(None, part)) for part in value)
    return ", ".join(_quoted(part, ",") for part in parts)


NAMES = Codec(parse_names, _names_text)
STEPS = Codec(parse_range, _range_text)
PAIRS = Codec(parse_pairs, _pairs_text)
NUMBERS = Codec(parse_numbers, _pairs_text)
TEACHERS = Codec(parse_teachers, _teachers_text)
WORD_OR_NUMBERS = Codec(parse_word_or_numbers, _pairs_text)


def check_names(given: Iterable[str], known: Iterable[str], where: str) -> None:
    """Compares names with those that a field may use.

    Raises:
      UserError: naming the field `where`, all known names and the nearest one.
    """
    known = tuple(known)
    for name in given:
        if name not in known:
            raise UserError(
                f"{where}: {name!r} is not one of {', '.join(known)}.{did_you_mean(name, known)}"
            )


def as_text(value: Any, codec: Codec | None) -> Any:
    """A field's value as config files, flags and config.json write it."""
    if codec:
        return codec.text(value)
    return dict(value) if isinstance(value, Mapping) else value


def as_flag(flag: str, value: Any) -> str:
    """A flag with its value, ready to be pasted into a shell: --config.tasks.ner.labels=O,PER.

    Args:
      flag: without its dashes, such as "config.tasks.ner.labels".
      value: a text, a number, a sequence of names, or a mapping of names to texts or numbers.
    """
    if isinstance(value, Mapping):
        text = _pairs_text(value)
    else:
        text = str(value) if isinstance(value, int | float) else _names_text(value, ",")
    return f"--{flag}={shlex.quote(text)}"
