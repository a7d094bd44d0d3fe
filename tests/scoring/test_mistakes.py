"""The sentences that go most wrong: only wrong ones, the least likely first, with their texts."""

import json

import numpy as np
import pytest

from mtt_jax.data.encode import Reading, encode_records
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.scoring.infer import Inference, infer
from mtt_jax.scoring.mistakes import worst
from mtt_jax.types import Span
from tests.helpers import (
    SENTENCES,
    forward_of,
    four_task_config,
    four_task_records,
    model_and_params,
    record,
)

CONFIG = four_task_config(tasks__ner__scheme="iob2")
TASKS = {task.name: task for task in CONFIG.task_list}
every_task = pytest.mark.parametrize("name", TASKS)


def with_texts(records, tokenizer):
    reading = Reading(cleaning=True, features=CONFIG.encoder.word_features)
    return encode_records(records, tokenizer, CONFIG.task_list, reading, texts=True)


@pytest.fixture(scope="module")
def examples(tokenizer):
    return with_texts(four_task_records(), tokenizer)


@pytest.fixture(scope="module")
def model(tokenizer):
    net, params = model_and_params(CONFIG, tokenizer)
    for head in params["heads"].values():
        head["logits"]["kernel"] *= 50  # else everything gets one answer
    return forward_of(net), params


@pytest.fixture(scope="module")
def inferences(model, examples):
    return list(infer(*model, examples, CONFIG, 8))


def said(task, gold, right):
    """The log-probabilities of a topic that is right or wrong."""
    probs = np.full(len(task.classes), 0.05, np.float32)
    probs[gold if right else (gold + 1) % len(probs)] = 0.9
    return {task.name: np.log(probs)}


@every_task
def test_every_sentence_listed_is_wrong_and_the_least_likely_comes_first(
    name, examples, inferences
):
    found = worst(TASKS[name], inferences, examples)
    assert found
    probabilities = [one["probability"] for one in found]
    assert probabilities == sorted(probabilities)
    texts = {text for text, *_ in SENTENCES}
    for one in found:
        assert one["text"] in texts
        assert one["loss"] > 0
        assert one["given"] != one["found"]


def test_right_answers_are_not_listed(examples):
    task = TASKS["topic"]
    gold = [examples[i].labels["topic"] for i in range(len(examples))]
    answers = [Inference(said(task, g, i != 2), np.zeros(1)) for i, g in enumerate(gold)]
    (found,) = worst(task, answers, examples)
    assert found["text"] == SENTENCES[2][0]
    assert found["given"] == {"label": SENTENCES[2][1]}
    assert found["probability"] == pytest.approx(0.05, abs=1e-3)


def test_no_more_are_listed_than_asked_for(examples, inferences):
    every = worst(TASKS["pos"], inferences, examples)
    assert worst(TASKS["pos"], inferences, examples, most=2) == every[:2]


@every_task
def test_offsets_are_those_of_the_text_and_the_list_is_json(name, examples, inferences):
    for one in json.loads(json.dumps(worst(TASKS[name], inferences, examples))):
        for side in (one["given"], one["found"]):
            for span in side if isinstance(side, list) else ():
                assert one["text"][span["start"] : span["end"]] == span["text"]


def test_a_long_text_is_cut_around_the_first_difference(tokenizer, model):
    text = " ".join(["again"] * 300 + ["Ann", "Lee"] + ["again"] * 300)
    examples = with_texts([record(text, entities=[(300, 302, "PER")])], tokenizer)
    task = TASKS["ner"]
    outside = np.full((602, len(task.classes)), -9.0, np.float32)
    outside[:, 0] = -0.01
    (found,) = worst(task, [Inference({"ner": outside}, np.zeros(1))], examples)
    assert found["cut"]
    assert len(found["text"]) <= 600
    (span,) = found["given"]
    assert found["text"][span["start"] : span["end"]] == "Ann Lee"
    assert text.startswith("again")
    assert found["text"].startswith("again"), "cut at a word"


def test_emoji_and_right_to_left_text_keep_their_offsets(tokenizer):
    text = "🙂👍🏽 محمد زار Rome"
    words = text.split()
    start = text.index("محمد")
    labelled = record(text)._replace(labels={"ner": (Span(start, start + 4, "PER"),)})
    examples = with_texts([labelled], tokenizer)
    task = TASKS["ner"]
    outside = np.full((len(examples[0].words), len(task.classes)), -9.0, np.float32)
    outside[:, 0] = -0.01
    (found,) = worst(task, [Inference({"ner": outside}, np.zeros(1))], examples)
    assert found["text"] == text
    (span,) = found["given"]
    assert text[span["start"] : span["end"]] == words[1]


def test_a_lone_surrogate_is_replaced_so_that_the_list_can_be_written(tokenizer):
    examples = with_texts([record("Ann \ud83d left", entities=[(0, 1, "PER")])], tokenizer)
    assert examples.text(0) == "Ann ? left"


def test_a_split_without_texts_has_no_list(tokenizer, examples, inferences):
    reading = Reading(cleaning=True, features=CONFIG.encoder.word_features)
    plain = encode_records(four_task_records(), tokenizer, CONFIG.task_list, reading)
    assert plain.text(0) is None
    assert worst(TASKS["topic"], inferences, plain) == []


def test_texts_are_saved_with_the_examples(examples, tmp_path):
    examples.save(tmp_path / "dev.npz")
    again = type(examples).load(tmp_path / "dev.npz", CONFIG.task_list)
    assert [again.text(i) for i in range(len(again))] == [text for text, *_ in SENTENCES]


def test_an_evaluation_lists_mistakes_only_if_asked(model, examples):
    assert evaluate(*model, examples, CONFIG).mistakes == {}
    found = evaluate(*model, examples, CONFIG, mistakes=TASKS).mistakes
    assert set(found) == set(TASKS)
