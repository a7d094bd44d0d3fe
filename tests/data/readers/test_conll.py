"""CoNLL columns in all common layouts; a bad line is reported with its number and a remedy."""

import pytest

from tests.helpers import complaint, entities, read, word_texts, written

GOOD = """\
-DOCSTART- -X- -X- O

Tom NNP B-NP B-PER
Fry NNP I-NP I-PER
joined VBD B-VP O
Acme NNP B-NP B-ORG

Shares NNS B-NP O
fell VBD B-VP O
"""


def test_text_is_the_words_joined_by_spaces(tmp_path):
    first, second = read(written(tmp_path, "a.conll", GOOD), "ner").records
    assert first.text == "Tom Fry joined Acme"
    assert word_texts(first) == ["Tom", "Fry", "joined", "Acme"]
    assert entities(first) == [("Tom Fry", "PER"), ("Acme", "ORG")]
    assert second.text == "Shares fell"
    assert entities(second) == []


def test_docstart_lines_and_any_number_of_empty_lines_separate_sentences(tmp_path):
    text = "\n\n\nTom B-PER\n-DOCSTART- O\n\n \nran O\n\n\n"
    loaded = read(written(tmp_path, "a.conll", text), "ner")
    assert [record.text for record in loaded.records] == ["Tom", "ran"]
    assert "2 sentences" in loaded.notes[0]


def test_comments_before_a_sentence_are_left_out_but_a_hash_sign_is_a_word(tmp_path):
    text = "# id = 7\n# text = Tom # ran\nTom B-PER\n# O\nran O\n\n# id = 8\nAnn B-PER\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["Tom # ran", "Ann"]


def test_comments_are_left_out_though_they_have_as_many_parts_as_there_are_columns(tmp_path):
    text = "Tom NNP B-NP B-PER\n\n# id = 7\n# NN B-NP O\nran VBD B-VP O\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["Tom", "# ran"]


def test_columns_separated_by_tabs_may_contain_spaces(tmp_path):
    text = "1\tTom\tsome note\tB-PER\n2\tNew York\t\tO\n"
    (record,) = read(written(tmp_path, "a.conll", text), "ner", word=2).records
    assert word_texts(record) == ["Tom", "NewYork"]
    assert entities(record) == [("Tom", "PER")]


@pytest.mark.parametrize("label", ["2", "-3"])
def test_columns_are_numbered_from_1_or_from_the_end(label, tmp_path):
    text = "1 B-PER Tom NNP\n2 O ran VBD\n"
    (record,) = read(written(tmp_path, "a.conll", text), "ner", word=3, label=label).records
    assert record.text == "Tom ran"
    assert entities(record) == [("Tom", "PER")]


@pytest.mark.parametrize("ending", [".txt", ".bio", ".iob", ".CONLL"])
def test_common_extensions_are_read_as_conll(ending, tmp_path):
    assert len(read(written(tmp_path, f"a{ending}", GOOD), "ner").records) == 2


@pytest.mark.parametrize("text", [GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD.strip()])
def test_windows_line_ends_byte_order_mark_and_missing_last_line_end_change_nothing(text, tmp_path):
    plain = read(written(tmp_path, "a.conll", GOOD), "ner").records
    assert read(written(tmp_path, "b.conll", text), "ner").records == plain


ADJACENT = "Tom PER|Fry PER|Ann PER|won O|in O|New LOC|York LOC"
SCHEMES = {
    "io": "PER PER PER O O LOC LOC",
    "iob1": "I-PER I-PER B-PER O O I-LOC I-LOC",
    "iob2": "B-PER I-PER B-PER O O B-LOC I-LOC",
    "bioes": "B-PER E-PER S-PER O O B-LOC E-LOC",
    "bilou": "B-PER L-PER U-PER O O B-LOC L-LOC",
}
WORDS = ["Tom", "Fry", "Ann", "won", "in", "New", "York"]


def tagged(tags):
    return "".join(f"{word} {tag}\n" for word, tag in zip(WORDS, tags.split(), strict=True))


@pytest.mark.parametrize("scheme", SCHEMES)
def test_tag_scheme_is_detected_and_stated(scheme, tmp_path):
    file = written(tmp_path, "a.conll", tagged(SCHEMES[scheme]))
    loaded = read(file, "ner")
    persons = ["Tom Fry Ann"] if scheme == "io" else ["Tom Fry", "Ann"]
    expected = [*((person, "PER") for person in persons), ("New York", "LOC")]
    assert entities(loaded.records[0]) == expected
    assert loaded.notes == [f"{file}: 1 sentences, tags in scheme {scheme}."]


