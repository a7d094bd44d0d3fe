"""The same numbers as PyTorch: layers and losses. Needs requirements-peers.txt."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.model.attention import mask_of
from mtt_jax.model.encoder import Layer
from mtt_jax.train.losses import masked_binary_cross_entropy, masked_cross_entropy
from mtt_jax.weights.build import build_model
from tests.helpers import make_config

torch = pytest.importorskip("torch", reason="needs: pip install -r requirements-peers.txt")
pytestmark = pytest.mark.peers

WIDTH, HEADS, FEEDFORWARD = 24, 4, 40


def ours(norm, activation):
    """(parameters, input, segments, output) of a layer."""
    sizes = {"width": WIDTH, "heads": HEADS, "feedforward": FEEDFORWARD}
    fields = {**sizes, "norm": norm, "norm_epsilon": 1e-5, "activation": activation}
    config = make_config(**{f"encoder__{name}": value for name, value in fields.items()})
    layer = Layer(build_model(config, 100).encoder_spec, rotary_base=0.0)
    x = jax.random.normal(jax.random.key(0), (2, 10, WIDTH))
    positions = jnp.zeros((2, 10), jnp.int32)
    segments = jnp.array([[1] * 10, [1] * 7 + [0] * 3])
    mask = mask_of(segments, positions)
    params = layer.init(jax.random.key(1), x, mask, positions, False)["params"]
    # Biases and scales start at 0 and 1, which would hide a mistake in them.
    keys = iter(jax.random.split(jax.random.key(2), 100))
    params = jax.tree.map(
        lambda leaf: leaf + 0.1 * jax.random.normal(next(keys), leaf.shape), params
    )
    out = layer.apply({"params": params}, x, mask, positions, False)
    return params, np.asarray(x), np.asarray(segments), np.asarray(out)


def theirs(params, norm, activation):
    """PyTorch's layer with the same parameters."""
    layer = torch.nn.TransformerEncoderLayer(
        WIDTH, HEADS, FEEDFORWARD, dropout=0.0, activation=activation, batch_first=True,
        norm_first=norm == "pre", layer_norm_eps=1e-5,
    ).eval()  # fmt: skip
    attention = params["attention"]
    kernel = np.asarray(attention["qkv"]["kernel"])  # [D, 3, H, K]
    weights = {
        "self_attn.in_proj_weight": kernel.reshape(WIDTH, -1).T,
        "self_attn.in_proj_bias": np.asarray(attention["qkv"]["bias"]).reshape(-1),
        "self_attn.out_proj.weight": np.asarray(attention["out"]["kernel"]).reshape(-1, WIDTH).T,
        "self_attn.out_proj.bias": attention["out"]["bias"],
        "linear1.weight": np.asarray(params["up"]["kernel"]).T,
        "linear1.bias": params["up"]["bias"],
        "linear2.weight": np.asarray(params["down"]["kernel"]).T,
        "linear2.bias": params["down"]["bias"],
        "norm1.weight": params["attention_norm"]["norm"]["scale"],
        "norm1.bias": params["attention_norm"]["norm"]["bias"],
        "norm2.weight": params["feedforward_norm"]["norm"]["scale"],
        "norm2.bias": params["feedforward_norm"]["norm"]["bias"],
    }
    layer.load_state_dict({name: torch.tensor(np.array(value)) for name, value in weights.items()})
    return layer


@pytest.mark.parametrize("norm", ["pre", "post"])
@pytest.mark.parametrize("activation", ["relu", "gelu"])
def test_a_layer_equals_pytorchs_encoder_layer(norm, activation):
    params, x, segments, out = ours(norm, activation)
    layer = theirs(params, norm, activation)
    with torch.no_grad():
        peer = layer(torch.tensor(x), src_key_padding_mask=torch.tensor(segments == 0)).numpy()
    real = segments > 0
    np.testing.assert_allclose(out[real], peer[real], atol=2e-5)


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_cross_entropy_equals_pytorchs_with_ignored_positions(smoothing):
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(30, 5)).astype(np.float32)
    labels = rng.integers(0, 5, 30)
    known = rng.random(30) < 0.6
    total, count = masked_cross_entropy(
        jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(known, jnp.float32),
        label_smoothing=smoothing,
    )  # fmt: skip
    peer = torch.nn.functional.cross_entropy(
        torch.tensor(logits),
        torch.tensor(np.where(known, labels, -100)),
        label_smoothing=smoothing,
    )
    assert float(total / count) == pytest.approx(float(peer), rel=1e-5)


def test_the_binary_cross_entropy_equals_pytorchs_on_labelled_sentences():
    rng = np.random.default_rng(0)
    logits = rng.normal(size=(30, 5)).astype(np.float32)
    labels = (rng.random((30, 5)) < 0.3).astype(np.float32)
    known = rng.random(30) < 0.6
    total, count = masked_binary_cross_entropy(
        jnp.asarray(logits), jnp.asarray(labels), jnp.asarray(known, jnp.float32)
    )
    peer = torch.nn.functional.binary_cross_entropy_with_logits(
        torch.tensor(logits[known]), torch.tensor(labels[known])
    )
    assert float(total / count) == pytest.approx(float(peer), rel=1e-5)
