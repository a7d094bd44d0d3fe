"""The check of records: every finding, with where it is and what to do."""

import pytest

from mtt_jax.config import default_config
from mtt_jax.data import check
from mtt_jax.data.check import ERROR, WARNING, Finding, inspect, measure, merged, plain, summary
from mtt_jax.data.encode import Reading, encode_records
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.tasks import Classes, Entities, Multilabel
from mtt_jax.types import Record, Span

TOPIC = Classes("topic", ("sports", "politics", "others"))
NER = Entities("ner", ("O", "PER", "LOC"))


def topics(file, *labels, text="{} is about news of day {} in Rome"):
    """Records of a file with some labels, each with a text of its own."""
    return [
        Record(text.format(label, f"{file} {n}"), {"topic": label}, f"{file}, line {n}")
        for n, label in enumerate(labels, 1)
    ]


def record(text, place="", **labels):
    return Record(text, labels, place)


def splits(train=(), dev=(), test=()):
    return {"train": list(train), "dev": list(dev), "test": list(test)}


THREE = ("sports", "politics", "others")
GOOD = splits(*(topics(f"{name}.csv", *THREE * 20) for name in ("train", "dev", "test")))


def named(records, name, tasks=(TOPIC,)):
    """The only finding with a name."""
    (found,) = (finding for finding in inspect(records, tasks) if finding.name == name)
    return found


def names(records, tasks=(TOPIC,)):
    return [finding.name for finding in inspect(records, tasks)]


# What every run prints


def test_clean_data_have_no_findings():
    assert inspect(GOOD, (TOPIC,)) == []


def test_the_summary_is_a_line_per_task_and_split_that_has_labels():
    records = splits(
        [*topics("a", "sports", "sports", "others"), record("Tom ran", ner=(Span(0, 3, "PER"),))],
        [record("it rains", ner=())],
    )
    assert summary(records, (TOPIC, NER)) == [
        "topic: 3 train sentences: sports 2, others 1.",
        "ner: 1 train sentence: PER 1.",
        "ner: 1 dev sentence: no label.",
    ]


def test_the_summary_names_the_most_frequent_of_many_labels():
    labels = [str(n) for n in range(20)]
    (line,) = summary(splits(topics("a", *labels, "7")), (Classes("topic", tuple(labels)),))
    assert line.startswith("topic: 21 train sentences: 7 2, 0 1, ")
    assert line.endswith(", 8 more labels.")


def test_counts_are_by_task_split_and_label():
    assert check.counts(splits(topics("a", "sports", "sports")), (TOPIC, NER)) == {
        "topic": {"train": {"sports": 2}},
        "ner": {},
    }


def test_a_finding_on_one_line_says_where_it_is_first():
    finding = Finding(ERROR, "n", "topic", "dev", "topic: wrong.", ("a.csv, line 3", "b"))
    assert finding.line() == "topic: wrong. First: a.csv, line 3."
    assert finding._replace(places=()).line() == "topic: wrong."
    assert finding._replace(text="at a.csv, line 3.").line() == "at a.csv, line 3."
    assert finding.as_json()["places"] == ["a.csv, line 3", "b"]


def test_findings_are_sorted_by_severity_and_those_of_several_tasks_are_told_once():
    one = Finding(WARNING, "duplicates", "topic", "dev", "topic: 1 copy.", ("a, line 1",))
    other = one._replace(task="ner", text="ner: 1 copy.")
    error = one._replace(severity=ERROR, name="no labels")
    assert merged([one, error, other, other]) == [
        error, one._replace(task="topic, ner", text="topic, ner: 1 copy.")
    ]  # fmt: skip


def test_numbers_come_with_the_right_noun():
    assert check.number(1, "text is", "texts are") == "1 text is"
    assert check.number(1200, "text is", "texts are", "dev") == "1,200 dev texts are"


# Labels