def test_explicit_tag_scheme_overrides_detection(tmp_path):
    file = written(tmp_path, "a.conll", "Tom I-PER\nAnn B-PER\nran O\n\nRome B-LOC\n")
    loaded = read(file, "ner", scheme="iob1")
    assert entities(loaded.records[0]) == [("Tom", "PER"), ("Ann", "PER")]
    assert "scheme iob1" in loaded.notes[0]


ILLEGAL = "Tom B-PER\nran O\nin O\nNew I-LOC\nYork I-LOC\n\nAnn I-PER\nFry I-PER\n"


def test_illegal_tags_are_counted_with_the_first_line_and_start_an_entity(tmp_path):
    file = written(tmp_path, "a.conll", ILLEGAL)
    loaded = read(file, "ner")
    assert [entities(record) for record in loaded.records] == [
        [("Tom", "PER"), ("New York", "LOC")],
        [("Ann Fry", "PER")],
    ]
    (note,) = loaded.notes[1:]
    assert note.startswith(f"{file}: 2 tags that cannot follow")
    assert "iob2" in note
    assert "(first: line 4)" in note


def test_illegal_tags_are_counted_if_the_scheme_is_explicit(tmp_path):
    file = written(tmp_path, "a.conll", "in O\nNew I-LOC\nYork I-LOC\n")
    (note,) = read(file, "ner", scheme="iob2").notes[1:]
    assert "1 tags that cannot follow" in note
    assert "(first: line 2)" in note


@pytest.mark.parametrize(
    ("tags", "line"),
    [("B-PER E-PER O E-PER O S-LOC O", 4), ("B-PER O O B-PER E-PER S-LOC O", 2)],
)
def test_illegal_tags_of_bioes_are_counted_with_their_line(tags, line, tmp_path):
    notes = read(written(tmp_path, "a.conll", tagged(tags)), "ner").notes
    assert "1 tags that cannot follow the tag before them in bioes" in notes[1]
    assert f"(first: line {line})" in notes[1]


def test_label_map_renames_or_drops_entity_types(tmp_path):
    text = "Tom B-PERSON\nFry I-PERSON\nNew B-GPE\nYork I-GPE\n$5 B-MONEY\n"
    file = written(tmp_path, "a.conll", text)
    loaded = read(file, "ner", label_map={"PERSON": "PER", "GPE": "LOC", "MONEY": "O"})
    assert entities(loaded.records[0]) == [("Tom Fry", "PER"), ("New York", "LOC")]


def test_words_are_cleaned_unless_the_config_says_otherwise(tmp_path):
    file = written(tmp_path, "a.conll", "AT&amp;T B-ORG\nTom&#39;s O\n&nbsp; O\n")
    assert read(file, "ner").records[0].text.startswith("AT&T Tom's ")
    assert len(read(file, "ner").records[0].words) == 3
    assert read(file, "ner", clean=False).records[0].text.startswith("AT&amp;T Tom&#39;s")


# Files with faults


