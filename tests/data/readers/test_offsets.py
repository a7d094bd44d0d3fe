"""Entities given by offsets, in any format: checked, and converted to characters."""

import json

import numpy as np
import pytest

from tests.helpers import complaint, entities, labelled, read, written


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


# Ends that are inclusive

NAMES = [("Ann", "PER"), ("Oslo", "LOC"), ("Acme Bank", "ORG"), ("Tom Fry", "PER"), ("Rome", "LOC")]


def named(folder, less, names=NAMES, surface=False, text="{} met {}."):
    """A file with each name twice in a text, its end `less` than the place after it."""
    rows = []
    for name, label in names:
        places = [(at := len(text.partition("{}")[0]), at + len(name) - less)]
        second = len(text.partition("{}")[0] + name + text.split("{}")[1])
        places.append((second, second + len(name) - less))
        found = [
            {"start": a, "end": b, "label": label} | ({"text": name} if surface else {})
            for a, b in places
        ]
        rows.append({"text": text.format(name, name), "entities": found})
    return written(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


@pytest.mark.parametrize("surface", [False, True])
def test_ends_at_the_last_character_are_read_as_inclusive_and_the_run_says_so(surface, tmp_path):
    loaded = read(named(tmp_path, less=1, surface=surface), "ner", format="jsonl")
    assert [entities(r) for r in loaded.records] == [[pair] * 2 for pair in NAMES]
    (note,) = loaded.notes
    assert "entities from 'entities', whose ends are read as inclusive (10 of 10" in note


def test_exclusive_ends_are_read_as_they_are(tmp_path):
    loaded = read(named(tmp_path, less=0), "ner")
    assert [entities(r) for r in loaded.records] == [[pair] * 2 for pair in NAMES]
    assert "inclusive" not in loaded.notes[0]


def test_an_entity_of_one_character_has_an_inclusive_end_at_its_start(tmp_path):
    names = [*NAMES, ("X", "ORG")]
    loaded = read(named(tmp_path, less=1, names=names), "ner")
    assert entities(loaded.records[-1]) == [("X", "ORG")] * 2


@pytest.mark.parametrize(
    ("names", "text", "why"),
    [
        (NAMES[:2], "{} met {}.", "too few"),
        ([("Roms", "LOC"), ("Bonns", "LOC"), ("Olafs", "PER")], "{} Dom und {} Tor.", "a suffix"),
        (
            [("서울은", "LOC"), ("철수가", "PER"), ("한국을", "LOC")],
            "{} 좋다 {} 간다.",
            "particles",
        ),
        ([("北京人", "LOC"), ("上海的", "LOC"), ("东京都", "LOC")], "{},{}.", "no words"),
    ],
)
def test_ends_inside_words_are_kept_if_they_may_be_meant(names, text, why, tmp_path):
    loaded = read(named(tmp_path, less=1, names=names, text=text), "ner")
    assert entities(loaded.records[0])[0] == (names[0][0][:-1], names[0][1])
    assert "inclusive" not in loaded.notes[0]


def test_ends_are_exclusive_if_some_of_them_leave_no_doubt(tmp_path):
    rows = [json.loads(line) for line in named(tmp_path, less=1).read_text().splitlines()]
    for row in rows[:2]:  # in front of a space, which no entity ends with
        row["entities"][0]["end"] += 1
    file = written(tmp_path, "b.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    assert entities(read(file, "ner").records[0]) == [("Ann", "PER"), ("An", "PER")]


def test_ends_that_only_some_of_the_given_texts_find_short_are_refused(tmp_path):
    rows = [
        {"text": "Tom ran.", "entities": [{"start": 0, "end": e, "label": "PER", "text": "Tom"}]}
        for e in (2, 3, 3, 3)
    ]
    file = written(tmp_path, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    message = complaint(file, "ner", format="jsonl")
    assert "1 entities end at their last character; end is exclusive: add 1 to each" in message
