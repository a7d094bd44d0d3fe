"""GLiNER: entities by numbers of words."""

import json

import pytest

from mtt_jax.data.readers import gliner, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import written

WORDS = ["Ann", "Lee", "sold", "Acme", "."]


def rows(folder, *items):
    return list(gliner.read(written(folder, "a.json", json.dumps(list(items))), Layout()))


def surfaces(row):
    return [(row.text[e["start"] : e["end"]], e["label"]) for e in row.fields["entities"]]


def test_entities_reach_from_the_first_to_the_last_word(tmp_path):
    ner = [[0, 1, "person"], [3, 3, "sold company"]]
    (row,) = rows(tmp_path, {"tokenized_text": WORDS, "ner": ner, "id": 4})
    assert row.text == "Ann Lee sold Acme ."
    assert surfaces(row) == [("Ann Lee", "person"), ("Acme", "sold company")]
    assert row.tokens == WORDS
    assert [row.text[start:end] for start, end in row.offsets] == WORDS
    assert row.fields["id"] == 4


def test_two_entities_of_one_type_side_by_side_stay_two(tmp_path):
    (row,) = rows(tmp_path, {"tokenized_text": WORDS, "ner": [[1, 1, "name"], [0, 0, "name"]]})
    assert surfaces(row) == [("Ann", "name"), ("Lee", "name")]


def test_overlapping_entities_are_counted(tmp_path):
    (row,) = rows(tmp_path, {"tokenized_text": WORDS, "ner": [[0, 0, "name"], [0, 1, "person"]]})
    assert surfaces(row) == [("Ann Lee", "person")]
    assert len(row.faults) == 1


def test_no_entities_and_no_annotation_differ(tmp_path):
    found = rows(tmp_path, {"tokenized_text": WORDS, "ner": []}, {"tokenized_text": WORDS})
    assert [row.fields.get("entities") for row in found] == [[], None]


def test_arrays_and_lines_are_recognized(tmp_path):
    item = {"tokenized_text": WORDS, "ner": [[0, 1, "person"]]}
    for name, content in (("a.json", json.dumps([item])), ("a.jsonl", json.dumps(item) + "\n")):
        opened = read_rows(written(tmp_path, name, content), Layout())
        assert (opened.reader.name, opened.description) == ("gliner", "GLiNER JSON")
        assert [surfaces(row) for row in opened.rows] == [[("Ann Lee", "person")]]


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"tokenized_text": "Ann", "ner": []}, "item 2: expected an object with a list of words"),
        ({"text": "Ann"}, "item 2: expected an object with a list of words, 'tokenized_text'"),
        ([], "item 2: expected an object with a list of words"),
        ({"tokenized_text": WORDS, "ner": "x"}, "item 2: 'ner' is 'x'; expected a list"),
        ({"tokenized_text": WORDS, "ner": [["Ann", 1, "x"]]}, "item 2: entity ['Ann', 1, 'x']"),
        ({"tokenized_text": WORDS, "ner": [[0, 5, "x"]]}, "but there are 5 words"),
        ({"tokenized_text": WORDS, "ner": [[2, 1, "x"]]}, "item 2: entity [2, 1, 'x']"),
    ],
)
def test_faults_name_file_and_item(item, message, tmp_path):
    with pytest.raises(UserError) as error:
        rows(tmp_path, {"tokenized_text": WORDS, "ner": []}, item)
    assert message in str(error.value)
