"""report.html: one well-formed HTML file that opens offline, with the figures it was given."""

import json
import re

import pytest

from mtt_jax.report import run_page
from tests.helpers import CALIBRATED, FINAL, NER, POS_SCORE, ROOT, SUBJECTS_SCORE, TOPIC, Elements

CONFIG = {"train": {"steps": 4}, "tasks": {"topic": {"labels": ("a", "b")}}, "seed": 0}


def history(steps):
    train = [
        {"kind": "train", "step": s, "losses": {"topic": 1 / s, "ner": 2 / s},
         "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 100}
        for s in range(1, steps + 1)
    ]  # fmt: skip
    return [*train, {"kind": "dev", "step": steps, "score": 0.5, "scores": {"topic": 0.6}}]


def test_page_shows_the_scores_before_and_after_each_phase():
    row = {
        "name": "<a>", "start": 0, "end": 1000, "tasks": ["topic", "ner"],
        "before": {"topic": 0.75, "ner": 0.5}, "after": {"topic": 0.5, "ner": 0.875},
    }  # fmt: skip
    page = run_page.render("balanced", CONFIG, history(2), {**FINAL, "phases": [row]})
    assert "<td>&lt;a&gt;</td><td>1 to 1,000</td><td>topic, ner</td>" in page
    assert "<td>0.7500</td><td>0.5000</td><td>-0.2500</td>" in page
    assert "<td>0.8750</td><td>+0.3750</td>" in page
    assert Elements(page).open == []
    without = {**row, "before": {}, "after": {}}
    for phases in ([], [without]):
        final = {**FINAL, "phases": phases}
        assert "each phase" not in run_page.render("balanced", CONFIG, history(2), final)


def test_page_is_well_formed_and_loads_no_external_resource():
    page = run_page.render("balanced", CONFIG, history(20), {**FINAL, "test": {"topic": TOPIC}})
    elements = Elements(page)
    assert elements.open == []
    assert elements.fetched == []
    assert "http" not in page
    assert "script" not in elements.counts


def test_page_shows_the_curves_of_both_tasks_and_every_score():
    page = run_page.render(
        "balanced", CONFIG, history(20), {**FINAL, "test": {"topic": TOPIC, "ner": NER}}
    )
    assert Elements(page).counts["polyline"] == 2 + 1 + 3
    for figure in ("0.7500", "0.7000", "0.3333", "1,234", "0.9876", "5,678 parameters"):
        assert figure in page
    assert "train.steps = 4" in page


def test_names_are_escaped():
    page = run_page.render("<run>", CONFIG, [], {**FINAL, "dev": {"topic": TOPIC}})
    assert "<b>" not in page
    assert "&lt;b&gt;" in page
    assert "&lt;run&gt;" in page


@pytest.mark.parametrize("rows", [[], history(1), [{"kind": "train", "step": 1}]])
def test_run_without_figures_still_gets_a_page(rows):
    assert Elements(run_page.render("r", CONFIG, rows, FINAL)).open == []


def test_curves_of_a_long_run_have_few_points_and_end_with_the_last_step():
    page = run_page.render("r", CONFIG, history(5000), FINAL)
    for points in re.findall(r'points="([^"]+)"', page):
        assert len(points.split()) <= 401
    assert "step 5,000" in page


def test_page_shows_scores_of_all_four_kinds_and_confusion_only_if_there_is_one():
    scores = {"topic": TOPIC, "ner": NER, "subjects": SUBJECTS_SCORE, "pos": POS_SCORE}
    page = run_page.render("r", CONFIG, [], {**FINAL, "test": scores})
    assert Elements(page).open == []
    for task in scores:
        assert f"<h3>{task}</h3>" in page
    # A table of labels per task, and a confusion matrix of three of them.
    assert page.count("<th>support</th>") == 4
    assert page.count("<th>gold \\ predicted</th>") == 3
    assert "micro F1 0.6250; macro F1 0.5000; whole sets right 0.3750; 8 sentences." in page
    assert "<td>law</td><td>0.2500</td><td>0.5000</td><td>0.3333</td><td>2</td>" in page


def test_metrics_of_version_0_1_give_a_page():
    finished = ROOT / "tests/old_runs/v0_1/finished"
    metrics = json.loads((finished / "metrics.json").read_text())
    rows = [json.loads(line) for line in (finished / "metrics.jsonl").read_text().splitlines()]
    page = run_page.render("r", CONFIG, rows, metrics)
    elements = Elements(page)
    assert elements.open == []
    assert elements.counts["polyline"] > 3
    for split in ("dev", "test"):
        assert f"<h2>Scores on {split}</h2>" in page
        assert f"{metrics[split]['topic']['macro_f1']:.4f}" in page
        assert f"entity F1, strict {metrics[split]['ner']['f1']:.4f}" in page


def test_page_says_that_a_run_stopped_early_and_what_is_best_by_each_task():
    stop = {
        "phase": "<a>", "step": 1200, "planned": 2000, "best_step": 700, "best_score": 0.5,
    }  # fmt: skip
    better = {**TOPIC, "macro_f1": 0.875}
    final = {
        **FINAL, "dev": {"topic": TOPIC}, "stopped_early": [stop],
        "best_by_task": {"topic": {"step": 2, "dev": better}},
    }  # fmt: skip
    page = run_page.render("balanced", CONFIG, history(2), final)
    assert "Stopped early: &lt;a&gt; ended at step 1,200 of 2,000" in page
    assert "<td>topic</td><td>2</td><td>0.8750</td><td>0.7000</td>" in page
    assert Elements(page).open == []
    assert "Best checkpoint" not in run_page.render("balanced", CONFIG, history(2), FINAL)


def test_page_has_a_reliability_diagram_of_a_calibrated_task():
    page = run_page.render("r", CONFIG, [], {**FINAL, "test": {"topic": CALIBRATED, "ner": NER}})
    assert Elements(page).open == []
    assert page.count('aria-label="Reliability"') == 1
    assert Elements(page).counts["circle"] == 2 + 1, "one per bin, before and after"
    assert "Expected calibration error 0.062, 0.125 before the temperature of 1.50." in page
