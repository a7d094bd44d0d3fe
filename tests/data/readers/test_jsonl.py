"""JSONL: one object per line; a missing label is unlabelled, and [] means no entities."""

import json

import pytest

from tests.helpers import complaint, entities, read, written


def jsonl(folder, *rows):
    text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    return written(folder, "a.jsonl", text)


def entity(start, end, label):
    return {"start": start, "end": end, "label": label}


def test_label_is_read_from_its_key(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran .", "label": "sports", "id": 7})
    (record,) = read(file).records
    assert record.text == "Tom ran ."
    assert record.labels == {"topic": "sports"}


def test_entities_are_read_by_character_offsets_in_any_order(tmp_path):
    row = {
        "text": "Élan 漢 Tom Fry joined Acme.",
        "entities": [entity(22, 26, "ORG"), entity(7, 14, "PER")],
    }
    (record,) = read(jsonl(tmp_path, row), "ner").records
    assert entities(record) == [("Tom Fry", "PER"), ("Acme", "ORG")]
    assert list(record.labels) == ["ner"]


@pytest.mark.parametrize("absent", [{}, {"entities": None}])
def test_missing_entities_are_unlabelled_and_counted_but_an_empty_list_means_none(absent, tmp_path):
    file = jsonl(
        tmp_path,
        {"text": "Shares fell.", "entities": []},
        {"text": "Tom ran.", **absent},
        {"text": "Ann ran.", **absent},
    )
    loaded = read(file, "ner")
    assert [entities(record) for record in loaded.records] == [[], None, None]
    assert loaded.notes == [
        f"{file}: 3 texts, JSONL, entities from 'entities'.",
        f"{file}: 2 sentences without a label of ner (first: line 2).",
    ]


@pytest.mark.parametrize("absent", [{}, {"label": None}])
def test_missing_label_is_unlabelled_and_counted(absent, tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "label": "sports"}, {"text": "Ann ran.", **absent})
    loaded = read(file)
    assert [record.labels for record in loaded.records] == [{"topic": "sports"}, {}]
    assert loaded.notes == [
        f"{file}: 2 texts, JSONL, labels from 'label'.",
        f"{file}: 1 sentences without a label of topic (first: line 2).",
    ]


def test_config_names_the_keys_of_text_and_label(tmp_path):
    row = {"sentence": "Tom ran.", "class": 1, "names": [entity(0, 3, "PER")]}
    file = jsonl(tmp_path, row)
    (record,) = read(file, text="sentence", label="class", label_map={"1": "sports"}).records
    assert record.labels == {"topic": "sports"}
    (record,) = read(file, "ner", text="sentence", label="names").records
    assert entities(record) == [("Tom", "PER")]


def test_empty_lines_and_line_separators_inside_a_text_change_nothing(tmp_path):
    text = '\n{"text": "Tom\u2028ran", "label": "sports"}\r\n\n\n{"text": "a\\nb"}\n'
    loaded = read(written(tmp_path, "a.ndjson", text))
    assert [record.text for record in loaded.records] == ["Tom\u2028ran", "a\nb"]
    assert "(first: line 5)" in loaded.notes[1]


# Files with faults


@pytest.mark.parametrize(
    ("line", "column"),
    [('{"text": "Tom ran."', 20), ("{'text': 'Tom'}", 2), ('{"text": "Tom}', 10), ("Tom ran.", 1)],
)
def test_invalid_json_is_reported_with_its_column(line, column, tmp_path):
    file = written(tmp_path, "a.jsonl", f'{{"text": "Ann ran.", "label": "sports"}}\n{line}\n')
    message = complaint(file)
    assert f"{file}, line 2: not valid JSON at column {column}" in message
    assert "JSONL has one whole object per line" in message


@pytest.mark.parametrize("name", ["a.json", "a.jsonl"])
@pytest.mark.parametrize("indent", [None, 2])
def test_array_of_objects_is_read_in_any_layout(name, indent, tmp_path):
    rows = [{"text": "Tom ran.", "label": "sports"}, {"text": "Ann [sat].", "label": "others"}]
    loaded = read(written(tmp_path, name, json.dumps(rows, indent=indent)))
    assert [(r.text, r.labels["topic"]) for r in loaded.records] == [
        ("Tom ran.", "sports"), ("Ann [sat].", "others"),
    ]  # fmt: skip
    assert "2 texts, JSON array, labels from 'label'" in loaded.notes[0]


