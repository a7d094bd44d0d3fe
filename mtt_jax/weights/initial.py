"""Initial parameters: what a run starts from other than random numbers.

init_from      encoder, heads or both of another run, by parameter path
encoder.init   a pretrained encoder
"""

from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict
from tokenizers import Tokenizer

from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError
from mtt_jax.model import lora
from mtt_jax.weights import pretrained, saved_model
from mtt_jax.weights.saved_model import SavedModel, stack_layers, unstack_layers


def starting_params(config: Config, tokenizer: Tokenizer, fresh: Any) -> Any:
    """Fresh parameters, with those of `init_from` and `encoder.init` in their places.

    Args:
      config: complete, as returned by `pretrained.complete`.
      tokenizer: the run's.
      fresh: parameters on the host.

    Raises:
      UserError: if the other model cannot be read, or does not fit the config or the tokenizer.
    """
    params = fresh
    if config.init_from:
        source = saved_model.load(config.init_from)
        if source.tokenizer.get_vocab() != tokenizer.get_vocab():
            raise UserError(
                f"config.init_from: {config.init_from} was trained with another tokenizer; add "
                f"--config.tokenizer.file={source.path / 'tokenizer.json'}."
            )
        params = graft(params, source, config.init_parts, config.encoder.scan)
    if config.encoder.init:
        encoder = pretrained.encoder(config, tokenizer.get_vocab_size(), params["encoder"])
        params = {**params, "encoder": encoder}
    return params


def graft(params: Any, source: SavedModel, parts: str, scan: bool) -> Any:
    """`params` with the encoder, the heads or both taken from another model.

    Args:
      params: fresh parameters, as shapes or arrays.
      source: the other model; its heads for tasks that are not in `params` are ignored.
      parts: "all", "encoder" or "heads".
      scan: whether `params` has its layers stacked.

    Raises:
      UserError: listing parameters that the other model does not have or has in another shape.
    """
    theirs = unstack_layers(source.params)
    theirs = stack_layers(theirs) if scan else theirs
    ours = flatten_dict(params, sep="/")
    given = flatten_dict(theirs, sep="/")
    taken = dict(ours)
    problems = []
    for name, leaf in ours.items():
        part, rest = name.split("/", 1)
        if parts not in ("all", part):
            continue
        if name.rsplit("/", 1)[-1] in lora.PARAM_NAMES:
            continue  # merged into the matrices in a model directory; fresh ones change nothing
        if part == "heads" and rest.split("/")[0] not in source.config.tasks:
            continue
        if name not in given:
            problems.append(f"{name} is missing there")
        elif given[name].shape != leaf.shape:
            problems.append(f"{name} is {given[name].shape} there, {leaf.shape} here")
        else:
            taken[name] = given[name]
    if problems:
        more = f"; and {len(problems) - 3} more" if len(problems) > 3 else ""
        raise UserError(
            f"config.init_from: {source.path} does not fit this config: "
            f"{'; '.join(problems[:3])}{more}. "
            "Use its encoder and tokenizer settings, or --config.init_parts=encoder or heads."
        )
    return unflatten_dict(taken, sep="/")
