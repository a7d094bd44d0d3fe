"""BRAT: folders of texts and offsets."""

import pytest

from mtt_jax.data.readers import brat, read_rows
from mtt_jax.data.readers.files import expand
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from tests.helpers import written

TEXT = "Ann sold Acme.\n\nBob ran.\n"
OFFSETS = "T1\tPER 0 3\tAnn\nT2\tORG 9 13\tAcme\nT3\tPER 16 19\tBob\n"


def document(folder, text=TEXT, offsets=OFFSETS, name="a"):
    written(folder, f"{name}.txt", text)
    return written(folder, f"{name}.ann", offsets)


def rows(path):
    return list(brat.read(path, Layout()))


def surfaces(row):
    return [(row.text[e["start"] : e["end"]], e["label"]) for e in row.fields["entities"]]


def test_each_line_of_a_text_is_a_row_with_its_entities(tmp_path):
    document(tmp_path)
    one, two = rows(tmp_path)
    assert (one.text, surfaces(one)) == ("Ann sold Acme.", [("Ann", "PER"), ("Acme", "ORG")])
    assert (two.text, surfaces(two)) == ("Bob ran.", [("Bob", "PER")])
    assert one.fields["id"] == two.fields["id"] == "a"
    assert str(two.place) == f"{tmp_path / 'a.txt'}, line 3"


def test_a_text_with_an_entity_across_lines_is_one_row(tmp_path):
    offsets = "T1\tEVENT 9 19\tAcme. Bob\n"
    (row,) = rows(document(tmp_path, offsets=offsets))
    assert (row.text, surfaces(row)) == (TEXT, [("Acme.\n\nBob", "EVENT")])
    offsets = "T1\tEVENT 9 14;16 19\tAcme. Bob\n"  # how BRAT writes the same
    (row,) = rows(document(tmp_path, offsets=offsets))
    assert surfaces(row) == [("Acme.\n\nBob", "EVENT")]
    assert list(row.faults) == []


def test_entities_in_several_pieces_are_left_out_and_counted(tmp_path):
    one, two = rows(document(tmp_path, offsets="T1\tX 0 3;9 13\tAnn Acme\nT2\tPER 16 19\tBob\n"))
    assert (surfaces(one), surfaces(two)) == ([], [("Bob", "PER")])
    assert [list(one.faults), list(two.faults)] == [["entities in several pieces, left out"], []]


def test_of_nested_entities_the_longest_stays(tmp_path):
    one, _ = rows(document(tmp_path, offsets="T1\tPER 0 3\tAnn\nT2\tEVENT 0 8\tAnn sold\n"))
    assert surfaces(one) == [("Ann sold", "EVENT")]
    assert len(one.faults) == 1


def test_other_lines_are_not_read(tmp_path):
    others = (
        "R1\tSells Arg1:T1 Arg2:T2\t\nE1\tSale:T1 Who:T2\nA1\tNegated E1\nM1\tSure E1\n"
        "N1\tReference T1 Wikipedia:1\tAnn\n*\tEquiv T1 T2\n#1\tAnnotatorNotes T1\tcheck\n\n"
    )
    one, _ = rows(document(tmp_path, offsets=others + OFFSETS))
    assert len(one.fields["entities"]) == 2


def test_a_text_without_entities_has_none(tmp_path):
    file = document(tmp_path, offsets="")
    assert [row.fields["entities"] for row in rows(file)] == [[], []]
    assert expand(str(file), "--x") == [file]
    assert read_rows(file, Layout()).reader.name == "brat"


@pytest.mark.parametrize("begin", [16, 18])
def test_line_ends_of_windows_count_as_the_annotator_counted_them(begin, tmp_path):
    offsets = f"T1\tPER 0 3\tAnn\nT2\tPER {begin} {begin + 3}\tBob\n"
    one, two = rows(document(tmp_path, TEXT.replace("\n", "\r\n"), offsets))
    assert (surfaces(one), surfaces(two)) == ([("Ann", "PER")], [("Bob", "PER")])


def test_offsets_in_other_units_are_left_to_the_reader_of_rows(tmp_path):
    (row,) = rows(document(tmp_path, "\U0001f600\nAnn ran.", "T1\tPER 3 6\tAnn\n"))
    assert row.text == "\U0001f600\nAnn ran."
    assert row.fields["entities"] == [{"start": 3, "end": 6, "label": "PER", "text": "Ann"}]


def test_folders_files_and_globs_are_read(tmp_path):
    inner = tmp_path / "part"
    inner.mkdir()
    document(tmp_path, name="b")
    file = document(inner, name="a")
    opened = read_rows(tmp_path, Layout())
    assert (opened.reader.name, opened.description) == ("brat", "BRAT folder with 2 texts")
    assert [row.fields["id"] for row in opened.rows] == ["b", "b", "part/a", "part/a"]
    opened = read_rows(file, Layout())
    assert (opened.reader.name, opened.description) == ("brat", "BRAT offsets")
    assert len(rows(file)) == len(rows(file.with_suffix(".txt"))) == 2
    assert expand(f"{tmp_path}/**/*.ann", "--x") == [tmp_path / "b.ann", file]


def test_texts_without_offsets_in_a_folder_are_counted(tmp_path):
    document(tmp_path)
    written(tmp_path, "README.txt", "About these texts.")
    assert rows(tmp_path)[-1].faults == ["texts without a file .ann, left out"]


def test_a_folder_without_offsets_is_not_taken_for_brat(tmp_path):
    written(tmp_path, "a.txt", TEXT)
    with pytest.raises(UserError, match="is a directory in an unknown format"):
        read_rows(tmp_path, Layout())


@pytest.mark.parametrize(
    ("offsets", "message"),
    [
        (
            "T1\tPER 0 3\tAnn\nT2\tPER 15 18\tBob\n",
            "a.ann, line 2: T2 is 'Bob' from 15 to 18, where",
        ),
        ("T1\tPER 0\tAnn\n", "a.ann, line 1: 'T1\\tPER 0\\tAnn'; expected an entity, as in"),
        ("Ann\tB-PER\n", "expected an entity"),
        ("T1\tPER 0 3\tAnn\nT2 PER 16 19 Bob\n", "a.ann, line 2: 'T2 PER 16 19 Bob'; expected"),
        ("T1\tPER 90 93\tAnn\n", "a.ann, line 1: T1 is 'Ann' from 90 to 93"),
    ],
)
def test_faults_name_file_and_line(offsets, message, tmp_path):
    with pytest.raises(UserError) as error:
        rows(document(tmp_path, offsets=offsets))
    assert message in str(error.value)


def test_a_missing_text_is_named(tmp_path):
    with pytest.raises(UserError, match=r"a.txt: no such file; BRAT keeps x.txt and x.ann side"):
        rows(written(tmp_path, "a.ann", OFFSETS))
