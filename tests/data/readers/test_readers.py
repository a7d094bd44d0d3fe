"""The table of readers: which file, which format, and which labels a format can hold."""

import pytest

from mtt_jax.data.readers import READERS
from mtt_jax.tasks import KINDS
from tests.helpers import complaint, read, written

ROW = "Tom ran,sports\n"


def test_format_is_inferred_from_the_extension(tmp_path):
    for name, text in [
        ("a.csv", "Tom ran,sports\n"),
        ("a.tsv", "Tom ran\tsports\n"),
        ("a.CSV", "Tom ran,sports\n"),
    ]:
        (found,) = read(written(tmp_path, name, text), text="1", label="2").records
        assert found.labels == {"topic": "sports"}
    (found,) = read(written(tmp_path, "a.ndjson", '{"text": "Tom ran"}\n')).records
    assert found.text == "Tom ran"


def test_an_explicit_format_overrides_the_extension(tmp_path):
    file = written(tmp_path, "a.txt", "Tom ran\tsports\n")
    (found,) = read(file, format="tsv", text="1", label="2").records
    assert found.labels == {"topic": "sports"}


def test_a_tilde_in_a_path_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "a.csv", ROW)
    assert len(read("~/a.csv", text="1", label="2").records) == 1


def test_each_extension_belongs_to_one_reader_and_each_kind_of_task_has_a_reader():
    extensions = [extension for reader in READERS for extension in reader.extensions]
    assert len(set(extensions)) == len(extensions)
    for task in KINDS.values():
        assert any(reader.holds & task.reads for reader in READERS)


# Files that cannot be read


def test_missing_file_is_reported_with_the_nearest_name_in_its_folder(tmp_path):
    written(tmp_path, "train.csv", ROW)
    written(tmp_path, "notes.md", "x")
    message = complaint(tmp_path / "trian.csv")
    assert f"--config.data.topic.train: {tmp_path}/trian.csv: no such file" in message
    assert f"Did you mean '{tmp_path}/train.csv'?" in message


def test_missing_file_is_reported_with_the_nearest_name_in_the_current_folder(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    written(tmp_path, "train.csv", ROW)
    assert "trian.csv: no such file. Did you mean 'train.csv'?" in complaint("trian.csv")


def test_file_in_a_missing_folder_is_reported(tmp_path):
    message = complaint(tmp_path / "nowhere" / "train.csv", "ner")
    assert f"--config.data.ner.train: {tmp_path}/nowhere/train.csv: no such file." in message


def test_directory_in_place_of_a_file_is_refused(tmp_path):
    message = complaint(tmp_path)
    assert f"--config.data.topic.train: {tmp_path} is a directory; name a file in it" in message


def test_device_in_place_of_a_file_is_refused():
    assert "/dev/null is a device or a pipe, which can be read only once; name a file" in complaint(
        "/dev/null"
    )


@pytest.mark.parametrize("name", ["a.csv", "a.conll", "a.jsonl"])
def test_empty_file_is_refused(name, tmp_path):
    file = written(tmp_path, name, "")
    message = complaint(file, "ner" if name == "a.conll" else "topic")
    assert f"{file}: the file is empty" in message
    assert message.startswith("--config.data.")


@pytest.mark.parametrize("name", ["a.json", "a.xlsx", "train"])
def test_unknown_extension_asks_for_the_format(name, tmp_path):
    file = written(tmp_path, name, ROW)
    message = complaint(file)
    assert f"{file}: cannot infer the format from the extension {file.suffix!r}" in message
    assert "set --config.data.topic.format to one of csv, tsv, jsonl, conll" in message


@pytest.mark.parametrize(
    ("task", "name", "formats"),
    [
        ("ner", "a.csv", "jsonl, conll, not from csv"),
        ("ner", "a.tsv", "jsonl, conll, not from tsv"),
        ("pos", "a.csv", "jsonl, conll, not from csv"),
        ("topic", "a.conll", "csv, tsv, jsonl, not from conll"),
        ("subjects", "a.conll", "csv, tsv, jsonl, not from conll"),
    ],
)
def test_format_that_cannot_hold_the_labels_of_a_task_is_refused(task, name, formats, tmp_path):
    file = written(tmp_path, name, ROW)
    message = complaint(file, task)
    assert f"{file}: labels of task '{task}' are read from {formats}" in message
    assert f"--config.data.{task}.format says which format the file has" in message
