"""Files: paths, globs and lists; compressed or not; in any encoding, which is recognized."""

import gzip
import os
import zipfile

import pytest
import zstandard

from mtt_jax.data.readers import read_rows
from mtt_jax.data.readers.files import (
    encoding_of,
    expand,
    extension,
    head,
    lines,
    open_binary,
    read_text,
)
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import complaint, read, written

FLAG = "--config.data.topic.train"


def refused(action, *arguments):
    with pytest.raises(UserError) as error:
        action(*arguments)
    return str(error.value)


# Finding


def test_path_glob_and_list_name_files_in_order(tmp_path):
    a, b, c = (written(tmp_path, name, "x\n") for name in ("a.csv", "b.csv", "c.tsv"))
    assert expand(str(b), FLAG) == [b]
    assert expand(f"{tmp_path}/*.csv", FLAG) == [a, b]
    assert expand(f"{c}, {tmp_path}/?.csv,{a}", FLAG) == [c, a, b]
    assert expand(str(tmp_path), FLAG) == [tmp_path]


def test_file_whose_name_holds_a_comma_or_a_bracket_is_found(tmp_path):
    for name in ("a, b.csv", "[1].csv"):
        file = written(tmp_path, name, "x\n")
        assert expand(str(file), FLAG) == [file]


def test_records_of_several_files_are_read_in_order(tmp_path):
    written(tmp_path, "b.csv", "text,label\nAnn sat,others\n")
    written(tmp_path, "a.jsonl", '{"text": "Tom ran", "label": "sports"}\n')
    loaded = read(f"{tmp_path}/*.csv,{tmp_path}/a.jsonl")
    assert [record.text for record in loaded.records] == ["Ann sat", "Tom ran"]
    assert len(loaded.notes) == 2


def test_missing_file_is_reported_with_the_nearest_one(tmp_path):
    written(tmp_path, "train.csv", "x\n")
    message = refused(expand, f"{tmp_path}/trian.csv", FLAG)
    assert f"{FLAG}: {tmp_path}/trian.csv: no such file. Did you mean '{tmp_path}/train.csv'?" in (
        message
    )
    assert f"no file matches '{tmp_path}/*.tsv'" in refused(expand, f"{tmp_path}/*.tsv", FLAG)
    assert "names no file" in refused(expand, " , ", FLAG)


def test_a_link_to_nothing_says_where_it_leads(tmp_path):
    (tmp_path / "train.csv").symlink_to("nowhere.csv")
    message = refused(expand, f"{tmp_path}/train.csv", FLAG)
    assert message == (
        f"{FLAG}: {tmp_path}/train.csv: is a link to nowhere.csv, which does not exist."
    )


def test_empty_file_and_pipe_are_refused(tmp_path):
    assert "the file is empty" in refused(expand, str(written(tmp_path, "a.csv", "")), FLAG)
    os.mkfifo(tmp_path / "pipe")
    assert "can be read only once" in refused(expand, f"{tmp_path}/pipe", FLAG)


def test_folder_in_no_known_format_asks_for_its_files(tmp_path):
    written(tmp_path, "a.csv", "text,label\nTom ran,sports\n")
    message = complaint(tmp_path)
    assert f"{tmp_path}: is a directory" in message
    assert "*.jsonl" in message


# Compression


def packed(folder, name, content):
    file = folder / name
    if name.lower().endswith(".gz"):
        file.write_bytes(gzip.compress(content))
    elif name.endswith(".zst"):
        file.write_bytes(zstandard.compress(content))
    else:
        with zipfile.ZipFile(file, "w") as archive:
            archive.writestr("__MACOSX/._x", b"junk")
            archive.writestr("folder/", b"")
            archive.writestr("folder/x.csv", content)
    return file


@pytest.mark.parametrize(
    "name", ["a.csv.gz", "A.CSV.GZ", "a.csv.zst", "a.csv.zip", "a.zip", "a.gz"]
)
def test_compressed_file_is_read_like_any_other(name, tmp_path):
    file = packed(tmp_path, name, "text,label\nZoë ran,sports\n".encode())
    assert read(file, format="csv").records[0].text == "Zoë ran"
    assert head(file).text.startswith("text,label")
    assert extension(file) == ("" if name == "a.gz" else ".csv")


