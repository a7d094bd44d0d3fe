"""CSV and TSV: the AG News layout, headers, quotes; faults are reported with line and remedy."""

import csv

import numpy as np
import pytest

from mtt_jax.data.readers import read_rows
from mtt_jax.data.readers.rows import Layout
from tests.helpers import complaint, entities, read, written

AG_NEWS = """\
"3","Wall St. Bears Claw Back","Short-sellers, the ""ultra-cynics"", are back\\band green."
"1","Venezuelans Vote","CARACAS (Reuters) - Polls &lt;b&gt;opened&lt;/b&gt; Sunday#39;s."
"2","Phelps Wins","Gold,
in two lines."
"4","Robots","Land."
"""
AG_MAP = {"1": "politics", "2": "sports", "3": "others", "4": "others"}


def test_ag_news_is_read_as_published(tmp_path):
    file = written(tmp_path, "train.csv", AG_NEWS)
    loaded = read(file, text="2,3", label="1", label_map=AG_MAP)
    assert [(record.text, record.labels["topic"]) for record in loaded.records] == [
        (
            'Wall St. Bears Claw Back Short-sellers, the "ultra-cynics", are back\\band green.',
            "others",
        ),
        (
            "Venezuelans Vote CARACAS (Reuters) - Polls &lt;b&gt;opened&lt;/b&gt; Sunday#39;s.",
            "politics",
        ),
        ("Phelps Wins Gold,\nin two lines.", "sports"),
        ("Robots Land.", "others"),
    ]
    assert loaded.notes == [f"{file}: 4 texts, CSV without a header, labels from column 1."]
    assert all(list(record.labels) == ["topic"] for record in loaded.records)


@pytest.mark.parametrize(("name", "comma"), [("a.csv", ","), ("a.tsv", "\t"), ("a.TSV", "\t")])
def test_columns_are_found_by_their_names_in_the_header(name, comma, tmp_path):
    rows = [("id", "label", "text"), ("1", "sports", "Tom ran"), ("2", "others", "Shares fell")]
    file = written(tmp_path, name, "".join(comma.join(row) + "\n" for row in rows))
    expected = [("Tom ran", "sports"), ("Shares fell", "others")]
    for fields in ({}, {"text": "3", "label": "2"}, {"text": "text", "label": "label"}):
        for header in ("auto", "true", True):
            records = read(file, header=header, **fields).records
        assert [(record.text, record.labels["topic"]) for record in records] == expected


def test_column_name_that_is_a_number_is_a_name_and_not_a_number(tmp_path):
    file = written(tmp_path, "a.csv", "2,1,label\nTom ran,x,sports\n")
    (record,) = read(file, header=True, text="2").records
    assert record.text == "Tom ran"


def test_several_text_columns_are_joined_in_the_order_of_the_config(tmp_path):
    file = written(tmp_path, "a.csv", "title,body,label\nran,Tom,sports\n")
    (record,) = read(file, header=True, text="body, title").records
    assert record.text == "Tom ran"