def test_a_split_without_any_entity_is_an_error_in_train_and_dev():
    some = [record(f"Tom ran {n}", "a.conll, line 1", ner=(Span(0, 3, "PER"),)) for n in range(60)]
    none = [record(f"it rains {n}", "b.conll, line 1", ner=()) for n in range(60)]
    found = named(splits(some, none), "no labels", (NER,))
    assert found[:4] == (ERROR, "no labels", "ner", "dev")
    assert found.text.startswith("ner: none of 60 dev sentences has an entity; its score chooses")
    assert "--config.data.ner.dev" in found.text
    assert found.places == ("b.conll",)
    assert named(splits(none, some), "no labels", (NER,)).severity == ERROR
    assert named(splits(some, some[:0], none), "no labels", (NER,)).severity == WARNING


def test_a_split_with_one_label_alone_is_an_error():
    records = GOOD | {"dev": topics("dev.csv", *["sports"] * 60)}
    found = named(records, "one label")
    assert found[:4] == (ERROR, "one label", "topic", "dev")
    assert "all dev labels are 'sports'" in found.text
    assert names(records) == ["one label"], "and that the others are absent is not told as well"


def test_a_label_that_dev_lacks_is_a_warning():
    found = named(GOOD | {"dev": topics("dev.csv", *THREE[:2] * 30)}, "absent label")
    assert found[:4] == (WARNING, "absent label", "topic", "dev")
    assert "dev has no 'others', which train has" in found.text


def test_a_label_that_train_lacks_is_an_error_with_its_places():
    test = topics("test.csv", *THREE * 20, "weather")
    found = named(GOOD | {"test": test}, "label that train lacks")
    assert found[:4] == (ERROR, "label that train lacks", "topic", "test")
    assert "test has 'weather', which train lacks" in found.text
    assert "--config.data.topic.label_map" in found.text
    assert found.places == ("test.csv, line 61",)


def test_a_label_that_no_sentence_has_is_a_warning():
    task = Classes("topic", (*THREE, "weather"))
    found = named(GOOD, "label without examples", (task,))
    assert "no sentence has 'weather', which --config.tasks.topic.labels names" in found.text


def test_rare_labels_of_train_are_listed_unless_all_are_rare():
    train = topics("train.csv", *THREE * 20, "weather")
    records = splits(train)
    found = named(records, "rare label")
    assert "fewer than 10 examples of 'weather'" in found.text
    assert found.places == ("train.csv, line 61",)
    assert "rare label" not in names(splits(topics("a", *THREE * 3)))


def test_a_rare_label_that_is_nearly_a_frequent_one_may_be_a_slip():
    found = named(splits(topics("train.csv", *THREE * 20, "weather", "sprots")), "rare label")
    assert "Is 'sprots' a slip for 'sports'? Add some" in found.text


def test_that_dev_lacks_a_rare_label_is_not_told():
    records = GOOD | {"train": topics("train.csv", *THREE * 20, "weather")}
    assert names(records) == ["rare label"]


def test_a_small_dev_split_is_a_warning():
    found = named(GOOD | {"dev": topics("dev.csv", *THREE)}, "small split")
    assert "dev has only 3 labeled sentences" in found.text


def test_a_dominant_class_is_a_warning():
    found = named(splits(topics("train.csv", *["sports"] * 97, *THREE)), "dominant label")
    assert "98% of the train sentences are 'sports'" in found.text
    assert "--config.tasks.topic.class_sampling=over" in found.text


@pytest.mark.parametrize(
    ("one", "other"),
    [("Sports", "sports"), ("big news", "Big  news"), ("Sci/Tech", "sci-tech"), ("a b", "A_B")],
)
def test_labels_that_differ_in_spelling_alone_are_an_error(one, other):
    task = Classes("topic", (one, "x", other))
    found = named(splits(topics("a.csv", *[one] * 60, *["x"] * 60, other)), *SPELLING, (task,))
    assert found.severity == ERROR
    assert "--config.data.topic.label_map=" in found.text
    assert f"{other}={one}" in found.text
    assert found.places == ("a.csv, line 121",)


SPELLING = ("one label in several spellings",)