def test_array_inside_of_an_object_is_read(tmp_path):
    text = json.dumps({"data": [{"text": "Tom ran.", "label": "sports"}] * 2}, indent=1)
    assert len(read(written(tmp_path, "a.json", text)).records) == 2


def test_unknown_label_in_an_array_is_reported_with_the_number_of_its_item(tmp_path):
    rows = [{"text": "Tom ran.", "label": "sports"}, {"text": "Ann ran.", "label": "sprots"}]
    file = written(tmp_path, "a.json", json.dumps(rows))
    assert f"{file}, item 2: 'sprots' is not a label of task 'topic'" in complaint(file)


def test_array_that_is_cut_off_is_reported(tmp_path):
    text = json.dumps([{"text": "Tom ran.", "label": "sports"}] * 2)
    file = written(tmp_path, "a.json", text[:-5])
    assert f"{file}" in (message := complaint(file))
    assert "not valid JSON" in message


@pytest.mark.parametrize("line", ["[1, 2]", '"Tom ran."', "7", "null"])
def test_json_that_is_not_an_object_is_reported_with_what_is_expected(line, tmp_path):
    message = complaint(written(tmp_path, "a.jsonl", f"{line}\n"), format="jsonl")
    assert f'a.jsonl, line 1: expected an object, as in {{"text": ...}}, got {line}' in message


def test_missing_text_is_reported_with_the_nearest_key(tmp_path):
    row = {"text": "Tom ran.", "label": "sports"}
    file = jsonl(tmp_path, row, {"texts": "Ann ran."})
    message = complaint(file)
    assert f"{file}, line 2: the key 'text' is missing. Did you mean 'texts'?" in message
    assert "--config.data.topic.text" in message


