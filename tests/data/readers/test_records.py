"""Records: encodings, labels and offsets are checked; harmless faults are counted."""

import json

import numpy as np
import pytest

from mtt_jax.data.words import split_words
from tests.helpers import complaint, entities, read, word_texts, written


def labelled(folder, text, *spans):
    """A JSONL file whose second line has a text with entities."""
    rows = [
        {"text": "Rome won.", "entities": [{"start": 0, "end": 4, "label": "LOC"}]},
        {"text": text, "entities": [dict(zip(("start", "end", "label"), s, strict=True))
                                    for s in spans]},
    ]  # fmt: skip
    return written(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


# Encodings


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_file_is_read_in_the_encoding_of_the_config(encoding, tmp_path):
    file = written(tmp_path, "a.csv", "Zoë ran,sports\nJürgen rücks,others\n", encoding)
    records = read(file, encoding=encoding, text="1", label="2").records
    assert [(r.text, r.labels["topic"]) for r in records] == [
        ("Zoë ran", "sports"),
        ("Jürgen rücks", "others"),
    ]


def test_byte_order_mark_is_not_part_of_the_first_column_name(tmp_path):
    file = written(tmp_path, "a.csv", "text,label\nTom ran,sports\n", "utf-8-sig")
    assert read(file, header=True).records[0].text == "Tom ran"


@pytest.mark.parametrize(
    ("name", "task", "good", "bad"),
    [
        ("a.csv", "topic", "Tom ran,sports\n", "Zoë ran,sports\n"),
        ("a.tsv", "topic", "Tom ran\tsports\n", "Zoë ran\tsports\n"),
        ("a.jsonl", "ner", '{"text": "Tom ran"}\n', '{"text": "Zoë ran"}\n'),
        ("a.conll", "ner", "Tom B-PER\n", "Zoë B-PER\n"),
    ],
)
def test_bytes_of_another_encoding_are_reported_with_line_and_remedy(
    name, task, good, bad, tmp_path
):
    file = written(tmp_path, name, good + bad, "latin-1")
    fields = {"text": "1", "label": "2"} if task == "topic" else {}
    message = complaint(file, task, **fields)
    byte = bad.index("ë") + 1
    assert f"{file}, line 2: byte {byte} is not utf-8" in message
    assert "--config.data.encoding=latin-1" in message


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be"])
def test_utf_16_is_recognized_by_its_byte_order_mark(encoding, tmp_path):
    mark = "" if encoding == "utf-16" else "\ufeff"
    file = written(tmp_path, "a.csv", mark + "Tom ran,sports\n", encoding)
    message = complaint(file, text="1", label="2")
    assert f"{file}: is encoded in UTF-16; set --config.data.encoding=utf-16." in message


def test_file_that_is_not_utf_16_is_reported(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\n")
    message = complaint(file, encoding="utf-16", text="1", label="2")
    assert f"{file}: not utf-16" in message
    assert "--config.data.encoding" in message


def test_unknown_encoding_is_refused(tmp_path):
    message = complaint(written(tmp_path, "a.csv", "Tom ran,sports\n"), encoding="utf8000")
    assert "config.data.encoding: unknown encoding 'utf8000'" in message


# Labels


def test_label_map_renames_labels_and_known_labels_need_no_entry(tmp_path):
    file = written(tmp_path, "a.csv", "Tom,World\nAnn,sports\nBen,Sci/Tech\n")
    fields = {"text": "1", "label": "2", "label_map": {"World": "politics", "Sci/Tech": "others"}}
    records = read(file, **fields).records
    assert [r.labels["topic"] for r in records] == ["politics", "sports", "others"]


def test_label_map_to_an_unknown_label_is_reported_with_the_line_that_uses_it(tmp_path):
    file = written(tmp_path, "a.csv", "Tom,sports\nAnn,World\n")
    message = complaint(file, text="1", label="2", label_map={"World": "politic"})
    assert f"{file}, line 2: label 'World' is not a label of task 'topic'" in message
    assert "(sports, politics, others)" in message


@pytest.mark.parametrize(("label", "near"), [("Per", "PER"), ("LOCA", "LOC"), ("MICS", "MISC")])
def test_unknown_entity_type_is_reported_with_the_nearest_known_one(label, near, tmp_path):
    file = labelled(tmp_path, "Tom ran.", (0, 3, label))
    message = complaint(file, "ner")
    assert f"{file}, line 2: tag {label!r} is not a label of task 'ner'" in message
    assert f"Did you mean '{near}'?" in message
    assert "Other labels can be mapped with --config.data.ner.label_map='NAME=LABEL'" in message


def test_entity_type_mapped_to_o_is_dropped(tmp_path):
    file = labelled(tmp_path, "Tom ran 5 miles.", (0, 3, "PERSON"), (8, 9, "NUMBER"))
    found = read(file, "ner", label_map={"PERSON": "PER", "NUMBER": "O"}).records[1]
    assert entities(found) == [("Tom", "PER")]


# Offsets


def test_offsets_of_any_words_are_read_back_as_entities(tmp_path):
    rng = np.random.default_rng(0)
    pool = ["Tom", "O'Brien", "AT&T", "3-2", "漢字", "é", ",", "U.S.", "ran", "Fry's"]
    for _ in range(200):
        text = " ".join(rng.choice(pool, int(rng.integers(3, 12))))
        words = split_words(text)
        edges = np.sort(rng.choice(len(words) + 1, 4, replace=False)).reshape(2, 2)
        spans = [(words[a][0], words[b - 1][1], "PER") for a, b in edges.tolist()]
        found = read(labelled(tmp_path, text, *spans), "ner").records[1]
        assert entities(found) == [(text[start:end], "PER") for start, end, _ in spans]


def test_offsets_are_moved_with_the_text_that_cleaning_changes(tmp_path):
    text = "<b>AT&amp;T</b>  said   Zoë #39;s Tom\nFry left"
    spans = [(text.index(name), text.index(name) + len(name), label) for name, label in
             [("AT&amp;T", "ORG"), ("Zoë", "PER"), ("Tom\nFry", "PER")]]  # fmt: skip
    found = read(labelled(tmp_path, text, *spans), "ner").records[1]
    assert found.text == "AT&T said Zoë's Tom Fry left"
    assert entities(found) == [("AT&T", "ORG"), ("Zoë", "PER"), ("Tom Fry", "PER")]


def test_without_cleaning_text_and_offsets_stay_as_they_are(tmp_path):
    text = "AT&amp;T  rose"
    found = read(labelled(tmp_path, text, (10, 14, "MISC")), "ner", clean=False).records[1]
    assert found.text == text
    assert entities(found) == [("rose", "MISC")]


def test_spaces_around_an_entity_are_not_part_of_it(tmp_path):
    found = read(labelled(tmp_path, "Then Tom ran.", (4, 9, "PER")), "ner").records[1]
    assert entities(found) == [("Tom", "PER")]


def test_entity_may_end_at_a_hyphen_which_cuts_the_word_and_is_counted(tmp_path):
    file = labelled(tmp_path, "the Rome-based Tom", (4, 8, "LOC"), (15, 18, "PER"))
    loaded = read(file, "ner")
    assert word_texts(loaded.records[1]) == ["the", "Rome", "-based", "Tom"]
    assert entities(loaded.records[1]) == [("Rome", "LOC"), ("Tom", "PER")]
    (note,) = loaded.notes
    assert note.startswith(f"{file}: 1 sentences with entities that end inside a word")
    assert "(first: line 2)" in note


def test_entity_may_end_anywhere_in_a_script_without_spaces(tmp_path):
    found = read(labelled(tmp_path, "東京都は", (0, 2, "LOC")), "ner").records[1]
    assert entities(found) == [("東京", "LOC")]


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (5, 9), (8, 9), (3, 3), (4, 3), (0, 100)])
def test_offsets_outside_the_text_are_reported(start, end, tmp_path):
    file = labelled(tmp_path, "Tom ran.", (start, end, "PER"))
    message = complaint(file, "ner")
    assert f"{file}, line 2: entity PER at {start}:{end} is outside the text" in message
    assert "which has 8 characters" in message
    assert "offsets count characters from 0, and end is exclusive" in message


