"""Initial parameters: what a run starts from other than random numbers.

init_from      encoder, heads or both of another run, by parameter path; or its subword vectors
encoder.init   a pretrained encoder
"""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict
from tokenizers import Tokenizer

from mtt_jax.config.resolve import labels_of
from mtt_jax.config.schema import Config
from mtt_jax.config.values import as_flag
from mtt_jax.data.tokenizer import size_without_added, vocabulary_size
from mtt_jax.errors import UserError
from mtt_jax.model import lora
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.saved_model import SavedModel, stack_layers, unstack_layers

# Fields of `encoder` that do not change what its parameters compute, or that change their shapes.
_SAME_FUNCTION = frozenset(
    ("init", "dropout", "word_dropout", "attention_dropout", "attention", "lora_rank", "lora_alpha",
     "dtype", "remat", "scan", "max_positions")
)  # fmt: skip
# Fields of a task that decide the shapes of its head.
_OF_HEAD = ("kind", "labels", "scheme", "hidden")


def complete(config: Config) -> Config:
    """The config with what the parameters that it starts from decide: sizes and tokenizer.

    Raises:
      UserError: if they are not there, or cannot be read.
    """
    if config.init_from and not config.tokenizer.file:
        file = str(saved_model.find(config.init_from) / "tokenizer.json")
        tokenizer = dataclasses.replace(config.tokenizer, file=file)
        config = dataclasses.replace(config, tokenizer=tokenizer)
    return pretrained.complete(config)


def keep_source_labels(config: Config) -> Config:
    """The config with labels left at auto taken from the model whose heads the run starts from.

    Raises:
      UserError: if there is no such model.
    """
    if not config.init_from or config.init_parts not in ("all", "heads"):
        return config
    return labels_of(config, saved_model.config_of(saved_model.find(config.init_from)))


def starting_params(
    config: Config, tokenizer: Tokenizer, fresh: Any, say: Callable[[str], None] | None = None
) -> Any:
    """Fresh parameters, with those of `init_from` and `encoder.init` in their places.

    Args:
      config: complete, as returned by `complete`.
      tokenizer: the run's.
      fresh: parameters on the host. Shapes (`jax.ShapeDtypeStruct`) of those that have no value yet
        stay where nothing takes their place; with init_parts="embedding" all need values.
      say: told of added tokens for which the pretrained encoder has no vectors, and of settings
        with which the encoder of another model computes something else.

    Raises:
      UserError: if the other model cannot be read, or does not fit the config or the tokenizer.
    """
    params = fresh
    if config.init_from:
        source = saved_model.load(config.init_from, encoder_is_enough=True)
        if source.tokenizer.get_vocab() != tokenizer.get_vocab():
            raise UserError(
                f"config.init_from: {config.init_from} was trained with another tokenizer; add "
                f"--config.tokenizer.file={source.path / 'tokenizer.json'}."
            )
        if config.init_parts in ("all", "heads"):
            _same_order(config, source.config)
        if config.init_parts == "embedding":
            params = _with_embedding(params, source)
        else:
            params = graft(config, params, source)
            if say and config.init_parts != "heads":
                _say_differences(config, source.config, say)
    if config.encoder.init:
        size, needed = vocabulary_size(tokenizer), size_without_added(tokenizer)
        encoder = pretrained.encoder(config, size, params["encoder"], needed, say)
        params = {**params, "encoder": encoder}
    return params


def _with_embedding(params: Any, source: SavedModel) -> Any:
    """`params` with the subword vectors of another model, which may be wider.

    Raises:
      UserError: if they have fewer dimensions there.
    """
    encoder = params["encoder"]
    fresh = encoder["token_embedding"]["embedding"]
    given = source.params["encoder"]["token_embedding"]["embedding"]
    if given.shape[1] < fresh.shape[1]:
        raise UserError(
            f"config.encoder.width: {fresh.shape[1]} is more than the {given.shape[1]} dimensions "
            f"of the subword vectors of {source.path}; use at most that many, or "
            "--config.init_from= to start without them."
        )
    table = project(np.asarray(given), fresh.shape[1]) * np.float32(np.std(fresh))
    return {**params, "encoder": {**encoder, "token_embedding": {"embedding": table}}}


def project(vectors: np.ndarray, width: int) -> np.ndarray:
    """Vectors on their first principal components, with mean 0 and standard deviation 1.

    Args:
      vectors: float [V, D].
      width: components to keep, at most D.

    Returns:
      float32 [V, width]; the standard deviation is that of all values together, so that the
      components keep their proportions.
    """
    centered = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    _, axes = np.linalg.eigh(centered.T @ centered)  # ascending
    kept = centered @ axes[:, ::-1][:, :width]
    return (kept / max(kept.std(), np.finfo(np.float32).tiny)).astype(np.float32)


