"""A score goes through JSON, in today's form and in that of version 0.1, and its figures add up."""

import json
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import f1_score

from mtt_jax.tasks.score import (
    Ceiling,
    Figure,
    Row,
    Score,
    f1_by_class,
    macro_f1,
    micro_f1,
    ratios,
    rows_of,
)
from tests.helpers import CALIBRATED, CALIBRATION, ROOT
from tests.tasks.drawn import TASKS, counts_of, drawn

OLD = ROOT / "tests" / "old_runs" / "v0_1"


def through_json(score):
    return Score.from_json(json.loads(json.dumps(score.as_json())))


@pytest.mark.parametrize("name", TASKS)
def test_a_score_of_every_kind_comes_back_from_json_as_it_was(name):
    counts = sum(counts_of(TASKS[name], drawn(name, seed=12)), Counter())
    score = TASKS[name].score(counts, 0.125)
    again = through_json(score)
    assert again == score
    assert list(again.rows) == list(score.rows)
    assert list(again.totals) == list(score.totals)
    assert again.as_json() == score.as_json()


@pytest.mark.parametrize("name", TASKS)
def test_the_json_of_a_score_names_its_headline(name):
    score = TASKS[name].score(sum(counts_of(TASKS[name], drawn(name)), Counter()), 0.5)
    plain = score.as_json()
    assert plain[plain["headline"]] == score.headline
    assert plain["count"] == score.sentences
    assert plain["loss"] == 0.5
    assert ("confusion" in plain) == (score.confusion is not None)
    assert ("ceiling" in plain) == (score.ceiling is not None)


def test_the_headline_stays_first_if_json_was_written_with_sorted_keys():
    figures = (Figure("micro_f1", "micro F1", 0.5), Figure("exact_match", "whole sets", 0.75))
    score = Score(figures, 3, {"a": Row(1.0, 0.5, 2 / 3, 4)}, {"all": Row(f1=0.5)}, None, None, 0.1)
    again = Score.from_json(json.loads(json.dumps(score.as_json(), sort_keys=True)))
    assert again.headline == 0.5
    assert set(again.figures) == set(figures)


def test_a_cell_that_is_empty_stays_empty():
    score = Score((Figure("f1", "F1", 0.0),), 0, {}, {"all": Row(None, None, 0.0)}, None, None, 0.0)
    assert score.as_json()["totals"] == {"all": {"f1": 0.0}}
    assert through_json(score).totals["all"] == Row(None, None, 0.0, None)


# Version 0.1


