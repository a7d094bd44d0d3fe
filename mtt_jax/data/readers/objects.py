"""Rows from objects with keys, as JSON, JSONL, Parquet and Arrow hold them; lists in cells."""

import ast
import re
from collections.abc import Mapping, Sequence
from typing import Any

from mtt_jax.data.readers.rows import Place, Row

# Keys under which data sets keep the words of a sentence: Hugging Face's, CoNLL-2003's on the hub,
# GLiNER's.
WORDS = ("tokens", "words", "tokenized_text")
# What NumPy writes: items without commas between them.
_QUOTED = r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\""
_ARRAY = re.compile(rf"\[\s*(?:{_QUOTED}|-?\d+)(?:\s+(?:{_QUOTED}|-?\d+))+\s*\]")


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


def list_in(cell: str) -> Any:
    """The list of names or numbers that a cell holds as JSON, Python or NumPy writes it.

    Args:
      cell: of a table; one without such a list is returned as it is.
    """
    cut = cell.strip()
    if not (cut.startswith("[") and cut.endswith("]")):
        return cell
    if _ARRAY.fullmatch(cut):
        cut = f"[{', '.join(re.findall(rf'{_QUOTED}|-?[0-9]+', cut))}]"
    try:
        found = ast.literal_eval(cut)
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError):
        return cell
    names = isinstance(found, list) and all(type(item) in (str, int) for item in found)
    return found if names else cell
