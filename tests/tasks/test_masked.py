"""The masked language model: which words are hidden, and what a batch holds of them."""

import numpy as np
import pytest

from mtt_jax.data.encode import Reading, encode_records
from mtt_jax.data.pack import lay_out, piece_of
from mtt_jax.data.tokenizer import MASK, subwords
from mtt_jax.tasks import Masked, Task
from mtt_jax.types import Record

MLM = Masked("mlm", ())
TEXT = "Parliament passed the Tax Act again . " * 4


@pytest.fixture(scope="module")
def vocabulary(tokenizer):
    return subwords(tokenizer)


@pytest.fixture(scope="module")
def example(tokenizer):
    reading = Reading(cleaning=True, features=("prefix", "shape"))
    return encode_records([Record(TEXT, {})], tokenizer, (), reading)[0]


def drawn(example, vocabulary, seed=0, share=0.15):
    return Masked("mlm", (), share).drawn(example, vocabulary, np.random.default_rng(seed))


def words_of(example):
    ends = np.append(example.starts[1:], len(example.tokens) - 1)
    return [range(start, end) for start, end in zip(example.starts, ends, strict=True)]


def test_it_trains_and_answers_nothing():
    assert not isinstance(MLM, Task)
    assert not MLM.needs_labels
    assert list(MLM.problems()) == []
    assert "has no labels" in next(Masked("mlm", ("a",)).problems())


def test_the_mask_is_that_of_the_tokenizer_and_special_subwords_are_never_drawn(
    tokenizer, vocabulary
):
    assert vocabulary.mask == tokenizer.token_to_id(MASK)
    assert set(vocabulary.ordinary) == set(range(tokenizer.get_vocab_size())) - set(range(5))


def test_all_subwords_of_a_hidden_word_are_targets(example, vocabulary):
    assert max(map(len, words_of(example))) > 1
    for seed in range(20):
        positions, ids = drawn(example, vocabulary, seed).labels["mlm"]
        np.testing.assert_array_equal(ids, example.tokens[positions])
        for word in words_of(example):
            assert len(set(word) & set(positions.tolist())) in (0, len(word))


def test_the_share_of_hidden_words_is_that_of_the_config(example, vocabulary):
    count = len(example.starts)
    for share in (0.15, 0.5):
        hidden = [
            len(set(example.starts) & set(drawn(example, vocabulary, seed, share).labels["mlm"][0]))
            for seed in range(200)
        ]
        assert np.mean(hidden) == pytest.approx(share * count, rel=0.03)
        assert max(hidden) - min(hidden) <= 1


def test_most_hidden_words_become_the_mask_some_others_and_some_stay(example, vocabulary):
    fates = {"mask": 0, "other": 0, "same": 0}
    for seed in range(300):
        found = drawn(example, vocabulary, seed)
        positions, ids = found.labels["mlm"]
        for start in sorted(set(example.starts) & set(positions)):
            token = found.tokens[start]
            same = token == example.tokens[start]
            fates["mask" if token == vocabulary.mask else "same" if same else "other"] += 1
        kept = np.setdiff1d(np.arange(len(example.tokens)), positions)
        np.testing.assert_array_equal(found.tokens[kept], example.tokens[kept])
    total = sum(fates.values())
    assert fates["mask"] / total == pytest.approx(0.8, abs=0.03)
    assert fates["other"] / total == pytest.approx(0.1, abs=0.03)
    assert fates["same"] / total == pytest.approx(0.1, abs=0.03)


def test_word_features_do_not_tell_what_is_hidden(example, vocabulary):
    found = drawn(example, vocabulary, share=0.9)
    changed = found.tokens != example.tokens
    assert changed.any()
    assert not found.features[changed].any()
    assert np.array_equal(found.features[0], example.features[0])


def test_the_same_seed_hides_the_same_words_and_the_example_is_not_changed(example, vocabulary):
    before = example.tokens.copy()
    one, other, third = (drawn(example, vocabulary, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(one.tokens, other.tokens)
    assert not np.array_equal(one.tokens, third.tokens)
    np.testing.assert_array_equal(example.tokens, before)


def test_a_row_holds_where_hidden_subwords_are_and_what_they_were(example, vocabulary):
    pieces = [piece_of(drawn(example, vocabulary, seed), (MLM,), 200) for seed in (0, 1)]
    batch = lay_out([pieces], (MLM,), 300, 2, 1)
    assert batch.targets["mlm"].shape == (1, 68, 2)  # 300 * 0.15 * 1.5, rounded up
    count = int(batch.masks["mlm"].sum())
    positions, ids = batch.targets["mlm"][0, :count].T
    assert count == sum(len(piece.targets["mlm"][1]) for piece in pieces)
    whole = np.concatenate([example.tokens, example.tokens])
    np.testing.assert_array_equal(whole[positions], ids)


def test_hidden_subwords_beyond_the_room_of_a_row_are_left_out(example, vocabulary):
    piece = piece_of(drawn(example, vocabulary, share=0.9), (MLM,), 200)
    batch = lay_out([[piece]], (MLM,), 150, 1, 1)
    assert batch.masks["mlm"].sum() == MLM.room(150, 1) == 34 < len(piece.targets["mlm"][1])


def test_a_text_without_words_hides_nothing(tokenizer, vocabulary):
    empty = encode_records([Record(" ", {})], tokenizer, (), Reading(True))[0]
    assert len(drawn(empty, vocabulary).labels["mlm"][0]) == 0