def _same_order(config: Config, source: Config) -> None:
    """Refuses heads whose classes would change places.

    Raises:
      UserError: if the same labels of a task are in another order.
    """
    for name, task in config.tasks.items():
        there = source.tasks[name].labels if name in source.tasks else task.labels
        if set(there) == set(task.labels) and there != task.labels:
            flag = f"config.tasks.{name}.labels"
            raise UserError(
                f"config.init_from: {flag} is in another order there; use "
                f"{as_flag(flag, there)}, or --config.init_parts=encoder."
            )


def _differing(config: Config, source: Config) -> list[str]:
    """Fields of the encoder with which the same parameters compute something else."""
    return [
        field.name
        for field in dataclasses.fields(config.encoder)
        if field.name not in _SAME_FUNCTION
        and getattr(config.encoder, field.name) != getattr(source.encoder, field.name)
    ]


def _say_differences(config: Config, source: Config, say: Callable[[str], None]) -> None:
    """Says with which settings the encoder of another model was trained, if not with ours."""
    ours, theirs = config.encoder, source.encoder
    listed = [
        f"encoder.{name} is {getattr(theirs, name)!r} there, {getattr(ours, name)!r} here"
        for name in _differing(config, source)
    ]
    if listed:
        say(
            f"init_from: the encoder of {config.init_from} was trained otherwise than it is used "
            f"here: {'; '.join(listed)}."
        )


def graft(config: Config, params: Any, source: SavedModel) -> Any:
    """`params` with the encoder, the heads or both taken from another model.

    Args:
      config: of `params`; its `init_parts` says what to take.
      params: fresh parameters, as shapes or arrays.
      source: the other model; its heads for tasks that are not in `params` are ignored.

    Raises:
      UserError: listing parameters that only one of the two has, or that differ in shape, and the
        settings of the other model. Layers that only that has, above ours, are left out.
    """
    parts = config.init_parts
    answered = {task.name for task in source.tasks}
    if parts == "heads" and not answered & params["heads"].keys():
        does = f"answers {', '.join(sorted(answered))}" if answered else "answers nothing"
        raise UserError(
            f"config.init_from: {source.path} has no head of {', '.join(params['heads'])}: it "
            f"{does}. Use --config.init_parts=encoder."
        )
    theirs = unstack_layers(source.params)
    theirs = stack_layers(theirs) if config.encoder.scan else theirs
    ours = flatten_dict(params, sep="/")
    given = flatten_dict(theirs, sep="/")
    taken = dict(ours)
    problems = {}
    for name, leaf in ours.items():
        part, rest = name.split("/", 1)
        if parts not in ("all", part):
            continue
        if name.rsplit("/", 1)[-1] in lora.PARAM_NAMES:
            continue  # merged into the matrices in a model directory; fresh ones change nothing
        if part == "heads" and rest.split("/")[0] not in answered:
            continue
        if name not in given:
            problems[name] = "is missing there"
        elif given[name].shape != leaf.shape:
            problems[name] = f"is {given[name].shape} there, {leaf.shape} here"
        else:
            taken[name] = given[name]
    if parts != "heads":
        left = (n for n in given if n.startswith("encoder/") and n not in ours)
        problems.update({name: "is only there" for name in left if "/layer_" not in name})
    if problems:
        raise UserError(
            f"config.init_from: {source.path} does not fit this config: {_listed(problems)}. "
            f"{_advice(config, source.config, problems)}"
        )
    return unflatten_dict(taken, sep="/")


def _listed(problems: Mapping[str, str]) -> str:
    """The first parameters that do not fit."""
    shown = "; ".join(f"{name} {what}" for name, what in list(problems.items())[:3])
    return f"{shown}; and {len(problems) - 3} more" if len(problems) > 3 else shown


def _advice(config: Config, source: Config, problems: Mapping[str, str]) -> str:
    """The flags with which the parameters of another model fit, or the part that fits already."""
    parts = {name.split("/")[0] for name in problems}
    names = _differing(config, source) if "encoder" in parts else ["width"]
    if "encoder/position_embedding/embedding" in problems:
        names.append("max_positions")
    sections: list[tuple[str, Any, Any, Sequence[str]]] = [
        ("config.encoder", config.encoder, source.encoder, names)
    ]
    for task in sorted({name.split("/")[1] for name in problems if name.startswith("heads/")}):
        ours, theirs = config.tasks[task], source.tasks[task]
        sections.append((f"config.tasks.{task}", ours, theirs, _OF_HEAD))
    flags = [
        as_flag(f"{section}.{name}", getattr(theirs, name))
        for section, ours, theirs, names in sections
        for name in names
        if getattr(theirs, name) != getattr(ours, name)
    ]
    ways = ["its settings: " + " ".join(flags)] if flags else []
    if config.init_parts == "all" and len(parts) == 1:
        ways.append(f"--config.init_parts={'heads' if parts == {'encoder'} else 'encoder'}")
    return f"Use {', or '.join(ways)}." if ways else "Its settings are the same: train it anew."
