"""From rows to records: texts without a label, classes left out, empty texts."""

import json

import pytest

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import read_file
from mtt_jax.tasks import KINDS
from tests.helpers import complaint, entities, read, written


@pytest.mark.parametrize("text", [{}, {"text": "Tom left Acme"}])
def test_entities_by_the_numbers_of_words_are_not_taken_for_characters(text, tmp_path):
    row = {"tokens": ["Tom", "left", "Acme"], **text}
    for spans in ([[0, 1, "PER"], [2, 3, "ORG"]], [[0, 0, "PER"], [2, 2, "ORG"]]):
        file = written(tmp_path, "a.jsonl", json.dumps({**row, "entities": spans}) + "\n")
        message = complaint(file, "ner")
        assert "line 1: entities seem to be given by the numbers of words" in message
    file = written(tmp_path, "a.jsonl", json.dumps({**row, "entities": [[9, 13, "ORG"]]}) + "\n")
    assert entities(read(file, "ner").records[0]) == [("Acme", "ORG")]


def test_an_empty_list_is_a_text_without_a_class(tmp_path):
    rows = [{"text": "Tom ran.", "label": ["sports"]}, {"text": "Ann ran.", "label": []}]
    loaded = read(
        written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)), "topic"
    )
    assert [record.labels for record in loaded.records] == [{"topic": "sports"}, {}]
    assert "1 sentences without a label of topic (first: line 2)." in loaded.notes[1]


@pytest.mark.parametrize("labels", [(), ("a", "b", "c")])
def test_classes_that_an_object_leaves_out_do_not_apply(labels, tmp_path):
    rows = [{"a": 1.0, "b": 0.0}, {"b": 1.0}, {"c": 1.0, "a": 1.0}]
    lines = [json.dumps({"text": f"t {i}", "cats": cats}) for i, cats in enumerate(rows)]
    file = written(tmp_path, "a.jsonl", "\n".join(lines))
    task = KINDS["multilabel"]("x", labels)
    loaded = read_file(str(file), task, DataConfig(), TaskDataConfig(), "--x")
    assert [set(r.labels["x"]) for r in loaded.records] == [{"a"}, {"b"}, {"a", "c"}]


@pytest.mark.parametrize("task", ["topic", "ner"])
def test_empty_texts_are_left_out_and_counted(task, tmp_path):
    texts = ["Tom ran", "", " \n ", "\u00a0", "Ann ran"]
    rows = [{"text": text, "label": "sports", "entities": []} for text in texts]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    loaded = read(file, task)
    assert [r.text for r in loaded.records] == ["Tom ran", "Ann ran"]
    assert loaded.notes[1:] == [f"{file}: 3 empty texts, left out (first: line 2)."]


def test_file_with_only_empty_texts_is_refused(tmp_path):
    file = written(tmp_path, "a.jsonl", '{"text": " ", "label": "sports"}\n')
    message = complaint(file)
    assert f"{file} contains no sentence" in message
    assert "--config.data.topic.train" in message
