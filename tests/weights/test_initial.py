"""Initial parameters: what a run takes from another model, and what it refuses."""

import dataclasses
import json

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.errors import UserError
from mtt_jax.model.hf import bert
from mtt_jax.weights import saved_model
from mtt_jax.weights.initial import complete, graft, project, starting_params
from tests.helpers import assert_trees_equal, make_config, model_and_params


@pytest.fixture(scope="module")
def source(tiny, tokenizer, tmp_path_factory):
    """A saved model to start from."""
    config, _, params = tiny
    folder = tmp_path_factory.mktemp("source") / "model"
    saved_model.save(folder, config, params, tokenizer, "# card\n")
    return saved_model.load(folder)


def fresh_copy(params):
    """Other parameters of the same shapes, on the host."""
    return jax.tree.map(lambda leaf: np.asarray(leaf) + 1, params)


@pytest.mark.parametrize(
    ("parts", "taken"),
    [("all", {"encoder", "heads"}), ("encoder", {"encoder"}), ("heads", {"heads"})],
)
@pytest.mark.parametrize("scan", [False, True])
def test_init_from_takes_only_the_requested_parts(source, tokenizer, parts, taken, scan):
    config = make_config(init_from=str(source.path), init_parts=parts, encoder__scan=scan)
    stacked = saved_model.stack_layers(source.params) if scan else source.params
    fresh = fresh_copy(stacked)
    result = starting_params(config, tokenizer, fresh)
    for part in ("encoder", "heads"):
        assert_trees_equal(result[part], (stacked if part in taken else fresh)[part])


def test_without_init_from_and_encoder_init_parameters_stay_fresh(tiny, tokenizer):
    config, _, params = tiny
    assert starting_params(config, tokenizer, params) is params


def test_init_from_keeps_fresh_heads_for_new_tasks_and_fresh_lora(source, tokenizer):
    config = make_config(init_from=str(source.path), encoder__lora_rank=2)
    _, params = model_and_params(config, tokenizer)
    fresh = jax.device_get(params)
    fresh["heads"]["pos"] = fresh["heads"]["ner"]
    result = starting_params(config, tokenizer, fresh)
    assert_trees_equal(result["heads"], {**source.params["heads"], "pos": fresh["heads"]["ner"]})
    ours, theirs = (tree["encoder"]["layer_0"]["up"] for tree in (result, source.params))
    np.testing.assert_array_equal(ours["kernel"], theirs["kernel"])
    np.testing.assert_array_equal(ours["lora_a"], fresh["encoder"]["layer_0"]["up"]["lora_a"])


def test_init_from_with_parameters_that_do_not_fit_lists_both_shapes(source, tokenizer):
    _, wide = model_and_params(make_config(encoder__feedforward=64), tokenizer)
    with pytest.raises(UserError, match=r"\(16, 32\) there, \(16, 64\) here.*init_parts"):
        graft(wide, source, "all", scan=False)
    with pytest.raises(UserError, match="or --config.init_parts=heads.$"):
        graft(wide, source, "all", scan=False)
    with pytest.raises(UserError, match="Use its encoder and tokenizer settings.$"):
        graft(wide, source, "encoder", scan=False)  # init_parts=encoder would fail again
    _, deep = model_and_params(make_config(encoder__layers=3), tokenizer)
    with pytest.raises(UserError, match="encoder/layer_2.*is missing there"):
        graft(deep, source, "encoder", scan=False)


def test_init_from_with_a_part_of_the_encoder_that_only_one_has_is_refused(tokenizer, tmp_path):
    config = make_config(encoder__convolution=1)
    model, params = model_and_params(config, tokenizer)
    saved_model.save(tmp_path / "model", config, params, tokenizer, "# card\n")
    source = saved_model.load(tmp_path / "model")
    for changed in ({"encoder__convolution": 0}, {"encoder__word_features": "shape"}):
        _, fresh = model_and_params(
            make_config(**{"encoder__convolution": 1, **changed}), tokenizer
        )
        with pytest.raises(UserError, match="only there.*Use its encoder"):
            graft(fresh, source, "encoder", scan=False)
        assert graft(fresh, source, "heads", scan=False)["encoder"] == fresh["encoder"]
    _, without = model_and_params(make_config(), tokenizer)
    saved_model.save(tmp_path / "plain", make_config(), without, tokenizer, "# card\n")
    with pytest.raises(UserError, match="encoder/convolution/.* is missing there"):
        graft(params, saved_model.load(tmp_path / "plain"), "all", scan=False)


