"""Rows from objects with keys."""

from pathlib import Path

import pytest

from mtt_jax.data.readers.objects import list_in, row_of
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


@pytest.mark.parametrize(
    ("cell", "items"),
    [
        ("['a', 'b']", ["a", "b"]),
        ('["a", "it\'s"]', ["a", "it's"]),
        (" [1, 0] ", [1, 0]),
        ("['a' 'b']", ["a", "b"]),  # NumPy; Python would join them
        ("['a' \"it's\"\n 'b']", ["a", "it's", "b"]),
        ("[1 0 -100]", [1, 0, -100]),
        ("[]", []),
    ],
)
def test_a_list_in_a_cell_is_read(cell, items):
    assert list_in(cell) == items


@pytest.mark.parametrize(
    "cell", ["a", "[a, b]", "[1.5]", "[True]", "['a'", "['a'], ['b']", "", "[[1]]"]
)
def test_a_cell_without_a_list_stays_as_it_is(cell):
    assert list_in(cell) == cell
