"""Words: the units of a text that carry tags and at which an entity may begin and end.

They are short, so that an entity can end wherever a language lets it, and depend on the text alone:

    St. Louis       St | . | Louis              l'UNESCO   l | ' | UNESCO
    AC/DC-fan       AC | / | DC | - | fan       서울에서    서 | 울 | 에 | 서
    $1,200.50 ...   $ | 1,200.50 | ...          didn't     did | n't

A number, a URL, an email address, a @handle and a run of one repeated symbol are one word each: no
name ends inside them, and every part would be one more word to get right. Scripts that put no
spaces between words, and Korean, whose particles follow without one, are split into grapheme
clusters (Unicode Standard Annex 29). Dictionaries, as in ICU, are not used: they differ from
version to version, and names are what they lack. Invisible characters (joiners, soft hyphens,
control and private-use characters) and all combining marks belong to the word that they are in.
"""

import re
from typing import NamedTuple

import regex

_UNSPACED = "".join(
    rf"\p{{{script}}}"
    for script in (
        "Han", "Hiragana", "Katakana", "Bopomofo", "Hangul", "Thai", "Lao", "Khmer", "Myanmar",
        "Tibetan", "Yi", "Tai_Le", "New_Tai_Lue", "Tai_Tham", "Tai_Viet", "Javanese", "Balinese",
    )
)  # fmt: skip
# Marks of Japanese that Unicode counts to no script.
_UNSPACED += "ーｰ〆〱-〵"
# Separates words without showing a space.
ZERO_WIDTH_SPACE = "\u200b"
_SPACE = rf"\s{ZERO_WIDTH_SPACE}"


class _Kinds(NamedTuple):
    """Patterns for one character of a kind; the defaults are those of Unicode."""

    letter: str = r"\p{L}"
    alphanumeric: str = r"[\p{L}\p{N}]"
    digit: str = r"\p{Nd}"
    mark: str = r"\p{M}"
    in_word: str = rf"[\p{{L}}\p{{M}}\p{{N}}\p{{C}}&&[^{_SPACE}{_UNSPACED}]]"
    symbol: str = r"[\p{P}\p{S}]"
    space: str = f"[{_SPACE}]"


def _unit(kinds: _Kinds) -> str:
    """The pattern of a word, but for the last way to match one: any character."""
    letter, alphanumeric, digit, mark, in_word, symbol, space = kinds
    negation = rf"[nN]['’][tT](?!{letter})"
    link = r"(?:https?://|www\.)[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]{1,2000}(?<=[A-Za-z0-9/])"
    # Bounded, so that a long text without spaces is read in linear time.
    mail = (
        rf"(?<!{alphanumeric})[A-Za-z0-9._%+-]{{1,64}}@(?:[A-Za-z0-9-]{{1,63}}\.){{1,8}}"
        rf"[A-Za-z]{{2,24}}(?!{alphanumeric})"
    )
    # The name of a user, on which the rest of a text says nothing.
    handle = rf"(?<!{alphanumeric})@[A-Za-z0-9_]{{1,64}}(?!{alphanumeric})"
    # In order of precedence; near the end a repeated symbol.
    return "|".join(
        (
            link,
            mail,
            handle,
            rf"(?<={letter}){negation}",
            rf"{digit}+(?:[.,]{digit}+)+",
            rf"(?:(?!{negation}){in_word})+",
            rf"({symbol})\1+(?!{mark})",
            rf"(?!{space})",
        )
    )


def _ascii(pattern: str) -> str:
    """The same for `re`, of ASCII characters alone."""
    found = "".join(c for c in map(chr, range(128)) if regex.fullmatch(pattern, c, regex.V1))
    return f"[{re.escape(found)}]" if found else "(?!)"  # which matches nothing


# For a trained tokenizer (Oniguruma), so that no subword joins two words.
SPACE_PATTERN = f"[{_SPACE}]"
SPLIT_PATTERN = _unit(_Kinds()) + r"\X"  # the last is any grapheme cluster
_PATTERN = regex.compile(SPLIT_PATTERN, regex.V1)
# Finds the same in ASCII, four times as fast.
_ASCII_PATTERN = re.compile(_unit(_Kinds(*map(_ascii, _Kinds()))) + ".", re.DOTALL)


def split_words(text: str) -> list[tuple[int, int]]:
    """(start, end) character offsets of the words of a text; spaces belong to none."""
    pattern = _ASCII_PATTERN if text.isascii() else _PATTERN
    return [match.span() for match in pattern.finditer(text)]
