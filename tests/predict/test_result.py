"""A result is a dict in every way, and a notebook shows it as HTML."""

import copy
import json
import pickle
import pprint

import pytest

from mtt_jax import Predictor
from mtt_jax.predict.result import Result
from tests.helpers import save_four_tasks

TEXT = "Tom Fry of Acme <United> scored in Rome ."


@pytest.fixture(scope="module")
def predictor(tokenizer, tmp_path_factory):
    return Predictor.load(save_four_tasks(tmp_path_factory.mktemp("run"), tokenizer))


@pytest.fixture(scope="module")
def result(predictor):
    return predictor(TEXT)


def test_a_result_prints_compares_and_serializes_as_a_dict(result):
    plain = dict(result)
    assert isinstance(result, dict)
    assert result == plain
    assert plain == result
    assert repr(result) == repr(plain)
    assert pprint.pformat(result) == pprint.pformat(plain)
    assert json.dumps(result) == json.dumps(plain)
    assert type(result | {"id": 7}) is dict


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_a_result_pickles_and_copies(result, protocol):
    again = pickle.loads(pickle.dumps(result, protocol))
    assert again == result
    assert type(again) is Result
    assert copy.deepcopy(result) == result


def test_a_notebook_shows_every_task_of_a_result(predictor, result):
    html = result._repr_html_()
    for task in predictor.tasks:
        assert f"<bdi>{task.name}</bdi>" in html
    spans = [span for task in predictor.tasks for span in task.as_spans(result[task.name])]
    assert spans
    for span in spans:
        assert f">{span['label']}</bdi></mark>" in html


def test_results_of_many_texts_are_shown_too(predictor):
    assert all(type(one) is Result for one in predictor([TEXT, ""]))
    assert predictor("")._repr_html_().count("(none)") == 2


def test_a_line_of_an_output_can_be_shown(result):
    assert "<mark" in Result(json.loads(json.dumps(result)))._repr_html_()