def test_empty_label_is_unlabelled_and_counted(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\nAnn ran, \nBen ran,\n")
    loaded = read(file, text="1", label="2")
    assert [record.labels for record in loaded.records] == [{"topic": "sports"}, {}, {}]
    assert loaded.notes[1:] == [f"{file}: 2 sentences without a label of topic (first: line 2)."]


def test_empty_texts_are_left_out_and_counted(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\n,sports\n  ,sports\n\nAnn,others\n")
    loaded = read(file, text="1", label="2")
    assert [record.text for record in loaded.records] == ["Tom ran", "Ann"]
    assert loaded.notes[1:] == [f"{file}: 2 empty texts, left out (first: line 2)."]


def test_quotes_in_a_tsv_are_plain_characters_unless_they_enclose_a_cell(tmp_path):
    text = 'sports\tTom "Fly" Fry\nsports\t"Yes" he said\nsports\t"He said ""no"""\nsports\t"\n'
    records = read(written(tmp_path, "a.tsv", text), text="2", label="1").records
    assert [record.text for record in records] == [
        'Tom "Fly" Fry',
        '"Yes" he said',
        'He said "no"',
        '"',
    ]


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_any_text_that_a_csv_writer_writes_is_read_back(end, tmp_path):
    rng = np.random.default_rng(0)
    characters = list('ab ,"\n\t;é漢')
    texts = ["".join(rng.choice(characters, int(rng.integers(1, 12)))) + "x" for _ in range(300)]
    file = tmp_path / "a.csv"
    with file.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream, lineterminator=end).writerows((text, "sports") for text in texts)
    records = read(file, clean=False, text="1", label="2").records
    assert [record.text for record in records] == texts


def test_line_number_is_right_after_a_text_of_several_lines(tmp_path):
    file = written(tmp_path, "a.csv", '"Tom\nran\nhome",sports\n\nAnn ran,sport\n')
    assert f"{file}, line 5: 'sport' is not a label" in complaint(file, text="1", label="2")


# Files with faults


@pytest.mark.parametrize(
    ("name", "text", "separator"),
    [
        ("a.csv", "sports,Tom ran\nsports,Tom ran, and won\n", "comma"),
        ("a.tsv", "sports\tTom ran\nsports\tTom ran\tand won\n", "tab"),
    ],
)
def test_row_with_another_number_of_columns_is_reported_with_the_remedy(
    name, text, separator, tmp_path
):
    file = written(tmp_path, name, text)
    message = complaint(file, text="2", label="1")
    assert f"{file}, line 2: 3 columns, but the first line has 2" in message
    assert f"quote a text that contains the separator ({separator})" in message


def test_row_with_too_few_columns_is_reported(tmp_path):
    file = written(tmp_path, "a.csv", "text,label\nTom ran,sports\nAnn ran\n")
    message = complaint(file, header=True)
    assert message == (
        f"{file}, line 3: 1 of the 2 columns that the first line has; write the missing ones, "
        "empty if need be, each after a separator (comma)."
    )
    written(tmp_path, "a.csv", "text,label\nTom ran,sports\nAnn ran,\n")
    assert read(file, header=True).records[1].labels == {}, "as the message says"


def test_unclosed_quote_is_reported_with_the_line_in_which_it_begins(tmp_path):
    file = written(tmp_path, "a.csv", 'sports,Tom ran\nsports,"Ann ran\nsports,Ben ran\n')
    message = complaint(file, text="2", label="1")
    assert f"{file}, line 2: not valid CSV" in message
    assert 'A quote inside a quoted text is written twice: ""' in message


def test_lone_quote_inside_a_quoted_text_is_reported(tmp_path):
    file = written(tmp_path, "a.csv", 'sports,"Tom "Fly" Fry ran"\n')
    message = complaint(file, text="2", label="1")
    assert f"{file}, line 1: not valid CSV" in message
    assert 'written twice: ""' in message


def test_missing_column_name_is_reported_with_the_known_ones(tmp_path):
    file = written(tmp_path, "a.csv", "title,class\nTom ran,sports\n")
    message = complaint(file, header=True, label="klass")
    assert f"{file}: no column 'klass' in title, class; set --config.data.topic.label=" in message
    assert "Did you mean 'class'?" in message
    message = complaint(file, header=True, text="body")
    assert f"{file}: no column 'body' in title, class; set --config.data.topic.text=" in message


def test_file_without_a_header_asks_for_column_numbers_or_for_header_true(tmp_path):
    message = complaint(written(tmp_path, "a.csv", "Tom ran,Oslo,x\nAnn sat,Rome,y\n"))
    assert "a.csv, line 1: there are 3 columns without names" in message
    assert "--config.data.topic.label=NUMBER" in message
    assert "--config.data.topic.header=true" in message
    message = complaint(written(tmp_path, "b.csv", "Tom ran,Oslo,sports\n"))
    assert "--config.data.topic.text=NUMBER" in message
    message = complaint(written(tmp_path, "c.csv", "Tom ran,sports\n"), label="class")
    assert "c.csv, line 1: 'class' is not a column number from 1 to 2" in message
    assert "--config.data.topic.header=true" in message


@pytest.mark.parametrize("number", ["0", "3", "1,3", "-3"])
def test_missing_column_number_is_reported(number, tmp_path):
    message = complaint(written(tmp_path, "a.csv", "Tom ran,sports\n"), text=number, label="2")
    assert f"a.csv, line 1: {number.split(',')[-1]!r} is not one of 2 columns" in message
    assert "set --config.data.topic.text to a number from 1 to 2" in message


def test_column_whose_cells_are_all_labels_is_the_label_and_the_other_one_the_text(tmp_path):
    for text in ("Tom ran,sports\nAnn sat,others\n", "sports,Tom ran\nothers,Ann sat\n"):
        loaded = read(written(tmp_path, "a.csv", text))
        assert [(r.text, r.labels["topic"]) for r in loaded.records] == [
            ("Tom ran", "sports"), ("Ann sat", "others"),
        ]  # fmt: skip


def test_unknown_labels_are_reported_together_with_lines_to_paste(tmp_path):
    file = written(tmp_path, "a.csv", "Tom,sports\nAnn,Sport\nBen,Weather\nCat,Weather\n")
    message = complaint(file, text="1", label="2")
    assert (
        f"{file}: 2 labels are not labels of task 'topic' (sports, politics, others): 'Weather' 2 "
        f"(first: {file}, line 3), 'Sport' 1 (first: {file}, line 2)." in message
    )
    assert "  --config.tasks.topic.labels=sports,politics,others,Weather,Sport\n" in message
    assert "with one of sports, politics, others in place of each NAME" in message
    assert "  --config.data.topic.label_map='Weather=NAME, Sport=sports'" in message


def test_lines_to_paste_keep_the_label_map_that_there_is(tmp_path):
    file = written(tmp_path, "a.csv", "Tom,World\nAnn,Sport\n")
    message = complaint(file, text="1", label="2", label_map={"World": "politics"})
    assert "  --config.data.topic.label_map='World=politics, Sport=sports'" in message
    assert "in place of" not in message


def test_column_of_texts_is_not_proposed_as_labels(tmp_path):
    rows = "".join(f"Tom ran {i} miles,sports\n" for i in range(60))
    message = complaint(written(tmp_path, "a.csv", rows), text="2", label="1")
    assert "texts or ids rather than labels" in message
    assert "--config.data.topic.label=..." in message
    assert "label_map" not in message


# The header


@pytest.mark.parametrize(
    "text",
    [
        "text,label\nTom ran,sports\n",
        "Sentence;Category\nTom ran;sports\n",
        "id,headline,topic\n1,Tom ran,sports\n2,Ann sat,others\n",
        "statement,verdict\n" + "Tom ran home today,sports\nAnn sat down at home,others\n" * 5,
        "statement,grade\n" + "Tom ran home,1\nAnn sat down,0\n" * 5,
    ],
)
def test_header_is_recognized(text, tmp_path):
    file = written(tmp_path, "a.csv", text)
    last = text.split("\n")[0].count(",") + text.split("\n")[0].count(";") + 1
    names = {"label_map": {"1": "sports", "0": "others"}}
    loaded = read(file, text=str(last - 1), label=str(last), **names)
    assert loaded.records[0].text.startswith("Tom ran")
    assert "with a header" in loaded.notes[0]


@pytest.mark.parametrize(
    "text",
    [
        "Tom ran,sports\nAnn sat,others\n",
        '3,"Wall St. Bears","Short-sellers are back."\n4,"Robots","Land."\n',
        "Good,text\nBad,text\n",
        "Tom,sports\n" * 9,
    ],
)
def test_first_line_of_data_is_no_header(text, tmp_path):
    width = text.split("\n")[0].count(",") + 1
    rows = list(read_rows(written(tmp_path, "a.csv", text), Layout()).rows)
    assert len(rows) == text.count("\n")
    assert list(rows[0].fields) == [str(number) for number in range(1, width + 1)]


def test_config_decides_on_the_header(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,sports\nAnn sat,others\n")
    assert len(read(file, text="1", label="2", header="true").records) == 1
    file = written(tmp_path, "b.csv", "text,sports\nAnn sat,others\n")
    assert len(read(file, text="1", label="2", header="false").records) == 2


def test_header_that_is_read_as_data_is_reported_as_one(tmp_path):
    file = written(tmp_path, "a.csv", "text,label\nTom ran,sports\nAnn ran,others\n")
    message = complaint(file, text="1", label="2", header="false")
    assert f"{file}, line 1: 'label' is not a label of task 'topic'" in message
    assert "names of the columns" in message
    assert "--config.data.topic.header=true" in message
    assert "label_map" not in message


# Separators


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("name", ["a.csv", "a.tsv"])
def test_separator_is_recognized(name, separator, tmp_path):
    rows = [("label", "text"), ("sports", "Tom ran - again"), ("others", "Ann sat")]
    file = written(tmp_path, name, "".join(separator.join(row) + "\n" for row in rows))
    found = [(r.text, r.labels["topic"]) for r in read(file).records]
    assert found == [("Tom ran - again", "sports"), ("Ann sat", "others")]


def test_commas_in_texts_do_not_hide_semicolons(tmp_path):
    text = "label;text\nsports;Rovers win, again\nothers;Rain, rain\n"
    records = read(written(tmp_path, "a.csv", text)).records
    assert [record.text for record in records] == ["Rovers win, again", "Rain, rain"]
    text = "sports;Rovers win, again\nothers;Rain, rain\n"
    records = read(written(tmp_path, "b.csv", text)).records
    assert [record.text for record in records] == ["Rovers win, again", "Rain, rain"]


def test_separators_at_the_ends_of_lines_make_no_column(tmp_path):
    for text in ("text,label,\nTom ran,sports,\n", "text,label\nTom ran,sports,\n"):
        loaded = read(written(tmp_path, "a.csv", text))
        assert [(r.text, r.labels["topic"]) for r in loaded.records] == [("Tom ran", "sports")]


def test_cells_in_quotes_may_hold_line_ends_also_between_tabs(tmp_path):
    text = 'text\tlabel\n"Tom\nran"\tsports\n"Ann"\tothers\n'
    assert [r.text for r in read(written(tmp_path, "a.tsv", text)).records] == ["Tom\nran", "Ann"]


def test_line_ends_inside_cells_stay_as_they_are(tmp_path):
    file = written(tmp_path, "a.csv", 'text,label\r\n"Tom\r\nran",sports\r\n')
    assert read(file).records[0].text == "Tom\r\nran"


@pytest.mark.parametrize("text", ["\n\n", "text,label\n", "text,label\n,sports\n"])
def test_table_without_a_sentence_is_refused(text, tmp_path):
    file = written(tmp_path, "a.csv", text)
    message = complaint(file, header=True, text="1", label="2")
    assert f"{file} contains no sentence; expected at least one in csv format" in message
    assert "--config.data.topic.train" in message


# Multilabel: several labels in one cell


def sets(loaded):
    return [record.labels.get("subjects") for record in loaded.records]


@pytest.mark.parametrize(
    ("name", "comma", "separator"),
    [("a.csv", ",", "|"), ("a.csv", ",", ";"), ("a.csv", ",", " "), ("a.tsv", "\t", "|"),
     ("a.tsv", "\t", ","), ("a.tsv", "\t", " / ")],
)  # fmt: skip
def test_multilabel_cell_is_divided_by_the_separator(name, comma, separator, tmp_path):
    rows = [("Tom ran", separator.join(["people", "money"])), ("Ann ran", "law"), ("Ben", "law")]
    rows.append(("Cat", separator.join(["law", "law", "money", "people"])))
    file = written(tmp_path, name, "".join(comma.join(row) + "\n" for row in rows))
    loaded = read(file, "subjects", text="1", label="2", separator=separator)
    assert sets(loaded) == [
        ("money", "people"), ("law",), ("law",), ("money", "law", "people"),
    ]  # fmt: skip
    assert len(loaded.notes) == 1


def test_multilabel_cell_may_have_spaces_around_labels_and_the_column_labels_is_the_default(
    tmp_path,
):
    file = written(tmp_path, "a.csv", "text,labels\nTom ran,  law |money \nAnn,law|\n")
    assert sets(read(file, "subjects", header=True)) == [("money", "law"), ("law",)]


@pytest.mark.parametrize("cell", ["", "  ", '""', "|", " | "])
def test_empty_multilabel_cell_is_the_empty_set_and_counted(cell, tmp_path):
    file = written(tmp_path, "a.csv", f"Tom ran,law\nAnn ran,{cell}\nBen ran,{cell}\n")
    loaded = read(file, "subjects", text="1", label="2")
    assert sets(loaded) == [("law",), (), ()]
    assert loaded.notes[1:] == [
        f"{file}: 2 empty cells, read as no label of subjects (first: line 2)."
    ]


def test_empty_text_with_an_empty_multilabel_cell_is_counted_as_an_empty_text_alone(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,law\n,\n")
    loaded = read(file, "subjects", text="1", label="2")
    assert loaded.notes[1:] == [f"{file}: 1 empty texts, left out (first: line 2)."]


def test_multilabel_names_in_cells_are_mapped_by_the_label_map(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,finance|3\n")
    names = {"finance": "money", "3": "law"}
    assert sets(read(file, "subjects", text="1", label="2", label_map=names)) == [("money", "law")]


def test_unknown_label_in_a_multilabel_cell_is_reported_with_line_and_nearest_label(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,law\n\nAnn ran,law|poeple\n")
    message = complaint(file, "subjects", text="1", label="2")
    expected = "'poeple' is not a label of task 'subjects' (money, law, people)."
    assert f"{file}, line 3: {expected}" in message
    assert "label_map=poeple=people" in message


def test_wrong_separator_is_an_unknown_label(tmp_path):
    file = written(tmp_path, "a.csv", "Tom ran,law;money\n")
    message = complaint(file, "subjects", text="1", label="2")
    assert f"{file}, line 1: 'law;money' is not a label of task 'subjects'" in message
    assert message.endswith("set --config.data.subjects.separator=';'")


def test_multilabel_cell_may_hold_a_list_as_json_or_python_writes_it(tmp_path):
    text = 'text,labels\nTom ran,"[\'law\', \'money\']"\nAnn ran,"[""law""]"\nBen ran,[]\n'
    assert sets(read(written(tmp_path, "a.csv", text), "subjects")) == [
        ("money", "law"), ("law",), (),
    ]  # fmt: skip


# Multilabel: one column of 0 and 1 per label

JIGSAW = """\
id,text,people,money,law
1,Tom ran,1,1,0
2,Ann sat,0,0,0
3,Ben fell,0, 0 ,1
"""
JIGSAW_SETS = [("money", "people"), (), ("law",)]


def test_multilabel_columns_are_found_by_the_names_of_the_labels(tmp_path):
    for name, text in (("a.csv", JIGSAW), ("a.tsv", JIGSAW.replace(",", "\t"))):
        loaded = read(written(tmp_path, name, text), "subjects", header=True)
        assert sets(loaded) == JIGSAW_SETS
        assert len(loaded.notes) == 1, "a row of zeros is the empty set, not an empty cell"


@pytest.mark.parametrize(("yes", "no"), [("True", "False"), ("true", "false"), ("1.0", "0.0")])
def test_multilabel_columns_may_hold_other_spellings_of_0_and_1(yes, no, tmp_path):
    text = f"text,people,money,law\nTom ran,{yes},{yes},{no}\nAnn sat,{no},{no},{yes}\n"
    loaded = read(written(tmp_path, "a.csv", text), "subjects")
    assert sets(loaded) == [("money", "people"), ("law",)]


def test_multilabel_columns_are_named_in_the_config_in_any_order(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW)
    for label in ("people, money, law", "law,people,money"):
        assert sets(read(file, "subjects", header=True, label=label)) == JIGSAW_SETS


def test_multilabel_columns_of_other_names_are_mapped_by_the_label_map(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW.replace("people", "persons"))
    found = read(file, "subjects", header=True, label="persons,money,law",
                 label_map={"persons": "people"})  # fmt: skip
    assert sets(found) == JIGSAW_SETS


def test_multilabel_columns_without_a_header_are_numbered_in_the_order_of_the_labels(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW.split("\n", 1)[1])
    assert sets(read(file, "subjects", text="2", label="4,5,3")) == JIGSAW_SETS


def test_multilabel_columns_may_be_numbered_under_a_header(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW)
    assert sets(read(file, "subjects", header=True, label="3,4,5")) == JIGSAW_SETS


@pytest.mark.parametrize("label", ["4,5", "3,4,5,3"])
def test_wrong_number_of_multilabel_columns_without_a_header_is_reported(label, tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW.split("\n", 1)[1])
    message = complaint(file, "subjects", text="2", label=label)
    count = label.count(",") + 1
    assert f"{file}, line 1: --config.data.subjects.label names {count} columns" in message
    assert "task 'subjects' has 3 labels" in message


def test_wrong_number_of_multilabel_columns_under_a_header_is_reported(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW)
    for label in ("people,money", "people,money,people"):
        message = complaint(file, "subjects", header=True, label=label)
        assert f"{file}, line 2: " in message
        assert "expected 0 or 1 for each label, including 'law'" in message


def test_multilabel_columns_that_are_mapped_to_one_label_are_united(tmp_path):
    """As the column severe_toxic of Jigsaw may become toxic."""
    text = "text,people,person,money,law\nTom,1,0,0,0\nAnn,0,1,0,0\nBen,0,0,0,1\n"
    file = written(tmp_path, "a.csv", text)
    columns = "people,person,money,law"
    found = read(file, "subjects", header=True, label=columns, label_map={"person": "people"})
    assert sets(found) == [("people",), ("people",), ("law",)]


def test_header_without_a_column_for_every_label_asks_for_the_columns(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW.replace(",law", ",laws"))
    message = complaint(file, "subjects", header=True)
    assert f"{file}: no line has the key 'labels'; keys there: id, text, people, money" in message
    assert "--config.data.subjects.label=" in message


def test_missing_multilabel_column_is_reported_with_the_known_ones(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW)
    message = complaint(file, "subjects", header=True, label="people,money,laws")
    assert f"{file}: no column 'laws' in id, text, people, money, law" in message


def test_multilabel_column_that_is_not_a_label_is_reported_with_the_nearest_label(tmp_path):
    file = written(tmp_path, "a.csv", JIGSAW.replace(",law", ",laws"))
    message = complaint(file, "subjects", header=True, label="people,money,laws")
    assert "'laws' (3 times) is not a label of task 'subjects' (money, law, people)" in message
    assert "label_map=laws=law" in message


@pytest.mark.parametrize("cell", ["2", "", "yes", "-1", "0.5", "law"])
def test_multilabel_column_with_anything_but_0_or_1_is_reported_with_its_line(cell, tmp_path):
    text = JIGSAW.replace("2,Ann sat,0,0,0", f"2,Ann sat,0,{cell},0")
    file = written(tmp_path, "a.csv", text)
    message = complaint(file, "subjects", header=True)
    assert f"{file}, line 3: " in message
    assert f"expected 0 or 1 per label, got {cell!r}" in message


def test_a_classes_task_takes_no_label_from_several_columns(tmp_path):
    file = written(tmp_path, "a.csv", "text,sports,politics,others\nTom ran,1,0,0\n")
    message = complaint(file, header=True)
    assert f"{file}: no line has the key 'label'; keys there: text, sports, politics" in message


# A sentence per row, with something for each word


@pytest.mark.parametrize(
    "content",
    [
        'sentence,word_labels\nTom Fry saw Oslo,"B-PER,I-PER,O,B-LOC"\nAnn left,"B-PER,O"\n',
        "text,labels\nTom Fry saw Oslo,B-PER I-PER O B-LOC\nAnn left,B-PER O\n",
        "sentence_id,words,labels\n1,Tom Fry saw Oslo,B-PER I-PER O B-LOC\n2,Ann left,B-PER O\n",
        "Sentence #,Sentence,POS,Tag\n"
        "Sentence: 1,Tom Fry saw Oslo,\"['NNP', 'NNP', 'VBD', 'NNP']\","
        "\"['B-PER', 'I-PER', 'O', 'B-LOC']\"\n"
        "Sentence: 2,Ann left,\"['NNP', 'VBD']\",\"['B-PER', 'O']\"\n",
        'tokens,ner_tags\n"[""Tom"", ""Fry"", ""saw"", ""Oslo""]",'
        '"[""B-PER"", ""I-PER"", ""O"", ""B-LOC""]"\n"[""Ann"", ""left""]","[""B-PER"", ""O""]"\n',
        "tokens,ner_tags\n['Tom' 'Fry' 'saw' 'Oslo'],['B-PER' 'I-PER' 'O' 'B-LOC']\n"
        "['Ann' 'left'],['B-PER' 'O']\n",
        "Tom Fry saw Oslo,B-PER I-PER O B-LOC\nAnn left,B-PER O\n",
        "sentence,tags\nTom Fry saw Oslo,PER PER O LOC\nAnn left,PER O\n",
    ],
)
def test_a_sentence_per_row_with_its_tags_is_read(content, tmp_path):
    first, second = read(written(tmp_path, "a.csv", content), "ner").records
    assert first.text == "Tom Fry saw Oslo"
    assert entities(first) == [("Tom Fry", "PER"), ("Oslo", "LOC")]
    assert entities(second) == [("Ann", "PER")]


def test_numbers_of_tags_in_cells_are_named_by_a_flag(tmp_path):
    file = written(tmp_path, "a.csv", 'text,ner_tags\nAnn left,"[1, 0]"\nTom ran,[1 0]\n')
    assert "--config.data.ner.names=O,B-PER" in complaint(file, "ner")
    plain = written(tmp_path, "b.csv", 'Ann left,"[1, 0]"\nTom ran,"[1, 0]"\n')
    assert "--config.data.ner.names=O,B-PER" in complaint(plain, "ner")
    found = read(file, "ner", names=("O", "B-PER")).records
    assert [entities(r) for r in found] == [[("Ann", "PER")], [("Tom", "PER")]]


@pytest.mark.parametrize(
    "cell",
    ["[(0, 3, 'PER')]", '[{""start"": 0, ""end"": 3, ""label"": ""PER""}]', "[['PER', 0, 3]]"],
)
def test_entities_in_a_cell_are_read(cell, tmp_path):
    file = written(tmp_path, "a.csv", f'text,entities\nTom ran,"{cell}"\nIt rained,[]\n')
    assert [entities(r) for r in read(file, "ner").records] == [[("Tom", "PER")], []]


def test_a_list_of_one_label_in_a_cell_is_the_label(tmp_path):
    content = 'text,label\nRovers win,[\'sports\']\nAnn left,"[""others""]"\n'
    file = written(tmp_path, "a.csv", content)
    assert [r.labels["topic"] for r in read(file).records] == ["sports", "others"]


def test_labels_of_as_many_words_as_the_text_are_labels(tmp_path):
    file = written(tmp_path, "a.csv", "text,tag\nRovers win,NEW LAW\nBank fails,OLD LAW\n")
    found = read(file, label_map={"NEW LAW": "sports", "OLD LAW": "others"}).records
    assert [r.labels["topic"] for r in found] == ["sports", "others"]


def test_parts_of_speech_in_a_cell_are_a_tag_per_word(tmp_path):
    file = written(tmp_path, "a.tsv", "sentence\tpos\nTom ran\tNOUN VERB\nAnn sat\tNOUN VERB\n")
    found = read(file, "pos").records
    assert [entities(r, "pos") for r in found] == [
        [("Tom", "NOUN"), ("ran", "VERB")], [("Ann", "NOUN"), ("sat", "VERB")],
    ]  # fmt: skip


def test_a_row_with_too_few_tags_is_a_fault_with_its_line(tmp_path):
    rows = "Ann left,B-PER O\n" * 12
    file = written(tmp_path, "a.csv", f"text,ner_tags\n{rows}Ann left us,B-PER O\n")
    assert f"{file}, line 14: 3 tokens, but 2 tags in 'ner_tags'" in complaint(file, "ner")


def test_several_topics_in_a_cell_are_not_tags_of_words(tmp_path):
    content = "text,labels\nRovers win,\"['sports', 'money']\"\nAnn left,\"['law', 'people']\"\n"
    found = read_rows(written(tmp_path, "a.csv", content), Layout()).rows
    assert [row.tokens for row in found] == [None, None]
