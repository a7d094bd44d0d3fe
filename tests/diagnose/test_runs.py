"""The runs of a diagnosis: what each gets right on dev, kept in files that stay readable."""

import dataclasses
import io
import json

import numpy as np
import pytest
from rich.console import Console as RichConsole

from mtt_jax.config.files import to_plain
from mtt_jax.config.resolve import resolve
from mtt_jax.data.prepare import prepare
from mtt_jax.diagnose.arms import make_arms
from mtt_jax.diagnose.runs import (
    Study,
    dev_tallies,
    folder_of,
    read_tallies,
    run_arms,
    tallies_file,
)
from mtt_jax.diagnose.runs import forward_of as forward_of_saved
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.scoring.evaluate import evaluate
from mtt_jax.weights.saved_model import SavedModel, load
from tests.helpers import forward_of, make_config


def test_tallies_add_up_to_the_scores_of_evaluate(tiny, examples, tokenizer, tmp_path):
    config, model, params = tiny
    saved = SavedModel(config, params, tokenizer, tmp_path, config.task_list)
    found = dev_tallies(forward_of(model), saved, examples)
    scores = evaluate(forward_of(model), params, examples, config).scores
    for task in config.task_list:
        ours = float(task.headline(found[task.name].sum(axis=0)))
        assert ours == pytest.approx(scores[task.name].headline)


def version_0_1(config):
    """A config as version 0.1 wrote it in config.json."""
    plain = to_plain(config)
    kinds = {"classes": "sentence", "entities": "token"}
    for name, task in plain["tasks"].items():
        task["kind"] = kinds[task["kind"]]
        fields = plain["data"][name]
        fields["synthetic_ways"] = fields.pop("synthetic_methods")
        del fields["separator"]
    plain["tokenizer"]["kind"] = plain["tokenizer"].pop("algorithm")
    del plain["train"]["tasks"]
    return json.dumps(plain)


@pytest.fixture
def old(tmp_path, examples):
    """A study all of whose runs were made by version 0.1; their files hold counts [n, 3 * X]."""
    config = make_config()
    arms = make_arms(config, examples, ("pcgrad",))
    console = Console(RichConsole(file=io.StringIO()))
    study = Study(config, tmp_path, None, arms, 2, ("pcgrad",), console)
    (tmp_path / "outcomes").mkdir()
    for arm, fields in arms.items():
        for seed in range(2):
            of_seed = dataclasses.replace(fields, seed=fields.seed + seed)
            if arm == "joint" and seed == 0:
                train = dataclasses.replace(of_seed.train, save_every=1, keep=8)
                of_seed = dataclasses.replace(of_seed, train=train)
            about = {"config": version_0_1(of_seed), "seconds": 1.5}
            np.savez(
                tallies_file(study, arm, seed),
                topic=np.arange(18).reshape(2, 9),
                ner=np.arange(6).reshape(2, 3),
                about=np.array(json.dumps(about)),
            )
    return study


def test_a_diagnosis_of_version_0_1_is_resumed_without_training(old):
    found = run_arms(old)
    assert set(found) == {"joint", "topic alone", "ner alone", "pcgrad"}
    for runs in found.values():
        assert len(runs) == 2
        np.testing.assert_array_equal(runs[0]["topic"], np.arange(18).reshape(2, 3, 3))
        np.testing.assert_array_equal(runs[0]["ner"], np.arange(6).reshape(2, 3, 1))
    about, _ = read_tallies(tallies_file(old, "joint", 1))
    assert about["seconds"] == 1.5
    assert old.console.rich.file.getvalue() == ""


def test_a_run_of_another_config_is_refused(old):
    other = dataclasses.replace(old.arms["joint"], init_parts="heads")
    with pytest.raises(UserError, match=r"trained with another config \(init_parts"):
        run_arms(old._replace(arms={**old.arms, "joint": other}))


@pytest.mark.peers  # slow: runs
def test_each_task_is_compared_in_the_model_that_is_its_own_best_if_asked(raw, tmp_path):
    raw = raw.copy_and_resolve_references()
    raw.train.update(steps=8, best_by_task=True, log_to=())
    config = resolve(raw)
    data = prepare(config)
    joint = make_arms(config, data.splits["train"], ())["joint"]
    console = Console(RichConsole(file=io.StringIO()))
    study = Study(config, tmp_path, data, {"joint": joint}, 1, (), console)
    (found,) = run_arms(study)["joint"]
    for task in ("tone", "who"):
        model = load(folder_of(study, "joint", 0) / f"model-{task}")
        theirs = dev_tallies(forward_of_saved(model), model, data.splits["dev"])
        np.testing.assert_array_equal(found[task], theirs[task])
