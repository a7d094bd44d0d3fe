"""The one exception for a user's mistake, and the search for what the user may have meant."""

import contextlib
import difflib
import sys
from collections.abc import Iterable, Iterator
from typing import NoReturn


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


@contextlib.contextmanager
def installed() -> Iterator[None]:
    """Ends the process with one line if its Python is too old or a required package is missing.

    The entry points put it around their imports and their work, so it also runs on a Python for
    which no package could be installed.
    """
    if sys.version_info < (3, 11):  # noqa: UP036
        found = ".".join(map(str, sys.version_info[:3]))
        _end(f"mtt_jax needs Python 3.11 or newer, and this is Python {found}.")
    try:
        yield
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "mtt_jax"):
            raise
        _end(
            f"no module named {package!r}; pip install -r requirements.txt installs what mtt_jax "
            "needs."
        )


def _end(message: str) -> NoReturn:
    print(f"error: {message}", file=sys.stderr)
    sys.exit(2)


class RenamedWarning(FutureWarning):
    """An old name was used; the message gives the new one. Commands print it on one line."""