@pytest.mark.parametrize("value", [None, 7, [1], {"a": "b"}])
def test_text_that_is_not_a_string_is_reported(value, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": value, "entities": []}), "ner")
    assert f"a.jsonl, line 1: the key 'text' is {value!r}, not a string" in message
    assert "--config.data.ner.text" in message


@pytest.mark.parametrize("value", [1.5, ["sports", "others"], {"name": "sports"}])
def test_label_that_is_not_a_string_is_reported(value, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": "Tom ran.", "label": value}))
    assert f"a.jsonl, line 1: 'label' is {value!r}; expected a label as a string" in message


@pytest.mark.parametrize("value", ["PER", {"start": 0}, 7])
def test_entities_that_are_not_a_list_are_reported(value, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": "Tom ran.", "entities": value}), "ner")
    assert f"a.jsonl, line 1: 'entities' is {value!r}; expected a list, [] for none" in message


@pytest.mark.parametrize(
    "item",
    [
        [0, 3],
        [0, 3, ""],
        {"start": 0, "end": 3},
        {"start": "0", "end": 3, "label": "PER"},
        {"start": 0, "end": 3.0, "label": "PER"},
        {"start": False, "end": 3, "label": "PER"},
        {"start": 0, "end": 3, "label": None},
    ],
    ids=str,
)
def test_malformed_entity_is_shown_with_the_right_form(item, tmp_path):
    message = complaint(jsonl(tmp_path, {"text": "Tom ran.", "entities": [item]}), "ner")
    assert f"a.jsonl, line 1: entity {json.dumps(item)}: expected" in message
    assert '{"start": 0, "end": 5, "label": "PER"} or [0, 5, "PER"] with whole' in message


@pytest.mark.parametrize("key", ["entities", "spans", "label", "labels", "Entities", "ner"])
@pytest.mark.parametrize(
    "item",
    [
        [0, 3, "PER"],
        {"start": 0, "end": 3, "label": "PER"},
        {"start_offset": 0, "end_offset": 3, "label": "PER"},
        {"start": 0, "end": 3, "type": "PER"},
        {"start": 0, "end": 3, "tag": "PER", "id": 7},
        {"start": 0, "end": 3, "labels": ["PER"], "text": "Tom"},
    ],
    ids=str,
)
def test_entities_are_found_under_usual_keys_in_usual_forms(key, item, tmp_path):
    file = jsonl(tmp_path, {"id": 1, "text": "Tom ran.", key: [item]}, {"text": "Rain.", key: []})
    first, second = read(file, "ner", format="jsonl").records
    assert (entities(first), entities(second)) == ([("Tom", "PER")], [])


def test_key_with_the_name_of_the_task_comes_first(tmp_path):
    row = {"text": "Tom ran.", "topic": "sports", "label": "others", "ner": [[0, 3, "PER"]]}
    file = jsonl(tmp_path, {**row, "entities": []})
    assert read(file).records[0].labels == {"topic": "sports"}
    assert entities(read(file, "ner").records[0]) == [("Tom", "PER")]


def test_key_is_chosen_by_what_fits_the_task(tmp_path):
    row = {"text": "Tom ran.", "labels": ["law"], "label": [[0, 3, "PER"]], "category": "sports"}
    file = jsonl(tmp_path, {**row, "labels": ["law", "money"]}, row)
    assert [r.labels["topic"] for r in read(file).records] == ["sports", "sports"]
    assert [r.labels["subjects"] for r in read(file, "subjects").records][1] == ("law",)
    assert entities(read(file, "ner").records[0]) == [("Tom", "PER")]


def test_missing_key_is_reported_with_the_keys_that_are_there(tmp_path):
    file = jsonl(tmp_path, {"id": 1, "text": "Tom ran.", "lable": "sports"})
    message = complaint(file, "ner")
    assert f"{file}: no line has the key 'entities'; keys there: id, text, lable." in message
    assert "--config.data.ner.label=" in message
    message = complaint(file, label="class")
    assert "no line has the key 'class'; keys there: id, text, lable." in message


def test_key_that_only_a_line_far_down_has_is_found(tmp_path):
    rows = [{"text": f"Tom ran {i}."} for i in range(1500)]
    file = jsonl(tmp_path, *rows, {"text": "Ann ran.", "label": "sports"})
    for fields in ({}, {"label": "label"}):
        assert read(file, **fields).records[-1].labels == {"topic": "sports"}


@pytest.mark.parametrize("key", ["sentence", "content", "Text", "tweet"])
def test_text_is_found_under_usual_keys(key, tmp_path):
    file = jsonl(tmp_path, {"id": "x", key: "Tom ran.", "label": "sports"})
    assert read(file).records[0].text == "Tom ran."


def test_several_keys_of_text_are_joined(tmp_path):
    row = {"title": "Tom", "body": "ran.", "label": "sports"}
    file = jsonl(tmp_path, row, {**row, "title": None})
    assert [r.text for r in read(file, text="title,body").records] == ["Tom ran.", " ran."]


def test_one_file_holds_labels_of_several_tasks(tmp_path):
    row = {"tokens": ["Tom", "ran"], "ner_tags": ["B-PER", "O"], "pos_tags": ["NOUN", "VERB"],
           "label": "sports", "labels": []}  # fmt: skip
    file = jsonl(tmp_path, row)
    found = {name: read(file, name).records[0] for name in ("topic", "subjects", "ner", "pos")}
    assert {record.text for record in found.values()} == {"Tom ran"}
    assert found["topic"].labels == {"topic": "sports"}
    assert found["subjects"].labels == {"subjects": ()}
    assert entities(found["ner"]) == [("Tom", "PER")]
    assert entities(found["pos"], "pos") == [("Tom", "NOUN"), ("ran", "VERB")]


def test_numbers_are_named_by_the_config(tmp_path):
    file = jsonl(tmp_path, {"tokens": ["Tom", "ran", "Oslo"], "ner_tags": [1, 0, 3]})
    names = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    assert entities(read(file, "ner", names=names).records[0]) == [("Tom", "PER"), ("Oslo", "LOC")]
    message = complaint(file, "ner")
    assert "line 1: 'ner_tags' holds numbers, such as 0; say which tags they stand for" in message
    assert "--config.data.ner.names=O,B-PER,I-PER,..." in message
    message = complaint(file, "ner", names=names[:3])
    assert "line 1: 'ner_tags': 3 has no name; --config.data.ner.names has 3, for 0 to 2" in message
    file = jsonl(tmp_path, {"text": "Tom ran.", "label": 1}, {"text": "Ann.", "label": 0.0})
    found = read(file, names=("others", "sports")).records
    assert [record.labels["topic"] for record in found] == ["sports", "others"]


def test_label_in_a_list_of_one_and_in_cats_is_one_class(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "label": ["sports"]})
    assert read(file).records[0].labels == {"topic": "sports"}
    file = jsonl(tmp_path, {"text": "Tom ran.", "cats": {"sports": 0.0, "others": 1.0}})
    assert read(file).records[0].labels == {"topic": "others"}
    file = jsonl(tmp_path, {"text": "Tom ran.", "cats": {"sports": 1.0, "others": 1}})
    assert "expected 1 for one class, got it for 2" in complaint(file, format="jsonl")


def test_half_of_a_surrogate_pair_is_reported_with_its_line(tmp_path):
    """As written by a program that cut a text inside an emoji, which is two escapes in JSON."""
    text = '{"text": "Ann ran.", "label": "sports"}\n{"text": "Tom \\ud83d", "label": "sports"}\n'
    file = written(tmp_path, "a.jsonl", text)
    message = complaint(file)
    assert f"{file}, line 2: the text holds half of a surrogate pair" in message
    assert "Remove it" in message


def test_jsonl_file_without_an_object_is_refused(tmp_path):
    file = written(tmp_path, "a.jsonl", "\n \n")
    message = complaint(file)
    assert f"{file} contains no sentence; expected at least one in jsonl format" in message
    assert "--config.data.topic.train" in message


# Multilabel


def test_multilabel_list_is_a_set_of_labels_in_the_order_of_the_task(tmp_path):
    rows = [["people", "money"], ["law"], ["law", "law"], []]
    file = jsonl(
        tmp_path, *({"text": f"Tom ran {i}.", "labels": row} for i, row in enumerate(rows))
    )
    loaded = read(file, "subjects")
    assert [record.labels["subjects"] for record in loaded.records] == [
        ("money", "people"), ("law",), ("law",), (),
    ]  # fmt: skip
    assert len(loaded.notes) == 1


@pytest.mark.parametrize("absent", [{}, {"labels": None}])
def test_missing_multilabel_key_is_unlabelled_and_counted_but_an_empty_list_is_the_empty_set(
    absent, tmp_path
):
    file = jsonl(tmp_path, {"text": "Tom ran.", "labels": []}, {"text": "Ann ran.", **absent})
    loaded = read(file, "subjects")
    assert [record.labels for record in loaded.records] == [{"subjects": ()}, {}]
    assert loaded.notes[1:] == [f"{file}: 1 sentences without a label of subjects (first: line 2)."]


def test_multilabel_string_is_divided_by_the_separator(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "subjects": "law; money"})
    (record,) = read(file, "subjects", label="subjects", separator=";").records
    assert record.labels == {"subjects": ("money", "law")}


def test_multilabel_names_are_mapped_by_the_label_map(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "labels": ["finance", 3]})
    (record,) = read(file, "subjects", label_map={"finance": "money", "3": "law"}).records
    assert record.labels == {"subjects": ("money", "law")}


