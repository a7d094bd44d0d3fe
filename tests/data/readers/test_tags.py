"""A tag per token, in any format: two tags in one, words taken for types, tags of subwords."""

import json

import pytest

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import read_file
from mtt_jax.errors import UserError
from mtt_jax.tasks import KINDS
from tests.helpers import complaint, entities, read, read_unnamed, written


def test_a_list_with_other_than_one_item_per_word_is_not_that_of_the_tags(tmp_path):
    row = {"tokens": ["Tom", "ran"], "ner_tags": ["B-PER", "O"], "spans": ["PER: Tom"]}
    file = written(tmp_path, "a.jsonl", json.dumps(row) + "\n")
    assert entities(read(file, "ner").records[0]) == [("Tom", "PER")]


@pytest.mark.parametrize(
    "tag", ["B-PER|B-LOC", "B-PER/B-LOC", "B-PER,B-LOC", "B-PER;I-LOC", "B-PER+B-LOC", "O|B-LOC"]
)
def test_two_tags_in_one_are_refused(tag, tmp_path):
    rows = [
        {"tokens": ["Ann", "left"], "ner_tags": ["B-PER", "O"]},
        {"tokens": ["Tom", "Fry"], "ner_tags": [tag, "I-PER"]},
    ]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    message = complaint(file, "ner")
    assert f"{file}, line 2: the tag {tag!r} is 2 tags in one" in message
    assert "--config.data.ner.label=" in message


@pytest.mark.parametrize("tag", ["B-PER/ORG", "B-A&B", "B-R+D"])
def test_a_type_that_contains_a_separator_is_a_type(tag, tmp_path):
    task = KINDS["entities"]("x", ())
    file = written(tmp_path, "a.conll", f"Ann {tag}\nleft O\n")
    loaded = read_file(str(file), task, DataConfig(), TaskDataConfig(), "--x")
    assert entities(loaded.records[0], "x") == [("Ann", tag[2:])]


@pytest.mark.parametrize(
    "text",
    [
        "Hello world\nGood morning\nThis day\n",
        "Ann left .\nTom won .\nWho ran ?\nWho ran ?\n",
        "[a] Thank you\n[b] Go on\n[c] Good night\n",
        "RATES RISE\nSTOCKS FALL\n",
    ],
)
def test_words_of_texts_are_not_taken_for_types(text, tmp_path):
    file = written(tmp_path, "a.txt", text)
    with pytest.raises(UserError, match="every word has a tag, and none is O") as caught:
        read_unnamed(file)
    message = str(caught.value)
    assert message.startswith(f"{file}, line 1: ")
    assert "'Oslo B-LOC'" in message
    width = len(text.split("\n")[0].split())
    assert read_unnamed(file, label=str(width)).records  # what the message advises


@pytest.mark.parametrize("case", [str.upper, str.lower])
def test_words_that_all_have_one_of_a_few_types_are_read(case, tmp_path):
    content = "12 {0}\nMain {1}\nRoad {1}\n\n7 {0}\n".format(case("number"), case("street"))
    (first, _) = read_unnamed(written(tmp_path, "a.conll", content)).records
    assert entities(first, "x") == [("12", case("number")), ("Main Road", case("street"))]
    capitals = written(tmp_path, "b.conll", "Rome LOC\nAnn PER\nAcme ORG\n")
    assert len(entities(read_unnamed(capitals).records[0], "x")) == 3


@pytest.mark.parametrize("kind", ["entities", "tags"])
@pytest.mark.parametrize("tags", [[-100, 1, 0, -100], ["-100", "B-PER", "O", "-100"]])
def test_tags_of_subwords_are_refused(kind, tags, tmp_path):
    row = {"tokens": ["[CLS]", "Ann", "left", "[SEP]"], "ner_tags": tags}
    file = written(tmp_path, "a.jsonl", json.dumps(row))
    with pytest.raises(UserError, match="line 1: 'ner_tags' holds -100, with which Hugging Face"):
        read_unnamed(file, kind, names=("O", "B-PER") if type(tags[0]) is int else ())


def test_a_token_without_a_tag_is_reported_for_entities(tmp_path):
    file = written(tmp_path, "a.conll", "Tom\tB-PER\nran\t\n\nAnn\tB-PER\n")
    assert f"{file}, line 2: the token 'ran' has no tag; write O." in complaint(file, "ner")
