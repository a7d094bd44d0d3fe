"""Evaluation: the same scores as scikit-learn's and seqeval's, whatever the batches.

That it scores what the Predictor answers is in test_as_predicted.py.
"""

from bisect import bisect_left

import numpy as np
import pytest
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, f1_score

from mtt_jax.scoring.evaluate import (
    choose_thresholds,
    evaluate,
    fit_tasks,
    overall_score,
    score_inferences,
    sentence_tallies,
)
from mtt_jax.scoring.infer import infer
from mtt_jax.tasks.schemes import spans_to_tags
from mtt_jax.tasks.score import Figure, Score
from mtt_jax.types import Span
from tests.helpers import (
    encoded,
    forward_of,
    four_task_config,
    make_config,
    model_and_params,
    record,
    spaced,
)

CONFIG = four_task_config(tasks__ner__scheme="iob2")
TASKS = {task.name: task for task in CONFIG.task_list}
WORDS = ("Tom", "Fry", "of", "Acme", "United", "scored", "in", "Rome", "the", "minister")
SUBJECTS = TASKS["subjects"].labels


@pytest.fixture(scope="module")
def corpus():
    """Random sentences with random labels, some of them longer than the model reads."""
    rng = np.random.default_rng(0)
    records = []
    for size in rng.integers(1, 60, 50):
        text = " ".join(str(w) for w in rng.choice(WORDS, size))
        spans, at = [], 0
        while (at := at + int(rng.integers(0, 4))) < size:
            end = min(int(size), at + int(rng.integers(1, 3)))
            spans.append((at, end, str(rng.choice(["PER", "ORG", "LOC", "MISC"]))))
            at = end
        topic = str(rng.choice(["sports", "politics", "others"]))
        subjects = tuple(s for s in SUBJECTS if rng.random() < 0.4)
        pos = tuple(str(t) for t in rng.choice(["NOUN", "VERB", "OTHER", ""], size))
        records.append(record(text, topic, spans, subjects=subjects, pos=pos))
    return records


@pytest.fixture(scope="module")
def setup(tokenizer, corpus):
    model, params = model_and_params(CONFIG, tokenizer)
    for name in ("ner", "subjects", "pos"):
        params["heads"][name]["logits"]["kernel"] *= 50  # else everything gets one answer
    return forward_of(model), params, encoded(corpus, tokenizer, CONFIG.task_list)


@pytest.fixture(scope="module")
def inferences(setup):
    return list(infer(*setup, CONFIG, 32))


@pytest.fixture(scope="module")
def scores(setup):
    return evaluate(*setup, CONFIG).scores


def figures(score):
    return {figure.name: figure.value for figure in score.figures}


def test_classes_are_scored_as_by_scikit_learn(scores, inferences, corpus):
    topic = TASKS["topic"]
    gold = [topic.labels.index(r.labels["topic"]) for r in corpus]
    found = [i.log_probs["topic"].argmax() for i in inferences]
    assert figures(scores["topic"]) == {
        "macro_f1": pytest.approx(f1_score(gold, found, average="macro")),
        "accuracy": pytest.approx(accuracy_score(gold, found)),
    }
    assert scores["topic"].headline == figures(scores["topic"])["macro_f1"]


def gold_tags(record):
    """IOB2 tags of the words of a record, which are separated by spaces."""
    begins = [start for start, _ in spaced(record.text)]
    spans = [
        Span(begins.index(start), bisect_left(begins, end), label)
        for start, end, label in record.labels["ner"]
    ]
    return spans_to_tags(spans, len(begins), "iob2")


