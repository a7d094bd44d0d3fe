"""The BERT family: post-normalization, learned positions (Devlin et al. 2019, arXiv:1810.04805).

MiniLM, E5, BGE, GTE and all-MiniLM have BERT's own architecture; RoBERTa, XLM-R and DistilBERT
differ in names and in the row of the position table at which positions begin.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.errors import UserError
from mtt_jax.model.hf.layout import (
    activation,
    activation_name,
    contiguous,
    join_heads,
    split_heads,
)
from mtt_jax.model.hf.weights import Length, Weights

_TABLE = "embeddings.word_embeddings.weight"


class Architecture(NamedTuple):
    """The names under which an architecture stores its tensors and settings.

    Attributes:
      prefix: of the encoder's keys in a model with a head.
      layer: key of a layer, with {} for its number.
      names: part of a layer, as we call it -> its key.
      fields: field of our encoder -> its name in config.json.
      offset: the setting that shifts positions, by its value plus one; "" for no shift.
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


def fields(settings: Mapping[str, Any], where: Path) -> dict[str, Any]:
    """Our encoder's fields from a config.json.

    Args:
      settings: its content.
      where: its path, for messages.

    Raises:
      UserError: for a model that our encoder cannot represent.
      KeyError: for a missing setting.
    """
    architecture = ARCHITECTURES[settings["model_type"]]
    found = {ours: settings[theirs] for ours, theirs in architecture.fields.items()}
    positions = settings.get("position_embedding_type", "absolute")
    if positions != "absolute":
        raise UserError(f"{where}: positions {positions!r} are not supported, only 'absolute'.")
    return found | {
        "activation": activation(found["activation"], where),
        "max_positions": found["max_positions"] - _shift(settings, architecture),
        "norm": "post",
        "norm_epsilon": float(settings.get("layer_norm_eps", 1e-12)),
        "positions": "learned",
        "embedding_norm": False,
        "gated": False,
        "window": 0,
    }


def read(
    folder: Path,
    settings: Mapping[str, Any],
    ours: Mapping[str, Any],
    vocab_size: int,
    needed: int,
) -> dict[str, Any]:
    """The encoder's parameters.

    Args:
      folder: with the weights.
      settings: config.json.
      ours: our encoder's fields, as returned by `fields`.
      vocab_size: ids of the tokenizer.
      needed: how many of them the model must have.
    """
    architecture = ARCHITECTURES[settings["model_type"]]
    weights = Weights(folder, architecture.prefix, _TABLE)
    shift = _shift(settings, architecture)
    width, inner, length = (
        (name, settings[name])
        for name in (architecture.fields[n] for n in ("width", "feedforward", "max_positions"))
    )
    positions = weights.take("embeddings.position_embeddings.weight", shape=(length, width))[shift:]
    # Every text has token type 0, so the vector of type 0 can be added to every position's.
    types = weights.take(
        "embeddings.token_type_embeddings.weight", shape=(None, width), optional=True
    )
    words = weights.embedding(_TABLE, width, vocab_size, needed)
    params = {
        "token_embedding": {"embedding": words},
        "position_embedding": {"embedding": positions if types is None else positions + types[0]},
        "embedding_norm": _norm(weights, "embeddings.LayerNorm", width),
    }
    for index in range(ours["layers"]):
        root = architecture.layer.format(index)
        names = {part: f"{root}.{name}" for part, name in architecture.names.items()}
        params[f"layer_{index}"] = _layer(weights, names, ours["heads"], width, inner)
    weights.check_layers(architecture.layer + ".")
    return contiguous(params)


