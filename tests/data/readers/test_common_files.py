"""Files as people have them, read to the records of a task with at most one flag."""

import json

import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.helpers import complaint, entities, read, written

TAGS = ["O", "B-PER", "I-PER", "B-ORG", "I-ORG", "B-LOC", "I-LOC", "B-MISC", "I-MISC"]
WORDS = [["Ann", "Lee", "left", "Acme"], ["Rome", "fell"]]
IDS = [[1, 2, 0, 3], [5, 0]]
ENTITIES = [[("Ann Lee", "PER"), ("Acme", "ORG")], [("Rome", "LOC")]]


def jsonl(folder, *rows):
    return written(folder, "in.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


def named(ids):
    return [TAGS[number] for number in ids]


def topics(loaded):
    return [(record.text, record.labels.get("topic")) for record in loaded.records]


def subjects(loaded):
    return [(record.text, set(record.labels["subjects"])) for record in loaded.records]


# Words with tags


@pytest.mark.parametrize(
    ("words", "tags"),
    [
        ("tokens", "ner_tags"), ("words", "ner"), ("tokens", "tags"), ("tokens", "labels"),
        ("tokens", "ner"), ("tokens", "entities"), ("words", "labels"),
    ],
)  # fmt: skip
def test_words_and_names_of_tags_are_entities(tmp_path, words, tags):
    rows = [{words: w, tags: named(t), "id": 7} for w, t in zip(WORDS, IDS, strict=True)]
    assert [entities(record) for record in read(jsonl(tmp_path, *rows), "ner").records] == ENTITIES


def test_ids_of_tags_are_named_by_a_flag(tmp_path):
    file = jsonl(tmp_path, *({"tokens": w, "ner_tags": t} for w, t in zip(WORDS, IDS, strict=True)))
    found = read(file, "ner", names=tuple(TAGS)).records
    assert [entities(record) for record in found] == ENTITIES
    message = complaint(file, "ner")
    assert "--config.data.ner.names=" in message


def test_an_id_beyond_the_names_is_a_fault_with_its_line(tmp_path):
    file = jsonl(tmp_path, {"tokens": ["a"], "ner_tags": [0]}, {"tokens": ["b"], "ner_tags": [9]})
    message = complaint(file, "ner", names=tuple(TAGS))
    assert "line 2" in message
    assert "9 has no name" in message


@pytest.mark.parametrize("key", ["tags", "pos_tags", "upos", "pos"])
def test_tags_of_words_are_read_by_a_task_of_tags(tmp_path, key):
    row = {"tokens": ["Ann", "left"], key: ["NOUN", "VERB"]}
    (record,) = read(jsonl(tmp_path, row), "pos").records
    assert [span.label for span in record.labels["pos"]] == ["NOUN", "VERB"]


def test_parquet_and_folders_of_datasets_need_no_names(tmp_path):
    feature = {"feature": {"names": TAGS, "_type": "ClassLabel"}, "_type": "List"}
    info = json.dumps({"info": {"features": {"ner_tags": feature}}}).encode()
    table = pa.table({"tokens": WORDS, "ner_tags": IDS})
    table = table.replace_schema_metadata({b"huggingface": info})
    pyarrow.parquet.write_table(table, tmp_path / "in.parquet")
    folder = tmp_path / "train"
    folder.mkdir()
    with pa.ipc.new_stream(folder / "data-00000-of-00001.arrow", table.schema) as writer:
        writer.write_table(table)
    (folder / "dataset_info.json").write_text("{}")
    (folder / "state.json").write_text(
        json.dumps({"_data_files": [{"filename": "data-00000-of-00001.arrow"}]})
    )
    for path in (tmp_path / "in.parquet", folder):
        assert [entities(record) for record in read(path, "ner").records] == ENTITIES


# One topic per text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("sms.tsv", "sports\tRovers win , again\npolitics\tVote today\n"),
        ("sms.txt", "sports\tRovers win , again\npolitics\tVote today\n"),
        ("sst.tsv", "sentence\tlabel\nRovers win , again\tsports\nVote today\tpolitics\n"),
        ("semi.csv", "label;text\nsports;Rovers win , again\npolitics;Vote today\n"),
        ("semi.csv", "text;label\n\"Rovers win , again\";sports\nVote today;politics\n"),
        ("ag.csv", '"sports","Rovers win , again"\n"politics","Vote today"\n'),
        ("named.csv", 'Category,Message\nsports,"Rovers win , again"\npolitics,Vote today\n'),
        ("fast.txt", "__label__sports Rovers win , again\n__label__politics Vote today\n"),
        (
            "array.json",
            '[{"text": "Rovers win , again", "label": "sports"},\n'
            '{"text": "Vote today", "label": "politics"}]',
        ),
        (
            "cats.jsonl",
            '{"text": "Rovers win , again", "cats": {"sports": 1.0, "politics": 0.0}}\n'
            '{"text": "Vote today", "cats": {"sports": 0.0, "politics": 1.0}}\n',
        ),
        (
            "list.jsonl",
            '{"text": "Rovers win , again", "label": ["sports"]}\n'
            '{"text": "Vote today", "label": ["politics"]}\n',
        ),
    ],
)  # fmt: skip
def test_a_topic_is_read_without_a_flag(tmp_path, name, content):
    assert topics(read(written(tmp_path, name, content))) == [
        ("Rovers win , again", "sports"),
        ("Vote today", "politics"),
    ]


