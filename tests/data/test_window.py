"""A window laid out at once is what the same sentences are one by one."""

import numpy as np
import pytest

from mtt_jax.data.encode import Reading, encode_records
from mtt_jax.data.hide import hide_words
from mtt_jax.data.pack import assign_rows, lay_out, piece_of
from mtt_jax.data.window import Sizes, lay_out_window
from tests.helpers import (
    assert_trees_equal,
    encoded,
    four_task_config,
    four_task_records,
    make_config,
    record,
)


def one_by_one(examples, indices, tasks, sizes, share, rng):
    """The window as evaluation lays examples out."""
    pieces = [piece_of(examples[int(index)], tasks, sizes.longest) for index in indices]
    rows = assign_rows([len(piece.tokens) for piece in pieces], sizes.row, sizes.slots)
    order = rng.permutation(len(rows))
    if share:
        pieces = hide_words(pieces, share, rng)
    packed = [[pieces[index] for index in rows[row]] for row in order]
    return lay_out(packed, tasks, sizes.row, sizes.slots, len(packed))


def both(examples, tasks, sizes, share=0.0, seed=0, count=40):
    """(the window at once, the same one by one) of sentences drawn at random, some twice."""
    indices = np.random.default_rng(seed).integers(0, len(examples), count)
    return [
        form(examples, indices, tasks, sizes, share, np.random.default_rng(5))
        for form in (lay_out_window, one_by_one)
    ]


@pytest.fixture(scope="module")
def mixed(tokenizer):
    """Sentences with labels of some of four kinds of tasks, with word features."""
    config = four_task_config()
    rows = four_task_records()
    rows += [row._replace(labels={}) for row in rows[:2]]
    for row in rows[:3]:
        rows += [row._replace(labels={name: label}) for name, label in row.labels.items()]
    reading = Reading(cleaning=True, features=("prefix", "shape"))
    return encode_records(rows, tokenizer, config.task_list, reading), config.task_list


@pytest.mark.parametrize(
    ("sizes", "share"),
    [
        (Sizes(32, 48, 6), 0.0),
        (Sizes(32, 48, 6), 0.4),
        (Sizes(32, 48, 1), 0.0),
        (Sizes(5, 16, 6), 0.4),  # every sentence is cut
        (Sizes(3, 5, 6), 0.0),
    ],
    ids=str,
)
@pytest.mark.parametrize("seed", range(3))
def test_a_window_at_once_is_its_sentences_one_by_one(sizes, share, seed, mixed):
    examples, tasks = mixed
    together, alone = both(examples, tasks, sizes, share, seed)
    assert_trees_equal(together, alone)
    leaves = zip(together.targets.values(), alone.targets.values(), strict=True)
    assert all(ours.dtype == theirs.dtype for ours, theirs in leaves)


def test_a_window_of_one_sentence_and_a_model_without_word_features(tokenizer):
    config = make_config()
    rows = [record("Tom ran .", "sports", [(0, 1, "PER")]), record("Ann fell .")]
    examples = encoded(rows, tokenizer, config.task_list)
    for sentence in (0, 1):
        inputs = examples, np.array([sentence]), config.task_list, Sizes(32, 48, 6), 0.0
        together, alone = (
            form(*inputs, np.random.default_rng(0)) for form in (lay_out_window, one_by_one)
        )
        assert_trees_equal(together, alone)


def test_two_entities_in_one_word_and_a_word_without_a_tag(tokenizer):
    config = four_task_config()
    rows = [
        record("Tom Ann Lee ran", entities=[(0, 1, "PER"), (1, 2, "PER"), (2, 3, "ORG")]),
        record("Tom ran home", pos=("NOUN", "", "OTHER")),
    ]
    examples = encoded(rows, tokenizer, config.task_list)
    together, alone = both(examples, config.task_list, Sizes(32, 48, 6), count=8)
    assert_trees_equal(together, alone)
