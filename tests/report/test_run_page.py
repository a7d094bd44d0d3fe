"""report.html: one file that opens offline and holds what the run recorded."""

import json

import pytest

from mtt_jax.errors import UserError
from mtt_jax.report.run_files import RunFiles, read_run
from mtt_jax.report.run_page import render
from tests.helpers import (
    CALIBRATED,
    FINAL,
    NER,
    POS_SCORE,
    ROOT,
    SUBJECTS_SCORE,
    TOPIC,
    Elements,
)

CONFIG = {"train": {"steps": 4}, "tasks": {"topic": {"labels": ("a", "b")}}, "seed": 0}
MISTAKE = {
    "text": "<i>Ann</i> left 🙂 Oslo", "probability": 0.0125, "loss": 2.5,
    "given": [{"text": "Ann", "label": "PER", "start": 3, "end": 6}],
    "found": [{"text": "Oslo", "label": "LOC", "start": 18, "end": 22, "score": 0.9}],
}  # fmt: skip


def history(steps):
    train = [
        {"kind": "train", "step": s, "losses": {"topic": 1 / s, "ner": 2 / s}, "fill": 0.75,
         "learning_rate": 1e-3, "gradient_norm": 1.0, "tokens_per_second": 100 * s}
        for s in range(1, steps + 1)
    ]  # fmt: skip
    dev = {"kind": "dev", "step": steps, "scores": {"topic": 0.6}, "topic": {"loss": 0.875}}
    return [*train, dev]


def page(final=FINAL, rows=(), mistakes=None, name="balanced"):
    return Elements(render(RunFiles(name, CONFIG, list(rows), dict(final), mistakes or {})))


def points(chart):
    return chart["data"]["values"]


def test_the_page_is_well_formed_and_loads_nothing():
    found = page({**FINAL, "test": {"topic": TOPIC}}, history(20))
    assert found.open == []
    assert found.fetched == []


def test_the_page_shows_every_score_and_fact_of_the_run():
    found = page({**FINAL, "test": {"topic": TOPIC, "ner": NER}}, history(20))
    assert ["sports", "0.5000", "0.2500", "0.3333", "1,234"] in found.rows
    assert ["accuracy 0.750", "", "", "0.7000", ""] in found.rows
    assert "macro F1 0.7000; accuracy 0.7500; 4 sentences." in found.text
    assert "entity F1, strict 0.3333" in found.text
    assert "Highest F1 that can be reached on these sentences: 0.9876." in found.text
    assert "5,678 parameters" in found.text
    assert "train.steps = 4" in found.text


def test_the_confusion_matrix_has_gold_in_rows_and_predictions_in_columns():
    found = page({**FINAL, "test": {"topic": TOPIC}})
    assert ["gold \\ predicted", "sports", "<b>"] in found.rows
    assert ["sports", "2", "1"] in found.rows
    assert ["<b>", "0", "1"] in found.rows


def test_curves_hold_the_recorded_losses_scores_and_learning_rate():
    charts = page(FINAL, history(3)).charts
    values = [(p["s"], p["x"], p["y"]) for p in points(charts["Loss"])]
    assert values == [
        ("s0", 1, 1.0), ("s0", 2, 0.5), ("s0", 3, 1 / 3),
        ("s1", 1, 2.0), ("s1", 2, 1.0), ("s1", 3, 2 / 3),
        ("s2", 3, 0.875),
    ]  # fmt: skip
    assert [p["y"] for p in points(charts["Score on dev"])] == [0.6]
    assert [p["y"] for p in points(charts["Learning rate"])] == [1e-3] * 3


def test_hovering_a_curve_names_every_task():
    chart = page(FINAL, history(3)).charts["Loss"]
    (tooltip,) = [
        layer["encoding"]["tooltip"] for layer in chart["layer"] if "tooltip" in layer["encoding"]
    ]
    assert [field["title"] for field in tooltip] == [
        "step",
        "topic, train",
        "ner, train",
        "topic, dev",
    ]


def test_curves_of_a_long_run_have_few_points_and_end_with_the_last_step():
    for chart in page(FINAL, history(5000)).charts.values():
        for name in {p["s"] for p in points(chart)}:
            of_one = [p for p in points(chart) if p["s"] == name]
            assert len(of_one) <= 401
            assert of_one[-1]["x"] == 5000


