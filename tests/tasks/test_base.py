"""What every kind of task promises: labels go to arrays and back, counts add up, answers print."""

import dataclasses
import json
import math
from collections import Counter
from types import SimpleNamespace

import numpy as np
import pytest

from mtt_jax.tasks import KINDS, Classes, Entities, Masked, Multilabel, Tags, make_task
from mtt_jax.tasks.base import cuts_word, words_of
from mtt_jax.tasks.calibrate import joined, reliability
from mtt_jax.types import Span
from tests.helpers import assert_trees_equal
from tests.tasks.drawn import TASKS, counts_of, drawn, drawn_label, letters, tags_of

every_kind = pytest.mark.parametrize("name", TASKS)


def test_there_are_four_kinds_that_answer_and_one_that_does_not():
    assert list(KINDS) == ["classes", "multilabel", "entities", "tags", "mlm"]
    assert list(KINDS.values()) == [Classes, Multilabel, Entities, Tags, Masked]


@pytest.mark.parametrize("kind", KINDS)
def test_a_task_is_made_from_its_section_of_a_config(kind):
    section = SimpleNamespace(kind=kind, labels=["O", "PER"], scheme="iob2", masked=0.2)
    task = make_task("x", section)
    assert type(task) is KINDS[kind]
    assert (task.name, task.labels) == ("x", ("O", "PER"))
    assert task.describe()["kind"] == kind
    assert task.describe()["labels"] == ["O", "PER"]


@every_kind
def test_a_sentence_without_a_label_is_not_labelled_and_has_no_example(name):
    task, rng = TASKS[name], np.random.default_rng(0)
    words = [letters(n) for n in rng.integers(1, 9, 30)]
    labels = [drawn_label(name, rng, some) if rng.random() < 0.6 else None for some in words]
    arrays = task.encode(labels, words)
    assert task.labelled(arrays).tolist() == [label is not None for label in labels]
    for index, label in enumerate(labels):
        assert (task.example(arrays, index) is None) == (label is None)


@every_kind
def test_a_label_in_the_form_of_a_result_is_the_label_that_was_given(name):
    task, rng = TASKS[name], np.random.default_rng(2)
    words = [letters(n) for n in rng.integers(1, 9, 30)]
    labels = [drawn_label(name, rng, some) for some in words]
    arrays = task.encode(labels, words)
    for index, (label, some) in enumerate(zip(labels, words, strict=True)):
        text = "a " * len(some)
        found = json.loads(json.dumps(task.given(task.example(arrays, index), text, some)))
        if task.unit == "word":
            assert [(s["start"], s["end"], s["label"]) for s in found] == sorted(label)
            assert all(s["text"] == text[s["start"] : s["end"]] for s in found)
        else:
            assert found == (
                {"label": label} if isinstance(label, str) else {"labels": list(label)}
            )


@every_kind
def test_no_sentences_at_all_can_be_encoded(name):
    arrays = TASKS[name].encode([], [])
    assert TASKS[name].labelled(arrays).tolist() == []


@every_kind
def test_the_label_of_a_sentence_does_not_depend_on_the_other_sentences(name):
    task, rng = TASKS[name], np.random.default_rng(1)
    words = [letters(n) for n in rng.integers(0, 9, 20)]
    labels = [drawn_label(name, rng, some) for some in words]
    together = task.encode(labels, words)
    for index, (label, some) in enumerate(zip(labels, words, strict=True)):
        alone = task.example(task.encode([label], [some]), 0)
        assert_trees_equal(task.example(together, index), alone)


@every_kind
def test_arrays_can_be_saved_without_pickle(name, tmp_path):
    task, rng = TASKS[name], np.random.default_rng(2)
    words = [letters(n) for n in (3, 4, 5)]
    arrays = task.encode([drawn_label(name, rng, some) for some in words], words)
    np.savez(tmp_path / "arrays.npz", **arrays)
    with np.load(tmp_path / "arrays.npz", allow_pickle=False) as file:
        for index in range(3):
            assert_trees_equal(task.example(file, index), task.example(arrays, index))


