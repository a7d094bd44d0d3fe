"""Multilabel: sets score as in scikit-learn, and thresholds are the best there are on dev."""

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, f1_score, precision_recall_fscore_support

from mtt_jax.tasks import Multilabel
from tests.tasks.drawn import SUBJECTS, counts_of, drawn, gold_of, letters

LABELS = SUBJECTS.labels


def read(name):
    """The task's name of a label, as a reader looks it up: "cash" is mapped to "money"."""
    name = {"cash": "money"}.get(name, name)
    if name not in LABELS:
        raise KeyError(f"unknown: {name}")
    return name


# Reading


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("money", ("money",)),
        ("money|law", ("money", "law")),
        ("law | money", ("money", "law")),  # in the order of the task's labels
        ("law|law", ("law",)),
        ("cash|money", ("money",)),  # mapped to the same label
        ("", ()),
        (" ", ()),
        ("|law|", ("law",)),
    ],
)
def test_a_cell_is_a_set_of_labels_and_an_empty_cell_the_empty_set(cell, expected):
    assert SUBJECTS.from_value(cell, "|", read) == expected


def test_another_separator_can_be_chosen_and_an_empty_one_splits_nothing():
    assert SUBJECTS.from_value("law; money", ";", read) == ("money", "law")
    task = Multilabel("x", ("law|money", "other"))
    assert task.from_value("law|money", "", lambda name: name) == ("law|money",)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([], ()),
        (["law"], ("law",)),
        (["people", "cash"], ("money", "people")),
        (("law", "law"), ("law",)),
    ],
)
def test_a_list_is_a_set_of_labels(values, expected):
    assert SUBJECTS.from_value(values, "|", read) == expected


def test_numbers_are_names_of_labels():
    task = Multilabel("x", ("1", "2", "3"))
    assert task.from_value([3, 1], "|", str) == ("1", "3")
    assert task.from_value(2, "|", str) == ("2",)


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        ({"money": 1, "law": 0, "people": 1}, ("money", "people")),
        ({"people": "0", "money": "0", "law": "1"}, ("law",)),
        ({"money": False, "law": True, "people": False}, ("law",)),
        ({"money": 0, "law": 0, "people": 0}, ()),
        # Two columns that are mapped to the same label: one of them is enough.
        ({"money": 1, "cash": 0, "law": 0, "people": 0}, ("money",)),
        ({"money": 0, "cash": 1, "law": 0, "people": 0}, ("money",)),
    ],
)
def test_a_mapping_says_0_or_1_for_each_label(flags, expected):
    assert SUBJECTS.from_value(flags, "|", read) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"money": 2}, "expected 0 or 1 per label, got 2"),
        ({"money": 1, "law": "yes"}, "expected 0 or 1 per label, got 'yes'"),
        ({"money": 0.5}, "expected 0 or 1 per label, got 0.5"),
        ({"money": None}, "expected 0 or 1 per label, got None"),
        ({"money": ""}, "expected 0 or 1 per label, got ''"),
        ({"money": 1, "law": 0}, "expected 0 or 1 for each label, including 'people'"),
        (["money", ["law"]], "expected a list of labels as strings, [] for none"),
        (["money", True], "expected a list of labels as strings, [] for none"),
        ([None], "expected a list of labels as strings, [] for none"),
        (True, "expected a list of labels, [] for none"),
        (1.5, "expected a list of labels, [] for none"),
        (None, "expected a list of labels, [] for none"),
    ],
)
def test_a_value_of_another_shape_is_refused_with_what_was_expected(value, message):
    with pytest.raises(ValueError, match="^expected") as caught:
        SUBJECTS.from_value(value, "|", read)
    assert str(caught.value) == message


@pytest.mark.parametrize("value", ["law|lwa", ["lwa"], {"law": 1, "lwa": 0}])
def test_an_unknown_label_is_looked_up_also_if_the_sentence_does_not_have_it(value):
    with pytest.raises(KeyError, match="unknown: lwa"):
        SUBJECTS.from_value(value, "|", read)


def test_the_empty_set_is_a_label_and_not_a_missing_one():
    arrays = SUBJECTS.encode([(), None, ("law",)], [letters(1)] * 3)
    assert SUBJECTS.labelled(arrays).tolist() == [True, False, True]
    assert SUBJECTS.example(arrays, 0).tolist() == [0, 0, 0]
    assert SUBJECTS.example(arrays, 1) is None
    assert SUBJECTS.example(arrays, 2).tolist() == [0, 1, 0]
    assert SUBJECTS.example(arrays, 2).dtype == np.float32


# Scores


def sets_of(sentences, task=SUBJECTS):
    """Gold and found sets as indicator matrices."""
    gold = np.array([[label in s.label for label in LABELS] for s in sentences])
    return gold, np.stack([task.answer(s.log_probs) for s in sentences])


