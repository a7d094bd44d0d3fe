"""Labels: label maps, offsets and tokens of any format; harmless faults are counted."""

import json

import numpy as np
import pytest

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.readers import read_file
from mtt_jax.errors import UserError
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


# Tags


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


def read_unnamed(file, kind="entities", **fields):
    """The records of a task whose labels are those of the file."""
    flag = "--config.data.x.train"
    return read_file(str(file), KINDS[kind]("x", ()), DataConfig(), TaskDataConfig(**fields), flag)


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


# Values


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


@pytest.mark.parametrize("labels", [(), ("a", "b", "c")])
def test_classes_that_an_object_leaves_out_do_not_apply(labels, tmp_path):
    rows = [{"a": 1.0, "b": 0.0}, {"b": 1.0}, {"c": 1.0, "a": 1.0}]
    lines = [json.dumps({"text": f"t {i}", "cats": cats}) for i, cats in enumerate(rows)]
    file = written(tmp_path, "a.jsonl", "\n".join(lines))
    task = KINDS["multilabel"]("x", labels)
    loaded = read_file(str(file), task, DataConfig(), TaskDataConfig(), "--x")
    assert [set(r.labels["x"]) for r in loaded.records] == [{"a"}, {"b"}, {"a", "c"}]


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
