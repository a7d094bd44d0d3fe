"""The verdict: intervals that hold what they promise, and words that follow from them."""

import numpy as np
import pytest

from mtt_jax.diagnose.outcomes import score
from mtt_jax.diagnose.verdict import (
    Difference,
    balance_or_not,
    difference,
    freeze_or_train,
    made_up_or_real,
    share_or_separate,
)
from mtt_jax.scoring.metrics import Classification
from tests.helpers import make_config

TOPIC, NER = make_config().task_list
UP, DOWN, NONE = Difference(0.1, 0.05, 0.15), Difference(-0.1, -0.2, -0.01), Difference(0, -1, 1)


def answers(rng, accuracy, seeds=5, sentences=400):
    """Counts [seeds, n, 9] of a topic model that is right so often."""
    gold = rng.integers(0, 3, sentences)
    return np.stack([of_answers(gold, guessed(rng, gold, accuracy)) for _ in range(seeds)])


def guessed(rng, gold, accuracy):
    return np.where(rng.random(len(gold)) < accuracy, gold, (gold + 1) % 3)


def of_answers(gold, predicted):
    """Counts [n, 9]: right, found and given of each class."""
    found, given = np.eye(3, dtype=np.int64)[predicted], np.eye(3, dtype=np.int64)[gold]
    return np.concatenate([found * given, found, given], axis=1)


def test_a_score_is_that_of_the_metrics():
    rng = np.random.default_rng(0)
    gold = rng.integers(0, 3, 400)
    predicted = guessed(rng, gold, 0.7)
    matrix = Classification.count(gold, predicted, 3)
    wanted = Classification.compute(matrix, TOPIC.labels)["macro_f1"]
    totals = of_answers(gold, predicted).sum(axis=0)
    assert float(score(TOPIC, totals)) == pytest.approx(wanted)
    assert float(score(NER, np.array([3, 4, 8]))) == pytest.approx(0.5)
    assert float(score(NER, np.zeros(3))) == 0
    absent = np.zeros(9)
    absent[[0, 3, 6]] = 5
    assert float(score(TOPIC, absent)) == 1, "classes that do not occur do not count"


def test_a_clear_difference_is_found_and_its_sign_is_right():
    rng = np.random.default_rng(1)
    good, poor = answers(rng, 0.9), answers(rng, 0.7)
    assert difference(TOPIC, good, poor).better
    assert difference(TOPIC, poor, good).worse
    assert 0.1 < difference(TOPIC, good, poor).mean < 0.3


def test_the_same_answers_differ_by_nothing():
    rng = np.random.default_rng(2)
    ours = answers(rng, 0.8)
    assert difference(TOPIC, ours, ours) == (0, 0, 0)


def test_equal_models_are_called_different_in_no_more_than_one_of_twenty_studies():
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
    ("differences", "kind", "words"),
    [
        ({"a": UP, "b": NONE}, "share", "higher on a and lower on none"),
        ({"a": UP, "b": UP}, "share", "higher on a and b"),
        ({"a": DOWN, "b": NONE}, "separate", "lower on a and higher on none"),
        ({"a": DOWN, "b": UP}, "depends", "higher on b and lower on a"),
        ({"a": NONE, "b": NONE}, "no difference found", "one of 1.000 and less would not"),
    ],
)
def test_one_model_or_several(differences, kind, words):
    verdict = share_or_separate(differences, 1.9, 2.0)
    assert verdict.kind == kind
    assert words in verdict.text
    assert "1.9 times the parameters" in verdict.text
    assert "a +" in verdict.text or "a -" in verdict.text


@pytest.mark.parametrize(
    ("change", "kind"),
    [(DOWN, "train"), (UP, "freeze"), (NONE, "no difference found")],
)
def test_frozen_or_not(change, kind):
    verdict = freeze_or_train({"a": change}, 0.4)
    assert verdict.kind == kind
    assert "0.40 times as long" in verdict.text


@pytest.mark.parametrize(
    ("change", "kind", "words"),
    [
        (DOWN, "made-up", "raise the score of a (a +0.100 [+0.010, +0.200])"),
        (UP, "real", "lower the score of a (a -0.100 [-0.150, -0.050])"),
        (NONE, "no difference found", "at this budget"),
    ],
)
def test_made_up_sentences_or_not(change, kind, words):
    verdict = made_up_or_real({"a": change})
    assert verdict.kind == kind
    assert words in verdict.text


def test_a_balancer_is_named_only_where_it_gains_and_loses_nothing():
    both = {"pcgrad": {"a": UP, "b": NONE}, "famo": {"a": UP, "b": DOWN}}
    verdict = balance_or_not(both)
    assert verdict.kind == "pcgrad"
    assert "partly chance" in verdict.text
    assert balance_or_not({"famo": both["famo"]}).kind == "plain"
