"""Values that a config file or a flag writes as a string: 'PER=2, O=0.5', 'a, b' and '10:20'.

Each form is a codec: `parse` reads the text, naming the field in its errors, and `text` writes the
value back as config.json holds it.
"""

import re
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


def parse_names(text: str, where: str = "") -> tuple[str, ...]:
    """Reads 'a, b' as ("a", "b")."""
    del where
    return tuple(name for name in (part.strip() for part in text.split(",")) if name)


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
      UserError: naming the field `where` for a part that is not a pair.
    """
    pairs: dict[str, str] = {}
    for part in parse_names(text):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise UserError(f"{where}: expected 'NAME=VALUE, NAME=VALUE', got {part!r}.")
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


def _pairs_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    shown = (
        f"{x:g}" if isinstance(x, float) and float(f"{x:g}") == x else x for x in value.values()
    )
    return ", ".join(f"{name}={x}" for name, x in zip(value, shown, strict=True))


def _names_text(value: str | Iterable[str]) -> str:
    return value if isinstance(value, str) else ", ".join(value)


def _range_text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return f"{value.start}:{value.stop - 1}" if value else ""


NAMES = Codec(parse_names, _names_text)
STEPS = Codec(parse_range, _range_text)
PAIRS = Codec(parse_pairs, _pairs_text)
NUMBERS = Codec(parse_numbers, _pairs_text)
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
