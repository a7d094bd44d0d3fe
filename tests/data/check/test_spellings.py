"""Labels that are none: names of columns, and other spellings of a label."""

import pytest

from mtt_jax.data.check.findings import ERROR
from mtt_jax.tasks import Classes
from mtt_jax.types import Span
from tests.data.check.samples import GOOD, NER, THREE, named, names, record, splits, topics

SPELLING = ("one label in several spellings",)


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
