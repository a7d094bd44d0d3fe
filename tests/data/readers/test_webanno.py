"""WebAnno TSV 3 and 2."""

import pytest

from mtt_jax.data.readers import files
from mtt_jax.data.readers.rows import Layout
from mtt_jax.data.readers.webanno import read, recognize
from mtt_jax.errors import UserError

NER = "#T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|value"


def write(tmp_path, *lines):
    path = tmp_path / "a.tsv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def document(tmp_path, *sentences, layers=(NER,)):
    head = ["#FORMAT=WebAnno TSV 3.3", *layers, "", ""]
    return write(tmp_path, *head, *(line for s in sentences for line in [*s, ""]))


def rows(path):
    return list(read(path, Layout()))


def entities(row, key="value"):
    """(text, label) of the entities of a field."""
    return [(row.text[e["start"] : e["end"]], e["label"]) for e in row.fields[key]]


def covered(row):
    return [row.text[start:end] for start, end in row.offsets]


MIA = ["#Text=Mia Berg left.", "1-1\t0-3\tMia\tPER[1]\t", "1-2\t4-8\tBerg\tPER[1]\t"]
MIA += ["1-3\t9-13\tleft\t_\t", "1-4\t13-14\t.\t_\t"]
OSLO = ["#Text=Oslo won.", "2-1\t15-19\tOslo\tLOC\t", "2-2\t20-23\twon\t_\t", "2-3\t23-24\t.\t_\t"]


def test_words_with_the_same_id_are_one_entity(tmp_path):
    path = document(tmp_path, MIA, OSLO)
    assert recognize(files.head(path)) == "WebAnno TSV 3.3"
    first, second = rows(path)
    assert first.text == "Mia Berg left."
    assert first.tokens == covered(first) == ["Mia", "Berg", "left", "."]
    assert first.fields["value"] == [{"start": 0, "end": 8, "label": "PER"}]
    assert [place.line for place in first.token_places] == [6, 7, 8, 9]
    assert entities(second) == [("Oslo", "LOC")]


def test_words_next_to_each_other_without_an_id_are_two_entities(tmp_path):
    sentence = ["#Text=Mia Bo", "1-1\t0-3\tMia\tPER\t", "1-2\t4-6\tBo\tPER\t"]
    [row] = rows(document(tmp_path, sentence))
    assert entities(row) == [("Mia", "PER"), ("Bo", "PER")]


def test_offsets_in_utf_16_are_converted(tmp_path):
    first = ["#Text=😀 Mia", "1-1\t0-2\t😀\t_\t", "1-2\t3-6\tMia\tPER\t"]
    second = ["#Text=𝔐 Bo ran", "2-1\t7-9\t𝔐\t_\t", "2-2\t10-12\tBo\tPER\t", "2-3\t13-16\tran\t_\t"]
    mia, bo = rows(document(tmp_path, first, second))
    assert mia.fields["value"] == [{"start": 2, "end": 5, "label": "PER"}]
    assert covered(bo) == ["𝔐", "Bo", "ran"]
    assert entities(bo) == [("Bo", "PER")]


def test_offsets_in_characters_are_understood_too(tmp_path):
    sentence = ["#Text=😀 Mia", "1-1\t0-1\t😀\t_\t", "1-2\t2-5\tMia\tPER\t"]
    [row] = rows(document(tmp_path, sentence))
    assert entities(row) == [("Mia", "PER")]


def test_words_are_found_in_order_if_the_offsets_are_wrong(tmp_path):
    sentence = [
        "#Text=Mia in Oslo",
        "1-1\t0-3\tMia\t_\t",
        "1-2\t3-9\tin\t_\t",
        "1-3\t9-9\tOslo\tLOC\t",
    ]
    [row] = rows(document(tmp_path, sentence))
    assert covered(row) == ["Mia", "in", "Oslo"]
    assert entities(row) == [("Oslo", "LOC")]


def test_of_stacked_annotations_the_longest_is_read_and_the_others_are_counted(tmp_path):
    sentence = ["#Text=Bank of Ulm", "1-1\t0-4\tBank\tORG[1]\t", "1-2\t5-7\tof\tORG[1]\t"]
    sentence.append("1-3\t8-11\tUlm\tORG[1]|LOC\t")
    [row] = rows(document(tmp_path, sentence))
    assert entities(row) == [("Bank of Ulm", "ORG")]
    assert row.faults == ["entities inside or across a longer one, left out"]


def test_parts_of_words_are_annotated(tmp_path):
    sentence = ["#Text=Ulm-Tour", "1-1\t0-8\tUlm-Tour\t_\t", "1-1.1\t0-3\tUlm\tLOC\t"]
    [row] = rows(document(tmp_path, sentence))
    assert row.tokens == ["Ulm-Tour"]
    assert entities(row) == [("Ulm", "LOC")]


def test_backslashes_protect_what_has_a_meaning(tmp_path):
    sentence = [r"#Text=a\_b \[x\]", "1-1\t0-3\ta\\_b\t\\_\t", "1-2\t4-7\t\\[x\\]\tA\\|B\\[1\\]\t"]
    [row] = rows(document(tmp_path, sentence))
    assert row.text == "a_b [x]"
    assert entities(row) == [("a_b", "_"), ("[x]", "A|B[1]")]


def test_texts_that_are_not_protected_are_kept(tmp_path):
    sentence = [r"#Text=C:\new ok", "1-1\t0-6\tC:\\new\t_\t", "1-2\t7-9\tok\tX\t"]
    [row] = rows(document(tmp_path, sentence))
    assert row.text == r"C:\new ok"
    assert entities(row) == [("ok", "X")]


