"""Cleaning leaves the text that a reader would see, and knows where each sign of it stood."""

import numpy as np
import pytest

from mtt_jax.data.clean import clean, clean_with_origins

MARKUP = ["&amp;", "#39;", " #39;", "#36;", "\\", "\\$", "<b>", "</b>", "<!-- x -->", "&#233;"]
BLANKS = [" ", "  ", "\n", "\t", "\u200b", "\ufeff", "\x00", "\xa0", "&nbsp;"]
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
def test_markup_becomes_what_it_stands_for(given, expected):
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
def test_plain_text_stays_as_it_is(text):
    assert clean(text) == text


def test_cleaning_what_is_clean_changes_nothing():
    for text in texts(MARKUP + BLANKS + PLAIN):
        once = clean(text)
        assert clean(once) == once


def test_blanks_stand_one_by_one_and_inside_only():
    for text in texts(MARKUP + BLANKS + PLAIN + LOOSE):
        assert clean(text).split() == clean(text).split(" ") or not clean(text)


def test_both_ways_to_clean_give_the_same_text():
    for text in texts(MARKUP + BLANKS + PLAIN + LOOSE):
        assert clean_with_origins(text).text == clean(text)


def test_every_letter_knows_where_it_stood():
    for text in texts(MARKUP[:-1] + BLANKS + PLAIN):
        cleaned = clean_with_origins(text)
        assert len(cleaned.origins) == len(cleaned.text) + 1
        assert cleaned.origins == sorted(cleaned.origins)
        assert cleaned.origins[-1] == len(text)
        for sign, origin in zip(cleaned.text, cleaned.origins, strict=False):
            assert not sign.isalnum() or text[origin] == sign


def test_the_offsets_of_a_name_follow_it_through_markup_around_it():
    for before, after in zip(texts(MARKUP + BLANKS, seed=1), texts(MARKUP + BLANKS, seed=2),
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
def test_the_offsets_of_a_name_follow_it_through_markup_inside_it(text, name, expected):
    cleaned = clean_with_origins(text)
    start = text.index(name)
    moved = slice(cleaned.moved(start), cleaned.moved(start + len(name)))
    assert cleaned.text[moved] == expected


def test_a_text_of_entities_within_entities_comes_to_an_end():
    assert len(clean("&" + "amp;" * 10_000)) < 50_000
