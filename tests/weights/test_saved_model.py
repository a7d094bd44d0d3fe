"""The model directory: written whole, read back equal, and every damage named."""

import jax
import numpy as np
import pytest

from mtt_jax.errors import UserError
from mtt_jax.weights import saved_model
from tests.helpers import make_config, model_and_params


@pytest.fixture
def folder(tiny, tokenizer, tmp_path):
    config, _, params = tiny
    saved_model.save(tmp_path / "model", config, params, tokenizer, "# card\n")
    return tmp_path / "model"


def same(ours, theirs):
    assert jax.tree.structure(ours) == jax.tree.structure(theirs)
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def test_what_is_saved_is_read_back_from_the_run_and_from_the_model(tiny, tokenizer, folder):
    config, _, params = tiny
    for place in (folder, folder.parent, str(folder)):
        model = saved_model.load(place)
        same(model.params, jax.tree.map(np.asarray, params))
        assert model.config == config
        assert model.tokenizer.to_str() == tokenizer.to_str()


def test_scanned_layers_are_saved_one_by_one_and_stacked_again(tokenizer, tmp_path):
    config = make_config(encoder__scan=True)
    _, params = model_and_params(config, tokenizer)
    saved_model.save(tmp_path / "model", config, params, tokenizer, "")
    same(saved_model.load(tmp_path).params, jax.tree.map(np.asarray, params))
    plain = saved_model.unstack_layers(params)
    assert {"layer_0", "layer_1"} <= plain["encoder"].keys()
    same(saved_model.stack_layers(plain), jax.tree.map(np.asarray, params))


def test_saving_again_replaces_the_whole_and_leaves_nothing_behind(tiny, tokenizer, folder):
    config, _, params = tiny
    (folder / "old.txt").write_text("")
    doubled = jax.tree.map(lambda leaf: leaf * 2, params)
    saved_model.save(folder, config, doubled, tokenizer, "# new\n")
    assert [path.name for path in folder.parent.iterdir()] == ["model"]
    assert not (folder / "old.txt").exists()
    same(saved_model.load(folder).params, jax.tree.map(np.asarray, doubled))


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json"])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(UserError, match=f"{name} is missing"):
        saved_model.load(folder)


@pytest.mark.parametrize("name", ["config.json", "tokenizer.json", "model.safetensors"])
def test_a_file_that_is_cut_short_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(UserError, match=name.replace(".", r"\.")):
        saved_model.load(folder)


@pytest.mark.parametrize(
    ("parts", "taken"),
    [("all", {"encoder", "heads"}), ("encoder", {"encoder"}), ("heads", {"heads"})],
)
def test_a_new_run_takes_the_parts_it_asks_for(tiny, folder, parts, taken):
    _, _, params = tiny
    fresh = jax.tree.map(lambda leaf: np.asarray(leaf) + 1, params)
    result = saved_model.graft(fresh, saved_model.load(folder), parts, scan=False)
    for part in ("encoder", "heads"):
        same(result[part], jax.tree.map(np.asarray, (params if part in taken else fresh)[part]))


def test_parameters_that_do_not_fit_are_listed_with_both_shapes(tokenizer, folder):
    _, wide = model_and_params(make_config(encoder__feedforward=64), tokenizer)
    with pytest.raises(UserError, match=r"\(16, 32\) there, \(16, 64\) here.*init_parts"):
        saved_model.graft(wide, saved_model.load(folder), "all", scan=False)
    _, deep = model_and_params(make_config(encoder__layers=3), tokenizer)
    with pytest.raises(UserError, match="encoder/layer_2.*is missing there"):
        saved_model.graft(deep, saved_model.load(folder), "encoder", scan=False)
