"""spaCy's JSON: pairs, cats, NER Annotator's export and training JSON of version 2."""

import json

import pytest

from mtt_jax.data.readers import read_rows, spacy_json
from mtt_jax.data.readers.files import head
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import written

TEXT = "Ann sold Acme."
ANN = {"start": 0, "end": 3, "label": "PER"}
PAIR = [TEXT, {"entities": [[0, 3, "PER"]]}]
CATS = {"business": 1.0, "sports": 0.0}
FLAGS = {"business": 1, "sports": 0}


def dumped(folder, value):
    return written(folder, "a.json", json.dumps(value))


def rows(file):
    return list(spacy_json.read(file, Layout()))


def recognized(file):
    opened = read_rows(file, Layout())
    return opened.reader.name, opened.description


def test_pairs_are_read_from_an_array_and_from_lines(tmp_path):
    array = dumped(tmp_path, [PAIR, ["Rain.", {"entities": []}]])
    lines = written(tmp_path, "a.jsonl", json.dumps(PAIR) + "\n" + '["Rain.", {"entities": []}]\n')
    for file in (array, lines):
        found = rows(file)
        assert [(row.text, row.fields["entities"]) for row in found] == [
            (TEXT, [ANN]),
            ("Rain.", []),
        ]
        assert recognized(file) == ("spacy", "spaCy pairs of text and annotations")
    assert str(rows(array)[1].place).endswith("a.json, item 2")
    assert str(rows(lines)[1].place).endswith("a.jsonl, line 2")


def test_the_text_of_a_pair_is_its_first_part_whatever_its_annotations_hold(tmp_path):
    file = dumped(tmp_path, [["Rain.", {"text": True, "entities": []}]])
    (row,) = rows(file)
    assert (row.text, row.fields["text"]) == ("Rain.", "Rain.")


def test_cats_above_one_half_are_given_and_an_empty_object_is_no_label(tmp_path):
    soft = {"business": 0.51, "sports": 0.5}
    pairs = [{"cats": CATS}, {"cats": soft}, {"cats": {}, "entities": []}]
    file = dumped(tmp_path, [[TEXT, pair] for pair in pairs])
    assert [row.fields.get("cats") for row in rows(file)] == [FLAGS, FLAGS, None]


def test_objects_with_cats_are_read(tmp_path):
    file = written(tmp_path, "a.jsonl", json.dumps({"id": 3, "text": TEXT, "cats": CATS}) + "\n")
    (row,) = rows(file)
    assert (row.text, row.fields["cats"], row.fields["id"]) == (TEXT, FLAGS, 3)
    assert recognized(file) == ("spacy", "spaCy JSON with cats")


def test_overlapping_entities_are_counted(tmp_path):
    file = dumped(tmp_path, [[TEXT, {"entities": [[0, 3, "PER"], [0, 8, "EVENT"]]}]])
    (row,) = rows(file)
    assert [entity["label"] for entity in row.fields["entities"]] == ["EVENT"]
    assert len(row.faults) == 1


def test_items_without_an_annotation_in_an_export_of_ner_annotator_are_counted(tmp_path):
    file = dumped(tmp_path, {"classes": ["PER"], "annotations": [PAIR, None, PAIR]})
    found = rows(file)
    assert [row.fields.get("entities") for row in found] == [[ANN], None, [ANN]]
    assert found[1].faults == ["items without an annotation (null), left out"]
    assert str(found[2].place).endswith("a.json, item 3")
    assert recognized(file) == ("spacy", "spaCy JSON of NER Annotator")


def token(orth, ner, tag="NN"):
    return {"id": 0, "orth": orth, "tag": tag, "ner": ner, "head": 0, "dep": "x"}


def training(*sentences, raw="Ann ran.\nAcme, too.", **more):
    tokens = [{"tokens": list(sentence), "brackets": []} for sentence in sentences]
    return [{"id": 9, "paragraphs": [{"raw": raw, "sentences": tokens, **more}]}]


ANN_RAN = (token("Ann", "U-PER", "NNP"), token("ran", "O"), token(".", "O"))
ACME_TOO = (token("Acme", "U-ORG"), token(",", "O"), token("too", "O"), token(".", "O"))


def test_training_json_has_a_row_per_sentence_with_a_list_per_key(tmp_path):
    file = dumped(tmp_path, training(ANN_RAN, ACME_TOO))
    one, two = rows(file)
    assert (one.text, two.text) == ("Ann ran.", "Acme, too.")
    assert two.tokens == ["Acme", ",", "too", "."]
    assert [two.text[start:end] for start, end in two.offsets] == two.tokens
    assert one.fields["ner"] == ["U-PER", "O", "O"]
    assert one.fields["tag"] == ["NNP", "NN", "NN"]
    assert one.fields["id"] == 9
    assert recognized(file) == ("spacy", "spaCy 2 training JSON")


@pytest.mark.parametrize("raw", [None, "", "Bob ran."])
def test_words_that_are_not_in_the_text_stand_alone(raw, tmp_path):
    (row,) = rows(dumped(tmp_path, training(ANN_RAN, raw=raw)))
    assert (row.text, row.offsets, row.tokens) == (None, None, ["Ann", "ran", "."])


def test_a_paragraph_with_cats_is_one_row(tmp_path):
    cats = [{"label": "business", "value": 1.0}, {"label": "sports", "value": 0.0}]
    (row,) = rows(dumped(tmp_path, training(ANN_RAN, ACME_TOO, cats=cats)))
    assert row.text == "Ann ran.\nAcme, too."
    assert row.fields["cats"] == FLAGS
    assert len(row.fields["ner"]) == 7


def test_missing_entity_tags_make_a_sentence_unlabeled(tmp_path):
    none, some = (token("Ann", "-"),), (token("Acme", "U-ORG"), token("too", "-"))
    found = rows(dumped(tmp_path, training(none, some, raw=None)))
    assert [row.fields.get("ner") for row in found] == [None, None]
    assert [len(row.faults) for row in found] == [0, 1]


def test_long_files_of_one_object_are_recognized(tmp_path):
    long = dumped(tmp_path, training(*[ANN_RAN] * 1000, raw=None))
    assert recognized(long)[0] == "spacy"
    long = dumped(tmp_path, {"classes": ["PER", "ORG"], "annotations": [PAIR] * 2000})
    assert recognized(long)[0] == "spacy"


@pytest.mark.parametrize(
    "value", [[{"text": TEXT, "label": "a"}], [{"text": TEXT, "entities": [ANN]}], [["a", "b"]]]
)
def test_other_json_is_not_taken_for_spacy(value, tmp_path):
    assert spacy_json.recognize(head(dumped(tmp_path, value))) is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([PAIR, ["Rain."]], "item 2: expected a text and its annotations"),
        ([PAIR, ["Rain.", {"entities": ["O", "U-PER"]}]], 'item 2: entity "O": expected'),
        ({"classes": [], "annotations": {}}, "item 1: expected an object with a list under 'ann"),
        ([PAIR, ["Rain.", {"cats": {"sports": "yes"}}]], "item 2: 'cats' is {'sports': 'yes'}"),
        (training(({"id": 0, "ner": "O"},)), "item 1: a token without 'orth'"),
        ([{"paragraphs": [{"raw": "x"}]}], "item 1: expected an object with a list under 'sent"),
    ],
)
def test_faults_name_file_and_item(value, message, tmp_path):
    file = written(tmp_path, "a.json", json.dumps(value, indent=1))
    with pytest.raises(UserError) as error:
        rows(file)
    assert message in str(error.value)
