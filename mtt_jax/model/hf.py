"""Hugging Face weights <-> ours: the settings and the key table of each architecture.

Read from safetensors alone: a pickle can run code of whoever wrote it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import unflatten_dict
from safetensors import SafetensorError, safe_open

from mtt_jax.errors import UserError

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
}


class Architecture(NamedTuple):
    """Where one family of models keeps what.

    Attributes:
      prefix: of the encoder's keys in a model with a head.
      layer: key of a layer, with its number as {}.
      names: part of a layer -> its key; the same for every architecture on our side.
      fields: our field of the encoder -> its name in config.json.
      offset: name in config.json of a number that positions are shifted by, less one; "" for none.
    """

    prefix: str
    layer: str
    names: Mapping[str, str]
    fields: Mapping[str, str]
    offset: str = ""


_BERT = Architecture(
    prefix="bert.",
    layer="encoder.layer.{}",
    names={
        "query": "attention.self.query",
        "key": "attention.self.key",
        "value": "attention.self.value",
        "out": "attention.output.dense",
        "attention_norm": "attention.output.LayerNorm",
        "up": "intermediate.dense",
        "down": "output.dense",
        "feedforward_norm": "output.LayerNorm",
    },
    fields={
        "layers": "num_hidden_layers",
        "width": "hidden_size",
        "heads": "num_attention_heads",
        "feedforward": "intermediate_size",
        "max_positions": "max_position_embeddings",
        "activation": "hidden_act",
    },
)
ARCHITECTURES = {
    "bert": _BERT,
    "roberta": _BERT._replace(prefix="roberta.", offset="pad_token_id"),
    "xlm-roberta": _BERT._replace(prefix="roberta.", offset="pad_token_id"),
    "distilbert": Architecture(
        prefix="distilbert.",
        layer="transformer.layer.{}",
        names={
            "query": "attention.q_lin",
            "key": "attention.k_lin",
            "value": "attention.v_lin",
            "out": "attention.out_lin",
            "attention_norm": "sa_layer_norm",
            "up": "ffn.lin1",
            "down": "ffn.lin2",
            "feedforward_norm": "output_layer_norm",
        },
        fields={
            "layers": "n_layers",
            "width": "dim",
            "heads": "n_heads",
            "feedforward": "hidden_dim",
            "max_positions": "max_position_embeddings",
            "activation": "activation",
        },
    ),
}


def read_settings(folder: Path) -> dict[str, Any]:
    """Our encoder's fields for the model in a folder.

    Raises:
      UserError: for a missing or foreign config.json, or a model that this encoder cannot be.
    """
    settings, architecture = _settings(folder)
    try:
        fields = {ours: settings[theirs] for ours, theirs in architecture.fields.items()}
    except KeyError as error:
        raise UserError(f"{folder / 'config.json'}: {error} is missing.") from None
    where = folder / "config.json"
    if fields["activation"] not in _ACTIVATIONS:
        raise UserError(
            f"{where}: activation {fields['activation']!r} is not one of {', '.join(_ACTIVATIONS)}."
        )
    kind = settings.get("position_embedding_type", "absolute")
    if kind != "absolute":
        raise UserError(f"{where}: positions {kind!r} are not supported, only 'absolute'.")
    return fields | {
        "activation": _ACTIVATIONS[fields["activation"]],
        "max_positions": fields["max_positions"] - _shift(settings, architecture),
        "norm": "post",
        "norm_epsilon": float(settings.get("layer_norm_eps", 1e-12)),
        "positions": "learned",
    }


def read_encoder(folder: Path, vocab_size: int) -> dict[str, Any]:
    """The encoder's parameters, NumPy float32, layers apart as layer_0, layer_1, ...

    Args:
      folder: with config.json and model.safetensors, in one file or in several with an index.
      vocab_size: subwords of the tokenizer; rows of the table beyond them are left out.

    Raises:
      UserError: where weights are missing, damaged, left over or of another shape.
    """
    settings, architecture = _settings(folder)
    fields = read_settings(folder)
    weights = _Weights(folder, architecture.prefix)
    words = weights.take("embeddings.word_embeddings.weight")
    if len(words) < vocab_size:
        raise UserError(
            f"{folder}: its tokenizer has {vocab_size:,} subwords and its model {len(words):,}; "
            "they do not belong together."
        )
    places = weights.take("embeddings.position_embeddings.weight")[_shift(settings, architecture) :]
    # Every text is of segment type 0, so its vector can be part of the position's.
    kinds = weights.take("embeddings.token_type_embeddings.weight", optional=True)
    flat = {
        ("token_embedding", "embedding"): words[:vocab_size],
        ("position_embedding", "embedding"): places if kinds is None else places + kinds[0],
    }
    flat |= _norm(weights, "embeddings.LayerNorm", ("embedding_norm",))
    for index in range(fields["layers"]):
        root = architecture.layer.format(index)
        names = {part: f"{root}.{name}" for part, name in architecture.names.items()}
        flat |= _layer(weights, names, f"layer_{index}", fields["heads"])
    return unflatten_dict(flat)


def _layer(weights: "_Weights", names: Mapping[str, str], layer: str, heads: int) -> dict:
    """One layer's parameters by path."""
    qkv = [weights.take(f"{names[part]}.weight") for part in ("query", "key", "value")]
    biases = [weights.take(f"{names[part]}.bias") for part in ("query", "key", "value")]
    width = len(qkv[0])
    size = width // heads
    flat: dict[tuple[str, ...], Any] = {
        # [D out, D in] each -> [D in, 3, H, K]
        (layer, "attention", "qkv", "kernel"): np.stack([w.T for w in qkv], axis=1).reshape(
            width, 3, heads, size
        ),
        (layer, "attention", "qkv", "bias"): np.stack(biases).reshape(3, heads, size),
        (layer, "attention", "out", "kernel"): weights.take(f"{names['out']}.weight").T.reshape(
            heads, size, width
        ),
        (layer, "attention", "out", "bias"): weights.take(f"{names['out']}.bias"),
    }
    for part in ("up", "down"):
        flat[layer, part, "kernel"] = weights.take(f"{names[part]}.weight").T
        flat[layer, part, "bias"] = weights.take(f"{names[part]}.bias")
    for part in ("attention_norm", "feedforward_norm"):
        flat |= _norm(weights, names[part], (layer, part))
    return {path: np.ascontiguousarray(leaf) for path, leaf in flat.items()}