@pytest.mark.parametrize("labels", [("C", "C++", "C#"), ("A+", "A-"), ("1.0", "10"), ("''", "``")])
def test_labels_whose_signs_matter_are_not_spellings_of_one(labels):
    records = splits(topics("a.csv", *labels * 30))
    assert names(records, (Classes("topic", labels),)) == []


def test_a_label_in_another_spelling_is_not_told_again_as_rare_or_unknown():
    records = GOOD | {"test": topics("test.csv", *THREE * 20, "Sports")}
    assert names(records) == [*SPELLING]


@pytest.mark.parametrize(
    ("label", "text", "line"),
    [("label", "title text", 40), ("Category", "a", 1), ("Klasse", "Titel", 1), ("topic", "x", 2)],
)
def test_names_of_columns_among_the_rows_are_an_error(label, text, line):
    header = record(text, f"test.csv, line {line}", topic=label)
    records = GOOD | {"test": [*GOOD["test"], header]}
    found = named(records, "header as data")
    assert found.severity == ERROR
    assert "--config.data.topic.header=true" in found.text
    assert found.places == (header.place,)
    assert names(records) == ["header as data"]


def test_names_of_columns_above_words_are_an_error():
    header = record("token tom", "a.conll, line 1", ner=(Span(0, 5, "ner_tag"),))
    rest = [record(f"Tom {n}", f"a, line {n}", ner=(Span(0, 3, "PER"), Span(4, 5, "LOC")))
            for n in range(9)]  # fmt: skip
    found = named(splits([header, *rest]), "header as data", (NER,))
    assert found.text.endswith("seems to hold the names of the columns; delete it.")
    assert found.places == ("a.conll, line 1",)


def test_a_class_that_is_called_topic_is_no_header_if_it_is_frequent():
    labels = ("topic", "label", "other")
    records = splits(topics("a.csv", *labels * 20))
    assert names(records, (Classes("topic", labels),)) == []


def test_labels_of_sets_are_counted_one_by_one():
    task = Multilabel("topic", THREE)
    sets = [record(f"text {n}", f"a, line {n}", topic=THREE[: n % 3]) for n in range(60)]
    assert check.counts(splits(sets), (task,)) == {
        "topic": {"train": {"sports": 40, "politics": 20}}
    }
    assert names(splits(sets), (task,)) == ["label without examples"]


# Duplicates


def test_texts_are_compared_without_case_spaces_and_composition():
    assert plain(" A  B\n") == plain("a b")
    assert plain("cafe\u0301") == plain("CAFÉ") == plain("café")
    assert plain("ab") != plain("a b")


def copies(*pairs, place="train.csv"):
    return [record(text, f"{place}, line {n}", topic=y) for n, (text, y) in enumerate(pairs, 500)]


def test_a_text_that_occurs_twice_is_counted_once():
    again = copies(("Rome Wins", "sports"), ("rome  wins", "sports"))
    records = GOOD | {"train": [*GOOD["train"], *again]}
    found = named(records, "duplicates")
    assert found.text == "topic: 1 train text repeats an earlier one; remove the copies."
    assert found.places == ("train.csv, line 501",)
    assert names(records) == ["duplicates"]


def test_a_text_with_two_labels_is_a_conflict_and_not_also_a_duplicate():
    again = copies(("Rome wins", "sports"), ("Rome wins", "others"), ("Rome wins", "sports"))
    records = GOOD | {"train": [*GOOD["train"], *again]}
    found = named(records, "conflicting duplicates")
    assert found.text == (
        "topic: 1 text occurs with different labels (train.csv, line 500 and train.csv, line 501); "
        "keep the right one."
    )
    assert len(found.places) == 3
    assert names(records) == ["conflicting duplicates"]


def test_several_conflicts_are_counted_with_the_first_as_an_example():
    pairs = [(text, label) for text in ("Rome wins", "Oslo wins") for label in THREE[:2]]
    records = GOOD | {"train": [*GOOD["train"], *copies(*pairs)]}
    found = named(records, "conflicting duplicates")
    assert found.text.startswith("topic: 2 texts occur with different labels (such as train.csv, ")


