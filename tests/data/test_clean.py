"""Cleaning leaves the text that a reader would see and keeps track of character offsets."""

import html

import numpy as np
import pytest

from mtt_jax.data.clean import as_given, clean

MARKUP = ["&amp;", "#39;", " #39;", "#36;", "\\", "\\$", "<b>", "</b>", "<!-- x -->", "&#233;"]
SPACES = [" ", "  ", "\n", "\t", "\u200b", "\xa0", "&nbsp;"]
UNSEEN = ["\ufeff", "\x00", "\x02", "\u200d", "\xad"]
PLAIN = ["Tom", "ran", "é", "漢", "3", ".", ",", "'", "&", ";", "#", "-", "<PER>", "< "]
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
    assert clean(given).text == expected


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
    assert clean(text) == as_given(text)


@pytest.mark.parametrize(
    "text",
    [
        "<PERSON> left <ORG> in <DATE>",
        "Ann Lee <ann@acme.org> wrote",
        "see <https://example.org/a?b=c>",
        "a < b and c > d, or a <b and c> d",
        "if x<y then y>x",
        "<Tom> hi <Ann_42> hello",
        "List<String> of Map<K, V>",
        "<unk> <3 </3 <- -> <=> <>",
        "[MASK] <mask> <pad>",
        "<bold> <head-on> <a.b> <i18n>",
    ],
)
def test_only_elements_of_html_are_markup(text):
    assert clean(text).text == text


@pytest.mark.parametrize(
    "char", ["\x00", "\x02", "\x7f", "\ufeff", "\u200d", "\u200c", "\xad", "\ue000"]
)
def test_a_character_that_is_not_seen_stays_in_its_word(char):
    text = f"An{char}na ran"
    assert clean(text) == as_given(text)
    assert clean(f"<b>An{char}na</b>  ran").text == text


def test_cleaning_twice_is_the_same_as_once():
    for text in texts(MARKUP + SPACES + UNSEEN + PLAIN):
        once = clean(text).text
        assert clean(once) == as_given(once)


def test_spaces_are_single_and_never_at_the_ends():
    for text in texts(MARKUP + SPACES + UNSEEN + PLAIN + LOOSE):
        cleaned = clean(text).text
        assert cleaned.split() == cleaned.split(" ") or not cleaned


def test_every_character_begins_and_ends_in_the_text_as_given_and_none_before_the_one_before_it():
    for text in texts(MARKUP + SPACES + UNSEEN + PLAIN + LOOSE):
        cleaned, starts, ends = clean(text)
        assert len(starts) == len(ends) == len(cleaned)
        assert all(0 <= start < end <= len(text) for start, end in zip(starts, ends, strict=True))
        assert list(starts) == sorted(starts)
        assert list(ends) == sorted(ends)


def test_every_letter_and_digit_is_where_it_is_said_to_be():
    for text in texts(MARKUP + SPACES + UNSEEN + PLAIN + LOOSE, seed=3):
        for char, start, end in zip(*clean(text), strict=True):
            if char.isalnum() or char in "<>":
                assert html.unescape(html.unescape(text[start:end])) == char


@pytest.mark.parametrize(
    ("text", "cleaned", "source"),
    [
        ("<b>AT&amp;T</b> rose", "AT&T", "AT&amp;T"),
        ("\n\n  AT amp;T rose", "AT&T", "AT amp;T"),
        ("shares of &lt;i&gt;Acme   Corp&lt;/i&gt;", "Acme Corp", "Acme   Corp"),
        ("paid O #39;Brien ", "O'Brien", "O #39;Brien"),
        ("China #39;s", "'s", "#39;s"),
        ("Caf&eacute;", "Café", "Caf&eacute;"),
        ("&Eacute;lan vital", "Élan", "&Eacute;lan"),
        ("Johnson&Johnson; Pfizer", "Johnson&Johnson", "Johnson&Johnson"),  # no HTML entity
        ("&amp;amp;amp; Co", "& Co", "&amp;amp;amp; Co"),
        ("&amp;lt;b&amp;gt;Rome won", "Rome", "Rome"),
        ("Procter \\& Gamble", "Procter & Gamble", "Procter \\& Gamble"),
        ("To&shy;m", "To\xadm", "To&shy;m"),
        ("&#x1F600; Tom", "😀", "&#x1F600;"),
        ("x &NotEqualTilde; y", "\u2242\u0338", "&NotEqualTilde;"),  # two characters of one
        ("<p>Rome<p>Oslo", "Oslo", "Oslo"),
    ],
)
def test_a_name_is_found_in_the_text_as_given_with_the_markup_inside_it(text, cleaned, source):
    found = clean(text)
    start = found.text.index(cleaned)
    last = start + len(cleaned) - 1
    assert text[found.starts[start] : found.ends[last]] == source


def test_a_text_that_is_not_to_be_cleaned_is_where_it_is():
    for text in ("<b>é  漢", ""):
        found = as_given(text)
        assert found.text == text
        assert list(found.starts) == list(range(len(text)))
        assert [text[a:b] for a, b in zip(found.starts, found.ends, strict=True)] == list(text)


def test_cleaning_nested_html_entities_terminates():
    assert len(clean("&" + "amp;" * 10_000).text) < 50_000
