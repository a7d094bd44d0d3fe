"""Word dropout: whole words are hidden, each with the same probability, anew at every draw."""

from collections import defaultdict
from itertools import islice, product

import numpy as np
import pytest

from mtt_jax.data.hide import hide_words
from mtt_jax.data.pack import Piece
from mtt_jax.data.pipeline import training_stream
from tests.helpers import assert_trees_equal, encoded, make_config, record

# Three words, the second of two subwords, between [CLS] and [SEP].
SENTENCE = Piece(
    tokens=np.array([1, 20, 21, 22, 23, 2], np.int32),
    features=np.zeros((6, 0), np.uint16),
    targets={"ner": (np.array([0, 1, 2, 0, 1, 0]), np.array([0, 1, 1, 0, 1, 0.0]))},
    starts=np.array([1, 2, 4]),
)


def hidden(pieces, share, seed=0):
    return hide_words(pieces, share, np.random.default_rng(seed))


def test_share_1_hides_every_word_and_neither_cls_nor_sep():
    (found,) = hidden([SENTENCE], 1.0)
    np.testing.assert_array_equal(found.hidden, [False, True, True, True, True, False])


def test_share_0_hides_nothing():
    (found,) = hidden([SENTENCE], 0.0)
    assert not found.hidden.any()


def test_subwords_of_a_word_are_hidden_together():
    drawn = [hidden([SENTENCE], 0.5, seed)[0].hidden for seed in range(50)]
    assert all(found[2] == found[3] for found in drawn)
    assert {tuple(found[[1, 2, 4]]) for found in drawn} == set(product((False, True), repeat=3))


def test_each_word_is_hidden_with_the_given_probability():
    pieces = hidden([SENTENCE] * 4000, 0.3)
    shares = np.mean([piece.hidden[[1, 2, 4]] for piece in pieces], axis=0)
    np.testing.assert_allclose(shares, 0.3, atol=0.03)


def test_nothing_else_of_a_sentence_changes():
    (found,) = hidden([SENTENCE], 1.0)
    assert_trees_equal(found._replace(hidden=None), SENTENCE)


def test_sentence_without_words_between_others_is_left_as_it_is():
    empty = Piece(np.array([1, 2]), np.zeros((2, 0), np.uint16), {}, np.zeros(0, int))
    _, found, after = hidden([SENTENCE, empty, SENTENCE], 1.0)
    assert not found.hidden.any()
    np.testing.assert_array_equal(after.hidden, [False, True, True, True, True, False])
    assert hidden([], 1.0) == []


@pytest.fixture(scope="module")
def corpus(tokenizer):
    texts = ["Tom scored again .", "Ann joined Rovers .", "Oslo fell .", "Lee resigned in Oslo ."]
    records = [record(text, "sports", [(0, 1, "PER")]) for text in texts]
    return encoded(records, tokenizer, make_config().task_list)


def stream(corpus, **overrides):
    return iter(training_stream(corpus, make_config(**overrides)))


def test_stream_hides_the_configured_share_of_words_anew_at_every_draw(corpus):
    plain, new = (
        list(islice(stream(corpus, encoder__word_dropout=share), 20)) for share in (0, 0.4)
    )
    draws = defaultdict(set)
    for before, after in zip(plain, new, strict=True):
        assert before.hidden is None
        assert_trees_equal(after._replace(hidden=None), before)
        assert not after.hidden[after.segments == 0].any()
        for row, position in zip(*np.nonzero(before.positions == 1), strict=True):
            here = before.segments[row] == before.segments[row, position]
            draws[before.tokens[row][here].tobytes()].add(after.hidden[row][here].tobytes())
    words = np.concatenate([batch.hidden[batch.masks["ner"] > 0] for batch in new])
    np.testing.assert_allclose(words.mean(), 0.4, atol=0.1)
    assert all(len(different) > 1 for different in draws.values())


def test_stream_that_hides_words_is_resumed_to_the_same_words(corpus):
    whole = stream(corpus, encoder__word_dropout=0.4)
    next(whole)
    state = whole.get_state()
    rest = list(islice(whole, 8))
    fresh = stream(corpus, encoder__word_dropout=0.4)
    fresh.set_state(state)
    assert_trees_equal(list(islice(fresh, 8)), rest)
