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
