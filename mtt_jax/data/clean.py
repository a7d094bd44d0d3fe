"""Cleaning: removes HTML entities and markup from a text and keeps track of offsets.

News corpora contain entities (`&amp;`), entities that lost their ampersand (`AT amp;T`, `China
#39;s`), tags, and backslashes from an export. A text is rewritten until nothing changes, since
`&lt;b&gt;` is a tag written in entities. Only elements of HTML are tags: `<PERSON>`,
`<ann@acme.org>` and `a < b` are text.
"""

import html
import re
from collections.abc import Sequence
from html.entities import html5
from typing import NamedTuple

_ELEMENTS = (
    "a|abbr|acronym|b|big|blockquote|body|br|caption|center|cite|code|dd|del|div|dl|dt|em|font|form"
    "|h[1-6]|head|hr|html|i|iframe|img|input|ins|kbd|li|link|meta|noscript|ol|option|p|pre|s|samp"
    "|script|select|small|span|strike|strong|style|sub|sup|table|tbody|td|tfoot|th|thead|tr|tt|u|ul"
)
# In this order: the first alternative that matches wins.
_RULES = re.compile(
    rf"""
      (?P<tag> </?(?i:{_ELEMENTS})
          (?:\s+[a-zA-Z-]{{1,30}}\s*=\s*(?:"[^"<>]{{0,300}}"|'[^'<>]{{0,300}}'|[^\s"'<>]{{1,300}}))*
          \s*/?>
          | <!--.{{0,300}}?--> )
    | (?P<entity> &(?:\#[0-9]{{1,6}}|\#[xX][0-9a-fA-F]{{1,6}}|[a-zA-Z][a-zA-Z0-9]{{1,30}}); )
    | (?P<apostrophe> [ ]?\#(?:39|145|146|8216|8217); )
    | (?P<number> \#(?P<code>[0-9]{{2,5}}); )
    | (?P<joined> (?<=\w)[ ]amp;(?=\w) )
    | (?P<name> (?<![&;])\b(?P<word>amp|quot|apos|nbsp|hellip|lt|gt|mdash|ndash); )
    | (?P<escape> \\(?=[$"'\#%&]) )
    | (?P<space> (?![ ](?![\s\\\u200b])) [\s\\\u200b]+ )  # a single space stays one
    """,
    re.VERBOSE,
)
# What a text has that some rule changes; most texts have none of it.
_SUSPECT = re.compile(r"[<;\\\u200b]|\s\s|[^\S ]|^\s|\s\Z")
# Enough for an entity of an entity of a tag; a bound, so that no text loops forever.
_PASSES = 4


class Cleaned(NamedTuple):
    """A text after cleaning.

    Attributes:
      text: without entities, markup and runs of spaces.
      starts: for each character of `text` the offset at which it begins in the text as given.
      ends: the offset at which it ends there.
    """

    text: str
    starts: Sequence[int]
    ends: Sequence[int]


def as_given(text: str) -> Cleaned:
    """The text itself, for one that is not to be cleaned."""
    return Cleaned(text, range(len(text)), range(1, len(text) + 1))


def clean(text: str) -> Cleaned:
    """The cleaned text, and where its characters come from."""
    found = as_given(text)
    for _ in range(_PASSES if _SUSPECT.search(text) else 0):
        fresh = _stripped(_rewritten(found))
        if fresh.text == found.text:
            break
        found = fresh
    return found


def _rewritten(given: Cleaned) -> Cleaned:
    """One pass of all rules."""
    text, starts, ends = given
    pieces: list[str] = []
    new_starts: list[int] = []
    new_ends: list[int] = []
    done = 0
    for match in _RULES.finditer(text):
        piece = _replacement(match)
        if piece == match.group():
            continue
        begin, end = match.span()
        pieces += [text[done:begin], piece]
        new_starts += starts[done:begin]
        new_ends += ends[done:begin]
        # What replaces the entity in "China #39;s" does not come from the space before it.
        source = begin + (piece != " " and text[begin] == " ")
        new_starts += [starts[source]] * len(piece)
        new_ends += [ends[end - 1]] * len(piece)
        done = end
    if not pieces:
        return given
    pieces.append(text[done:])
    return Cleaned("".join(pieces), [*new_starts, *starts[done:]], [*new_ends, *ends[done:]])


def _stripped(given: Cleaned) -> Cleaned:
    """Without the spaces at both ends."""
    left = len(given.text) - len(given.text.lstrip())
    right = left + len(given.text.strip())
    if right - left == len(given.text):
        return given
    return Cleaned(given.text[left:right], given.starts[left:right], given.ends[left:right])


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