def test_features_are_named_and_null_values_shown(tmp_path):
    layers = [f"{NER}|identifier", "#T_SP=webanno.custom.Mark|"]
    sentence = [
        "#Text=Mia ran",
        "1-1\t0-3\tMia\tPER[1]\t*[1]\t_\t",
        "1-2\t4-7\tran\t*[2]\tQ5[2]\t*\t",
    ]
    [row] = rows(document(tmp_path, sentence, layers=layers))
    assert entities(row) == [("Mia", "PER"), ("ran", "*")]
    assert entities(row, "identifier") == [("ran", "Q5")]
    assert entities(row, "Mark") == [("ran", "Mark")]


def test_layers_of_words_are_lists_and_relations_are_left_out(tmp_path):
    layers = ["#T_SP=x.pos.POS|PosValue", "#T_SP=x.type.Lemma|value", NER]
    layers.append("#T_RL=webanno.custom.Rel|kind|BT_webanno.custom.Mark")
    sentence = ["#Text=Mia ran", "1-1\t0-3\tMia\tNNP\tMia\tPER\t_\t_\t"]
    sentence.append("1-2\t4-7\tran\tVBD\trun\t_\tx\t1-1\t")
    [row] = rows(document(tmp_path, sentence, layers=layers))
    assert row.fields["PosValue"] == ["NNP", "VBD"]
    assert row.fields["Lemma"] == ["Mia", "run"]
    assert entities(row) == [("Mia", "PER")]
    assert set(row.fields) == {"PosValue", "Lemma", "value"}


def test_features_of_the_same_name_go_by_their_layer(tmp_path):
    layers = ["#T_SP=webanno.custom.A|kind", "#T_SP=webanno.custom.B|kind"]
    sentence = ["#Text=Mia", "1-1\t0-3\tMia\tx\ty\t"]
    [row] = rows(document(tmp_path, sentence, layers=layers))
    assert entities(row, "A.kind") == [("Mia", "x")]
    assert entities(row, "B.kind") == [("Mia", "y")]


def test_sentences_that_an_entity_spans_are_one_row(tmp_path):
    first = ["#Text=In St.", "1-1\t0-2\tIn\t_\t", "1-2\t3-6\tSt.\tLOC[1]\t"]
    second = ["#Text=Gallen now", "2-1\t7-13\tGallen\tLOC[1]\t", "2-2\t14-17\tnow\t_\t"]
    row, last = rows(document(tmp_path, first, second, ["#Text=So", "3-1\t18-20\tSo\t_\t"]))
    assert row.text == "In St. Gallen now"
    assert row.tokens == covered(row) == ["In", "St.", "Gallen", "now"]
    assert entities(row) == [("St. Gallen", "LOC")]
    assert last.tokens == ["So"]


def test_ids_that_begin_again_in_each_sentence_join_nothing(tmp_path):
    bo = ["#Text=Bo Ek", "2-1\t15-17\tBo\tPER[1]\t", "2-2\t18-20\tEk\tPER[1]\t"]
    assert [entities(row) for row in rows(document(tmp_path, MIA, bo))] == [
        [("Mia Berg", "PER")],
        [("Bo Ek", "PER")],
    ]


def test_several_text_lines_are_one_text(tmp_path):
    sentence = ["#Text=Mia", "#Text=ran", "1-1\t0-3\tMia\tPER\t", "1-2\t4-7\tran\t_\t"]
    [row] = rows(document(tmp_path, sentence))
    assert row.text == "Mia\nran"
    assert covered(row) == ["Mia", "ran"]


def test_tsv_2_has_tags(tmp_path):
    path = write(
        tmp_path,
        "# x.ner.type.NamedEntity | value # x.pos.POS | PosValue",
        "#id=1",
        "#text=Mia Berg left.",
        "1-1\tMia\tB-PER\tNNP",
        "1-2\tBerg\tI-PER\tNNP",
        "1-3\tleft\tO\tVBD",
        "1-4\t.\tO\t.",
    )
    assert recognize(files.head(path)) == "WebAnno TSV 2"
    [row] = rows(path)
    assert row.text == "Mia Berg left."
    assert row.tokens == ["Mia", "Berg", "left", "."]
    assert row.fields["value"] == ["B-PER", "I-PER", "O", "O"]
    assert row.fields["PosValue"] == ["NNP", "NNP", "VBD", "."]


def test_a_file_without_layers_has_numbered_fields(tmp_path):
    path = write(tmp_path, "#Text=Mia ran", "1-1\t0-3\tMia\tPER\t", "1-2\t4-7\tran\t_\t")
    assert recognize(files.head(path)) == "WebAnno TSV 3"
    [row] = rows(path)
    assert entities(row, "4") == [("Mia", "PER")]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["#Text=Mia", "1-1\t0-3\tMia"], "line 5: 3 columns; expected 3 and one for each of the 1"),
        (["#Text=Mia", "1-1 0-3 Mia PER"], "line 5: expected number, offsets and word"),
        (["1-1\t0-3\tMia\tPER\t"], "line 4: a word without a line #Text="),
        (["#Text=Mia ran", "1-1\t0-3\tMia\t_", "1-2\t4-7\trun\t_"], "line 6: 'run' is not in"),
        (
            ["#Text=Mia ran", "1-1\t1-3\tMia\t_", "1-1.1\t0-2\tMi\tX"],
            "line 6: a part of a word at 0-2",
        ),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, lines, message):
    path = write(tmp_path, "#FORMAT=WebAnno TSV 3.2", NER, "", *lines)
    with pytest.raises(UserError, match=f"a.tsv, {message}"):
        rows(path)


@pytest.mark.parametrize("text", ["1-1\tMia\tB-PER", "a\tb", "#Text=x", "Mia ran", "text\tlabel"])
def test_other_files_are_not_recognized(tmp_path, text):
    assert recognize(files.head(write(tmp_path, text))) is None
