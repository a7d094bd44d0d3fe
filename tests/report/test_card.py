"""The model card: front matter that hubs read, and the run's own figures."""

import copy
import json

import pytest

from mtt_jax.report import card
from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from tests.helpers import FINAL, NER, POS_SCORE, ROOT, SUBJECTS_SCORE, TOPIC

TASKS = (Classes("topic", ("sports", "others")), Entities("ner", ("O", "PER")))
CONFIG = {
    "data": {"source": "newswire"},
    "encoder": {"layers": 4, "width": 128, "heads": 4, "positions": "rotary", "pooling": "mean"},
    "train": {"batch_rows": 32, "row_length": 128, "learning_rate": 1e-3, "score": "ner=1"},
}
COUNTS = {"train": {"topic": 12000, "ner": 1200}}


def render(tasks=TASKS, counts=COUNTS, **final):
    notes = ["a note on the data"]
    return card.render("balanced", tasks, CONFIG, {**FINAL, **final}, notes, counts)


def test_front_matter_names_the_hub_tasks_and_the_scores():
    front = render(test={"topic": TOPIC, "ner": NER}).split("---\n")[1]
    assert "library_name: mtt_jax" in front
    assert "- text-classification\n- token-classification" in front
    assert "type: accuracy\n      value: 0.7500" in front
    assert "type: f1\n      value: 0.3333" in front


def test_front_matter_without_scores_is_still_a_list():
    assert "  results: []\n---" in render()


def test_card_describes_data_scores_limits_and_how_to_load():
    text = render(test={"topic": TOPIC, "ner": NER})
    assert "| test | ner | entity F1, strict | 0.3333 | 4 |" in text
    assert "| train | ner | 1,200 |" in text
    assert "a note on the data" in text
    assert 'Predictor.load("runs/balanced")' in text
    assert "No model reaches more than F1 0.9876 for ner" in text
    assert "Weakest label of ner: PER" in text


def test_card_describes_the_phases():
    phases = [{"name": "a", "end": 1200, "tasks": ["topic", "ner"], "learning_rate": 3e-3}]
    text = render(phases=phases)
    assert "in phases: a (to step 1,200, on topic and ner, peak rate 0.003)." in text
    assert "0.001" not in text, "the rate of a run without phases"
    assert "phases" not in render()


def test_tag_scheme_without_a_ceiling_is_not_a_limit():
    free = copy.deepcopy(NER)
    free["ceiling"]["f1"] = 1.0
    assert "no model scores above" not in render(test={"ner": free})


def test_card_of_all_four_kinds_has_each_task_with_its_unit_and_each_figure():
    tasks = (
        Multilabel("subjects", ("money", "law"), thresholds=(0.25, 0.5)),
        *TASKS,
        Tags("pos", ("NOUN", "VERB")),
    )
    counts = {"train": {"subjects": 7, "topic": 12000, "ner": 1200, "pos": 3}}
    scores = {"subjects": SUBJECTS_SCORE, "topic": TOPIC, "ner": NER, "pos": POS_SCORE}
    text = render(tasks, counts, test=scores)
    front = text.split("---\n")[1]
    assert front.count("- text-classification\n") == front.count("- token-classification\n") == 1
    assert front.count("type: text-classification") == 2
    assert front.count("type: token-classification") == 2
    for task, labels, unit in (
        ("subjects", "money, law", "sentence"),
        ("topic", "sports, others", "sentence"),
        ("ner", "O, PER", "word"),
        ("pos", "NOUN, VERB", "word"),
    ):
        assert f"{task} ({labels}) for every {unit}" in text
    for line in (
        "| test | subjects | micro F1 | 0.6250 | 8 |",
        "| test | subjects | whole sets right | 0.3750 | 8 |",
        "| test | pos | accuracy | 0.7500 | 4 |",
        "| train | subjects | 7 |",
    ):
        assert line in text
    assert "Weakest label of subjects: law, F1 0.3333." in text


@pytest.mark.parametrize("split", ["dev", "test"])
def test_metrics_of_version_0_1_give_a_card(split):
    metrics = json.loads((ROOT / "tests/old_runs/v0_1/finished/metrics.json").read_text())
    tasks = (Classes("topic", ("sports", "politics", "others")), Entities("ner", ("O", "PER")))
    text = render(tasks, **{split: metrics[split]})
    for task, figure, title in (
        ("topic", "macro_f1", "macro F1"),
        ("topic", "accuracy", "accuracy"),
        ("ner", "f1", "entity F1, strict"),
    ):
        value, count = metrics[split][task][figure], metrics[split][task]["count"]
        assert f"| {split} | {task} | {title} | {value:.4f} | {count} |" in text


def test_card_of_a_model_that_is_best_by_a_task_says_so():
    text = render(test={"topic": TOPIC}, chosen_by="topic")
    assert "chosen on dev by the score of the task topic; test was read once" in text
    assert "chosen on dev by the score `ner=1`;" in render(test={"topic": TOPIC})
