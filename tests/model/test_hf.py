"""Hugging Face weights: the hidden states of transformers, from the files that it writes."""

import json
import shutil

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.data.pack import pack_examples
from mtt_jax.errors import UserError
from mtt_jax.model import hf
from mtt_jax.types import Example
from mtt_jax.weights import pretrained
from mtt_jax.weights.build import build_model, init_params
from tests.helpers import forward_of

VOCAB = 120
# The positions that each of the models below has.
MAX_LENGTH = 64
# Starts and places of the words of a sentence without any.
NO_WORDS = np.zeros(0, np.int32), np.zeros((0, 2), np.int32)
SIZES = {
    "bert": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4,
             "intermediate_size": 48, "max_position_embeddings": 64},
    "roberta": {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2,
                "intermediate_size": 40, "max_position_embeddings": 66, "hidden_act": "gelu_new"},
    "xlm-roberta": {"hidden_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
                    "intermediate_size": 40, "max_position_embeddings": 66},
    "distilbert": {"dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64,
                   "max_position_embeddings": 64},
    "modernbert": {"hidden_size": 32, "num_hidden_layers": 4, "num_attention_heads": 4,
                   "intermediate_size": 48, "max_position_embeddings": 64, "local_attention": 16,
                   "pad_token_id": 0, "bos_token_id": 1, "cls_token_id": 1, "eos_token_id": 2,
                   "sep_token_id": 2},
}  # fmt: skip


def save_random_model(model_type, folder, **options):
    """Saves a small random model in Hugging Face layout and returns it."""
    torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
    transformers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(model_type, vocab_size=VOCAB, **SIZES[model_type])
    model = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases would be 0 and scales 1
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder, **options)
    (folder / "tokenizer.json").write_text("{}")  # only its path is used here
    return model


def load_ours(folder, **encoder):
    """Our config, model and parameters from a folder; checks that every parameter was read."""
    raw = default_config()
    raw.encoder.init = str(folder)
    raw.encoder.word_features = ""  # transformers has none
    raw.encoder.update(encoder)
    raw.data.max_length, raw.train.row_length, raw.data.overlap = MAX_LENGTH, 96, 8
    config = pretrained.complete(resolve(raw))
    model = build_model(config, VOCAB)
    params = init_params(model, jax.random.key(0))
    fresh = params["encoder"]
    params["encoder"] = pretrained.encoder(config, VOCAB, fresh)
    assert jax.tree.structure(fresh) == jax.tree.structure(params["encoder"])
    changed = jax.tree.map(lambda a, b: np.any(np.asarray(a) != b), fresh, params["encoder"])
    assert all(leaf for path, leaf in flatten_dict(changed, sep="/").items() if "bias" not in path)
    return config, model, params


def hidden_states(folder, sentences, **encoder):
    """Our token vectors of each sentence, computed in packed rows."""
    config, model, params = load_ours(folder, **encoder)
    examples = [
        Example(np.array(ids, np.int32), *NO_WORDS, {}, np.zeros((len(ids), 0), np.int32))
        for ids in sentences
    ]
    forward = forward_of(model)
    states = [np.zeros(0)] * len(sentences)
    for packed in pack_examples(
        examples,
        config.task_list,
        max_length=MAX_LENGTH,
        overlap=8,
        row_length=96,
        slots=12,
        rows=3,
    ):
        tokens = np.asarray(forward(params, packed.batch).tokens)
        for row, _, offset, window in packed.windows:
            states[window.source] = tokens[row, offset : offset + len(window.tokens)]
    return states


@pytest.fixture(scope="module")
def sentences():
    rng = np.random.default_rng(0)
    return [[0, *rng.integers(5, VOCAB, size), 2] for size in (1, 5, 62, 20, 30, 3, 44)]


