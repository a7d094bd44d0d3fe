"""The model directory: written atomically, read back unchanged, and every damaged file named."""

import json

import jax
import numpy as np
import pytest

from mtt_jax.errors import UserError
from mtt_jax.weights import saved_model
from tests.helpers import assert_trees_equal, four_task_config, make_config, model_and_params


@pytest.fixture
def folder(tiny, tokenizer, tmp_path):
    config, _, params = tiny
    saved_model.save(tmp_path / "model", config, params, tokenizer, "# card\n")
    return tmp_path / "model"


def test_saved_model_loads_from_the_run_and_from_the_model_directory(tiny, tokenizer, folder):
    config, _, params = tiny
    for place in (folder, folder.parent, str(folder)):
        model = saved_model.load(place)
        assert_trees_equal(model.params, jax.tree.map(np.asarray, params))
        assert model.config == config
        assert model.tokenizer.to_str() == tokenizer.to_str()
        assert model.tasks == config.task_list


def test_scanned_layers_are_saved_unstacked_and_restored_as_a_stack(tokenizer, tmp_path):
    config = make_config(encoder__scan=True)
    _, params = model_and_params(config, tokenizer)
    saved_model.save(tmp_path / "model", config, params, tokenizer, "")
    assert_trees_equal(saved_model.load(tmp_path).params, jax.tree.map(np.asarray, params))
    plain = saved_model.unstack_layers(params)
    assert {"layer_0", "layer_1"} <= plain["encoder"].keys()
    assert_trees_equal(saved_model.stack_layers(plain), jax.tree.map(np.asarray, params))


def test_saving_replaces_the_whole_directory_and_leaves_no_temporary_files(tiny, tokenizer, folder):
    config, _, params = tiny
    (folder / "old.txt").write_text("")
    doubled = jax.tree.map(lambda leaf: leaf * 2, params)
    saved_model.save(folder, config, doubled, tokenizer, "# new\n")
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert not (folder / "old.txt").exists()
    assert_trees_equal(saved_model.load(folder).params, jax.tree.map(np.asarray, doubled))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        saved_model.load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_truncated_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        saved_model.load(folder)


@pytest.fixture(scope="module")
def four_tasks(tokenizer):
    """(config, parameters) of a model with a task of each kind."""
    config = four_task_config()
    _, params = model_and_params(config, tokenizer)
    return config, params


THRESHOLDS = {"money": 0.25, "law": 0.5, "people": 0.75}


def fitted_tasks(config):
    """The tasks, with thresholds for the multi-label one."""
    chosen = {"subjects": {"thresholds": THRESHOLDS}}
    return tuple(task.with_fitted(chosen.get(task.name, {})) for task in config.task_list)


def test_fitted_thresholds_are_saved_and_loaded(four_tasks, tokenizer, tmp_path):
    config, params = four_tasks
    tasks = fitted_tasks(config)
    saved_model.save(tmp_path / "model", config, params, tokenizer, "", tasks=tasks)
    assert json.loads((tmp_path / "model" / "fitted.json").read_text()) == {
        "subjects": {"thresholds": THRESHOLDS}
    }
    loaded = saved_model.load(tmp_path).tasks
    assert loaded == tasks != config.task_list


def test_model_without_fitted_tasks_has_no_fitted_json(four_tasks, tokenizer, tmp_path):
    config, params = four_tasks
    for tasks in (None, config.task_list):
        saved_model.save(tmp_path / "model", config, params, tokenizer, "", tasks=tasks)
        assert not (tmp_path / "model" / "fitted.json").exists()
        assert saved_model.load(tmp_path).tasks == config.task_list


@pytest.mark.parametrize(
    "content",
    [
        "{",
        "[]",
        '{"subjects": []}',
        '{"subjects": {"thresholds": {"law": "high"}}}',
        "\xff",
        "null",
        '{"no_task": {}}',
    ],
)
def test_damaged_fitted_json_is_refused_in_one_line(content, four_tasks, tokenizer, tmp_path):
    config, params = four_tasks
    saved_model.save(tmp_path / "model", config, params, tokenizer, "", fitted_tasks(config))
    (tmp_path / "model" / "fitted.json").write_bytes(content.encode("latin-1"))
    with pytest.raises(UserError, match=r"fitted\.json: damaged: ") as error:
        saved_model.load(tmp_path)
    assert len(str(error.value).splitlines()) == 1
