"""Decisions: windows and subwords joined to one answer a sentence and a word."""

import numpy as np
import pytest

from mtt_jax.data.encode import Window, windows
from mtt_jax.scoring.infer import add_window, undecided
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Example

NER = Task("ner", "token", ("O", "PER", "LOC"), "io")
TOPIC = Task("topic", "sentence", ("a", "b"))
#        [CLS]  word 0          word 1     word 3  [SEP]      word 2 has no subword
LOGITS = np.log(
    [
        [0.1, 0.8, 0.1],
        [0.5, 0.3, 0.2],
        [0.1, 0.2, 0.7],
        [0.2, 0.75, 0.05],
        [0.9, 0.05, 0.05],
        [0.3, 0.3, 0.4],
        [0.6, 0.2, 0.2],
        [0.1, 0.1, 0.8],
    ]
).astype(np.float32)
EXAMPLE = Example(np.arange(8, dtype=np.int32), np.array([1, 4, -1, 5], np.int32), {}, {})


def decided(aggregation):
    (window,) = windows([EXAMPLE], 16, 4)
    (decision,) = undecided([EXAMPLE], [TOPIC, NER], 2)
    logits = {"ner": LOGITS, "topic": np.array([2.0, 0.0])}
    add_window(decision, window, [TOPIC, NER], logits, np.array([3.0, 4.0]), aggregation)
    return decision


def test_a_window_knows_where_each_of_its_words_ends():
    (window,) = windows([EXAMPLE], 16, 4)
    assert window.starts.tolist() == [1, 4, 5]
    assert window.ends.tolist() == [4, 5, 7]


def test_a_word_that_a_window_cuts_ends_with_the_window():
    example = Example(np.arange(12, dtype=np.int32), np.array([1, 5], np.int32), {}, {})
    first, *_ = windows([example], 8, 2)
    assert first.ends.max() <= len(first.tokens) - 1


@pytest.mark.parametrize(
    ("aggregation", "first", "last"),
    [
        ("first", [0.5, 0.3, 0.2], [0.3, 0.3, 0.4]),
        ("max", [0.2, 0.75, 0.05], [0.6, 0.2, 0.2]),
        ("average", [0.8 / 3, 1.25 / 3, 0.95 / 3], [0.45, 0.25, 0.3]),
    ],
)
def test_the_subwords_of_a_word_decide_as_asked(aggregation, first, last):
    words = np.exp(decided(aggregation).words["ner"])
    np.testing.assert_allclose(words[0], first, atol=1e-6)
    np.testing.assert_allclose(words[1], [0.9, 0.05, 0.05], atol=1e-6)
    np.testing.assert_allclose(words[3], last, atol=1e-6)


def test_a_word_without_a_subword_is_outside():
    assert np.exp(decided("average").words["ner"][2]).tolist() == [1, 0, 0]


def test_windows_share_in_the_sentence_by_what_they_decide():
    tokens = np.array([1, 2, 3], np.int32)
    none = np.zeros(0, np.int32)
    (decision,) = undecided([EXAMPLE], [TOPIC], 2)
    for share, logits, embedding in (
        (0.75, [1.0, 0.0], [4.0, 0.0]),
        (0.25, [0.0, 2.0], [0.0, 4.0]),
    ):
        window = Window(0, tokens, none, none, none, share)
        add_window(
            decision, window, [TOPIC], {"topic": np.array(logits)}, np.array(embedding), "max"
        )
    assert decision.embedding.tolist() == [3.0, 1.0]
    expected = 0.75 * np.log(np.exp([1, 0]) / np.exp([1, 0]).sum())
    expected += 0.25 * np.log(np.exp([0, 2]) / np.exp([0, 2]).sum())
    np.testing.assert_allclose(decision.sentence["topic"], expected, atol=1e-6)