@every_kind
def test_holds_says_which_labels_occur_in_each_sentence_in_the_order_asked_for(name):
    task, rng = TASKS[name], np.random.default_rng(3)
    words = [letters(n) for n in rng.integers(0, 9, 40)]
    labels = [drawn_label(name, rng, some) for some in words]
    arrays = task.encode(labels, words)
    part = rng.permutation(40)[:25]
    held = task.holds(arrays, part)
    assert (held.shape, held.dtype) == ((25, len(task.labels)), bool)
    for row, index in enumerate(part):
        label = labels[index]
        if name == "classes":
            expected = {label}
        elif name in ("io", "iob2"):
            expected = {span.label for span in label} or {"O"}
        elif name == "tags":
            expected = {span.label for span in label}
        else:
            expected = set(label)
        assert {task.labels[c] for c in np.flatnonzero(held[row])} == expected


@every_kind
def test_a_target_has_the_shape_and_the_range_that_the_task_declares(name):
    task, length = TASKS[name], 20
    for sentence in drawn(name, count=20):
        words = np.arange(len(sentence.words))
        values, mask = task.target(sentence.gold, words, words + 1, length)
        unit = () if task.unit == "sentence" else (length,)
        assert np.shape(values) == (*unit, *task.target_shape)
        assert np.shape(mask) == unit
        assert np.array_equal(np.asarray(values).astype(task.target_dtype), values)
        assert np.all(np.asarray(values) >= 0)
        assert np.all(np.asarray(values) < len(task.classes))


@every_kind
def test_a_target_per_word_sits_on_the_first_subword_and_the_others_are_masked(name):
    task = TASKS[name]
    if task.unit != "word":
        return
    rng = np.random.default_rng(4)
    for sentence in drawn(name, count=30):
        starts = 1 + np.cumsum(rng.integers(1, 4, len(sentence.words))) - 1
        decided = np.flatnonzero(rng.random(len(sentence.words)) < 0.7)  # as in a window
        values, mask = task.target(sentence.gold, decided, starts[decided], 40)
        whole, known = task.target(sentence.gold, np.arange(len(sentence.words)), starts, 40)
        assert set(np.flatnonzero(mask)) == set(starts[decided]) & set(np.flatnonzero(known))
        np.testing.assert_array_equal(values[mask > 0], whole[mask > 0])
        assert not values[mask == 0].any()


@every_kind
def test_counts_of_parts_add_up_to_the_score_of_the_whole(name):
    task, sentences = TASKS[name], list(drawn(name, seed=5, count=80))
    counts = counts_of(task, sentences)
    whole = task.score(sum(counts, Counter()), 0.25)
    for cuts in ([1], [3, 4, 60], [0, 80]):
        edges = [0, *cuts, 80]
        parts = [sum(counts[a:b], Counter()) for a, b in zip(edges[:-1], edges[1:], strict=True)]
        assert task.score(sum(parts[::-1], Counter()), 0.25) == whole
    assert whole.sentences == 80
    assert whole.loss == 0.25
    assert 0 < whole.headline < 1


@every_kind
@pytest.mark.parametrize("seed", range(4))
def test_tallies_add_up_and_their_headline_is_that_of_the_score(name, seed):
    task, sentences = TASKS[name], list(drawn(name, seed, sure=1.0 + seed))
    counts = counts_of(task, sentences)
    tallies = np.stack([task.tallies(one) for one in counts])
    assert tallies.dtype == np.int64
    merged = sum(counts, Counter())
    np.testing.assert_array_equal(tallies.sum(axis=0), task.tallies(merged))
    assert task.headline(tallies.sum(axis=0)) == pytest.approx(task.score(merged, 0.0).headline)


