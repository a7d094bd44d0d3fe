"""Decoding gives the likeliest tag sequence among those that the scheme allows."""

import itertools

import numpy as np
import pytest
from mtt_jax.tasks.decode import decode_spans

from mtt_jax.tasks.schemes import Task, spans_to_tags, tags_to_spans
from mtt_jax.types import Span

IOB2 = Task("ner", "token", ("O", "PER", "ORG"), "iob2")
IO = Task("ner", "token", ("O", "PER", "ORG"), "io")
OUT, B_PER, I_PER, B_ORG, I_ORG = range(5)


def random_log_probs(rng, words, classes):
    """Log-probabilities from nearly even to nearly certain."""
    logits = rng.normal(size=(words, classes)) * rng.choice([0.1, 1.0, 10.0])
    return (logits - np.logaddexp.reduce(logits, axis=-1, keepdims=True)).astype(np.float32)


def is_legal(tags):
    """Whether each I-X follows B-X or I-X."""
    return all(
        now[0] != "I" or (last[0] in "BI" and last[2:] == now[2:])
        for last, now in zip(("O", *tags), tags, strict=False)
    )


def best_by_trying_all(log_probs, task):
    """The likeliest legal sequence of class names."""
    words = range(len(log_probs))
    best = max(
        (
            path
            for path in itertools.product(range(len(task.classes)), repeat=len(log_probs))
            if is_legal([task.classes[i] for i in path])
        ),
        key=lambda path: sum(float(log_probs[word, path[word]]) for word in words),
    )
    return [task.classes[i] for i in best]


@pytest.mark.parametrize("words", [1, 2, 3, 4, 5])
def test_viterbi_finds_what_trying_all_legal_sequences_finds(words):
    rng = np.random.default_rng(words)
    corrected = 0
    for _ in range(15):
        log_probs = random_log_probs(rng, words, 5)
        expected = best_by_trying_all(log_probs, IOB2)
        assert decode_spans(log_probs, IOB2) == tags_to_spans(expected, "iob2")
        corrected += expected != [IOB2.classes[i] for i in log_probs.argmax(-1)]
    assert corrected > 0  # the rule of the scheme had a say


def best_legal_score(log_probs):
    """The log-probability of the likeliest legal sequence, word by word from the back."""
    behind = dict.fromkeys(IOB2.classes, 0.0)
    for row in log_probs[::-1]:
        scored = {tag: float(p) + behind[tag] for tag, p in zip(IOB2.classes, row, strict=True)}
        starts = {tag: score for tag, score in scored.items() if tag[0] != "I"}
        behind = {
            last: max(*starts.values(), scored.get(f"I-{last[2:]}", -np.inf))
            for last in IOB2.classes
        }
    return max(starts.values())


def test_the_entities_found_are_those_of_the_best_legal_sequence_however_long():
    rng = np.random.default_rng(0)
    illegal_by_word = 0
    for _ in range(300):
        words = int(rng.integers(1, 40))
        log_probs = random_log_probs(rng, words, 5)
        illegal_by_word += not is_legal([IOB2.classes[i] for i in log_probs.argmax(-1)])
        # Had the decoder taken an illegal step, no legal tags of its entities would score this.
        tags = spans_to_tags(decode_spans(log_probs, IOB2), words, "iob2")
        score = log_probs[np.arange(words), [IOB2.classes.index(tag) for tag in tags]].sum()
        assert score == pytest.approx(best_legal_score(log_probs), abs=1e-4)
    assert illegal_by_word > 100


def certain(*classes, count=5, sure=0.9):
    """Log-probabilities that favour the given classes."""
    rest = (1 - sure) / (count - 1)
    return np.log(np.where(np.eye(count)[list(classes)] > 0, sure, rest))


def test_a_legal_sequence_of_likeliest_tags_stands():
    log_probs = certain(B_PER, I_PER, B_PER, OUT, B_ORG, I_ORG)
    assert decode_spans(log_probs, IOB2) == (
        Span(0, 2, "PER"),
        Span(2, 3, "PER"),
        Span(4, 6, "ORG"),
    )


def test_an_inside_that_nothing_opens_gets_its_beginning_where_that_is_likelier():
    # O is a little likelier than B-PER at first, but I-PER is almost certain behind it.
    log_probs = np.log([[0.5, 0.4, 0.04, 0.03, 0.03], [0.01, 0.01, 0.96, 0.01, 0.01]])
    assert decode_spans(log_probs, IOB2) == (Span(0, 2, "PER"),)


def test_a_sentence_never_opens_inside_an_entity():
    assert decode_spans(np.log([[0.3, 0.1, 0.58, 0.01, 0.01]]), IOB2) == ()
    assert decode_spans(np.log([[0.1, 0.01, 0.58, 0.3, 0.01]]), IOB2) == (Span(0, 1, "ORG"),)


def test_an_impossible_class_is_never_chosen():
    log_probs = certain(B_PER, I_PER, I_PER)
    log_probs[1, I_PER] = -np.inf
    spans = decode_spans(log_probs, IOB2)
    assert tags_to_spans(["B-PER", "I-PER", "I-PER"], "iob2") != spans
    assert spans[0] == Span(0, 1, "PER")


def test_under_io_each_word_decides_for_itself():
    rng = np.random.default_rng(3)
    for words in range(1, 30):
        log_probs = random_log_probs(rng, words, 3)
        tags = [IO.classes[i] for i in log_probs.argmax(-1)]
        assert decode_spans(log_probs, IO) == tags_to_spans(tags, "io")


@pytest.mark.parametrize("task", [IO, IOB2], ids=["io", "iob2"])
def test_an_empty_sentence_has_no_entities(task):
    assert decode_spans(np.zeros((0, len(task.classes)), np.float32), task) == ()
