"""OntoNotes in the columns of CoNLL-2012."""

import pytest

from mtt_jax.data.readers import files
from mtt_jax.data.readers.ontonotes import read, recognize
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError


def line(number, word, pos, entity, *arguments):
    cells = [
        "nw/x/1",
        "0",
        str(number),
        word,
        pos,
        "*",
        "-",
        "-",
        "-",
        "-",
        entity,
        *arguments,
        "-",
    ]
    return "   ".join(cells)


def write(tmp_path, *lines):
    path = tmp_path / "a.gold_conll"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def rows(path, **layout):
    return list(read(path, Layout(**layout)))


def test_brackets_become_tags(tmp_path):
    path = write(
        tmp_path,
        "#begin document (nw/x/1); part 000",
        line(0, "Mia", "NNP", "(PERSON*", "(ARG0*"),
        line(1, "Berg", "NNP", "*)", "*)"),
        line(2, "left", "VBD", "*", "(V*)"),
        line(3, "Oslo", "NNP", "(GPE)", "(ARG1*)"),
        "",
        line(0, "#", "NN", "*"),
        "",
        "#end document",
    )
    assert recognize(files.head(path)) == "OntoNotes columns (entities in brackets)"
    first, second = rows(path)
    assert first.tokens == ["Mia", "Berg", "left", "Oslo"]
    assert first.fields["ner"] == ["B-PERSON", "I-PERSON", "O", "B-GPE"]
    assert first.fields["pos"] == ["NNP", "NNP", "VBD", "NNP"]
    assert (first.fields["document"], first.fields["part"]) == ("nw/x/1", "000")
    assert [place.line for place in first.token_places] == [2, 3, 4, 5]
    assert second.tokens == ["#"]  # with fewer columns, since it has no predicate


def test_the_entity_column_is_found_in_other_layouts(tmp_path):
    path = write(
        tmp_path,
        "#begin document (x)",
        "Mia NNP (S(NP* (NP* (PERSON) (A0*)",
        "left VBD (VP*) * * (V*)",
        "#end document",
    )
    [row] = rows(path)
    assert row.tokens == ["Mia", "left"]
    assert row.fields["ner"] == ["B-PERSON", "O"]


@pytest.mark.parametrize(
    "entities",
    [["(ORG*", "(GPE)", "*)"], ["(ORG(GPE*", "*)", "*)"], ["(ORG*", "(GPE*", "*))"]],
)
def test_of_nested_entities_the_outer_one_is_read_and_the_inner_one_counted(tmp_path, entities):
    path = write(tmp_path, *[line(i, "w", "NN", entity) for i, entity in enumerate(entities)])
    assert recognize(files.head(path))
    [row] = rows(path)
    assert row.fields["ner"] == ["B-ORG", "I-ORG", "I-ORG"]
    assert row.faults == ["entities inside another, left out"]


def test_a_file_without_entities_in_its_first_sentences_is_read(tmp_path):
    path = write(tmp_path, line(0, "Yes", "UH", "*"), "", line(0, "Oslo", "NNP", "(GPE)"))
    assert [row.fields["ner"] for row in rows(path)] == [["O"], ["B-GPE"]]


@pytest.mark.parametrize(
    ("entities", "message"),
    [
        (["(ORG*", "*"], r"line 1: the entity ORG is not closed.*\*\)"),
        (["*", "*)"], "line 2: .* closes an entity, but none is open"),
        (["(ORG*", "(GPE)"], "line 1: the entity ORG is not closed"),
        (["*", "ORG"], "line 2: 'ORG' in the column of entities"),
    ],
)
def test_unbalanced_brackets_are_named_with_file_and_line(tmp_path, entities, message):
    good = line(0, "x", "NN", "*")
    lines = [line(i, "w", "NN", entity) for i, entity in enumerate(entities)]
    path = write(tmp_path, *lines, "", *[good, ""] * 100)
    with pytest.raises(UserError, match=f"a.gold_conll, {message}"):
        rows(path, flag="--config.data.ner")


def test_a_line_with_too_few_columns_is_named(tmp_path):
    with pytest.raises(UserError, match=r"line 2: 4 columns; expected 12, as in line 1"):
        rows(write(tmp_path, line(0, "Oslo", "NNP", "(GPE)"), "nw/x/1 0 1 is"))


def test_columns_without_brackets_are_refused(tmp_path):
    path = write(tmp_path, "Oslo B-LOC")
    with pytest.raises(UserError, match="--config.data.ner.format=conll"):
        rows(path, flag="--config.data.ner")


@pytest.mark.parametrize(
    "lines",
    [
        ["Oslo B-LOC", "is O"],
        ["EU NNP (NP* B-ORG", "calls VB *) O"],
        ["#begin document (x)", "Oslo B-LOC", "#end document"],
        ["Plain text (with brackets) and * stars"],
        [""],
    ],
)
def test_other_files_are_not_recognized(tmp_path, lines):
    assert recognize(files.head(write(tmp_path, *lines))) is None
