"""Scores are those of scikit-learn and seqeval, and counts of parts add up to the whole."""

import functools

import numpy as np
import pytest
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from mtt_jax.scoring.metrics import NO_ENTITY, Classification, Entities
from mtt_jax.tasks.schemes import Task, spans_to_tags, through_scheme
from mtt_jax.types import Span

LABELS = ("sports", "politics", "economy", "others")
NER = Task("ner", "token", ("O", "PER", "ORG", "LOC"), "iob2")
NER_IO = Task("ner", "token", ("O", "PER", "ORG", "LOC"), "io")


def drawn_labels(seed, count, gold_classes, predicted_classes):
    """Gold and predicted ids, equal in about half of the places."""
    rng = np.random.default_rng(seed)
    gold = rng.choice(gold_classes, count)
    guess = rng.choice(predicted_classes, count)
    agree = (rng.random(count) < 0.5) & np.isin(gold, predicted_classes)
    return gold, np.where(agree, gold, guess)


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
def test_a_sentence_task_scores_as_in_scikit_learn(count, gold_classes, predicted_classes):
    gold, predicted = drawn_labels(count, count, gold_classes, predicted_classes)
    scores = Classification.compute(Classification.count(gold, predicted, 4), LABELS)
    assert scores["count"] == count
    assert scores["accuracy"] == pytest.approx(accuracy_score(gold, predicted))
    # Without `labels`, scikit-learn averages over the classes that occur on either side.
    macro = f1_score(gold, predicted, average="macro", zero_division=0)
    assert scores["macro_f1"] == pytest.approx(macro)
    expected = precision_recall_fscore_support(gold, predicted, labels=range(4), zero_division=0)
    for label, precision, recall, f1, support in zip(LABELS, *expected, strict=True):
        assert scores["per_class"][label] == pytest.approx(
            {"precision": precision, "recall": recall, "f1": f1, "support": support}
        )
    assert scores["confusion"] == {
        "labels": list(LABELS),
        "counts": confusion_matrix(gold, predicted, labels=range(4)).tolist(),
    }


def test_parts_of_a_split_merge_into_the_matrix_of_the_whole():
    gold, predicted = drawn_labels(0, 101, [0, 1, 2, 3], [0, 1, 2])
    parts = [
        Classification.count(g, p, 4)
        for g, p in zip(np.split(gold, [3, 4, 60]), np.split(predicted, [3, 4, 60]), strict=True)
    ]
    whole = functools.reduce(Classification.merge, parts, Classification.empty(4))
    np.testing.assert_array_equal(whole, Classification.count(gold, predicted, 4))


def test_no_sentence_scores_zero_and_counts_zero():
    empty = Classification.count([], [], 4)
    np.testing.assert_array_equal(empty, Classification.empty(4))
    scores = Classification.compute(empty, LABELS)
    assert (scores["accuracy"], scores["macro_f1"], scores["count"]) == (0.0, 0.0, 0)
    assert all(entry["support"] == 0 for entry in scores["per_class"].values())


def drawn_spans(rng, length):
    """Entities side by side or apart."""
    position, spans = 0, []
    while position < length:
        end = min(length, position + int(rng.integers(1, 4)))
        if rng.random() < 0.6:
            spans.append(Span(position, end, str(rng.choice(NER.entity_types))))
        position = end
    return spans


def drawn_sentences(seed, count=120):
    """(length, gold, predicted); a prediction keeps most gold entities and errs in the others."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        length = int(rng.integers(0, 15))
        gold, predicted = drawn_spans(rng, length), []
        for span in gold:
            chance = rng.random()
            if chance < 0.5:
                predicted.append(span)
            elif chance < 0.65:
                predicted.append(span._replace(label=str(rng.choice(NER.entity_types))))
            elif chance < 0.8 and span.end - span.start > 1:
                predicted.append(span._replace(start=span.start + 1))
        if rng.random() < 0.2:
            predicted = drawn_spans(rng, length)
        yield length, tuple(gold), tuple(predicted)


def entity_counts(sentences, task=NER):
    return functools.reduce(
        Entities.merge,
        [Entities.count(gold, found, task.scheme, n) for n, gold, found in sentences],
        Entities.empty(),
    )


def seqeval_report(sentences):
    """The report of seqeval's strict mode on the IOB2 tags of both sides."""
    return classification_report(
        [spans_to_tags(gold, n, "iob2") for n, gold, _ in sentences],
        [spans_to_tags(found, n, "iob2") for n, _, found in sentences],
        mode="strict",
        scheme=IOB2,
        output_dict=True,
        zero_division=0,
    )


def assert_scores_equal(ours, theirs):
    assert ours["precision"] == pytest.approx(theirs["precision"])
    assert ours["recall"] == pytest.approx(theirs["recall"])
    assert ours["f1"] == pytest.approx(theirs["f1-score"])


@pytest.mark.parametrize("seed", range(5))
def test_a_token_task_scores_as_in_the_strict_mode_of_seqeval(seed):
    sentences = list(drawn_sentences(seed))
    scores = Entities.compute(entity_counts(sentences), NER)
    expected = seqeval_report(sentences)
    assert_scores_equal(scores, expected["micro avg"])
    for label in NER.entity_types:
        assert_scores_equal(scores["per_entity"][label], expected[label])
        assert scores["per_entity"][label]["support"] == expected[label]["support"]
    assert 0 < scores["f1"] < 1
    assert scores["count"] == len(sentences)
    assert scores["mode"] == "strict"


