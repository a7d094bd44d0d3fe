"""What is predicted for: files of every format, texts line by line, and what is refused."""

import gzip
import json
import os
import threading

import pyarrow as pa
import pyarrow.parquet
import pytest

from mtt_jax.data.inputs import described, open_inputs
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError

TEXTS = ["Ann left Rome .", "Shares fell , again"]


def write(folder, name, content, encoding="utf-8"):
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode(encoding))
    return path


def lines(*paths, **options):
    return [line for one in open_inputs([*map(str, paths)], **options) for line in one.lines()]


def texts(*paths, **options):
    found = lines(*paths, **options)
    assert [line.fault for line in found] == [""] * len(found)
    return [line.text for line in found]


def recognized(*paths, **options):
    return list(described(open_inputs([*map(str, paths)], **options)))


def complaint(*paths, **options):
    with pytest.raises(UserError) as caught:
        lines(*paths, **options)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Texts line by line


def test_a_plain_text_file_has_a_text_per_line_also_the_empty_ones(tmp_path):
    path = write(tmp_path, "in.txt", "Ann left .\r\n\n  two  words\n\f form\u2028feed\nlast")
    assert texts(path) == ["Ann left .", "", "  two  words", "\f form\u2028feed", "last"]
    assert [line.place for line in lines(path)][:2] == [f"{path}, line 1", f"{path}, line 2"]
    assert recognized(path) == [f"{path}: plain text, one text per line"]


@pytest.mark.parametrize(
    "content",
    [
        "Tom 1 visited Rome .\nTom 2 visited Rome .\n",
        "Shares fell\n\nRovers won\n\nAnn left\n",
        "He said , no\nShe said , yes\n",
        "[applause] Thank you\n[laughter] Go on\n",
        '{"half": \nof an object\n',
        "# Rome , Oslo\n-DOCSTART- ; = |\nTom ran\n",
        "O\nthat\nyes\n",
        "Take and/or leave it\nBoth/and neither/nor\n",
    ],
)
def test_texts_that_look_a_little_like_another_format_stay_texts(tmp_path, content):
    for name in ("in.txt", "in"):
        path = write(tmp_path, name, content)
        assert recognized(path) == [f"{path}: plain text, one text per line"]
        assert texts(path) == content.splitlines()


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "latin-1"])
def test_other_encodings_are_recognized(tmp_path, encoding):
    given = ["Frau Müller fährt über die Brücke nach Köln", "außer sonntags"]
    path = write(tmp_path, "in.txt", "\n".join(given) + "\n", encoding)
    assert texts(path) == given
    guessed = "; its encoding seems to be cp1252" if encoding == "latin-1" else ""
    assert recognized(path) == [f"{path}: plain text, one text per line{guessed}"]
    assert texts(path, layout=Layout(encoding=encoding)) == given


def test_a_line_in_another_encoding_than_the_rest_is_a_fault_and_the_rest_is_read(tmp_path):
    path = write(tmp_path, "in.txt", "Zoë\n".encode() + "Zoë\n".encode("latin-1") + b"Ann\n")
    one, two, three = lines(path)
    assert (one.text, two.text, three.text) == ("Zoë", "", "Ann")
    assert two.fault == "byte 3 is not UTF-8."


def test_an_empty_file_has_no_texts(tmp_path):
    assert lines(write(tmp_path, "in.txt", "")) == []


@pytest.mark.parametrize("first", ['{"text": "a b", "id": 7}', "a b"])
def test_a_pipe_is_read_line_by_line_and_may_hold_json(tmp_path, first):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    thread = threading.Thread(target=pipe.write_text, args=(f"{first}\n",))
    thread.start()
    assert texts(pipe) == ["a b"]
    thread.join()
    assert recognized(pipe) == []


# Objects


def test_the_other_keys_of_an_object_are_kept(tmp_path):
    path = write(tmp_path, "in.jsonl", '{"id": "x7", "text": "a b", "label": ["c"], "n": null}\n')
    (line,) = lines(path)
    assert line.text == "a b"
    assert line.others == {"id": "x7", "label": ["c"], "n": None}
    assert recognized(path) == [f"{path}: JSONL, text from 'text'"]


def test_the_text_of_an_object_can_be_under_another_key_or_in_several(tmp_path):
    rows = '{"text": "no", "body": "a b", "head": "H"}\n{"text": "no", "body": "c", "head": "I"}\n'
    path = write(tmp_path, "in.jsonl", rows)
    assert texts(path, text="body") == ["a b", "c"]
    assert lines(path, text="body")[0].others == {"text": "no", "head": "H"}
    assert texts(path, text="head,body") == ["H a b", "I c"]
    assert lines(path, text="head,body")[0].others == {"text": "no", "head": "H", "body": "a b"}


