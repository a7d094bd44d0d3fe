"""Splits: what is held out as dev, and the records of several tasks joined by file."""

import os

import numpy as np
import pytest

from mtt_jax.data.splits import Joined, hold_out
from mtt_jax.types import Record, Span
from tests.helpers import entities, record

# Held out


def some(count, seed=0):
    """Records some of which repeat an earlier text."""
    rng = np.random.default_rng(seed)
    return [record(f"Tom ran {rng.integers(0, count)} miles .", "sports") for _ in range(count)]


def test_every_record_goes_to_train_or_dev_and_keeps_its_order():
    records = some(500)
    train, dev = hold_out(records, 0.2, seed=0)
    held = {r.text for r in dev}
    assert train == [r for r in records if r.text not in held]
    assert dev == [r for r in records if r.text in held]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_dev_has_the_share_that_was_asked_for(share):
    records = [record(f"Tom ran {i} miles .") for i in range(1000)]
    _, dev = hold_out(records, share, seed=0)
    assert abs(len(dev) - share * 1000) < 40


def test_duplicates_are_never_divided_between_train_and_dev():
    records = some(500)
    assert len({r.text for r in records}) < 400
    train, dev = hold_out(records, 0.3, seed=0)
    assert dev
    assert {r.text for r in train}.isdisjoint(r.text for r in dev)


def test_held_out_sentences_depend_on_the_seed_and_not_on_their_order():
    records = some(500)
    first, again, reverse, other = (
        {r.text for r in hold_out(rows, 0.2, seed)[1]}
        for rows, seed in ((records, 0), (records, 0), (records[::-1], 0), (records, 1))
    )
    assert first == again == reverse
    assert len(first & other) < len(first) / 2


def test_held_out_sentences_do_not_depend_on_labels():
    records = some(300)
    other = [r._replace(labels={"ner": ()}) for r in records]
    sides = [[r.text for r in hold_out(rows, 0.2, 0)[1]] for rows in (records, other)]
    assert sides[0] == sides[1]


def test_adding_data_moves_no_earlier_sentence_between_train_and_dev():
    records = [record(f"Tom ran {i} miles .") for i in range(100)]
    for seed in range(20):
        for before, after in zip(
            hold_out(records[:60], 0.1, seed), hold_out(records, 0.1, seed), strict=True
        ):
            assert {r.text for r in before} <= {r.text for r in after}


def test_at_least_one_sentence_is_held_out():
    train, dev = hold_out([record("Tom ran ."), record("Ann ran .")], 0.01, seed=0)
    assert (len(train), len(dev)) == (1, 1)


# Joined by file

TEXT = "the Rome-based AT&T left"


def joined(*added):
    """What `Joined` makes of (path, records) pairs."""
    result = Joined()
    for path, records in added:
        result.add(str(path), records)
    return result.records()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("x\n")
    return path


def paths_to(file, monkeypatch):
    """Different ways of writing one path."""
    link = file.with_name("link.jsonl")
    link.symlink_to(file)
    folder = file.parent / "folder"
    folder.mkdir()
    monkeypatch.chdir(file.parent)
    monkeypatch.setenv("HOME", str(file.parent))
    return ["a.jsonl", "./a.jsonl", "folder/../a.jsonl", file, link, "~/a.jsonl"]


def test_one_file_named_by_different_paths_gives_records_with_the_labels_of_all_tasks(
    file, monkeypatch
):
    topic, ner = record("Tom ran", "sports"), record("Tom ran", None, [(0, 1, "PER")])
    paths = paths_to(file, monkeypatch)
    for first in paths:
        for second in paths:
            (found,) = joined((first, [topic]), (second, [ner]))
            assert found.labels == {"topic": "sports", "ner": (Span(0, 3, "PER"),)}


def test_records_of_different_files_are_not_joined_though_their_texts_are_equal(file):
    other = file.with_name("b.jsonl")
    other.write_text("x\n")
    topic, ner = record("Tom ran", "sports"), record("Tom ran", None, [])
    found = joined((file, [topic]), (other, [ner]))
    assert [r.labels for r in found] == [{"topic": "sports"}, {"ner": ()}]


def test_a_hard_link_is_a_file_of_its_own(file):
    """Only paths are compared: nobody expects a copy to be joined."""
    os.link(file, file.with_name("hard.jsonl"))
    found = joined(
        (file, [record("Tom ran", "sports")]),
        (file.with_name("hard.jsonl"), [record("Tom ran", None, [])]),
    )
    assert len(found) == 2


def test_records_of_one_file_whose_texts_differ_are_kept_side_by_side(file):
    """As when another key holds the text of the other task."""
    topic, ner = [record("Tom ran", "sports")], [record("Ann sat", None, [])]
    assert joined((file, topic), (file, ner)) == topic + ner


def test_records_keep_the_order_in_which_files_were_added(file):
    other = file.with_name("b.jsonl")
    first, second = [record("Tom ran", "sports")] * 2, [record("Ann sat", "others")]
    third = [record("Tom ran", None, [])] * 2
    found = joined((file, first), (other, second), (file, third))
    assert [r.text for r in found] == ["Tom ran", "Tom ran", "Ann sat"]
    assert [list(r.labels) for r in found] == [["topic", "ner"]] * 2 + [["topic"]]


def test_joining_keeps_the_labels_of_both_however_finely_each_file_cuts_the_text(file):
    # ner has an entity inside a word, pos has AT&T as three words.
    ner = Record(TEXT, {"ner": (Span(4, 8, "LOC"), Span(15, 19, "ORG")), "topic": "others"})
    tags = tuple(
        Span(*place, tag)
        for place, tag in [((4, 14), "NOUN"), ((15, 17), "NOUN"), ((17, 18), "OTHER")]
    )
    pos = Record(TEXT, {"pos": tags, "subjects": ("money",)})
    for pair in ((ner, pos), (pos, ner)):
        (found,) = joined(*((file, [r]) for r in pair))
        assert found.text == TEXT
        assert found.labels == ner.labels | pos.labels
        assert entities(found) == [("Rome", "LOC"), ("AT&T", "ORG")]
        assert entities(found, "pos") == [("Rome-based", "NOUN"), ("AT", "NOUN"), ("&", "OTHER")]
