"""Texts that occur more than once: with several labels, as copies, or in two splits."""

from mtt_jax.data.check import inspect
from mtt_jax.data.check.duplicates import plain
from mtt_jax.data.check.findings import ERROR, WARNING
from mtt_jax.types import Span
from tests.data.check.samples import GOOD, NER, THREE, TOPIC, named, names, record, splits


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
