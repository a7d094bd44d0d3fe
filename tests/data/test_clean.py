"""Cleaning leaves the text that a reader would see and keeps track of character offsets."""

import numpy as np
import pytest

from mtt_jax.data.clean import clean, clean_with_origins

MARKUP = ["&amp;", "#39;", " #39;", "#36;", "\\", "\\$", "<b>", "</b>", "<!-- x -->", "&#233;"]
SPACES = [" ", "  ", "\n", "\t", "\u200b", "\ufeff", "\x00", "\xa0", "&nbsp;"]
PLAIN = ["Tom", "ran", "é", "漢", "3", ".", ",", "'", "&", ";", "#", "-"]
LOOSE = ["&lt;", "&gt;", "&amp;lt;", "&amp;gt;", "&amp;amp;", "<", ">", " amp;", "quot;", "&quot;"]


def texts(pieces, count=2000, seed=0):
    """Random sequences of pieces."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield "".join(rng.choice(pieces, int(rng.integers(0, 14))))


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("AT&amp;T rose", "AT&T rose"),
        ("AT amp;T rose", "AT&T rose"),
        ("China #39;s bank", "China's bank"),
        ("China&#39;s bank", "China's bank"),
        ("#36;12 a barrel", "$12 a barrel"),
        ("quot;Yes,quot; he said", '"Yes," he said'),
        ("&lt;b&gt;Rome&lt;/b&gt; won", "Rome won"),
        ("&amp;lt;b&amp;gt;Rome won", "Rome won"),
        ('<A HREF="http://a.b/?c=1">Reuters</A> - Oil fell', "Reuters - Oil fell"),
        ("Oil<br/>fell", "Oil fell"),
        ("Oil <!-- advert --> fell", "Oil fell"),
        ("oil\\prices fell", "oil prices fell"),
        ("\\$5 \\& more", "$5 & more"),
        ("  Oil \t\r\n fell\u200b ", "Oil fell"),
        ("Caf&eacute; &#x4e2d;", "Café 中"),
        ("3 &lt; 5", "3 < 5"),
        ("&nbsp; ", ""),
        ("", ""),
    ],
)
def test_markup_and_html_entities_become_plain_text(given, expected):
    assert clean(given) == expected


@pytest.mark.parametrize(
    "text",
    [
        "Tom's firm, AT&T, paid $1,200 (3 < 5) & left; No. #1.",
        "R&D; Q&A; 5 > 3",
        "Johnson&Johnson; Pfizer",
        "Élan vital, 漢字, Ωmega",
        'He said "no" \u2014 twice',
    ],
)
def test_plain_text_is_unchanged(text):
    assert clean(text) == text


def test_cleaning_twice_is_the_same_as_once():
    for text in texts(MARKUP + SPACES + PLAIN):
        once = clean(text)
        assert clean(once) == once


def test_spaces_are_single_and_never_at_the_ends():
    for text in texts(MARKUP + SPACES + PLAIN + LOOSE):
        assert clean(text).split() == clean(text).split(" ") or not clean(text)


def test_clean_with_origins_gives_the_same_text_as_clean():
    for text in texts(MARKUP + SPACES + PLAIN + LOOSE):
        assert clean_with_origins(text).text == clean(text)


def test_origin_of_every_letter_and_digit_is_its_old_offset():
    for text in texts(MARKUP[:-1] + SPACES + PLAIN):
        cleaned = clean_with_origins(text)
        assert len(cleaned.origins) == len(cleaned.text) + 1
        assert cleaned.origins == sorted(cleaned.origins)
        assert cleaned.origins[-1] == len(text)
        for character, origin in zip(cleaned.text, cleaned.origins, strict=False):
            assert not character.isalnum() or text[origin] == character


def test_offsets_are_moved_past_markup_around_a_name():
    for before, after in zip(texts(MARKUP + SPACES, seed=1), texts(MARKUP + SPACES, seed=2),
                             strict=True):  # fmt: skip
        text = f"x{before} Tom Fry {after}x"
        start = text.index("Tom")
        cleaned = clean_with_origins(text)
        moved = slice(cleaned.moved(start), cleaned.moved(start + len("Tom Fry")))
        assert cleaned.text[moved] == "Tom Fry"


@pytest.mark.parametrize(
    ("text", "name", "expected"),
    [
        ("<b>AT&amp;T</b> rose", "AT&amp;T", "AT&T"),
        ("\n\n  AT amp;T rose", "AT amp;T", "AT&T"),
        ("shares of &lt;i&gt;Acme   Corp&lt;/i&gt;", "Acme   Corp", "Acme Corp"),
        ("paid O #39;Brien ", "O #39;Brien", "O'Brien"),
        ("Caf&eacute;", "Caf&eacute;", "Café"),
        ("Johnson&Johnson; Pfizer", "Johnson&Johnson", "Johnson&Johnson"),  # no HTML entity
    ],
)
def test_offsets_are_moved_past_markup_inside_a_name(text, name, expected):
    cleaned = clean_with_origins(text)
    start = text.index(name)
    moved = slice(cleaned.moved(start), cleaned.moved(start + len(name)))
    assert cleaned.text[moved] == expected


def test_cleaning_nested_html_entities_terminates():
    assert len(clean("&" + "amp;" * 10_000)) < 50_000
