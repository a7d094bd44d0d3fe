"""Kaggle's ner_dataset.csv and its variant with a number on every row."""

import pytest

from mtt_jax.data.readers import files
from mtt_jax.data.readers.kaggle import read, recognize
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError

HEADER = "Sentence #,Word,POS,Tag"


def write(tmp_path, *lines, encoding="utf-8"):
    path = tmp_path / "a.csv"
    path.write_text("\n".join(lines) + "\n", encoding=encoding)
    return path


def rows(path, **layout):
    return list(read(path, Layout(**layout)))


def test_a_sentence_lasts_until_the_next_number(tmp_path):
    lines = ["Sentence: 1,Mia,NNP,B-per", ",ran,VBD,O", "Sentence: 2,Oslo,NNP,B-geo"]
    path = write(tmp_path, HEADER, *lines)
    assert "Kaggle" in recognize(files.head(path))
    first, second = rows(path)
    assert first.tokens == first.fields["Word"] == ["Mia", "ran"]
    assert first.fields["Tag"] == first.fields["4"] == ["B-per", "O"]
    assert first.fields["POS"] == ["NNP", "VBD"]
    assert first.fields["Sentence #"] == "Sentence: 1"
    assert [place.line for place in first.token_places] == [2, 3]
    assert second.tokens == ["Oslo"]


def test_the_number_may_stand_on_every_row(tmp_path):
    path = write(tmp_path, "sentence_id;words;labels", "0;Mia;B-PER", "0;ran;O", "1;Oslo;B-LOC")
    assert recognize(files.head(path))
    assert [row.tokens for row in rows(path)] == [["Mia", "ran"], ["Oslo"]]


def test_quotes_and_separators_in_words(tmp_path):
    path = write(tmp_path, HEADER, '1,"1,300",CD,O', ',",",",",O', ',"""",``,O', ",x\u00a0y,NN,O")
    assert rows(path)[0].tokens == ["1,300", ",", '"', "x\u00a0y"]


def test_latin_1_is_read(tmp_path):
    lines = ["Sentence: 1,caf\u00e9,NN,O", ",na\u00efve,JJ,O", ",M\u00fcnchen,NNP,B-geo"]
    path = write(tmp_path, HEADER, *lines, encoding="latin-1")
    assert rows(path)[0].tokens == ["café", "naïve", "München"]


def test_another_column_can_hold_the_words(tmp_path):
    path = write(tmp_path, "Sentence #,Word,Lemma,Tag", "1,ran,run,O")
    assert rows(path, word=3)[0].tokens == ["run"]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, "1,Mia,NNP"], "line 2: 3 columns, but line 1 names 4"),
        ([HEADER, ",Mia,NNP,O"], "line 2: a word without a sentence"),
        ([HEADER, "1,,NNP,O"], "line 2: no word in column 'Word'"),
        ([HEADER, '1,",NNP,O'], "line 2: not valid CSV"),
        (["text,label", "Mia ran,news"], "line 1: expected names of columns"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, lines, message):
    with pytest.raises(UserError, match=f"a.csv, {message}"):
        rows(write(tmp_path, *lines), flag="--config.data.ner")


def test_rows_in_no_order_are_refused(tmp_path):
    lines = [f"{number},w,NN,O" for _ in range(5) for number in (1, 2, 3)]
    with pytest.raises(UserError, match="3 numbers in column 'Sentence #' begin 15 times. Sort"):
        rows(write(tmp_path, HEADER, *lines))


@pytest.mark.parametrize("header", ["text,label", "sentence,label", "Word,Tag", ""])
def test_other_tables_are_not_recognized(tmp_path, header):
    assert recognize(files.head(write(tmp_path, header, "a,b"))) is None


@pytest.mark.parametrize(
    "cells", ["1,Ann left,B-PER O", "1,\"['Ann', 'left']\",\"['B-PER', 'O']\""]
)
def test_a_table_with_a_sentence_per_row_is_another_format(cells, tmp_path):
    path = write(tmp_path, "sentence_id,words,tags", cells)
    assert recognize(files.head(path)) is None
