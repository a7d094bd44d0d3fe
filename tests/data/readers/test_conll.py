"""CoNLL columns in all common layouts; a bad line is reported with its number and a remedy."""

import pytest

from tests.helpers import complaint, entities, read, written

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
    assert entities(first) == [("Tom Fry", "PER"), ("Acme", "ORG")]
    assert second.text == "Shares fell"
    assert entities(second) == []


def test_docstart_lines_and_any_number_of_empty_lines_separate_sentences(tmp_path):
    text = "\n\n\nTom B-PER\n-DOCSTART- O\n\n \nran O\n\n\n"
    loaded = read(written(tmp_path, "a.conll", text), "ner")
    assert [record.text for record in loaded.records] == ["Tom", "ran"]
    assert "2 texts, CoNLL columns" in loaded.notes[0]


def test_comments_before_a_sentence_are_left_out_but_a_hash_sign_is_a_word(tmp_path):
    text = "# id = 7\n# text = Tom # ran\nTom B-PER\n# O\nran O\n\n# id = 8\nAnn B-PER\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["Tom # ran", "Ann"]


COMMENTED = """\
# sent_id = n1
# text = Ann saw Oslo
1	Ann	B-PER	-	-
2	saw	O	-	-

# newpar
# text = # 1 won
1	#	O	-	-
2	1	O	-	-
3	won	O	-	-
"""


def test_comments_are_left_out_though_they_have_as_many_parts_as_there_are_columns(tmp_path):
    text = COMMENTED.replace("\t", " ")
    for name, content in (("a.conll", COMMENTED), ("b.conll", text)):
        records = read(written(tmp_path, name, content), "ner", format="conll").records
        assert [record.text for record in records] == ["Ann saw", "# 1 won"]


def test_comments_without_a_key_are_told_by_their_last_cell_which_is_no_tag(tmp_path):
    file = written(tmp_path, "a.conll", "# newdoc\nAnn B-PER\nleft O\n\n# newdoc\nBob B-PER\n")
    assert [record.text for record in read(file, "ner").records] == ["Ann left", "Bob"]


def test_hash_sign_with_a_tag_is_a_word_also_at_the_start_of_a_sentence(tmp_path):
    text = "# id = 7\nTom B-PER\n\n# O\n1 O\n\n#MAGA B-MISC\nwon O\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["Tom", "# 1", "#MAGA won"]
    assert entities(records[2]) == [("#MAGA", "MISC")]


def test_documents_of_conll_2012_are_divided_without_being_words(tmp_path):
    text = "#begin document (a/b); part 000\nTom B-PER\n#end document\n#begin document x\nran O\n"
    records = read(written(tmp_path, "a.conll", text), "ner", format="conll").records
    assert [record.text for record in records] == ["Tom", "ran"]


def test_columns_separated_by_tabs_may_contain_spaces(tmp_path):
    text = "1\tTom\tsome note\tB-PER\n2\tHà Nội\t\tB-LOC\n3\t10 000\t\tO\n"
    (record,) = read(written(tmp_path, "a.conll", text), "ner", word=2).records
    assert record.text == "Tom Hà Nội 10 000"
    assert entities(record) == [("Tom", "PER"), ("Hà Nội", "LOC")]


def test_no_break_space_does_not_divide_columns(tmp_path):
    file = written(tmp_path, "a.conll", "10\u00a0000 O\nNew\u202fYork B-LOC\n")
    (record,) = read(file, "ner").records
    assert record.text == "10\u00a0000 New\u202fYork"
    assert entities(record) == [("New\u202fYork", "LOC")]


@pytest.mark.parametrize(
    "text",
    [
        "1 Tom B-PER\n2 ran O\n\n1 Rome B-LOC\n2 won O\n",
        "0 Tom B-PER\n1 ran O\n\n0 Rome B-LOC\n1 won O\n",
        "1 Tom B-PER\n2 ran O\n\n3 Rome B-LOC\n4 won O\n",
        "7 1 Tom B-PER\n7 2 ran O\n\n8 1 Rome B-LOC\n8 2 won O\n",
    ],
)
def test_columns_that_only_count_are_not_the_words(text, tmp_path):
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [entities(record) for record in records] == [[("Tom", "PER")], [("Rome", "LOC")]]
    assert records[0].text == "Tom ran"