def test_init_from_says_which_settings_make_the_encoder_compute_something_else(source, tokenizer):
    changed = make_config(
        init_from=str(source.path), encoder__layers=1, encoder__activation="relu",
        encoder__dropout=0.3, encoder__pooling="cls",
    )  # fmt: skip
    _, fresh = model_and_params(changed, tokenizer)
    said = []
    taken = starting_params(changed, tokenizer, jax.device_get(fresh), said.append)
    assert "layer_1" not in taken["encoder"]
    assert said == [
        f"init_from: the encoder of {source.path} was trained otherwise than it is used here: "
        "encoder.layers is 2 there, 1 here; encoder.activation is 'gelu_tanh' there, 'relu' here; "
        "encoder.pooling is 'mean' there, 'cls' here."
    ]
    same = make_config(init_from=str(source.path), encoder__dropout=0.3)
    starting_params(same, tokenizer, jax.device_get(source.params), said.append)
    assert len(said) == 1


def test_init_from_with_another_tokenizer_is_refused_with_the_flag_to_add(source, tiny):
    _, _, params = tiny
    config = make_config(init_from=str(source.path))
    other = train_tokenizer(["quite another text"], config.tokenizer)
    with pytest.raises(UserError, match="another tokenizer; add --config.tokenizer.file=") as error:
        starting_params(config, other, params)
    assert str(source.path / "tokenizer.json") in str(error.value)


def test_encoder_init_replaces_the_encoder_and_leaves_the_heads(tokenizer, tmp_path):
    config = make_config(encoder__norm="post", encoder__word_features="")
    config = dataclasses.replace(
        config, encoder=dataclasses.replace(config.encoder, init=str(tmp_path))
    )
    _, params = model_and_params(config, tokenizer)
    theirs = jax.device_get(params)
    settings = bert.config_json(config.encoder, tokenizer.get_vocab_size(), pad_id=0)
    (tmp_path / "config.json").write_text(json.dumps(settings))
    save_file(bert.write(theirs["encoder"], ""), tmp_path / "model.safetensors")
    fresh = fresh_copy(params)
    result = starting_params(config, tokenizer, fresh)
    assert_trees_equal(result["encoder"], theirs["encoder"])
    assert_trees_equal(result["heads"], fresh["heads"])


# Subword vectors of a wider model


def test_projection_keeps_the_directions_of_largest_variance_with_mean_0_and_standard_deviation_1():
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(500, 2)) * (5, 3)
    basis, _ = np.linalg.qr(rng.normal(size=(6, 6)))
    vectors = latent @ basis[:2] + 0.01 * rng.normal(size=(500, 6)) + 7
    found = project(vectors, 2)
    assert found.dtype == np.float32
    np.testing.assert_allclose(found.mean(axis=0), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(), 1, rtol=1e-5)
    # Distances are those between the latent points, up to one scale.
    ours, theirs = (
        np.linalg.norm(points[:, None] - points[None], axis=-1)[np.triu_indices(500, 1)]
        for points in (found, latent)
    )
    assert np.corrcoef(ours, theirs)[0, 1] > 0.9999


def test_embedding_takes_only_the_subword_vectors_at_the_scale_of_fresh_ones(source, tokenizer):
    config = make_config(
        init_from=str(source.path), init_parts="embedding", encoder__width=8, encoder__layers=1
    )
    _, params = model_and_params(config, tokenizer)
    fresh = jax.device_get(params)
    result = starting_params(config, tokenizer, fresh)
    table = result["encoder"].pop("token_embedding")["embedding"]
    before = fresh["encoder"].pop("token_embedding")["embedding"]
    assert_trees_equal(result, fresh)
    theirs = source.params["encoder"]["token_embedding"]["embedding"]
    np.testing.assert_allclose(table, project(theirs, 8) * before.std(), rtol=1e-6)
    assert table.shape == before.shape


def test_embedding_of_a_narrower_model_is_refused(source, tokenizer):
    config = make_config(init_from=str(source.path), init_parts="embedding", encoder__width=64)
    _, params = model_and_params(config, tokenizer)
    with pytest.raises(UserError, match="config.encoder.width: 64 is more than the 16 dimensions"):
        starting_params(config, tokenizer, jax.device_get(params))


@pytest.mark.parametrize("parts", ["all", "encoder", "heads", "embedding"])
def test_run_that_starts_from_another_takes_its_tokenizer(source, parts):
    config = make_config(init_from=str(source.path), init_parts=parts)
    assert complete(config).tokenizer.file == str(source.path / "tokenizer.json")
    named = dataclasses.replace(
        config, tokenizer=dataclasses.replace(config.tokenizer, file="mine.json")
    )
    assert complete(named) == named
