"""Which of several keys and columns hold text and label."""

import json

import pytest

from mtt_jax.errors import UserError
from tests.helpers import complaint, entities, read, read_unnamed, written


def test_ids_of_subwords_are_no_text(tmp_path):
    row = {"input_ids": [101, 7, 102], "labels": [-100, 1, -100]}
    file = written(tmp_path, "a.jsonl", json.dumps(row))
    with pytest.raises(UserError, match="line 1: 'input_ids' holds what a tokenizer made"):
        read_unnamed(file, names=("O", "B-PER"))


GOLD = "Ann NNP B-PER B-PER\nleft VBD O O\n\nOslo NNP B-LOC O\nwon VBD O B-LOC\n"


@pytest.mark.parametrize("kind", ["entities", "tags"])
def test_of_gold_and_predicted_tags_the_config_chooses(kind, tmp_path):
    file = written(tmp_path, "a.conll", GOLD)
    with pytest.raises(UserError) as caught:
        read_unnamed(file, kind)
    message = str(caught.value)
    assert f"{file}, line 1: columns 3 and 4 both hold tags of the same kind" in message
    assert message.endswith("--config.data.x.label=3")
    found = read_unnamed(file, "entities", label="3").records[1]
    assert entities(found, "x") == [("Oslo", "LOC")]
    assert entities(read_unnamed(file, "entities", label="-1").records[1], "x") == [("won", "LOC")]


@pytest.mark.parametrize(
    "text",
    [
        "Ann B-PER O\nleft O O\n\nOslo B-LOC O\n",  # nothing was found
        "Ann PER PER\nleft O O\nOslo LOC O\n",
        "Ann/B-PER/B-PER left/O/O\nOslo/B-LOC/O won/O/O\n",
    ],
)
def test_predictions_are_noticed_in_other_layouts(text, tmp_path):
    with pytest.raises(UserError, match="columns 2 and 3 both hold tags of the same kind"):
        read_unnamed(written(tmp_path, "a.txt", text))


def test_chunks_and_equal_columns_are_no_rivals_of_entities(tmp_path):
    chunks = "Ann NNP B-NP B-PER\nleft VBD B-VP O\n\nOslo NNP B-NP B-LOC\n"
    found = read_unnamed(written(tmp_path, "a.conll", chunks)).records[0]
    assert entities(found, "x") == [("Ann", "PER")]
    equal = "Ann B-PER B-PER\nleft O O\n"
    found = read_unnamed(written(tmp_path, "b.conll", equal)).records[0]
    assert entities(found, "x") == [("Ann", "PER")]


def test_several_keys_of_entities_are_joined(tmp_path):
    row = {"text": "Ann left Oslo", "who": [[0, 3, "PER"]], "where": [[9, 13, "LOC"]]}
    file = written(tmp_path, "a.jsonl", json.dumps(row))
    message = complaint(file, "ner")
    assert message.endswith(
        "entities are under several keys, who, where; name the one to read, or several to join "
        "them: --config.data.ner.label=who,where"
    )
    loaded = read(file, "ner", label="who,where")
    assert entities(loaded.records[0]) == [("Ann", "PER"), ("Oslo", "LOC")]
    assert "entities from 'who' and 'where'" in loaded.notes[0]
    row["where"] = [[0, 8, "ORG"]]
    file = written(tmp_path, "b.jsonl", json.dumps(row))
    message = complaint(file, "ner", label="who,where")
    assert "line 1: entity ORG at 0:8 overlaps PER at 0:3; keep one of them." in message


def test_several_keys_are_refused_where_a_label_is_read_from_one(tmp_path):
    file = written(tmp_path, "a.csv", "text,a,b\nTom ran,sports,others\n")
    message = complaint(file, label="a,b")
    assert f"{file}, line 2: --config.data.topic.label names 2 columns or keys, a, b" in message
