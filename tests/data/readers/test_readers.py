"""The table of readers: which file is in which format, and what is said if it is in none."""

import pytest

from mtt_jax.data.readers import READERS, read_rows
from mtt_jax.data.readers.rows import Layout
from tests.helpers import complaint, read, written

ROW = "Tom ran,sports\n"


CONTENT = {
    "json": '[{"text": "Tom ran", "label": "sports"}]',
    "jsonl": '{"text": "Tom ran", "label": "sports"}\n',
    "conll": "Tom B-PER\nran O\n\nAnn B-PER\n",
    "tsv": "Tom ran home\tsports\nAnn sat down\tothers\n",
}


@pytest.mark.parametrize("name", CONTENT)
@pytest.mark.parametrize("file", ["train", "train.txt", "train.data"])
def test_format_is_recognized_from_the_content(name, file, tmp_path):
    opened = read_rows(written(tmp_path, file, CONTENT[name]), Layout())
    assert opened.reader.name == name
    assert next(opened.rows).fields


def test_content_counts_more_than_the_extension(tmp_path):
    for name in ("json", "jsonl", "conll"):
        opened = read_rows(written(tmp_path, f"{name}.tsv", CONTENT[name]), Layout())
        assert opened.reader.name == name


def test_extension_decides_if_the_content_does_not(tmp_path):
    for name, expected in (("a.csv", "csv"), ("a.tsv", "tsv"), ("a.conll", "conll")):
        assert read_rows(written(tmp_path, name, "Tom\n"), Layout()).reader.name == expected
    assert read_rows(written(tmp_path, "a.jsonl", "{'text': 1}"), Layout()).reader.name == "jsonl"


def test_notes_say_what_was_recognized_and_where_the_label_is(tmp_path):
    file = written(tmp_path, "train.data", CONTENT["jsonl"] * 1200)
    assert read(file).notes == [f"{file}: 1,200 texts, JSONL, labels from 'label'."]


def test_an_explicit_format_overrides_the_extension(tmp_path):
    file = written(tmp_path, "a.txt", "Tom ran\tsports\n")
    (found,) = read(file, format="tsv", text="1", label="2").records
    assert found.labels == {"topic": "sports"}


def test_a_tilde_in_a_path_is_the_home_directory(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    written(tmp_path, "a.csv", ROW)
    assert len(read("~/a.csv", text="1", label="2").records) == 1


def test_each_name_and_each_extension_belongs_to_one_reader():
    names = [reader.name for reader in READERS]
    extensions = [extension for reader in READERS for extension in reader.extensions]
    assert len(set(names)) == len(names)
    assert len(set(extensions)) == len(extensions)


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
    assert f"{tmp_path}: is a directory in an unknown format; name the files in it" in message


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


@pytest.mark.parametrize("name", ["a.xlsx", "train"])
def test_unrecognized_file_asks_for_the_format(name, tmp_path):
    file = written(tmp_path, name, ROW)
    message = complaint(file)
    assert f"{file}: the format is not recognized from its content or from the extension" in message
    assert "set --config.data.topic.format to one of " in message
    assert read(file, format="csv", text="1", label="2").records, "as the message says"


def test_unknown_format_is_refused_with_the_nearest_one(tmp_path):
    message = complaint(written(tmp_path, "a.csv", ROW), format="jsnol")
    assert "unknown format 'jsnol'" in message
    assert "Did you mean 'jsonl'?" in message


@pytest.mark.parametrize("task", ["ner", "pos"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_table_of_texts_is_refused_for_a_task_per_word(task, name, tmp_path):
    text = CONTENT["tsv"] if name == "a.tsv" else ROW
    message = complaint(written(tmp_path, name, text), task)
    assert f"a table with a text per row has no labels for task '{task}'" in message
    assert "docs/formats.md" in message


@pytest.mark.parametrize("task", ["topic", "subjects"])
def test_columns_of_words_are_refused_for_a_task_per_text(task, tmp_path):
    message = complaint(written(tmp_path, "a.conll", CONTENT["conll"]), task)
    assert f"columns with a word per line have no labels for task '{task}'" in message
    assert "docs/formats.md" in message
