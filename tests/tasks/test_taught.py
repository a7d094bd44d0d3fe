"""What a task makes of teachers' answers: with other words, schemes or labels, and from files."""

import numpy as np
import pytest

from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from mtt_jax.tasks.align import overlapping

NER_IO = Entities("ner", ("O", "PER", "LOC"), "io")
NER = Entities("ner", ("O", "PER", "LOC"), "iob2")
TOPIC = Classes("topic", ("sports", "politics"))
SUBJECTS = Multilabel("subjects", ("money", "law"))
POS = Tags("pos", ("NOUN", "VERB"))
WORDS = np.array([[0, 3], [4, 7], [8, 9]])  # Tom Fry ran


def places(*pairs):
    return np.array(pairs, np.int32).reshape(-1, 2)


def same(name):
    assert name in ("PER", "LOC", "sports", "politics", "money", "law", "NOUN", "VERB")
    return name


# Words


def test_equal_words_are_aligned_one_to_one():
    first, inside = overlapping(WORDS, WORDS)
    assert first.tolist() == [0, 1, 2]
    assert not inside.any()


def test_a_word_takes_the_first_of_several_words_that_it_covers():
    first, inside = overlapping(places((0, 2), (2, 4), (5, 9)), places((0, 4), (5, 9)))
    assert first.tolist() == [0, 2]
    assert not inside.any()


def test_words_inside_one_word_all_take_it_and_only_the_first_begins_there():
    first, inside = overlapping(places((0, 4), (5, 9)), places((0, 2), (2, 3), (3, 4), (5, 9)))
    assert first.tolist() == [0, 0, 0, 1]
    assert inside.tolist() == [False, True, True, False]


