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
_NOT = r"[nN]['’][tT](?!\p{L})"
_LINK = r"(?:https?://|www\.)[A-Za-z0-9._~:/?#@!$&()*+,;=%\[\]-]{1,2000}(?<=[A-Za-z0-9/])"
# Bounded, so that a long text without spaces is read in linear time.
_MAIL = (
    r"(?<![\p{L}\p{N}])[A-Za-z0-9._%+-]{1,64}@(?:[A-Za-z0-9-]{1,63}\.){1,8}[A-Za-z]{2,24}"
    r"(?![\p{L}\p{N}])"
)
# The name of a user, on which the rest of a text says nothing.
_HANDLE = r"(?<![\p{L}\p{N}])@[A-Za-z0-9_]{1,64}(?![\p{L}\p{N}])"
# In order of precedence; near the end a repeated symbol, and last any grapheme cluster.
_UNIT = "|".join(
    (
        _LINK,
        _MAIL,
        _HANDLE,
        rf"(?<=\p{{L}}){_NOT}",
        r"\p{Nd}+(?:[.,]\p{Nd}+)+",
        rf"(?:(?!{_NOT})[\p{{L}}\p{{M}}\p{{N}}\p{{C}}&&[^{_SPACE}{_UNSPACED}]])+",
        r"([\p{P}\p{S}])\1+(?!\p{M})",
        rf"(?![{_SPACE}])",
    )
)
# For a trained tokenizer (Oniguruma), so that no subword joins two words.
SPACE_PATTERN = f"[{_SPACE}]"
SPLIT_PATTERN = _UNIT + r"\X"
_PATTERN = regex.compile(_UNIT + r"\X", regex.V1)


def split_words(text: str) -> list[tuple[int, int]]:
    """(start, end) character offsets of the words of a text; spaces belong to none."""
    return [match.span() for match in _PATTERN.finditer(text)]