def test_compression_is_recognized_from_the_content(tmp_path):
    file = tmp_path / "a.csv"
    file.write_bytes(gzip.compress(b"text,label\nTom ran,sports\n"))
    assert read(file).records[0].text == "Tom ran"


def test_several_zstandard_frames_and_gzip_members_are_one_file(tmp_path):
    one, two = b"text,label\nTom ran,sports\n", b"Ann sat,others\n"
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(one) + gzip.compress(two))
    (tmp_path / "a.csv.zst").write_bytes(zstandard.compress(one) + zstandard.compress(two))
    for name in ("a.csv.gz", "a.csv.zst"):
        assert len(read(tmp_path / name).records) == 2


@pytest.mark.parametrize("name", ["a.csv.gz", "a.csv.zst", "a.csv.zip"])
def test_damaged_compressed_file_is_reported(name, tmp_path):
    content = "".join(f"Tom ran {i * 7919 % 1000},sports\n" for i in range(5000)).encode()
    file = packed(tmp_path, name, content)
    file.write_bytes(file.read_bytes()[:-2000])
    assert f"{file}: " in (message := complaint(file, text="1", label="2"))
    assert "damaged" in message


def test_zip_file_with_several_files_is_refused(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("x.csv", "a")
        archive.writestr("y.csv", "b")
    message = refused(open_binary, tmp_path / "a.zip")
    assert "a zip file with 2 files (x.csv, y.csv); unpack it" in message


# Lines


def test_lines_end_with_line_feed_carriage_return_or_both_and_nothing_else(tmp_path):
    text = "a\nb\r\nc\rd\x0be\x0cf\x85g\u2028h\n\ni"
    file = written(tmp_path, "a.txt", text)
    assert list(lines(file)) == [
        (1, "a"), (2, "b"), (3, "c"), (4, "d\x0be\x0cf\x85g\u2028h"), (5, ""), (6, "i"),
    ]  # fmt: skip
    assert read_text(file) == text


# Encodings

TEXT = "Zoë ran,sports\nJürgen rücks,others\n"


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "cp1252"]
)
def test_encoding_is_recognized(encoding, tmp_path):
    file = written(tmp_path, "a.csv", TEXT, encoding)
    loaded = read(file, encoding="auto", text="1", label="2")
    assert [record.text for record in loaded.records] == ["Zoë ran", "Jürgen rücks"]
    guessed = [note for note in loaded.notes if "not UTF-8; read as" in note]
    assert len(guessed) == (encoding == "cp1252"), "only a guess is worth a note"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "latin-1"])
def test_encoding_of_the_config_is_used(encoding, tmp_path):
    file = written(tmp_path, "a.csv", TEXT, encoding)
    records = read(file, encoding=encoding, text="1", label="2").records
    assert [record.text for record in records] == ["Zoë ran", "Jürgen rücks"]


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Привет, как дела? Сегодня в Москве хорошая погода.\n", "cp1251"),
        ("今天天气很好，我们去公园玩。\n", "gb18030"),
        ("東京都は日本の首都です。桜が咲きました。\n", "shift_jis"),
        ("오늘은 서울에서 날씨가 아주 좋습니다.\n", "euc_kr"),
        ("Pan Łukasz pojechał do Łodzi, gdzie mieszka jego córka. Zażółć gęślą jaźń.\n", "cp1250"),
    ],
)
def test_encodings_of_other_scripts_are_guessed(text, encoding, tmp_path):
    file = written(tmp_path, "a.txt", text, encoding)
    assert encoding_of(file).guessed
    assert read_text(file) == text


def test_byte_order_mark_is_not_part_of_the_text(tmp_path):
    for name, encoding in (("a.csv", "auto"), ("b.csv", "utf-8")):
        file = written(tmp_path, name, "text,label\nTom ran,sports\n", "utf-8-sig")
        assert read(file, encoding=encoding, header=True).records[0].text == "Tom ran"