@every_kind
def test_the_headline_of_many_tallies_at_once_is_that_of_each(name):
    task = TASKS[name]
    tallies = np.stack([task.tallies(one) for one in counts_of(task, drawn(name, seed=6))])
    resampled = np.random.default_rng(0).integers(0, len(tallies), (7, 5, len(tallies)))
    sums = tallies[resampled].sum(axis=2)  # [7, 5, 3, X]
    found = task.headline(sums)
    assert found.shape == (7, 5)
    for index in np.ndindex(7, 5):
        assert found[index] == pytest.approx(float(task.headline(sums[index])))


@every_kind
def test_a_split_without_sentences_scores_zero(name):
    score = TASKS[name].score(Counter(), 0.0)
    assert score.headline == 0.0
    assert score.sentences == 0
    assert all(row.support == 0 for row in score.rows.values())
    assert TASKS[name].headline(TASKS[name].tallies(Counter())) == 0.0


@every_kind
def test_what_is_right_throughout_scores_one(name):
    sentences = list(drawn(name, seed=7, sure=60.0))
    score = TASKS[name].score(sum(counts_of(TASKS[name], sentences), Counter()), 0.0)
    merges = name == "io"  # adjacent entities of one type cannot be told apart
    assert score.headline == (pytest.approx(score.ceiling.f1) if merges else 1.0)
    assert all(figure.value <= 1.0 for figure in score.figures)


@every_kind
def test_the_cross_entropy_is_that_of_the_probabilities(name):
    task = TASKS[name]
    for sentence in drawn(name, seed=8, count=20):
        total, count = task.cross_entropy(sentence.gold, sentence.log_probs)
        if name == "multilabel":
            probs = 1 / (1 + np.exp(-sentence.log_probs.astype(np.float64)))
            right = np.where(sentence.gold > 0.5, probs, 1 - probs)
            expected, units = -np.log(right).mean(), 1
        elif name == "classes":
            expected, units = -sentence.log_probs[task.labels.index(sentence.label)], 1
        else:
            words = np.arange(len(sentence.words))
            values, mask = task.target(sentence.gold, words, words, len(words))
            chosen = np.flatnonzero(mask)
            expected = -sentence.log_probs[chosen, values[chosen]].sum()
            units = len(chosen)
        assert count == units
        assert total == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("name", [name for name in TASKS if name != "multilabel"])
def test_log_probabilities_are_the_log_softmax_of_logits_of_any_size(name):
    task = TASKS[name]
    logits = np.random.default_rng(0).normal(size=(3, 5, len(task.classes))) * 500
    log_probs = task.normalize(logits)
    np.testing.assert_allclose(np.exp(log_probs).sum(axis=-1), 1.0)
    np.testing.assert_allclose(np.diff(log_probs), np.diff(logits), rtol=1e-9, atol=1e-9)


def results(name, seed=9):
    """(sentence, result, text, words) of a task's answers to a text of one-letter words."""
    task = TASKS[name]
    for sentence in drawn(name, seed, count=30):
        words = [(start, end) for start, end in sentence.words.tolist()]
        text = " ".join("abcdefghijklmnop"[: len(words)])
        answer = task.answer(sentence.log_probs)
        yield sentence, task.as_json(answer, sentence.log_probs, text, words), text, words


def scores_in(value):
    """Every number under "score" or "scores" in a result."""
    if isinstance(value, dict):
        for key, inner in value.items():
            if key == "score":
                yield inner
            elif key == "scores":
                yield from inner.values()
    elif isinstance(value, list):
        for inner in value:
            yield from scores_in(inner)


@every_kind
def test_a_result_is_plain_json_with_probabilities(name):
    for _, result, _, _ in results(name):
        assert json.loads(json.dumps(result)) == result
        assert all(0.0 <= score <= 1.0 for score in scores_in(result))


@every_kind
def test_a_table_has_the_same_columns_with_and_without_an_answer(name):
    task = TASKS[name]
    empty = task.as_cells(None)
    assert list(empty)[0] == task.name
    assert set(empty.values()) == {""}
    for _, result, _, _ in results(name):
        cells = task.as_cells(result)
        assert list(cells) == list(empty)
        assert all(isinstance(cell, str) for cell in cells.values())


