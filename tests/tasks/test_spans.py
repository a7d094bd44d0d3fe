"""An entity's score is the sum over all legal tag sequences that contain it; here one by one."""

from itertools import product

import numpy as np
import pytest

from mtt_jax.tasks.schemes import class_names, decode, split_tag, tags_to_spans
from mtt_jax.tasks.spans import span_probabilities
from mtt_jax.types import Span

LABELS = ("O", "PER", "ORG")


def is_legal(tags):
    """Whether each I-X follows B-X or I-X."""
    before = ["O", *tags]
    return all(
        split_tag(tag)[0] != "I" or (last != "O" and split_tag(last)[1] == split_tag(tag)[1])
        for last, tag in zip(before, tags, strict=False)
    )


def all_spans(length, labels=LABELS):
    """Every entity that a sentence may have."""
    places = [(a, b) for a in range(length) for b in range(a + 1, length + 1)]
    return [Span(a, b, label) for a, b in places for label in labels[1:]]


def by_enumeration(log_probs, labels, scheme):
    """Entity -> probability, and the weight of all legal sequences."""
    classes, probs = class_names(labels, scheme), np.exp(np.asarray(log_probs, np.float64))
    found, total = {}, 0.0
    for ids in product(range(len(classes)), repeat=len(probs)):
        tags = [classes[i] for i in ids]
        if scheme == "io" or is_legal(tags):
            weight = probs[np.arange(len(probs)), ids].prod()
            total += weight
            for span in tags_to_spans(tags, scheme):
                found[span] = found.get(span, 0.0) + weight
    return {span: weight / total for span, weight in found.items()}


def log_softmax(logits):
    return logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)


def drawn_log_probs(seed, length, scheme, labels=LABELS, spread=2.0):
    rng = np.random.default_rng(seed)
    logits = rng.normal(size=(length, len(class_names(labels, scheme)))) * spread
    return log_softmax(logits).astype(np.float32)


@pytest.mark.parametrize("scheme", ["io", "iob2"])
@pytest.mark.parametrize("length", [1, 2, 3, 5])
@pytest.mark.parametrize("spread", [0.0, 1.0, 4.0])
def test_probability_of_every_possible_entity_is_that_of_all_legal_sequences(
    scheme, length, spread
):
    for seed in range(3):
        log_probs = drawn_log_probs(seed, length, scheme, spread=spread)
        spans = all_spans(length)
        expected = by_enumeration(log_probs, LABELS, scheme)
        found = span_probabilities(log_probs, spans, LABELS, scheme)
        np.testing.assert_allclose(found, [expected[span] for span in spans], rtol=1e-6, atol=1e-12)


@pytest.mark.parametrize("scheme", ["io", "iob2"])
def test_a_task_of_one_type_has_the_probabilities_of_its_sequences(scheme):
    log_probs = drawn_log_probs(3, 5, scheme, LABELS[:2])
    spans, expected = all_spans(5, LABELS[:2]), by_enumeration(log_probs, LABELS[:2], scheme)
    found = span_probabilities(log_probs, spans, LABELS[:2], scheme)
    np.testing.assert_allclose(found, [expected[span] for span in spans], rtol=1e-6)


def test_illegal_tags_take_nothing_from_the_legal_sequences():
    # The model is sure of O I-PER, which is illegal.
    probs = np.full((2, 5), 1e-4)
    probs[0, 0], probs[1, 2] = 0.9, 0.9
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    (found,) = span_probabilities(log_probs, [Span(0, 2, "PER")], LABELS, "iob2")
    assert found == pytest.approx(by_enumeration(log_probs, LABELS, "iob2")[Span(0, 2, "PER")])
    assert found > 0.2, "although its words say 0.0001 and 0.9"


@pytest.mark.parametrize("scheme", ["io", "iob2"])
def test_entities_of_a_long_sentence_that_share_a_word_share_at_most_its_probability(scheme):
    length = 60
    log_probs = drawn_log_probs(1, length, scheme)
    spans = all_spans(length)
    found = span_probabilities(log_probs, spans, LABELS, scheme)
    assert ((found >= 0) & (found <= 1)).all()
    for word in range(length):
        here = [p for p, (a, b, _) in zip(found, spans, strict=True) if a <= word < b]
        assert sum(here) <= 1 + 1e-9


@pytest.mark.parametrize("scheme", ["io", "iob2"])
@pytest.mark.parametrize("size", [1e2, 1e4])
def test_probabilities_that_float64_cannot_hold_stay_finite(scheme, size):
    logits = np.random.default_rng(0).normal(size=(30, len(class_names(LABELS, scheme)))) * size
    log_probs = log_softmax(logits)
    spans = decode([log_probs], LABELS, scheme)[0]
    assert spans
    found = span_probabilities(log_probs, spans, LABELS, scheme)
    assert np.isfinite(found).all()
    assert ((found >= 0) & (found <= 1)).all()


def test_no_entities_have_no_probabilities():
    assert span_probabilities(drawn_log_probs(0, 3, "iob2"), [], LABELS, "iob2").shape == (0,)
