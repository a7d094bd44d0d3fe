"""Labels: label maps, offsets and tokens of any format; harmless faults are counted."""

import json

import numpy as np
import pytest

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import read_file
from mtt_jax.tasks import KINDS
from tests.helpers import complaint, entities, read, written


def labelled(folder, text, *spans):
    """A JSONL file whose second line has a text with entities."""
    rows = [
        {"text": "Rome won.", "entities": [{"start": 0, "end": 4, "label": "LOC"}]},
        {"text": text, "entities": [dict(zip(("start", "end", "label"), s, strict=True))
                                    for s in spans]},
    ]  # fmt: skip
    return written(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


# Labels


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


# Offsets


def test_offsets_are_read_back_as_they_are(tmp_path):
    rng = np.random.default_rng(0)
    pool = ["Tom", "O'Brien", "AT&amp;T", "3-2", "漢字", "é", ",", "U.S.", "😀", "Fry's"]
    for _ in range(50):
        words = [str(word) for word in rng.choice(pool, int(rng.integers(3, 12)))]
        ends = np.cumsum([len(word) + 1 for word in words])
        first, last = sorted(int(i) for i in rng.choice(len(words), 2, replace=False))
        start, end = int(ends[first]) - len(words[first]) - 1, int(ends[last]) - 1
        text = " ".join(words)
        found = read(labelled(tmp_path, text, (start, end, "PER")), "ner").records[1]
        assert found.text == text
        assert found.labels["ner"] == ((start, end, "PER"),)


def test_spaces_at_the_ends_of_an_entity_are_no_part_of_it_and_counted(tmp_path):
    file = labelled(tmp_path, "Then Tom ran.", (4, 9, "PER"))
    loaded = read(file, "ner")
    assert entities(loaded.records[1]) == [("Tom", "PER")]
    assert loaded.notes[1:] == [
        f"{file}: 1 entities with spaces at their ends, read without them (first: line 2)."
    ]


def test_entity_may_end_inside_a_word(tmp_path):
    file = labelled(tmp_path, "the Rome-based Tom's", (4, 8, "LOC"), (15, 18, "PER"))
    loaded = read(file, "ner")
    assert entities(loaded.records[1]) == [("Rome", "LOC"), ("Tom", "PER")]
    found = read(labelled(tmp_path, "오늘 서울에서", (3, 5, "LOC")), "ner").records[1]
    assert entities(found) == [("서울", "LOC")]


def test_the_same_entity_twice_is_one_and_counted(tmp_path):
    loaded = read(labelled(tmp_path, "Tom ran.", (0, 3, "PER"), (0, 3, "PER")), "ner")
    assert entities(loaded.records[1]) == [("Tom", "PER")]
    assert "1 duplicate entities" in loaded.notes[1]


@pytest.mark.parametrize(("start", "end"), [(-1, 3), (5, 9), (8, 9), (3, 3), (0, 100)])
def test_offsets_outside_the_text_are_reported(start, end, tmp_path):
    file = labelled(tmp_path, "Tom ran.", (start, end, "PER"))
    message = complaint(file, "ner")
    assert f"{file}, line 2: entity PER at {start}:{end} is outside the text" in message
    assert "which has 8 characters" in message
    assert "offsets count characters from 0, and end is exclusive" in message


def test_swapped_offsets_are_reported(tmp_path):
    file = labelled(tmp_path, "Tom ran.", (3, 0, "PER"))
    assert f"{file}, line 2: entity PER at 3:0 ends before it begins" in complaint(file, "ner")


def test_an_entity_whose_text_is_not_the_one_at_its_offsets_is_counted(tmp_path):
    rows = [
        {"text": "Tom ran.", "entities": [{"start": 0, "end": 3, "label": "PER", "text": name}]}
        for name in ("Tom", " Tom ", "Ann")
    ]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    (note,) = (note for note in read(file, "ner").notes if "offsets" in note and "read by" in note)
    assert "1 entities whose text is not the one at their offsets" in note
    assert "(first: line 3)" in note


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


def test_entity_without_a_word_is_reported(tmp_path):
    file = labelled(tmp_path, "Tom ran", (3, 4, "PER"))
    assert f"{file}, line 2: entity PER at 3:4 covers no word; remove it" in complaint(file, "ner")


# Offsets that count something else

EMOJI = ["😀 Tom met Ann in Rome.", "Rome 🏆🏆 won, Zoë said.", "In 漢字 😀 Ann ran."]


def counted(folder, size):
    """A file with the entities of `EMOJI` in units of which each character has `size`."""
    rows = []
    for text in EMOJI:
        spans = []
        for name, label in (("Tom", "PER"), ("Ann", "PER"), ("Rome", "LOC"), ("Zoë", "PER")):
            at = text.find(name)
            if at >= 0:
                start = sum(map(size, text[:at]))
                spans.append({"start": start, "end": start + sum(map(size, name)), "label": label})
        rows.append({"text": text, "entities": spans})
    return written(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


SIZES = {
    "utf-16": lambda character: len(character.encode("utf-16-le")) // 2,
    "bytes": lambda character: len(character.encode()),
}


@pytest.mark.parametrize("unit", SIZES)
def test_offsets_in_other_units_are_recognized_and_converted_only_when_told(unit, tmp_path):
    file = counted(tmp_path, SIZES[unit])
    message = complaint(file, "ner")
    assert f"{file}, line 1: the offsets of entities seem to count" in message
    assert f"--config.data.ner.offsets={unit}" in message
    found = [entities(record) for record in read(file, "ner", offsets=unit).records]
    assert found == [
        [("Tom", "PER"), ("Ann", "PER"), ("Rome", "LOC")],
        [("Rome", "LOC"), ("Zoë", "PER")],
        [("Ann", "PER")],
    ]


def test_offsets_in_bytes_are_recognized_where_no_character_has_two_utf16_units(tmp_path):
    file = labelled(tmp_path, "In Köln lebt Anna gern", (14, 18, "PER"))
    assert "--config.data.ner.offsets=bytes" in complaint(file, "ner")
    (_, record) = read(file, "ner", offsets="bytes").records
    assert entities(record) == [("Anna", "PER")]


@pytest.mark.parametrize("text", [{}, {"text": "Tom left Acme"}])
def test_entities_by_the_numbers_of_words_are_not_taken_for_characters(text, tmp_path):
    row = {"tokens": ["Tom", "left", "Acme"], **text}
    for spans in ([[0, 1, "PER"], [2, 3, "ORG"]], [[0, 0, "PER"], [2, 2, "ORG"]]):
        file = written(tmp_path, "a.jsonl", json.dumps({**row, "entities": spans}) + "\n")
        message = complaint(file, "ner")
        assert "line 1: entities seem to be given by the numbers of words" in message
    file = written(tmp_path, "a.jsonl", json.dumps({**row, "entities": [[9, 13, "ORG"]]}) + "\n")
    assert entities(read(file, "ner").records[0]) == [("Acme", "ORG")]


def test_a_list_with_other_than_one_item_per_word_is_not_that_of_the_tags(tmp_path):
    row = {"tokens": ["Tom", "ran"], "ner_tags": ["B-PER", "O"], "spans": ["PER: Tom"]}
    file = written(tmp_path, "a.jsonl", json.dumps(row) + "\n")
    assert entities(read(file, "ner").records[0]) == [("Tom", "PER")]


def test_entities_may_be_an_object_of_lists(tmp_path):
    found = {"start": [0, 8], "end": [3, 12], "label": ["PER", "ORG"]}
    rows = [{"text": "Tom met Acme.", "entities": found}]
    rows.append({"text": "No.", "entities": {"start": [], "end": [], "label": []}})
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    first, second = read(file, "ner").records
    assert entities(first) == [("Tom", "PER"), ("Acme", "ORG")]
    assert entities(second) == []


def test_the_type_of_an_entity_is_not_its_text(tmp_path):
    found = {"start": 0, "end": 3, "entity": "Tom", "entity_type": "PER"}
    file = written(tmp_path, "a.jsonl", json.dumps({"text": "Tom ran.", "entities": [found]}))
    assert entities(read(file, "ner").records[0]) == [("Tom", "PER")]


def test_an_empty_list_is_a_text_without_a_class(tmp_path):
    rows = [{"text": "Tom ran.", "label": ["sports"]}, {"text": "Ann ran.", "label": []}]
    loaded = read(
        written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows)), "topic"
    )
    assert [record.labels for record in loaded.records] == [{"topic": "sports"}, {}]
    assert "1 sentences without a label of topic (first: line 2)." in loaded.notes[1]