@every_kind
def test_an_answer_is_shown_to_a_person_in_lines_that_begin_with_the_task(name):
    for _, result, _, _ in results(name):
        lines = TASKS[name].as_lines(result)
        assert lines
        assert all(line.startswith(f"{TASKS[name].name}: ") for line in lines)
        assert all("\n" not in line for line in lines)


@every_kind
def test_only_a_task_per_word_has_tags_and_only_one_per_sentence_a_title(name):
    task = TASKS[name]
    for sentence, result, _, words in results(name):
        tags = task.as_tags(result, words)
        if task.unit == "word":
            assert len(tags) == len(sentence.words)
            assert task.as_title(result) == ""
        else:
            assert tags is None
            assert task.as_title(result) == task.as_cells(result)[task.name]


@every_kind
def test_what_was_chosen_on_dev_can_be_written_and_read(name):
    sentences = list(drawn(name, seed=10))
    gold, log_probs = [s.gold for s in sentences], [s.log_probs for s in sentences]
    words = [s.words for s in sentences]
    fitted = TASKS[name].calibrate(gold, log_probs, words).fit(gold, log_probs)
    written = json.loads(json.dumps(fitted.fitted()))
    assert TASKS[name].with_fitted(written) == fitted
    assert TASKS[name].with_fitted({}) == TASKS[name]
    assert (fitted == TASKS[name]) == (written == {})
    chosen = {"temperature", "thresholds"} if name == "multilabel" else {"temperature"}
    assert set(written) == chosen


def pieces(name, seed=10, **options):
    """(gold, log-probabilities, words) of drawn sentences, a list of each."""
    sentences = list(drawn(name, seed, **options))
    return (
        [s.gold for s in sentences],
        [s.log_probs for s in sentences],
        [s.words for s in sentences],
    )


@every_kind
def test_a_task_without_sentences_to_choose_on_stays_as_it_is(name):
    task = dataclasses.replace(TASKS[name], temperature=1.5)
    assert task.calibrate([], [], []) == task
    assert task.fit([], []) == task


@every_kind
@pytest.mark.parametrize("temperature", [0.5, 1.0, 1.7, 4.0])
def test_the_temperature_changes_no_answer(name, temperature):
    task = TASKS[name]
    hotter = dataclasses.replace(task, temperature=temperature)
    for log_probs in pieces(name)[1]:
        assert np.array_equal(hotter.answer(log_probs), task.answer(log_probs))


@every_kind
def test_the_temperature_divides_the_logits(name):
    task = dataclasses.replace(TASKS[name], temperature=1.7)
    logits = np.random.default_rng(0).normal(size=(5, len(task.classes))) * 4
    expected = task.normalize(logits / 1.7)
    np.testing.assert_allclose(task.scaled(task.normalize(logits)), expected, atol=1e-12)


@every_kind
def test_calibration_lowers_the_error_of_scores_that_are_too_sure(name):
    task = TASKS[name]
    gold, log_probs, words = pieces(name, count=300)
    log_probs = [task.normalize(3 * one) for one in log_probs]  # a model that exaggerates
    fitted = task.calibrate(gold, log_probs, words)
    assert fitted.temperature > 1.5

    def ece(one):
        found = [one.decisions(*three) for three in zip(gold, log_probs, words, strict=True)]
        return reliability(joined(found).scores, joined(found).right).ece

    assert ece(fitted) < ece(task) / 2


@every_kind
def test_a_temperature_has_the_lowest_cross_entropy_of_its_neighbors(name):
    gold, log_probs, words = pieces(name, count=100)
    curve = TASKS[name].curve(gold, log_probs, words)
    best = TASKS[name].calibrate(gold, log_probs, words).temperature
    assert curve(best) <= min(curve(best * 1.02), curve(best / 1.02))


