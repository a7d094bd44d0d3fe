"""A sentence per line, its words with their tags."""

import pytest

from mtt_jax.data.readers import files
from mtt_jax.data.readers.rows import Layout
from mtt_jax.data.readers.sentence_tags import read, recognize
from mtt_jax.errors import UserError


def write(tmp_path, *lines):
    path = tmp_path / "a.txt"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(path):
    return list(read(path, Layout()))


@pytest.mark.parametrize("separator", ["/", "|", "_"])
def test_words_and_tags_are_divided_at_the_last_separator(tmp_path, separator):
    text = "Mia@B-PER saw@O AC/DC_x@B-ORG 1|2@O .@O".replace("@", separator)
    if separator == "|":  # which divides at each
        text = text.replace("1|2", "1/2")
    path = write(tmp_path, text, "", f"Yes{separator}O")
    assert recognize(files.head(path)) == f"sentences of word{separator}tag"
    first, second = rows(path)
    assert first.fields["tags"] == first.fields["2"] == ["B-PER", "O", "B-ORG", "O", "O"]
    assert first.tokens[:3] == ["Mia", "saw", "AC/DC_x"]
    assert (second.tokens, second.place.line) == (["Yes"], 3)


def test_several_columns_per_word(tmp_path):
    path = write(tmp_path, "Mia|NNP|B-PER ran|VBD|O")
    assert recognize(files.head(path)) == "sentences of word|tag|tag"
    [row] = rows(path)
    assert row.tokens == row.fields["1"] == ["Mia", "ran"]
    assert row.fields["2"] == ["NNP", "VBD"]
    assert row.fields["tags"] == row.fields["3"] == ["B-PER", "O"]


def test_classes_of_words_are_recognized(tmp_path):
    path = write(tmp_path, "The/DT cat/NN saw/VBD the/DT dog/NN ./.")
    [row] = rows(path)
    assert recognize(files.head(path)) == "sentences of word/tag"
    assert row.fields["tags"] == ["DT", "NN", "VBD", "DT", "NN", "."]


def test_words_and_tags_with_a_tab_between_them(tmp_path):
    path = write(tmp_path, "Mia Berg left\tB-PER I-PER O", "Yes\tO")
    assert recognize(files.head(path)) == "sentences with their tags after a tab"
    first, second = rows(path)
    assert first.tokens == ["Mia", "Berg", "left"]
    assert first.fields["tags"] == ["B-PER", "I-PER", "O"]
    assert second.tokens == ["Yes"]


def test_a_no_break_space_is_part_of_a_word(tmp_path):
    [row] = rows(write(tmp_path, "10\u00a0000/O people/O in/O Oslo/B-LOC"))
    assert row.tokens[0] == "10\u00a0000"


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["Mia/B-PER ran/O"] * 9 + ["so did Bo/B-PER"], "line 10: 'so' is not a word with a tag"),
        (["Mia ran\tB-PER O"] * 9 + ["Bo\tB-PER O"], "line 10: 1 words, but 2 tags"),
        (["Mia ran\tB-PER O"] * 9 + ["Bo"], "line 10: 0 tabs; expected one"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, lines, message):
    path = write(tmp_path, *lines)
    assert recognize(files.head(path)) or len(lines) < 3
    with pytest.raises(UserError, match=f"a.txt, {message}"):
        rows(path)


@pytest.mark.parametrize(
    "lines",
    [
        ["Mia\tB-PER", "ran\tO", "", "Bo\tB-PER"],
        ["Hà Nội\tB-LOC", "đẹp\tO"],
        ["Mia ran and/or walked .", "So did Bo ."],
        ["http://example.org/a", "http://example.org/b"],
        ["https://a.org/NEWS https://b.org/NEWS"],
        ["good film\tpositive", "bad film\tnegative"],
        ["Good\tA", "Bad\tB"],
        ["snake_case other_name", "more_names here_too"],
        ["__label__news Mia ran"],
        ["12/24/25 1/2 3/4"],
        [""],
    ],
)
def test_other_files_are_not_recognized(tmp_path, lines):
    assert recognize(files.head(write(tmp_path, *lines))) is None
