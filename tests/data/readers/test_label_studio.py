"""Label Studio: which annotation is read, which key is the text, and what a control holds."""

import json

import pytest

from mtt_jax.data.readers import label_studio, read_rows
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import complaint, entities, written
from tests.helpers import read as read_file

TEXT = "Ann sold Acme."
ANN = {"start": 0, "end": 3, "label": "PER", "text": "Ann"}


def value(start, end, text, *labels):
    return {"start": start, "end": end, "text": text, "labels": list(labels)}


def result(name, value, target="text"):
    return {"id": "a", "from_name": name, "to_name": target, "type": "x", "value": value}


def choice(name, *choices):
    return result(name, {"choices": list(choices)})


WHO = result("who", value(0, 3, "Ann", "PER"))


def task(*annotations, **data):
    return {"id": 5, "data": data or {"text": TEXT}, "annotations": list(annotations)}


def annotation(*results, **more):
    return {"id": 1, "was_cancelled": False, "ground_truth": False, "result": list(results), **more}


def exported(folder, *tasks):
    return written(folder, "a.json", json.dumps(list(tasks)))


def rows(folder, *tasks):
    return list(label_studio.read(exported(folder, *tasks), Layout()))


def recognized(file):
    opened = read_rows(file, Layout())
    return opened.reader.name, opened.description


def test_spans_are_entities_and_the_data_is_kept(tmp_path):
    (row,) = rows(tmp_path, task(annotation(WHO), text=TEXT, source="wire"))
    assert row.text == TEXT
    assert row.fields == {"id": 5, "text": TEXT, "source": "wire", "entities": [ANN]}
    assert str(row.place).endswith("a.json, item 1")


def test_every_export_is_recognized(tmp_path):
    assert recognized(exported(tmp_path, task(annotation(WHO)))) == (
        "label-studio",
        "Label Studio JSON",
    )
    long = task(annotation(WHO), text="Ann " * 20_000)
    assert recognized(exported(tmp_path, long))[0] == "label-studio"
    long = {"id": 5, "annotations": long["annotations"], "data": long["data"]}
    assert recognized(exported(tmp_path, long))[0] == "label-studio"
    old = {"id": 1, "data": {"text": TEXT}, "completions": [annotation(WHO)]}
    assert recognized(exported(tmp_path, old))[0] == "label-studio"
    lines = written(tmp_path, "a.jsonl", json.dumps(task(annotation(WHO))) + "\n")
    assert recognized(lines)[0] == "label-studio"
    small = {"id": 1, "text": TEXT, "who": [WHO["value"]]}
    assert recognized(exported(tmp_path, small)) == ("label-studio", "Label Studio JSON_MIN")
    classes = {"id": 1, "text": TEXT, "topic": "business", "lead_time": 2.5}
    assert recognized(exported(tmp_path, classes)) == ("label-studio", "Label Studio JSON_MIN")
    assert recognized(exported(tmp_path, {"text": TEXT, "label": "business"}))[0] == "json"


def test_a_text_in_which_nothing_was_marked_has_no_entities_and_one_not_annotated_no_label(
    tmp_path,
):
    found = rows(tmp_path, task(annotation(WHO)), task(annotation()), task())
    assert [row.fields.get("entities") for row in found] == [[ANN], [], None]


def test_cancelled_annotations_are_left_out_and_counted(tmp_path):
    found = rows(
        tmp_path,
        task(annotation(WHO, was_cancelled=True)),
        task(annotation(was_cancelled=True), annotation(WHO)),
    )
    assert [row.fields.get("entities") for row in found] == [None, [ANN]]
    assert [row.faults for row in found] == [["cancelled annotations, left out"]] * 2


def test_of_several_annotations_the_ground_truth_or_the_first_is_read(tmp_path):
    other = result("who", value(9, 13, "Acme", "ORG"))
    found = rows(
        tmp_path,
        task(annotation(WHO), annotation(other)),
        task(annotation(other), annotation(WHO, ground_truth=True)),
    )
    assert [row.fields["entities"] for row in found] == [[ANN], [ANN]]
    assert [len(row.faults) for row in found] == [1, 1]


def test_the_text_is_the_key_in_which_spans_hold_what_they_say(tmp_path):
    data = {"title": "Acme sold by Ann to nobody at all", "body": TEXT}
    (row,) = rows(tmp_path, task(annotation(WHO), **data))
    assert row.text == TEXT