@pytest.mark.parametrize(
    "text",
    [
        "s1 Tom B-PER\ns1 ran O\n\ns2 Rome B-LOC\ns2 won O\n",
        "doc Tom B-PER\ndoc ran O\n\ndoc Rome B-LOC\ndoc won O\n",
        "B-PER Tom\nO ran\n\nB-LOC Rome\nO won\n",
    ],
)
def test_columns_of_ids_or_tags_before_the_words_are_not_the_words(text, tmp_path):
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [entities(record) for record in records] == [[("Tom", "PER")], [("Rome", "LOC")]]
    assert records[0].text == "Tom ran"


def test_a_word_that_is_repeated_in_every_sentence_is_a_word(tmp_path):
    text = "no O\nno O\n\nno B-PER\nno O\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["no no", "no no"]


@pytest.mark.parametrize("end", ["\n", "\n\n"])
def test_the_names_of_the_columns_are_not_words(end, tmp_path):
    text = f"Token\tTag{end}Tom\tB-PER\nran\tO\n\nToken\tO\n"
    records = read(written(tmp_path, "a.conll", text), "ner").records
    assert [record.text for record in records] == ["Tom ran", "Token"]


def test_numbers_that_do_not_count_are_words(tmp_path):
    records = read(written(tmp_path, "a.conll", "1996 O\n7 O\n\n3 O\n"), "ner").records
    assert [record.text for record in records] == ["1996 7", "3"]


def test_separators_at_the_ends_of_lines_make_no_column(tmp_path):
    for text in ("Tom\tB-PER\t\nran\tO\t\n", "Tom B-PER \nran O  \n", "Tom\tB-PER\nran\tO\t\n"):
        (record,) = read(written(tmp_path, "a.conll", text), "ner").records
        assert (record.text, entities(record)) == ("Tom ran", [("Tom", "PER")])


@pytest.mark.parametrize("label", ["2", "-3"])
def test_columns_are_numbered_from_1_or_from_the_end(label, tmp_path):
    text = "1 B-PER Tom NNP\n2 O ran VBD\n"
    (record,) = read(written(tmp_path, "a.conll", text), "ner", word=3, label=label).records
    assert record.text == "Tom ran"
    assert entities(record) == [("Tom", "PER")]


@pytest.mark.parametrize("ending", [".txt", ".bio", ".iob", ".CONLL"])
def test_common_extensions_are_read_as_conll(ending, tmp_path):
    assert len(read(written(tmp_path, f"a{ending}", GOOD), "ner").records) == 2


@pytest.mark.parametrize(
    "text", [GOOD.replace("\n", "\r\n"), GOOD.replace("\n", "\r"), "\ufeff" + GOOD, GOOD.strip()]
)
def test_windows_line_ends_byte_order_mark_and_missing_last_line_end_change_nothing(text, tmp_path):
    plain = read(written(tmp_path, "a.conll", GOOD), "ner").records
    found = read(written(tmp_path, "b.conll", text), "ner").records
    assert [record[:2] for record in found] == [record[:2] for record in plain]


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
    assert loaded.notes == [
        f"{file}: 1 texts, CoNLL columns (2, separated by spaces), entities from column 2, tags in "
        f"scheme {scheme}."
    ]


@pytest.mark.parametrize(
    "tags",
    ["B_PER I_PER B_PER O O B_LOC I_LOC", "PER-B PER-I PER-B O O LOC-B LOC-I",
     "PER_B PER_I PER_B O O LOC_B LOC_I", "b-PER i-PER b-PER o o b-LOC i-LOC",
     "B-PER E-PER S-PER O O B-LOC E-LOC"],
)  # fmt: skip
def test_letters_of_tags_are_read_in_every_style(tags, tmp_path):
    expected = [("Tom Fry", "PER"), ("Ann", "PER"), ("New York", "LOC")]
    assert entities(read(written(tmp_path, "a.conll", tagged(tags)), "ner").records[0]) == expected


