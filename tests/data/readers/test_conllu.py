"""CoNLL-U, CoNLL-U Plus and Universal NER."""

import pytest

from mtt_jax.data.readers import files
from mtt_jax.data.readers.conllu import read, recognize
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError


def line(index, form, misc="_", upos="X", lemma="_", *more):
    return "\t".join([index, form, lemma, upos, "_", "_", "0", "dep", "_", misc, *more])


def write(tmp_path, *sentences, name="a.conllu"):
    path = tmp_path / name
    path.write_text("\n".join("\n".join(s) + "\n" for s in sentences), encoding="utf-8")
    return path


def rows(path, **layout):
    return list(read(path, Layout(**layout)))


def covered(row):
    """The texts at the offsets, which must be the words."""
    return [row.text[start:end] for start, end in row.offsets]


def test_columns_are_fields_by_name_and_by_number(tmp_path):
    path = write(tmp_path, [line("1", "Mia", upos="PROPN"), line("2", "ran", upos="VERB")])
    [row] = rows(path)
    assert row.tokens == ["Mia", "ran"]
    assert row.fields["UPOS"] == row.fields["4"] == ["PROPN", "VERB"]
    assert row.fields["FORM"] == row.fields["2"] == ["Mia", "ran"]
    assert [place.line for place in row.token_places] == [1, 2]


def test_items_of_misc_are_fields_with_one_item_per_word(tmp_path):
    sentence = [
        line("1", "Mia", "NER=B-PER|Entity=(a"),
        line("2", "ran", "NER=O"),
        line("3", "home", "SpaceAfter=No|NER=O|Entity=a)"),
    ]
    [row] = rows(write(tmp_path, sentence))
    assert row.fields["NER"] == ["B-PER", "O", "O"]
    assert row.fields["Entity"] == ["(a", "_", "a)"]
    assert "SpaceAfter" not in row.fields


def test_a_file_that_writes_only_tags_of_entities_has_o_elsewhere(tmp_path):
    path = write(tmp_path, [line("1", "Mia", "NER=B-PER"), line("2", "ran")], [line("1", "Yes")])
    assert [row.fields["NER"] for row in rows(path)] == [["B-PER", "O"], ["O"]]


def test_a_file_that_writes_o_leaves_sentences_without_tags_unlabeled(tmp_path):
    first = [line("1", "Mia", "NER=B-PER"), line("2", "ran", "NER=O")]
    tagged, untagged = rows(write(tmp_path, first, [line("1", "Yes")]))
    assert tagged.fields["NER"] == ["B-PER", "O"]
    assert "NER" not in untagged.fields


def test_spaces_come_from_space_after(tmp_path):
    sentence = [line("1", "Mia", "SpaceAfter=No"), line("2", "!"), line("3", "Go")]
    [row] = rows(write(tmp_path, sentence))
    assert row.text == "Mia! Go"
    assert covered(row) == row.tokens


def test_the_text_comment_is_the_text(tmp_path):
    sentence = [
        "# sent_id = s1",
        "# text = Mia  ran\u00a0home",
        *map(line, "123", ["Mia", "ran", "home"]),
    ]
    [row] = rows(write(tmp_path, sentence))
    assert row.text == "Mia  ran\u00a0home"
    assert covered(row) == ["Mia", "ran", "home"]
    assert row.fields["sent_id"] == "s1"


def test_a_text_comment_that_lacks_the_words_gives_no_offsets(tmp_path):
    [row] = rows(write(tmp_path, ["# text = Something else", line("1", "Mia")]))
    assert (row.text, row.offsets, row.tokens) == ("Something else", None, ["Mia"])


def test_a_multiword_token_whose_parts_make_up_its_text_gives_the_parts(tmp_path):
    sentence = [
        line("1", "Mia", "NER=B-PER"),
        line("2-3", "didn't", "SpaceAfter=No"),
        line("2", "did", "NER=O", "AUX"),
        line("3", "n't", "NER=O", "PART"),
        line("4", ".", "NER=O"),
    ]
    [row] = rows(write(tmp_path, sentence))
    assert row.text == "Mia didn't."
    assert row.tokens == covered(row) == ["Mia", "did", "n't", "."]
    assert row.fields["UPOS"] == ["X", "AUX", "PART", "X"]
    assert row.fields["NER"] == ["B-PER", "O", "O", "O"]


@pytest.mark.parametrize(
    ("parts", "whole"),
    [
        (("O", "O"), "O"),
        (("O", "B-LOC"), "B-LOC"),
        (("B-LOC", "I-LOC"), "B-LOC"),
        (("I-LOC", "O"), "I-LOC"),
        (("B-LOC", "E-LOC"), "S-LOC"),
        (("I-LOC", "E-LOC"), "E-LOC"),
        (("B-LOC", "L-LOC"), "U-LOC"),
        (("B-PER", "B-LOC"), "B-PER+B-LOC"),
    ],
)
def test_another_multiword_token_is_one_word_with_the_tag_of_its_parts(tmp_path, parts, whole):
    sentence = [
        line("1", "vient", "NER=O"),
        line("2-3", "du", "_", "_"),
        line("2", "de", f"NER={parts[0]}", "ADP", "de"),
        line("3", "le", f"NER={parts[1]}", "DET", "le"),
        line("4", "Mans", "NER=O"),
    ]
    filler = [line("1", "x", "NER=B-X"), line("2", "y", "NER=O")]
    row, _ = rows(write(tmp_path, sentence, filler))
    assert row.text == "vient du Mans"
    assert row.tokens == covered(row) == ["vient", "du", "Mans"]
    assert row.fields["NER"] == ["O", whole, "O"]
    assert row.fields["UPOS"] == ["X", "ADP+DET", "X"]
    assert row.fields["LEMMA"][1] == "de+le"