def test_a_broken_line_among_objects_is_a_fault_and_the_others_are_read(tmp_path):
    rows = ['{"text"', '{"text": "a"}', "", "[1]", '{"txt": "b"}', '{"text": "\\ud83d"}', "{}"]
    path = write(tmp_path, "in.jsonl", "\n".join([*rows, '{"text": "c"}']))
    found = lines(path)
    assert [line.text for line in found] == ["", "a", "", "", "", "", "", "c"]
    assert [bool(line.fault) for line in found] == [True, False, *[True] * 5, False]
    assert found[0].fault.startswith("not valid JSON at column")
    assert "Did you mean 'txt'" in found[4].fault or "is missing" in found[4].fault
    assert "surrogate" in found[5].fault


def test_objects_of_which_none_has_a_text_are_refused_with_their_keys(tmp_path):
    path = write(tmp_path, "in.jsonl", '{"id": 1, "story": "a b"}\n' * 3)
    message = complaint(path)
    assert "id, story" in message
    assert "--input.text=" in message
    assert texts(path, text="story") == ["a b"] * 3


def test_labels_that_no_reader_would_take_are_no_obstacle(tmp_path):
    rows = [{"text": "a b", "entities": "none"}, {"text": "c", "entities": [[0, 99, "PER"]]}]
    path = write(tmp_path, "in.jsonl", "\n".join(map(json.dumps, rows)))
    assert texts(path) == ["a b", "c"]


# Formats of files


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_table_is_read_by_its_columns_and_never_line_by_line(tmp_path, separator):
    content = "\n".join(separator.join(row) for row in [("id", "text"), ("7", "a b"), ("8", "c")])
    path = write(tmp_path, "in.tsv" if separator == "\t" else "in.csv", content + "\n")
    one, two = lines(path)
    assert (one.text, one.others) == ("a b", {"id": "7"})
    assert (two.text, two.place) == ("c", f"{path}, line 3")
    assert "text from 'text'" in recognized(path)[0]


def test_a_table_without_names_needs_the_column_of_the_text(tmp_path):
    path = write(tmp_path, "in.csv", '7,"a b, c"\n8,d\n9,e\n')
    assert "2 columns without names" in complaint(path)
    assert "--input.text=NUMBER" in complaint(path)
    assert texts(path, text="2") == ["a b, c", "d", "e"]
    assert lines(path, text="2")[0].others == {"1": "7"}


def test_a_header_can_be_declared(tmp_path):
    path = write(tmp_path, "in.csv", "uno,due\na b,c\n")
    assert texts(path, text="due", layout=Layout(header=True, flag="--input")) == ["c"]
    assert texts(path, text="2", layout=Layout(header=False, flag="--input")) == ["due", "c"]


def test_words_in_columns_become_a_text_per_sentence(tmp_path):
    path = write(tmp_path, "train.txt", "Ann B-PER\nleft O\n\nRome B-LOC\nfell O\n. O\n\n")
    assert texts(path) == ["Ann left", "Rome fell ."]
    assert lines(path)[1].others == {}
    assert recognized(path)[0].startswith(f"{path}: CoNLL columns")


def test_tokens_become_a_text_and_stay_beside_it(tmp_path):
    path = write(tmp_path, "in.jsonl", '{"id": 1, "tokens": ["Ann", "left"], "ner_tags": [1, 0]}\n')
    (line,) = lines(path)
    assert line.text == "Ann left"
    assert line.others == {"id": 1, "tokens": ["Ann", "left"], "ner_tags": [1, 0]}


def test_parquet_and_compressed_files_are_read(tmp_path):
    path = tmp_path / "in.parquet"
    pyarrow.parquet.write_table(pa.table({"review": TEXTS, "id": [7, 8]}), path)
    packed = write(tmp_path, "in.csv.gz", gzip.compress(b"text,id\na b,9\n"))
    assert texts(path, packed) == [*TEXTS, "a b"]
    assert [line.others for line in lines(path, packed)] == [{"id": 7}, {"id": 8}, {"id": "9"}]


def test_json_and_fasttext_and_folders_of_texts_are_read(tmp_path):
    array = write(tmp_path, "in.json", json.dumps([{"text": "a b", "id": 1}]))
    labelled = write(tmp_path, "in.txt", "__label__x c d\n__label__y e\n")
    for name in ("sets/neg/1.txt", "sets/pos/2.txt"):
        (tmp_path / name).parent.mkdir(parents=True)
        write(tmp_path, name, name)
    assert texts(array, labelled) == ["a b", "c d", "e"]
    assert texts(tmp_path / "sets") == ["sets/neg/1.txt", "sets/pos/2.txt"]


def test_rejected_examples_and_empty_rows_give_no_result(tmp_path):
    content = "text,label\na b,x\n\nc,y\n"
    assert texts(write(tmp_path, "in.csv", content)) == ["a b", "c"]