@pytest.fixture(scope="module")
def old():
    return json.loads((OLD / "finished" / "metrics.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("split", ["dev", "test"])
def test_scores_of_classes_of_version_0_1_are_read(old, split):
    plain = old[split]["topic"]
    score = Score.from_json(plain)
    assert score.headline == plain["macro_f1"]
    figures = {figure.name: (figure.title, figure.value) for figure in score.figures}
    assert figures == {
        "macro_f1": ("macro F1", plain["macro_f1"]),
        "accuracy": ("accuracy", plain["accuracy"]),
    }
    assert score.sentences == plain["count"]
    assert score.loss == plain["loss"]
    assert score.rows == {name: Row(**row) for name, row in plain["per_class"].items()}
    assert list(score.rows) == ["sports", "politics", "others"]
    assert score.confusion.labels == ("sports", "politics", "others")
    assert [list(row) for row in score.confusion.counts] == plain["confusion"]["counts"]
    assert score.totals == {f"accuracy {plain['accuracy']:.3f}": Row(f1=plain["macro_f1"])}
    assert score.ceiling is None
    assert through_json(score) == score


@pytest.mark.parametrize("split", ["dev", "test"])
def test_scores_of_entities_of_version_0_1_are_read(old, split):
    plain = old[split]["ner"]
    score = Score.from_json(plain)
    assert score.headline == plain["f1"]
    figures = {figure.name: (figure.title, figure.value) for figure in score.figures}
    assert figures == {
        "f1": ("entity F1, strict", plain["f1"]),
        "precision": ("entity precision, strict", plain["precision"]),
        "recall": ("entity recall, strict", plain["recall"]),
    }
    assert score.sentences == plain["count"]
    assert score.rows == {name: Row(**row) for name, row in plain["per_entity"].items()}
    overall = Row(plain["precision"], plain["recall"], plain["f1"])
    assert score.totals == {"strict, overall": overall}
    assert score.confusion.labels == ("PER", "ORG", "LOC", "MISC", "(none)")
    assert score.ceiling == ("iob2", 1.0, 0)
    assert through_json(score) == score


@pytest.mark.parametrize(("task", "name"), [("topic", "classes"), ("ner", "iob2")])
def test_a_score_of_version_0_1_has_the_form_of_one_of_today(old, task, name):
    """The same figures, totals and titles, so that reports show both alike."""
    before = Score.from_json(old["test"][task])
    now = TASKS[name].score(Counter(), 0.0)
    assert [figure[:2] for figure in before.figures] == [figure[:2] for figure in now.figures]
    assert len(before.totals) == len(now.totals)
    assert (before.ceiling is None) == (now.ceiling is None)
    assert set(before.as_json()) >= set(now.as_json())


# Figures


def test_f1_of_tallies_equals_scikit_learn():
    rng = np.random.default_rng(0)
    gold, found = rng.random((50, 4)) < 0.4, rng.random((50, 4)) < 0.5
    gold[:, 3] = found[:, 3] = False
    tallies = np.array([(gold & found).sum(0), found.sum(0), gold.sum(0)])
    by_class, present = f1_by_class(tallies)
    np.testing.assert_allclose(by_class, f1_score(gold, found, average=None, zero_division=0))
    assert present.tolist() == [True, True, True, False]
    assert micro_f1(tallies) == pytest.approx(f1_score(gold, found, average="micro"))
    occurring = f1_score(gold, found, labels=[0, 1, 2], average="macro")
    assert macro_f1(tallies) == pytest.approx(occurring)
    rows = rows_of(("a", "b", "c", "d"), tallies)
    assert [row.f1 for row in rows.values()] == pytest.approx(by_class.tolist())
    assert [row.support for row in rows.values()] == gold.sum(0).tolist()


def test_f1_of_many_tallies_at_once_is_that_of_each():
    tallies = np.random.default_rng(1).integers(0, 9, (2, 6, 3, 4))
    tallies[..., 0, :] = np.minimum(tallies[..., 1, :], tallies[..., 2, :])
    for function in (macro_f1, micro_f1):
        together = function(tallies)
        assert together.shape == (2, 6)
        for index in np.ndindex(2, 6):
            assert together[index] == pytest.approx(float(function(tallies[index])))


def test_ratios_are_zero_if_there_is_nothing_to_divide_by():
    assert ratios(0, 0, 0) == Row(0.0, 0.0, 0.0, None)
    assert ratios(0, 0, 5, support=5) == Row(0.0, 0.0, 0.0, 5)
    assert ratios(0, 5, 0) == Row(0.0, 0.0, 0.0, None)
    assert ratios(3, 4, 6) == pytest.approx(Row(0.75, 0.5, 0.6, None))


@pytest.mark.parametrize(
    ("ceiling", "reason"),
    [
        (Ceiling("io", 1.0), ""),
        (Ceiling("iob2", 0.9, 1234), "1,234 begin or end inside a word"),
        (Ceiling("io", 0.9), "in the tag scheme io adjacent ones of one type merge"),
        (
            Ceiling("io", 0.9, 5),
            "5 begin or end inside a word; in the tag scheme io adjacent ones of one type merge",
        ),
        (Ceiling("iob2", 0.9), "some lie on markup"),
    ],
)
def test_a_ceiling_says_what_keeps_it_below_one(ceiling, reason):
    assert ceiling.reason == reason


def test_calibration_is_read_as_it_was_written():
    score = Score.from_json(json.loads(json.dumps(CALIBRATED)))
    assert score.calibration == CALIBRATION
    assert score.as_json() == CALIBRATED
    assert CALIBRATED["calibration"]["ece"] == 0.0625
    assert CALIBRATED["calibration"]["ece_before"] == 0.125