@every_kind
def test_results_of_several_texts_are_those_of_each(name):
    task = dataclasses.replace(TASKS[name], temperature=1.3)
    task = task.with_thresholds([0.6] * len(task.answer_labels))
    _, log_probs, words = pieces(name)
    words = [[(int(a), int(b)) for a, b in places] for places in words]
    texts = [" ".join("abcdefghijklmnop"[: len(places)]) for places in words]
    together = task.results(log_probs, texts, words)
    for log_prob, text, places, result in zip(log_probs, texts, words, together, strict=True):
        alone = task.as_json(task.answer(log_prob), log_prob, text, places)
        assert json.dumps(without_scores(alone)) == json.dumps(without_scores(result))
        np.testing.assert_allclose(list(scores_in(alone)), list(scores_in(result)), rtol=1e-6)


def without_scores(result):
    if isinstance(result, list):
        return [without_scores(item) for item in result]
    return {key: value for key, value in result.items() if key not in ("score", "scores")}


@every_kind
def test_below_its_threshold_nothing_is_answered_and_above_it_what_was(name):
    task = TASKS[name]
    gold, log_probs, words = pieces(name)
    low = task.with_thresholds([0.7] * len(task.answer_labels))
    kept = left = 0
    for one, found, places in zip(gold, log_probs, words, strict=True):
        decisions = task.decisions(one, found, places)
        # right, found and given, of all labels together
        answered = task.tallies(task.count(one, low.answer(found), places))[1].sum()
        assert answered == (decisions.scores >= 0.7).sum()
        kept, left = kept + answered, left + (decisions.scores < 0.7).sum()
    assert kept > 10
    assert left > 10


@every_kind
def test_an_answer_that_is_left_out_is_shown_in_every_format(name):
    task = TASKS[name]
    never = task.with_thresholds([math.inf] * len(task.answer_labels))
    assert set(never.fitted()["thresholds"].values()) == {None}
    assert task.with_fitted(json.loads(json.dumps(never.fitted()))) == never
    log_probs = drawn_log_probs(name)
    text, words = "a b c", [(0, 1), (2, 3), (4, 5)]
    (result,) = never.results([log_probs], [text], [words])
    assert json.loads(json.dumps(result)) == result
    assert never.as_title(result) == ""
    expected = {
        "classes": ["topic: (none) "],
        "multilabel": ["subjects: (none)"],
        "tags": ["pos: a/_ b/_ c/_"],
        "io": ["ner: (none)"],
        "iob2": ["ner: (none)"],
    }
    (line,) = never.as_lines(result)
    assert line.startswith(expected[name][0])
    tags = {"tags": ["_"] * 3, "io": ["O"] * 3, "iob2": ["O"] * 3}
    assert never.as_tags(result, words) == tags.get(name)
    if name == "classes":
        assert result["label"] is None
        assert result["score"] == max(result["scores"].values())
        assert never.as_cells(result)["topic"] == ""
    if name == "tags":
        assert [word["label"] for word in result] == [None] * 3
        assert all(word["score"] > 0 for word in result)


def drawn_log_probs(name):
    """Of a sentence of three words."""
    task = TASKS[name]
    shape = (3, len(task.classes)) if task.unit == "word" else (len(task.classes),)
    return task.normalize(np.random.default_rng(3).normal(size=shape) * 3)


@pytest.mark.parametrize("temperature", [0, 1e-320, 1e9, -1, float("nan"), float("inf"), "hot"])
def test_a_temperature_that_would_make_scores_nan_or_all_alike_is_refused(temperature):
    with pytest.raises(ValueError, match="temperature|hot"):
        TASKS["classes"].with_fitted({"temperature": temperature})


@pytest.mark.parametrize("kind", [Classes, Multilabel, Tags])
def test_labels_that_occur_twice_or_are_empty_are_a_problem(kind):
    assert list(kind("x", ("a", "b")).problems()) == []
    (twice,) = kind("x", ("a", "b", "a")).problems()
    assert twice == "labels: the same label twice in a, b, a."
    (empty,) = kind("x", ("a", "")).problems()
    assert empty == "labels: a label is an empty text."


