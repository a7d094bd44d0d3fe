"""JSONL: an object a line; what is absent is unlabelled, what is [] has no entities."""

import json

import pytest

from tests.helpers import complaint, entities, read, word_texts, written


def jsonl(folder, *rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return written(folder, "a.jsonl", text)


def entity(start, end, label):
    return {"start": start, "end": end, "label": label}


def test_a_label_is_read_from_its_key(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran .", "label": "sports", "id": 7})
    (record,) = read(file).records
    assert record.text == "Tom ran ."
    assert record.labels == {"topic": "sports"}
    assert record.spans == {}


def test_entities_are_read_by_character_offsets_in_any_order(tmp_path):
    row = {
        "text": "Élan 漢 Tom Fry joined Acme.",
        "entities": [entity(22, 26, "ORG"), entity(7, 14, "PER")],
    }
    (record,) = read(jsonl(tmp_path, row), "ner").records
    assert word_texts(record) == ["Élan", "漢", "Tom", "Fry", "joined", "Acme", "."]
    assert entities(record) == [("Tom Fry", "PER"), ("Acme", "ORG")]
    assert record.labels == {}


@pytest.mark.parametrize("absent", [{}, {"entities": None}])
def test_absent_entities_are_unlabelled_and_counted_but_an_empty_list_means_none(absent, tmp_path):
    file = jsonl(
        tmp_path,
        {"text": "Shares fell.", "entities": []},
        {"text": "Tom ran.", **absent},
        {"text": "Ann ran.", **absent},
    )
    loaded = read(file, "ner")
    assert [entities(record) for record in loaded.records] == [[], None, None]
    assert loaded.notes == [f"{file}: 2 sentences without a label of ner (first: line 2)."]


@pytest.mark.parametrize("absent", [{}, {"label": None}])
def test_an_absent_label_is_unlabelled_and_counted(absent, tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "label": "sports"}, {"text": "Ann ran.", **absent})
    loaded = read(file)
    assert [record.labels for record in loaded.records] == [{"topic": "sports"}, {}]
    assert loaded.notes == [f"{file}: 1 sentences without a label of topic (first: line 2)."]


def test_keys_of_other_names_can_be_named(tmp_path):
    row = {"sentence": "Tom ran.", "class": 1, "names": [entity(0, 3, "PER")]}
    file = jsonl(tmp_path, row)
    (record,) = read(file, text="sentence", label="class", label_map="1=sports").records
    assert record.labels == {"topic": "sports"}
    (record,) = read(file, "ner", text="sentence", label="names").records
    assert entities(record) == [("Tom", "PER")]


def test_empty_lines_and_line_separators_inside_a_text_do_no_harm(tmp_path):
    text = '\n{"text": "Tom\u2028ran", "label": "sports"}\r\n\n\n{"text": "a\\nb"}\n'
    loaded = read(written(tmp_path, "a.ndjson", text))
    assert [record.text for record in loaded.records] == ["Tom ran", "a b"]
    assert "(first: line 5)" in loaded.notes[0]


# Bad files


@pytest.mark.parametrize(
    ("line", "column"),
    [('{"text": "Tom ran."', 20), ("{'text': 'Tom'}", 2), ('{"text": "Tom}', 10), ("Tom ran.", 1)],
)
def test_what_is_no_json_is_named_with_its_column(line, column, tmp_path):
    file = written(tmp_path, "a.jsonl", f'{{"text": "Ann ran."}}\n{line}\n')
    message = complaint(file)
    assert f"{file}, line 2: not valid JSON at column {column}" in message
    assert "JSONL has one whole object a line" in message


def test_a_json_array_over_many_lines_is_no_jsonl(tmp_path):
    file = written(tmp_path, "a.jsonl", json.dumps([{"text": "Tom ran."}], indent=2))
    message = complaint(file)
    assert f"{file}, line 1: not valid JSON" in message
    assert "JSONL has one whole object a line" in message


@pytest.mark.parametrize("line", ["[1, 2]", '"Tom ran."', "7", "null"])
def test_json_that_is_no_object_is_named_with_what_is_expected(line, tmp_path):
    message = complaint(written(tmp_path, "a.jsonl", f"{line}\n"))
    assert f'a.jsonl, line 1: expected an object, as {{"text": ...}}, got {line}' in message


def test_a_missing_text_is_named_with_the_nearest_key(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran."}, {"texts": "Ann ran."})
    message = complaint(file)
    assert f"{file}, line 2: the key 'text' is missing. Did you mean 'texts'?" in message
    assert "--config.data.topic.text" in message


@pytest.mark.parametrize("value", [None, 7, ["Tom", "ran"]])
def test_a_text_that_is_no_string_is_named(value, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": value}), "ner")
    assert f"a.jsonl, line 1: the key 'text' is {value!r}, no string" in message
    assert "--config.data.ner.text" in message


@pytest.mark.parametrize("value", [1.5, ["sports"], {"name": "sports"}])
def test_a_label_that_is_no_string_is_named(value, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": "Tom ran.", "label": value}))
    assert f"a.jsonl, line 1: 'label' is {value!r}; expected a label as a string" in message


@pytest.mark.parametrize("value", ["PER", {"start": 0}, 7])
def test_entities_that_are_no_list_are_named(value, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": "Tom ran.", "entities": value}), "ner")
    assert f"a.jsonl, line 1: 'entities' is {value!r}; expected a list, [] for none" in message


@pytest.mark.parametrize(
    "item",
    [
        [0, 3, "PER"],
        {"start": 0, "end": 3},
        {"start": "0", "end": 3, "label": "PER"},
        {"start": 0, "end": 3.0, "label": "PER"},
        {"start": False, "end": 3, "label": "PER"},
        {"start": 0, "end": 3, "label": None},
    ],
    ids=str,
)
def test_an_entity_of_another_form_is_shown_beside_the_right_one(item, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": "Tom ran.", "entities": [item]}), "ner")
    assert f"a.jsonl, line 1: entity {json.dumps(item)}: expected" in message
    assert '{"start": 0, "end": 5, "label": "PER"} with whole numbers' in message


def test_half_of_a_sign_in_two_escapes_is_named_with_its_line(tmp_path):
    """As left by a program that cut an emoji, two escapes in JSON, in the middle."""
    text = '{"text": "Ann ran.", "label": "sports"}\n{"text": "Tom \\ud83d", "label": "sports"}\n'
    file = written(tmp_path, "a.jsonl", text)
    assert f"{file}, line 2" in complaint(file)


def test_a_file_without_an_object_is_refused(tmp_path):
    file = written(tmp_path, "a.jsonl", "\n \n")
    message = complaint(file)
    assert f"{file}: holds no sentence; expected jsonl" in message
    assert "--config.data.topic.train" in message
