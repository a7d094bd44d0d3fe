"""Values that are written as a text: each is read with any spaces, and written back the same."""

import pytest

from mtt_jax.config.values import (
    NAMES,
    NUMBERS,
    PAIRS,
    STEPS,
    WORD_OR_NUMBERS,
    as_text,
    check_names,
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
