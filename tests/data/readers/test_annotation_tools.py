"""The same entities and classes as different tools write them give the same records."""

import json

import pytest

from tests.helpers import read, written

TEXT = "Ann Lee left Acme."
PLAIN = "Rain."
ENTITIES = [(0, 7, "PER"), (13, 17, "ORG")]


def lines(*items):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def studio(*results):
    return {"annotations": [{"was_cancelled": False, "result": list(results)}]}


def studio_span(start, end, label):
    value = {"start": start, "end": end, "text": TEXT[start:end], "labels": [label]}
    return {"from_name": "who", "to_name": "text", "type": "labels", "value": value}


def studio_choice(label):
    value = {"choices": [label]}
    return {"from_name": "about", "to_name": "text", "type": "choices", "value": value}


OBJECTS = [{"start": start, "end": end, "label": label} for start, end, label in ENTITIES]
OFFSETS = [{"start_offset": s, "end_offset": e, "label": label} for s, e, label in ENTITIES]
WITH_ENTITIES = {
    "doccano.jsonl": lines(
        {"text": TEXT, "label": ENTITIES, "Comments": []}, {"text": PLAIN, "label": []}
    ),
    "doccano-relations.jsonl": lines(
        {"text": TEXT, "entities": OFFSETS, "relations": []}, {"text": PLAIN, "entities": []}
    ),
    "label-studio.json": json.dumps(
        [
            {"id": 1, **studio(*(studio_span(*span) for span in ENTITIES)), "data": {"text": TEXT}},
            {"id": 2, **studio(), "data": {"text": PLAIN}},
        ]
    ),
    "label-studio-min.json": json.dumps(
        [
            {"id": 1, "text": TEXT, "who": [studio_span(*span)["value"] for span in ENTITIES]},
            {"id": 2, "text": PLAIN, "annotator": 1},
        ]
    ),
    "prodigy.jsonl": lines(
        {"text": TEXT, "spans": OBJECTS, "answer": "accept"},
        {"text": "No.", "spans": [], "answer": "reject"},
        {"text": PLAIN, "answer": "accept"},
    ),
    "spacy.json": json.dumps([[TEXT, {"entities": ENTITIES}], [PLAIN, {"entities": []}]]),
    "ner-annotator.json": json.dumps(
        {
            "classes": ["PER", "ORG"],
            "annotations": [[TEXT, {"entities": ENTITIES}], None, [PLAIN, {"entities": []}]],
        }
    ),
    "brat.ann": "".join(
        f"T{n}\t{label} {start} {end}\t{TEXT[start:end]}\n"
        for n, (start, end, label) in enumerate(ENTITIES, start=1)
    ),
}
WITH_CLASSES = {
    "doccano.jsonl": lines(
        {"text": TEXT, "label": ["politics"], "Comments": []},
        {"text": PLAIN, "label": ["others"], "Comments": []},
    ),
    "doccano.csv": f"id,text,label,Comments\n1,{TEXT},politics,\n2,{PLAIN},others,x\n",
    "label-studio.json": json.dumps(
        [
            {"id": 1, **studio(studio_choice("politics")), "data": {"text": TEXT}},
            {"id": 2, **studio(studio_choice("others")), "data": {"text": PLAIN}},
        ]
    ),
    "prodigy-choice.jsonl": lines(
        {"text": TEXT, "accept": ["politics"], "answer": "accept", "options": []},
        {"text": "No.", "accept": ["others"], "answer": "ignore", "options": []},
        {"text": PLAIN, "accept": ["others"], "answer": "accept", "options": []},
    ),
    "prodigy-binary.jsonl": lines(
        {"text": TEXT, "label": "politics", "answer": "accept"},
        {"text": PLAIN, "label": "politics", "answer": "reject"},
        {"text": PLAIN, "label": "others", "answer": "accept"},
    ),
    "spacy.jsonl": lines(
        {"text": TEXT, "cats": {"politics": 1.0, "others": 0.0}},
        {"text": PLAIN, "cats": {"politics": 0.2, "others": 0.8}},
    ),
}


@pytest.mark.parametrize("name", WITH_ENTITIES)
def test_entities_are_the_same_from_every_tool(name, tmp_path):
    written(tmp_path, "brat.txt", f"{TEXT}\n{PLAIN}\n")
    records = read(written(tmp_path, name, WITH_ENTITIES[name]), "ner").records
    assert [record.text for record in records] == [TEXT, PLAIN]
    assert [list(record.labels["ner"]) for record in records] == [ENTITIES, []]


@pytest.mark.parametrize("name", WITH_CLASSES)
def test_classes_are_the_same_from_every_tool(name, tmp_path):
    records = read(written(tmp_path, name, WITH_CLASSES[name]), "topic").records
    assert [(record.text, record.labels) for record in records] == [
        (TEXT, {"topic": "politics"}),
        (PLAIN, {"topic": "others"}),
    ]


def test_what_a_tool_left_out_is_counted_with_its_first_place(tmp_path):
    file = written(tmp_path, "prodigy.jsonl", WITH_ENTITIES["prodigy.jsonl"])
    assert f"{file}: 1 rejected answers, left out (first: line 2)." in read(file, "ner").notes
    file = written(tmp_path, "a.json", WITH_ENTITIES["ner-annotator.json"])
    (note,) = [note for note in read(file, "ner").notes if "null" in note]
    assert note == f"{file}: 1 items without an annotation (null), left out (first: item 2)."