@pytest.mark.parametrize("fields", [{}, {"label": "law, money, people"}])
def test_multilabel_keys_with_0_or_1_are_read_per_label(fields, tmp_path):
    rows = [{"money": 1, "law": 0, "people": 1}, {"money": 0, "law": "1", "people": "0"}]
    rows.append({"money": 0, "law": 0, "people": 0})
    file = jsonl(tmp_path, *({"text": f"Tom ran {i}.", **row} for i, row in enumerate(rows)))
    loaded = read(file, "subjects", **fields)
    assert [record.labels["subjects"] for record in loaded.records] == [
        ("money", "people"), ("law",), (),
    ]  # fmt: skip
    assert len(loaded.notes) == 1


def test_multilabel_sentence_with_some_of_its_keys_is_reported(tmp_path):
    full = {"text": "Tom ran.", "money": 1, "law": 0, "people": 0}
    file = jsonl(tmp_path, full, {"text": "Ann ran.", "money": 1, "law": 0})
    message = complaint(file, "subjects")
    assert f"{file}, line 2: " in message
    assert "expected 0 or 1 per label, got None" in message


def test_multilabel_sentence_without_any_of_its_keys_is_unlabelled_and_counted(tmp_path):
    full = {"text": "Tom ran.", "money": 1, "law": 0, "people": 0}
    file = jsonl(tmp_path, full, {"text": "Ann ran."})
    loaded = read(file, "subjects")
    assert [record.labels for record in loaded.records] == [{"subjects": ("money",)}, {}]
    assert loaded.notes[1:] == [f"{file}: 1 sentences without a label of subjects (first: line 2)."]


