"""Values that are written as a text: each is read with any spaces, and written back the same."""

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mtt_jax.config.values import (
    NAMES,
    NUMBERS,
    PAIRS,
    STEPS,
    WORD_OR_NUMBERS,
    as_flag,
    as_text,
    check_names,
    parse_labels,
    parse_names,
    parse_numbers,
    parse_pairs,
    parse_range,
    parse_word_or_numbers,
)
from mtt_jax.errors import UserError


def refusal(parse, text):
    with pytest.raises(UserError) as caught:
        parse(text, "config.x")
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", {}),
        (" , ,", {}),
        ("A=1", {"A": "1"}),
        (" A = 1 ,B=two words, ", {"A": "1", "B": "two words"}),
        ("A=x=y", {"A": "x=y"}),
        ("1=politics, Sci/Tech=others", {"1": "politics", "Sci/Tech": "others"}),
    ],
)
def test_pairs_are_read_with_any_spaces(text, expected):
    assert parse_pairs(text, "config.x") == expected


@pytest.mark.parametrize(("text", "part"), [("A", "A"), ("A=", "A="), ("B=1, =2", "=2")])
def test_a_part_that_is_not_a_pair_is_refused_with_its_field(text, part):
    expected = f"config.x: expected 'NAME=VALUE, NAME=VALUE', got '{part}'."
    assert refusal(parse_pairs, text) == expected
    assert refusal(parse_numbers, text) == expected


def test_numbers_are_read_as_floats():
    assert parse_numbers("A=0, B=2.5, C=1e-3", "config.x") == {"A": 0.0, "B": 2.5, "C": 0.001}
    assert parse_numbers("", "config.x") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("A=one", "config.x: 'one' is not a number."),
        ("A=-1", "config.x: -1 is not a finite number of at least 0."),
        ("A=inf", "config.x: inf is not a finite number of at least 0."),
        ("A=nan", "config.x: nan is not a finite number of at least 0."),
    ],
)
def test_a_number_that_is_not_finite_or_below_0_is_refused_with_its_field(text, message):
    assert refusal(parse_numbers, text) == message
    assert refusal(parse_word_or_numbers, text) == message


@pytest.mark.parametrize(
    ("text", "expected"),
    [("over", "over"), (" under ", "under"), ("", ""), ("PER=2, O=0.5", {"PER": 2.0, "O": 0.5})],
)
def test_a_word_is_read_as_it_is_and_pairs_as_numbers(text, expected):
    assert parse_word_or_numbers(text, "config.x") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", ()), (" , ", ()), ("a", ("a",)), (" a ,b c,", ("a", "b c"))],
)
def test_names_are_read_with_any_spaces(text, expected):
    assert parse_names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a, b", c', ("a, b", "c")),
        ("'a, b', c", ("a, b", "c")),
        ('"a ""b""",c', ('a "b"', "c")),
        ('""', ("",)),
        (' " a " ', (" a ",)),
        ("'s,don't,5\", 6\"", ("'s", "don't", '5"', '6"')),
    ],
)
def test_a_name_in_quotes_may_hold_commas_spaces_and_quotes(text, expected):
    assert parse_names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("('a', 'b')", ("a", "b")),
        ('["a", "b, c"]', ("a", "b, c")),
        ("('O','E-MAIL','S-BAHN','Multi-tissue')", ("O", "E-MAIL", "S-BAHN", "Multi-tissue")),
        ("('a',)", ("a",)),
        ("('a')", ("a",)),
        ("()", ()),
        ("[ ]", ()),
        ("(PER, LOC)", ("PER", "LOC")),
        ("[1, 2]", ("1", "2")),
        ("(001, 1.50, True)", ("001", "1.50", "True")),
        ('["caf\\u00e9"]', ("café",)),
        (r"('encoder/\d+',)", (r"encoder/\d+",)),
    ],
)
def test_a_list_as_python_or_json_writes_it_is_read_as_its_names(text, expected):
    assert parse_names(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("(a|b)/.*", ("(a|b)/.*",)),
        ("(a|b)/.*, (c|d)", ("(a|b)/.*", "(c|d)")),
        ("[PER]", ("[PER]",)),
        ("[PER],[LOC]", ("[PER]", "[LOC]")),
        ("a (b), c", ("a (b)", "c")),
        ("(heads|encoder)", ("(heads|encoder)",)),
    ],
)
def test_brackets_may_be_part_of_a_name(text, expected):
    assert parse_names(text) == expected


@pytest.mark.parametrize("text", ['"a, b', '"a" b', 'x, "y'])
def test_a_quote_that_is_not_closed_is_refused_with_how_to_write_it(text):
    message = refusal(parse_names, text)
    assert message.startswith(f"config.x: a quote is not closed in {text!r}; write a name with")
    assert parse_names('"a, b", c') == ("a, b", "c")  # which the message shows


@pytest.mark.parametrize("text", ["('a',", "[a, b", "('a' 'b'"])
def test_a_bracket_that_is_not_closed_is_refused(text):
    assert refusal(parse_names, text).startswith("config.x: a bracket is not closed in ")
    assert parse_names('"(", b') == ("(", "b")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"a, b"=c, d="e, f"', {"a, b": "c", "d": "e, f"}),
        ('"a=b"=c=d', {"a=b": "c=d"}),
        ("'x' = y", {"x": "y"}),
        ("A=x, A=x", {"A": "x"}),
    ],
)
def test_pairs_may_hold_commas_and_equals_signs_in_quotes(text, expected):
    assert parse_pairs(text, "config.x") == expected


