"""Words: the units that carry tags, cut from plain text as CoNLL corpora cut them.

Tom's firm, AT&T, paid $1,200 to U.S.-born O'Brien.
Tom 's firm , AT&T , paid $ 1,200 to U.S.-born O'Brien .
"""

import re
import unicodedata
from collections.abc import Sequence
from functools import cache
from itertools import pairwise


@cache
def _pattern() -> re.Pattern:
    """The rules, in order: clitic, abbreviation, number, word with inner joints, one character."""
    letter = rf"(?:[^\W_]|[{_marks()}])"
    # Scripts without spaces between words: every character is a word.
    han = "\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
    char = rf"(?:(?![{han}]){letter})"
    clitic = rf"['\u2019](?:s|re|ve|ll|d|m)(?!{char})"
    return re.compile(
        rf"""
          {clitic}
        | (?:(?<!\w)[^\W\d_]\.){{2,}}(?:-{char}+)?
        | \d+(?:[.,:/]\d+)+
        | {char}+(?:(?!{clitic})['\u2019&-]{char}+)*
        | [{han}]
        | \S
        """,
        re.VERBOSE | re.IGNORECASE,
    )


def _marks() -> str:
    """The ranges of combining marks, which regular expressions do not count as letters."""
    codes = [code for code in range(0x300, 0x10000) if unicodedata.category(chr(code))[0] == "M"]
    starts = [codes[0], *(b for a, b in pairwise(codes) if b != a + 1)]
    ends = [*(a for a, b in pairwise(codes) if b != a + 1), codes[-1]]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


def split_words(text: str, boundaries: Sequence[int] = ()) -> tuple[tuple[int, int], ...]:
    """(start, end) character offsets of the words of a text; spaces belong to none.

    Args:
      text: any string.
      boundaries: offsets at which a word must end, such as those of labelled entities.
    """
    words = tuple(match.span() for match in _pattern().finditer(text))
    if not boundaries:
        return words
    cuts = sorted(set(boundaries))
    pieces: list[tuple[int, int]] = []
    for start, end in words:
        inner = [start, *(cut for cut in cuts if start < cut < end), end]
        pieces += pairwise(inner)
    return tuple(pieces)