@pytest.mark.parametrize("seed", range(5))
def test_micro_and_macro_f1_and_f1_per_class_equal_scikit_learn(seed):
    sentences = list(drawn("multilabel", seed, sure=1.5))
    gold, found = sets_of(sentences)
    score = SUBJECTS.score(sum(counts_of(SUBJECTS, sentences), Counter()), 0.5)
    figures = {figure.name: figure.value for figure in score.figures}
    assert list(figures) == ["micro_f1", "macro_f1", "exact_match"]
    micro = f1_score(gold, found, average="micro", zero_division=0)
    assert figures["micro_f1"] == score.headline == pytest.approx(micro)
    macro = f1_score(gold, found, average="macro", zero_division=0)
    assert figures["macro_f1"] == pytest.approx(macro)
    assert figures["exact_match"] == pytest.approx(accuracy_score(gold, found))
    expected = precision_recall_fscore_support(gold, found, average=None, zero_division=0)
    for label, *row in zip(LABELS, *expected, strict=True):
        assert score.rows[label] == pytest.approx(tuple(row))
    expected = precision_recall_fscore_support(gold, found, average="micro", zero_division=0)
    assert score.totals["micro, all labels"][:3] == pytest.approx(expected[:3])
    assert score.totals["macro, mean of labels"].f1 == pytest.approx(macro)
    assert score.confusion is score.ceiling is None
    assert 0 < score.headline < 1


def score_of(gold, found):
    counts = Counter()
    for one, other in zip(gold, found, strict=True):
        counts += SUBJECTS.count(np.array(one, np.float32), np.array(other, bool), letters(5))
    return SUBJECTS.score(counts, 0.0)


def test_macro_f1_leaves_out_a_class_that_is_neither_given_nor_found():
    gold, found = [[1, 0, 0], [1, 1, 0]], [[1, 0, 0], [1, 0, 0]]
    score = score_of(gold, found)
    present = f1_score(gold, found, labels=[0, 1], average="macro", zero_division=0)
    assert score.figures[1].value == pytest.approx(present) == 0.5


def test_empty_sets_that_are_found_empty_are_right_as_a_whole_and_give_no_f1():
    score = score_of([[0, 0, 0]] * 3, [[0, 0, 0], [0, 0, 0], [1, 0, 0]])
    micro, macro, exact = (figure.value for figure in score.figures)
    assert (micro, macro, exact) == (0.0, 0.0, pytest.approx(2 / 3))


# Thresholds


def best_by_trying_all(given, probs):
    """The highest F1 that any threshold gives a class."""
    cuts = [*np.unique(probs), 2.0]
    return max(f1_score(given, probs >= cut, zero_division=0) for cut in cuts)


def f1_per_class(gold, found):
    return [f1_score(gold[:, c], found[:, c], zero_division=0) for c in range(gold.shape[1])]


def probabilities(log_odds):
    return np.exp(-np.logaddexp(0.0, -np.asarray(log_odds, np.float64)))


@pytest.mark.parametrize("decimals", [6, 1, 0])
@pytest.mark.parametrize("seed", range(6))
def test_fitted_thresholds_give_each_class_the_highest_f1_of_any_threshold(seed, decimals):
    rng = np.random.default_rng(seed)
    gold = rng.random((40, 3)) < [0.5, 0.2, 0.05]
    # Off to one side, so that 0.5 is a poor threshold; rounded, so that probabilities coincide.
    log_odds = np.round(rng.normal(size=gold.shape) + 1.5 * gold + [-2, 0, 2], decimals)
    log_odds = log_odds.astype(np.float32)
    fitted = SUBJECTS.fit(list(gold.astype(np.float32)), list(log_odds))
    found = np.stack([fitted.answer(row) for row in log_odds])
    before = np.stack([SUBJECTS.answer(row) for row in log_odds])
    best = [best_by_trying_all(gold[:, c], probabilities(log_odds[:, c])) for c in range(3)]
    assert f1_per_class(gold, found) == pytest.approx(best)
    assert np.all(np.array(best) >= np.array(f1_per_class(gold, before)) - 1e-12)
    assert any(a > b + 0.05 for a, b in zip(best, f1_per_class(gold, before), strict=True))


def test_fitted_thresholds_separate_probabilities_with_no_float_in_between():
    rng = np.random.default_rng(0)
    # From log-odds of about 36 on, probabilities are adjacent floats, or 1.
    steps = np.linspace(30, 42, 25).astype(np.float32)
    probs = probabilities(steps)
    assert len(np.unique(probs)) > 12
    assert np.any((probs[1:] + probs[:-1]) / 2 == probs[:-1])
    task = Multilabel("x", tuple(map(str, range(300))))
    gold, log_odds = rng.random((60, 300)) < 0.3, rng.choice(steps, (60, 300))
    fitted = task.fit(list(gold.astype(np.float32)), list(log_odds))
    found = np.stack([fitted.answer(row) for row in log_odds])
    reached = f1(gold, found)
    for cut in [*np.unique(probs), 2.0]:
        assert np.all(reached >= f1(gold, probabilities(log_odds) >= cut) - 1e-12)


