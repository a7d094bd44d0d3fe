"""CSV and TSV: the AG News layout, header names, quotes; a bad row is named with what to do."""

import csv

import numpy as np
import pytest

from tests.helpers import complaint, read, written

AG_NEWS = """\
"3","Wall St. Bears Claw Back","Short-sellers, the ""ultra-cynics"", are back\\band green."
"1","Venezuelans Vote","CARACAS (Reuters) - Polls &lt;b&gt;opened&lt;/b&gt; Sunday#39;s."
"2","Phelps Wins","Gold,
in two lines."
"4","Robots","Land."
"""
AG_MAP = "1=politics, 2=sports, 3=others, 4=others"


def test_ag_news_is_read_as_it_is_published(tmp_path):
    file = written(tmp_path, "train.csv", AG_NEWS)
    loaded = read(file, text="2,3", label="1", label_map=AG_MAP)
    assert [(record.text, record.labels["topic"]) for record in loaded.records] == [
        (
            'Wall St. Bears Claw Back Short-sellers, the "ultra-cynics", are back band green.',
            "others",
        ),
        ("Venezuelans Vote CARACAS (Reuters) - Polls opened Sunday's.", "politics"),
        ("Phelps Wins Gold, in two lines.", "sports"),
        ("Robots Land.", "others"),
    ]
    assert loaded.notes == []
    assert all(record.spans == {} for record in loaded.records)


@pytest.mark.parametrize(("name", "comma"), [("a.csv", ","), ("a.tsv", "\t"), ("a.TSV", "\t")])
def test_columns_are_found_by_header_names(name, comma, tmp_path):
    rows = [("id", "label", "text"), ("1", "sports", "Tom ran"), ("2", "others", "Shares fell")]
    file = written(tmp_path, name, "".join(comma.join(row) + "\n" for row in rows))
    expected = [("Tom ran", "sports"), ("Shares fell", "others")]
    for fields in ({}, {"text": "3", "label": "2"}, {"text": "text", "label": "label"}):
        records = read(file, header=True, **fields).records
        assert [(record.text, record.labels["topic"]) for record in records] == expected


def test_a_header_name_that_is_a_number_is_a_name(tmp_path):
    file = written(tmp_path, "a.csv", "2,1,label\nTom ran,x,sports\n")
    (record,) = read(file, header=True, text="2").records
    assert record.text == "Tom ran"


def test_several_columns_are_joined_in_the_order_named(tmp_path):
    file = written(tmp_path, "a.csv", "title,body,label\nran,Tom,sports\n")
    (record,) = read(file, header=True, text="body, title").records
    assert record.text == "Tom ran"


