"""Texts that were damaged before they were read: encoding, control characters, missing quotes."""

import pytest

from mtt_jax.data.check.findings import ERROR
from tests.data.check.samples import GOOD, named, names, record, splits

CONTROL = ("control characters",)


def misread(text):
    """UTF-8 read as Windows-1252, with control characters for the bytes that it lacks."""
    bytes_ = (bytes([byte]) for byte in text.encode())
    return "".join(
        b.decode("cp1252" if b not in b"\x81\x8d\x8f\x90\x9d" else "latin-1") for b in bytes_
    )


@pytest.mark.parametrize(
    "text",
    ["caf\u00c3\u00a9", "it\u00e2\u20ac\u2122s", "Ren\ufffd", "\u00ef\u00bb\u00bfRome"]
    + [misread(good) for good in ("größer", "Привет", "Αθήνα", "東京都")],
)  # fmt: skip
def test_text_that_was_read_in_a_wrong_encoding_is_noticed(text):
    found = named(splits([record(text, "a.csv, line 1")]), "misread characters")
    assert found.text.startswith("train: 1 text looks as if it had been read in a wrong encoding")
    assert found.places == ("a.csv, line 1",)


@pytest.mark.parametrize(
    "text",
    [
        "São Paulo",
        "SÃO PAULO",
        "«voilà», dit-il",
        "LIBERTÉ»",
        "Ö–Ü",
        "Привет",
        "東京",
        "ÑANDÚ",
        "Â.",
    ],
)
def test_letters_with_accents_are_no_sign_of_a_wrong_encoding(text):
    assert names(splits([record(text)])) == []


def test_control_characters_are_noticed_and_line_ends_are_not():
    found = named(splits([record("a\x08b", "a, line 1"), record("a\tb\r\n\x85c\x0c")]), *CONTROL)
    assert found.text.startswith("train: 1 text contains control characters, which no one sees")
    assert found.places == ("a, line 1",)


def test_an_overlong_text_is_noticed_with_its_length():
    records = splits([*GOOD["train"] * 4, record("word " * 400, "train.csv, line 9")])
    found = named(records, "overlong text")
    assert found.text.startswith("train: 1 text is more than 3 times as long as 99 of 100 others,")
    assert "2,000 characters" in found.text
    assert found.places == ("train.csv, line 9",)


def test_rows_that_a_quote_has_swallowed_are_an_error():
    inside = record("The end\nsports,Rome wins\nothers,it rains", "a.csv, line 4", topic="others")
    poem = record("The end\nSports, of all things,\nothers too", topic="others")
    found = named(splits([inside, poem]), "rows inside a text")
    assert found.severity == ERROR
    assert found.places == ("a.csv, line 4",)