def test_numbers_of_topics_are_named_by_a_flag(tmp_path):
    file = written(tmp_path, "train.tsv", "sentence\tlabel\nRovers win \t1\nVote .\t0\n")
    found = topics(read(file, names=("politics", "sports")))
    assert [(text.strip(), topic) for text, topic in found] == [
        ("Rovers win", "sports"),
        ("Vote .", "politics"),
    ]


def test_a_folder_per_topic_is_read_and_texts_in_unsup_have_none(tmp_path):
    for name, text in {"sports/1": "Rovers win", "politics/1": "Vote", "unsup/1": "Hm"}.items():
        (tmp_path / name).parent.mkdir()
        written(tmp_path, name, text)
    loaded = read(tmp_path)
    assert topics(loaded) == [("Vote", "politics"), ("Rovers win", "sports"), ("Hm", None)]
    assert any("1 sentences without a label of topic" in note for note in loaded.notes)


# Several topics per text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.jsonl", '{"text": "a b", "labels": ["money", "law"]}\n{"text": "c", "labels": []}\n'),
        ("list.jsonl", '{"text": "a b", "label": ["money", "law"]}\n{"text": "c", "label": []}\n'),
        ("sep.csv", "text,label\na b,money|law\nc,\n"),
        ("flags.csv", "text,money,law,people\na b,1,1,0\nc,0,0,0\n"),
        ("flags.tsv", "text\tmoney\tlaw\tpeople\na b\t1\t1\t0\nc\t0\t0\t0\n"),
        (
            "flags.jsonl",
            '{"text": "a b", "money": 1, "law": 1, "people": 0}\n'
            '{"text": "c", "money": 0, "law": 0, "people": 0}\n',
        ),
        (
            "cats.jsonl",
            '{"text": "a b", "cats": {"money": 1.0, "law": 1.0, "people": 0.0}}\n'
            '{"text": "c", "cats": {"money": 0.0, "law": 0.0, "people": 0.0}}\n',
        ),
        (
            "array.json",
            '[{"text": "a b", "labels": ["money", "law"]}, {"text": "c", "labels": []}]',
        ),
    ],
)  # fmt: skip
def test_several_topics_are_read_without_a_flag(tmp_path, name, content):
    found = subjects(read(written(tmp_path, name, content), "subjects"))
    assert found == [("a b", {"money", "law"}), ("c", set())]


def test_several_labels_of_fasttext_are_several_topics(tmp_path):
    file = written(tmp_path, "in.txt", "__label__money __label__law a b\n__label__money c\n")
    assert subjects(read(file, "subjects")) == [
        ("a b", {"money", "law"}),
        ("c", {"money"}),
    ]
