"""ModernBERT: pre-normalization, rotary positions, gates, local layers (arXiv:2412.13663)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax.errors import UserError
from mtt_jax.model.hf.layout import activation, contiguous, split_heads
from mtt_jax.model.hf.weights import Length, Weights

_TABLE = "embeddings.tok_embeddings.weight"


def fields(settings: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Our encoder's fields from a config.json in the older or the newer form.

    Args:
      settings: its content.
      where: its path, for messages.

    Raises:
      UserError: for a model that our encoder cannot represent.
      KeyError: for a missing setting.
    """
    layers = settings["num_hidden_layers"]
    every = settings.get("global_attn_every_n_layers", 3)
    types = settings.get("layer_types")
    if types:
        every = next((i for i in range(1, layers) if types[i] == "full_attention"), layers)
        if types != ["sliding_attention" if i % every else "full_attention" for i in range(layers)]:
            raise UserError(f"{where}: layer_types must have full attention at regular intervals.")
    return {
        "layers": layers,
        "width": settings["hidden_size"],
        "heads": settings["num_attention_heads"],
        "feedforward": settings["intermediate_size"],
        "max_positions": settings["max_position_embeddings"],
        "activation": activation(settings["hidden_activation"], where),
        "norm": "pre",
        "norm_epsilon": float(settings["norm_eps"]),
        "embedding_norm": True,
        "gated": True,
        "positions": "rotary",
        "rotary_base": _base(settings, "full_attention", "global_rope_theta", where),
        "local_rotary_base": _base(settings, "sliding_attention", "local_rope_theta", where),
        "window": settings["local_attention"] // 2,
        "global_every": every,
    }


def _base(settings: Mapping[str, Any], layer_type: str, older: str, where: Path) -> float:
    """The rotary base of the layers of a type; `older` is its name in the older form."""
    rope = (settings.get("rope_parameters") or {}).get(layer_type) or {}
    if rope.get("rope_type", "default") != "default" or settings.get("rope_scaling"):
        raise UserError(f"{where}: scaled rotary positions are not supported.")
    base = rope.get("rope_theta", settings.get(older))
    return float(settings[older] if base is None else base)


def read(
    folder: Path,
    settings: Mapping[str, Any],
    ours: Mapping[str, Any],
    vocab_size: int,
    needed: int,
) -> dict[str, Any]:
    """The encoder's parameters; biases that the model does not have are zero here.

    Args:
      folder: with the weights.
      settings: config.json.
      ours: our encoder's fields, as returned by `fields`.
      vocab_size: ids of the tokenizer.
      needed: how many of them the model must have.
    """
    weights = Weights(folder, "model.", _TABLE)
    heads, width = ours["heads"], ours["width"]
    wide, inner = ((name, settings[name]) for name in ("hidden_size", "intermediate_size"))
    thrice, twice = (f"3 x {wide[0]}", 3 * wide[1]), (f"2 x {inner[0]}", 2 * inner[1])
    params = {
        "token_embedding": {"embedding": weights.embedding(_TABLE, wide, vocab_size, needed)},
        "embedding_norm": _norm(weights, "embeddings.norm", wide),
        "final_norm": _norm(weights, "final_norm", wide),
    }
    for index in range(ours["layers"]):
        root = f"layers.{index}"
        qkv = _dense(weights, f"{root}.attn.Wqkv", wide, thrice)
        out = _dense(weights, f"{root}.attn.Wo", wide, wide)
        params[f"layer_{index}"] = {
            "attention": {
                "qkv": split_heads(np.split(qkv["kernel"].T, 3), np.split(qkv["bias"], 3), heads),
                "out": {**out, "kernel": out["kernel"].reshape(heads, width // heads, width)},
            },
            "up": _dense(weights, f"{root}.mlp.Wi", wide, twice),
            "down": _dense(weights, f"{root}.mlp.Wo", inner, wide),
            "feedforward_norm": _norm(weights, f"{root}.mlp_norm", wide),
        }
        if index:
            norm = _norm(weights, f"{root}.attn_norm", wide)
            params[f"layer_{index}"]["attention_norm"] = norm
    weights.check_layers("layers.{}.")
    return contiguous(params)


def _dense(weights: Weights, name: str, given: Length, found: Length) -> dict[str, Any]:
    """Parameters of a linear layer from `given` to `found` units."""
    kernel = weights.take(f"{name}.weight", shape=(found, given)).T
    return {"kernel": kernel, "bias": _bias(weights, name, found)}


def _norm(weights: Weights, name: str, width: Length) -> dict[str, Any]:
    scale = weights.take(f"{name}.weight", shape=(width,))
    return {"norm": {"scale": scale, "bias": _bias(weights, name, width)}}


def _bias(weights: Weights, name: str, size: Length) -> Any:
    bias = weights.take(f"{name}.bias", shape=(size,), optional=True)
    return np.zeros(size[1], np.float32) if bias is None else bias
