"""CoNLL columns in every layout that is about; a bad line is named with what to do."""

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


def test_a_sentence_is_its_words_with_a_blank_between_two(tmp_path):
    first, second = read(written(tmp_path, "a.conll", GOOD), "ner").records
    assert first.text == "Tom Fry joined Acme"
    assert word_texts(first) == ["Tom", "Fry", "joined", "Acme"]
    assert entities(first) == [("Tom Fry", "PER"), ("Acme", "ORG")]
    assert second.text == "Shares fell"
    assert entities(second) == []


def test_document_marks_and_any_number_of_empty_lines_divide_sentences(tmp_path):
    text = "\n\n\nTom B-PER\n-DOCSTART- O\n\n \nran O\n\n\n"
    loaded = read(written(tmp_path, "a.conll", text), "ner")
    assert [record.text for record in loaded.records] == ["Tom", "ran"]
    assert "2 sentences" in loaded.notes[0]


def test_comment_lines_before_a_sentence_are_left_out_but_a_hash_is_a_word(tmp_path):
    text = "# id = 7\n# text = Tom # ran\nTom B-PER\n# O\nran O\n\n# id = 8\nAnn B-PER\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["Tom # ran", "Ann"]


def test_columns_may_be_divided_by_tabs_and_then_hold_blanks(tmp_path):
    text = "1\tTom\tsome note\tB-PER\n2\tNew York\t\tO\n"
    (record,) = read(written(tmp_path, "a.conll", text), "ner", word=2).records
    assert word_texts(record) == ["Tom", "NewYork"]
    assert entities(record) == [("Tom", "PER")]


@pytest.mark.parametrize("label", ["2", "-3"])
def test_columns_are_counted_from_one_or_from_the_end(label, tmp_path):
    text = "1 B-PER Tom NNP\n2 O ran VBD\n"
    (record,) = read(written(tmp_path, "a.conll", text), "ner", word=3, label=label).records
    assert record.text == "Tom ran"
    assert entities(record) == [("Tom", "PER")]


@pytest.mark.parametrize("ending", [".txt", ".bio", ".iob", ".CONLL"])
def test_the_usual_endings_are_known(ending, tmp_path):
    assert len(read(written(tmp_path, f"a{ending}", GOOD), "ner").records) == 2


@pytest.mark.parametrize("text", [GOOD.replace("\n", "\r\n"), "\ufeff" + GOOD, GOOD.strip()])
def test_windows_line_ends_a_byte_order_mark_and_a_missing_last_line_end_do_no_harm(text, tmp_path):
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
def test_the_scheme_is_found_and_stated(scheme, tmp_path):
    file = written(tmp_path, "a.conll", tagged(SCHEMES[scheme]))
    loaded = read(file, "ner")
    persons = ["Tom Fry Ann"] if scheme == "io" else ["Tom Fry", "Ann"]
    expected = [*((person, "PER") for person in persons), ("New York", "LOC")]
    assert entities(loaded.records[0]) == expected
    assert loaded.notes == [f"{file}: 1 sentences, tags in scheme {scheme}."]


def test_a_scheme_that_is_given_is_believed(tmp_path):
    file = written(tmp_path, "a.conll", "Tom I-PER\nAnn B-PER\nran O\n\nRome B-LOC\n")
    loaded = read(file, "ner", scheme="iob1")
    assert entities(loaded.records[0]) == [("Tom", "PER"), ("Ann", "PER")]
    assert "scheme iob1" in loaded.notes[0]


ILLEGAL = "Tom B-PER\nran O\nin O\nNew I-LOC\nYork I-LOC\n\nAnn I-PER\nFry I-PER\n"


def test_illegal_tags_are_counted_with_the_first_line_and_read_as_a_start(tmp_path):
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


def test_illegal_tags_are_counted_where_the_scheme_is_given_too(tmp_path):
    file = written(tmp_path, "a.conll", "in O\nNew I-LOC\nYork I-LOC\n")
    (note,) = read(file, "ner", scheme="iob2").notes[1:]
    assert "1 tags that cannot follow" in note
    assert "(first: line 2)" in note


