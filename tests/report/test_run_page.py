"""The report: one HTML file, well-formed, offline, with the figures that it was given."""

import re

import pytest

from mtt_jax.report import run_page as report
from tests.helpers import FINAL, NER, TOPIC, Elements

CONFIG = {"train": {"steps": 4}, "tasks": {"topic": {"labels": ("a", "b")}}, "seed": 0}


def history(steps):
    train = [
        {"kind": "train", "step": s, "losses": {"topic": 1 / s, "ner": 2 / s},
         "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 100}
        for s in range(1, steps + 1)
    ]  # fmt: skip
    return [*train, {"kind": "dev", "step": steps, "score": 0.5, "scores": {"topic": 0.6}}]


def test_it_shows_what_each_phase_did():
    row = {
        "name": "<a>", "start": 0, "end": 1000, "tasks": ["topic", "ner"],
        "before": {"topic": 0.75, "ner": 0.5}, "after": {"topic": 0.5, "ner": 0.875},
    }  # fmt: skip
    page = report.render("balanced", CONFIG, history(2), {**FINAL, "phases": [row]})
    assert "<td>&lt;a&gt;</td><td>1 to 1,000</td><td>topic, ner</td>" in page
    assert "<td>0.7500</td><td>0.5000</td><td>-0.2500</td>" in page
    assert "<td>0.8750</td><td>+0.3750</td>" in page
    assert Elements(page).open == []
    without = {**row, "before": {}, "after": {}}
    for phases in ([], [without]):
        final = {**FINAL, "phases": phases}
        assert "each phase" not in report.render("balanced", CONFIG, history(2), final)


def test_the_page_is_whole_and_needs_nothing_from_outside():
    page = report.render("balanced", CONFIG, history(20), {**FINAL, "test": {"topic": TOPIC}})
    elements = Elements(page)
    assert elements.open == []
    assert elements.fetched == []
    assert "http" not in page
    assert "script" not in elements.counts


def test_it_shows_the_curves_of_both_tasks_and_every_score():
    page = report.render(
        "balanced", CONFIG, history(20), {**FINAL, "test": {"topic": TOPIC, "ner": NER}}
    )
    assert Elements(page).counts["polyline"] == 2 + 1 + 3
    for figure in ("0.7500", "0.7000", "0.3333", "1,234", "0.9876", "5,678 parameters"):
        assert figure in page
    assert "train.steps = 4" in page


def test_names_are_escaped():
    page = report.render("<run>", CONFIG, [], {**FINAL, "dev": {"topic": TOPIC}})
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "&lt;run&gt;" in page


@pytest.mark.parametrize("rows", [[], history(1), [{"kind": "train", "step": 1}]])
def test_a_run_with_little_to_show_still_gets_a_page(rows):
    assert Elements(report.render("r", CONFIG, rows, FINAL)).open == []


def test_a_long_run_is_drawn_with_few_points_from_its_first_to_its_last():
    page = report.render("r", CONFIG, history(5000), FINAL)
    for points in re.findall(r'points="([^"]+)"', page):
        assert len(points.split()) <= 401
    assert "step 5,000" in page