def _norm(weights: "_Weights", name: str, path: tuple[str, ...]) -> dict:
    """A normalisation's parameters; models converted from TensorFlow call them gamma and beta."""
    scale = weights.take(f"{name}.weight", f"{name}.gamma")
    return {
        (*path, "norm", "scale"): scale,
        (*path, "norm", "bias"): weights.take(f"{name}.bias", f"{name}.beta"),
    }


class _Weights:
    """The tensors of a folder by name, with or without the prefix of a model with a head."""

    def __init__(self, folder: Path, prefix: str):
        self._folder, self._prefix = folder, prefix
        self._file_of: dict[str, Path] = {}
        for file in _files(folder):
            try:
                with safe_open(file, "np") as tensors:
                    self._file_of |= dict.fromkeys(tensors.keys(), file)
            except (SafetensorError, OSError) as error:
                raise UserError(f"{file}: damaged or missing: {error}.") from None

    def take(self, *names: str, optional: bool = False) -> Any:
        """The first of some tensors that is there, as float32; None where one may be missing."""
        for name in (prefix + name for name in names for prefix in ("", self._prefix)):
            if name in self._file_of:
                with safe_open(self._file_of[name], "np") as tensors:
                    return tensors.get_tensor(name).astype(np.float32)
        if optional:
            return None
        raise UserError(f"{self._folder}: no tensor {names[0]!r} in its model.safetensors.")


def _files(folder: Path) -> list[Path]:
    """The weight files of a folder."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return [folder / name for name in sorted(set(shards))]
    if (folder / "pytorch_model.bin").is_file():
        raise UserError(
            f"{folder}: holds pytorch_model.bin, a pickle, which is never loaded. Convert it where "
            'PyTorch and transformers are installed: python -c "from transformers import AutoModel;'
            f" AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )
    raise UserError(f"{folder}: no model.safetensors in it.")


def _settings(folder: Path) -> tuple[dict[str, Any], Architecture]:
    """config.json and the architecture that it names."""
    file = folder / "config.json"
    if not file.is_file():
        raise UserError(f"{folder}: no config.json in it; expected a Hugging Face model.")
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON: {error}.") from None
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind not in ARCHITECTURES:
        raise UserError(f"{file}: model_type {kind!r} is not one of {', '.join(ARCHITECTURES)}.")
    return settings, ARCHITECTURES[kind]


def _shift(settings: Mapping[str, Any], architecture: Architecture) -> int:
    """How many rows stand before the first position: RoBERTa counts on from its padding id."""
    return settings[architecture.offset] + 1 if architecture.offset else 0
