"""Entities of annotation tools in one form, without overlaps."""

from pathlib import Path

import pytest

from mtt_jax.data.readers.rows import Place
from mtt_jax.data.readers.spans import OVERLAPS, entities_of, longest
from mtt_jax.errors import UserError

PLACE = Place(Path("a.jsonl"), 3)


def entity(start, end, label="PER"):
    return {"start": start, "end": end, "label": label}


@pytest.mark.parametrize(
    "item",
    [
        entity(0, 3),
        {"id": 7, "label": "PER", "start_offset": 0, "end_offset": 3},
        [0, 3, "PER"],
        [0, 3, "PER", "Q42"],
        [0, 3, "PER", 0.5],
        [0, 3, "PER", 7],
        [0, 3, "PER", None],
        [0, 3, ["PER"]],
        ["PER", 0, 3],
        [0, "PER", 3],
        [[0, 3], "PER"],
        {"start_char": 0, "end_char": 3, "label": "PER"},
        {"startOffset": 0, "endOffset": 3, "label": "PER"},
        {"BeginOffset": 0, "EndOffset": 3, "Type": "PER"},
        {"Begin Offset": 0, "End Offset": 3, "Type": "PER"},
        {"begin": 0, "end": 3, "type": "PER"},
        {"from": 0, "to": 3, "type": "PER"},
        {"start": 0, "stop": 3, "category": "PER"},
        {"start_index": 0, "end_index": 3, "entity_type": "PER"},
        {"offset": 0, "length": 3, "category": "PER"},
    ],
)
def test_objects_and_lists_describe_an_entity(item):
    assert entities_of([item], "spans", PLACE) == [entity(0, 3)]


@pytest.mark.parametrize("item", [[0, 3, "Ann", "PER"], ["Ann", "PER", 0, 3], [0, 3, "PER", "Ann"]])
def test_the_text_of_an_entity_in_a_list_is_not_its_type(item):
    expected = {**entity(0, 3), "text": "Ann"}
    assert entities_of([item], "spans", PLACE, "Ann left") == [expected]


def test_columns_of_offsets_are_entities_under_any_names():
    value = {"start_char": [0, 9], "end_char": [3, 13], "label": ["PER", "LOC"]}
    assert entities_of(value, "spans", PLACE) == [entity(0, 3), entity(9, 13, "LOC")]


def test_the_text_that_a_file_gives_with_an_entity_stays_with_it():
    given = {**entity(0, 3), "text": "Ann", "score": 0.5}
    assert entities_of([given], "spans", PLACE) == [{**entity(0, 3), "text": "Ann"}]


@pytest.mark.parametrize(
    "item",
    [
        "PER",
        None,
        [],
        [0, 3],
        ["0", "3", "PER"],
        [0, 3.0, "PER"],
        {"start": 0, "end": 3},
        [0, True, "PER"],
    ],
)
def test_anything_else_is_shown_with_what_was_expected(item):
    with pytest.raises(
        UserError, match=r"a.jsonl, line 3: entity .*: expected .* with whole numbers"
    ):
        entities_of([item], "spans", PLACE)


def test_a_value_that_is_not_a_list_is_a_fault():
    with pytest.raises(UserError, match=r"a.jsonl, line 3: 'spans' is 'PER'; expected a list"):
        entities_of("PER", "spans", PLACE)


def test_an_entity_that_is_there_twice_is_no_overlap():
    assert longest([entity(0, 3), entity(0, 3)]) == ([entity(0, 3), entity(0, 3)], [])


def test_entities_side_by_side_stay_in_the_order_of_the_text():
    assert longest([entity(4, 8), entity(0, 4)]) == ([entity(0, 4), entity(4, 8)], [])


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ([entity(0, 3), entity(0, 9, "ORG")], [entity(0, 9, "ORG")]),
        ([entity(0, 4), entity(3, 9), entity(9, 12)], [entity(3, 9), entity(9, 12)]),
        ([entity(0, 3), entity(0, 3, "ORG")], [entity(0, 3)]),
        ([entity(2, 4), entity(1, 3)], [entity(1, 3)]),
        ([entity(0, 2), entity(1, 9), entity(8, 10)], [entity(1, 9)]),
    ],
)
def test_of_entities_that_overlap_the_longest_or_first_stays_and_others_are_counted(given, kept):
    assert longest(given) == (kept, [OVERLAPS] * (len(given) - len(kept)))
