"""The model directory: everything that prediction needs, in formats that other tools read.

model/config.json          the run's config
model/model.safetensors    parameters, float32, named by their paths
model/tokenizer.json       Hugging Face tokenizers
model/fitted.json          what tasks chose on dev, temperature and thresholds; absent if none did
model/README.md            the model card
model/manifest.json        size and SHA-256 of each of these; absent in models of version 0.1

A model is compared with its manifest whenever it is loaded, all but the card, which no answer
depends on. That the manifest was not lost is told by the metadata of model.safetensors.
"""

import dataclasses
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from mtt_jax import atomic
from mtt_jax.config import files as config_files
from mtt_jax.config.resolve import answering
from mtt_jax.config.schema import Config
from mtt_jax.data import tokenizer as tokenizer_module
from mtt_jax.errors import UserError
from mtt_jax.model import lora
from mtt_jax.model.hf import tensors
from mtt_jax.tasks import Task
from mtt_jax.untrusted import folder as strangers
from mtt_jax.untrusted.folder import file_in, read_object, user_path
from mtt_jax.weights import manifest
from mtt_jax.weights.build import build_model, param_shapes
from mtt_jax.weights.manifest import Damage

FITTED = "fitted.json"
# What the answers of a model depend on.
FILES = ("config.json", "model.safetensors", "tokenizer.json", FITTED)
CARD = "README.md"
_LAYER = r"encoder\.layer_(\d+)\."
_TABLE = "encoder.token_embedding.embedding"
# The metadata of model.safetensors in a directory with a manifest; "mtt_jax" in those without.
_METADATA = {"format": "mtt_jax 2"}


class SavedModel(NamedTuple):
    """What a model directory holds.

    Attributes:
      config: the run's.
      params: {"encoder": ..., "heads": {task: ...}}, NumPy float32; {} for an exported graph.
      tokenizer: as trained or loaded.
      path: where it was read from.
      tasks: the config's, with what they chose on dev.
    """

    config: Config
    params: Any
    tokenizer: Tokenizer
    path: Path
    tasks: tuple[Task, ...]


def save(
    path: Path,
    config: Config,
    params: Any,
    tokenizer: Tokenizer,
    card: str,
    tasks: Sequence[Task] | None = None,
) -> None:
    """Writes a model directory in one step: a reader sees all of the old one or all of the new one.

    Args:
      path: of the directory.
      config: the run's.
      params: layers stacked or not.
      tokenizer: the run's.
      card: text of the model card.
      tasks: with what they chose on dev; by default the config's, which chose nothing.
    """
    with atomic.replacing_folder(path) as fresh:
        (fresh / "config.json").write_text(config_files.to_json(config), encoding="utf-8")
        flat = flatten_dict(unstack_layers(params), sep=".")
        arrays = {name: np.ascontiguousarray(np.asarray(leaf)) for name, leaf in flat.items()}
        save_file(arrays, fresh / "model.safetensors", metadata=_METADATA)
        tokenizer.save(str(fresh / "tokenizer.json"))
        write_fitted(fresh, tasks or ())
        (fresh / CARD).write_text(card, encoding="utf-8")
        manifest.write(fresh)


def write_fitted(folder: Path, tasks: Sequence[Task]) -> None:
    """Writes what tasks chose on dev, in place of what a model directory said about it before.

    Args:
      folder: the model directory.
      tasks: all of the model; without a file if they chose nothing.
    """
    file = folder / FITTED
    fitted = {task.name: task.fitted() for task in tasks if task.fitted()}
    if fitted:
        atomic.write(file, json.dumps(fitted, indent=2, ensure_ascii=False) + "\n")
    else:
        file.unlink(missing_ok=True)
    manifest.update(folder, FITTED)


def merged(config: Config, params: Any) -> tuple[Config, Any]:
    """A config and its parameters as they answer.

    Without LoRA, whose updates are merged into their matrices, and without the heads of what only
    trains.
    """
    answered = {task.name for task in config.task_list}
    heads = {name: head for name, head in params["heads"].items() if name in answered}
    config, params = answering(config), {**params, "heads": heads}
    if not config.encoder.lora_rank:
        return config, params
    plain = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, lora_rank=0))
    whole = lora.merge(unstack_layers(params), config.encoder.lora_alpha)
    return plain, stack_layers(whole) if config.encoder.scan else whole


def directory(task: str = "") -> str:
    """The name of a model directory in a run.

    Args:
      task: the one whose own score chose the model, with train.best_by_task; by default the model
        that the score of the run chose.
    """
    return f"model-{task}" if task else "model"