def test_the_text_is_the_key_that_a_control_names_or_the_only_one_or_text(tmp_path):
    named = result("topic", {"choices": ["business"]}, target="body")
    (row,) = rows(tmp_path, task(annotation(named), title="Sale", body=TEXT))
    assert row.text == TEXT
    (row,) = rows(tmp_path, task(annotation(choice("topic", "business")), review=TEXT))
    assert row.text == TEXT
    topic = result("topic", {"choices": ["business"]}, target="shown")
    (row,) = rows(tmp_path, task(annotation(topic), title="Sale", text=TEXT))
    assert row.text == TEXT
    (row,) = rows(tmp_path, task(annotation(topic), title="Sale", body=TEXT))
    assert (row.text, row.fields["title"], row.fields["body"]) == (None, "Sale", TEXT)


def test_choices_of_the_only_control_are_the_label(tmp_path):
    found = rows(tmp_path, task(annotation(choice("topic", "business"))), task(annotation()))
    assert [row.fields.get("label") for row in found] == ["business", None]
    assert found[0].fields["topic"] == "business"


def test_choices_are_lists_if_some_text_has_several(tmp_path):
    found = rows(
        tmp_path,
        task(annotation(choice("topic", "business", "people"))),
        task(annotation(choice("topic", "sports"))),
    )
    assert [row.fields["label"] for row in found] == [["business", "people"], ["sports"]]


def test_a_control_may_have_several_results(tmp_path):
    both = annotation(choice("topic", "business"), choice("topic", "people"))
    (row,) = rows(tmp_path, task(both))
    assert row.fields["label"] == ["business", "people"]


def test_labels_that_were_imported_with_a_text_are_no_annotation_of_it(tmp_path):
    data = {"text": TEXT, "label": "guess", "entities": [], "topic": "guess"}
    done, todo = annotation(choice("topic", "business"), WHO), annotation(was_cancelled=True)
    found = rows(tmp_path, task(done, **data), task(todo, **data))
    assert (found[0].fields["label"], found[0].fields["entities"]) == ("business", [ANN])
    assert found[0].fields["topic"] == "business"
    assert set(found[1].fields) == {"id", "text"}


def test_several_controls_are_under_their_names(tmp_path):
    both = annotation(choice("topic", "business"), choice("tone", "good"), WHO)
    second = result("what", value(9, 13, "Acme", "THING"))
    (row,) = rows(tmp_path, task(both))
    assert row.fields == {
        "id": 5, "text": TEXT, "topic": "business", "tone": "good", "entities": [ANN],
    }  # fmt: skip
    (row,) = rows(tmp_path, task(annotation(WHO, second)))
    assert row.fields["who"] == [ANN]
    assert row.fields["what"] == [{"start": 9, "end": 13, "label": "THING", "text": "Acme"}]
    assert "entities" not in row.fields


def test_taxonomies_ratings_and_texts_are_read(tmp_path):
    taxonomy = result("topic", {"taxonomy": [["News", "Sports"], ["Opinion"]]})
    stars = result("stars", {"rating": 4})
    (row,) = rows(tmp_path, task(annotation(taxonomy, stars)))
    assert row.fields["label"] == ["News/Sports", "Opinion"]
    assert row.fields["stars"] == 4