def test_entities_conflict_by_what_they_cover_and_not_by_where_it_is():
    one = record("Tom ran", ner=(Span(0, 3, "PER"),))
    spaced = record("Tom  ran", ner=(Span(0, 3, "PER"),))
    moved = record(" Tom ran", ner=(Span(1, 4, "PER"),))
    other = record("tom ran", ner=())
    assert "conflicting duplicates" not in names(splits([one, spaced, moved]), (NER,))
    assert "conflicting duplicates" in names(splits([one, other]), (NER,))


def test_a_test_text_that_is_in_train_is_a_warning_and_an_error_if_most_are():
    shared = GOOD["train"][0]
    shared = shared._replace(text=shared.text.upper(), place="test.csv, line 61")
    found = named(GOOD | {"test": [*GOOD["test"], shared]}, "train text")
    assert found.severity == WARNING
    assert found.text.startswith("topic: 1 of 61 test sentences is also in train, which makes")
    assert found.places == ("test.csv, line 61",)
    assert named(GOOD | {"test": GOOD["train"]}, "train text").severity == ERROR


def test_a_test_text_that_is_in_dev_is_told_unless_it_is_in_train_too():
    shared = [GOOD["dev"][0], GOOD["train"][1]]
    dev = [*GOOD["dev"], GOOD["train"][1]]
    found = inspect(GOOD | {"dev": dev, "test": [*GOOD["test"], *shared]}, (TOPIC,))
    counted = [(f.name, f.split, f.text.split()[1]) for f in found]
    assert counted == [
        ("train text", "dev", "1"), ("train text", "test", "1"), ("dev text", "test", "1")
    ]  # fmt: skip


def test_texts_of_another_task_do_not_count_as_copies():
    text = "Tom ran home"
    records = splits([record(text, topic="sports")], [record(text, ner=())])
    assert not {"train text", "duplicates"} & set(names(records, (TOPIC, NER)))


# Texts


def misread(text):
    """UTF-8 read as Windows-1252, with control characters for the bytes that it lacks."""
    bytes_ = (bytes([byte]) for byte in text.encode())
    return "".join(
        b.decode("cp1252" if b not in b"\x81\x8d\x8f\x90\x9d" else "latin-1") for b in bytes_
    )


@pytest.mark.parametrize(
    "text",
    ["caf\u00c3\u00a9", "it\u00e2\u20ac\u2122s", "Ren\ufffd", "\u00ef\u00bb\u00bfRome"]
    + [misread(good) for good in ("größer", "Привет", "Αθήνα", "東京都")],
)  # fmt: skip
def test_text_that_was_read_in_a_wrong_encoding_is_noticed(text):
    found = named(splits([record(text, "a.csv, line 1")]), "misread characters")
    assert found.text.startswith("train: 1 text looks as if it had been read in a wrong encoding")
    assert found.places == ("a.csv, line 1",)


@pytest.mark.parametrize(
    "text",
    [
        "São Paulo",
        "SÃO PAULO",
        "«voilà», dit-il",
        "LIBERTÉ»",
        "Ö–Ü",
        "Привет",
        "東京",
        "ÑANDÚ",
        "Â.",
    ],
)
def test_letters_with_accents_are_no_sign_of_a_wrong_encoding(text):
    assert names(splits([record(text)])) == []


def test_control_characters_are_noticed_and_line_ends_are_not():
    found = named(splits([record("a\x08b", "a, line 1"), record("a\tb\r\n\x85c\x0c")]), *CONTROL)
    assert found.text.startswith("train: 1 text contains control characters, which no one sees")
    assert found.places == ("a, line 1",)


CONTROL = ("control characters",)


def test_an_overlong_text_is_noticed_with_its_length():
    records = splits([*GOOD["train"] * 4, record("word " * 400, "train.csv, line 9")])
    found = named(records, "overlong text")
    assert found.text.startswith("train: 1 text is more than 3 times as long as 99 of 100 others,")
    assert "2,000 characters" in found.text
    assert found.places == ("train.csv, line 9",)