@pytest.mark.peers
@pytest.mark.parametrize("model_type", sorted(SIZES))
def test_hidden_states_equal_those_of_transformers(model_type, sentences, tmp_path):
    model = save_random_model(model_type, tmp_path)
    import torch

    pad = model.config.pad_token_id or 0
    width = max(map(len, sentences))
    ids = torch.tensor([[*s, *[pad] * (width - len(s))] for s in sentences])
    mask = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sentences])
    with torch.no_grad():
        peer = model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    for encoder in ({}, {"scan": True})[: 1 if model_type == "modernbert" else 2]:
        for states, theirs in zip(hidden_states(tmp_path, sentences, **encoder), peer, strict=True):
            np.testing.assert_allclose(states, theirs[: len(states)], atol=1e-4)


@pytest.mark.peers
def test_sharded_weights_are_read_like_a_single_file(sentences, tmp_path):
    save_random_model("bert", tmp_path / "whole")
    save_random_model("bert", tmp_path / "parts", max_shard_size="20KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    whole, parts = (hidden_states(tmp_path / name, sentences) for name in ("whole", "parts"))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.peers
def test_encoder_weights_are_read_from_a_model_with_a_head(sentences, tmp_path):
    save_random_model("bert", tmp_path / "bare")
    import transformers

    head = transformers.AutoModelForTokenClassification.from_pretrained(tmp_path / "bare")
    head.save_pretrained(tmp_path / "head")
    (tmp_path / "head" / "tokenizer.json").write_text("{}")
    for one, other in zip(
        hidden_states(tmp_path / "bare", sentences),
        hidden_states(tmp_path / "head", sentences),
        strict=True,
    ):
        np.testing.assert_array_equal(one, other)


@pytest.fixture
def folder(tmp_path):
    settings = {"model_type": "bert", **SIZES["bert"], "hidden_act": "gelu"}
    (tmp_path / "config.json").write_text(json.dumps(settings))
    (tmp_path / "tokenizer.json").write_text("{}")
    return tmp_path


MODERN = {"model_type": "modernbert", "hidden_activation": "gelu", "norm_eps": 1e-5,
          "global_rope_theta": 1e4, "local_rope_theta": 1e4}  # fmt: skip


def complaint(folder):
    """The error message for a folder that cannot be read."""
    with pytest.raises(UserError) as error:
        hf.read_encoder(folder, VOCAB)
    return str(error.value)


def test_pickled_weights_are_refused_with_a_command_to_convert_them(folder):
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    message = complaint(folder)
    assert "pytorch_model.bin, a pickle, which is never loaded" in message
    assert "save_pretrained" in message


def test_missing_and_damaged_weights_are_named(folder):
    assert "contains no model.safetensors" in complaint(folder)
    (folder / "model.safetensors").write_bytes(b"not tensors")
    assert str(folder / "model.safetensors") in complaint(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2' is not one of bert, roberta"),
        ({"hidden_act": "swoosh"}, "activation 'swoosh'"),
        ({"position_embedding_type": "relative_key"}, "only 'absolute'"),
        ({"max_position_embeddings": 0}, "above 0 for the encoder's max_positions, got 0"),
        (MODERN, "config.json: 'local_attention' is missing"),
        ({**MODERN, "local_attention": 8, "layer_types": ["sliding_attention"] * 2}, "layer_types"),
        ({**MODERN, "local_attention": 8, "rope_scaling": {"factor": 2}}, "scaled rotary"),
    ],
)
def test_unsupported_model_is_refused(folder, change, message):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert message in complaint(folder)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 1}, "tensors of layers are left over, such as 'encoder.layer.1."),
        ({"num_attention_heads": 3}, "32"),
        ({"hidden_size": "x"}, "expected a whole number above 0 for the encoder's width, got 'x'"),
    ],
)
def test_weights_that_do_not_match_their_config_are_refused(change, message, tmp_path):
    save_random_model("bert", tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert message in complaint(tmp_path)


def test_damaged_index_of_shards_is_named(folder):
    file = folder / "model.safetensors.index.json"
    file.write_text("[")
    assert "model.safetensors.index.json: is not JSON" in complaint(folder)
    file.write_text("{}")
    assert "model.safetensors.index.json: not a valid index of weights" in complaint(folder)


def test_missing_config_json_is_named(folder):
    shutil.move(folder / "config.json", folder / "settings.json")
    assert "contains no config.json" in complaint(folder)
