"""Word features: what they say about a word, and where their ids end up."""

import numpy as np
import pytest

from mtt_jax.config.schema import WORD_FEATURES
from mtt_jax.data.encode import Reading, encode_texts, windows
from mtt_jax.data.features import FEATURES, by_subword, feature_ids, shape_of
from mtt_jax.data.words import split_words
from mtt_jax.types import Example

TEXT = "Jean-Luc met Ann in 1999 ."


def ids_of(text, *names):
    return feature_ids(text, np.array(split_words(text), np.int64).reshape(-1, 2), names)


def test_the_config_may_name_every_feature_and_no_other():
    assert set(FEATURES) == set(WORD_FEATURES)


@pytest.mark.parametrize(
    ("word", "shape"),
    [
        ("Manila", "Xxxxx"), ("EU", "XX"), ("NATO", "XXXX"), ("UNESCO", "XXXX"), ("1999", "dddd"),
        ("iPhone", "xXxxxx"), ("1,200.50", "d,ddd.dd"), ("Ørsted", "Xxxxx"), ("東", "x"),
        ("...", "..."), ("", ""),
    ],
)  # fmt: skip
def test_shape_has_at_most_four_characters_of_a_kind_in_a_row(word, shape):
    assert shape_of(word) == shape


@pytest.mark.parametrize(
    ("feature", "same", "other"),
    [
        ("shape", ("Oslo", "Rome"), ("Oslo", "oslo")),
        ("prefix", ("Oslo", "Ob"), ("Oslo", "oslo")),
        ("suffix", ("Teheran", "Iran"), ("Iran", "Iraq")),
        ("lower", ("OSLO", "Oslo"), ("Oslo", "Rome")),
    ],
)
def test_words_that_a_feature_does_not_tell_apart_have_one_id(feature, same, other):
    one, two = (ids_of(word, feature).tolist() for word in same)
    assert one == two
    one, two = (ids_of(word, feature).tolist() for word in other)
    assert one != two


def test_spaces_around_a_word_change_nothing():
    """In texts made of CoNLL words they stand everywhere, and in others they do not."""
    apart, glued = (ids_of(text, *FEATURES) for text in ("St . Louis / AC", "St. Louis/AC"))
    assert apart.tolist() == glued.tolist()


def test_ids_are_those_of_earlier_versions_and_of_every_process():
    """A saved model's tables are read by these ids."""
    assert ids_of("Oslo", "prefix", "suffix", "shape", "lower").tolist() == [[463, 1142, 10, 1036]]


def test_ids_fit_their_tables_and_0_is_for_no_word():
    text = " ".join(f"{chr(0x100 + i)}{i}{chr(0x4E00 + i)}" for i in range(3000))
    ids = ids_of(text, *FEATURES)
    assert ids.min() >= 1
    assert (ids.max(axis=0) < [feature.rows for feature in FEATURES.values()]).all()
    assert ids_of("", *FEATURES).shape == (0, 4)
    assert ids_of(TEXT).shape == (8, 0)


def test_every_subword_has_the_ids_of_its_word_and_special_subwords_have_0():
    ids = np.array([[1, 2], [3, 4]])
    spread = by_subword(ids, np.array([1, 3]), 6)  # [CLS] a a b b [SEP]
    assert spread.tolist() == [[0, 0], [1, 2], [1, 2], [3, 4], [3, 4], [0, 0]]
    assert by_subword(ids[:0], np.zeros(0, int), 2).tolist() == [[0, 0], [0, 0]]


def test_features_are_those_of_the_text_after_cleaning(tokenizer):
    reading = Reading(cleaning=True, features=("shape", "prefix"))
    given, plain = encode_texts(tokenizer, ["<b>Ann</b> &amp; Tom", "Ann & Tom"], reading)
    np.testing.assert_array_equal(given.features, plain.features)


def test_windows_carry_the_features_of_their_subwords(tokenizer):
    reading = Reading(cleaning=True, features=("shape", "suffix"))
    (found,) = encode_texts(tokenizer, [" ".join([TEXT] * 8)], reading)
    example = Example(*found[:3], {}, found.features)
    of_token = {}
    for token, ids in zip(found.tokens.tolist(), found.features.tolist(), strict=True):
        of_token.setdefault(token, set()).add(tuple(ids))
    pieces = list(windows([example], 16, 4))
    assert len(pieces) > 3
    for piece in pieces:
        assert len(piece.features) == len(piece.tokens)
        for token, ids in zip(piece.tokens.tolist(), piece.features.tolist(), strict=True):
            assert tuple(ids) in of_token[token]
