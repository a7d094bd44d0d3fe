"""Tags score as in scikit-learn over the words that have one."""

import json
from collections import Counter

import numpy as np
import pytest
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    precision_recall_fscore_support,
)

from mtt_jax.tasks import Tags
from mtt_jax.types import Span
from tests.tasks.drawn import POS, counts_of, drawn, gold_of, letters, tags_of


@pytest.mark.parametrize("seed", range(5))
def test_accuracy_and_macro_f1_equal_scikit_learn_over_the_tagged_words(seed):
    sentences = list(drawn("tags", seed, sure=2.0))
    score = POS.score(sum(counts_of(POS, sentences), Counter()), 0.5)
    pairs = [
        (tag, POS.labels[int(sentence.log_probs[start // 2].argmax())])
        for sentence in sentences
        for start, _, tag in sentence.label
    ]
    gold, found = zip(*pairs, strict=True)
    figures = {figure.name: figure.value for figure in score.figures}
    assert list(figures) == ["accuracy", "macro_f1"]
    assert figures["accuracy"] == score.headline == pytest.approx(accuracy_score(gold, found))
    macro = f1_score(gold, found, average="macro", zero_division=0)
    assert figures["macro_f1"] == pytest.approx(macro)
    labels = list(POS.labels)
    expected = precision_recall_fscore_support(gold, found, labels=labels, zero_division=0)
    for label, *row in zip(labels, *expected, strict=True):
        assert score.rows[label] == pytest.approx(tuple(row))
    assert [list(row) for row in score.confusion.counts] == confusion_matrix(
        gold, found, labels=labels
    ).tolist()
    assert score.sentences == len(sentences)
    assert 0.3 < score.headline < 1


def certain(*tags):
    """Log-probabilities that are sure of some tags."""
    ids = [POS.labels.index(tag) for tag in tags]
    return POS.normalize(np.eye(4)[ids] * 10.0)


def test_a_word_without_a_tag_is_not_counted():
    log_probs = certain("NOUN", "VERB", "ADJ")
    words = letters(3)
    gold = gold_of(POS, tags_of(("NOUN", "", "VERB"), words), words)
    assert gold.tolist() == [0, -1, 1]
    counts = POS.count(gold, POS.answer(log_probs), words)
    score = POS.score(counts, 0.0)
    assert score.headline == 0.5
    assert sum(map(sum, score.confusion.counts)) == 2
    assert POS.tallies(counts)[2].sum() == 2
    total, count = POS.cross_entropy(gold, log_probs)
    assert count == 2
    assert total == pytest.approx(-float(log_probs[0, 0] + log_probs[2, 1]))


def test_a_sentence_of_which_no_word_has_a_tag_counts_as_a_sentence_alone():
    words = letters(2)
    answer = POS.answer(certain("ADJ", "ADJ"))
    score = POS.score(POS.count(gold_of(POS, (), words), answer, words), 0)
    assert (score.sentences, score.headline) == (1, 0.0)


def test_a_word_without_a_tag_is_masked():
    gold = gold_of(POS, (Span(0, 1, "NOUN"), Span(4, 5, "VERB")), letters(3))
    values, mask = POS.target(gold, np.arange(3), np.array([1, 2, 4]), 6)
    assert mask.tolist() == [0, 1, 0, 0, 1, 0]
    assert values[[1, 4]].tolist() == [0, 1]


def test_every_word_that_a_tag_touches_carries_it():
    # "U.S.-born man": the file gives two words, "U.S.-born" and "man".
    words = np.array([(0, 1), (1, 2), (2, 3), (3, 4), (4, 5), (5, 9), (10, 13)], np.int32)
    label = (Span(0, 9, "ADJ"), Span(10, 13, "NOUN"))
    assert gold_of(POS, label, words).tolist() == [2] * 6 + [0]


def test_a_word_that_two_tags_touch_carries_the_first():
    # "a.m." is one word here and four in the file; after a space the file has a word more.
    words = np.array([(0, 4), (5, 8), (9, 10)], np.int32)
    label = (Span(0, 1, "NOUN"), Span(1, 4, "OTHER"), Span(6, 8, "VERB"), Span(5, 6, "ADJ"))
    assert gold_of(POS, label, words).tolist() == [0, 2, -1]


def test_a_tag_that_touches_no_word_is_left_out():
    words = np.array([(0, 1), (4, 5)], np.int32)
    for place in [(1, 4), (2, 3), (5, 9)]:
        assert gold_of(POS, (Span(*place, "NOUN"),), words).tolist() == [-1, -1]
        assert gold_of(POS, (Span(*place, "NOUN"),), letters(0)).tolist() == []


def test_tags_are_read_as_they_are_whatever_scheme_they_look_like():
    labels = ("B-NOUN", "I-NOUN", "O")
    task = Tags("pos", labels)
    asked = []

    def read(name, shown, word):
        asked.append((name, shown, word))
        return {"x": "O"}.get(name, name)

    words = [(0, 3), (3, 4), (6, 9)]
    assert task.from_tags(["I-NOUN", "x", "B-NOUN"], words, "iob2", read) == (
        Span(0, 3, "I-NOUN"),
        Span(3, 4, "O"),
        Span(6, 9, "B-NOUN"),
    )
    assert asked == [("I-NOUN", "I-NOUN", 0), ("x", "x", 1), ("B-NOUN", "B-NOUN", 2)]


def test_a_result_has_a_tag_for_every_word_with_its_offsets():
    words = [(0, 3), (4, 9)]
    log_probs = certain("NOUN", "VERB")
    result = POS.as_json(POS.answer(log_probs), log_probs, "Ann spoke", words)
    assert [{k: v for k, v in tag.items() if k != "score"} for tag in result] == [
        {"text": "Ann", "label": "NOUN", "start": 0, "end": 3},
        {"text": "spoke", "label": "VERB", "start": 4, "end": 9},
    ]
    assert result[0]["score"] == pytest.approx(float(np.exp(log_probs[0, 0])))
    assert POS.as_tags(result, words) == ["NOUN", "VERB"]
    assert POS.as_lines(result) == ["pos: Ann/NOUN spoke/VERB"]
    assert json.loads(POS.as_cells(result)["pos"]) == result
    assert POS.as_spans(result) == []


def test_a_text_without_words_has_no_tags():
    log_probs = np.zeros((0, 4), np.float32)
    answer = POS.answer(log_probs)
    assert POS.as_json(answer, log_probs, "", []) == []
    assert POS.count(gold_of(POS, ()), answer, letters(0)) == Counter({("sentences",): 1})