def test_speed_and_padding_are_summed_up():
    found = page(FINAL, history(3))
    assert "Median 200 subwords per second; 25.0% of the positions are padding." in found.text
    assert [p["y"] for p in points(found.charts["Share of padding"])] == [0.25] * 3


def test_names_are_escaped():
    html = render(RunFiles("<run>", CONFIG, [], {**FINAL, "dev": {"topic": TOPIC}}, {}))
    assert "<b>" not in html
    assert "&lt;b&gt;" in html
    assert "&lt;run&gt;" in html


def test_hostile_names_and_texts_end_no_element_and_start_no_script():
    hostile = "</script><script>alert(1)</script>"
    rows = [{"kind": "train", "step": 1, "losses": {hostile: 1.0}}]
    task = {**TOPIC, "confusion": {"labels": [hostile, "b"], "counts": [[1, 0], [0, 1]]},
            "per_class": {hostile: TOPIC["per_class"]["sports"]}}  # fmt: skip
    mistake = {**MISTAKE, "text": hostile * 2,
               "given": [{"label": hostile, "start": 0, "end": 9}]}  # fmt: skip
    final = {**FINAL, "test": {hostile: task}, "data": {"notes": [hostile]}}
    html = render(
        RunFiles(hostile, {hostile: hostile}, rows, final, {hostile: {hostile: [mistake]}})
    )
    assert "<script>alert" not in html
    found = Elements(html)
    assert found.open == []
    # Vega, and what starts it.
    assert found.counts["script"] == 2 + len(found.charts)


def test_sentences_that_went_most_wrong_are_shown_with_label_and_answer_marked():
    html = render(RunFiles("r", CONFIG, [], FINAL, {"dev": {"ner": [MISTAKE], "topic": []}}))
    found = Elements(html)
    assert found.open == []
    assert "ner: 1 dev sentence" in found.text
    assert "1. probability of the label 0.013; loss 2.50" in found.text
    assert "&lt;i&gt;<mark" in html
    assert ">Ann<span" in html
    assert "left 🙂 <mark" in html
    assert found.counts["mark"] == 2
    assert "topic:" not in found.text


def test_page_shows_the_scores_before_and_after_each_phase_and_what_was_forgotten():
    row = {
        "name": "<a>", "start": 0, "end": 1000, "tasks": ["topic", "ner"],
        "before": {"topic": 0.75, "ner": 0.5}, "after": {"topic": 0.5, "ner": 0.875},
    }  # fmt: skip
    found = page({**FINAL, "phases": [row]}, history(2))
    assert ["<a>", "1 to 1,000", "topic, trained", "0.7500", "0.5000", "-0.2500"] in found.rows
    assert ["<a>", "1 to 1,000", "ner, trained", "0.5000", "0.8750", "+0.3750"] in found.rows
    assert "Forgotten: topic -0.2500 in the phase <a>." in found.text
    better = {**row, "after": {"topic": 0.75, "ner": 0.875}}
    assert "No phase made a task worse." in page({**FINAL, "phases": [better]}).text
    untrained = {**row, "tasks": ["ner"]}  # topic is as random as before
    assert "Forgotten" not in page({**FINAL, "phases": [untrained]}).text
    later = {**untrained, "name": "b"}
    assert (
        "Forgotten: topic -0.2500 in the phase b."
        in page({**FINAL, "phases": [better, later]}).text
    )
    for phases in ([], [{**row, "before": {}, "after": {}}]):
        assert "each phase" not in page({**FINAL, "phases": phases}, history(2)).text


def test_curves_show_where_phases_begin():
    phases = [
        {"name": name, "start": start, "end": start + 10, "tasks": [], "before": {}, "after": {}}
        for name, start in (("first", 0), ("second", 10))
    ]
    chart = page({**FINAL, "phases": phases}, history(20)).charts["Loss"]
    assert [{"x": 0, "name": "first"}, {"x": 10, "name": "second"}] in [
        layer["data"]["values"] for layer in chart["layer"] if "data" in layer
    ]


def test_the_page_says_what_was_read_and_what_the_check_of_the_data_found():
    notes = [f"note {n} & more" for n in range(20)]
    data = {"sentences": {"train": {"topic": 1200}, "dev": {"topic": 7}}, "notes": notes}
    found = page({**FINAL, "data": data})
    assert ["topic", "1,200", "7"] in found.rows
    assert all(note in found.text for note in notes)