def test_a_name_with_two_values_is_refused():
    assert refusal(parse_pairs, "A=x, B=y, A=z") == "config.x: 'A' has two values, 'x' and 'z'."


def test_labels_are_read_as_names_and_auto_leaves_them_to_the_data():
    assert parse_labels("PER,LOC", "config.x") == ("PER", "LOC")
    assert parse_labels(" auto ", "config.x") == parse_labels("", "config.x") == ()
    assert parse_labels("O,auto", "config.x") == ("O", "auto")
    assert parse_labels('"auto"', "config.x") == ("auto",)


# Texts with the characters that have a meaning more often than others.
TEXTS = st.text(st.one_of(st.sampled_from("\"',=()[]{} \\\t\n"), st.characters(codec="utf-8")))


@given(st.lists(TEXTS).map(tuple))
def test_any_names_are_written_as_a_text_that_reads_as_the_same_names(names):
    assert parse_names(NAMES.text(names), "config.x") == names
    assert parse_labels(NAMES.text(names), "config.x") == names
    flag, _, text = as_flag("config.tasks.ner.labels", names).partition("=")
    assert flag == "--config.tasks.ner.labels"
    (word,) = shlex.split(text)
    assert parse_labels(word, "config.x") == names


FILLED = TEXTS.filter(bool)


@given(st.dictionaries(FILLED, FILLED))
def test_any_pairs_are_written_as_a_text_that_reads_as_the_same_pairs(pairs):
    assert parse_pairs(PAIRS.text(pairs), "config.x") == pairs
    (word,) = shlex.split(as_flag("config.data.ner.label_map", pairs).partition("=")[2])
    assert parse_pairs(word, "config.x") == pairs


@given(st.dictionaries(FILLED, st.floats(0, 1e300)))
def test_any_numbers_are_written_as_a_text_that_reads_as_the_same_numbers(numbers):
    assert parse_numbers(NUMBERS.text(numbers), "config.x") == numbers


@given(TEXTS)
def test_any_text_is_read_or_refused_in_one_line(text):
    for parse in (parse_names, parse_labels, parse_pairs, parse_numbers):
        message = complaint(parse, text)
        assert not message or message.startswith("config.x: ")
        assert "\n" not in message


def complaint(parse, text):
    try:
        parse(text, "config.x")
    except UserError as error:
        return str(error)
    return ""


def test_a_flag_is_ready_to_be_pasted_into_a_shell():
    field = "config.data.ner.label_map"
    assert as_flag("config.tasks.ner.labels", ("O", "PER")) == "--config.tasks.ner.labels=O,PER"
    assert as_flag(field, {"Per": "PER", "a b": "c"}) == f"--{field}='Per=PER, a b=c'"
    assert as_flag("config.tokenizer.file", "my file") == "--config.tokenizer.file='my file'"


@pytest.mark.parametrize(
    ("text", "expected"),
    [("", range(0)), ("  ", range(0)), ("10:20", range(10, 21)), (" 1 : 1 ", range(1, 2))],
)
def test_a_range_of_steps_includes_first_and_last(text, expected):
    assert parse_range(text, "config.x") == expected


@pytest.mark.parametrize("text", ["10", "10-20", "a:b", ":3", "3:", "1:2:3", "-1:2", "1.5:2"])
def test_a_range_that_is_not_two_numbers_is_refused(text):
    expected = f"config.x: expected 'FIRST:LAST', as in '10:20', got {text!r}."
    assert refusal(parse_range, text) == expected


@pytest.mark.parametrize("text", ["20:10", "0:2"])
def test_a_range_that_descends_or_begins_at_0_is_refused(text):
    assert refusal(parse_range, text) == (
        f"config.x: '{text}' is not a range of steps: they count from 1, and the first must not "
        "be after the last."
    )


@pytest.mark.parametrize(
    ("codec", "value", "text"),
    [
        (PAIRS, {}, ""),
        (PAIRS, {"World": "politics", "1": "2"}, "World=politics, 1=2"),
        (NUMBERS, {"PER": 2.0, "O": 0.5}, "PER=2, O=0.5"),
        (NUMBERS, {"a": 0.1 + 0.2, "b": 1e-9, "c": 1e30}, None),
        (NUMBERS, {"a": 1234567.0, "b": 1 / 3}, None),
        (WORD_OR_NUMBERS, "over", "over"),
        (WORD_OR_NUMBERS, {"O": 0.25}, "O=0.25"),
        (NAMES, ("mention", "case"), "mention, case"),
        (NAMES, (), ""),
        (STEPS, range(10, 21), "10:20"),
        (STEPS, range(3, 4), "3:3"),
        (STEPS, range(0), ""),
    ],
)
def test_a_value_is_written_as_a_text_that_reads_as_the_same_value(codec, value, text):
    written = codec.text(value)
    assert isinstance(written, str)
    assert codec.parse(written, "config.x") == value
    if text is not None:
        assert written == text
    # A text stays as it is: config files and flags have texts already.
    assert codec.text(written) == written
    assert as_text(value, codec) == written


def test_a_value_without_a_codec_is_written_as_it_is():
    assert as_text(3, None) == 3
    assert as_text(("a", "b"), None) == ("a", "b")


def test_a_name_that_is_not_known_is_refused_with_the_known_ones_and_the_nearest():
    check_names(["A", "B"], ("A", "B", "beta"), "config.x")
    with pytest.raises(UserError) as caught:
        check_names(["A", "beto"], ("A", "B", "beta"), "config.x")
    assert str(caught.value) == ("config.x: 'beto' is not one of A, B, beta. Did you mean 'beta'?")