def find(path: str | Path) -> Path:
    """The model directory at a path: the model/ of a run, or the path itself.

    Raises:
      UserError: if there is no model, saying what was found instead.
    """
    given = user_path(path)
    for candidate in (given / directory(), given):
        if any((candidate / name).is_file() for name in ("model.safetensors", "model.onnx")):
            return candidate
    if given.match(directory("*")) and (given.parent / directory()).is_dir():
        raise UserError(_no_such_best(path, given))
    if not given.exists():
        raise UserError(f"{path}: no such directory; expected a run, as in runs/balanced.")
    if (given / "checkpoints").is_dir():
        raise UserError(
            f"{path}: this run has no model yet; resume it with the command that started it."
        )
    if (given / "model.stablehlo").is_file():
        raise UserError(
            f"{path}: contains an exported graph without parameters, for other programs; name the "
            "run that it was exported from."
        )
    raise UserError(
        f"{path}: contains no model: expected model/model.safetensors or model.safetensors."
    )


def _no_such_best(path: str | Path, given: Path) -> str:
    """What to do if a run has no model that is best by a task.

    Args:
      path: as the user wrote it.
      given: the same, with the home directory filled in.
    """
    there = sorted(other.name for other in given.parent.glob(directory("*")))
    if there:
        return f"{path}: no such model; {given.parent} has {', '.join(there)} and model."
    return (
        f"{path}: no such model; a run trained with --config.train.best_by_task=true has one for "
        "each task."
    )


def config_of(folder: Path) -> Config:
    """The config of a model directory, as `find` gives it.

    Raises:
      UserError: if it is missing or damaged.
    """
    file = file_in(folder, "config.json")
    if not file:
        raise UserError(f"{folder}: config.json is missing; copy the whole directory.")
    config = config_files.read(file)
    for task in config.task_list:
        if not task.labels:
            raise UserError(f"{file}: damaged: config.tasks.{task.name}.labels: empty.")
    return config


def damages(folder: Path, card: bool = False) -> list[Damage]:
    """The files of a model directory that are not as they were written; [] if it is whole.

    Args:
      folder: as `find` gives it.
      card: whether the model card counts too.

    Raises:
      UserError: if there is no manifest, and model.safetensors is damaged.
    """
    found = manifest.damages(folder, () if card else (CARD,), FILES)
    if found is not None:
        return found
    weights = folder / "model.safetensors"
    if weights.is_file() and tensors.metadata(weights) == _METADATA:
        return [Damage(folder / manifest.FILE, "missing")]
    return []


def check(folder: Path) -> None:
    """Compares a model directory, as `find` gives it, with its manifest, if it has one.

    Raises:
      UserError: naming the files that do not match.
    """
    if found := damages(folder):
        raise UserError(
            f"{manifest.listed(found)}. Copy the whole directory again; or, if you changed it on "
            f"purpose, accept it as it is: mtt verify {folder} --accept"
        )


def load(
    path: str | Path,
    graph_is_enough: bool = False,
    encoder_is_enough: bool = False,
    verify: bool = True,
) -> SavedModel:
    """Reads a run's model or a model directory.

    Args:
      path: the directory.
      graph_is_enough: also accept a folder written by `export --to=onnx`; its parameters are in
        the graph, and `params` is {}.
      encoder_is_enough: also accept a model that answers nothing.
      verify: compare it with its manifest, which takes about 0.2 s for 90 MB.

    Raises:
      UserError: if there is no model, one of its files is damaged or was changed, or its config
        does not fit its weights.
    """
    folder = find(path)
    if verify:
        check(folder)
    for name in ("config.json", "tokenizer.json"):
        if not file_in(folder, name):
            raise UserError(f"{folder}: {name} is missing; copy the whole directory.")
    config = config_of(folder)
    if not config.task_list and not encoder_is_enough:
        raise UserError(
            f"{folder}: was trained on texts without labels, and answers nothing; start a run with "
            f"tasks from its encoder: --config.init_from={path} --config.init_parts=encoder."
        )
    tokenizer = tokenizer_module.load(folder / "tokenizer.json", "model")
    vocabulary = tokenizer_module.vocabulary_size(tokenizer)
    tasks = _with_fitted(config.task_list, file_in(folder, FITTED))
    weights = file_in(folder, "model.safetensors")
    if not weights:
        if graph_is_enough:
            return SavedModel(config, {}, tokenizer, folder, tasks)
        raise UserError(
            f"{folder}: contains an exported graph without parameters, which predicts only with "
            'engine="onnx" or "onnx-int8"; name the run that it was exported from.'
        )
    _check_sizes(config, vocabulary, weights)
    found = tensors.read_all(weights)
    found[_TABLE] = _table(found.get(_TABLE), tokenizer, weights)
    params = unflatten_dict(found, sep=".")
    if config.encoder.scan:
        params = stack_layers(params)
    return SavedModel(config, params, tokenizer, folder, tasks)