def f1(gold, found):
    """F1 of each column."""
    return 2 * (gold & found).sum(axis=0) / np.maximum(gold.sum(axis=0) + found.sum(axis=0), 1)


def fitted_to(given, probs):
    """The threshold of one class of a task of two."""
    task = Multilabel("x", ("a", "b"))
    odds = np.log(np.array(probs) / (1 - np.array(probs)))
    gold = [np.array([flag, 0], np.float32) for flag in given]
    log_odds = [np.array([value, -1.0], np.float32) for value in odds]
    return task.fit(gold, log_odds).thresholds[0]


def test_a_threshold_is_midway_between_two_probabilities():
    assert fitted_to([1, 1, 0, 0], [0.9, 0.8, 0.2, 0.1]) == pytest.approx(0.5)
    assert fitted_to([1, 1, 0, 0], [0.9, 0.3, 0.2, 0.1]) == pytest.approx(0.25)
    assert fitted_to([1, 0, 0], [0.99, 0.97, 0.1]) == pytest.approx(0.98)


def test_of_equally_good_thresholds_the_nearest_to_one_half_is_taken():
    # F1 is 2/3 with the first alone and with all four, and less in between.
    assert fitted_to([1, 0, 0, 1], [0.9, 0.8, 0.7, 0.6]) == pytest.approx(0.3)
    assert fitted_to([1, 0, 0, 1], [0.9, 0.4, 0.35, 0.3]) == pytest.approx(0.65)


def test_a_class_that_occurs_nowhere_on_dev_keeps_one_half():
    assert fitted_to([0, 0, 0], [0.9, 0.8, 0.7]) == 0.5
    assert fitted_to([1, 1], [0.9, 0.8]) == pytest.approx(0.4)


def test_without_dev_sentences_the_thresholds_stay_one_half():
    assert SUBJECTS.fit([], []) == SUBJECTS
    assert SUBJECTS.fitted() == {}
    assert SUBJECTS.answer(np.array([0.0, -1e-3, 1e-3], np.float32)).tolist() == [True, False, True]


def test_thresholds_are_stored_by_label_and_read_in_any_order():
    task = SUBJECTS.with_fitted({"thresholds": {"people": 0.7, "money": 0.2, "law": 0.5}})
    assert task.thresholds == (0.2, 0.5, 0.7)
    assert task.fitted() == {"thresholds": {"money": 0.2, "law": 0.5, "people": 0.7}}
    assert task.describe()["thresholds"] == task.fitted()["thresholds"]
    assert SUBJECTS.describe()["thresholds"] == dict.fromkeys(LABELS, 0.5)
    odds = np.full(3, np.log(0.6 / 0.4), np.float32)
    assert task.answer(odds).tolist() == [True, True, False]


@pytest.mark.parametrize(
    "found",
    [
        {"people": 0.7, "money": 0.2},
        {"people": 0.7, "money": 0.2, "law": 0.5, "x": 0.5},
        {"people": 0.7, "money": 0.2, "law": float("nan")},
        {"people": 0.7, "money": 0.2, "law": 5},
        {},
    ],
)
def test_thresholds_that_do_not_fit_the_labels_are_refused(found):
    with pytest.raises(ValueError, match="threshold"):
        SUBJECTS.with_fitted({"thresholds": found})


# Results


def test_a_result_names_the_labels_and_scores_each_by_itself():
    log_odds = np.array([2.0, 0.0, -1.0], np.float32)
    result = SUBJECTS.as_json(SUBJECTS.answer(log_odds), log_odds, "a text", [])
    assert result["labels"] == ["money", "law"]
    expected = {"money": 0.880797, "law": 0.5, "people": 0.268941}
    assert result["scores"] == pytest.approx(expected, abs=1e-6)
    assert SUBJECTS.as_cells(result) == {"subjects": "money|law"}
    assert SUBJECTS.as_title(result) == "money|law"
    assert SUBJECTS.as_lines(result) == ["subjects: money 0.88, law 0.50"]


def test_an_empty_set_is_shown_as_none_in_text_and_as_an_empty_list_in_json():
    log_odds = np.full(3, -3.0, np.float32)
    result = SUBJECTS.as_json(SUBJECTS.answer(log_odds), log_odds, "a text", [])
    assert result["labels"] == []
    assert SUBJECTS.as_cells(result) == {"subjects": ""}
    assert SUBJECTS.as_lines(result) == ["subjects: (none)"]


@pytest.mark.parametrize("odds", [-1000.0, 1000.0])
def test_extreme_log_odds_are_probabilities_without_a_warning(odds):
    with np.errstate(divide="raise", over="raise", invalid="raise"):
        log_odds = np.full(3, odds, np.float32)
        result = SUBJECTS.as_json(SUBJECTS.answer(log_odds), log_odds, "", [])
        loss, _ = SUBJECTS.cross_entropy(gold_of(SUBJECTS, LABELS), log_odds)
    assert set(result["scores"].values()) == {float(odds > 0)}
    assert loss == pytest.approx(0.0 if odds > 0 else 1000.0)
