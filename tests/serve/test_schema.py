"""Requests: what a body may hold, and what is said about every other one."""

import json
import math

import pytest

from mtt_jax import Predictor
from mtt_jax.serve.schema import (
    PredictResponse,
    RequestError,
    checked,
    parsed,
    with_thresholds,
)
from mtt_jax.serve.settings import Settings


def refusal(body, settings=None):
    """(status, message) for a body that is refused."""
    with pytest.raises(RequestError) as error:
        checked(parsed(body), settings or Settings())
    assert "\n" not in error.value.message
    return error.value.status, error.value.message


FIELDS = "text, texts, model, thresholds, embeddings"
THRESHOLD = "expected a number from 0 to 1, null, or an object with one for each label."


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        (b"", 400, "the body is not JSON: Expecting value (line 1, column 1)."),
        (b'{"text": "a",}', 400, "the body is not JSON: "),
        (b'{"text": "\x00"}', 400, "the body is not JSON: Invalid control character at (line 1"),
        (b'\xef\xbb\xbf{"text": "a"}', 400, "the body begins with a byte order mark"),
        (b'{"text": "\xff"}', 400, "the body is not UTF-8 (byte 10)."),
        ('{"text": "a"}'.encode("utf-16"), 400, "the body is not UTF-8 (byte 0)."),
        (b"[" * 500_000, 400, "the body is nested too deeply."),
        (b'{"text":' * 100_000, 400, "the body is nested too deeply."),
        (b'{"embeddings": 1' + b"0" * 5000 + b"}", 400, "the body has a number with too many digi"),
        (b'{"text": NaN}', 400, "the body is not JSON: NaN is not a number in JSON."),
        (b'{"text": -Infinity}', 400, "the body is not JSON: -Infinity is not a number in JSON."),
        (b'{"text": "a", "text": "b"}', 400, "the body has the key 'text' twice."),
        (b'{"text": "a", "thresholds": {"x": 1, "x": 1}}', 400, "the body has the key 'x' twice."),
        (b"[]", 422, "expected a JSON object."),
        (b'"a"', 422, "expected a JSON object."),
        (b"null", 422, "expected a JSON object."),
        (b"{}", 422, 'expected "text" or "texts"; found neither.'),
        (b'{"text": "a", "texts": []}', 422, 'expected "text" or "texts"; found both.'),
        (b'{"text": null}', 422, "text: expected a string."),
        (b'{"text": ["a"]}', 422, "text: expected a string."),
        (b'{"texts": "a"}', 422, "texts: expected a list of strings."),
        (b'{"texts": ["a", 1]}', 422, "texts[1]: expected a string."),
        (b'{"text": "a", "embeddings": 1}', 422, "embeddings: expected true or false."),
        (b'{"text": "a", "model": 1}', 422, "model: expected a string."),
        (
            b'{"txt": "a"}',
            422,
            f"'txt': no such field; the fields are {FIELDS}. Did you mean 'text'?",
        ),
        (b'{"text": "a", "\\ud800": 1}', 422, "a name in the body has half of a surrogate pair."),
        (
            b'{"text": "a\\ud800"}',
            422,
            "text: half of a surrogate pair at character 1; the text was cut inside a character.",
        ),
        (b'{"texts": ["", "\\udc00"]}', 422, "texts[1]: half of a surrogate pair at character 0;"),
        (b'{"text": "a", "thresholds": 1}', 422, "thresholds: expected an object."),
        (b'{"text": "a", "thresholds": {"ner": 2}}', 422, f"thresholds.ner: {THRESHOLD}"),
        (b'{"text": "a", "thresholds": {"ner": "1"}}', 422, f"thresholds.ner: {THRESHOLD}"),
        (b'{"text": "a", "thresholds": {"ner": true}}', 422, f"thresholds.ner: {THRESHOLD}"),
        (b'{"text": "a", "thresholds": {"ner": {"PER": -1}}}', 422, f"thresholds.ner: {THRESHOLD}"),
        (
            b'{"text": "a", "thresholds": {"ner": 1e999}}',
            400,
            "the body has the number 1e999, which is",
        ),
    ],
)
def test_a_body_that_is_no_request_is_refused_in_one_line(body, status, message):
    found = refusal(body)
    assert found[0] == status
    assert found[1].startswith(message)


def test_a_long_unknown_name_is_cut_and_compared_with_nothing():
    name = "text" * 100_000
    status, message = refusal(json.dumps({name: 1}).encode())
    assert status == 422
    assert len(message) < 200


def test_a_repeated_key_among_many_is_found():
    pairs = ",".join(f'"{i}":1' for i in range(50_000))
    assert refusal(f'{{{pairs},"7":1}}'.encode()) == (400, "the body has the key '7' twice.")


def test_limits_on_texts_and_characters_are_named():
    settings = Settings(max_texts=2, max_characters=3)
    assert refusal(b'{"texts": ["", "", ""]}', settings) == (
        422,
        "texts: 3 texts; at most 2 per request.",
    )
    assert refusal(b'{"texts": ["abc", "abcd"]}', settings) == (
        422,
        "texts[1]: 4 characters; at most 3.",
    )


@pytest.mark.parametrize("text", ["", "\0", "a\u2028b", "\ufeff", "\ud83d\ude00", "\uffff", " \n"])
def test_every_text_of_whole_characters_is_accepted(text):
    whole = text.encode("utf-16", "surrogatepass").decode("utf-16")
    body = json.dumps({"text": text}).encode()
    assert checked(parsed(body), Settings()) == [whole]


@pytest.fixture(scope="module")
def tasks(four):
    return {task.name: task for task in Predictor.load(four).tasks}


def test_a_threshold_is_for_all_labels_of_a_task_or_by_label(tasks):
    found = {
        task.name: task
        for task in with_thresholds(
            tuple(tasks.values()), {"topic": 0.5, "ner": {"PER": 0.25, "LOC": None}}
        )
    }
    assert found["topic"].thresholds == (0.5, 0.5, 0.5)
    named = dict(zip(tasks["ner"].answer_labels, found["ner"].thresholds, strict=True))
    assert named == {"PER": 0.25, "ORG": 0.0, "LOC": math.inf, "MISC": 0.0}
    assert found["subjects"] is tasks["subjects"]


def test_without_thresholds_a_request_uses_those_of_the_model(tasks):
    assert with_thresholds(tuple(tasks.values()), {}) is None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"tpic": 1},
            "thresholds: 'tpic' is not one of subjects, topic, ner, pos. Did you mean 'topic'?",
        ),
        (
            {"ner": {"PRE": 1}},
            "thresholds.ner: 'PRE' is not one of PER, ORG, LOC, MISC. Did you mean 'PER'?",
        ),
    ],
)
def test_thresholds_of_unknown_tasks_and_labels_are_refused(tasks, given, message):
    with pytest.raises(RequestError) as error:
        with_thresholds(tuple(tasks.values()), given)
    assert (error.value.status, error.value.message) == (422, message)


def test_the_answers_of_every_kind_are_as_described(four):
    results = Predictor.load(four)(["Tom Fry of Acme United scored in Rome .", ""])
    response = {"model": "four", "results": [*results, {"error": "no answer"}]}
    PredictResponse.model_validate_json(json.dumps(response))