def test_m_continues_an_entity(tmp_path):
    text = "阿 B-ORG\n里 M-ORG\n巴 M-ORG\n巴 E-ORG\n王 S-PER\n"
    loaded = read(written(tmp_path, "a.conll", text), "ner")
    assert entities(loaded.records[0]) == [("阿 里 巴 巴", "ORG"), ("王", "PER")]
    assert "tags in scheme bmes" in loaded.notes[0]
    assert len(loaded.notes) == 1


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


def test_words_stay_as_the_file_gives_them(tmp_path):
    file = written(tmp_path, "a.conll", "AT&amp;T B-ORG\nTom&#39;s O\n")
    assert read(file, "ner").records[0].text == "AT&amp;T Tom&#39;s"


# Files with faults


def test_line_with_another_number_of_columns_is_reported_with_the_first_line(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\nran O\n\nNew York B-LOC\n")
    message = complaint(file, "ner")
    assert f"{file}, line 4: 3 columns, but line 1 has 2" in message
    assert "columns are separated by tabs, or by spaces if a line has no tab" in message


def test_a_word_without_the_column_that_others_have_is_reported_with_what_to_write(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\nran\n")
    assert complaint(file, "ner") == (
        f"{file}, line 2: 'ran' is alone on its line, but line 1 has 2 columns; write the tag "
        "after each word (O for a word outside entities), separated by a tab or a space."
    )


def test_comment_inside_a_sentence_is_refused(tmp_path):
    file = written(tmp_path, "a.conll", "Tom B-PER\n# a comment\nran O\n")
    assert f"{file}, line 2: 3 columns, but line 1 has 2" in complaint(file, "ner")


def test_word_without_a_tag_is_reported(tmp_path):
    file = written(tmp_path, "a.conll", "-DOCSTART-\n\nTom\nran\n")
    message = complaint(file, "ner")
    assert f"{file}, line 3: one column" in message
    assert "expected a word and a tag, as in 'Oslo B-LOC'" in message


@pytest.mark.parametrize(("field", "value"), [("label", "4"), ("label", "-4"), ("word", 4)])
def test_missing_column_is_reported_with_the_known_numbers(field, value, tmp_path):
    file = written(tmp_path, "a.conll", "Tom NNP B-PER\n")
    message = complaint(file, "ner", **{field: value})
    assert f"{file}, line 1: {str(value)!r} is not one of 3 columns" in message
    assert f"set --config.data.ner.{field} to a number from 1 to 3" in message


def test_word_that_names_no_column_is_reported_with_the_columns(tmp_path):
    message = complaint(written(tmp_path, "a.conll", "Tom NNP B-PER\n"), "ner", label="ner")
    assert "no line has the key 'ner'; keys there: 1, 2, 3." in message
    assert "--config.data.ner.label=" in message


def test_column_of_the_words_is_refused_as_that_of_the_tags(tmp_path):
    message = complaint(written(tmp_path, "a.conll", "Tom B-PER\n"), "ner", label="1")
    assert "line 1: column 1 is named for the word and for the tag" in message


@pytest.mark.parametrize(
    ("tag", "near"), [("B-PERS", "PERS=PER"), ("B-per", "per=PER"), ("I-MSC", "MSC=MISC")]
)
def test_unknown_tag_is_reported_with_its_line_and_a_map_to_the_nearest_label(tag, near, tmp_path):
    file = written(tmp_path, "a.conll", f"Rome B-LOC\n\nwon O\nTom {tag}\n")
    message = complaint(file, "ner")
    assert f"{file}, line 4: {tag!r} is not a label of task 'ner'" in message
    assert "(O, PER, ORG, LOC, MISC)" in message
    assert f"\n  --config.tasks.ner.labels=O,PER,ORG,LOC,MISC,{tag[2:]}" in message
    assert f"\n  --config.data.ner.label_map={near}" in message


def test_unknown_tag_that_resembles_no_label_leaves_the_choice_to_the_user(tmp_path):
    message = complaint(written(tmp_path, "a.conll", "five B-QUANTITY\n"), "ner")
    assert "line 1: 'B-QUANTITY' is not a label" in message
    assert "--config.data.ner.label_map=QUANTITY=NAME" in message
    assert "with one of PER, ORG, LOC, MISC in place of each NAME" in message


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
    expected = f"{file}, line {line_of(text, 'York')}: 'I-LCO' is not a label of task 'ner'"
    assert expected in complaint(file, "ner")


def test_illegal_tags_are_counted_with_the_line_of_the_tag_and_not_of_its_sentence(tmp_path):
    text = LONG.format(second="O", third="I-LOC")
    notes = read(written(tmp_path, "a.conll", text), "ner").notes
    assert "1 tags that cannot follow the tag before them in iob2" in notes[1]
    assert f"(first: line {line_of(text, 'York')})" in notes[1]


# Tags tasks


def test_tags_task_reads_a_column_by_its_number(tmp_path):
    file = written(tmp_path, "a.conll", LONG.format(second="B-LOC", third="I-LOC"))
    for label in ("2", "-2"):
        first, second = read(file, "pos", label=label).records
        assert entities(first, "pos") == [("Tom", "NOUN"), ("ran", "VERB")]
        assert entities(second, "pos") == [
            ("in", "OTHER"), ("New", "NOUN"), ("York", "NOUN"), ("Ann", "NOUN"),
        ]  # fmt: skip


def test_tags_task_reads_the_last_column_by_default_and_says_nothing_about_schemes(tmp_path):
    file = written(tmp_path, "a.conll", "Tom NOUN\nran VERB\n\nfell VERB\n")
    loaded = read(file, "pos")
    assert [entities(record, "pos") for record in loaded.records] == [
        [("Tom", "NOUN"), ("ran", "VERB")], [("fell", "VERB")],
    ]  # fmt: skip
    assert loaded.notes == [
        f"{file}: 2 texts, CoNLL columns (2, separated by spaces), tags from column 2."
    ]


def test_tags_task_finds_the_column_whose_tags_are_all_known(tmp_path):
    file = written(tmp_path, "a.conll", "Tom NOUN B-PER\nran VERB O\n")
    assert entities(read(file, "pos").records[0], "pos") == [("Tom", "NOUN"), ("ran", "VERB")]


def test_tags_that_look_like_iob2_are_classes_as_they_stand(tmp_path):
    file = written(tmp_path, "a.conll", "Tom I-NP\nran B-VP\n")
    names = {"I-NP": "NOUN", "B-VP": "VERB"}
    loaded = read(file, "pos", label_map=names)
    assert entities(loaded.records[0], "pos") == [("Tom", "NOUN"), ("ran", "VERB")]
    assert not any("cannot follow" in note for note in loaded.notes)
    assert "2 labels are not labels of task 'pos'" in complaint(file, "pos")


def test_unknown_tag_of_a_tags_task_is_reported_with_line_and_nearest_label(tmp_path):
    file = written(tmp_path, "a.conll", "Tom NOUN\n\nran VREB\n")
    message = complaint(file, "pos")
    assert f"{file}, line 3: 'VREB' is not a label of task 'pos' (NOUN, VERB, OTHER)." in message
    assert "--config.data.pos.label_map=VREB=VERB" in message


def test_texts_of_one_file_are_the_same_for_an_entity_task_and_a_tags_task(tmp_path):
    file = written(tmp_path, "a.conll", LONG.format(second="B-LOC", third="I-LOC"))
    ner, pos = read(file, "ner").records, read(file, "pos", label="2").records
    assert [r.text for r in ner] == [r.text for r in pos]


@pytest.mark.parametrize("mark", ["#", "##", ";;", ";;;", "%%", "//", "#!"])
@pytest.mark.parametrize("rest", [" two", " of several words", "x"])
def test_comments_begin_with_any_usual_mark(mark, rest, tmp_path):
    comment = f"{mark}{rest}\n"
    text = f"{comment}Ann B-PER\nleft O\n\n{comment}{comment}Oslo B-LOC\n"
    loaded = read(written(tmp_path, "a.conll", text), "ner")
    assert [r.text for r in loaded.records] == ["Ann left", "Oslo"]
    assert entities(loaded.records[1]) == [("Oslo", "LOC")]


@pytest.mark.parametrize("word", [";;", "%%", "//"])
def test_a_mark_of_comments_with_a_tag_is_a_word(word, tmp_path):
    file = written(tmp_path, "a.conll", f"{word} O\nAnn B-PER\n")
    assert [r.text for r in read(file, "ner").records] == [f"{word} Ann"]


def test_a_hashtag_with_a_type_that_no_other_word_has_is_a_word(tmp_path):
    file = written(tmp_path, "a.conll", "#Acme ORG\nrose O\n\nOslo LOC\n")
    assert entities(read(file, "ner").records[0]) == [("#Acme", "ORG")]


def test_a_comment_inside_a_sentence_is_refused_with_where_it_may_stand(tmp_path):
    file = written(tmp_path, "a.conll", "Ann B-PER\n;; a note on it\nleft O\n")
    message = complaint(file, "ner")
    assert f"{file}, line 2: 5 columns, but line 1 has 2" in message
    assert "a comment must come before the first word of a sentence" in message


@pytest.mark.parametrize(
    "line",
    [
        "-DOCSTART- O", "-DOCSTART-", "--DOCSTART-- O", "-docstart- O", " -DOCSTART- O",
        "DOCSTART O", '"-DOCSTART-" O', "-DOCSTART-\tO", "-DOCSTART -X- O", "-DOCSTART-(1) O",
        "-DOCEND- O", "-DOC-START- O", "-DocStart- O",
    ],
)  # fmt: skip
def test_lines_between_documents_are_no_words_however_they_are_spelled(line, tmp_path):
    file = written(tmp_path, "a.conll", f"{line}\nAnn B-PER\nleft O\n\n{line}\n\nOslo B-LOC\n")
    assert [r.text for r in read(file, "ner").records] == ["Ann left", "Oslo"]


def test_words_that_begin_like_a_line_between_documents_are_words(tmp_path):
    file = written(tmp_path, "a.conll", "DOCSTARTS O\n-doc B-MISC\nDOCSTART O\n")
    assert [r.text for r in read(file, "ner").records] == ["DOCSTARTS -doc DOCSTART"]


PROSE = "The minister left the town .\nIt was a long day there .\n\nNobody knew why .\nHe ran .\n"


@pytest.mark.parametrize("name", ["a.txt", "a.conll"])
@pytest.mark.parametrize(
    "text", [PROSE, "Ann left\nHe came back one day\n\nIt rained all that long day\n"]
)
@pytest.mark.parametrize("task", ["ner", "pos", "topic"])
def test_prose_is_refused_with_the_layouts_that_are_understood(name, text, task, tmp_path):
    file = written(tmp_path, name, text)
    message = complaint(file, task)
    assert f"{file}, line 1: the lines have from " in message
    assert "'Oslo B-LOC'" in message
    assert "docs/formats.md" in message


@pytest.mark.parametrize(
    "text",
    [
        "<doc>\n<s>Ann left Oslo</s>\n<s>Tom won it</s>\n</doc>\n",
        '<?xml version="1.0"?>\n<DOC>\n<P> Ann left </P>\n</DOC>\n',
        '<p><ENAMEX TYPE="PERSON">Ann</ENAMEX> left</p>\n<p>Tom won it</p>\n',
    ],
)
def test_markup_is_refused_with_the_layouts_that_are_understood(text, tmp_path):
    file = written(tmp_path, "a.txt", text)
    message = complaint(file, "ner")
    assert f"{file}, line 1: the lines hold XML or HTML, not columns" in message
    assert "'Ann/B-PER left/O'" in message


def test_words_of_markup_are_words(tmp_path):
    file = written(tmp_path, "a.conll", "<br> O\nAnn B-PER\n<b> O\n")
    assert [r.text for r in read(file, "ner").records] == ["<br> Ann <b>"]


def test_a_faulty_line_among_columns_is_no_prose(tmp_path):
    text = "Ann B-PER\nleft O\n. O\n\nOslo is B-LOC\nwon O\n"
    message = complaint(written(tmp_path, "a.txt", text), "ner")
    assert "line 5: 3 columns, but line 1 has 2" in message
