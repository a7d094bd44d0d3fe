"""Classes score as in scikit-learn, and are read from a cell or a JSON value."""

from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from mtt_jax.tasks import Classes
from tests.tasks.drawn import TOPIC, gold_of, letters

LABELS = TOPIC.labels


def drawn_ids(seed, count, gold_classes, predicted_classes):
    """Gold and predicted ids, equal in about half of the places."""
    rng = np.random.default_rng(seed)
    gold = rng.choice(gold_classes, count)
    guess = rng.choice(predicted_classes, count)
    agree = (rng.random(count) < 0.5) & np.isin(gold, predicted_classes)
    return gold, np.where(agree, gold, guess)


def counted(gold, predicted, task=TOPIC):
    pairs = zip(gold, predicted, strict=True)
    return sum((task.count(int(g), int(p), letters(5)) for g, p in pairs), Counter())


@pytest.mark.parametrize("count", [1, 7, 400])
@pytest.mark.parametrize(
    ("gold_classes", "predicted_classes"),
    [
        ([0, 1, 2, 3], [0, 1, 2, 3]),
        ([0, 1, 2], [0, 1, 2]),  # a class that occurs nowhere
        ([0, 1, 3], [0, 1, 2]),  # one only given, one only predicted
        ([2], [0]),  # never right
        ([1], [1]),
    ],
)
def test_accuracy_macro_f1_and_confusion_equal_scikit_learn(count, gold_classes, predicted_classes):
    gold, predicted = drawn_ids(count, count, gold_classes, predicted_classes)
    score = TOPIC.score(counted(gold, predicted), 0.5)
    assert score.sentences == count
    figures = {figure.name: figure.value for figure in score.figures}
    assert figures["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    # Without `labels`, scikit-learn averages over the classes that occur on either side.
    macro = f1_score(gold, predicted, average="macro", zero_division=0)
    assert figures["macro_f1"] == score.headline == pytest.approx(macro)
    expected = precision_recall_fscore_support(gold, predicted, labels=range(4), zero_division=0)
    for label, *row in zip(LABELS, *expected, strict=True):
        assert score.rows[label] == pytest.approx(tuple(row))
    assert score.confusion.labels == LABELS
    matrix = confusion_matrix(gold, predicted, labels=range(4)).tolist()
    assert [list(row) for row in score.confusion.counts] == matrix
    (total,) = score.totals.values()
    assert total.f1 == pytest.approx(macro)
    assert score.ceiling is None


def test_macro_f1_comes_first_and_accuracy_is_in_the_total():
    score = TOPIC.score(counted([0, 0, 1, 2], [0, 0, 1, 1]), 0.0)
    assert [figure.name for figure in score.figures] == ["macro_f1", "accuracy"]
    assert list(score.totals) == ["accuracy 0.750"]


def read(name):
    if name not in LABELS:
        raise KeyError(name)
    return name


@pytest.mark.parametrize("value", ["sports", "others"])
def test_a_label_is_the_name_of_a_class(value):
    assert TOPIC.from_value(value, "|", read) == value


def test_a_separator_does_not_split_a_class():
    task = Classes("x", ("a|b", "c"))
    assert task.from_value("a|b", "|", lambda name: name) == "a|b"


def test_an_empty_value_is_a_sentence_without_a_label():
    assert TOPIC.from_value("", "|", read) is None


def test_a_number_is_the_name_of_a_class():
    assert Classes("stars", ("1", "2")).from_value(2, "|", lambda name: name) == "2"


@pytest.mark.parametrize("value", [True, 1.5, ["sports"], {"sports": 1}])
def test_a_value_of_another_shape_is_refused(value):
    with pytest.raises(ValueError, match="^expected a label as a string$"):
        TOPIC.from_value(value, "|", read)


def test_an_example_is_the_id_of_the_class():
    assert [gold_of(TOPIC, label) for label in LABELS] == [0, 1, 2, 3]


def test_the_answer_is_the_most_probable_class_with_scores_that_sum_to_one():
    # Means over windows: their probabilities do not sum to 1 on their own.
    log_probs = np.log([0.1, 0.5, 0.1, 0.05]).astype(np.float32)
    answer = TOPIC.answer(log_probs)
    result = TOPIC.as_json(answer, log_probs, "a text", [])
    assert result["label"] == "politics"
    assert result["score"] == result["scores"]["politics"] == pytest.approx(0.5 / 0.75)
    assert sum(result["scores"].values()) == pytest.approx(1.0)
    assert list(result["scores"]) == list(LABELS)
    assert TOPIC.as_lines(result) == ["topic: politics 0.67"]
    assert TOPIC.as_cells(result) == {"topic": "politics", "topic_score": "0.666667"}


def test_hub_task_name_of_classes():
    assert (TOPIC.hub, TOPIC.problem_type) == ("text-classification", "single_label_classification")
