"""A result is a dict in every way, several are a list, and a notebook shows them as HTML."""

import copy
import json
import pickle
import pprint

import pytest

from mtt_jax import Predictor
from mtt_jax.predict.result import Result, Results
from mtt_jax.report.display import SHOWN
from tests.helpers import save_four_tasks

TEXT = "Tom Fry of Acme <United> scored in Rome ."


@pytest.fixture(scope="module")
def predictor(tokenizer, tmp_path_factory):
    return Predictor.load(save_four_tasks(tmp_path_factory.mktemp("run"), tokenizer))


@pytest.fixture(scope="module")
def result(predictor):
    return predictor(TEXT)


def assert_prints_compares_and_serializes_as(plain, found):
    assert found == plain
    assert plain == found
    assert repr(found) == repr(plain)
    assert pprint.pformat(found) == pprint.pformat(plain)
    assert json.dumps(found) == json.dumps(plain)


def test_a_result_prints_compares_and_serializes_as_a_dict(result):
    plain = dict(result)
    assert isinstance(result, dict)
    assert_prints_compares_and_serializes_as(plain, result)
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


# Several


@pytest.fixture(scope="module")
def results(predictor):
    return predictor([TEXT, "", "Shares fell ."])


def test_several_results_print_compare_and_serialize_as_a_list(results):
    plain = [dict(one) for one in results]
    assert isinstance(results, list)
    assert_prints_compares_and_serializes_as(plain, results)
    assert type(results + []) is list


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_several_results_pickle_and_copy(results, protocol):
    again = pickle.loads(pickle.dumps(results, protocol))
    assert again == results
    assert type(again) is Results
    assert type(copy.deepcopy(results)) is Results


def test_a_notebook_shows_each_of_several_results_as_it_shows_one(results):
    html = results._repr_html_()
    at = [html.index(one._repr_html_()) for one in results]
    assert at == sorted(at)
    assert len(set(at)) == len(results)


def test_several_results_are_escaped(results):
    assert "&lt;" in results._repr_html_()
    assert "<United>" not in results._repr_html_()
    evil = Result({"text": "<img onerror=x>", "<script>": {"label": "<i>", "scores": {}}})
    html = Results([evil, evil])._repr_html_()
    assert html.count("&lt;img onerror=x&gt;") == html.count("&lt;script&gt;") == 2
    assert not any(element in html for element in ("<img", "<script", "<i>"))


def test_a_slice_of_several_results_is_shown_too(results):
    assert results[1:] == list(results)[1:]
    assert results[1:]._repr_html_().count("(none)") > 0
    assert type(results[0]) is Result


def test_of_very_many_results_a_notebook_shows_the_first_and_their_number(result):
    html = Results([result] * (SHOWN + 1000))._repr_html_()
    assert html.count(result._repr_html_()) == SHOWN
    assert f"the first {SHOWN} of {SHOWN + 1000:,} results" in html


def test_no_results_are_shown_as_such(predictor):
    assert predictor([]) == []
    assert "no results" in predictor([])._repr_html_()
