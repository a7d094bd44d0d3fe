"""The model card: front matter that hubs read, and the run's own figures."""

import copy

from mtt_jax.report import card
from tests.helpers import FINAL, NER, TOPIC

CONFIG = {
    "tasks": {
        "topic": {"kind": "sentence", "labels": ("sports", "others")},
        "ner": {"kind": "token", "labels": ("O", "PER")},
    },
    "data": {"source": "newswire"},
    "encoder": {"layers": 4, "width": 128, "heads": 4, "positions": "rotary", "pooling": "mean"},
    "train": {"batch_rows": 32, "row_length": 128, "learning_rate": 1e-3, "score": "ner=1"},
}
COUNTS = {"train": {"topic": 12000, "ner": 1200}}


def render(**final):
    return card.render("balanced", CONFIG, {**FINAL, **final}, ["a note on the data"], COUNTS)


def test_the_front_matter_names_both_kinds_of_task_and_the_scores():
    front = render(test={"topic": TOPIC, "ner": NER}).split("---\n")[1]
    assert "library_name: mtt_jax" in front
    assert "- text-classification\n- token-classification" in front
    assert "type: accuracy\n      value: 0.7500" in front
    assert "type: f1\n      value: 0.3333" in front


def test_the_front_matter_without_scores_is_still_a_list():
    assert "  results: []\n---" in render()


def test_it_tells_data_scores_limits_and_how_to_load():
    text = render(test={"topic": TOPIC, "ner": NER})
    assert "| test | ner | entity F1, strict | 0.3333 | 4 |" in text
    assert "| train | ner | 1,200 |" in text
    assert "a note on the data" in text
    assert 'Predictor.load("runs/balanced")' in text
    assert "no model scores above F1 0.9876" in text
    assert "Weakest label of ner: PER" in text


def test_it_names_the_phases():
    phases = [{"name": "a", "end": 1200, "tasks": ["topic", "ner"], "learning_rate": 3e-3}]
    text = render(phases=phases)
    assert "in phases: a (to step 1,200, on topic and ner, peak rate 0.003)." in text
    assert "0.001" not in text, "the rate of a run without phases"
    assert "phases" not in render()


def test_a_scheme_without_a_ceiling_is_no_limit():
    free = copy.deepcopy(NER)
    free["ceiling"]["f1"] = 1.0
    assert "no model scores above" not in render(test={"ner": free})
