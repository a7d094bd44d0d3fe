"""From the labels of a file to those of a task: label maps, unknown labels, true and false."""

import json

import pytest

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import read_file
from mtt_jax.tasks import KINDS
from tests.helpers import complaint, entities, labelled, read, read_unnamed, written


def test_label_map_renames_labels_and_known_labels_need_no_entry(tmp_path):
    file = written(tmp_path, "a.csv", "Tom,World\nAnn,sports\nBen,Sci/Tech\n")
    fields = {"text": "1", "label": "2", "label_map": {"World": "politics", "Sci/Tech": "others"}}
    records = read(file, **fields).records
    assert [r.labels["topic"] for r in records] == ["politics", "sports", "others"]


def test_label_map_to_an_unknown_label_is_reported_with_the_line_that_uses_it(tmp_path):
    file = written(tmp_path, "a.csv", "Tom,sports\nAnn,World\n")
    message = complaint(file, text="1", label="2", label_map={"World": "politic"})
    assert f"{file}, line 2: 'World' is not a label of task 'topic'" in message
    assert "(sports, politics, others)" in message


@pytest.mark.parametrize(("label", "near"), [("Per", "PER"), ("LOCA", "LOC"), ("MICS", "MISC")])
def test_unknown_entity_type_is_reported_with_the_nearest_known_one(label, near, tmp_path):
    file = labelled(tmp_path, "Tom ran.", (0, 3, label))
    message = complaint(file, "ner")
    assert f"{file}, line 2: {label!r} is not a label of task 'ner'" in message
    assert f"--config.data.ner.label_map={label}={near}" in message


def test_nothing_that_would_drop_or_misfile_is_proposed(tmp_path):
    file = labelled(tmp_path, "Tom 5%", (0, 3, "Index"), (4, 6, "PERCENT"))
    message = complaint(file, "ner")
    assert "2 labels are not labels of task 'ner'" in message
    assert "'Index=NAME, PERCENT=NAME'" in message


def test_unknown_labels_of_all_files_are_in_one_message_most_frequent_first(tmp_path):
    first = written(tmp_path, "a.conll", "Rome B-GPE\n\n5 B-QUANTITY\n")
    second = written(tmp_path, "b.conll", "Oslo B-GPE\nin O\nBonn B-GPE\nAnn B-PER\n")
    message = complaint(f"{first},{second}", "ner")
    assert f"'GPE' 3 (first: {first}, line 1), 'QUANTITY' 1 (first: {first}, line 3)" in message
    assert "--config.tasks.ner.labels=O,PER,ORG,LOC,MISC,GPE,QUANTITY" in message


def test_task_without_labels_takes_those_of_the_file_and_counts_them(tmp_path):
    def found(kind, text, name):
        task = KINDS[kind]("x", ())
        file = written(tmp_path, name, text)
        return read_file(str(file), task, DataConfig(), TaskDataConfig(), "--config.data.x.train")

    loaded = found("entities", "Tom B-PER\nFry I-PER\nran O\n\nRome B-LOC\nAnn B-PER\n", "a.conll")
    assert loaded.labels == {"PER": 2, "LOC": 1}
    assert entities(loaded.records[0], "x") == [("Tom Fry", "PER")]
    loaded = found("classes", "text,label\nTom ran,a\nAnn sat,b\nBen fell,a\n", "a.csv")
    assert loaded.labels == {"a": 2, "b": 1}
    loaded = found("multilabel", "text,b,a\nTom ran,1,1\nAnn sat,1,0\n", "b.csv")
    assert loaded.labels == {"b": 2, "a": 1}
    loaded = found("tags", "Tom NOUN\nran VERB\n\nAnn NOUN\n", "b.conll")
    assert loaded.labels == {"NOUN": 2, "VERB": 1}


def test_entity_type_mapped_to_o_is_dropped(tmp_path):
    file = labelled(tmp_path, "Tom ran 5 miles.", (0, 3, "PERSON"), (8, 9, "NUMBER"))
    found = read(file, "ner", label_map={"PERSON": "PER", "NUMBER": "O"}).records[1]
    assert entities(found) == [("Tom", "PER")]


def test_true_and_false_are_labels(tmp_path):
    rows = [{"text": "Buy now", "label": True}, {"text": "Come home", "label": False}]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    found = read_unnamed(file, "classes")
    assert [r.labels["x"] for r in found.records] == ["true", "false"]
    found = read_unnamed(file, "classes", names=("ham", "spam"))
    assert [r.labels["x"] for r in found.records] == ["spam", "ham"]
    task = KINDS["classes"]("x", ("False", "True"))
    loaded = read_file(str(file), task, DataConfig(), TaskDataConfig(), "--x")
    assert [r.labels["x"] for r in loaded.records] == ["True", "False"]
