"""Parquet and Arrow."""

import datetime
import decimal
import gzip
import json
import zipfile

import pyarrow as pa
import pyarrow.feather
import pyarrow.ipc
import pyarrow.parquet
import pytest
import zstandard

from mtt_jax.data.readers import files, parquet
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError

TABLE = {"text": ["Ann left", "Bo won"], "label": ["news", "sport"], "id": [7, 8]}
TAGS = {"feature": {"names": ["O", "B-PER", "B-LOC"], "_type": "ClassLabel"}, "_type": "Sequence"}


def features(**columns):
    return {b"huggingface": json.dumps({"info": {"features": columns}}).encode()}


def write(path, table, layout="parquet"):
    """Writes a table, or a dict of columns, in one of the layouts."""
    table = table if isinstance(table, pa.Table) else pa.table(table)
    if layout == "parquet":
        pyarrow.parquet.write_table(table, path)
    elif layout == "feather":
        pyarrow.feather.write_feather(table, path)
    else:
        new = pa.ipc.new_stream if layout == "stream" else pa.ipc.new_file
        with new(path, table.schema) as writer:
            writer.write_table(table, max_chunksize=1)
    return path


def packed(plain, packing):
    """Writes a compressed copy beside a file."""
    path = plain.with_name(f"{plain.name}.{packing}")
    if packing == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.write(plain, plain.name)
    else:
        pack = gzip.compress if packing == "gz" else zstandard.compress
        path.write_bytes(pack(plain.read_bytes()))
    return path


def rows(path):
    return list(parquet.read(path, Layout()))


@pytest.mark.parametrize(
    ("layout", "description"),
    [
        ("parquet", "Parquet"),
        ("file", "Arrow file (Feather)"),
        ("feather", "Arrow file (Feather)"),
        ("stream", "Arrow stream"),
    ],
)
def test_each_layout_is_recognized_by_its_content_and_gives_the_same_rows(
    tmp_path, layout, description
):
    path = write(tmp_path / "without_an_extension", TABLE, layout)
    assert parquet.recognize(files.head(path)) == description
    one, two = rows(path)
    assert one.fields == {"text": "Ann left", "label": "news", "id": 7}
    assert two.fields == {"text": "Bo won", "label": "sport", "id": 8}
    assert str(two.place) == f"{path}, row 2"
    assert (one.text, one.tokens) == (None, None)


@pytest.mark.parametrize("content", ["text,label\na,b\n", "PAR", '{"text": "PAR1"}', "\xff\xff"])
def test_other_files_are_not_recognized(tmp_path, content):
    path = tmp_path / "x.parquet"
    path.write_bytes(content.encode("latin-1"))
    assert parquet.recognize(files.head(path)) is None


def test_a_list_of_strings_is_the_words_and_ids_become_the_names_that_the_file_has(tmp_path):
    table = pa.table({"tokens": [["Ann", "left"], ["Rome"]], "ner_tags": [[1, 0], [2]]})
    path = write(tmp_path / "x.parquet", table.replace_schema_metadata(features(ner_tags=TAGS)))
    one, two = rows(path)
    assert (one.tokens, one.fields["ner_tags"]) == (["Ann", "left"], ["B-PER", "O"])
    assert (two.tokens, two.fields["ner_tags"]) == (["Rome"], ["B-LOC"])


def test_ids_without_names_stay_ids(tmp_path):
    assert rows(write(tmp_path / "x.parquet", {"a": [3], "b": [[1, 2]]}))[0].fields == {
        "a": 3,
        "b": [1, 2],
    }


@pytest.mark.parametrize("names", [["neg", "pos"], {"0": "neg", "1": "pos"}])
def test_a_class_has_its_name_and_minus_one_is_no_label(tmp_path, names):
    label = {"names": names, "_type": "ClassLabel"}
    table = pa.table({"label": [1, -1, None, 0]}).replace_schema_metadata(features(label=label))
    found = [row.fields["label"] for row in rows(write(tmp_path / "x.parquet", table))]
    assert found == ["pos", None, None, "neg"]


def test_ids_inside_objects_get_names_too(tmp_path):
    label = {"names": ["PER", "LOC"], "_type": "ClassLabel"}
    number = {"dtype": "int32", "_type": "Value"}
    values = {
        "new": [[{"start": 0, "label": 1}]],
        "old": [{"start": [0, 4], "label": [0, 1]}],
    }
    metadata = features(
        new={"feature": {"start": number, "label": label}, "_type": "List"},
        old={"feature": {"start": number, "label": label}, "_type": "Sequence"},
    )
    table = pa.table(values).replace_schema_metadata(metadata)
    assert rows(write(tmp_path / "x.parquet", table))[0].fields == {
        "new": [{"start": 0, "label": "LOC"}],
        "old": {"start": [0, 4], "label": ["PER", "LOC"]},
    }