def _check_sizes(config: Config, vocabulary: int, weights: Path) -> None:
    """Compares the sizes of a config with the shapes in the header of its weights.

    Nothing of these sizes is allocated.

    Args:
      config: of the model.
      vocabulary: ids of its tokenizer.
      weights: model.safetensors.

    Raises:
      UserError: naming the first parameter that is missing or has another shape.
    """
    there = tensors.shapes(weights)
    layers = len({match[1] for name in there if (match := re.match(_LAYER, name))})
    file = weights.with_name("config.json")
    if layers != config.encoder.layers:
        raise UserError(
            f"{file}: config.encoder.layers is {config.encoder.layers:,}, but {weights.name} has "
            f"{layers}; they do not belong together. Copy the whole directory again."
        )
    for name, shape in _shapes(config, vocabulary, file).items():
        known = there.get(name)
        # In version 0.1 the table had a row per subword; `_table` compares its rows.
        if name == _TABLE and known and len(known) == 2:
            shape = (known[0], *shape[1:])
        if known != shape and (known or name != _TABLE):
            raise UserError(
                f"{file}: parameter {name} has the shape {shape} by this config, but "
                f"{f'{known} in' if known else 'is missing from'} {weights.name}; they do not "
                "belong together. Copy the whole directory again."
            )


def _shapes(config: Config, vocabulary: int, file: Path) -> dict[str, tuple[int, ...]]:
    """Parameter -> shape, of a model whose layers are not stacked; only traced, not computed.

    Two layers are traced: the first may have one parameter less than all others.
    """
    layers = config.encoder.layers
    encoder = dataclasses.replace(
        config.encoder, layers=min(2, layers), scan=False, lora_rank=0, dtype="float32"
    )
    short = dataclasses.replace(config, encoder=encoder)
    try:
        model = build_model(short, vocabulary, slots=1, attention="plain")
        traced = param_shapes(model)
    except (ValueError, TypeError, OverflowError, ArithmeticError, AssertionError) as error:
        said = str(error).partition("\n")[0]
        raise UserError(f"{file}: no model has such sizes: {said}.") from None
    found: dict[str, tuple[int, ...]] = {}
    for name, leaf in flatten_dict(traced, sep=".").items():
        for layer in range(1, layers) if ".layer_1." in name else (1,):
            found[name.replace(".layer_1.", f".layer_{layer}.")] = leaf.shape
    return found


def _table(table: Any, tokenizer: Tokenizer, file: Path) -> Any:
    """The token table, with a row for every id of the tokenizer.

    In version 0.1 it had one row per subword, too few if the ids have gaps. The mean of all rows is
    used for the others, which the model has never seen.

    Raises:
      UserError: if table and tokenizer do not belong together.
    """
    size = tokenizer_module.vocabulary_size(tokenizer)
    rows = 0 if table is None else len(table)
    if rows == size:
        return table
    if rows and rows == tokenizer.get_vocab_size():
        return np.concatenate([table, np.tile(table.mean(axis=0), (size - rows, 1))])
    raise UserError(
        f"{file}: tensor {_TABLE!r} has {rows:,} rows, but tokenizer.json has ids up to "
        f"{size - 1:,}; they do not belong together. Copy the whole directory again."
    )


def _with_fitted(tasks: Sequence[Task], file: Path | None) -> tuple[Task, ...]:
    """The tasks with what they chose on dev, read from a file; unchanged if it does not exist.

    Raises:
      UserError: if the file is damaged.
    """
    if not file:
        return tuple(tasks)
    fitted = read_object(file)
    try:
        if not fitted.keys() <= {task.name for task in tasks}:
            raise ValueError(f"it names {', '.join(fitted)}, which are not all tasks of the model")
        return tuple(task.with_fitted(fitted.get(task.name, {})) for task in tasks)
    except (ValueError, TypeError, AttributeError) as error:
        raise UserError(f"{file}: damaged: {error}.") from None


def unstack_layers(params: Any) -> Any:
    """Parameters with stacked layers split into layer_0, layer_1, ...; unchanged if not stacked."""
    encoder = dict(params["encoder"])
    stack = encoder.pop("layers", None)
    if stack is None:
        return params
    flat = {name: np.asarray(leaf) for name, leaf in flatten_dict(stack).items()}
    for index in range(len(next(iter(flat.values())))):
        encoder[f"layer_{index}"] = unflatten_dict({n: leaf[index] for n, leaf in flat.items()})
    return {**params, "encoder": encoder}


def stack_layers(params: Any) -> Any:
    """The inverse of `unstack_layers`."""
    encoder = dict(params["encoder"])
    names = sorted((n for n in encoder if n.startswith("layer_")), key=lambda n: int(n[6:]))
    layers = [flatten_dict(encoder.pop(name)) for name in names]
    encoder["layers"] = unflatten_dict({k: np.stack([x[k] for x in layers]) for k in layers[0]})
    return {**params, "encoder": encoder}


def read_json(path: Path) -> Any:
    """The content of a JSON file that a run wrote; None if the file does not exist.

    Raises:
      UserError: naming the file, if it is damaged.
    """
    if not path.exists() and not path.is_symlink():
        return None
    return strangers.read_json(path, finite=False)  # a score may be NaN