def test_several_files_and_globs_are_read_and_described_together(tmp_path):
    for number in range(1, 4):
        write(tmp_path, f"part{number}.csv", f"id,text\n{number},text {number}\n")
    other = write(tmp_path, "in.txt", "last\n")
    pattern = f"{tmp_path}/part*.csv"
    assert texts(pattern, other) == ["text 1", "text 2", "text 3", "last"]
    first, second = recognized(pattern, other)
    assert first.startswith(f"{tmp_path}/part1.csv and 2 more: CSV")
    assert second == f"{other}: plain text, one text per line"


def test_more_files_are_read_than_a_process_may_have_open(tmp_path):
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    for number in range(150):
        write(tmp_path, f"{number:03}.csv", f"id,text\n1,text {number}\n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (100, hard))
    try:
        assert len(texts(f"{tmp_path}/*.csv")) == 150
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


# What is refused


def test_a_file_that_is_not_there_is_named_with_the_nearest(tmp_path):
    write(tmp_path, "news.txt", "a\n")
    assert complaint(tmp_path / "nws.txt").startswith(f"{tmp_path}/nws.txt: no such file.")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("in.docx", b"PK\x03\x04\0\0\0\0", "is not a text file, and its format is unknown"),
        ("in.pdf", b"%PDF-1.7\n\0\0\xff", "is not a text file, and its format is unknown"),
        ("in.txt", b"\x89PNG\0\0\0\0\0\0", "is not a text file, and its format is unknown"),
        ("in.parquet", b"PAR1\0\0\0\0", "cannot be read as Parquet"),
        ("in.html", b"<p>Ann left</p>\n", "the format is not recognized; if each line is a text"),
        ("in.yaml", b"text: Ann\n", "add --input.format=text"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path, name, content, message):
    assert message in complaint(write(tmp_path, name, content))


def test_a_file_of_any_name_is_read_line_by_line_if_the_user_says_so(tmp_path):
    path = write(tmp_path, "in.html", "<p>Ann left</p>\nb\n")
    assert texts(path, format="text") == ["<p>Ann left</p>", "b"]
    table = write(tmp_path, "in.csv", "text,id\na,1\n")
    assert texts(table, format="text") == ["text,id", "a,1"]


def test_an_unknown_format_is_refused_with_those_there_are(tmp_path):
    message = complaint(write(tmp_path, "in.txt", "a\n"), format="jsnl")
    assert "jsonl" in message


def test_a_folder_in_no_known_layout_is_refused(tmp_path):
    write(tmp_path, "a.csv", "x\n")
    assert "is a directory" in complaint(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        "RATES RISE\nSTOCKS FALL\n",
        "Windows XP\n\nMac OS\n",
        "I am OK\nI am IN\n",
        "type O\ntype A\n",
    ],
)
def test_texts_that_may_be_words_with_tags_are_refused_with_both_remedies(tmp_path, content):
    path = write(tmp_path, "in.txt", content)
    message = complaint(path)
    count = len(content.splitlines()[0].split())
    assert f"{path}: the lines may be texts of {count} words, or words with a tag" in message
    assert "--input.format=text or --input.format=conll" in message
    assert texts(path, format="text") == content.splitlines()
    assert texts(path, format="conll")[0].split() == [
        line.split()[0] for line in content.partition("\n\n")[0].splitlines()
    ]


@pytest.mark.parametrize(
    "content",
    [
        "Ann B-PER\nleft O\n\nOslo B-LOC\n",
        "Ann B:PER\nleft O\n\nOslo B:LOC\n",
        "Ann O\nleft O\n\nOslo O\n",
        "Ann NNP\nleft VBD\n. .\n\nOslo NNP\n",
        "Ann\tNNP\nleft\tVBD\n\nOslo\tNNP\n",
    ],
)
def test_words_with_tags_in_a_text_file_are_columns(tmp_path, content):
    found = texts(write(tmp_path, "in.txt", content))
    assert [text.removesuffix(" .") for text in found] == ["Ann left", "Oslo"]


def test_lines_with_a_tab_can_be_texts_if_the_user_says_so(tmp_path):
    path = write(tmp_path, "in.txt", "Ann left\tOslo\nTom won\tit\n")
    message = complaint(path)
    assert "there are 2 columns without names" in message
    assert message.endswith("if each line is a text, add --input.format=text")
    assert texts(path, format="text") == ["Ann left\tOslo", "Tom won\tit"]
    assert texts(path, text="2") == ["Oslo", "it"]


def test_a_nul_byte_is_refused_with_line_and_column(tmp_path):
    for name in ("in.csv", "in.txt"):
        path = write(tmp_path, name, "text,id\nAnn left,1\nTom\0 ran,2\n")
        assert f"{path}, line 3: column 4 is a NUL byte" in complaint(path)