def test_multilabel_keys_that_do_not_cover_every_label_are_reported(tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "money": 1, "law": 0, "people": 0})
    message = complaint(file, "subjects", label="money, law")
    assert f"{file}, line 1: " in message
    assert "expected 0 or 1 for each label, including 'people'" in message


@pytest.mark.parametrize("value", [2, -1, "2", "yes", 0.5, None, []])
def test_multilabel_key_with_anything_but_0_or_1_is_reported(value, tmp_path):
    good = {"text": "Tom ran.", "money": 1, "law": 0, "people": 0}
    file = jsonl(tmp_path, good, {**good, "law": value})
    message = complaint(file, "subjects")
    assert f"{file}, line 2: " in message
    assert f"expected 0 or 1 per label, got {value!r}" in message


@pytest.mark.parametrize("value", [1.5, True, {"name": "law"}, ["law", None], [["law"]], [True]])
def test_multilabel_value_of_another_form_is_reported(value, tmp_path):
    file = jsonl(tmp_path, {"text": "Tom ran.", "labels": []}, {"text": "Ann.", "labels": value})
    message = complaint(file, "subjects")
    assert f"{file}, line 2: 'labels' is {value!r}; expected " in message


def test_unknown_label_of_a_multilabel_list_is_reported_with_line_and_nearest_label(tmp_path):
    file = jsonl(
        tmp_path,
        {"text": "Tom ran.", "labels": ["law"]},
        {"text": "Ann ran.", "labels": ["law", "poeple"]},
    )
    message = complaint(file, "subjects")
    expected = "'poeple' is not a label of task 'subjects' (money, law, people)."
    assert f"{file}, line 2: {expected}" in message
    assert "--config.data.subjects.label_map=poeple=people" in message


# Tokens and tags

TOKENS = ["Tom", "Fry", "ran", "."]


def test_tags_are_read_per_token_and_tokens_are_joined_by_spaces(tmp_path):
    file = jsonl(tmp_path, {"tokens": TOKENS, "tags": ["NOUN", "NOUN", "VERB", "OTHER"]})
    loaded = read(file, "pos")
    (record,) = loaded.records
    assert record.text == "Tom Fry ran ."
    tags = ["NOUN", "NOUN", "VERB", "OTHER"]
    assert entities(record, "pos") == list(zip(TOKENS, tags, strict=True))
    assert loaded.notes == [f"{file}: 1 texts, JSONL, tags from 'tags'."]


def test_tokens_are_found_in_the_text_in_their_order(tmp_path):
    row = {"text": "Tom, Tom ran.", "tokens": ["Tom", "Tom", "ran"], "tags": ["NOUN"] * 3}
    (record,) = read(jsonl(tmp_path, row), "pos").records
    assert record.text == "Tom, Tom ran."
    assert [span[:2] for span in record.labels["pos"]] == [(0, 3), (5, 8), (9, 12)]


def test_tokens_with_spaces_at_their_ends_are_words_without_them(tmp_path):
    row = {"text": "Tom ran.", "tokens": ["Tom ", "ran", "."], "tags": ["NOUN", "VERB", "OTHER"]}
    (record,) = read(jsonl(tmp_path, row), "pos").records
    assert [span[:2] for span in record.labels["pos"]] == [(0, 3), (4, 7), (7, 8)]


def test_empty_tokens_are_left_out_with_their_tags(tmp_path):
    tokens, tags = ["Tom", "", "ran", " "], ["NOUN", "OTHER", "VERB", "OTHER"]
    for text in ({}, {"text": None}, {"text": "Tom ran "}):
        row = {"tokens": tokens, "tags": tags, **text}
        file = jsonl(tmp_path, row)
        loaded = read(file, "pos")
        assert loaded.records[0].text.strip() == "Tom ran"
        assert entities(loaded.records[0], "pos") == [("Tom", "NOUN"), ("ran", "VERB")]
        assert f"{file}: 2 empty tokens, left out (first: line 1)." in loaded.notes


