"""The model directory: everything that prediction needs, in formats that other tools read.

model/config.json          the run's config
model/model.safetensors    parameters, float32, named by their paths
model/tokenizer.json       Hugging Face tokenizers
model/README.md            the model card
"""

import dataclasses
import json
import os
import shutil
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from tokenizers import Tokenizer

from mtt_jax.config import files as config_files
from mtt_jax.config.schema import Config
from mtt_jax.data import tokenizer as tokenizer_module
from mtt_jax.errors import UserError
from mtt_jax.model import lora


class SavedModel(NamedTuple):
    """What a model directory holds.

    Attributes:
      config: the run's.
      params: {"encoder": ..., "heads": {task: ...}}, NumPy float32; {} for a graph alone.
      tokenizer: as trained or loaded.
      path: where it was read from.
    """

    config: Config
    params: Any
    tokenizer: Tokenizer
    path: Path


def save(path: Path, config: Config, params: Any, tokenizer: Tokenizer, card: str) -> None:
    """Writes a model directory in one move: a reader sees the old one or the new one, whole."""
    fresh = path.with_name(f".{path.name}-{os.getpid()}")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    (fresh / "config.json").write_text(config_files.to_json(config), encoding="utf-8")
    flat = flatten_dict(unstack_layers(params), sep=".")
    arrays = {name: np.ascontiguousarray(np.asarray(leaf)) for name, leaf in flat.items()}
    save_file(arrays, fresh / "model.safetensors", metadata={"format": "mtt_jax"})
    tokenizer.save(str(fresh / "tokenizer.json"))
    (fresh / "README.md").write_text(card, encoding="utf-8")
    old = path.with_name(f".{path.name}-old-{os.getpid()}")
    if path.exists():
        path.rename(old)
    fresh.rename(path)
    shutil.rmtree(old, ignore_errors=True)


def merged(config: Config, params: Any) -> tuple[Config, Any]:
    """A config and its parameters without LoRA, its additions merged into their matrices."""
    if not config.encoder.lora_rank:
        return config, params
    plain = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, lora_rank=0))
    whole = lora.merge(unstack_layers(params), config.encoder.lora_alpha)
    return plain, stack_layers(whole) if config.encoder.scan else whole


def find(path: str | Path) -> Path:
    """The model directory of a run or model directory.

    Raises:
      UserError: where neither is there, saying what was found instead.
    """
    given = Path(path).expanduser()
    for candidate in (given / "model", given):
        if any((candidate / name).is_file() for name in ("model.safetensors", "model.onnx")):
            return candidate
    if not given.exists():
        raise UserError(f"{path}: no such directory; expected a run, as in runs/balanced.")
    if (given / "checkpoints").is_dir():
        raise UserError(
            f"{path}: this run has no model yet; finish it with the command that started it."
        )
    raise UserError(f"{path}: no model here: expected model/model.safetensors or one directly.")


def load(path: str | Path, graph_is_enough: bool = False) -> SavedModel:
    """Reads a run's model or a model directory.

    Args:
      path: the directory.
      graph_is_enough: reads a folder that `export --to=onnx` wrote as well; its parameters are
        in the graph, and `params` is {}.

    Raises:
      UserError: where there is none, or a file of it is damaged.
    """
    folder = find(path)
    for name in ("config.json", "tokenizer.json"):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: {name} is missing; copy the whole directory.")
    config = config_files.from_json(
        (folder / "config.json").read_text(encoding="utf-8"), str(folder / "config.json")
    )
    tokenizer = tokenizer_module.load(folder / "tokenizer.json", "model")
    weights = folder / "model.safetensors"
    if not weights.is_file():
        if graph_is_enough:
            return SavedModel(config, {}, tokenizer, folder)
        raise UserError(
            f"{folder}: holds an exported graph without parameters, which predicts with "
            'backend="onnx" or "onnx-int8" alone; name the run that it was exported from.'
        )
    try:
        params = unflatten_dict(load_file(weights), sep=".")
    except SafetensorError as error:
        raise UserError(f"{weights}: damaged: {error}.") from None
    if config.encoder.scan:
        params = stack_layers(params)
    return SavedModel(config, params, tokenizer, folder)


def unstack_layers(params: Any) -> Any:
    """Layers scanned as one stack, as layer_0, layer_1, ...; other parameters as they are."""
    encoder = dict(params["encoder"])
    stack = encoder.pop("layers", None)
    if stack is None:
        return params
    flat = {name: np.asarray(leaf) for name, leaf in flatten_dict(stack).items()}
    for index in range(len(next(iter(flat.values())))):
        encoder[f"layer_{index}"] = unflatten_dict({n: leaf[index] for n, leaf in flat.items()})
    return {**params, "encoder": encoder}


def stack_layers(params: Any) -> Any:
    """The reverse of `unstack_layers`."""
    encoder = dict(params["encoder"])
    names = sorted((n for n in encoder if n.startswith("layer_")), key=lambda n: int(n[6:]))
    layers = [flatten_dict(encoder.pop(name)) for name in names]
    encoder["layers"] = unflatten_dict({k: np.stack([x[k] for x in layers]) for k in layers[0]})
    return {**params, "encoder": encoder}


def graft(params: Any, source: SavedModel, parts: str, scan: bool) -> Any:
    """`params` with the encoder, the heads or both taken from another model.

    Args:
      params: fresh parameters, as shapes or arrays.
      source: the other model; its heads for tasks that are not here are left out.
      parts: "all", "encoder" or "heads".
      scan: whether `params` stacks its layers.

    Raises:
      UserError: listing parameters whose shapes differ or that only one side has.
    """
    theirs = stack_layers(unstack_layers(source.params)) if scan else unstack_layers(source.params)
    ours = flatten_dict(params, sep="/")
    given = flatten_dict(theirs, sep="/")
    taken = dict(ours)
    problems = []
    for name, leaf in ours.items():
        part, rest = name.split("/", 1)
        if parts not in ("all", part):
            continue
        if name.rsplit("/", 1)[-1] in lora.NAMES:
            continue  # a model directory has them merged; fresh ones add nothing
        if part == "heads" and rest.split("/")[0] not in source.config.tasks:
            continue
        if name not in given:
            problems.append(f"{name} is missing there")
        elif given[name].shape != leaf.shape:
            problems.append(f"{name} is {given[name].shape} there, {leaf.shape} here")
        else:
            taken[name] = given[name]
    if problems:
        shown = "; ".join(problems[:3]) + (f"; and {len(problems) - 3} more" * (len(problems) > 3))
        raise UserError(
            f"config.init_from: {source.path} does not fit this config: {shown}. "
            "Use its encoder and tokenizer settings, or --config.init_parts=encoder or heads."
        )
    return unflatten_dict(taken, sep="/")


def read_json(path: Path) -> Any:
    """A JSON file's content, None where there is none."""
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
