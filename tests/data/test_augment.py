"""Synthetic sentences: other words, the same labels, and never a sentence of another split."""

import re
from collections import Counter

import numpy as np
import pytest

from mtt_jax.config.schema import SYNTHETIC_METHODS
from mtt_jax.data.augment import augment, read_gazetteer
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import spans_to_tags
from mtt_jax.types import Record, Span
from tests.helpers import SENTENCES, make_config, record

NER = make_config().task_list[1]
RECORDS = [record(*sentence) for sentence in SENTENCES]
EXTRA = {"PER": ["Jo  van Gogh"]}


def made(*methods, count=60, rate=0.9, gazetteer=None, records=RECORDS, seed=0):
    return augment(records, NER, count, methods, rate, gazetteer or {}, frozenset(), seed)


def tokens(r):
    """(tag, word) of each word between spaces."""
    words = [match.span() for match in re.finditer(r"\S+", r.text)]
    starts, ends = ({word[i]: n for n, word in enumerate(words)} for i in (0, 1))
    spans = [Span(starts[s.start], ends[s.end] + 1, s.label) for s in r.labels["ner"]]
    tags = spans_to_tags(spans, len(words), "iob2")
    return list(zip(tags, (r.text[a:b] for a, b in words), strict=True))


def mentions(records):
    return {(s.label, r.text[s.start : s.end]) for r in records for s in r.labels["ner"]}


@pytest.mark.parametrize("method", SYNTHETIC_METHODS)
def test_synthetic_sentences_are_new_and_offsets_fit_their_text(method):
    sentences = made(method)
    texts = [r.text for r in sentences]
    assert len(sentences) > 5
    assert len(set(texts)) == len(texts)
    assert not set(texts) & {r.text for r in RECORDS}
    for r in sentences:
        edges = [edge for s in r.labels["ner"] for edge in (s.start, s.end)]
        assert edges == sorted(edges)
        assert all(r.text[s.start : s.end].strip() for s in r.labels["ner"])
        assert all(0 <= edge <= len(r.text) for edge in edges)
        assert list(r.labels) == ["ner"]


def test_mentions_are_replaced_by_mentions_of_the_same_type():
    sentences = made("mention")
    assert mentions(sentences) <= mentions(RECORDS)
    outside = {tuple(w for tag, w in tokens(r) if tag == "O") for r in RECORDS}
    assert {tuple(w for tag, w in tokens(r) if tag == "O") for r in sentences} <= outside


def test_names_of_a_gazetteer_are_used_whole():
    assert ("PER", "Jo  van Gogh") in mentions(made("mention", gazetteer=EXTRA))


def test_words_are_replaced_by_words_with_the_same_tag():
    known = {pair for r in RECORDS for pair in tokens(r)}
    for r in made("token"):
        assert set(tokens(r)) <= known
    sequences = {tuple(tag for tag, _ in tokens(r)) for r in RECORDS}
    assert {tuple(tag for tag, _ in tokens(r)) for r in made("token")} <= sequences


def test_words_are_shuffled_within_their_segment():
    bags = {frozenset(Counter((tag[2:], word) for tag, word in tokens(r)).items()) for r in RECORDS}
    sentences = made("shuffle")
    assert {
        frozenset(Counter((tag[2:], word) for tag, word in tokens(r)).items()) for r in sentences
    } <= bags
    assert {tuple(tag for tag, _ in tokens(r)) for r in sentences} <= {
        tuple(tag for tag, _ in tokens(r)) for r in RECORDS
    }


def test_case_changes_and_letters_stay():
    assert {r.text.lower() for r in made("case")} <= {r.text.lower() for r in RECORDS}
    assert any(r.text.isupper() for r in made("case", rate=1.0))


