"""A flipped bit in saved weights, elsewhere and here, as docs/reliability.md says."""

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest

from mtt_jax.errors import UserError
from mtt_jax.weights import saved_model
from tests.helpers import flip_a_bit, save_untrained

torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
transformers = pytest.importorskip("transformers")
pytestmark = pytest.mark.peers


def changed(before, after):
    """How many numbers of two lists of arrays differ."""
    return sum(
        int((np.asarray(a) != np.asarray(b)).sum()) for a, b in zip(before, after, strict=True)
    )


def test_pytorch_loads_it(tmp_path):
    weights = torch.arange(100_000, dtype=torch.float32)
    torch.save({"state_dict": {"weights": weights}}, tmp_path / "a.ckpt")
    flip_a_bit(tmp_path / "a.ckpt")
    loaded = torch.load(tmp_path / "a.ckpt")["state_dict"]["weights"]
    assert changed([weights], [loaded]) == 1


def test_transformers_loads_it(tmp_path):
    model = transformers.BertModel(
        transformers.BertConfig(
            vocab_size=1000, hidden_size=32, num_hidden_layers=1, num_attention_heads=2,
            intermediate_size=64,
        )
    )  # fmt: skip
    model.save_pretrained(tmp_path)
    flip_a_bit(tmp_path / "model.safetensors")
    loaded = transformers.BertModel.from_pretrained(tmp_path)
    assert changed(model.state_dict().values(), loaded.state_dict().values()) == 1


def test_orbax_restores_it(tmp_path):
    weights = {"a": jax.random.normal(jax.random.key(0), (300, 300))}
    saver = ocp.StandardCheckpointer()
    saver.save(tmp_path / "step", weights)
    saver.wait_until_finished()
    flip_a_bit(max((tmp_path / "step").rglob("d/*"), key=lambda file: file.stat().st_size))
    shape = jax.ShapeDtypeStruct((300, 300), np.float32)
    restored = saver.restore(tmp_path / "step", {"a": shape})
    assert changed(weights.values(), restored.values()) > 0


def test_we_refuse_it(tokenizer, tmp_path):
    run = save_untrained(tmp_path, tokenizer)
    flip_a_bit(run / "model" / "model.safetensors")
    with pytest.raises(UserError, match=r"model\.safetensors: "):
        saved_model.load(run)
