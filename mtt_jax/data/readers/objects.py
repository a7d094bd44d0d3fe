"""Rows from objects with keys, as JSON, JSONL, Parquet and Arrow hold them."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtt_jax.data.readers.rows import Place, Row

# Keys under which data sets keep the words of a sentence: Hugging Face's, CoNLL-2003's on the hub,
# GLiNER's.
WORDS = ("tokens", "words", "tokenized_text")


def row_of(place: Place, fields: Mapping[str, Any]) -> Row:
    """The row of an object; a list of strings under one of `WORDS` is its words.

    Args:
      place: of the object.
      fields: its keys and values.
    """
    return Row(place, fields, tokens=_words(fields))


def _words(fields: Mapping[str, Any]) -> Sequence[str] | None:
    for key in WORDS:
        value = fields.get(key)
        if isinstance(value, list) and value and all(isinstance(word, str) for word in value):
            return value
    return None
