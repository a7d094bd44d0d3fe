"""What readers of columns share; and no text, however broken, is more than an error of one line."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mtt_jax.data.readers import (
    blocks,
    conllu,
    files,
    germeval,
    kaggle,
    ontonotes,
    read_rows,
    sentence_tags,
    webanno,
)
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError


def test_blocks_end_with_an_empty_line_of_any_spaces(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("a\nb\n \t\n\nc\u0085d\n\u00a0\n", encoding="utf-8")
    assert list(blocks.blocks(path, "utf-8")) == [
        [(1, "a"), (2, "b")],
        [(5, "c\u0085d"), (6, "\u00a0")],
    ]


@pytest.mark.parametrize(
    ("line", "cells"),
    [
        ("a b\tc", ["a b", "c"]),
        ("a  b c ", ["a", "b", "c"]),
        ("a\u00a0b c", ["a\u00a0b", "c"]),
        ("a\t\tc", ["a", "", "c"]),
    ],
)
def test_columns_are_divided_by_tabs_or_by_spaces(line, cells):
    assert blocks.split_columns(line) == cells


WHOLE = {
    conllu: (
        "# sent_id = 1\n# text = Mia didn't.\n1\tMia\tMia\tX\t_\t_\t0\t_\t_\tNER=B-PER\n"
        "2-3\tdidn't\t_\t_\t_\t_\t_\t_\t_\tSpaceAfter=No\n2\tdid\tdo\tX\t_\t_\t0\t_\t_\t_\n"
        "3\tn't\tnot\tX\t_\t_\t0\t_\t_\tNER=O\n3.1\tit\t_\tX\t_\t_\t_\t_\t_\t_\n"
        "4\t.\t.\tX\t_\t_\t0\t_\t_\t_\n\n1\tBo\tBo\tX\t_\t_\t0\t_\t_\tNER=I-PER\n"
    ),
    germeval: "#\turl\t[1]\n1\tUni\tB-ORG\tO\n2\tUlm\tI-ORG\tB-LOC\n\n1\tBo\tO\tO\n",
    kaggle: 'Sentence #,Word,Tag\nSentence: 1,Mia,B-per\n,",",O\n1,"""",O\n2,Bo,B-per\n',
    ontonotes: (
        "#begin document (x); part 000\nx 0 0 Mia NN (PERSON*\nx 0 1 Ek NN *)\n\n"
        "x 0 0 Ulm NN (GPE)\n#end document\n"
    ),
    sentence_tags: "Mia/B-PER ran/O 1/2/O\nBo/B-PER sat/O\n",
    webanno: (
        "#FORMAT=WebAnno TSV 3.3\n#T_SP=a.NamedEntity|value\n#T_SP=a.POS|PosValue\n\n"
        "#Text=😀 Mia Ek\n1-1\t0-2\t😀\t_\tX\t\n1-2\t3-6\tMia\tPER[1]\tX\t\n"
        "1-2.1\t3-5\tMi\t*\t_\t\n1-3\t7-9\tEk\tPER[1]|LOC\tX\t\n\n"
        "#Text=Bo \\_\n2-1\t10-12\tBo\tPER[1]\tX\t\n2-2\t13-14\t\\_\t_\tX\t\n"
    ),
}
PIECES = [
    "", "\n", "\n\n", "\r", "\t", " ", "_", "#", "# text = ", "1", "2", "3", "-", ".", "1-2", "Mia",
    "😀", "O", "B-PER", "(ORG*", "*)", "(GPE)", "*", "[1]", "|", "|LOC", "\\", "/", ",", '"',
    "\u00a0", "\u2028", "\u0085", "\x00", "é",
]  # fmt: skip
EDITS = st.lists(
    st.tuples(st.floats(0, 1), st.integers(0, 4), st.sampled_from(PIECES)), min_size=1, max_size=3
)


def edited(text, edits):
    for where, removed, piece in edits:
        at = int(where * len(text))
        text = text[:at] + piece + text[at + removed :]
    return text


@pytest.mark.parametrize("reader", WHOLE, ids=lambda reader: reader.__name__.rpartition(".")[2])
@settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(edits=EDITS)
def test_a_damaged_file_gives_rows_that_fit_together_or_one_line_that_names_it(
    reader, tmp_path, edits
):
    path = tmp_path / "a.txt"
    path.write_bytes(edited(WHOLE[reader], edits).encode())
    reader.recognize(files.head(path))
    rows, fault = [], ""
    try:
        rows = list(reader.read(path, Layout("utf-8")))
    except UserError as error:
        fault = str(error)
    if fault:
        assert fault.startswith(str(path))
        assert "\n" not in fault
        return
    for row in rows:
        assert row.tokens
        assert len(row.token_places or row.tokens) == len(row.tokens)
        lists = [value for value in row.fields.values() if isinstance(value, list)]
        tags = [value for value in lists if value and isinstance(value[0], str)]
        assert all(len(value) == len(row.tokens) for value in tags)
        if row.offsets is not None:
            assert [row.text[start:end] for start, end in row.offsets] == list(row.tokens)
        for entity in (item for value in lists for item in value if isinstance(item, dict)):
            assert 0 <= entity["start"] <= entity["end"] <= len(row.text)


@pytest.mark.parametrize("reader", WHOLE, ids=lambda reader: reader.__name__.rpartition(".")[2])
def test_line_ends_of_any_kind_are_the_same(reader, tmp_path):
    path, found = tmp_path / "a.txt", []
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(WHOLE[reader].replace("\n", end).encode())
        assert reader.recognize(files.head(path))
        found.append(list(reader.read(path, Layout())))
    assert found[0] == found[1] == found[2]


@pytest.mark.parametrize("reader", WHOLE, ids=lambda reader: reader.__name__.rpartition(".")[2])
def test_each_format_is_recognized_as_itself_and_no_other(reader, tmp_path):
    path = tmp_path / "a.txt"
    path.write_text(WHOLE[reader], encoding="utf-8")
    assert read_rows(path, Layout()).reader.read is reader.read
