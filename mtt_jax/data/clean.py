"""Cleaning: removes HTML entities and markup from news text and keeps track of offsets.

News corpora contain entities (`&amp;`), entities that lost their ampersand (`AT amp;T`, `China
#39;s`), tags, and backslashes from an export. A text is rewritten until nothing changes, since
`&lt;b&gt;` is a tag written in entities.
"""

import html
import re
from bisect import bisect_left
from html.entities import html5
from typing import NamedTuple

# In this order: the first alternative that matches wins.
_RULES = re.compile(
    r"""
      (?P<tag> </?[a-zA-Z][^<>]{0,300}> | <!--.{0,300}?--> )
    | (?P<entity> &(?:\#[0-9]{1,6}|\#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30}); )
    | (?P<apostrophe> [ ]?\#(?:39|145|146|8216|8217); )
    | (?P<number> \#(?P<code>[0-9]{2,5}); )
    | (?P<joined> (?<=\w)[ ]amp;(?=\w) )
    | (?P<name> (?<![&;])\b(?P<word>amp|quot|apos|nbsp|hellip|lt|gt|mdash|ndash); )
    | (?P<escape> \\(?=[$"'\#%&]) )
    | (?P<space> (?:[\s\\\x00-\x1f\x7f\ufeff\u200b])+ )
    """,
    re.VERBOSE,
)
# Enough for an entity of an entity of a tag; a bound, so that no text loops forever.
_PASSES = 4


class Cleaned(NamedTuple):
    """A text after cleaning.

    Attributes:
      text: without entities, markup and runs of spaces.
      origins: for each character of `text`, and one past its end, its offset before.
    """

    text: str
    origins: list[int]

    def moved(self, offset: int) -> int:
        """The offset in the cleaned text of a character offset into the given text."""
        return min(bisect_left(self.origins, offset), len(self.text))


def clean(text: str) -> str:
    """The cleaned text without offsets."""
    for _ in range(_PASSES):
        fresh = _RULES.sub(_replacement, text).strip()
        if fresh == text:
            break
        text = fresh
    return text


def clean_with_origins(text: str) -> Cleaned:
    """The cleaned text and where its characters come from."""
    origins = list(range(len(text) + 1))
    for _ in range(_PASSES):
        fresh, moved, done = [], [], 0
        for match in _RULES.finditer(text):
            fresh.append(text[done : match.start()])
            moved += origins[done : match.start()]
            piece = _replacement(match)
            fresh.append(piece)
            kept = piece == match.group()
            moved += (
                origins[match.start() : match.end()]
                if kept
                else ([origins[match.start()]] * len(piece))
            )
            done = match.end()
        fresh.append(text[done:])
        moved += origins[done:]
        joined = "".join(fresh)
        left = len(joined) - len(joined.lstrip())
        result = joined.strip()
        origins = [*moved[left : left + len(result)], moved[-1]]
        if result == text:
            break
        text = result
    return Cleaned(text, origins)


def _replacement(match: re.Match) -> str:
    """The replacement of one match."""
    if match["entity"]:
        # `html.unescape` would also read the © in &copyright;, which is not an entity.
        known = match["entity"][1] == "#" or match["entity"][1:] in html5
        return html.unescape(match["entity"]) if known else match["entity"]
    if match["number"]:
        char = html.unescape(f"&#{match['code']};")
        # Exports lose the ampersand of characters such as #36; but "ranked #50;" is a number.
        return match["number"] if char.isalnum() else char
    if match["name"]:
        return html.unescape(f"&{match['word']};")
    fixed = {"apostrophe": "'", "joined": "&", "escape": ""}
    return next((char for rule, char in fixed.items() if match[rule]), " ")