def test_a_multiword_token_may_have_a_tag_of_its_own(tmp_path):
    sentence = [line("1-2", "Jean's", "NER=S-PER"), line("1", "Jean"), line("2", "'s")]
    [row] = rows(write(tmp_path, sentence))
    assert (row.tokens, row.fields["NER"]) == (["Jean's"], ["S-PER"])


def test_a_multiword_token_without_parts_is_a_word(tmp_path):
    [row] = rows(write(tmp_path, [line("1-2", "zum"), line("3", "Haus")]))
    assert row.tokens == ["zum", "Haus"]


def test_empty_nodes_are_left_out(tmp_path):
    sentence = [
        line("0.1", "he"),
        line("1", "Go"),
        line("1.1", "there", "NER=B-LOC"),
        line("2", "!"),
    ]
    [row] = rows(write(tmp_path, sentence))
    assert row.tokens == ["Go", "!"]


def test_words_with_spaces_and_the_word_underscore_are_kept(tmp_path):
    [row] = rows(write(tmp_path, [line("1", "10 000"), line("2", "_"), line("3", "a\u00a0b")]))
    assert row.tokens == covered(row) == ["10 000", "_", "a\u00a0b"]


def test_an_eleventh_column_of_tags_is_named_ner(tmp_path):
    sentence = [line("1", "Mia", "_", "X", "_", "B-PER"), line("2", "ran", "_", "X", "_", "_")]
    [row] = rows(write(tmp_path, sentence))
    assert row.fields["NER"] == row.fields["11"] == ["B-PER", "O"]


def test_conllu_plus_names_its_columns(tmp_path):
    head = "# global.columns = ID FORM UPOS MY:NER"
    path = write(tmp_path, [head, "1\tMia\tPROPN\tB-PER", "2\tran\tVERB\t*"], ["1\tYes\tINTJ\t_"])
    assert recognize(files.head(path)) == "CoNLL-U Plus columns"
    first, second = rows(path)
    assert first.tokens == ["Mia", "ran"]
    assert first.fields["MY:NER"] == ["B-PER", "O"]
    assert second.fields["MY:NER"] == ["O"]
    assert "global.columns" not in first.fields


def test_conllu_plus_without_a_word_column_is_refused(tmp_path):
    path = write(tmp_path, ["# global.columns = ID WORD", "1\tMia"])
    with pytest.raises(UserError, match="no column is named FORM.*--config.data.ner.word=1"):
        rows(path, flag="--config.data.ner")
    assert rows(path, word=2)[0].tokens == ["Mia"]


def test_universal_ner(tmp_path):
    sentence = ["# sent_id = n1", "# text = Mia, run!"]
    sentence += ["1\tMia\tB-PER\t-\t-", "2\t,\tO\t-\t-", "3\trun\tO\t-\t-", "4\t!\tO\t-\t-"]
    path = write(tmp_path, sentence, name="a.iob2")
    assert recognize(files.head(path)) == "Universal NER columns"
    [row] = rows(path)
    assert row.text == "Mia, run!"
    assert row.tokens == covered(row) == ["Mia", ",", "run", "!"]
    assert row.fields["TAG"] == row.fields["3"] == ["B-PER", "O", "O", "O"]


def test_line_ends_of_every_kind(tmp_path):
    path = tmp_path / "a.conllu"
    for end in ("\n", "\r\n", "\r"):
        path.write_bytes(end.join([line("1", "Mia"), "", line("1", "Go"), ""]).encode())
        assert [row.tokens for row in rows(path)] == [["Mia"], ["Go"]]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([line("1", "a"), line("3", "b")], "line 2: word 3 follows word 1.*a line is missing"),
        ([line("1", "a"), line("1", "b")], "line 2: word 1 follows word 1.*empty line between"),
        ([line("2", "a")], "line 1: a sentence begins with word 2"),
        ([line("1", "a"), "2\tb"], "line 2: 2 columns, but line 1 has 10"),
        ([line("1", "a"), line("x", "b")], "line 2: 'x' in column ID"),
        ([line("1-2", "ab"), line("1", "a")], "line 1: a multiword token of the words 1 to 2"),
        ([line("2-1", "ab")], "line 1: '2-1' in column ID"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, lines, message):
    with pytest.raises(UserError, match=f"a.conllu, {message}"):
        rows(write(tmp_path, lines))


def test_a_faulty_line_does_not_hide_the_format(tmp_path):
    path = write(tmp_path, [*(line(str(i), "a") for i in range(1, 20)), "20\tb"])
    assert recognize(files.head(path)) == "CoNLL-U columns"


@pytest.mark.parametrize(
    "text",
    [
        "Mia\tB-PER\nran\tO\n",
        "1\tMia\tB-PER\n2\tran\tO\n",
        "id\ttext\tlabel\n1\tMia ran\tnews\n",
        '{"text": "Mia"}\n',
        "Mia ran.\n",
        "",
    ],
)
def test_other_files_are_not_recognized(tmp_path, text):
    path = tmp_path / "a.txt"
    path.write_text(text)
    assert recognize(files.head(path)) is None