def test_an_empty_label_is_unlabelled_and_counted(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\nAnn ran, \nBen ran,\n")
    loaded = read(file, text="1", label="2")
    assert [record.labels for record in loaded.records] == [{"topic": "sports"}, {}, {}]
    assert loaded.notes == [f"{file}: 2 sentences without a label of topic (first: line 2)."]


def test_empty_texts_are_left_out_and_counted(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\n,sports\n<br> &nbsp;,sports\n\nAnn,others\n")
    loaded = read(file, text="1", label="2")
    assert [record.text for record in loaded.records] == ["Tom ran", "Ann"]
    assert loaded.notes == [f"{file}: 2 empty texts, left out (first: line 2)."]


def test_quotes_in_a_tsv_are_plain_signs_unless_they_enclose_the_cell(tmp_path):
    text = 'sports\tTom "Fly" Fry\nsports\t"Yes" he said\nsports\t"He said ""no"""\nsports\t"\n'
    records = read(written(tmp_path, "a.tsv", text), text="2", label="1").records
    assert [record.text for record in records] == [
        'Tom "Fly" Fry',
        '"Yes" he said',
        'He said "no"',
        '"',
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_whatever_a_csv_writer_writes_is_read_back(end, tmp_path):
    rng = np.random.default_rng(0)
    signs = list('ab ,"\n\t;é漢')
    texts = ["".join(rng.choice(signs, int(rng.integers(1, 12)))) + "x" for _ in range(300)]
    file = tmp_path / "a.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator=end).writerows((text, "sports") for text in texts)
    records = read(file, clean=False, text="1", label="2").records
    assert [record.text for record in records] == texts


def test_a_line_number_is_right_behind_a_text_of_several_lines(tmp_path):
    file = written(tmp_path, "a.csv", '"Tom\nran\nhome",sports\n\nAnn ran,sport\n')
    assert f"{file}, line 5: label 'sport'" in complaint(file, text="1", label="2")


# Bad files


@pytest.mark.parametrize(
    ("name", "text", "separator"),
    [
        ("a.csv", "sports,Tom ran\nsports,Tom ran, and won\n", "a comma"),
        ("a.tsv", "sports\tTom ran\nsports\tTom ran\tand won\n", "a tab"),
    ],
)
def test_a_row_with_other_columns_is_named_with_the_remedy(name, text, separator, tmp_path):
    file = written(tmp_path, name, text)
    message = complaint(file, text="2", label="1")
    assert f"{file}, line 2: 3 columns, but the first line has 2" in message
    assert f"quote a text that holds the separator ({separator})" in message


def test_a_row_with_too_few_columns_is_named(tmp_path):
    file = written(tmp_path, "a.csv", "text,label\nTom ran,sports\nAnn ran\n")
    message = complaint(file, header=True)
    assert f"{file}, line 3: 1 columns, but the first line has 2" in message


def test_a_quote_that_is_never_closed_is_named_by_the_line_it_begins_in(tmp_path):
    file = written(tmp_path, "a.csv", 'sports,Tom ran\nsports,"Ann ran\nsports,Ben ran\n')
    message = complaint(file, text="2", label="1")
    assert f"{file}, line 2: not valid CSV" in message
    assert 'A quote inside a quoted text is written twice: ""' in message


def test_a_single_quote_inside_a_quoted_text_is_named(tmp_path):
    file = written(tmp_path, "a.csv", 'sports,"Tom "Fly" Fry ran"\n')
    message = complaint(file, text="2", label="1")
    assert f"{file}, line 1: not valid CSV" in message
    assert 'written twice: ""' in message


def test_a_header_name_that_is_not_there_is_named_with_those_that_are(tmp_path):
    file = written(tmp_path, "a.csv", "title,class\nTom ran,sports\n")
    message = complaint(file, header=True, text="title")
    assert f"{file}, line 1: no column 'label' in title, class" in message
    assert "set --config.data.topic.label=" in message
    message = complaint(file, header=True, label="class")
    assert f"{file}, line 1: no column 'text' in title, class" in message
    assert "set --config.data.topic.text=" in message


def test_a_file_without_a_header_asks_for_column_numbers_or_for_a_header(tmp_path):
    message = complaint(written(tmp_path, "a.csv", "Tom ran,sports\n"))
    assert "a.csv, line 1: 'text' is no column number from 1 to 2" in message
    assert "set --config.data.topic.text=NUMBER" in message
    assert "--config.data.topic.header=true" in message


@pytest.mark.parametrize("number", ["0", "3", "1,3", "-1"])
def test_a_column_number_that_is_not_there_is_named(number, tmp_path):
    message = complaint(written(tmp_path, "a.csv", "Tom ran,sports\n"), text=number, label="2")
    assert f"a.csv, line 1: {number.split(',')[-1]!r} is no column number from 1 to 2" in message
    assert "set --config.data.topic.text=NUMBER" in message


def test_an_unknown_label_is_named_with_the_nearest_known_one(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\nAnn ran,Sport\n")
    message = complaint(file, text="1", label="2")
    assert f"{file}, line 2: label 'Sport' is not a label of task 'topic'" in message
    assert "(sports, politics, others)" in message
    assert "Did you mean 'sports'?" in message
    assert "--config.data.topic.label_map='Sport=sports'" in message


def test_a_header_that_was_not_announced_is_an_unknown_label(tmp_path):
    file = written(tmp_path, "a.csv", "text,label\nTom ran,sports\n")
    assert f"{file}, line 1: label 'label' is not a label" in complaint(file, text="1", label="2")


@pytest.mark.parametrize("text", ["\n\n", "text,label\n", "text,label\n,sports\n"])
def test_a_table_without_a_sentence_is_refused(text, tmp_path):
    file = written(tmp_path, "a.csv", text)
    message = complaint(file, header=True)
    assert f"{file}: holds no sentence; expected csv with one or more" in message
    assert "--config.data.topic.train" in message