@pytest.mark.parametrize(
    "found",
    [
        [Span(1, 3, "PER")],  # starts too late
        [Span(0, 2, "PER")],  # ends too early
        [Span(0, 3, "ORG")],  # another type
        [Span(0, 1, "PER"), Span(1, 3, "PER")],  # in two pieces
        [],
    ],
)
def test_an_entity_counts_only_where_start_end_and_type_are_right(found):
    scores = Entities.compute(Entities.count([Span(0, 3, "PER")], found, "iob2", 3), NER)
    assert scores["f1"] == scores["precision"] == scores["recall"] == 0.0
    assert scores["per_entity"]["PER"]["support"] == 1


def test_the_confusion_of_entities_has_a_place_for_what_is_missed_and_invented():
    gold = [Span(0, 1, "PER"), Span(1, 2, "ORG"), Span(2, 3, "LOC")]
    found = [Span(0, 1, "PER"), Span(1, 2, "LOC"), Span(4, 5, "PER")]
    scores = Entities.compute(Entities.count(gold, found, "iob2", 5), NER)
    assert scores["confusion"]["labels"] == ["PER", "ORG", "LOC", NO_ENTITY]
    assert scores["confusion"]["counts"] == [
        [1, 0, 0, 0],
        [0, 0, 1, 0],
        [0, 0, 0, 1],
        [1, 0, 0, 0],
    ]


def test_parts_of_a_split_merge_into_the_counts_of_the_whole():
    sentences = list(drawn_sentences(7))
    parts = [entity_counts(sentences[a:b]) for a, b in ((0, 1), (1, 50), (50, 50), (50, 120))]
    for order in (parts, parts[::-1]):
        merged = functools.reduce(Entities.merge, order, Entities.empty())
        assert Entities.compute(merged, NER) == Entities.compute(entity_counts(sentences), NER)


def test_the_score_of_two_parts_is_not_the_mean_of_their_scores():
    one = Entities.count([Span(0, 1, "PER")], [Span(0, 1, "PER")], "iob2", 1)
    other = entity_counts([(9, [Span(i, i + 1, "ORG") for i in range(9)], [])])
    assert Entities.compute(one, NER)["f1"] == 1.0
    assert Entities.compute(other, NER)["f1"] == 0.0
    both = Entities.compute(Entities.merge(one, other), NER)
    assert both["f1"] == pytest.approx(2 / 11)


@pytest.mark.parametrize("task", [NER, NER_IO], ids=["iob2", "io"])
@pytest.mark.parametrize("counts", [Entities.empty(), Entities.count([], [], "io", 4)])
def test_a_split_without_entities_scores_zero_under_a_full_ceiling(counts, task):
    scores = Entities.compute(counts, task)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.0, 0.0, 0.0)
    assert scores["ceiling"] == {"scheme": task.scheme, "f1": 1.0}


def test_what_is_found_where_nothing_is_does_not_raise_the_score():
    scores = Entities.compute(Entities.count([], [Span(0, 1, "PER")], "iob2", 2), NER)
    assert (scores["precision"], scores["recall"], scores["f1"]) == (0.0, 0.0, 0.0)
    assert scores["per_entity"]["PER"]["support"] == 0


def test_the_ceiling_is_the_score_of_gold_entities_written_in_the_scheme_and_read_back():
    sentences = list(drawn_sentences(3))
    perfect = [(n, gold, gold) for n, gold, _ in sentences]
    merged = [(n, gold, through_scheme(gold, n, "io")) for n, gold, _ in sentences]
    ceiling = Entities.compute(entity_counts(perfect, NER_IO), NER_IO)["ceiling"]
    assert ceiling["scheme"] == "io"
    assert ceiling["f1"] == pytest.approx(seqeval_report(merged)["micro avg"]["f1-score"])
    assert 0 < ceiling["f1"] < 1


def test_the_ceiling_under_io_counts_merged_neighbours_as_lost():
    gold = [Span(0, 1, "PER"), Span(1, 2, "PER"), Span(3, 4, "ORG")]
    scores = Entities.compute(Entities.count(gold, gold, "io", 4), NER_IO)
    # One merged entity is wrong and ORG is right: 2 * 1 / (2 found + 3 true).
    assert scores["ceiling"]["f1"] == pytest.approx(2 / 5)
    assert scores["f1"] == 1.0


def test_iob2_puts_no_ceiling_on_the_score():
    scores = Entities.compute(entity_counts(drawn_sentences(4)), NER)
    assert scores["ceiling"] == {"scheme": "iob2", "f1": 1.0}


def test_the_ceiling_does_not_depend_on_what_is_found():
    sentences = list(drawn_sentences(5))
    nothing = [(n, gold, ()) for n, gold, _ in sentences]
    ceilings = [
        Entities.compute(entity_counts(s, NER_IO), NER_IO)["ceiling"] for s in (sentences, nothing)
    ]
    assert ceilings[0] == ceilings[1]


def test_entities_may_come_from_any_iterable():
    spans = [Span(0, 1, "PER"), Span(2, 3, "ORG")]
    once = Entities.count(iter(spans), iter(spans), "io", 3)
    assert Entities.compute(once, NER_IO) == Entities.compute(
        Entities.count(spans, spans, "io", 3), NER_IO
    )
