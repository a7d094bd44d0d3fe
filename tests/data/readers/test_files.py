"""The door to files: which file, which format, and which share of it is held out."""

import numpy as np
import pytest

from mtt_jax.data.readers.files import hold_out
from tests.helpers import complaint, read, record, written

ROW = "Tom ran,sports\n"


def test_the_ending_tells_the_format(tmp_path):
    for name, text in [
        ("a.csv", "Tom ran,sports\n"),
        ("a.tsv", "Tom ran\tsports\n"),
        ("a.CSV", "Tom ran,sports\n"),
    ]:
        (found,) = read(written(tmp_path, name, text), text="1", label="2").records
        assert found.labels == {"topic": "sports"}
    (found,) = read(written(tmp_path, "a.ndjson", '{"text": "Tom ran"}\n')).records
    assert found.text == "Tom ran"


def test_a_format_that_is_given_goes_before_the_ending(tmp_path):
    file = written(tmp_path, "a.txt", "Tom ran\tsports\n")
    (found,) = read(file, format="tsv", text="1", label="2").records
    assert found.labels == {"topic": "sports"}


def test_a_path_may_begin_with_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "a.csv", ROW)
    assert len(read("~/a.csv", text="1", label="2").records) == 1


# Files that cannot be read


def test_a_missing_file_is_named_with_the_nearest_one_beside_it(tmp_path):
    written(tmp_path, "train.csv", ROW)
    written(tmp_path, "notes.md", "x")
    message = complaint(tmp_path / "trian.csv")
    assert f"--config.data.topic.train: {tmp_path}/trian.csv: no such file" in message
    assert f"Did you mean '{tmp_path}/train.csv'?" in message


def test_a_missing_file_is_named_with_the_nearest_one_in_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "train.csv", ROW)
    assert "trian.csv: no such file. Did you mean 'train.csv'?" in complaint("trian.csv")


def test_a_file_in_a_missing_folder_is_named(tmp_path):
    message = complaint(tmp_path / "nowhere" / "train.csv", "ner")
    assert f"--config.data.ner.train: {tmp_path}/nowhere/train.csv: no such file." in message


def test_a_directory_is_no_file(tmp_path):
    message = complaint(tmp_path)
    assert f"--config.data.topic.train: {tmp_path} is a directory; name a file in it" in message


def test_a_device_is_no_file():
    assert "/dev/null is a device or a pipe, read only once; name a file" in complaint("/dev/null")


@pytest.mark.parametrize("name", ["a.csv", "a.conll", "a.jsonl"])
def test_an_empty_file_is_refused(name, tmp_path):
    file = written(tmp_path, name, "")
    message = complaint(file, "ner" if name == "a.conll" else "topic")
    assert f"{file}: the file is empty" in message
    assert message.startswith("--config.data.")


@pytest.mark.parametrize("name", ["a.json", "a.xlsx", "train"])
def test_an_ending_that_tells_nothing_asks_for_the_format(name, tmp_path):
    file = written(tmp_path, name, ROW)
    message = complaint(file)
    assert f"{file}: the ending {file.suffix!r} tells no format" in message
    assert "set --config.data.topic.format=csv, tsv, jsonl or conll" in message


@pytest.mark.parametrize(
    ("task", "name", "expected"),
    [
        ("ner", "a.csv", "a token task such as 'ner' is read from conll, jsonl, not from csv"),
        (
            "topic",
            "a.conll",
            "a sentence task such as 'topic' is read from csv, tsv, jsonl, not from conll",
        ),
    ],
)
def test_a_format_that_cannot_hold_the_labels_is_refused(task, name, expected, tmp_path):
    file = written(tmp_path, name, ROW)
    message = complaint(file, task)
    assert f"{file}: {expected}" in message
    assert f"--config.data.{task}.format says which the file is" in message


# Holding out


def some(count, seed=0):
    """Records of which some repeat an earlier text."""
    rng = np.random.default_rng(seed)
    return [record(f"Tom ran {rng.integers(0, count)} miles .", "sports") for _ in range(count)]


def test_every_record_goes_to_one_side_in_its_order():
    records = some(500)
    train, dev = hold_out(records, 0.2, seed=0)
    held = {r.text for r in dev}
    assert train == [r for r in records if r.text not in held]
    assert dev == [r for r in records if r.text in held]


@pytest.mark.parametrize("share", [0.05, 0.1, 0.5])
def test_the_share_held_out_is_the_share_asked_for(share):
    records = [record(f"Tom ran {i} miles .") for i in range(1000)]
    _, dev = hold_out(records, share, seed=0)
    assert abs(len(dev) - share * 1000) < 40


def test_duplicates_stay_together():
    records = some(500)
    assert len({r.text for r in records}) < 400
    train, dev = hold_out(records, 0.3, seed=0)
    assert dev
    assert {r.text for r in train}.isdisjoint(r.text for r in dev)


def test_the_same_seed_holds_the_same_out_whatever_the_order_and_another_seed_others():
    records = some(500)
    first, again, reverse, other = (
        {r.text for r in hold_out(rows, 0.2, seed)[1]}
        for rows, seed in ((records, 0), (records, 0), (records[::-1], 0), (records, 1))
    )
    assert first == again == reverse
    assert len(first & other) < len(first) / 2


def test_the_labels_of_a_sentence_do_not_decide_its_side():
    records = some(300)
    other = [r._replace(labels={}, spans={"ner": ()}) for r in records]
    sides = [[r.text for r in hold_out(rows, 0.2, 0)[1]] for rows in (records, other)]
    assert sides[0] == sides[1]


def test_adding_data_moves_no_sentence_that_was_there():
    records = [record(f"Tom ran {i} miles .") for i in range(100)]
    for seed in range(20):
        for before, after in zip(
            hold_out(records[:60], 0.1, seed), hold_out(records, 0.1, seed), strict=True
        ):
            assert {r.text for r in before} <= {r.text for r in after}


def test_something_is_held_out_of_little():
    train, dev = hold_out([record("Tom ran ."), record("Ann ran .")], 0.01, seed=0)
    assert (len(train), len(dev)) == (1, 1)