def test_relations_are_ignored_and_choices_for_a_part_of_a_text_counted(tmp_path):
    relation = {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"}
    part = result("tone", {"start": 0, "end": 3, "text": "Ann", "choices": ["good"]})
    (row,) = rows(tmp_path, task(annotation(WHO, relation, part)))
    assert row.fields["entities"] == [ANN]
    assert row.faults == ["choices for a part of a text, left out"]


def test_overlapping_spans_are_counted(tmp_path):
    longer = result("who", value(0, 8, "Ann sold", "EVENT"))
    (row,) = rows(tmp_path, task(annotation(WHO, longer)))
    assert [entity["label"] for entity in row.fields["entities"]] == ["EVENT"]
    assert len(row.faults) == 1


def test_json_min_has_controls_beside_the_data(tmp_path):
    meta = {"annotator": 1, "annotation_id": 3, "lead_time": 2.5}
    found = rows(
        tmp_path,
        {"id": 1, "text": TEXT, "who": [WHO["value"]], **meta},
        {"id": 2, "text": "Rain.", **meta},
        {"id": 1, "text": TEXT, "who": [value(9, 13, "Acme", "ORG")], **meta},
    )
    assert [row.text for row in found] == [TEXT, "Rain.", None]
    assert [row.fields.get("entities") for row in found] == [[ANN], [], None]
    assert found[0].fields["annotator"] == 1
    assert (found[2].fields, len(found[2].faults)) == ({}, 1)


def test_choices_in_json_min_are_a_string_or_an_object(tmp_path):
    found = rows(
        tmp_path,
        {"id": 1, "text": TEXT, "topic": {"choices": ["business", "people"]}, "annotator": 1},
        {"id": 2, "text": "Rain.", "topic": "weather", "tone": "good", "annotator": 1},
    )
    assert [row.fields["label"] for row in found] == [["business", "people"], ["weather"]]
    assert found[1].fields["tone"] == "good"


@pytest.mark.parametrize(("name", "separator"), [("a.csv", ","), ("a.tsv", "\t")])
def test_tables_have_spans_and_choices_as_json_in_cells(name, separator, tmp_path):
    def line(*cells):
        quoted = ('"' + cell.replace('"', '""') + '"' if '"' in cell else cell for cell in cells)
        return separator.join(quoted) + "\n"

    spans = json.dumps([WHO["value"]])
    several = json.dumps({"choices": ["business", "people"]})
    content = (
        line("id", "text", "who", "topic", "annotation_id", "lead_time")
        + line("1", TEXT, spans, several, "4", "2.5")
        + line("2", "[{Rain", "", "weather", "5", "3.5")
    )
    file = written(tmp_path, name, content)
    found = list(label_studio.read_table(file, Layout()))
    assert [row.text for row in found] == [TEXT, "[{Rain"]
    assert [row.fields["entities"] for row in found] == [[ANN], []]
    assert [row.fields["topic"] for row in found] == [["business", "people"], ["weather"]]
    assert recognized(file) == ("label-studio-table", "Label Studio table")


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (task(annotation(result("who", value(0, 3, "Bob", "PER")))), "item 2: the span from 0 to"),
        (
            task(annotation(result("who", {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]",
                                           "startOffset": 0, "endOffset": 3,
                                           "hypertextlabels": ["PER"]}))),
            "is a place in HTML or a dialogue, not in a text",
        ),
        ([1], "item 2: expected a task of Label Studio, got [1]"),
        ({"id": 3, "data": {"text": TEXT}, "annotations": [1]}, "'annotations' is not a list"),
        (task(annotation(), title="Sale"), "item 2: no text under 'text'"),
    ],
)  # fmt: skip
def test_faults_name_file_and_item(bad, message, tmp_path):
    with pytest.raises(UserError) as error:
        rows(tmp_path, task(annotation(WHO)), bad)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("text", "place", "surface"),
    [
        ("\U0001f600 Ann ran.", (3, 6), "Ann"),  # UTF-16 units
        ("é Ann ran.", (3, 6), "Ann"),  # bytes
        ("Mr\nAnn ran.", (0, 6), "Mr\\nAnn"),
    ],
)
def test_spans_counted_in_other_units_are_left_to_the_reader_of_rows(
    text, place, surface, tmp_path
):
    span = result("who", value(*place, surface, "PER"))
    (row,) = rows(tmp_path, task(annotation(span), text=text))
    assert row.text == text
    (entity,) = row.fields["entities"]
    assert (entity["start"], entity["end"]) == place
    assert entity["text"] == surface.replace("\\n", "\n")


def test_the_spans_of_two_controls_are_named_and_may_be_joined(tmp_path):
    firm = {"start": 9, "end": 13, "text": "Acme", "labels": ["ORG"]}
    task = {
        "id": 1,
        "data": {"text": TEXT},
        "annotations": [
            {"result": [result("who", value(0, 3, "Ann", "PER")), result("firm", firm)]}
        ],
    }
    file = written(tmp_path, "a.json", json.dumps([task]))
    assert "--config.data.ner.label=who,firm" in complaint(file, "ner")
    (record,) = read_file(file, "ner", label="who,firm").records
    assert entities(record) == [("Ann", "PER"), ("Acme", "ORG")]
    (record,) = read_file(file, "ner", label="firm").records
    assert entities(record) == [("Acme", "ORG")]
