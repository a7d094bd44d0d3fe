"""fastText lines."""

import pytest

from mtt_jax.data.readers import fasttext, files
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError


def rows(tmp_path, content):
    path = tmp_path / "train.txt"
    path.write_text(content, encoding="utf-8")
    return list(fasttext.read(path, Layout()))


def labels(row):
    return row.fields.get("label")


def test_the_words_with_the_prefix_are_the_labels_and_the_rest_is_the_text(tmp_path):
    one, two = rows(tmp_path, "__label__sport Wir gewinnen .\n__label__a __label__b x  y\n")
    assert (one.text, labels(one)) == ("Wir gewinnen .", "sport")
    assert (two.text, labels(two)) == ("x  y", ["a", "b"])


def test_a_label_is_taken_wherever_it_is_in_the_line(tmp_path):
    (row,) = rows(tmp_path, "Rovers win __label__sport at home\t__label__uk\n")
    assert (row.text, labels(row)) == ("Rovers win at home", ["sport", "uk"])


def test_a_prefix_inside_a_word_is_a_part_of_the_text(tmp_path):
    (row,) = rows(tmp_path, "__label__x see my__label__y\n")
    assert (row.text, labels(row)) == ("see my__label__y", "x")


def test_a_line_without_a_label_is_a_text_without_one_and_empty_lines_are_skipped(tmp_path):
    one, two = rows(tmp_path, "\nno label here\n\n__label__x\n")
    assert (one.text, labels(one), one.place.line) == ("no label here", None, 2)
    assert (two.text, labels(two), two.place.line) == ("", "x", 4)


def test_a_prefix_without_a_name_is_a_fault_with_its_line(tmp_path):
    with pytest.raises(UserError, match=r"train.txt, line 2: __label__ without a name"):
        rows(tmp_path, "__label__a x\n__label__ sports y\n")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("__label__a x\n__label__b y\n", "fastText lines"),
        ("__label__a x\nwithout a label\n\n__label__b y\n", "fastText lines"),
        ("The prefix is __label__a .\nNo label.\n", None),
        ("", None),
    ],
)
def test_it_is_recognized_by_lines_that_begin_with_a_label(tmp_path, content, found):
    path = tmp_path / "any.name"
    path.write_text(content)
    assert fasttext.recognize(files.head(path)) == found


QUESTIONS = "DESC:manner How did Ann leave ?\nHUM:ind Who ran ?\n\nLOC:city Where is Oslo ?\n"


@pytest.mark.parametrize("name", ["train_5500.label", "TREC_10.txt", "a"])
def test_questions_of_trec_have_a_coarse_and_a_fine_label(name, tmp_path):
    path = tmp_path / name
    path.write_text(QUESTIONS, encoding="latin-1")
    assert fasttext.recognize(files.head(path)) == "TREC questions with coarse and fine labels"
    found = list(fasttext.read(path, Layout()))
    assert [labels(row) for row in found] == ["DESC", "HUM", "LOC"]
    assert [row.fields["fine_label"] for row in found] == ["DESC:manner", "HUM:ind", "LOC:city"]
    assert [row.text for row in found] == ["How did Ann leave ?", "Who ran ?", "Where is Oslo ?"]


def test_other_labels_in_the_layout_of_trec_are_told_by_the_name_of_the_file(tmp_path):
    content = "INFO:root started\nWARN:root Oslo is gone\n"
    for name, known in (("a.txt", False), ("a.label", True)):
        path = tmp_path / name
        path.write_text(content)
        assert bool(fasttext.recognize(files.head(path))) == known


def test_a_question_without_labels_is_a_fault(tmp_path):
    path = tmp_path / "a.label"
    path.write_text("LOC:city Where is Oslo ?\n" * 20 + "Who ran ?\n")
    with pytest.raises(UserError, match=r"a.label, line 21: no labels; expected them first"):
        list(fasttext.read(path, Layout()))
