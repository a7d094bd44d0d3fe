"""GermEval 2014."""

import pytest

from mtt_jax.data.readers import files
from mtt_jax.data.readers.germeval import read, recognize
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError

TEXT = (
    "#\thttp://example.org/Essen\t[2011-02-03]\n"
    "1\tUniversität\tB-ORG\tO\n2\tEssen\tI-ORG\tB-LOC\n3\tlehrt\tO\tO\n"
    "\n"
    "#\thttp://example.org/Ulm\t[2011-02-04]\n"
    "1\tUlmer\tB-LOCderiv\tO\n2\t#\tO\tO\n"
)


def write(tmp_path, text):
    path = tmp_path / "a.tsv"
    path.write_text(text, encoding="utf-8")
    return path


def test_outer_and_inner_tags_are_fields(tmp_path):
    path = write(tmp_path, TEXT)
    assert recognize(files.head(path)) == "GermEval 2014 columns (outer and inner entities)"
    first, second = read(path, Layout())
    assert first.tokens == ["Universität", "Essen", "lehrt"]
    assert first.fields["outer"] == first.fields["3"] == ["B-ORG", "I-ORG", "O"]
    assert first.fields["inner"] == first.fields["4"] == ["O", "B-LOC", "O"]
    assert first.fields["source"] == "http://example.org/Essen\t[2011-02-03]"
    assert second.tokens == ["Ulmer", "#"]
    assert [place.line for place in second.token_places] == [7, 8]


def test_comments_may_have_a_space_after_the_sign(tmp_path):
    path = write(tmp_path, TEXT.replace("#\thttp", "# http"))
    assert recognize(files.head(path))
    assert [row.tokens for row in read(path, Layout())][1] == ["Ulmer", "#"]


def test_files_without_comments_are_recognized(tmp_path):
    path = write(tmp_path, "1\tUlm\tB-LOC\tO\n2\tlehrt\tO\tO\n")
    assert recognize(files.head(path))
    assert [row.tokens for row in read(path, Layout())] == [["Ulm", "lehrt"]]


@pytest.mark.parametrize(
    "text",
    ["Ulm\tB-LOC\n", "1\tUlm\tNNP\tB-LOC\n2\tist\tVB\tO\n", "Ulm\tNE\tX\tO\n", "", "# Ulm\n"],
)
def test_other_files_are_not_recognized(tmp_path, text):
    assert recognize(files.head(write(tmp_path, text))) is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1\tUlm\tO\tO\n2\tist\tO\n", "line 2: 3 columns, but line 1 has 4"),
        ("1\tUlm\tO\tO\n3\tist\tO\tO\n", "line 2: word 3 follows word 1"),
        ("1\tUlm\tO\tO\n1\tist\tO\tO\n", "line 2: word 1 follows word 1.*empty line"),
        ("1\tUlm\tO\tO\nx\tist\tO\tO\n", "line 2: 'x' in the first column"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, text, message):
    with pytest.raises(UserError, match=f"a.tsv, {message}"):
        list(read(write(tmp_path, text), Layout()))
