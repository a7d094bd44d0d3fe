"""The one exception for a user's mistake, and the search for what the user may have meant."""

import difflib
from collections.abc import Iterable


class UserError(ValueError):
    """A mistake in a flag, a config or a file; the message says where, what and what to do.

    The entry points print the message alone, without a traceback, and exit with 2.
    """


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean 'x'?` for the nearest known word, or an empty string."""
    candidates = sorted(known)
    exact = [name for name in candidates if name.lower() == word.lower()]
    near = exact or difflib.get_close_matches(word, candidates, n=1, cutoff=0.6)
    return f" Did you mean '{near[0]}'?" if near else ""


def one_of(where: str, value: str, known: Iterable[str]) -> None:
    """Checks that a value is one of the known ones.

    Raises:
      UserError: naming `where`, the value, all known values and the nearest of them.
    """
    names = list(known)
    if value not in names:
        hint = did_you_mean(str(value), names)
        raise UserError(f"{where}: {value!r} is not one of {', '.join(names)}.{hint}")


class RenamedWarning(FutureWarning):
    """An old name was used; the message gives the new one. Commands print it on one line."""
