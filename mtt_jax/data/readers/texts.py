"""The text of a row, and where its tokens are in it."""

import re
from collections.abc import Callable, Sequence

from mtt_jax.data.readers.fields import keys_of
from mtt_jax.data.readers.objects import WORDS
from mtt_jax.data.readers.rows import Row
from mtt_jax.errors import UserError, did_you_mean

_SURROGATE = re.compile("[\ud800-\udfff]")


def text_of(
    row: Row, keys: tuple[str, ...], spec: str, flag: str
) -> tuple[str, Sequence[tuple[int, int]] | None]:
    """The text of a row, and where its tokens are in it; an empty token is a place without end.

    Args:
      row: of a file.
      keys: as returned by `fields.text_keys` for the file.
      spec: of the config, "auto" if the keys were recognized.
      flag: that sets it, for messages.

    Raises:
      UserError: if there is none, or one that cannot be written as UTF-8.
    """
    text = row.text
    if keys:
        auto = spec == "auto" and row.tokens is not None
        parts = [row.fields.get(key) for key in keys]
        text = None if auto and parts == [None] else " ".join(map(_part(row, keys, flag), keys))
    if text is None and row.tokens is None:
        if any(row.fields.get(name) == [] for name in WORDS):
            return "", None
        raise UserError(f"{row.place}: has no text. Say where it is with {flag}=...")
    if text is None:
        text, words = _joined(row.tokens or ())
    else:
        given = row.offsets if row.offsets and not keys else _aligned(row, text)
        words = [_trimmed(text, start, end) for start, end in given]
    if _SURROGATE.search(text):
        raise UserError(
            f"{row.place}: the text holds half of a surrogate pair, such as \\ud83d alone; the "
            "program that wrote it cut a text inside an emoji. Remove it."
        )
    return text, (None if row.tokens is None else words)


def _part(row: Row, keys: tuple[str, ...], flag: str) -> Callable[[str], str]:
    """The function from a key to the text that a row has there."""

    def text_in(key: str) -> str:
        value = row.fields.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(x, str) for x in value):
            return " ".join(value)
        if len(keys) > 1 and value is None and key in row.fields:
            return ""  # one of several parts, such as a title
        what = "is missing" if key not in row.fields else f"is {value!r}, not a string"
        near = "" if key in row.fields else did_you_mean(key, keys_of([row]))
        raise UserError(
            f"{row.place}: the key {key!r} {what}.{near} Name another key with {flag}=..."
        )

    return text_in


def _joined(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Tokens joined by spaces, and their places; one that is empty takes none."""
    parts: list[str] = []
    words: list[tuple[int, int]] = []
    at = 0
    for token in tokens:
        plain = token.strip()
        if not plain:
            words.append((at, at))
            continue
        at += bool(parts)
        words.append((at, at + len(plain)))
        parts.append(plain)
        at += len(plain)
    return " ".join(parts), words


def _aligned(row: Row, text: str) -> list[tuple[int, int]]:
    """The places of tokens in a text that contains them in their order.

    Raises:
      UserError: for a token that is not there.
    """
    words, at = [], 0
    places = row.token_places or [row.place] * len(row.tokens or ())
    for token, place in zip(row.tokens or (), places, strict=True):
        start = text.find(token, at)
        if start < 0 and token.strip():
            start, token = text.find(token.strip(), at), token.strip()
        if start < 0 and token:
            raise UserError(
                f"{place}: token {token!r} is not in the text after character {at}; tokens must be "
                "parts of the text in their order. Without a text the tokens are joined by spaces."
            )
        at = max(start, at) + len(token)
        words.append((at - len(token), at))
    return words


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A word without the spaces at its ends, which some tokenizers count among its characters."""
    word = text[start:end]
    if not word.strip():
        return start, start
    return end - len(word.lstrip()), start + len(word.rstrip())
