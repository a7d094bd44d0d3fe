"""doccano: entities in each of its layouts, classes, and tables."""

import json

import pytest

from mtt_jax.data.readers import doccano, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import written

ANN = {"start": 0, "end": 3, "label": "PER"}
ACME = {"start": 9, "end": 13, "label": "ORG"}
TEXT = "Ann sold Acme."


def jsonl(folder, *items):
    return written(folder, "a.jsonl", "".join(json.dumps(item) + "\n" for item in items))


def rows(file):
    return list(doccano.read(file, Layout()))


def recognized(file):
    opened = read_rows(file, Layout())
    return opened.reader.name, opened.description


@pytest.mark.parametrize(
    "labels",
    [
        {"label": [[0, 3, "PER"], [9, 13, "ORG"]], "Comments": []},
        {"labels": [[9, 13, "ORG"], [0, 3, "PER"]]},
        {
            "entities": [
                {"id": 4, "label": "PER", "start_offset": 0, "end_offset": 3},
                {"id": 5, "label": "ORG", "start_offset": 9, "end_offset": 13},
            ],
            "relations": [],
            "Comments": [],
        },
        {
            "annotations": [
                {"label": "PER", "start_offset": 0, "end_offset": 3, "user": 1},
                {"label": "ORG", "start_offset": 9, "end_offset": 13, "user": 1},
            ]
        },
    ],
)
def test_entities_are_read_from_every_layout(labels, tmp_path):
    file = jsonl(tmp_path, {"id": 7, "text": TEXT, **labels})
    (row,) = rows(file)
    assert row.text == TEXT
    assert row.fields["entities"] == [ANN, ACME]
    assert row.fields["id"] == 7
    assert recognized(file) == ("doccano", "doccano entities")


def test_other_keys_are_kept_and_that_of_the_entities_is_not(tmp_path):
    (row,) = rows(jsonl(tmp_path, {"text": TEXT, "label": [[0, 3, "PER"]], "meta": {"n": 1}}))
    assert row.fields == {"text": TEXT, "entities": [ANN], "meta": {"n": 1}}


def test_an_empty_list_means_no_entities_where_other_texts_have_some(tmp_path):
    file = jsonl(tmp_path, {"text": "Rain.", "label": []}, {"text": TEXT, "label": [[0, 3, "PER"]]})
    assert [row.fields["entities"] for row in rows(file)] == [[], [ANN]]


def test_a_text_is_also_read_under_its_old_name(tmp_path):
    (row,) = rows(jsonl(tmp_path, {"data": TEXT, "label": [[0, 3, "PER"]]}))
    assert row.text == TEXT


def test_classes_stay_a_list_and_an_empty_one_too(tmp_path):
    file = jsonl(
        tmp_path,
        {"text": TEXT, "label": ["business", "people"], "Comments": []},
        {"text": "Rain.", "label": [], "Comments": []},
    )
    assert [row.fields["label"] for row in rows(file)] == [["business", "people"], []]
    assert recognized(file) == ("doccano", "doccano JSON")


def test_classes_beside_entities_and_of_old_annotations_are_under_label(tmp_path):
    both = {"text": TEXT, "cats": ["business"], "entities": [[0, 3, "PER"]]}
    (row,) = rows(jsonl(tmp_path, both))
    assert (row.fields["label"], row.fields["entities"]) == (["business"], [ANN])
    (row,) = rows(jsonl(tmp_path, {"text": TEXT, "annotations": [{"label": 2, "user": 1}]}))
    assert row.fields["label"] == [2]


def test_an_array_is_read_as_lines_are(tmp_path):
    items = [{"text": TEXT, "label": [[0, 3, "PER"]]}, {"text": "Rain.", "label": []}]
    file = written(tmp_path, "a.json", json.dumps(items))
    assert [(str(row.place), row.fields["entities"]) for row in rows(file)] == [
        (f"{file}, item 1", [ANN]),
        (f"{file}, item 2", []),
    ]
    assert recognized(file) == ("doccano", "doccano entities")


def test_overlapping_entities_are_counted(tmp_path):
    (row,) = rows(jsonl(tmp_path, {"text": TEXT, "label": [[0, 3, "PER"], [0, 8, "X"]]}))
    assert row.fields["entities"] == [{"start": 0, "end": 8, "label": "X"}]
    assert len(row.faults) == 1


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ({"txt": TEXT, "label": []}, "line 2: no text; expected the key 'text'"),
        ([1], "line 2: expected an object"),
        ({"text": TEXT, "label": ["PER"]}, 'line 2: entity "PER": expected'),
    ],
)
def test_faults_name_file_and_line(item, message, tmp_path):
    with pytest.raises(UserError) as error:
        rows(jsonl(tmp_path, {"text": TEXT, "label": [[0, 3, "PER"]]}, item))
    assert message in str(error.value)


@pytest.mark.parametrize(
    "item",
    [
        {"text": TEXT, "label": "business"},
        {"text": TEXT, "labels": ["business", "people"]},
        {"text": TEXT, "entities": [ANN]},
        {"tokens": ["Ann"], "tags": ["PROPN"]},
    ],
)
def test_plain_jsonl_is_not_taken_for_doccano(item, tmp_path):
    assert recognized(jsonl(tmp_path, item))[0] == "jsonl"


def test_a_table_has_its_classes_separated_by_a_number_sign(tmp_path):
    content = (
        'id,text,label,Comments\n1,"Ann sold ""Acme"",\ncheap.",business#people,\n'
        "2,Rain.,weather,\n3,Fog.,,\n"
    )
    file = written(tmp_path, "a.csv", content)
    found = list(doccano.read_csv(file, Layout()))
    assert [row.text for row in found] == ['Ann sold "Acme",\ncheap.', "Rain.", "Fog."]
    assert [row.fields.get("label") for row in found] == [["business", "people"], "weather", None]
    assert [row.place.line for row in found] == [2, 4, 5]
    assert recognized(file) == ("doccano-csv", "doccano CSV")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("id,text,label,Comments\n1,Rain\n", "line 2: 2 of the 4 columns that the first line has"),
        ('id,text,label,Comments\n1,"Rain" x,a,\n', "line 2: not valid CSV"),
        ("id,sentence,label,Comments\n1,Rain,a,\n", "line 2: no text; expected the key 'text'"),
    ],
)
def test_faults_of_a_table_name_the_line(content, message, tmp_path):
    with pytest.raises(UserError) as error:
        list(doccano.read_csv(written(tmp_path, "a.csv", content), Layout()))
    assert message in str(error.value)