def test_entities_are_scored_as_by_seqeval_in_strict_mode(scores, inferences, corpus):
    ner = TASKS["ner"]
    truth = [gold_tags(r) for r in corpus]
    guess = [
        spans_to_tags(ner.answer(i.log_probs["ner"]), len(tags), "iob2")
        for i, tags in zip(inferences, truth, strict=True)
    ]
    peer = classification_report(
        truth, guess, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    assert sum(tag != "O" for tags in guess for tag in tags) > 50
    for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert figures(scores["ner"])[ours] == pytest.approx(peer["micro avg"][theirs])
        for label in ner.entity_types:
            row = scores["ner"].rows[label]
            assert getattr(row, ours) == pytest.approx(peer[label][theirs])


def multilabel_sets(corpus, inferences):
    """Gold and found sets at thresholds of 0.5, bool [n, C]."""
    gold = np.array([[s in r.labels["subjects"] for s in SUBJECTS] for r in corpus])
    return gold, np.array([i.log_probs["subjects"] >= 0 for i in inferences])


def test_multilabel_is_scored_as_by_scikit_learn(scores, inferences, corpus):
    gold, found = multilabel_sets(corpus, inferences)
    assert 0 < found.mean() < 1
    assert figures(scores["subjects"]) == {
        "micro_f1": pytest.approx(f1_score(gold, found, average="micro")),
        "macro_f1": pytest.approx(f1_score(gold, found, average="macro")),
        "exact_match": pytest.approx(accuracy_score(gold, found)),
    }
    assert scores["subjects"].headline == figures(scores["subjects"])["micro_f1"]


def test_tags_are_scored_as_by_scikit_learn_over_the_words_that_have_a_tag(
    scores, inferences, corpus
):
    labels = TASKS["pos"].labels
    gold, found = [], []
    for r, inference in zip(corpus, inferences, strict=True):
        answer = inference.log_probs["pos"].argmax(axis=-1)
        begins = [start for start, _ in spaced(r.text)]
        for start, _, tag in r.labels["pos"]:
            gold.append(tag)
            found.append(labels[answer[begins.index(start)]])
    assert len(gold) < sum(len(r.text.split()) for r in corpus)
    assert figures(scores["pos"]) == {
        "accuracy": pytest.approx(accuracy_score(gold, found)),
        "macro_f1": pytest.approx(f1_score(gold, found, average="macro")),
    }
    assert scores["pos"].headline == figures(scores["pos"])["accuracy"]
    assert scores["pos"].sentences == len(corpus)


def test_loss_of_a_score_is_the_mean_cross_entropy_per_label(scores, inferences, corpus):
    topic = TASKS["topic"]
    losses = [
        -i.log_probs["topic"][topic.labels.index(r.labels["topic"])]
        for r, i in zip(corpus, inferences, strict=True)
    ]
    assert scores["topic"].loss == pytest.approx(np.mean(losses), rel=1e-5)
    gold, _ = multilabel_sets(corpus, inferences)
    probs = 1 / (1 + np.exp(-np.array([i.log_probs["subjects"] for i in inferences], np.float64)))
    binary = -np.where(gold, np.log(probs), np.log1p(-probs))
    assert scores["subjects"].loss == pytest.approx(binary.mean(), rel=1e-4)


def test_every_word_of_a_long_sentence_gets_an_answer(inferences, corpus):
    for inference, source in zip(inferences, corpus, strict=True):
        assert inference.log_probs["ner"].shape == (len(source.text.split()), 9)
        np.testing.assert_allclose(np.exp(inference.log_probs["ner"]).sum(axis=-1), 1, rtol=1e-4)


def test_number_of_rows_of_a_batch_changes_no_score(setup):
    first = evaluate(*setup, CONFIG, rows=3).scores
    second = evaluate(*setup, CONFIG, rows=17).scores
    for task in TASKS:
        assert first[task].figures == second[task].figures
        assert first[task].confusion == second[task].confusion
        assert first[task].loss == pytest.approx(second[task].loss, rel=1e-5)


@pytest.mark.parametrize("missing", ["topic", "subjects", "ner", "pos"])
def test_task_without_labels_in_a_split_has_no_score(missing, setup, corpus, tokenizer):
    forward, params, _ = setup
    bare = [
        r._replace(labels={n: label for n, label in r.labels.items() if n != missing})
        for r in corpus[:5]
    ]
    examples = encoded(bare, tokenizer, CONFIG.task_list)
    scores = evaluate(forward, params, examples, CONFIG, fit=True).scores
    assert set(scores) == set(TASKS) - {missing}


def test_sentences_without_a_label_of_a_task_are_not_scored(setup, corpus, tokenizer, scores):
    forward, params, _ = setup
    more = [*corpus, *(r._replace(labels={"topic": "sports"}) for r in corpus[:9])]
    examples = encoded(more, tokenizer, CONFIG.task_list)
    found = evaluate(forward, params, examples, CONFIG).scores
    assert found["topic"].sentences == 59
    for task in ("subjects", "ner", "pos"):
        assert found[task].figures == scores[task].figures
        assert found[task].sentences == 50


def headlines(value):
    """A score with a headline alone."""
    return Score((Figure("x", "x", value),), 1, {}, {}, None, None, 0.0)


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("topic=1, ner=1", 0.5), ("topic=3, ner=1", 0.7), ("ner=1", 0.1), ("topic=1, ner=0", 0.9)],
)
def test_overall_score_is_the_mean_of_headlines_weighted_by_train_score(weights, expected):
    config = make_config(train__score=weights)
    scores = {"topic": headlines(0.9), "ner": headlines(0.1)}
    assert overall_score(scores, config) == pytest.approx(expected)
    assert overall_score({"topic": headlines(0.9)}, make_config()) == pytest.approx(0.9)
    assert overall_score({}, config) == 0.0


def test_second_inference_compiles_nothing(setup):
    forward, params, examples = setup
    list(infer(forward, params, examples, CONFIG, 32))
    compiled = forward._cache_size()
    list(infer(forward, params, examples, CONFIG, 32))
    assert forward._cache_size() == compiled


# Fitting on dev


def test_evaluation_without_fit_leaves_the_tasks_as_they_are(setup):
    assert evaluate(*setup, CONFIG).tasks == CONFIG.task_list


