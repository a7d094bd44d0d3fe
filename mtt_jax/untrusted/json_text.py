"""JSON from strangers: strict (RFC 8259), with a bound on depth.

Python's own reader takes NaN, keeps the last of two values with the same key, turns 1e999 into
infinity, and raises RecursionError at a depth that depends on who calls it.
"""

import json
import math
from typing import Any

# Far beyond what any format read here needs, and far below what recursion in Python allows.
DEEPEST = 64
# Of a key, in a message.
_SHOWN = 60


class JsonError(ValueError):
    """What is wrong with a text; the message completes "the file ..." or "the body ..."."""


def parse_json(data: bytes, finite: bool = True) -> Any:
    """The value of a JSON text in UTF-8, without a byte order mark.

    No object has a key twice, and nothing is nested more than `DEEPEST` deep.

    Args:
      data: the text.
      finite: refuse NaN and infinity, which are not JSON but are written by Python.

    Raises:
      JsonError: saying what is wrong and where.
    """
    if data.startswith(b"\xef\xbb\xbf"):
        raise JsonError("begins with a byte order mark; save it as UTF-8 without one")
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise JsonError(f"is not UTF-8 (byte {error.start})") from None
    try:
        value = json.loads(
            text,
            object_pairs_hook=_once,
            parse_constant=_no_constant if finite else None,
            parse_float=_finite if finite else None,
        )
    except RecursionError:
        raise JsonError("is nested too deeply") from None
    except json.JSONDecodeError as error:
        raise JsonError(
            f"is not JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except JsonError:
        raise
    except ValueError:  # Python's limit on the digits of an integer
        raise JsonError("has a number with too many digits") from None
    _check_depth(value)
    return value


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        seen: set[str] = set()
        for name, _ in pairs:
            if name in seen:
                shown = name if len(name) <= _SHOWN else name[:_SHOWN] + "..."
                raise JsonError(f"has the key {shown!r} twice")
            seen.add(name)
    return found


def _no_constant(name: str) -> Any:
    raise JsonError(f"is not JSON: {name} is not a number in JSON")


def _finite(text: str) -> float:
    number = float(text)
    if math.isinf(number):
        raise JsonError(f"has the number {text[:_SHOWN]}, which is too large")
    return number


def _check_depth(value: Any) -> None:
    """Refuses what is nested too deeply, level by level and so without recursion."""
    level = [value]
    for _ in range(DEEPEST + 1):
        level = [
            inner
            for one in level
            if isinstance(one, (dict, list))
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return
    raise JsonError("is nested too deeply")