def test_an_id_without_a_name_is_a_fault_with_its_row(tmp_path):
    table = pa.table({"ner_tags": [[0], [1, 9]]}).replace_schema_metadata(features(ner_tags=TAGS))
    path = write(tmp_path / "x.parquet", table)
    with pytest.raises(UserError, match="x.parquet, row 2: 'ner_tags' holds the id 9, .* 0 to 2"):
        rows(path)


@pytest.mark.parametrize(
    "value", [b"not json", b"[1]", b'{"info": null}', b'{"info": {}}', b"\xff"]
)
def test_metadata_of_another_shape_is_no_obstacle(tmp_path, value):
    table = pa.table({"label": [1]}).replace_schema_metadata({b"huggingface": value})
    assert rows(write(tmp_path / "x.parquet", table))[0].fields == {"label": 1}


def test_values_are_what_json_can_hold(tmp_path):
    table = {
        "nan": [float("nan")],
        "half": [0.5],
        "day": [datetime.date(2024, 2, 29)],
        "when": [datetime.datetime(2024, 2, 29, 12)],
        "price": [decimal.Decimal("1.25")],
        "bytes": ["Zoë".encode()],
        "picture": [b"\xff\xd8"],
        "nested": [{"list": [float("inf"), 1.0]}],
    }
    (row,) = rows(write(tmp_path / "x.parquet", table))
    assert json.loads(json.dumps(row.fields, allow_nan=False)) == {
        "nan": None, "half": 0.5, "day": "2024-02-29", "when": "2024-02-29T12:00:00",
        "price": 1.25, "bytes": "Zoë", "picture": "/9g=", "nested": {"list": [None, 1.0]},
    }  # fmt: skip


def test_categories_are_texts_and_the_index_of_pandas_is_left_out(tmp_path):
    column = pa.array(["a", "b", "a"]).dictionary_encode()
    path = write(tmp_path / "x.parquet", {"label": column, "__index_level_0__": [5, 6, 7]})
    assert [row.fields for row in rows(path)] == [{"label": "a"}, {"label": "b"}, {"label": "a"}]


def test_files_are_read_batch_by_batch_and_numbered_through(tmp_path):
    path = write(tmp_path / "x.parquet", {"text": [str(number) for number in range(3_000)]})
    found = rows(path)
    assert [row.fields["text"] for row in found] == [str(number) for number in range(3_000)]
    assert [row.place.line for row in found] == list(range(1, 3_001))


def test_a_file_without_rows_has_none(tmp_path):
    assert rows(write(tmp_path / "x.parquet", {"text": pa.array([], pa.string())})) == []


@pytest.mark.parametrize("layout", ["parquet", "file", "stream"])
@pytest.mark.parametrize("packing", ["gz", "zst", "zip"])
def test_compressed_files_are_read(tmp_path, layout, packing):
    path = packed(write(tmp_path / "x.parquet", TABLE, layout), packing)
    assert parquet.recognize(files.head(path))
    assert [row.fields["id"] for row in rows(path)] == [7, 8]


@pytest.mark.parametrize("layout", ["parquet", "file", "stream"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_a_file_that_is_cut_off_is_one_line(tmp_path, layout, share):
    path = write(tmp_path / "x.parquet", {"text": ["a text " * 9] * 500}, layout)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * share)])
    with pytest.raises(
        UserError, match=r"x.parquet: cannot be read as Parquet or Arrow: .*damaged"
    ):
        rows(path)


def test_two_columns_of_one_name_are_refused(tmp_path):
    table = pa.Table.from_arrays([pa.array(["a"]), pa.array(["b"])], names=["text", "text"])
    with pytest.raises(UserError, match="two columns have the name 'text'"):
        rows(write(tmp_path / "x.arrow", table, "file"))


@pytest.mark.parametrize("packing", ["gz", "zst", "zip"])
def test_a_compressed_file_that_is_damaged_is_one_line(tmp_path, packing):
    path = packed(write(tmp_path / "x.parquet", {"text": [str(i) for i in range(9_999)]}), packing)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(UserError, match=r"x.parquet.\w+: .*damaged"):
        rows(path)
