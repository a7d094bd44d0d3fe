"""The optimizer: one Optax state for the whole run, and one transformation per phase."""

import math
from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from mtt_jax.config.schema import Config, TrainConfig
from mtt_jax.errors import UserError
from mtt_jax.train.average import averaging
from mtt_jax.train.phases import Phase, param_paths

# Weight decay applies to matrices and tables, not to biases and normalization.
_DECAYED = ("kernel", "embedding", "lora_a", "lora_b")
# Field of the config with the learning rate of a group -> the group in words.
_RATES = {
    "encoder_rate": "the parameters of the encoder",
    "embedding_rate": "the embeddings of the encoder",
    "head_rate": "the heads",
}


def decay_mask(params: Any) -> Any:
    """The same tree with True where weight decay applies."""
    return jax.tree.map(lambda path: path.rsplit("/", 1)[-1] in _DECAYED, param_paths(params))


def make_schedule(phases: Sequence[Phase]) -> optax.Schedule:
    """Learning rate by step of the run: in each phase a linear warm-up, then decay to zero."""
    return optax.join_schedules(
        [_phase_schedule(phase.config.train) for phase in phases],
        [phase.start for phase in phases[1:]],
    )


def _phase_schedule(config: TrainConfig) -> optax.Schedule:
    rest = max(config.steps - config.warmup, 1)
    decay = {
        "cosine": optax.cosine_decay_schedule(config.learning_rate, rest),
        "linear": optax.linear_schedule(config.learning_rate, 0.0, rest),
        "constant": optax.constant_schedule(config.learning_rate),
    }[config.schedule]
    if not config.warmup:
        return decay
    # Not from zero: a first step with learning rate 0 would do nothing.
    first = config.learning_rate / config.warmup
    rise = optax.linear_schedule(first, config.learning_rate, config.warmup)
    return optax.join_schedules([rise, decay], [config.warmup])


def make_optimizers(
    config: Config, phases: Sequence[Phase], params: Any
) -> list[optax.GradientTransformation]:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) after clipping, one per phase.

    All share one state, which the first one's `init` creates. Parameters are grouped by the phases
    in which they train, and `optax.multi_transform` gives each group its own moments: they are
    frozen with the group, and a group that never trains has none. With train.ema the average of the
    parameters is the last part of the state.

    Args:
      config: the run's.
      phases: as returned by `plan`.
      params: parameters or their shapes.

    Raises:
      UserError: for the learning rate of a group that never trains.
    """
    _check_rates(config, phases, params)
    groups = jax.tree.map(
        lambda *frozen: "".join("-" if off else "+" for off in frozen),
        *(phase.frozen for phase in phases),
    )
    rate = optax.scale_by_learning_rate(make_schedule(phases))
    never = jax.tree.map(lambda name: "+" not in name, groups)
    return [
        optax.chain(
            optax.clip_by_global_norm(config.train.clip) if config.train.clip else optax.identity(),
            optax.multi_transform(
                {name: _of_group(name, index, config.train) for name in jax.tree.leaves(groups)},
                groups,
            ),
            rate,
            _by_part(config),
            # Only if there is one, so that the state of a run without is what it always was.
            *([averaging(ema, phase.frozen, never)] if (ema := config.train.ema) else []),
        )
        for index, phase in enumerate(phases)
    ]


def _of_group(name: str, phase: int, config: TrainConfig) -> optax.GradientTransformation:
    """How a phase updates a group; group "+-" trains in the first of two phases."""
    if "+" not in name:
        return optax.set_to_zero()
    adamw = optax.chain(
        optax.scale_by_adam(b1=config.beta1, b2=config.beta2),
        optax.add_decayed_weights(config.weight_decay, mask=decay_mask),
    )
    if name[phase] == "+":
        return adamw
    return optax.GradientTransformation(
        adamw.init, lambda grads, state, params=None: (jax.tree.map(jnp.zeros_like, grads), state)
    )


def _by_part(config: Config) -> optax.GradientTransformation:
    """Learning rates of encoder, embeddings and heads, and of each layer.

    Those of layers are discriminative learning rates (Howard and Ruder 2018, arXiv:1801.06146).
    """
    decay, layers = config.train.layer_decay, config.encoder.layers
    rates = {name: getattr(config.train, name) for name in _RATES}
    if decay == 1 and set(rates.values()) == {1}:
        return optax.identity()

    def scaled(path: str, update):
        below = _layers_below_heads(path, layers)
        if not isinstance(below, int):  # layers in one stack, the lowest first
            below = below.reshape(-1, *[1] * (update.ndim - 1))
        share = math.prod(rate for name, rate in rates.items() if _is_in(path, name, layers))
        return update * jnp.asarray(share * decay**below, update.dtype)

    return optax.stateless(
        lambda updates, params: jax.tree.map(scaled, param_paths(updates), updates)
    )


def _is_in(path: str, rate: str, layers: int) -> bool:
    """Whether a parameter is in the group whose learning rate a field of the config sets."""
    part, _, rest = path.partition("/")
    if rate == "embedding_rate":
        return part == "encoder" and _is_embedding(rest.split("/")[0], layers)
    return part == ("heads" if rate == "head_rate" else "encoder")


def _is_embedding(name: str, layers: int) -> bool:
    return name != "layers" and depth(name, layers) == -1


def _check_rates(config: Config, phases: Sequence[Phase], params: Any) -> None:
    """Refuses the learning rate of a group of parameters that never trains.

    Raises:
      UserError: naming the field.
    """
    paths = jax.tree.leaves(param_paths(params))
    frozen = zip(*(jax.tree.leaves(phase.frozen) for phase in phases), strict=True)
    trained = [path for path, off in zip(paths, frozen, strict=True) if not all(off)]
    for name, group in _RATES.items():
        rate = getattr(config.train, name)
        if rate != 1 and not any(_is_in(path, name, config.encoder.layers) for path in trained):
            raise UserError(
                f"config.train.{name}: {rate:g} has no effect because {group} never train; leave "
                f"out --config.train.{name}, or do not freeze them."
            )


def _layers_below_heads(path: str, layers: int):
    """How far below the heads a parameter is: 1 in the top layer, layers + 1 in embeddings."""
    part, _, rest = path.partition("/")
    name = rest.split("/")[0]
    if part == "encoder" and name == "layers":
        return layers - jnp.arange(layers)
    return layers - depth(name, layers) if part == "encoder" else 0


def depth(name: str, layers: int) -> int:
    """Depth of a part of the encoder: -1 for embeddings, 0 for layer_0, ..., `layers` on top.

    Args:
      name: of the part, the second component of a parameter's path.
      layers: how many the encoder has; they are not stacked.
    """
    if name.startswith("layer_"):
        return int(name.removeprefix("layer_"))
    return layers if name in ("final_norm", "pooling") else -1
