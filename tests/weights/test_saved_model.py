"""The model directory: written atomically, read back unchanged, and every damaged file named."""

import json

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from mtt_jax import Predictor
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.errors import UserError
from mtt_jax.weights import manifest, saved_model
from tests.helpers import (
    assert_trees_equal,
    flip_a_bit,
    four_task_config,
    make_config,
    model_and_params,
)


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
    with pytest.raises(UserError, match=f"{name}: missing. Copy the whole directory again"):
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
        '{"topic": {"temperature": 0}}',
        '{"topic": {"temperature": null}}',
        "\xff",
        "null",
        '{"no_task": {}}',
    ],
)
def test_damaged_fitted_json_is_refused_in_one_line(content, four_tasks, tokenizer, tmp_path):
    config, params = four_tasks
    saved_model.save(tmp_path / "model", config, params, tokenizer, "", fitted_tasks(config))
    (tmp_path / "model" / "fitted.json").write_bytes(content.encode("latin-1"))
    manifest.write(tmp_path / "model")
    with pytest.raises(UserError, match=r"fitted\.json: ") as error:
        saved_model.load(tmp_path)
    assert len(str(error.value).splitlines()) == 1


def change(folder, **tensors):
    """Replaces tensors of a saved model; None leaves one out, and dots are written as __."""
    file = folder / "model.safetensors"
    found = load_file(file) | {name.replace("__", "."): leaf for name, leaf in tensors.items()}
    save_file({name: leaf for name, leaf in found.items() if leaf is not None}, file)
    manifest.write(folder)


def refusal(folder):
    with pytest.raises(UserError) as error:
        saved_model.load(folder)
    message = str(error.value)
    assert len(message.splitlines()) == 1
    return message


def test_parameters_that_are_not_finite_are_refused_with_their_tensor(folder):
    change(folder, heads__topic__logits__bias=np.array([0, np.nan, np.inf], np.float32))
    assert (
        "model.safetensors: tensor 'heads.topic.logits.bias' is NaN or infinite, as float32, in 2 "
        "of 3 places"
    ) in refusal(folder)


@pytest.mark.parametrize(("dtype", "name"), [("i1", "I8"), ("?", "BOOL"), ("c8", "C64")])
def test_parameters_of_another_type_are_refused_with_their_tensor(dtype, name, folder):
    change(folder, heads__topic__logits__bias=np.zeros(3, dtype))
    assert f"tensor 'heads.topic.logits.bias' is stored as {name}, not as" in refusal(folder)


def test_parameters_saved_in_half_precision_are_float32_again(tiny, folder):
    _, _, params = tiny
    half = {n.replace(".", "__"): x.astype("f2")
            for n, x in load_file(folder / "model.safetensors").items()}  # fmt: skip
    change(folder, **half)
    loaded = saved_model.load(folder).params
    assert {leaf.dtype for leaf in jax.tree.leaves(loaded)} == {np.dtype("f4")}
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-3), loaded, params)


TABLE = "encoder__token_embedding__embedding"


def test_a_table_with_a_row_less_or_none_is_refused(tiny, folder):
    table = np.asarray(tiny[2]["encoder"]["token_embedding"]["embedding"])
    for wrong, rows in ((table[:-1], len(table) - 1), (None, 0), (np.tile(table, (2, 1)), None)):
        change(folder, **{TABLE: wrong})
        rows = 2 * len(table) if rows is None else rows
        assert (
            f"tensor 'encoder.token_embedding.embedding' has {rows:,} rows, but tokenizer.json has "
            f"ids up to {len(table) - 1:,}; they do not belong together"
        ) in refusal(folder)


def test_a_table_of_an_older_version_gets_rows_for_ids_beyond_the_count(tiny, folder):
    table = np.asarray(tiny[2]["encoder"]["token_embedding"]["embedding"])
    file = folder / "tokenizer.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    vocab = content["model"]["vocab"]
    vocab[max(vocab, key=vocab.get)] += 2  # as many subwords as rows, but larger ids
    file.write_text(json.dumps(content), encoding="utf-8")
    manifest.write(folder)
    found = saved_model.load(folder).params["encoder"]["token_embedding"]["embedding"]
    assert len(found) == vocabulary_size(saved_model.load(folder).tokenizer) == len(table) + 2
    np.testing.assert_array_equal(found[: len(table)], table)
    np.testing.assert_allclose(found[-1], table.mean(axis=0), atol=1e-6)