def test_line_with_another_number_of_columns_is_reported_with_the_first_line(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\nran O\n\nNew York B-LOC\n")
    message = complaint(file, "ner")
    assert f"{file}, line 4: 3 columns, but line 1 has 2" in message
    assert "columns are separated by tabs, or by spaces if a line has no tab" in message


def test_comment_inside_a_sentence_is_refused(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\n# a comment\nran O\n")
    assert f"{file}, line 2: 3 columns, but line 1 has 2" in complaint(file, "ner")


def test_word_without_a_tag_is_reported(tmp_path):
    file = written(tmp_path, "a.conll", "-DOCSTART-\n\nTom\nran\n")
    message = complaint(file, "ner")
    assert f"{file}, line 3: one column" in message
    assert "expected a word and a tag, as in 'Oslo B-LOC'" in message


@pytest.mark.parametrize(
    ("field", "value"), [("label", "4"), ("label", "-4"), ("label", "ner"), ("word", 4)]
)
def test_missing_column_is_reported_with_the_known_numbers(field, value, tmp_path):
    file = written(tmp_path, "a.conll", "Tom NNP B-PER\n")
    message = complaint(file, "ner", **{field: value})
    assert f"{file}, line 1: {str(value)!r} is not one of 3 columns" in message
    assert f"set --config.data.ner.{field} to a number from 1 to 3, or -1" in message


@pytest.mark.parametrize(
    ("tag", "near"), [("B-PERS", "PER"), ("B-per", "PER"), ("I-MSC", "MISC"), ("o", "O")]
)
def test_unknown_tag_is_reported_with_its_line_and_the_nearest_label(tag, near, tmp_path):
    file = written(tmp_path, "a.conll", f"Rome B-LOC\n\nwon O\nTom {tag}\n")
    message = complaint(file, "ner")
    assert f"{file}, line 4: tag {tag!r} is not a label of task 'ner'" in message
    assert "(O, PER, ORG, LOC, MISC)" in message
    assert f"Did you mean '{near}'?" in message
    assert "Other labels can be mapped with --config.data.ner.label_map='" in message


def test_unknown_tag_that_resembles_no_label_gets_no_suggestion(tmp_path):
    message = complaint(written(tmp_path, "a.conll", "five B-QUANTITY\n"), "ner")
    assert "line 1: tag 'B-QUANTITY'" in message
    assert "Did you mean" not in message
    assert "label_map='NAME=LABEL'" in message


@pytest.mark.parametrize("text", ["\n \n\n", "-DOCSTART- -X- O O\n\n", "# only a comment\n\n"])
def test_conll_file_without_a_sentence_is_refused(text, tmp_path):
    file = written(tmp_path, "a.conll", text)
    message = complaint(file, "ner")
    assert f"{file} contains no sentence" in message
    assert "expected at least one in conll format" in message
    assert "--config.data.ner.train" in message


# Exact lines

LONG = """\
-DOCSTART- -X- O

# id = 1
Tom NOUN B-PER
ran VERB O

# id = 2
in OTHER O
New NOUN {second}
York NOUN {third}
Ann NOUN B-PER
"""


def line_of(text, start):
    """The number of the first line that begins so."""
    return next(n for n, line in enumerate(text.split("\n"), start=1) if line.startswith(start))


def test_unknown_tag_is_reported_with_its_own_line_after_comments_and_docstart(tmp_path):
    text = LONG.format(second="B-LOC", third="I-LCO")
    file = written(tmp_path, "a.conll", text)
    expected = f"{file}, line {line_of(text, 'York')}: tag 'I-LCO' is not a label of task 'ner'"
    assert expected in complaint(file, "ner")


def test_illegal_tags_are_counted_with_the_line_of_the_tag_and_not_of_its_sentence(tmp_path):
    text = LONG.format(second="O", third="I-LOC")
    notes = read(written(tmp_path, "a.conll", text), "ner").notes
    assert "1 tags that cannot follow the tag before them in iob2" in notes[1]
    assert f"(first: line {line_of(text, 'York')})" in notes[1]


def test_unknown_tag_is_reported_with_its_own_line_if_cleaning_changes_words(tmp_path):
    file = written(tmp_path, "a.conll", "&nbsp; O\n<b>Tom</b> B-PER\nran O\nAnn B-PRE\n")
    assert f"{file}, line 4: tag 'B-PRE'" in complaint(file, "ner")


# Tags tasks


def test_tags_task_reads_a_column_by_its_number(tmp_path):
    file = written(tmp_path, "a.conll", LONG.format(second="B-LOC", third="I-LOC"))
    for label in ("2", "-2"):
        first, second = read(file, "pos", label=label).records
        assert first.labels == {"pos": ("NOUN", "VERB")}
        assert second.labels == {"pos": ("OTHER", "NOUN", "NOUN", "NOUN")}
        assert word_texts(second) == ["in", "New", "York", "Ann"]


def test_tags_task_reads_the_last_column_by_default_and_says_nothing_about_schemes(tmp_path):
    file = written(tmp_path, "a.conll", "Tom NOUN\nran VERB\n\nfell VERB\n")
    loaded = read(file, "pos")
    assert [record.labels["pos"] for record in loaded.records] == [("NOUN", "VERB"), ("VERB",)]
    assert loaded.notes == [f"{file}: 2 sentences with a tag per word."]


def test_tags_that_look_like_iob2_are_classes_as_they_stand(tmp_path):
    file = written(tmp_path, "a.conll", "Tom I-NP\nran B-VP\n")
    names = {"I-NP": "NOUN", "B-VP": "VERB"}
    loaded = read(file, "pos", label_map=names)
    assert loaded.records[0].labels == {"pos": ("NOUN", "VERB")}
    assert not any("cannot follow" in note for note in loaded.notes)
    assert f"{file}, line 1: tag 'I-NP' is not a label" in complaint(file, "pos")


def test_unknown_tag_of_a_tags_task_is_reported_with_line_and_nearest_label(tmp_path):
    file = written(tmp_path, "a.conll", "Tom NOUN\n\nran VREB\n")
    message = complaint(file, "pos")
    assert (
        f"{file}, line 3: tag 'VREB' is not a label of task 'pos' (NOUN, VERB, OTHER)." in message
    )
    assert "Did you mean 'VERB'?" in message


def test_words_of_one_file_are_the_same_for_an_entity_task_and_a_tags_task(tmp_path):
    file = written(tmp_path, "a.conll", LONG.format(second="B-LOC", third="I-LOC"))
    ner, pos = read(file, "ner").records, read(file, "pos", label="2").records
    assert [(r.text, r.words) for r in ner] == [(r.text, r.words) for r in pos]
