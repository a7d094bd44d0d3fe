"""Inference: windows and subwords joined to one answer per sentence and per word."""

import numpy as np
import pytest

from mtt_jax.data.encode import Window, windows
from mtt_jax.scoring.infer import add_window, empty_inferences, infer
from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from mtt_jax.types import Example
from tests.helpers import (
    encoded,
    forward_of,
    four_task_config,
    four_task_records,
    model_and_params,
    record,
)

TOPIC = Classes("topic", ("a", "b"))
SUBJECTS = Multilabel("subjects", ("money", "law"))
NER = Entities("ner", ("O", "PER", "LOC"), "io")
POS = Tags("pos", ("NOUN", "VERB", "OTHER"))
TASKS = [TOPIC, SUBJECTS, NER, POS]
# [CLS], three subwords of word 0, one of word 1, two of word 2, [SEP]
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


def example_of(count, starts):
    """An example of `count` subwords whose words begin at some of them."""
    words = np.array([(i, i + 1) for i in range(len(starts))], np.int32).reshape(-1, 2)
    none = np.zeros((count, 0), np.int32)
    return Example(np.arange(count, dtype=np.int32), np.array(starts, np.int32), words, {}, none)


EXAMPLE = example_of(8, [1, 4, 5])


def inferred(aggregation):
    (window,) = windows([EXAMPLE], 16, 4)
    (inference,) = empty_inferences([EXAMPLE], TASKS, 2)
    logits = {
        "ner": LOGITS,
        "pos": LOGITS,
        "topic": np.array([2.0, 0.0]),
        "subjects": np.array([2.0, -1.0]),
    }
    add_window(inference, window, TASKS, logits, np.array([3.0, 4.0]), aggregation)
    return inference


def test_window_knows_where_each_of_its_words_ends():
    (window,) = windows([EXAMPLE], 16, 4)
    assert window.starts.tolist() == [1, 4, 5]
    assert window.ends.tolist() == [4, 5, 7]


def test_word_that_a_window_cuts_ends_with_the_window():
    first, *_ = windows([example_of(12, [1, 5])], 8, 2)
    assert first.ends.max() <= len(first.tokens) - 1


@pytest.mark.parametrize("task", ["ner", "pos"])
@pytest.mark.parametrize(
    ("aggregation", "first", "last"),
    [
        ("first", [0.5, 0.3, 0.2], [0.3, 0.3, 0.4]),
        ("max", [0.2, 0.75, 0.05], [0.6, 0.2, 0.2]),
        ("average", [0.8 / 3, 1.25 / 3, 0.95 / 3], [0.45, 0.25, 0.3]),
    ],
)
def test_subwords_of_a_word_are_joined_by_the_aggregation(aggregation, first, last, task):
    words = np.exp(inferred(aggregation).log_probs[task])
    np.testing.assert_allclose(words[0], first, atol=1e-6)
    np.testing.assert_allclose(words[1], [0.9, 0.05, 0.05], atol=1e-6)
    np.testing.assert_allclose(words[2], last, atol=1e-6)


def test_inference_of_a_single_window_is_log_softmax_for_classes_and_log_odds_for_multilabel():
    log_probs = inferred("first").log_probs
    assert {name: values.dtype for name, values in log_probs.items()} == dict.fromkeys(
        ("topic", "subjects", "ner", "pos"), np.float32
    )
    np.testing.assert_allclose(np.exp(log_probs["topic"]).sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(log_probs["topic"][0] - log_probs["topic"][1], 2, rtol=1e-6)
    assert log_probs["subjects"].tolist() == [2.0, -1.0]


def test_windows_are_averaged_for_the_sentence_by_their_shares():
    tokens = np.array([1, 2, 3], np.int32)
    none = np.zeros(0, np.int32)
    tasks = [TOPIC, SUBJECTS]
    (inference,) = empty_inferences([EXAMPLE], tasks, 2)
    for share, topic, subjects, embedding in (
        (0.75, [1.0, 0.0], [4.0, -8.0], [4.0, 0.0]),
        (0.25, [0.0, 2.0], [-4.0, 0.0], [0.0, 4.0]),
    ):
        window = Window(0, tokens, none, none, none, share, np.zeros((3, 0), np.int32))
        logits = {"topic": np.array(topic), "subjects": np.array(subjects)}
        add_window(inference, window, tasks, logits, np.array(embedding), "max")
    assert inference.embedding.tolist() == [3.0, 1.0]
    expected = 0.75 * np.log(np.exp([1, 0]) / np.exp([1, 0]).sum())
    expected += 0.25 * np.log(np.exp([0, 2]) / np.exp([0, 2]).sum())
    np.testing.assert_allclose(inference.log_probs["topic"], expected, atol=1e-6)
    # The mean of log-odds, each label by itself.
    assert inference.log_probs["subjects"].tolist() == [2.0, -6.0]


# With a model


@pytest.fixture(scope="module")
def model(tokenizer):
    """(config, forward, params) of a model with all four kinds of tasks."""
    config = four_task_config()
    net, params = model_and_params(config, tokenizer)
    return config, forward_of(net), params


@pytest.fixture(scope="module")
def long(tokenizer):
    """The six sentences, and one that needs several windows."""
    text = " ".join(r.text for r in four_task_records())
    config = four_task_config()
    return encoded([*four_task_records(), record(text * 2)], tokenizer, config.task_list)


def test_inferences_have_one_row_per_sentence_or_per_word(model, long):
    config, forward, params = model
    found = list(infer(forward, params, long, config, 4))
    assert len(found) == len(long)
    for index, inference in enumerate(found):
        words = len(long[index].starts)
        shapes = {name: values.shape for name, values in inference.log_probs.items()}
        assert shapes == {"topic": (3,), "subjects": (3,), "ner": (words, 5), "pos": (words, 3)}
        for name in ("ner", "pos"):
            probs = np.exp(inference.log_probs[name]).sum(axis=-1)
            np.testing.assert_allclose(probs, 1, rtol=1e-4)


def test_inferences_of_windows_are_those_of_the_windows_read_alone(model, long):
    """Averaged for the sentence by their shares, and each word from the window that decides it."""
    config, forward, params = model
    last = len(long) - 1
    inference = list(infer(forward, params, long, config, 4))[last]
    pieces = list(windows([long[last]], config.data.max_length, config.data.overlap))
    assert len(pieces) > 2
    words = long[last].words
    read = [Example(p.tokens, p.starts, words[p.words], {}, p.features) for p in pieces]
    alone = list(infer(forward, params, read, config, 4))
    for name in ("topic", "subjects"):
        mean = sum(
            piece.share * found.log_probs[name] for piece, found in zip(pieces, alone, strict=True)
        )
        np.testing.assert_allclose(inference.log_probs[name], mean, atol=1e-5)
    for name in ("ner", "pos"):
        for piece, found in zip(pieces, alone, strict=True):
            ours = inference.log_probs[name][piece.words]
            np.testing.assert_allclose(ours, found.log_probs[name], atol=1e-5)


def test_packing_changes_no_inference(model, long):
    config, forward, params = model
    packed = list(infer(forward, params, long, config, 4))
    for index, inference in enumerate(packed):
        (alone,) = infer(forward, params, [long[index]], config, 1)
        for name, values in inference.log_probs.items():
            np.testing.assert_allclose(values, alone.log_probs[name], atol=1e-5)
        np.testing.assert_allclose(inference.embedding, alone.embedding, atol=1e-5)
