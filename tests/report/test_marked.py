"""Marked texts: offsets in characters, every text escaped, differences outlined."""

import re

import pytest

from mtt_jax.report.marked import card, chips, compared, label_order, marked
from tests.helpers import Elements


def span(start, end, label):
    return {"start": start, "end": end, "label": label}


def marks(html):
    return re.findall(r"<mark[^>]*>(.*?)<span class=\"tag\" dir=\"auto\">(.*?)</span></mark>", html)


def plain(html):
    """The text without the labels of its spans."""
    return Elements(re.sub(r'<span class="tag".*?</span>', "", html)).text


@pytest.mark.parametrize(
    ("text", "start", "end", "part"),
    [
        ("Ann left", 0, 3, "Ann"),
        ("left: Ann", 6, 9, "Ann"),
        ("🙂👍🏽 Ann", 4, 7, "Ann"),
        ("أعلن محمد ذلك", 5, 9, "محمد"),
        ("דוד גר בתל אביב", 0, 3, "דוד"),
        ("ein e\u0301lan", 4, 9, "e\u0301lan"),
    ],
)
def test_a_span_marks_its_characters_and_leaves_the_text_as_it_is(text, start, end, part):
    html = marked(text, [span(start, end, "X")])
    assert marks(html) == [(part, "X")]
    assert plain(html) == text


def test_every_text_has_its_own_direction():
    assert marked("دوד", []).startswith('<p dir="auto">')
    assert 'dir="auto"' in compared("דוד", {"label": "a"}, {"label": "b"})


def test_texts_and_labels_are_escaped():
    html = marked("<b>a & b", [span(0, 3, "<i>")])
    assert "<b>" not in html
    assert "<i>" not in html
    assert plain(html) == "<b>a & b"
    assert marks(html) == [("&lt;b&gt;", "&lt;i&gt;")]


def test_a_span_that_label_and_answer_do_not_share_is_outlined():
    html = compared("Ann in Oslo", [span(0, 3, "PER"), span(7, 11, "LOC")],
                    [span(0, 3, "ORG"), span(7, 11, "LOC")])  # fmt: skip
    assert html.count('<mark class="differs"') == 2
    assert html.count("<mark style") == 2
    assert "differs" not in marked("Ann", [span(0, 3, "PER")]), "nothing to compare with"


def test_a_label_has_the_same_color_in_label_and_answer():
    html = compared("Ann Oslo", [span(0, 3, "PER")], [span(0, 3, "PER"), span(4, 8, "LOC")])
    colors = re.findall(r"--mark: (var\(--c\d\))", html)
    assert colors[0] == colors[1] != colors[2]
    assert label_order([[span(0, 1, "b")], [span(0, 1, "a")], {"label": "c"}]) == ["a", "b"]


def test_of_spans_that_overlap_the_later_one_is_named_below():
    html = marked("New York City", [span(0, 13, "LOC"), span(4, 8, "ORG")])
    assert marks(html) == [("New York City", "LOC")]
    assert "also York (ORG)" in html


def test_words_without_a_tag_are_not_marked():
    html = compared("a b", [span(0, 1, "X")], [span(0, 1, None), span(2, 3, "Y")])
    assert marks(html) == [("a", "X"), ("b", "Y")]


@pytest.mark.parametrize(
    ("given", "found", "shown"),
    [
        ({"label": "sports"}, {"label": None, "score": 0.3}, "labelsportsmodel(none)"),
        ("sports", {"label": "other", "score": 1}, "labelsportsmodelother"),
        ({"labels": ["a", "b"]}, {"labels": ["b"], "scores": {}}, "labelabmodelb"),
        ([], {"labels": ["b"], "scores": {}}, "label(none)modelb"),
    ],
)
def test_labels_of_a_whole_text_are_compared(given, found, shown):
    assert Elements(compared("Text", given, found)).text == f"Text{shown}"


def test_a_label_that_the_other_side_lacks_is_outlined():
    html = chips(["a", "b"], ["b"])
    assert html.count("chip differs") == 1
    assert '<span class="chip differs"><bdi>a</bdi>' in html


def test_a_card_is_well_formed():
    html = card("<1>", "Ann", [span(0, 3, "PER")], [], ["PER"])
    assert Elements(html).open == []
    assert "&lt;1&gt;" in html