@pytest.mark.parametrize(
    ("name", "task", "good", "bad"),
    [
        ("a.csv", "topic", "Tom ran,sports\n", "Zoë ran,sports\n"),
        ("a.tsv", "topic", "Tom ran\tsports\n", "Zoë ran\tsports\n"),
        ("a.jsonl", "ner", '{"text": "Tom ran"}\n', '{"text": "Zoë ran"}\n'),
        ("a.conll", "ner", "Tom B-PER\n", "Zoë B-PER\n"),
    ],
)
def test_bytes_of_another_encoding_are_reported_with_line_and_remedy(
    name, task, good, bad, tmp_path
):
    file = written(tmp_path, name, good + bad, "latin-1")
    fields = {"text": "1", "label": "2"} if task == "topic" else {}
    message = complaint(file, task, **fields)
    byte = bad.index("ë") + 1
    assert f"{file}, line 2: byte {byte} is not utf-8" in message
    assert "--config.data.encoding=cp1252" in message


@pytest.mark.parametrize("utf8_first", [True, False])
def test_lines_in_different_encodings_are_reported_with_the_first_at_fault(utf8_first, tmp_path):
    rows = ["Zoë ran,sports\n".encode(), "Jürgen,others\n".encode("latin-1")]
    file = tmp_path / "a.csv"
    file.write_bytes(b"text,label\n" + b"".join(rows if utf8_first else rows[::-1]))
    line = 3 if utf8_first else 2
    message = complaint(file, encoding="auto")
    assert f"{file}, line {line}: byte 2 is not UTF-8, and 1 other line is" in message
    assert "--config.data.encoding=cp1252" in message
    assert read(file, encoding="cp1252").records, "as the message says"


def test_file_that_is_not_in_the_encoding_of_the_config_is_reported(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\n")
    message = complaint(file, encoding="utf-16", text="1", label="2")
    assert f"{file}" in message
    assert "utf-16" in message
    assert "--config.data.encoding" in message


def test_unknown_encoding_is_refused(tmp_path):
    message = complaint(written(tmp_path, "a.csv", "Tom ran,sports\n"), encoding="utf8000")
    assert "config.data.encoding: unknown encoding 'utf8000'" in message


# Head


def test_head_is_the_first_whole_lines_and_empty_for_what_is_no_text(tmp_path):
    long = "".join(f"{i} Zoë\r\n" for i in range(20_000))
    found = head(written(tmp_path, "a.txt", long))
    assert found.text.startswith("0 Zoë\n1 Zoë\n")
    assert found.text.endswith(" Zoë\n")
    assert len(found.raw) == 1 << 16
    (tmp_path / "b.bin").write_bytes(b"PK\0\0\x01\0\0" * 10)
    assert head(tmp_path / "b.bin").text == ""
    assert head(tmp_path).text == ""
    assert head(written(tmp_path, "c.txt", "Zoë", "utf-16")).text == "Zoë"


def test_unrecognized_file_asks_for_its_format(tmp_path):
    (tmp_path / "a.bin").write_text("Ann left\nHe came back\n")
    message = refused(read_rows, tmp_path / "a.bin", Layout(flag="--config.data.ner"))
    assert "a.bin: the format is not recognized" in message
    assert "--config.data.ner.format" in message
    assert "conll" in message


@pytest.mark.parametrize("name", ["a.bin", "a.txt", "a.csv", "a.jsonl", "a.conll"])
def test_a_file_that_is_not_text_is_refused_as_in_prediction(name, tmp_path):
    (tmp_path / name).write_bytes(bytes(range(256)) * 4)
    message = refused(read_rows, tmp_path / name, Layout(flag="--config.data.ner"))
    assert message == f"{tmp_path / name}: is not a text file, and its format is unknown."


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", "text,label\nTom ran,sports\nZoë \0sat,others\n"),
        ("a.jsonl", '{"text": "Tom ran", "label": "a"}\n\n{"a\0": 1}\n'),
        ("a.conll", "Ann B-PER\nleft O\nOslo\0 B-LOC\n"),
    ],
)
def test_a_nul_byte_in_a_text_is_refused_with_line_and_column(name, content, tmp_path):
    file = written(tmp_path, name, content)
    message = refused(read_rows, file, Layout())
    column = content.split("\n")[2].index("\0") + 1
    assert f"{file}, line 3: column {column} is a NUL byte" in message
    assert "tr -d '\\000' < OLD > NEW" in message