@pytest.mark.parametrize("kind", [Classes, Tags])
def test_a_single_label_is_a_problem_because_it_leaves_nothing_to_decide(kind):
    (few,) = kind("x", ("a",)).problems()
    assert few == "labels: name at least two labels, as in ('sports', 'others')."


def test_a_multilabel_task_may_have_one_label_which_is_a_yes_or_a_no():
    assert list(Multilabel("x", ("toxic",)).problems()) == []
    (few,) = Multilabel("x", ()).problems()
    assert few == "labels: name at least one label, as in ('sports', 'others')."


# One word is not split into a prefix and a type unless the task writes tags in a scheme.
HYPHENS = ("sports", "e-sports", "B-movies", "I-sports", "O")


@pytest.mark.parametrize("kind", [Classes, Multilabel, Tags])
def test_a_class_weight_is_for_the_class_of_that_very_name(kind):
    task = kind("x", HYPHENS)
    assert task.weight_names == HYPHENS
    assert task.class_weights({"sports": 2.0}) == [2.0, 1.0, 1.0, 1.0, 1.0]
    assert task.class_weights({"I-sports": 3.0, "O": 0.0}) == [1.0, 1.0, 1.0, 3.0, 0.0]
    assert task.class_weights({}) == [1.0] * 5


@pytest.mark.parametrize("kind", [Classes, Multilabel, Tags])
def test_a_label_with_a_hyphen_is_read_answered_and_written_whole(kind):
    task = kind("x", HYPHENS)

    def read(name, *_):
        assert name in HYPHENS, name
        return name

    for index, name in enumerate(HYPHENS):
        peaked = np.where(np.arange(5) == index, 5.0, -5.0).astype(np.float32)
        if kind is Tags:
            label = task.from_tags([name], [(0, 1)], "iob2", read)
            assert label == tags_of([name], [(0, 1)])
            (found,) = task.as_json(task.answer(peaked[None]), peaked[None], "w", [(0, 1)])
            assert found["label"] == name
            assert task.as_tags([found], [(0, 1)]) == [name]
        else:
            label = task.from_value(name, "|", read)
            assert label == (name if kind is Classes else (name,))
            result = task.as_json(task.answer(peaked), peaked, "w", [(0, 1)])
            assert task.as_title(result) == name
        np.testing.assert_array_equal(
            task.holds(task.encode([label], [letters(1)]), np.array([0]))[0], np.arange(5) == index
        )


@pytest.mark.parametrize(
    ("place", "words", "cut"),
    [
        ((0, 2), (0, 1), False),
        ((0, 3), (0, 1), False),  # the edge is in a space
        ((1, 2), (0, 1), True),
        ((0, 5), (0, 2), True),
        ((2, 3), (1, 1), False),  # on no word at all
        ((3, 9), (1, 3), False),
        ((9, 12), (3, 3), False),
    ],
)
def test_a_span_of_characters_has_the_words_that_it_touches(place, words, cut):
    given = np.array([(0, 2), (3, 7), (7, 9)], np.int32)
    assert words_of(*place, given) == words
    assert cuts_word(*place, given) is cut


@every_kind
def test_spans_that_end_inside_a_word_are_counted_as_a_plain_number(name):
    label = {"classes": "sports", "multilabel": ("law",)}.get(name)
    if label is None:
        kind = TASKS[name].labels[-1]
        label = (Span(0, 1, kind), Span(1, 2, kind), Span(3, 7, kind))
    found = TASKS[name].cut(label, np.array([(0, 2), (3, 7)], np.int32))
    assert found == (2 if TASKS[name].unit == "word" else 0)
    assert type(found) is int


def test_tasks_are_equal_if_kind_and_values_are():
    labels = ("O", "PER")
    assert Entities("ner", labels, "iob2") == Entities("ner", labels, "iob2")
    assert Entities("ner", labels, "iob2") != Entities("ner", labels, "io")
    assert Classes("x", labels) != Tags("x", labels)
