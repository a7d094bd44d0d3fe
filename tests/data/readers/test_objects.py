"""Rows from objects with keys."""

from pathlib import Path

import pytest

from mtt_jax.data.readers.objects import row_of
from mtt_jax.data.readers.rows import Place

PLACE = Place(Path("x.jsonl"), 3)


@pytest.mark.parametrize("key", ["tokens", "words", "tokenized_text"])
def test_a_list_of_strings_under_a_usual_key_is_the_words(key):
    row = row_of(PLACE, {"id": 7, key: ["Ann", "left"], "ner_tags": [1, 0]})
    assert row.tokens == ["Ann", "left"]
    assert row.fields["id"] == 7
    assert row.text is None


@pytest.mark.parametrize("value", ["Ann left", [], [1, 2], ["Ann", None], None, {"Ann": 1}])
def test_anything_else_there_is_a_field_like_others(value):
    row = row_of(PLACE, {"tokens": value})
    assert row.tokens is None
    assert row.fields == {"tokens": value}