@pytest.mark.parametrize("rows", [[], history(1), [{"kind": "train", "step": 1}]])
def test_run_without_figures_still_gets_a_page(rows):
    found = page(FINAL, rows)
    assert found.open == []
    assert "Teachers" not in found.headings
    assert "Data" not in found.headings


def test_a_run_that_is_not_finished_has_a_page_with_its_curves():
    found = page({}, history(3))
    assert "This run is not finished: 3 steps are done." in found.text
    assert "Loss" in found.charts


def test_page_shows_scores_of_all_four_kinds_and_confusion_only_if_there_is_one():
    scores = {"topic": TOPIC, "ner": NER, "subjects": SUBJECTS_SCORE, "pos": POS_SCORE}
    found = page({**FINAL, "test": scores})
    assert found.open == []
    assert set(scores) < set(found.headings)
    # A table of labels per task, and a confusion matrix of three of them.
    heads = [row[0] for row in found.rows]
    assert heads.count("label") == 4
    assert heads.count("gold \\ predicted") == 3
    assert "micro F1 0.6250; macro F1 0.5000; whole sets right 0.3750; 8 sentences." in found.text
    assert ["law", "0.2500", "0.5000", "0.3333", "2"] in found.rows


def test_of_many_labels_those_with_the_lowest_f1_are_shown_first():
    rows = {f"label {n}": {"precision": 1.0, "recall": 1.0, "f1": n / 100, "support": 1}
            for n in range(60)}  # fmt: skip
    found = page({**FINAL, "test": {"topic": {**TOPIC, "per_class": rows}}})
    shown = [row[0] for row in found.rows if row[0].startswith("label ")]
    assert shown[:12] == [f"label {n}" for n in range(12)]
    assert len(shown) == 12 + 60


def test_metrics_of_version_0_1_give_a_page():
    run = read_run(ROOT / "tests/old_runs/v0_1/finished")
    found = Elements(render(run))
    assert found.open == []
    assert {"Loss", "Score on dev", "Learning rate"} < set(found.charts)
    for split in ("dev", "test"):
        assert f"Scores on {split}" in found.headings
        assert f"{run.final[split]['topic']['macro_f1']:.4f}" in found.text
        assert f"entity F1, strict {run.final[split]['ner']['f1']:.4f}" in found.text


def test_a_stopped_run_of_version_0_1_gives_a_page():
    found = Elements(render(read_run(ROOT / "tests/old_runs/v0_1/stopped")))
    assert found.open == []
    assert "This run is not finished" in found.text


def test_page_says_that_a_run_stopped_early_and_what_is_best_by_each_task():
    stop = {
        "phase": "<a>", "step": 1200, "planned": 2000, "best_step": 700, "best_score": 0.5,
    }  # fmt: skip
    better = {**TOPIC, "macro_f1": 0.875}
    final = {
        **FINAL, "dev": {"topic": TOPIC}, "stopped_early": [stop],
        "best_by_task": {"topic": {"step": 2, "dev": better}},
    }  # fmt: skip
    found = page(final, history(2))
    assert "Stopped early: <a> ended at step 1,200 of 2,000" in found.text
    assert ["topic", "2", "0.8750", "0.7000"] in found.rows
    assert found.open == []
    assert "Best checkpoint" not in page(FINAL, history(2)).text


def test_page_has_a_reliability_diagram_of_a_calibrated_task():
    found = page({**FINAL, "test": {"topic": CALIBRATED, "ner": NER}})
    (title,) = [title for title in found.charts if "share that is right" in title]
    drawn = found.charts[title]["layer"][1]["data"]["values"]
    assert [(p["name"], p["score"], p["right"], p["size"]) for p in drawn] == [
        ("with the temperature", 0.5, 0.5, 4),
        ("without it", 0.5, 0.25, 3),
        ("without it", 0.875, 1.0, 1),
    ]
    assert "Expected calibration error 0.062, 0.125 before the temperature of 1.50." in found.text


def test_a_damaged_file_of_a_run_is_named(tmp_path):
    old = ROOT / "tests/old_runs/v0_1/finished"
    for name in ("config.json", "metrics.json"):
        (tmp_path / name).write_bytes((old / name).read_bytes())
    (tmp_path / "metrics.json").write_text("{")
    with pytest.raises(UserError, match=r"metrics.json: is damaged .* writes it anew"):
        read_run(tmp_path)
    with pytest.raises(UserError, match="not found; name one, such as runs/balanced"):
        read_run(tmp_path / "missing")
    assert json.loads((old / "metrics.json").read_text())["steps"]
