"""Initial parameters: what a run takes from another model, and what it refuses."""

import dataclasses
import json
import shlex

import jax
import numpy as np
import pytest
from safetensors.numpy import save_file

from mtt_jax.config import TaskConfig, default_config
from mtt_jax.config.files import override, split_overrides
from mtt_jax.config.resolve import resolve
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.errors import UserError
from mtt_jax.model.hf import bert
from mtt_jax.weights import saved_model
from mtt_jax.weights.initial import complete, graft, project, starting_params
from tests.helpers import assert_trees_equal, make_config, make_config_dict, model_and_params


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


def advised(message):
    """The overrides that the advice of a message names."""
    flags = message.partition("its settings: ")[2].partition(", or ")[0].rstrip(".")
    return split_overrides(shlex.split(flags))[0]


@pytest.mark.parametrize(
    ("there", "here", "refused"),
    [
        ({}, {"encoder__feedforward": 64}, r"\(16, 32\) there, \(16, 64\) here"),
        ({}, {"encoder__width": 32}, "; and [0-9]+ more"),
        ({}, {"encoder__layers": 3}, "encoder/layer_2.* is missing there"),
        ({}, {"encoder__positions": "learned", "encoder__max_positions": 80},
         "encoder/position_embedding/embedding is .* there"),
        ({}, {"encoder__positions": "rotary"}, "encoder/position_.* is only there"),
        ({"encoder__convolution": 1}, {}, "encoder/convolution/.* is only there"),
        ({}, {"encoder__convolution": 1}, "encoder/convolution/.* is missing there"),
        ({"encoder__word_features": "shape, suffix"}, {"encoder__word_features": ""}, "only there"),
        ({"tasks__topic__hidden": 8}, {}, "heads/topic/"),
        ({"tasks__topic__labels": ("good news", "bad", "it's", "a,b")}, {}, "heads/topic/"),
        ({}, {"tasks__ner__scheme": "iob2"}, "heads/ner/"),
    ],
)  # fmt: skip
def test_init_from_with_another_shape_is_refused_with_the_flags_that_fit(
    tokenizer, tmp_path, there, here, refused
):
    theirs = make_config(**there)
    _, params = model_and_params(theirs, tokenizer)
    saved_model.save(tmp_path / "model", theirs, params, tokenizer, "# card\n")
    source = saved_model.load(tmp_path / "model")
    ours = make_config(init_from=str(source.path), **here)
    _, fresh = model_and_params(ours, tokenizer)
    with pytest.raises(UserError, match=refused) as error:
        graft(ours, fresh, source)
    given = make_config_dict(init_from=str(source.path), **here)
    override(given, advised(str(error.value)))
    changed = resolve(given)
    _, fresh = model_and_params(changed, tokenizer)
    assert_trees_equal(graft(changed, jax.device_get(fresh), source), source.params)


@pytest.mark.parametrize(
    ("here", "part"),
    [
        ({"encoder__feedforward": 64}, "heads"),
        ({"tasks__topic__hidden": 8}, "encoder"),
        ({"encoder__width": 32}, ""),  # the heads do not fit either
    ],
)
def test_init_from_names_the_part_that_fits_if_the_other_does_not(source, tokenizer, here, part):
    ours = make_config(init_from=str(source.path), **here)
    _, fresh = model_and_params(ours, tokenizer)
    with pytest.raises(UserError) as error:
        graft(ours, fresh, source)
    _, _, named = str(error.value).partition(", or --config.init_parts=")
    assert named.rstrip(".") == part
    if part:
        taken = graft(dataclasses.replace(ours, init_parts=part), jax.device_get(fresh), source)
        assert_trees_equal(taken[part], source.params[part])
        other = "heads" if part == "encoder" else "encoder"
        assert_trees_equal(taken[other], fresh[other])
        with pytest.raises(UserError) as error:  # where the other part alone is asked for
            graft(dataclasses.replace(ours, init_parts=other), fresh, source)
        assert "init_parts" not in str(error.value)


@pytest.mark.parametrize(
    ("tasks", "does"),
    [
        ({"subject": TaskConfig(labels=("a", "b"))}, "it answers subject. "),
        ({"mlm": TaskConfig(kind="mlm")}, "it answers nothing. "),
    ],
    ids=["another task", "no task"],
)
def test_heads_of_a_model_without_any_of_the_tasks_are_refused(tokenizer, tmp_path, tasks, does):
    given = default_config(tasks)
    given.encoder, given.data.source = make_config_dict().encoder, "files"
    given.encoder.max_positions = 128
    given.data.unlabelled = "texts.txt" if "mlm" in tasks else ""
    for name in tasks:
        given.data[name].train = "train.csv" if name != "mlm" else ""
    theirs = resolve(given)
    _, params = model_and_params(theirs, tokenizer)
    saved_model.save(tmp_path / "model", theirs, params, tokenizer, "# card\n")
    source = saved_model.load(tmp_path / "model", encoder_is_enough=True)
    ours = make_config(init_from=str(source.path), init_parts="heads", encoder__max_positions=128)
    _, fresh = model_and_params(ours, tokenizer)
    advice = "has no head of ner, topic: " + does + "Use --config.init_parts=encoder.$"
    with pytest.raises(UserError, match=advice):
        graft(ours, fresh, source)
    graft(dataclasses.replace(ours, init_parts="encoder"), fresh, source)


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