def test_offsets_in_characters_are_not_taken_for_anything_else(tmp_path):
    file = counted(tmp_path, lambda character: 1)
    assert len(read(file, "ner").records) == 3
    # An edge inside a word is no sign of another unit if the other unit fits no better.
    assert read(labelled(tmp_path, "😀 Romebased", (2, 6, "LOC")), "ner").records
    assert read(labelled(tmp_path, "오늘 서울에서", (3, 5, "LOC")), "ner").records


def test_offset_inside_of_a_character_is_reported(tmp_path):
    file = labelled(tmp_path, "é ran", (1, 3, "PER"))
    assert "line 2: entity PER at 1:3 is outside the text" in complaint(
        file, "ner", offsets="bytes"
    )


def test_ends_at_the_last_character_are_recognized_by_the_text_that_is_given(tmp_path):
    row = {"text": "Tom ran.", "entities": [{"start": 0, "end": 2, "label": "PER", "text": "Tom"}]}
    message = complaint(written(tmp_path, "a.jsonl", json.dumps(row)), "ner", format="jsonl")
    assert "end is exclusive: add 1 to each" in message


# Empty texts


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


def test_a_token_without_a_tag_is_reported_for_entities(tmp_path):
    file = written(tmp_path, "a.conll", "Tom\tB-PER\nran\t\n\nAnn\tB-PER\n")
    assert f"{file}, line 2: the token 'ran' has no tag; write O." in complaint(file, "ner")