def test_a_word_without_a_character_in_common_has_no_answer():
    first, _ = overlapping(places((0, 3), (8, 9)), WORDS)
    assert first.tolist() == [0, -1, 1]
    assert overlapping(places(), WORDS)[0].tolist() == [-1, -1, -1]
    rows = POS.at_words(np.array([[0.9, 0.1], [0.2, 0.8]]), places((0, 3), (8, 9)), WORDS)
    np.testing.assert_array_equal(rows, [[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])


def test_an_entity_of_one_word_begins_once_if_the_student_reads_it_as_several():
    row = np.array([[0.1, 0.7, 0.2, 0.0, 0.0]])  # O, B-PER, I-PER, B-LOC, I-LOC
    rows = NER.at_words(row, places((0, 5)), places((0, 2), (2, 3), (3, 5)))
    np.testing.assert_allclose(rows[0], row[0])
    np.testing.assert_allclose(rows[1:], [[0.1, 0.0, 0.9, 0.0, 0.0]] * 2)


# Classes and schemes


def test_io_becomes_iob2_an_entity_begins_where_the_word_before_is_of_no_such_type():
    found = NER.adopt(np.array([[0.2, 0.8, 0.0], [0.5, 0.5, 0.0]]), NER_IO, {})
    np.testing.assert_allclose(found, [[0.2, 0.8, 0, 0, 0], [0.5, 0.1, 0.4, 0, 0]], atol=1e-12)


def test_iob2_becomes_io_by_adding_what_begins_and_what_goes_on():
    found = NER_IO.adopt(np.array([[0.1, 0.3, 0.2, 0.25, 0.15]]), NER, {})
    np.testing.assert_allclose(found, [[0.1, 0.5, 0.4]])


def test_labels_are_found_by_their_names_whatever_their_order():
    teacher = Classes("topic", ("politics", "sports"))
    assert TOPIC.problem_of_teacher(teacher, {}) == ""
    np.testing.assert_allclose(TOPIC.adopt(np.array([0.9, 0.1]), teacher, {}), [0.1, 0.9])
    teacher = Entities("ner", ("O", "LOC", "PER"), "iob2")
    found = NER.adopt(np.array([[0.1, 0.2, 0.3, 0.15, 0.25]]), teacher, {})
    np.testing.assert_allclose(found, [[0.1, 0.15, 0.25, 0.2, 0.3]])


def test_labels_that_are_mapped_to_one_name_are_one_and_a_type_mapped_to_o_is_none():
    teacher = Classes("topic", ("football", "tennis", "politics"))
    rename = {"football": "sports", "tennis": "sports"}
    assert TOPIC.problem_of_teacher(teacher, rename) == ""
    np.testing.assert_allclose(TOPIC.adopt(np.array([0.2, 0.3, 0.5]), teacher, rename), [0.5, 0.5])
    teacher = Entities("ner", ("O", "PER", "LOC", "MISC"), "io")
    assert NER.problem_of_teacher(teacher, {"MISC": "O"}) == ""
    found = NER_IO.adopt(np.array([[0.1, 0.2, 0.3, 0.4]]), teacher, {"MISC": "O"})
    np.testing.assert_allclose(found, [[0.5, 0.2, 0.3]])


def test_labels_that_disagree_and_other_kinds_are_a_problem():
    teacher = Classes("topic", ("sports", "science"))
    expected = "its labels are sports, science, not sports, politics"
    assert TOPIC.problem_of_teacher(teacher, {}) == expected
    assert "of kind tags, not classes" in TOPIC.problem_of_teacher(POS, {})


@pytest.mark.parametrize("task", [TOPIC, SUBJECTS, NER, NER_IO, POS], ids=lambda t: t.kind)
def test_probabilities_become_log_probabilities_and_back(task):
    probs = np.random.default_rng(0).dirichlet(np.ones(len(task.classes)), 4)
    np.testing.assert_allclose(task.probabilities(task.as_log_probs(probs)), probs, atol=1e-5)
    np.testing.assert_allclose(task.adopt(probs, task, {}), probs, atol=0.6)


# Answers in files


@pytest.mark.parametrize("task", [TOPIC, SUBJECTS, POS], ids=lambda t: t.kind)
def test_what_a_result_holds_is_read_back(task):
    axes = (3,) if task.unit == "word" else ()
    log_probs = np.log(np.random.default_rng(0).dirichlet([1, 1], axes)).astype(np.float32)
    result = task.as_json(task.answer(log_probs), log_probs, "Tom Fry r", WORDS.tolist())
    expected = task.probabilities(log_probs)
    np.testing.assert_allclose(task.from_answer(result, WORDS, same), expected, atol=1e-6)


def test_the_score_of_a_span_is_on_its_tags_and_the_rest_on_o():
    spans = [{"start": 0, "end": 7, "label": "PER", "score": 0.75}]
    expected = [[0.25, 0.75, 0, 0, 0], [0.25, 0, 0.75, 0, 0], [1, 0, 0, 0, 0]]
    np.testing.assert_allclose(NER.from_answer(spans, WORDS, same), expected)
    expected = [[0.25, 0.75, 0], [0.25, 0.75, 0], [1, 0, 0]]
    np.testing.assert_allclose(NER_IO.from_answer(spans, WORDS, same), expected)


def test_spans_that_overlap_share_their_words():
    spans = [
        {"start": 0, "end": 3, "label": "PER", "score": 0.9},
        {"start": 0, "end": 3, "label": "LOC", "score": 0.6},
    ]
    np.testing.assert_allclose(NER_IO.from_answer(spans, WORDS, same)[0], [0, 0.6, 0.4])


def test_a_label_without_a_score_is_sure():
    assert TOPIC.from_answer("politics", WORDS, same).tolist() == [0, 1]
    assert TOPIC.from_answer({"label": "sports", "score": 0.7}, WORDS, same).tolist() == [
        0.7,
        pytest.approx(0.3),
    ]
    assert TOPIC.from_answer({"label": None}, WORDS, same) is None
    assert SUBJECTS.from_answer(["law"], WORDS, same).tolist() == [0, 1]
    rows = NER_IO.from_answer([{"start": 4, "end": 7, "label": "LOC"}], WORDS, same)
    assert rows[1].tolist() == [0, 0, 1]


def test_classes_without_a_score_share_what_the_others_leave():
    task = Classes("topic", ("a", "b", "c", "d"))

    def found(**scores):
        return task.from_answer({"scores": scores}, WORDS, str).tolist()

    assert found(b=0.4) == pytest.approx([0.2, 0.4, 0.2, 0.2])
    assert found(b=0.4) == pytest.approx(
        task.from_answer({"label": "b", "score": 0.4}, WORDS, str).tolist()
    )
    assert found(a=0.5, b=0.3) == pytest.approx([0.5, 0.3, 0.1, 0.1])
    assert found(a=0.6, b=0.6) == pytest.approx([0.5, 0.5, 0, 0])
    assert found(a=0.1, b=0.1, c=0.1, d=0.1) == pytest.approx([0.25] * 4)


@pytest.mark.parametrize(
    ("task", "value", "message"),
    [
        (TOPIC, 3, "expected a label"),
        (TOPIC, {"label": "sports", "score": 3}, "expected a score from 0 to 1, got 3"),
        (TOPIC, {"scores": {"sports": 0}}, "expected a score above 0"),
        (TOPIC, {"scores": [0.3, 0.7]}, "expected a label"),
        (TOPIC, {"label": "sports", "scores": [0.3, 0.7]}, "expected a label"),
        (TOPIC, {"class": "sports", "confidence": 0.9}, "expected a label"),
        (TOPIC, {}, "expected a label"),
        (SUBJECTS, {}, "expected"),
        (SUBJECTS, "law", "expected"),
        (NER, {"PER": "Tom"}, "expected a list of spans"),
        (NER, [{"text": "Tom", "label": "PER"}], "expected spans with offsets"),
        (POS, ["NOUN"], "expected spans with offsets"),
    ],
)
def test_an_answer_of_another_shape_is_refused(task, value, message):
    with pytest.raises(ValueError, match=message):
        task.from_answer(value, WORDS, same)


# Targets


def test_confidence_is_the_probability_of_the_decision():
    assert TOPIC.confidence(np.array([0.8, 0.2])) == 0.8
    assert NER_IO.confidence(np.array([[0.5, 0.3, 0.2], [0, 1, 0]])).tolist() == [0.5, 1]
    assert SUBJECTS.confidence(np.array([0.9, 0.4])) == pytest.approx(0.6)


def test_a_soft_target_is_on_the_first_subword_and_masked_without_an_answer():
    rows = np.array([[0.9, 0.1], [np.nan, np.nan], [0.2, 0.8]])
    values, mask = POS.soft_target(rows, np.array([0, 1, 2]), np.array([1, 3, 4]), 6)
    assert mask.tolist() == [0, 1, 0, 0, 1, 0]
    np.testing.assert_allclose(values[[1, 4]], rows[[0, 2]], rtol=1e-6)
    assert not values[mask == 0].any()
    values, mask = TOPIC.soft_target(np.array([0.9, 0.1]), *[np.zeros(0, int)] * 2, 6)
    assert mask == 1
    assert TOPIC.soft_target(np.array([np.nan, np.nan]), *[np.zeros(0, int)] * 2, 6)[1] == 0