def test_fit_chooses_a_threshold_per_label_with_the_highest_f1_of_any(setup, corpus, inferences):
    found = evaluate(*setup, CONFIG, fit=True)
    by_name = {task.name: task for task in found.tasks}
    assert [name for name, task in by_name.items() if task != TASKS[name]] == ["subjects"]
    thresholds = by_name["subjects"].thresholds
    assert set(by_name["subjects"].fitted()["thresholds"]) == set(SUBJECTS)
    gold, _ = multilabel_sets(corpus, inferences)
    odds = np.array([i.log_probs["subjects"] for i in inferences], np.float64)
    probs = 1 / (1 + np.exp(-odds))
    for c, label in enumerate(SUBJECTS):
        best = max(
            f1_score(gold[:, c], probs[:, c] >= at, zero_division=0) for at in np.unique(probs)
        )
        ours = f1_score(gold[:, c], probs[:, c] >= thresholds[c])
        assert ours == pytest.approx(best)
        assert found.scores["subjects"].rows[label].f1 == pytest.approx(best)
    assert (
        figures(found.scores["subjects"])["macro_f1"]
        > figures(evaluate(*setup, CONFIG).scores["subjects"])["macro_f1"]
    )


def test_test_is_scored_with_the_tasks_that_were_fitted_on_dev(setup, corpus, tokenizer):
    forward, params, examples = setup
    fitted = evaluate(*setup, CONFIG, fit=True)
    again = evaluate(*setup, CONFIG, tasks=fitted.tasks)
    assert again.tasks == fitted.tasks
    assert again.scores == fitted.scores
    other = encoded(corpus[25:], tokenizer, CONFIG.task_list)
    found = evaluate(forward, params, other, CONFIG, tasks=fitted.tasks)
    assert found.tasks == fitted.tasks, "nothing is chosen on test"


def test_fit_on_a_split_without_labels_leaves_the_tasks_as_they_are(setup, tokenizer):
    forward, params, _ = setup
    examples = encoded([record("Tom ran .", "sports")], tokenizer, CONFIG.task_list)
    assert evaluate(forward, params, examples, CONFIG, fit=True).tasks == CONFIG.task_list


# Parts


def test_evaluate_is_inference_then_fitting_then_scoring(setup, inferences):
    examples = setup[2]
    fitted = fit_tasks(inferences, examples, CONFIG.task_list)
    found = evaluate(*setup, CONFIG, fit=True)
    assert fitted == found.tasks
    assert score_inferences(inferences, examples, fitted) == found.scores


def test_temperatures_are_chosen_on_dev_and_calibration_is_measured_if_asked_for(setup, corpus):
    found = evaluate(*setup, CONFIG, fit=True, calibrated=True)
    plain = evaluate(*setup, CONFIG, fit=True)
    for task in found.tasks:
        assert task.temperature != 1
        score, before = found.scores[task.name], plain.scores[task.name]
        assert score.calibration.temperature == task.temperature
        assert before.calibration is None
        assert score.headline == pytest.approx(before.headline), "no answer depends on it"
        assert score.loss == before.loss


def test_thresholds_for_a_precision_are_chosen_on_dev_alone(setup, inferences):
    examples = setup[2]
    splits = {"dev": (inferences, examples), "test": (inferences, examples)}
    tasks, found = choose_thresholds(CONFIG.task_list, splits, 0.6)
    alone, _ = choose_thresholds(CONFIG.task_list, {"dev": splits["dev"]}, 0.6)
    assert tasks == alone
    assert set(found) == set(TASKS)
    trained, _ = choose_thresholds(tasks, {"dev": splits["dev"]}, 0)
    assert trained == fit_tasks(inferences, examples, CONFIG.task_list, calibrated=True)


def test_tallies_per_sentence_add_up_to_the_headlines(setup, inferences, scores):
    tallies = sentence_tallies(inferences, setup[2], CONFIG.task_list)
    assert set(tallies) == set(TASKS)
    for name, task in TASKS.items():
        assert tallies[name].shape[:2] == (50, 3)
        assert tallies[name].dtype == np.int64
        assert task.headline(tallies[name].sum(axis=0)) == pytest.approx(scores[name].headline)


def test_tallies_leave_out_unlabelled_sentences_and_tasks_without_labels(setup, corpus, tokenizer):
    forward, params, _ = setup
    some = [corpus[0], corpus[1]._replace(labels={"topic": "sports"})]
    some = [r._replace(labels={n: x for n, x in r.labels.items() if n != "pos"}) for r in some]
    examples = encoded(some, tokenizer, CONFIG.task_list)
    found = list(infer(forward, params, examples, CONFIG, 2))
    tallies = sentence_tallies(found, examples, CONFIG.task_list)
    assert {name: len(rows) for name, rows in tallies.items()} == {
        "topic": 2, "subjects": 1, "ner": 1,
    }  # fmt: skip