@pytest.mark.parametrize(
    ("tags", "line"),
    [("B-PER E-PER O E-PER O S-LOC O", 4), ("B-PER O O B-PER E-PER S-LOC O", 2)],
)
def test_an_end_without_a_start_and_a_start_without_an_end_are_counted(tags, line, tmp_path):
    notes = read(written(tmp_path, "a.conll", tagged(tags)), "ner").notes
    assert "1 tags that cannot follow the tag before them in bioes" in notes[1]
    assert f"(first: line {line})" in notes[1]


def test_types_are_renamed_or_dropped_by_the_label_map(tmp_path):
    text = "Tom B-PERSON\nFry I-PERSON\nNew B-GPE\nYork I-GPE\n$5 B-MONEY\n"
    file = written(tmp_path, "a.conll", text)
    loaded = read(file, "ner", label_map="PERSON=PER, GPE=LOC, MONEY=O")
    assert entities(loaded.records[0]) == [("Tom Fry", "PER"), ("New York", "LOC")]


def test_words_are_cleaned_unless_told_otherwise(tmp_path):
    file = written(tmp_path, "a.conll", "AT&amp;T B-ORG\nTom&#39;s O\n&nbsp; O\n")
    assert read(file, "ner").records[0].text.startswith("AT&T Tom's ")
    assert len(read(file, "ner").records[0].words) == 3
    assert read(file, "ner", clean=False).records[0].text.startswith("AT&amp;T Tom&#39;s")


# Bad files


def test_a_line_with_other_columns_is_named_beside_the_first(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\nran O\n\nNew York B-LOC\n")
    message = complaint(file, "ner")
    assert f"{file}, line 4: 3 columns, but line 1 has 2" in message
    assert "divided by tabs, or by blanks" in message


def test_a_comment_inside_a_sentence_is_a_bad_line(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\n# a comment\nran O\n")
    assert f"{file}, line 2: 3 columns, but line 1 has 2" in complaint(file, "ner")


def test_a_word_without_a_tag_is_named(tmp_path):
    file = written(tmp_path, "a.conll", "-DOCSTART-\n\nTom\nran\n")
    message = complaint(file, "ner")
    assert f"{file}, line 3: one column" in message
    assert "expected a word and a tag, as 'Oslo B-LOC'" in message


@pytest.mark.parametrize(
    ("field", "value"), [("label", "4"), ("label", "-4"), ("label", "ner"), ("word", 4)]
)
def test_a_column_that_is_not_there_is_named_with_those_that_are(field, value, tmp_path):
    file = written(tmp_path, "a.conll", "Tom NNP B-PER\n")
    message = complaint(file, "ner", **{field: value})
    assert f"{file}, line 1: {str(value)!r} is no column of 3" in message
    assert f"set --config.data.ner.{field} to a number from 1 to 3, or -1" in message


@pytest.mark.parametrize(
    ("tag", "near"), [("B-PERS", "PER"), ("B-per", "PER"), ("I-MSC", "MISC"), ("o", "O")]
)
def test_an_unknown_type_is_named_with_the_nearest_known_one(tag, near, tmp_path):
    file = written(tmp_path, "a.conll", f"Rome B-LOC\n\nwon O\nTom {tag}\n")
    message = complaint(file, "ner")
    assert f"{file}, line 4: tag {tag!r} is not a label of task 'ner'" in message
    assert "(O, PER, ORG, LOC, MISC)" in message
    assert f"Did you mean '{near}'?" in message
    assert "--config.data.ner.label_map='" in message


def test_a_type_that_is_like_none_is_named_without_a_guess(tmp_path):
    message = complaint(written(tmp_path, "a.conll", "five B-QUANTITY\n"), "ner")
    assert "line 1: tag 'B-QUANTITY'" in message
    assert "Did you mean" not in message
    assert "label_map='QUANTITY=O'" in message


@pytest.mark.parametrize("text", ["\n \n\n", "-DOCSTART- -X- O O\n\n", "# only a comment\n\n"])
def test_a_file_without_a_sentence_is_refused(text, tmp_path):
    file = written(tmp_path, "a.conll", text)
    message = complaint(file, "ner")
    assert f"{file}: holds no sentence" in message
    assert "expected conll" in message
    assert "--config.data.ner.train" in message