def test_text_from_tokens_is_the_same_for_every_kind_of_task(tmp_path):
    """Otherwise the records of several tasks could not be joined."""
    rows = [["AT&amp;T", "<b>", "New York", " rose"], ["Tom's", "", "3", "&lt;", "5"], ["a\u00a0b"]]
    file = jsonl(
        tmp_path,
        *(
            {"tokens": tokens, "tags": ["NOUN"] * len(tokens), "label": "sports", "entities": []}
            for tokens in rows
        ),
    )
    texts = ["AT&amp;T <b> New York rose", "Tom's 3 &lt; 5", "a\u00a0b"]
    for task in ("pos", "topic", "ner"):
        assert [record.text for record in read(file, task).records] == texts
    words = [text for text, _ in entities(read(file, "pos").records[0], "pos")]
    assert words == ["AT&amp;T", "<b>", "New York", "rose"]


def test_tags_are_read_from_another_key_and_mapped_by_the_label_map(tmp_path):
    row = {"tokens": ["Tom", "ran"], "upos": ["PROPN", 16]}
    names = {"PROPN": "NOUN", "16": "VERB"}
    (record,) = read(jsonl(tmp_path, row), "pos", label="upos", label_map=names).records
    assert entities(record, "pos") == [("Tom", "NOUN"), ("ran", "VERB")]


def test_missing_tags_are_unlabelled_and_counted_whether_there_is_a_text_or_tokens(tmp_path):
    file = jsonl(
        tmp_path,
        {"tokens": ["Tom"], "tags": ["NOUN"]},
        {"tokens": ["Ann", "ran"]},
        {"text": "Ben ran.", "tags": None},
    )
    loaded = read(file, "pos")
    assert [record.text for record in loaded.records] == ["Tom", "Ann ran", "Ben ran."]
    assert [list(record.labels) for record in loaded.records] == [["pos"], [], []]
    note = f"{file}: 2 sentences without a label of pos (first: line 2)."
    assert note in loaded.notes


@pytest.mark.parametrize("row", [{"tokens": []}, {"tokens": [" "], "text": " "}])
def test_sentence_without_a_token_is_left_out_and_counted(row, tmp_path):
    tags = ["NOUN"] * len(row["tokens"])
    file = jsonl(tmp_path, {"tokens": ["Tom"], "tags": ["NOUN"]}, {**row, "tags": tags})
    loaded = read(file, "pos")
    assert [record.text for record in loaded.records] == ["Tom"]
    assert f"{file}: 1 empty texts, left out (first: line 2)." in loaded.notes


def faulty(folder, row, task="pos", **fields):
    """The message about the second line of a file, without its place."""
    good = {"tokens": ["Ann"], "tags": ["NOUN"]}
    file = jsonl(folder, good, row)
    message = complaint(file, task, **fields)
    assert message.startswith(f"{file}, line 2: ")
    return message


def test_tokens_and_tags_of_unequal_length_are_reported(tmp_path):
    row = {"tokens": ["Tom", "ran", "."], "tags": ["NOUN", "VERB"]}
    assert "3 tokens, but 2 tags in 'tags'" in faulty(tmp_path, row)


@pytest.mark.parametrize("tokens", [{}, {"tokens": None}, {"tokens": "Tom"}, {"tokens": ["a", 1]}])
def test_missing_or_malformed_tokens_are_reported(tokens, tmp_path):
    message = faulty(tmp_path, {"text": "Tom ran", "tags": ["NOUN", "VERB"], **tokens})
    assert "the key 'tokens' is missing or not a list of strings" in message
    assert "'tags' holds one tag per token" in message


@pytest.mark.parametrize("value", ["NOUN VERB", {"Tom": "NOUN"}, 3])
def test_tags_that_are_not_a_list_are_reported(value, tmp_path):
    message = faulty(tmp_path, {"tokens": ["Tom", "ran"], "tags": value})
    assert f"'tags' is {value!r}; expected one tag per token" in message


