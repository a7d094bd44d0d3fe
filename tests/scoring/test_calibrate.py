"""Calibration of a split and thresholds for a precision, against counts over what is predicted."""

import dataclasses

import numpy as np
import pytest

from mtt_jax.scoring.calibrate import calibration, decisions_of, reached, with_precision
from mtt_jax.tasks.calibrate import reliability
from mtt_jax.types import Example
from tests.tasks.drawn import TASKS, drawn

every_kind = pytest.mark.parametrize("name", TASKS)


def pairs_of(name, seed=0, count=150, sure=4.0):
    none = np.zeros(0, np.int32)
    return [
        (Example(none, none, s.words, {TASKS[name].name: s.gold}, none), s.log_probs)
        for s in drawn(name, seed, count, sure)
    ]


@every_kind
def test_calibration_compares_the_scores_of_results_with_and_without_the_temperature(name):
    task, pairs = TASKS[name], pairs_of(name)
    hotter = dataclasses.replace(task, temperature=2.0)
    found = calibration(hotter, pairs)
    for one, expected in ((task, found.before), (hotter, found.after)):
        decisions = decisions_of(one, pairs)
        assert reliability(decisions.scores, decisions.right) == expected
    assert found.temperature == 2.0
    assert found.before != found.after


@every_kind
def test_decisions_have_the_scores_that_results_show(name):
    task = TASKS[name]
    for example, log_probs in pairs_of(name, count=20):
        words = [(int(a), int(b)) for a, b in example.words]
        (result,) = task.results([log_probs], ["x" * 99], [words])
        shown = list(result["scores"].values()) if name == "multilabel" else None
        if name == "classes":
            shown = [result["score"]]
        elif shown is None:
            shown = [one["score"] for one in result]
        decisions = decisions_of(task, [(example, log_probs)])
        if name == "tags":  # words without a gold tag are not decided
            shown = [s for s, tag in zip(shown, example.labels["pos"], strict=True) if tag >= 0]
        np.testing.assert_allclose(decisions.scores, shown, rtol=1e-9)


@every_kind
def test_thresholds_reach_the_precision_on_dev_and_are_applied_to_other_splits(name):
    task, dev, test = TASKS[name], pairs_of(name), pairs_of(name, seed=1)
    decisions = {"dev": decisions_of(task, dev), "test": decisions_of(task, test)}
    chosen = with_precision(task, decisions["dev"], 0.9)
    rows = reached(chosen, decisions)
    assert list(rows) == list(task.answer_labels)
    for label, found in rows.items():
        assert found.threshold is None or found.rows["dev"].precision >= 0.9
        assert (found.threshold is None) == (found.best is None or found.best < 0.9), label
    for split, pairs in (("dev", dev), ("test", test)):
        counts = sum(
            (
                chosen.tallies(chosen.count(e.labels[task.name], chosen.answer(lp), e.words))
                for e, lp in pairs
            ),
            np.zeros((3, 1), np.int64),
        ).sum(axis=1)
        right = sum(f.rows[split].recall * f.rows[split].support for f in rows.values())
        assert counts[0] == pytest.approx(right)


def test_a_label_that_no_threshold_helps_is_never_answered():
    task = TASKS["classes"]
    dev = decisions_of(task, pairs_of("classes", sure=0.0))
    chosen = with_precision(task, dev, 1.0)
    rows = reached(chosen, {"dev": dev})
    for label, found in rows.items():
        if found.threshold is None:
            assert chosen.fitted()["thresholds"][label] is None
            assert found.rows["dev"].precision is None
            assert found.rows["dev"].recall == 0
    never = [label for label, found in rows.items() if found.threshold is None]
    answers = {chosen.answer(log_probs) for _, log_probs in pairs_of("classes", sure=0.0)}
    assert not {task.labels.index(label) for label in never} & answers
