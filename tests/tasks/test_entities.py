"""Entities score as in the strict mode of seqeval, below the ceiling of their tag scheme."""

import json
from collections import Counter

import numpy as np
import pytest
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2

from mtt_jax.tasks import Entities
from mtt_jax.tasks.entities import NO_ENTITY
from mtt_jax.tasks.schemes import class_ids, spans_to_tags, tags_to_spans
from mtt_jax.tasks.spans import span_probabilities
from mtt_jax.types import Span
from tests.tasks.drawn import NER, NER_IO, drawn, drawn_spans, gold_of, in_characters, letters

TYPES = NER.entity_types


def drawn_sentences(seed, count=120):
    """(length, gold, found); most gold entities are found, some with another type or start."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        length = int(rng.integers(0, 15))
        gold, found = drawn_spans(rng, length), []
        for span in gold:
            chance = rng.random()
            if chance < 0.5:
                found.append(span)
            elif chance < 0.65:
                found.append(span._replace(label=str(rng.choice(TYPES))))
            elif chance < 0.8 and span.end - span.start > 1:
                found.append(span._replace(start=span.start + 1))
        if rng.random() < 0.2:
            found = drawn_spans(rng, length)
        yield length, gold, tuple(found)


def score_of(sentences, task=NER):
    """The score of (length, gold, found), with spans in words."""
    counts = Counter()
    for length, gold, found in sentences:
        words = letters(length)
        counts.update(task.count(gold_of(task, in_characters(gold, words), words), found, words))
    return task.score(counts, 0.0)


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


def assert_rows_equal(ours, theirs):
    assert ours.precision == pytest.approx(theirs["precision"])
    assert ours.recall == pytest.approx(theirs["recall"])
    assert ours.f1 == pytest.approx(theirs["f1-score"])


@pytest.mark.parametrize("seed", range(5))
def test_precision_recall_and_f1_equal_the_strict_mode_of_seqeval(seed):
    sentences = list(drawn_sentences(seed))
    score, expected = score_of(sentences), seqeval_report(sentences)
    assert_rows_equal(score.totals["strict, overall"], expected["micro avg"])
    for label in TYPES:
        assert_rows_equal(score.rows[label], expected[label])
        assert score.rows[label].support == expected[label]["support"]
    figures = {figure.name: figure.value for figure in score.figures}
    assert list(figures) == ["f1", "precision", "recall"]
    assert figures["f1"] == score.headline == pytest.approx(expected["micro avg"]["f1-score"])
    assert figures["precision"] == pytest.approx(expected["micro avg"]["precision"])
    assert figures["recall"] == pytest.approx(expected["micro avg"]["recall"])
    assert 0 < score.headline < 1
    assert score.sentences == len(sentences)


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
def test_an_entity_is_right_only_if_start_end_and_type_are(found):
    score = score_of([(3, [Span(0, 3, "PER")], found)])
    assert [figure.value for figure in score.figures] == [0.0, 0.0, 0.0]
    assert score.rows["PER"].support == 1


def test_the_confusion_has_a_place_for_entities_that_are_missed_or_invented():
    gold = [Span(0, 1, "PER"), Span(1, 2, "ORG"), Span(2, 3, "LOC")]
    found = [Span(0, 1, "PER"), Span(1, 2, "LOC"), Span(4, 5, "PER")]
    confusion = score_of([(5, gold, found)]).confusion
    assert confusion.labels == ("PER", "ORG", "LOC", NO_ENTITY)
    assert confusion.counts == ((1, 0, 0, 0), (0, 0, 1, 0), (0, 0, 0, 1), (1, 0, 0, 0))


def test_f1_of_two_parts_is_not_the_mean_of_their_f1():
    one = [(1, [Span(0, 1, "PER")], [Span(0, 1, "PER")])]
    other = [(9, [Span(i, i + 1, "ORG") for i in range(9)], [])]
    assert score_of(one).headline == 1.0
    assert score_of(other).headline == 0.0
    assert score_of(one + other).headline == pytest.approx(2 / 11)


@pytest.mark.parametrize("task", [NER, NER_IO], ids=["iob2", "io"])
@pytest.mark.parametrize("sentences", [[], [(4, [], [])]], ids=["empty", "without entities"])
def test_a_split_without_entities_scores_zero_below_a_ceiling_of_one(sentences, task):
    score = score_of(sentences, task)
    assert [figure.value for figure in score.figures] == [0.0, 0.0, 0.0]
    assert score.ceiling == (task.scheme, 1.0, 0)
    assert score.sentences == len(sentences)


def test_invented_entities_do_not_raise_the_score():
    score = score_of([(2, [], [Span(0, 1, "PER")])])
    assert [figure.value for figure in score.figures] == [0.0, 0.0, 0.0]
    assert score.rows["PER"].support == 0


# The ceiling


def test_the_ceiling_is_the_f1_of_gold_entities_written_in_the_scheme_and_read_back():
    sentences = list(drawn_sentences(3))
    perfect = [(n, gold, gold) for n, gold, _ in sentences]
    merged = [
        (n, gold, tags_to_spans(spans_to_tags(gold, n, "io"), "io")) for n, gold, _ in sentences
    ]
    ceiling = score_of(perfect, NER_IO).ceiling
    assert ceiling.scheme == "io"
    assert ceiling.f1 == pytest.approx(seqeval_report(merged)["micro avg"]["f1-score"])
    assert 0 < ceiling.f1 < 1


def test_the_ceiling_of_io_counts_merged_neighbors_as_lost():
    gold = [Span(0, 1, "PER"), Span(1, 2, "PER"), Span(3, 4, "ORG")]
    score = score_of([(4, gold, gold)], NER_IO)
    # One merged entity is wrong and ORG is right: 2 * 1 / (2 found + 3 given).
    assert score.ceiling.f1 == pytest.approx(2 / 5)
    assert score.headline == 1.0


def test_iob2_has_a_ceiling_of_one():
    assert score_of(drawn_sentences(4)).ceiling == ("iob2", 1.0, 0)


def test_the_ceiling_does_not_depend_on_what_is_found():
    sentences = list(drawn_sentences(5))
    nothing = [(n, gold, ()) for n, gold, _ in sentences]
    assert score_of(sentences, NER_IO).ceiling == score_of(nothing, NER_IO).ceiling


# Entities on words of their own

# "AC/DC-fan Ann" with the words AC / DC-fan Ann, as a tokenizer may join them.
JOINED = np.array([(0, 2), (2, 3), (3, 9), (10, 13)], np.int32)


def gold_on(words, *spans, task=NER):
    return gold_of(task, tuple(Span(*span) for span in spans), np.array(words, np.int32))


def certain(gold, words, task=NER):
    """The answer of a model that has learned what `target` teaches it."""
    ids = class_ids(gold.spans, len(words), task.scheme)
    return task.answer(task.normalize(50.0 * np.eye(len(task.classes))[ids]))


def score_on(words, gold, answer, task=NER):
    return task.score(task.count(gold, answer, np.array(words, np.int32)), 0.0)


def test_gold_entities_are_kept_in_characters_and_in_words():
    gold = gold_on(JOINED, (0, 2, "ORG"), (10, 13, "PER"))
    assert gold.spans.tolist() == [[0, 1, 1], [3, 4, 0]]
    assert gold.places.tolist() == [[0, 2], [10, 13]]
    assert gold.cut.tolist() == [False, False]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        ((0, 5), (0, 3)),  # ends inside DC-fan
        ((3, 5), (2, 3)),  # so does this one
        ((6, 13), (2, 4)),  # begins inside it
        ((4, 8), (2, 3)),  # both
    ],
)
def test_an_entity_whose_edge_falls_inside_a_word_takes_the_whole_word_and_counts_as_cut(
    place, words
):
    gold = gold_on(JOINED, (*place, "ORG"))
    assert gold.spans.tolist() == [[*words, 1]]
    assert gold.places.tolist() == [[*place]]
    assert gold.cut.tolist() == [True]
    score = score_on(JOINED, gold, certain(gold, JOINED))
    assert score.headline == score.ceiling.f1 == 0.0
    assert score.ceiling.cut == 1


@pytest.mark.parametrize("place", [(9, 13), (10, 14), (0, 3)])
def test_an_edge_in_a_space_is_no_cut(place):
    assert gold_on(JOINED, (*place, "ORG")).cut.tolist() == [False]


def test_cut_entities_bound_the_score_and_the_ceiling_says_how_many():
    gold = gold_on(JOINED, (0, 5, "ORG"), (10, 13, "PER"))
    score = score_on(JOINED, gold, certain(gold, JOINED))
    assert score.ceiling == ("iob2", 0.5, 1)
    assert score.headline == 0.5
    assert score.rows["ORG"].f1 == 0.0
    assert score.rows["PER"].f1 == 1.0
    assert score.ceiling.reason == "1 begin or end inside a word"


@pytest.mark.parametrize("task", [NER, NER_IO], ids=["iob2", "io"])
def test_of_two_entities_in_one_word_the_first_has_the_word_and_both_are_counted(task):
    gold = gold_on(JOINED, (3, 5, "ORG"), (6, 9, "PER"), task=task)
    assert gold.spans.tolist() == [[2, 3, 1], [3, 3, 0]]
    assert gold.cut.tolist() == [True, True]
    answer = certain(gold, JOINED, task)
    assert answer == (Span(2, 3, "ORG"),)
    score = score_on(JOINED, gold, answer, task)
    assert (score.ceiling.f1, score.ceiling.cut) == (0.0, 2)
    assert (score.rows["ORG"].support, score.rows["PER"].support) == (1, 1)


def test_an_entity_that_begins_in_the_word_of_another_has_the_words_after_it():
    gold = gold_on(JOINED, (0, 5, "ORG"), (6, 13, "PER"))
    assert gold.spans.tolist() == [[0, 3, 1], [3, 4, 0]]


def test_an_entity_on_no_word_is_counted_and_never_found():
    # All of it was markup, or characters that the tokenizer drops.
    words = [(0, 2), (8, 9)]
    gold = gold_on(words, (3, 7, "ORG"), (8, 9, "PER"))
    assert gold.spans.tolist() == [[1, 1, 1], [1, 2, 0]]
    score = score_on(words, gold, certain(gold, words))
    assert score.rows["ORG"].support == 1
    assert score.headline == score.ceiling.f1 == pytest.approx(2 / 3)
    nothing = gold_on(np.zeros((0, 2)), (3, 7, "ORG"))
    assert score_on(np.zeros((0, 2)), nothing, ()).rows["ORG"].support == 1


def test_entities_are_found_by_character_whatever_words_they_are_made_of():
    # An answer is right if it covers the gold's characters, not if it has the gold's words.
    gold = gold_on(JOINED, (0, 9, "ORG"))
    assert score_on(JOINED, gold, (Span(0, 3, "ORG"),)).headline == 1.0
    assert score_on(JOINED, gold, (Span(0, 2, "ORG"),)).headline == 0.0


@pytest.mark.parametrize("task", [NER, NER_IO], ids=["iob2", "io"])
def test_no_answer_scores_above_the_ceiling_and_a_perfect_model_reaches_it(task):
    rng = np.random.default_rng(0)
    cut = 0
    for _ in range(300):
        edges = np.unique(rng.integers(0, 30, 14))[: 2 * int(rng.integers(1, 6))]
        words = edges[: len(edges) // 2 * 2].reshape(-1, 2)
        labels, end = [], 0
        while (start := end + int(rng.integers(0, 6))) < 29:
            end = start + int(rng.integers(1, 8))
            labels.append((start, end, str(rng.choice(TYPES))))
        gold = gold_on(words, *labels, task=task)
        score = score_on(words, gold, certain(gold, words, task), task)
        assert score.headline == pytest.approx(score.ceiling.f1 if labels else 0.0)
        assert score.ceiling.cut == gold.cut.sum()
        assert score.totals["strict, overall"].recall <= 1 - gold.cut.mean() if labels else True
        cut += score.ceiling.cut
    assert cut > 100


# Classes and their weights


def test_the_classes_of_the_head_are_the_tags_of_the_scheme():
    labels = ("O", "PER", "ORG")
    assert Entities("ner", labels, "io").classes == labels
    iob2 = Entities("ner", labels, "iob2")
    assert iob2.classes == ("O", "B-PER", "I-PER", "B-ORG", "I-ORG")
    assert iob2.entity_types == ("PER", "ORG")
    assert iob2.describe() == {"kind": "entities", "labels": list(labels), "scheme": "iob2"}


@pytest.mark.parametrize(
    ("scheme", "given", "expected"),
    [
        ("iob2", {"PER": 2.0}, [1, 2, 2, 1, 1]),
        ("iob2", {"B-PER": 2.0}, [1, 2, 1, 1, 1]),
        ("iob2", {"PER": 2.0, "I-PER": 3.0}, [1, 2, 3, 1, 1]),
        ("iob2", {"O": 0.5, "ORG": 4.0}, [0.5, 1, 1, 4, 4]),
        ("io", {"PER": 2.0, "O": 0.5}, [0.5, 2, 1]),
        ("io", {}, [1, 1, 1]),
    ],
)
def test_a_class_weight_of_a_type_covers_its_b_and_i_classes(scheme, given, expected):
    task = Entities("ner", ("O", "PER", "ORG"), scheme)
    assert task.class_weights(given) == expected
    assert set(given) <= set(task.weight_names)


def test_a_type_with_a_hyphen_is_whole_in_either_scheme():
    labels = ("O", "sports", "e-sports", "B-movies")
    io = Entities("ner", labels, "io")
    assert io.class_weights({"sports": 2.0}) == [1, 2, 1, 1]
    assert io.class_weights({"movies": 2.0}) == [1, 1, 1, 1]
    iob2 = Entities("ner", labels, "iob2")
    assert iob2.class_weights({"sports": 2.0}) == [1, 2, 2, 1, 1, 1, 1]
    assert iob2.class_weights({"B-movies": 2.0}) == [1, 1, 1, 1, 1, 2, 2]
    for task in (io, iob2):
        spans = (Span(0, 2, "e-sports"), Span(3, 4, "B-movies"))
        words = letters(5)
        gold = gold_of(task, in_characters(spans, words), words)
        ids = class_ids(gold.spans, 5, task.scheme)
        log_probs = task.normalize(10.0 * np.eye(len(task.classes))[ids])
        assert task.answer(log_probs) == spans
        result = task.as_json(spans, log_probs, "a b c d e", words)
        assert [entity["label"] for entity in result] == ["e-sports", "B-movies"]
        assert all(entity["score"] > 0.99 for entity in result)


@pytest.mark.parametrize(
    ("labels", "problem"),
    [
        (("PER", "ORG"), "labels: an entity task needs the label 'O' for words outside entities."),
        (("PER", "O"), "labels: put 'O' first."),
        (("O", "PER", "PER"), "labels: the same label twice in O, PER, PER."),
        (("O",), "labels: name at least two labels, as in ('sports', 'others')."),
    ],
)
def test_labels_without_o_in_first_place_are_a_problem(labels, problem):
    assert list(Entities("ner", labels).problems()) == [problem]
    assert list(NER.problems()) == []


# From a file


def test_tags_are_read_with_the_task_s_names_and_a_type_mapped_to_o_is_dropped():
    names = {"PERSON": "PER", "DATE": "O"}
    asked = []

    def read(name, shown, word):
        asked.append((shown, word))
        return names.get(name, name)

    tags = ["B-PERSON", "I-PERSON", "O", "B-DATE", "B-LOC"]
    words = [(0, 3), (4, 7), (7, 8), (9, 12), (14, 16)]
    assert NER.from_tags(tags, words, "iob2", read) == (Span(0, 7, "PER"), Span(14, 16, "LOC"))
    assert asked[:5] == list(zip(tags, range(5), strict=True))  # every tag is looked up as written


def test_a_type_that_begins_like_a_prefix_is_whole_in_io():
    def read(name, shown, word):
        return name

    tags = ["B-movie", "B-movie", "O"]
    assert NER.from_tags(tags, letters(3), "io", read) == (Span(0, 3, "B-movie"),)


def test_character_spans_are_read_with_the_task_s_names_and_a_type_mapped_to_o_is_dropped():
    names = {"PERSON": "PER", "DATE": "O"}
    given = [Span(0, 7, "PERSON"), Span(9, 12, "DATE"), Span(14, 16, "LOC")]

    def read(name, shown, index):
        assert given[index].label == name == shown
        return names.get(name, name)

    assert NER.from_spans(given, read) == (Span(0, 7, "PER"), Span(14, 16, "LOC"))


# Results


def test_a_result_has_character_offsets_and_the_probability_of_exactly_this_entity():
    text, words = "Ann Lee left Oslo", [(0, 3), (4, 7), (8, 12), (13, 17)]
    probs = np.full((4, 7), 0.01)
    for word, (name, p) in enumerate([("B-PER", 0.94), ("I-PER", 0.6), ("O", 0.9), ("B-LOC", 0.8)]):
        probs[word, NER.classes.index(name)] = p
    result = NER.as_json(NER.answer(np.log(probs)), np.log(probs), text, words)
    spans = [Span(0, 2, "PER"), Span(3, 4, "LOC")]
    log_probs = np.log(probs / probs.sum(axis=1, keepdims=True))
    expected = span_probabilities(log_probs, spans, NER.labels, "iob2").tolist()
    assert 0.9 < expected[0] < 0.95, "0.94 x 0.6 over what is legal"
    assert [entity.pop("score") for entity in result] == pytest.approx(expected)
    assert result == [
        {"text": "Ann Lee", "label": "PER", "start": 0, "end": 7},
        {"text": "Oslo", "label": "LOC", "start": 13, "end": 17},
    ]


@pytest.mark.parametrize("name", ["iob2", "io"])
def test_tags_offsets_and_text_of_a_result_agree_with_the_answer(name):
    task = {"iob2": NER, "io": NER_IO}[name]
    for sentence in drawn(name, seed=11):
        count = len(sentence.words)
        words = [(3 * i, 3 * i + 2) for i in range(count)]
        text = " ".join(f"w{i % 10}" for i in range(count))
        answer = task.answer(sentence.log_probs)
        result = task.as_json(answer, sentence.log_probs, text, words)
        assert [entity["text"] for entity in result] == [
            text[3 * span.start : 3 * span.end - 1] for span in answer
        ]
        assert all(text[e["start"] : e["end"]] == e["text"] for e in result)
        assert task.as_tags(result, words) == spans_to_tags(answer, count, "iob2")
        assert task.as_spans(result) == result
        assert json.loads(task.as_cells(result)["ner"]) == result


def test_a_sentence_without_entities_is_shown_as_none():
    assert NER.as_lines([]) == ["ner: (none)"]
    entity = {"text": "Ann", "label": "PER", "start": 0, "end": 3, "score": 0.987}
    assert NER.as_lines([entity, entity]) == ["ner: Ann (PER) 0.99"] * 2
