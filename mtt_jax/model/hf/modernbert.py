"""ModernBERT: pre-normalization, rotary positions, gates, local layers (arXiv:2412.13663)."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax.errors import UserError
from mtt_jax.model.hf.layout import activation, contiguous, split_heads
from mtt_jax.model.hf.weights import Weights


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
    folder: Path, settings: Mapping[str, Any], ours: Mapping[str, Any], vocab_size: int
) -> dict[str, Any]:
    """The encoder's parameters; biases that the model does not have are zero here."""
    del settings
    weights = Weights(folder, "model.")
    params = {
        "token_embedding": {
            "embedding": weights.embedding("embeddings.tok_embeddings.weight", vocab_size)
        },
        "embedding_norm": _norm(weights, "embeddings.norm"),
        "final_norm": _norm(weights, "final_norm"),
    }
    heads, width = ours["heads"], ours["width"]
    for index in range(ours["layers"]):
        root = f"layers.{index}"
        qkv = _dense(weights, f"{root}.attn.Wqkv")
        out = _dense(weights, f"{root}.attn.Wo")
        params[f"layer_{index}"] = {
            "attention": {
                "qkv": split_heads(np.split(qkv["kernel"].T, 3), np.split(qkv["bias"], 3), heads),
                "out": {**out, "kernel": out["kernel"].reshape(heads, width // heads, width)},
            },
            "up": _dense(weights, f"{root}.mlp.Wi"),
            "down": _dense(weights, f"{root}.mlp.Wo"),
            "feedforward_norm": _norm(weights, f"{root}.mlp_norm"),
        }
        if index:
            params[f"layer_{index}"]["attention_norm"] = _norm(weights, f"{root}.attn_norm")
    weights.check_layers("layers.{}.")
    return contiguous(params)


def _dense(weights: Weights, name: str) -> dict[str, Any]:
    kernel = weights.take(f"{name}.weight").T
    return {"kernel": kernel, "bias": _bias(weights, name, kernel.shape[-1])}


def _norm(weights: Weights, name: str) -> dict[str, Any]:
    scale = weights.take(f"{name}.weight")
    return {"norm": {"scale": scale, "bias": _bias(weights, name, len(scale))}}


def _bias(weights: Weights, name: str, size: int) -> Any:
    bias = weights.take(f"{name}.bias", optional=True)
    return np.zeros(size, np.float32) if bias is None else bias
