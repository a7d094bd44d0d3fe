"""Scores: the same as scikit-learn's and seqeval's, whatever the batches."""

import numpy as np
import pytest
from mtt_jax.tasks.decode import decode_spans
from seqeval.metrics import classification_report
from seqeval.scheme import IOB2
from sklearn.metrics import accuracy_score, f1_score

from mtt_jax.data.encode import encode_records
from mtt_jax.scoring.evaluate import evaluate, overall_score
from mtt_jax.scoring.infer import decide
from mtt_jax.tasks.schemes import spans_to_tags
from tests.helpers import forward_of, make_config, model_and_params, record

CONFIG = make_config(tasks__ner__scheme="iob2")
WORDS = ("Tom", "Fry", "of", "Acme", "United", "scored", "in", "Rome", "the", "minister")


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
        records.append(record(text, str(rng.choice(["sports", "politics", "others"])), spans))
    return records


@pytest.fixture(scope="module")
def setup(tokenizer, corpus):
    model, params = model_and_params(CONFIG, tokenizer)
    params["heads"]["ner"]["logits"]["kernel"] *= 50  # else everything is O
    return forward_of(model), params, encode_records(corpus, tokenizer, CONFIG.task_list)


def test_scores_are_those_of_scikit_learn_and_seqeval(setup, corpus):
    forward, params, examples = setup
    scores = evaluate(forward, params, examples, CONFIG)
    decisions = list(decide(forward, params, examples, CONFIG, 32))
    topic, ner = CONFIG.task_list
    gold = [topic.labels.index(r.labels["topic"]) for r in corpus]
    found = [d.sentence["topic"].argmax() for d in decisions]
    assert scores["topic"]["accuracy"] == pytest.approx(accuracy_score(gold, found))
    assert scores["topic"]["macro_f1"] == pytest.approx(f1_score(gold, found, average="macro"))
    truth = [spans_to_tags(r.spans["ner"], len(r.words), "iob2") for r in corpus]
    guess = [
        spans_to_tags(decode_spans(d.words["ner"], ner), len(r.words), "iob2")
        for d, r in zip(decisions, corpus, strict=True)
    ]
    peer = classification_report(
        truth, guess, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    assert sum(tag != "O" for tags in guess for tag in tags) > 50
    for ours, theirs in (("precision", "precision"), ("recall", "recall"), ("f1", "f1-score")):
        assert scores["ner"][ours] == pytest.approx(peer["micro avg"][theirs])
        for label in ner.entity_types:
            assert scores["ner"]["per_entity"][label][ours] == pytest.approx(peer[label][theirs])


def test_every_word_of_a_long_sentence_gets_a_decision(setup, corpus):
    forward, params, examples = setup
    for decision, source in zip(decide(forward, params, examples, CONFIG, 4), corpus, strict=True):
        assert decision.words["ner"].shape == (len(source.words), 9)
        np.testing.assert_allclose(np.exp(decision.words["ner"]).sum(axis=-1), 1, rtol=1e-4)


def test_the_number_of_rows_of_a_batch_changes_no_score(setup):
    forward, params, examples = setup
    first = evaluate(forward, params, examples, CONFIG, rows=3)
    second = evaluate(forward, params, examples, CONFIG, rows=17)
    for task in ("topic", "ner"):
        assert first[task]["confusion"] == second[task]["confusion"]
        assert first[task]["loss"] == pytest.approx(second[task]["loss"], rel=1e-5)


def test_a_task_without_labels_in_a_split_has_no_scores(setup, corpus, tokenizer):
    forward, params, _ = setup
    bare = [r._replace(spans={}) for r in corpus]
    scores = evaluate(forward, params, encode_records(bare, tokenizer, CONFIG.task_list), CONFIG)
    assert list(scores) == ["topic"]


@pytest.mark.parametrize(
    ("weights", "expected"),
    [("topic=1, ner=1", 0.5), ("topic=3, ner=1", 0.7), ("ner=1", 0.1), ("topic=1, ner=0", 0.9)],
)
def test_the_declared_score_weighs_the_tasks(weights, expected):
    config = make_config(train__score=weights)
    scores = {"topic": {"macro_f1": 0.9}, "ner": {"f1": 0.1}}
    assert overall_score(scores, config) == pytest.approx(expected)
    assert overall_score({"topic": {"macro_f1": 0.9}}, make_config()) == pytest.approx(0.9)


def test_a_second_reading_compiles_nothing(setup):
    forward, params, examples = setup
    list(decide(forward, params, examples, CONFIG, 32))
    compiled = forward._cache_size()
    list(decide(forward, params, examples, CONFIG, 32))
    assert forward._cache_size() == compiled