def test_a_shape_that_does_not_fit_the_config_is_named(folder):
    change(folder, encoder__layer_1__up__kernel=np.zeros((16, 5), np.float32))
    assert (
        "config.json: parameter encoder.layer_1.up.kernel has the shape (16, 32) by this config, "
        "but (16, 5) in model.safetensors; they do not belong together"
    ) in refusal(folder)


@pytest.mark.parametrize(
    ("section", "field", "value", "message"),
    [
        ("encoder", "width", 10**9, "(1000000000,) by this config, but (16,) in model.safet"),
        ("encoder", "feedforward", 10**12, "(1000000000000, 16) by this config, but (32, 16) in"),
        (
            "encoder",
            "layers",
            10**9,
            "encoder.layers is 1,000,000,000, but model.safetensors has 2",
        ),
        ("tasks", "topic", None, "(2,) by this config, but (3,) in model.safetensors"),
    ],
)
def test_sizes_in_the_config_are_compared_with_the_header_before_anything_is_allocated(
    section, field, value, message, folder
):
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    if section == "tasks":
        config["tasks"]["topic"]["labels"] = ["sports", "politics"]
    else:
        config[section][field] = value
    file.write_text(json.dumps(config), encoding="utf-8")
    manifest.write(folder)
    assert message in refusal(folder)


def test_more_slots_than_positions_ask_for_no_memory(folder):
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    before = Predictor.load(folder)("Tom")
    config["train"]["slots"] = 10**9
    file.write_text(json.dumps(config), encoding="utf-8")
    manifest.write(folder)
    assert saved_model.load(folder).config.slots == config["train"]["row_length"]
    assert Predictor.load(folder)("Tom") == before


def test_what_was_chosen_is_replaced_in_a_saved_model(four_tasks, tokenizer, tmp_path):
    config, params = four_tasks
    saved_model.save(tmp_path / "model", config, params, tokenizer, "", fitted_tasks(config))
    chosen = {"topic": {"temperature": 1.25}, "ner": {"thresholds": {"PER": 0.5, "ORG": None}}}
    chosen["ner"]["thresholds"] |= dict.fromkeys(("LOC", "MISC"), 0.25)
    tasks = tuple(task.with_fitted(chosen.get(task.name, {})) for task in config.task_list)
    saved_model.write_fitted(tmp_path / "model", tasks)
    assert json.loads((tmp_path / "model" / "fitted.json").read_text()) == chosen
    assert saved_model.load(tmp_path).tasks == tasks
    saved_model.write_fitted(tmp_path / "model", config.task_list)
    assert not (tmp_path / "model" / "fitted.json").exists()
    assert not list((tmp_path / "model").glob(".*"))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_flipped_bit_is_refused_with_its_file_and_how_to_accept_it(name, folder):
    flip_a_bit(folder / name)
    assert refusal(folder) == (
        f"{folder / name}: its content is not what was written (SHA-256 differs). Copy the whole "
        f"directory again; or, if you changed it on purpose, accept it as it is: mtt verify "
        f"{folder} --accept"
    )


def test_labels_in_another_order_are_refused_and_can_be_loaded_unverified(folder):
    file = folder / "config.json"
    config = json.loads(file.read_text(encoding="utf-8"))
    config["tasks"]["topic"]["labels"].reverse()
    file.write_text(json.dumps(config), encoding="utf-8")
    assert "config.json: has " in refusal(folder)
    with pytest.raises(UserError, match=r"config\.json: has "):
        Predictor.load(folder)
    found = Predictor.load(folder, verify=False)("Tom")
    assert list(found["topic"]["scores"]) == config["tasks"]["topic"]["labels"]


def test_what_was_chosen_on_dev_cannot_be_added_unnoticed(folder):
    (folder / "fitted.json").write_text('{"topic": {"temperature": 2.0}}')
    assert "fitted.json: was added later" in refusal(folder)


def test_a_manifest_that_was_removed_is_missed(folder):
    (folder / "manifest.json").unlink()
    assert "manifest.json: missing" in refusal(folder)


def test_a_model_card_may_be_edited(folder):
    (folder / "README.md").write_text("# A better title\n")
    assert saved_model.load(folder).path == folder
    assert [one.file.name for one in saved_model.damages(folder, card=True)] == ["README.md"]
