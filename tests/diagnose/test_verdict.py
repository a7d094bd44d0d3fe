"""The verdict: intervals that cover what they should, and words that follow from them."""

import numpy as np
import pytest

from mtt_jax.diagnose.verdict import (
    Difference,
    balance_or_not,
    difference,
    freeze_or_train,
    share_or_separate,
    synthetic_or_real,
)
from tests.helpers import make_config

TOPIC = make_config().task_list[0]
UP, DOWN, NONE = Difference(0.1, 0.05, 0.15), Difference(-0.1, -0.2, -0.01), Difference(0, -1, 1)


def answers(rng, accuracy, seeds=5, sentences=400):
    """Tallies [seeds, n, 3, 3] of topic models with an accuracy."""
    gold = rng.integers(0, 3, sentences)
    return np.stack([of_answers(gold, guessed(rng, gold, accuracy)) for _ in range(seeds)])


def guessed(rng, gold, accuracy):
    return np.where(rng.random(len(gold)) < accuracy, gold, (gold + 1) % 3)


def of_answers(gold, predicted):
    """Tallies [n, 3, 3]: right, found and given, by class."""
    found, given = np.eye(3, dtype=np.int64)[predicted], np.eye(3, dtype=np.int64)[gold]
    return np.stack([found * given, found, given], axis=1)


def test_a_clear_difference_is_found_with_the_right_sign():
    rng = np.random.default_rng(1)
    good, poor = answers(rng, 0.9), answers(rng, 0.7)
    assert difference(TOPIC, good, poor).better
    assert difference(TOPIC, poor, good).worse
    assert 0.1 < difference(TOPIC, good, poor).mean < 0.3


def test_equal_answers_have_a_difference_of_0():
    rng = np.random.default_rng(2)
    ours = answers(rng, 0.8)
    assert difference(TOPIC, ours, ours) == (0, 0, 0)


def test_equal_models_are_called_different_in_at_most_one_study_in_ten():
    rng = np.random.default_rng(3)
    studies = [
        difference(TOPIC, answers(rng, 0.8, sentences=150), answers(rng, 0.8, sentences=150))
        for _ in range(60)
    ]
    assert sum(change.better or change.worse for change in studies) <= 6


def test_more_sentences_and_more_seeds_make_the_interval_narrower():
    def width(**sizes):
        rng = np.random.default_rng(4)
        change = difference(TOPIC, answers(rng, 0.8, **sizes), answers(rng, 0.75, **sizes))
        return change.high - change.low

    assert width(sentences=2000) < width(sentences=100)
    assert width(seeds=20) < width(seeds=2)


@pytest.mark.parametrize(
    ("differences", "finding", "words"),
    [
        ({"a": UP, "b": NONE}, "share", "higher on a and lower on no task"),
        ({"a": UP, "b": UP}, "share", "higher on a and b"),
        ({"a": DOWN, "b": NONE}, "separate", "lower on a and higher on no task"),
        ({"a": DOWN, "b": UP}, "depends", "higher on b and lower on a"),
        ({"a": NONE, "b": NONE}, "no difference found", "one of 1.000 or less would not"),
    ],
)
def test_share_or_separate_follows_from_the_intervals(differences, finding, words):
    verdict = share_or_separate(differences, 1.9, 2.0)
    assert verdict.finding == finding
    assert words in verdict.text
    assert "1.9 times the parameters" in verdict.text
    assert "a +" in verdict.text or "a -" in verdict.text


@pytest.mark.parametrize(
    ("change", "finding"),
    [(DOWN, "train"), (UP, "freeze"), (NONE, "no difference found")],
)
def test_freeze_or_train_follows_from_the_interval(change, finding):
    verdict = freeze_or_train({"a": change}, 0.4)
    assert verdict.finding == finding
    assert "0.40 times as long" in verdict.text


@pytest.mark.parametrize(
    ("change", "finding", "words"),
    [
        (DOWN, "synthetic", "raise the score on a (a +0.100 [+0.010, +0.200])"),
        (UP, "real", "lower the score on a (a -0.100 [-0.150, -0.050])"),
        (NONE, "no difference found", "at this budget"),
    ],
)
def test_synthetic_or_real_follows_from_the_interval(change, finding, words):
    verdict = synthetic_or_real({"a": change})
    assert verdict.finding == finding
    assert words in verdict.text


def test_a_balancer_is_recommended_only_if_it_gains_and_loses_nothing():
    both = {"pcgrad": {"a": UP, "b": NONE}, "famo": {"a": UP, "b": DOWN}}
    verdict = balance_or_not(both)
    assert verdict.finding == "pcgrad"
    assert "partly chance" in verdict.text
    assert balance_or_not({"famo": both["famo"]}).finding == "plain"
