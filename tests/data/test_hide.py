"""Word dropout: whole words are hidden, with what tells them apart and not with their shape."""

from collections import defaultdict
from itertools import islice

import numpy as np
import pytest

from mtt_jax.data.hide import hide_words
from mtt_jax.data.pack import Piece
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.tokenizer import subwords
from tests.helpers import assert_trees_equal, encoded, make_config, record

MASK = 9
# Three words, the second of two subwords, between [CLS] and [SEP].
SENTENCE = Piece(
    tokens=np.array([1, 20, 21, 22, 23, 2], np.int32),
    features=np.array([[0, 0], [5, 6], [7, 8], [7, 8], [3, 4], [0, 0]], np.uint16),
    targets={"ner": (np.array([0, 1, 2, 0, 1, 0]), np.array([0, 1, 1, 0, 1, 0.0]))},
    starts=np.array([1, 2, 4]),
)
LOST = np.array([True, False])


def hidden(pieces, share, seed=0):
    return hide_words(pieces, share, MASK, LOST, np.random.default_rng(seed))


def test_share_1_hides_every_word_and_neither_cls_nor_sep():
    (found,) = hidden([SENTENCE], 1.0)
    np.testing.assert_array_equal(found.tokens, [1, MASK, MASK, MASK, MASK, 2])


def test_share_0_hides_nothing():
    (found,) = hidden([SENTENCE], 0.0)
    assert_trees_equal(found, SENTENCE)


def test_hidden_word_loses_the_features_that_tell_it_apart_and_keeps_its_shape():
    (found,) = hidden([SENTENCE], 1.0)
    np.testing.assert_array_equal(found.features[:, 0], np.zeros(6))
    np.testing.assert_array_equal(found.features[:, 1], SENTENCE.features[:, 1])


def test_subwords_of_a_word_are_hidden_together():
    for seed in range(50):
        (found,) = hidden([SENTENCE], 0.5, seed)
        first, second = found.tokens[2:4] == MASK
        assert first == second
        np.testing.assert_array_equal(found.features[2], found.features[3])


def test_each_word_is_hidden_with_the_given_probability():
    pieces = hidden([SENTENCE] * 4000, 0.3)
    shares = np.mean([piece.tokens[[1, 2, 4]] == MASK for piece in pieces], axis=0)
    np.testing.assert_allclose(shares, 0.3, atol=0.03)


def test_labels_of_hidden_words_stay():
    (found,) = hidden([SENTENCE], 1.0)
    assert_trees_equal(found.targets, SENTENCE.targets)


def test_sentence_is_not_changed_in_place():
    before = SENTENCE.tokens.copy(), SENTENCE.features.copy()
    hidden([SENTENCE], 1.0)
    assert_trees_equal((SENTENCE.tokens, SENTENCE.features), before)


def test_sentence_without_words_beside_others_is_left_as_it_is():
    empty = Piece(np.array([1, 2]), np.zeros((2, 2), np.uint16), {}, np.zeros(0, int))
    found = hidden([SENTENCE, empty, SENTENCE], 1.0)
    np.testing.assert_array_equal(found[1].tokens, [1, 2])
    np.testing.assert_array_equal(found[2].tokens, [1, MASK, MASK, MASK, MASK, 2])
    assert hidden([], 1.0) == []


@pytest.fixture(scope="module")
def corpus(tokenizer):
    texts = ["Tom scored again .", "Ann joined Rovers .", "Oslo fell .", "Lee resigned in Oslo ."]
    records = [record(text, "sports", [(0, 1, "PER")]) for text in texts]
    examples = encoded(records, tokenizer, make_config().task_list)
    examples.vocabulary = subwords(tokenizer)
    return examples


def stream(corpus, **overrides):
    return iter(training_stream(corpus, make_config(**overrides)))


def test_stream_hides_the_configured_share_of_words_anew_at_every_draw(corpus):
    plain, new = (
        list(islice(stream(corpus, encoder__word_dropout=share), 20)) for share in (0, 0.4)
    )
    mask, draws = corpus.vocabulary.mask, defaultdict(set)
    for before, after in zip(plain, new, strict=True):
        np.testing.assert_array_equal(before.segments, after.segments)
        assert_trees_equal((before.targets, before.masks), (after.targets, after.masks))
        assert ((after.tokens == before.tokens) | (after.tokens == mask)).all()
        for row, segment in zip(*np.nonzero(before.positions == 1), strict=True):
            here = before.segments[row] == before.segments[row, segment]
            draws[before.tokens[row][here].tobytes()].add(after.tokens[row][here].tobytes())
    words = np.concatenate([batch.masks["ner"].ravel() > 0 for batch in plain])
    gone = np.concatenate([batch.tokens.ravel() == mask for batch in new])[words]
    np.testing.assert_allclose(gone.mean(), 0.4, atol=0.1)
    assert all(len(different) > 1 for different in draws.values())


def test_stream_that_hides_words_is_resumed_to_the_same_words(corpus):
    whole = stream(corpus, encoder__word_dropout=0.4)
    next(whole)
    state = whole.get_state()
    rest = list(islice(whole, 8))
    fresh = stream(corpus, encoder__word_dropout=0.4)
    fresh.set_state(state)
    assert_trees_equal(list(islice(fresh, 8)), rest)
