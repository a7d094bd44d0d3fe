"""Runs side by side: the figures of each, and what differs between them."""

import pytest

from mtt_jax.report.compare import compare, render
from mtt_jax.report.run_files import RunFiles
from tests.helpers import FINAL, NER, TOPIC, Elements
from tests.report.test_run_page import history


def run(name="one", config=None, **final):
    return RunFiles(name, config or {"seed": 0}, history(3), {**FINAL, **final}, {})


BETTER = {**TOPIC, "macro_f1": 0.875}
ONE = run(test={"topic": TOPIC, "ner": NER}, dev={"topic": TOPIC})
TWO = run("two", {"seed": 1, "data": {"source": "files"}}, test={"topic": BETTER})


def test_the_figures_are_those_of_the_runs():
    first, second = compare([ONE, TWO])["runs"]
    assert first["scores"]["test"]["topic"] == {"macro_f1": 0.7, "accuracy": 0.75}
    assert first["scores"]["test"]["ner"]["f1"] == pytest.approx(1 / 3)
    assert second["scores"]["test"]["topic"]["macro_f1"] == 0.875
    assert first["labels"]["test"]["ner"] == {"PER": pytest.approx(1 / 3)}
    assert (first["name"], first["parameters"], first["steps"]) == ("one", 5678, 4)
    assert (first["tokens_per_second"], first["padding"]) == (200, 0.25)
    assert "dev" not in second["scores"]


def test_only_fields_of_the_config_that_differ_are_listed():
    assert compare([ONE, TWO])["config"] == {"seed": [0, 1], "data.source": [None, "files"]}
    assert compare([ONE, ONE])["config"] == {}


def test_the_page_has_a_column_per_run_and_marks_the_best():
    html = render([ONE, TWO])
    found = Elements(html)
    assert found.open == []
    assert found.fetched == []
    assert ["topic, macro F1", "0.7000", "0.8750"] in found.rows
    assert ["topic, accuracy", "0.7500", "0.7500"] in found.rows
    assert ["ner, entity F1, strict", "0.3333", ""] in found.rows
    assert html.count('class="number best"') == 1
    assert ["seed", "0", "1"] in found.rows


def test_the_page_has_a_curve_per_run():
    chart = Elements(render([ONE, TWO])).charts["topic: training loss"]
    assert {p["s"] for p in chart["data"]["values"]} == {"s0", "s1"}


def test_runs_on_other_data_are_compared_with_a_warning():
    assert "The runs differ in data.source: their scores may be of different" in render([ONE, TWO])
    assert "their scores may be" not in render([ONE, ONE])


def test_runs_of_one_name_are_numbered():
    assert [one["name"] for one in compare([ONE, ONE])["runs"]] == ["one (1)", "one (2)"]


def test_a_run_that_is_not_finished_is_compared_by_its_curves():
    running = RunFiles("running", {"seed": 0}, history(2), {}, {})
    found = compare([ONE, running])["runs"][1]
    assert not found["finished"]
    assert found["scores"] == {}
    assert Elements(render([ONE, running])).open == []
