"""The optimiser: one Optax transformation, with groups of parameters chosen by their paths."""

import re
from typing import Any

import jax
import optax

from mtt_jax.config import TrainConfig
from mtt_jax.errors import UserError, did_you_mean


def param_paths(params) -> Any:
    """The same tree with each parameter's path in its place: `encoder/layer_0/attention/...`."""
    return jax.tree_util.tree_map_with_path(
        lambda path, _: "/".join(str(part.key) for part in path), params
    )


def frozen_mask(params, patterns: tuple[str, ...]) -> Any:
    """The same tree with True where one of the patterns matches the whole path.

    Raises:
      UserError: for a pattern that matches no parameter, or where the patterns leave nothing to
        train.
    """
    paths = jax.tree.leaves(param_paths(params))
    for pattern in patterns:
        where = "config.train.freeze"
        if not any(re.fullmatch(pattern, path) for path in paths):
            stems = {"/".join(path.split("/")[:n]) + "/.*" for path in paths for n in (1, 2)}
            raise UserError(
                f"{where}: {pattern!r} matches no parameter.{did_you_mean(pattern, stems)} "
                f"Parameters have paths such as {paths[0]}."
            )
    mask = jax.tree.map(
        lambda path: any(re.fullmatch(pattern, path) for pattern in patterns), param_paths(params)
    )
    if all(jax.tree.leaves(mask)):
        raise UserError("config.train.freeze: the patterns freeze everything; nothing would train.")
    return mask


def decay_mask(params) -> Any:
    """The same tree with True where weight decay applies: not on biases and normalisation."""
    return jax.tree.map(
        lambda path: path.rsplit("/", 1)[-1] in ("kernel", "embedding"), param_paths(params)
    )


def make_schedule(config: TrainConfig) -> optax.Schedule:
    """Learning rate by step: linear warm-up from zero, then decay to zero at the last step."""
    rest = max(config.steps - config.warmup, 1)
    decay = {
        "cosine": optax.cosine_decay_schedule(config.learning_rate, rest),
        "linear": optax.linear_schedule(config.learning_rate, 0.0, rest),
        "constant": optax.constant_schedule(config.learning_rate),
    }[config.schedule]
    if not config.warmup:
        return decay
    # From one step's share rather than from zero: a first step of rate 0 would do nothing.
    first = config.learning_rate / config.warmup
    rise = optax.linear_schedule(first, config.learning_rate, config.warmup)
    return optax.join_schedules([rise, decay], [config.warmup])


def make_optimizer(config: TrainConfig, params) -> optax.GradientTransformation:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) behind clipping by global norm.

    `optax.multi_transform` gives frozen parameters an update of zero and no moments.
    """
    adamw = optax.adamw(
        make_schedule(config),
        b1=config.beta1,
        b2=config.beta2,
        weight_decay=config.weight_decay,
        mask=decay_mask,
    )
    labels = jax.tree.map(
        lambda frozen: "frozen" if frozen else "trained", frozen_mask(params, config.freeze)
    )
    groups = optax.multi_transform({"trained": adamw, "frozen": optax.set_to_zero()}, labels)
    clip = optax.clip_by_global_norm(config.clip) if config.clip else optax.identity()
    return optax.chain(clip, groups)
