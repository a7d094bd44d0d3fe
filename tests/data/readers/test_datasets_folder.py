"""Folders that `datasets` writes, laid out here as its save_to_disk does."""

import json

import pyarrow as pa
import pytest

from mtt_jax.data.readers import datasets_folder, files
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError

FEATURES = {
    "tokens": {"feature": {"dtype": "string", "_type": "Value"}, "_type": "List"},
    "ner_tags": {"feature": {"names": ["O", "B-PER"], "_type": "ClassLabel"}, "_type": "List"},
}


def write_arrow(path, words):
    table = pa.table({"tokens": [[word] for word in words], "ner_tags": [[1] for _ in words]})
    table = table.replace_schema_metadata(
        {b"huggingface": json.dumps({"info": {"features": FEATURES}}).encode()}
    )
    with pa.ipc.new_stream(path, table.schema) as writer:
        writer.write_table(table)


def save(folder, *shards, **state):
    """Writes the folder of a split with an Arrow file per list of words."""
    folder.mkdir(parents=True)
    names = [f"data-{i:05d}-of-{len(shards):05d}.arrow" for i in range(len(shards))]
    for name, words in zip(names, shards, strict=True):
        write_arrow(folder / name, words)
    (folder / "dataset_info.json").write_text(json.dumps({"features": FEATURES}))
    entries = [{"filename": name} for name in names]
    (folder / "state.json").write_text(json.dumps({"_data_files": entries, **state}))
    return folder


def rows(folder):
    return list(datasets_folder.read(folder, Layout()))


def recognized(folder):
    return datasets_folder.recognize(files.head(folder))


def test_all_files_of_a_split_are_read_in_the_order_that_the_folder_names(tmp_path):
    folder = save(tmp_path / "train", ["Ann", "Bo"], ["Cy"])
    assert recognized(folder) == "datasets folder"
    assert [row.tokens for row in rows(folder)] == [["Ann"], ["Bo"], ["Cy"]]
    assert rows(folder)[2].fields["ner_tags"] == ["B-PER"]
    assert str(rows(folder)[2].place) == f"{folder}/data-00001-of-00002.arrow, row 1"


def test_a_folder_with_splits_names_the_folder_of_each(tmp_path):
    for split in ("train", "test"):
        save(tmp_path / split, ["Ann"])
    (tmp_path / "dataset_dict.json").write_text('{"splits": ["train", "test"]}')
    assert recognized(tmp_path) == "datasets folder with splits"
    with pytest.raises(UserError, match=f"name the folder of one: {tmp_path}/train, {tmp_path}/"):
        rows(tmp_path)


def test_a_missing_file_is_named(tmp_path):
    folder = save(tmp_path / "train", ["Ann"], ["Bo"])
    (folder / "data-00001-of-00002.arrow").unlink()
    with pytest.raises(UserError, match="data-00001-of-00002.arrow: no such file"):
        rows(folder)


def test_rows_in_an_order_that_is_stored_apart_are_refused(tmp_path):
    folder = save(tmp_path / "train", ["Ann"], _indices_data_files=[{"filename": "indices.arrow"}])
    with pytest.raises(UserError, match="flatten_indices"):
        rows(folder)


def test_a_folder_of_the_cache_is_read_if_it_holds_one_split(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{}")
    write_arrow(tmp_path / "imdb-train-00000-of-00002.arrow", ["Ann"])
    write_arrow(tmp_path / "imdb-train-00001-of-00002.arrow", ["Bo"])
    assert recognized(tmp_path) == "datasets folder"
    assert [row.tokens for row in rows(tmp_path)] == [["Ann"], ["Bo"]]
    write_arrow(tmp_path / "imdb-test.arrow", ["Cy"])
    with pytest.raises(UserError, match=r"name the files of one: .*imdb-test\*.arrow, .*train\*"):
        rows(tmp_path)


@pytest.mark.parametrize("content", ["{", "[]", ""])
def test_a_damaged_description_is_one_line(tmp_path, content):
    folder = save(tmp_path / "train", ["Ann"])
    (folder / "state.json").write_text(content)
    with pytest.raises(UserError, match="state.json: "):
        rows(folder)


def test_other_folders_and_files_are_not_recognized(tmp_path):
    (tmp_path / "dataset_info.json").write_text("{}")
    assert recognized(tmp_path) is None
    assert recognized(tmp_path / "dataset_info.json") is None