def _layer(
    weights: Weights, names: Mapping[str, str], heads: int, wide: Length, inner: Length
) -> dict[str, Any]:
    """One layer's parameters."""
    projections = ("query", "key", "value")
    matrices = [weights.take(f"{names[part]}.weight", shape=(wide, wide)) for part in projections]
    biases = [weights.take(f"{names[part]}.bias", shape=(wide,)) for part in projections]
    width = wide[1]
    out = _dense(weights, names["out"], wide, wide)
    return {
        "attention": {
            "qkv": split_heads(matrices, biases, heads),
            "out": {**out, "kernel": out["kernel"].reshape(heads, width // heads, width)},
        },
        "up": _dense(weights, names["up"], wide, inner),
        "down": _dense(weights, names["down"], inner, wide),
        "attention_norm": _norm(weights, names["attention_norm"], wide),
        "feedforward_norm": _norm(weights, names["feedforward_norm"], wide),
    }


def _dense(weights: Weights, name: str, given: Length, found: Length) -> dict[str, Any]:
    """Parameters of a linear layer from `given` to `found` units."""
    kernel = weights.take(f"{name}.weight", shape=(found, given))
    return {"kernel": kernel.T, "bias": weights.take(f"{name}.bias", shape=(found,))}


def _norm(weights: Weights, name: str, width: Length) -> dict[str, Any]:
    """Parameters of a normalization; models converted from TensorFlow call them gamma and beta."""
    scale = weights.take(f"{name}.weight", f"{name}.gamma", shape=(width,))
    bias = weights.take(f"{name}.bias", f"{name}.beta", shape=(width,))
    return {"norm": {"scale": scale, "bias": bias}}


def _shift(settings: Mapping[str, Any], architecture: Architecture) -> int:
    """Rows of the position table before position 0; RoBERTa's come after its padding id."""
    return settings[architecture.offset] + 1 if architecture.offset else 0


def config_json(ours: Any, vocab_size: int, pad_id: int) -> dict[str, Any]:
    """The config.json of a BERT with our encoder's fields; the inverse of `fields`.

    Args:
      ours: a config's `encoder` section.
      vocab_size: subwords of the tokenizer.
      pad_id: id of the padding subword.

    Raises:
      UserError: naming the fields that make the encoder something other than a BERT.
    """
    wanted = {
        "norm": "post",
        "positions": "learned",
        "gated": False,
        "window": 0,
        "convolution": 0,
    }
    if ours.word_features:
        raise UserError(
            "--to=hf: this encoder reads word features (encoder.word_features), which transformers "
            "cannot compute. Use --to=onnx or --to=stablehlo, or train without: "
            "--config.encoder.word_features="
        )
    wrong = [name for name, value in wanted.items() if getattr(ours, name) != value]
    if wrong:
        found = ", ".join(f"encoder.{name}={getattr(ours, name)!r}" for name in wrong)
        needs = ", ".join(f"encoder.{name}={value!r}" for name, value in wanted.items())
        raise UserError(
            f"--to=hf: this encoder is not a BERT: {found}; a BERT has {needs}. Use --to=onnx or "
            "--to=stablehlo, or train from a pretrained BERT, as configs/pretrained.py does."
        )
    return {
        **{theirs: getattr(ours, name) for name, theirs in _BERT.fields.items()},
        "model_type": "bert",
        "hidden_act": activation_name(ours.activation),
        "layer_norm_eps": ours.norm_epsilon,
        "hidden_dropout_prob": ours.dropout,
        "attention_probs_dropout_prob": ours.attention_dropout,
        "vocab_size": vocab_size,
        "type_vocab_size": 2,
        "pad_token_id": pad_id,
    }


def write(params: Mapping[str, Any], prefix: str) -> dict[str, np.ndarray]:
    """A BERT's tensors by name, from our encoder's parameters; the inverse of `read`.

    Args:
      params: of the encoder, layers not stacked.
      prefix: "bert." for the encoder of a model with a head, "" for an encoder alone.
    """
    width = params["token_embedding"]["embedding"].shape[1]
    flat = {
        "embeddings.word_embeddings.weight": params["token_embedding"]["embedding"],
        "embeddings.position_embeddings.weight": params["position_embedding"]["embedding"],
        # Zero: the vector of type 0 is already part of the positions.
        "embeddings.token_type_embeddings.weight": np.zeros((2, width), np.float32),
        **_write_norm(params["embedding_norm"], "embeddings.LayerNorm"),
    }
    for index in range(sum(name.startswith("layer_") for name in params)):
        layer, root = params[f"layer_{index}"], _BERT.layer.format(index)
        names = {part: f"{root}.{name}" for part, name in _BERT.names.items()}
        matrices, biases = join_heads(layer["attention"]["qkv"])
        for part, matrix, bias in zip(("query", "key", "value"), matrices, biases, strict=True):
            flat[f"{names[part]}.weight"], flat[f"{names[part]}.bias"] = matrix, bias
        out = layer["attention"]["out"]
        kernel = np.asarray(out["kernel"]).reshape(width, width)
        flat |= write_dense({**out, "kernel": kernel}, names["out"])
        for part in ("up", "down"):
            flat |= write_dense(layer[part], names[part])
        for part in ("attention_norm", "feedforward_norm"):
            flat |= _write_norm(layer[part], names[part])
    return {prefix + name: np.ascontiguousarray(leaf) for name, leaf in flat.items()}


def write_dense(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    """A linear layer's weight [out, in] and bias by name."""
    return {f"{name}.weight": np.asarray(params["kernel"]).T, f"{name}.bias": params["bias"]}


def _write_norm(params: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {f"{name}.weight": params["norm"]["scale"], f"{name}.bias": params["norm"]["bias"]}