def test_rows_that_a_quote_has_swallowed_are_an_error():
    inside = record("The end\nsports,Rome wins\nothers,it rains", "a.csv, line 4", topic="others")
    poem = record("The end\nSports, of all things,\nothers too", topic="others")
    found = named(splits([inside, poem]), "rows inside a text")
    assert found.severity == ERROR
    assert found.places == ("a.csv, line 4",)


# What the tokenizer shows


@pytest.fixture(scope="module")
def tokenizer():
    texts = ["Tom ran to Rome on Monday", "Ann ran home", "Привет Рим", "12 : 30"]
    fields = default_config().tokenizer
    fields.vocab_size = 200
    return train_tokenizer(texts * 3, fields)


def measured(records, tokenizer, max_length=30, tasks=(NER,)):
    encoded = {
        s: encode_records(part, tokenizer, tasks, Reading(True)) for s, part in records.items()
    }
    return measure(records, encoded, tokenizer, max_length)


def test_lengths_and_shares_are_measured_per_split(tokenizer):
    figures, found = measured(splits([record("Tom ran"), record("Ann " * 9)]), tokenizer, 9)
    assert list(figures) == ["train"]
    assert figures["train"] == {
        "sentences": 2, "subwords_mean": 7.5, "subwords_max": 11, "cut_share": 0.5,
        "unknown_share": 0.0,
    }  # fmt: skip
    assert found == [], "no task has labels"


def test_a_task_of_whose_sentences_many_are_cut_is_told(tokenizer):
    long = [record("Ann " * 9, "a, line 1", ner=()), record("Tom ran", ner=())]
    _, (found,) = measured(splits(long), tokenizer, 9)
    assert found[:4] == (WARNING, "cut sentences", "ner", "train")
    assert "50% of the train sentences are longer than 9 subwords" in found.text
    assert "--config.data.max_length" in found.text
    assert found.places == ("a, line 1",)


def test_a_text_in_another_script_is_noticed_though_the_tokenizer_knows_it(tokenizer):
    rest = [record(f"Tom ran {n} miles") for n in range(99)]
    _, (found,) = measured(splits([*rest, record("Привет Рим", "a, line 7")]), tokenizer)
    assert found[:4] == (WARNING, "another script", "", "train")
    assert found.text.startswith("train: 1 text is in another script than the rest, such as 'При")
    assert found.places == ("a, line 7",)


def test_texts_in_two_scripts_are_no_finding(tokenizer):
    rest = [record("Tom ran"), record("Привет Рим"), record("12 : 30")] * 10
    assert measured(splits(rest), tokenizer)[1] == []


def test_a_text_that_the_tokenizer_does_not_know_is_noticed(tokenizer):
    rest = [record("Tom ran") for _ in range(20)]
    _, (found,) = measured(
        splits(rest, [record("Tom ran", "b"), record("☂☃☄", "b, line 3")]), tokenizer
    )
    assert found[:4] == (WARNING, "unknown characters", "", "dev")
    assert found.places == ("b, line 3",)


@pytest.mark.parametrize(
    ("text", "script"),
    [("Rome", "LATIN"), ("Zürich", "LATIN"), ("12:30", ""), ("Рим 1a", "CYRILLIC"),
     ("東京へ", "CJK"), ("カタカナ", "CJK"), ("สวัสดี", "THAI")],
)  # fmt: skip
def test_the_script_of_a_text_is_that_of_most_letters(text, script):
    assert check.script_of(text) == script


def test_labels_that_end_inside_a_word_are_counted(tokenizer):
    spans = (Span(0, 2, "PER"), Span(11, 14, "LOC"))
    records = splits([record("Tom ran to Rome", "a, line 3", ner=spans), record("Ann", ner=())])
    _, (found,) = measured(records, tokenizer)
    assert found[:4] == (WARNING, "label inside a word", "ner", "train")
    assert found.text.startswith("ner: 2 of 2 train labels begin or end inside a word")
    assert found.places == ("a, line 3",)