@pytest.mark.parametrize("tag", [None, True, 1.5, ["NOUN"]])
def test_tag_that_is_not_a_string_is_reported(tag, tmp_path):
    message = faulty(tmp_path, {"tokens": ["Tom", "ran"], "tags": ["NOUN", tag]})
    assert f"'tags' holds {tag!r}; expected tags as strings" in message


@pytest.mark.parametrize("tokens", [["Tom", "run"], ["ran", "Tom"]])
def test_token_that_is_not_in_the_text_is_reported_with_the_rule(tokens, tmp_path):
    row = {"text": "Tom ran.", "tokens": tokens, "tags": ["NOUN", "VERB"]}
    message = faulty(tmp_path, row)
    assert f"token {tokens[1]!r} is not in the text after character" in message
    assert "tokens must be parts of the text in their order" in message


def test_half_of_a_surrogate_pair_in_a_token_is_reported(tmp_path):
    text = '{"tokens": ["Tom"], "tags": ["NOUN"]}\n{"tokens": ["\\ud83d"], "tags": ["NOUN"]}\n'
    file = written(tmp_path, "a.jsonl", text)
    assert f"{file}, line 2: the text holds half of a surrogate pair" in complaint(file, "pos")


def test_unknown_tag_of_a_jsonl_file_is_reported_with_its_line(tmp_path):
    message = faulty(tmp_path, {"tokens": ["Tom", "ran"], "tags": ["NOUN", "VREB"]})
    assert "'VREB' is not a label of task 'pos' (NOUN, VERB, OTHER)" in message
    assert "label_map=VREB=VERB" in message


# Entities from tokens and tags


@pytest.mark.parametrize(
    ("tags", "scheme"),
    [
        (["B-PER", "I-PER", "O", "B-PER"], "iob2"),
        (["B-PER", "E-PER", "O", "S-PER"], "bioes"),
        (["PER", "PER", "O", "PER"], "io"),
    ],
)
def test_entities_are_read_from_tokens_and_tags_with_the_scheme_detected_and_stated(
    tags, scheme, tmp_path
):
    row = {"tokens": ["Tom", "Fry", "met", "Ann"], "tags": tags}
    file = jsonl(tmp_path, {"tokens": ["Rain"], "tags": ["O"]}, row)
    loaded = read(file, "ner", label="tags")
    assert entities(loaded.records[0]) == []
    assert entities(loaded.records[1]) == [("Tom Fry", "PER"), ("Ann", "PER")]
    assert loaded.notes == [
        f"{file}: 2 texts, JSONL, entities from 'tags', tags in scheme {scheme}."
    ]


def test_entities_from_tags_are_found_in_the_text(tmp_path):
    row = {"text": "Tom Fry, of Acme.", "tokens": ["Tom", "Fry", "of", "Acme"],
           "tags": ["B-PER", "I-PER", "O", "B-ORG"]}  # fmt: skip
    (record,) = read(jsonl(tmp_path, row), "ner", label="tags").records
    assert record.text == "Tom Fry, of Acme."
    assert entities(record) == [("Tom Fry", "PER"), ("Acme", "ORG")]


def test_illegal_tags_of_a_jsonl_file_are_counted_with_their_line(tmp_path):
    file = jsonl(
        tmp_path,
        {"tokens": ["Tom", "ran"], "tags": ["B-PER", "O"]},
        {"tokens": ["in", "Rome"], "tags": ["O", "I-LOC"]},
    )
    loaded = read(file, "ner", label="tags")
    assert entities(loaded.records[1]) == [("Rome", "LOC")]
    assert "1 tags that cannot follow the tag before them in iob2" in loaded.notes[1]
    assert "(first: line 2)" in loaded.notes[1]


def test_one_file_may_hold_offsets_in_some_lines_and_tags_in_others(tmp_path):
    file = jsonl(
        tmp_path,
        {"text": "Tom ran.", "entities": [entity(0, 3, "PER")]},
        {"tokens": ["in", "Rome"], "entities": ["O", "B-LOC"]},
        {"text": "Ann ran.", "entities": [entity(0, 3, "PER")]},
    )
    assert [entities(record) for record in read(file, "ner").records] == [
        [("Tom", "PER")], [("Rome", "LOC")], [("Ann", "PER")],
    ]  # fmt: skip
