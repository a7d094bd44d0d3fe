"""`mtt info`: what a run contains, as JSON."""

import json

import jax
import pytest

from mtt_jax.cli import main
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.tasks import Multilabel
from mtt_jax.weights import saved_model
from tests.helpers import (
    ROOT,
    four_task_config,
    make_config,
    model_and_params,
    save_untrained,
)


def info(path, capsys):
    assert main(["info", str(path)]) == 0
    return json.loads(capsys.readouterr().out)


@pytest.mark.parametrize("part", ["", "model"])
def test_info_describes_tasks_parameters_and_vocabulary(part, tokenizer, tmp_path, capsys):
    run, config = save_untrained(tmp_path, tokenizer), make_config()
    about = info(run / part, capsys)
    _, params = model_and_params(config, tokenizer)
    assert about["model"] == str(run / "model")
    assert about["parameters"] == sum(leaf.size for leaf in jax.tree.leaves(params))
    assert about["vocabulary"] == vocabulary_size(tokenizer)
    assert about["max_length"] == 32
    assert about["tasks"] == {
        "topic": {"kind": "classes", "labels": ["sports", "politics", "others"]},
        "ner": {
            "kind": "entities", "labels": ["O", "PER", "ORG", "LOC", "MISC"], "scheme": "io"
        },
    }  # fmt: skip


def test_info_shows_the_thresholds_that_were_chosen_on_dev(tokenizer, tmp_path, capsys):
    config = four_task_config()
    _, params = model_and_params(config, tokenizer)
    tasks = [
        task.with_fitted({"thresholds": {"money": 0.5, "law": 0.25, "people": 0.5}})
        if isinstance(task, Multilabel)
        else task
        for task in config.task_list
    ]
    saved_model.save(tmp_path / "model", config, params, tokenizer, "", tasks)
    about = info(tmp_path, capsys)
    assert list(about["tasks"]) == ["subjects", "topic", "ner", "pos"]
    assert about["tasks"]["subjects"] == {
        "kind": "multilabel",
        "labels": ["money", "law", "people"],
        "thresholds": {"money": 0.5, "law": 0.25, "people": 0.5},
    }
    assert about["tasks"]["pos"] == {"kind": "tags", "labels": ["NOUN", "VERB", "OTHER"]}


def test_info_of_a_run_of_version_0_1_has_its_figures(capsys):
    about = info(ROOT / "tests" / "old_runs" / "v0_1" / "finished", capsys)
    assert about["tasks"]["ner"]["kind"] == "entities"
    assert about["parameters"] == 1940
    assert (about["steps"], about["best_step"], about["device"]) == (6, 6, "CPU, 2 cores")
