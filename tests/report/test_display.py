"""A result in a notebook: labels with scores, and the spans of each task marked in the text."""

import re
from html import unescape

import pytest

from mtt_jax.report.display import result_html, segments

LABELS = {"ner": ("PER", "ORG"), "pos": ("NOUN", "VERB")}


def span(text, part, label, score=0.5):
    start = text.index(part)
    return {"text": part, "label": label, "start": start, "end": start + len(part), "score": score}


def result_of(text, *spans, **others):
    return {"text": text, **others, "ner": [span(text, *one) for one in spans]}


def shown(html):
    """The text of a page, without elements."""
    return unescape(re.sub("<[^>]+>", "", html))


def marks(html):
    """(text, label) of what is marked."""
    found = re.findall(r"<mark[^>]*>(.*?)<bdi[^>]*>(.*?)</bdi></mark>", html, re.DOTALL)
    return [(unescape(text), unescape(label)) for text, label in found]


def colors(html):
    return re.findall(r"solid (#\w+)", html)


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("Tom left .", "Tom"),
        ("👩‍👩‍👧 met 🦊 Tom in Zürich", "Tom"),
        ("שלום תום הלך", "תום"),
        ("شركة أرامكو في الرياض", "أرامكو"),
        ("e\u0301te\u0301 Tom\nleft", "Tom\nleft"),
    ],
)
def test_an_entity_is_marked_where_it_is_in_any_script(text, part):
    html = result_html(result_of(text, (part, "PER")), LABELS)
    assert marks(html) == [(part, "PER")]
    assert re.sub("PER", "", shown(html)) == text
    assert 'dir="auto"' in html


def test_text_and_labels_are_escaped():
    text = '<script>alert("1")</script> & <b>Tom</b>'
    html = result_html(result_of(text, ("<b>Tom</b>", "<i>")), LABELS)
    assert "<script" not in html
    assert "<i>" not in html
    assert marks(html) == [("<b>Tom</b>", "<i>")]


def test_a_topic_has_its_score_and_an_abstention_has_no_label():
    topic = {"label": "sports", "score": 0.968, "scores": {"sports": 0.968, "others": 0.032}}
    assert "topic sports 0.97" in shown(result_html({"text": "a", "topic": topic}, {}))
    topic["label"] = None
    assert "topic (none) 0.97" in shown(result_html({"text": "a", "topic": topic}, {}))


def test_several_labels_have_a_score_each_and_none_are_named_so():
    subjects = {"labels": ["a", "b"], "scores": {"a": 0.9, "b": 0.8, "c": 0.1}}
    assert "subjects a 0.90, b 0.80" in shown(result_html({"text": "x", "subjects": subjects}, {}))
    subjects["labels"] = []
    assert "subjects (none)" in shown(result_html({"text": "x", "subjects": subjects}, {}))


def test_a_text_without_words_has_no_topic():
    html = result_html({"text": "", "topic": None, "ner": []}, LABELS)
    assert shown(html) == "topic (none)"


def test_a_word_whose_tag_is_left_open_is_not_marked():
    text = "Tom left"
    tags = [span(text, "Tom", None), span(text, "left", "VERB")]
    html = result_html({"text": text, "pos": tags}, LABELS)
    assert marks(html) == [("left", "VERB")]


def test_two_tasks_per_word_each_have_a_copy_of_the_text_under_their_name():
    text = "Tom left"
    tags = [span(text, "Tom", "NOUN"), span(text, "left", "VERB")]
    html = result_html(result_of(text, ("Tom left", "PER")) | {"pos": tags}, LABELS)
    assert marks(html) == [("Tom left", "PER"), ("Tom", "NOUN"), ("left", "VERB")]
    assert shown(html) == "ner Tom leftPERpos TomNOUN leftVERB"


def test_a_label_has_the_same_color_in_every_result():
    alone = colors(result_html(result_of("Acme fell", ("Acme", "ORG")), LABELS))
    both = colors(result_html(result_of("Tom, Acme", ("Tom", "PER"), ("Acme", "ORG")), LABELS))
    assert both[1:] == alone
    assert both[0] != both[1]


def test_what_is_no_answer_is_left_out():
    html = result_html({"text": "a", "id": 7, "input": {"ner": []}, "names": ["x"]}, {})
    assert shown(html) == "a"


def test_segments_put_together_are_the_text_and_overlapping_spans_are_left_out():
    spans = [{"start": 2, "end": 5}, {"start": 4, "end": 6}, {"start": 5, "end": 6},
             {"start": 7, "end": 7}]  # fmt: skip
    found = list(segments("0123456789", spans))
    assert [part for part, _ in found] == ["01", "234", "5", "6789"]
    assert [span for _, span in found] == [None, spans[0], spans[2], None]