@pytest.mark.parametrize(("start", "end"), [(1, 3), (0, 2), (4, 6), (5, 7)])
def test_offsets_that_cut_a_word_in_two_are_reported(start, end, tmp_path):
    file = labelled(tmp_path, "Tom ran.", (start, end, "PER"))
    message = complaint(file, "ner")
    assert f"{file}, line 2: entity PER at {start}:{end}" in message
    assert repr("Tom ran."[start:end]) in message
    assert "cuts a word in two" in message
    assert "offsets count characters from 0 (not bytes)" in message


def test_offsets_in_bytes_are_detected(tmp_path):
    file = labelled(tmp_path, "Zoë Äär met Tom there.", (15, 18, "PER"))
    message = complaint(file, "ner")
    assert f"{file}, line 2" in message
    assert "(not bytes)" in message


@pytest.mark.parametrize("other", [(0, 7), (4, 7), (0, 3), (4, 11)])
def test_overlapping_entities_are_both_reported(other, tmp_path):
    file = labelled(tmp_path, "Tom Fry ran.", (0, 7, "PER"), (*other, "ORG"))
    message = complaint(file, "ner")
    assert f"{file}, line 2: entity" in message
    assert "PER at 0:7" in message
    assert f"ORG at {other[0]}:{other[1]}" in message
    assert "overlaps" in message
    assert "keep one of them" in message


def test_adjacent_entities_do_not_overlap(tmp_path):
    found = read(labelled(tmp_path, "Tom Fry", (0, 3, "PER"), (3, 7, "ORG")), "ner").records[1]
    assert entities(found) == [("Tom", "PER"), ("Fry", "ORG")]


@pytest.mark.parametrize(("text", "start", "end"), [("Tom ran", 3, 4), ("Tom <b> ran", 4, 7)])
def test_entity_without_a_word_is_reported(text, start, end, tmp_path):
    file = labelled(tmp_path, text, (start, end, "PER"))
    assert f"{file}, line 2: entity PER covers no word; remove it" in complaint(file, "ner")


# Empty texts


@pytest.mark.parametrize("task", ["topic", "ner"])
def test_empty_texts_are_left_out_and_counted(task, tmp_path):
    texts = ["Tom ran", "", " \n ", "<br>&nbsp;", "Ann ran"]
    rows = [{"text": text, "label": "sports", "entities": []} for text in texts]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    loaded = read(file, task)
    assert [r.text for r in loaded.records] == ["Tom ran", "Ann ran"]
    assert loaded.notes == [f"{file}: 3 empty texts, left out (first: line 2)."]


def test_file_with_only_empty_texts_is_refused(tmp_path):
    file = written(tmp_path, "a.jsonl", '{"text": " "}\n')
    message = complaint(file)
    assert f"{file} contains no sentence" in message
    assert "--config.data.topic.train" in message