def test_separate_words_never_become_one():
    text = "Tom, who ran, met Ann."
    labels = {"ner": (Span(0, 3, "PER"), Span(18, 21, "PER"))}
    sentences = made(*SYNTHETIC_METHODS, records=[Record(text, labels)])
    known = {text[a:b].lower() for a, b in split_words(text)}
    assert len(sentences) > 20
    for r in sentences:
        assert {r.text[a:b].lower() for a, b in split_words(r.text)} <= known


# "U.S.-born" and "Rome-based" begin with an entity; "pre-Brexit" ends with one.
TIGHT = [
    Record("A U.S.-born star left", {"ner": (Span(2, 6, "LOC"),)}),
    Record("The Rome-based firm and pre-Brexit O'Brien",
           {"ner": (Span(4, 8, "LOC"), Span(28, 34, "MISC"), Span(35, 42, "PER"))}),
]  # fmt: skip


def test_an_entity_inside_a_word_is_exchanged_and_the_rest_of_the_word_stays():
    sentences = made("mention", records=TIGHT, gazetteer={"LOC": ["New York"], "MISC": ["Games"]})
    assert mentions(sentences) == {
        *(("LOC", name) for name in ("U.S.", "Rome", "New York")),
        *(("MISC", name) for name in ("Brexit", "Games")),
        ("PER", "O'Brien"),
    }
    texts = {r.text for r in sentences}
    assert {"A New York-born star left", "A Rome-born star left"} <= texts
    assert "The U.S.-based firm and pre-Games O'Brien" in texts
    assert all(re.fullmatch(r"(A \S.*\S-born|The .*\w\.?-based .* pre-\w+) .*", t) for t in texts)


def test_a_name_with_dots_or_an_apostrophe_is_moved_whole():
    for r in made("shuffle", "token", records=TIGHT, rate=1.0):
        for label, name in mentions([r]):
            assert (label, name) in mentions(TIGHT)


def test_no_synthetic_sentence_is_one_of_dev_or_test():
    every = made("mention")
    taken = frozenset(r.text for r in every[:20])
    again = augment(RECORDS, NER, 60, ("mention",), 0.9, {}, taken, 0)
    assert not taken & {r.text for r in again}


def test_synthetic_sentences_depend_on_the_seed():
    assert made(*SYNTHETIC_METHODS) == made(*SYNTHETIC_METHODS)
    assert made(*SYNTHETIC_METHODS) != made(*SYNTHETIC_METHODS, seed=1)


def test_fewer_are_made_if_nothing_new_is_found():
    only = [record("Shares fell .", None, [])]
    assert made("mention", records=only) == []
    assert len(made("case", records=only, count=1000)) < 100


def test_sentences_without_entity_labels_are_not_used():
    plain = [*RECORDS, record("Secret words .", "sports")]
    assert not any("Secret" in r.text for r in made(*SYNTHETIC_METHODS, records=plain))


def test_rate_is_how_much_is_changed():
    def changed(rate):
        known = {r.text.split()[-2] for r in RECORDS}
        return np.mean([r.text.split()[-2] not in known for r in made("case", rate=rate)])

    assert changed(0.9) > changed(0.3)


def test_gazetteer_is_read_line_by_line(tmp_path):
    file = tmp_path / "names.tsv"
    file.write_text("PER\tJo Li\n\nLOC\tUlm\nPER\tAl\n", encoding="utf-8")
    assert read_gazetteer(str(file), NER) == {"PER": ["Jo Li", "Al"], "LOC": ["Ulm"]}
    assert read_gazetteer("", NER) == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("PER\tAl\nPER Jo\n", "line 2: expected a type, a tab and a name: 'PER Jo'"),
        ("PRE\tAl\n", "line 1: 'PRE' is not one of PER, ORG, LOC, MISC. Did you mean 'PER'?"),
        (None, "config.data.ner.gazetteer: .*names.tsv: cannot be read"),
    ],
)
def test_fault_in_a_gazetteer_is_reported_with_its_line(tmp_path, text, message):
    file = tmp_path / "names.tsv"
    if text is not None:
        file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match=message):
        read_gazetteer(str(file), NER)
