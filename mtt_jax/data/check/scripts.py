"""The script of a text, such as Latin or Cyrillic."""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

# A script that a smaller share of the texts is in than this is not a usual one.
_STRAY = 0.02
# Scripts that are written together.
_TOGETHER = {"HIRAGANA": "CJK", "KATAKANA": "CJK", "KATAKANA-HIRAGANA": "CJK"}


def script_of(text: str) -> str:
    """The script that most letters of a text are in, as Unicode names it; "" without letters."""
    if text.isascii():
        return "LATIN" if any(map(str.isalpha, text)) else ""
    found: Counter = Counter()
    for char, times in Counter(text).items():
        if char.isalpha():
            found[_script(char)] += times
    return max(found, key=lambda script: (found[script], script), default="")


@lru_cache(maxsize=20_000)
def _script(char: str) -> str:
    name = unicodedata.name(char, "").partition(" ")[0]
    return _TOGETHER.get(name, name)


def usual_scripts(found: Iterable[str]) -> set[str]:
    """The scripts of more than a few texts."""
    totals = Counter(script for script in found if script)
    return {script for script, count in totals.items() if count > _STRAY * totals.total()}
