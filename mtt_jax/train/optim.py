"""The optimiser: one Optax state for the whole run, and for each phase a way to change it."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import optax

from mtt_jax.config.schema import Config, TrainConfig
from mtt_jax.train.phases import Phase, param_paths

# What weight decay pulls on: matrices and tables, not biases and normalisation.
_DECAYED = ("kernel", "embedding", "lora_a", "lora_b")


def decay_mask(params: Any) -> Any:
    """The same tree with True where weight decay applies: not on biases and normalisation."""
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
    # From one step's share rather than from zero: a first step of rate 0 would do nothing.
    first = config.learning_rate / config.warmup
    rise = optax.linear_schedule(first, config.learning_rate, config.warmup)
    return optax.join_schedules([rise, decay], [config.warmup])


def make_optimizers(
    config: Config, phases: Sequence[Phase], params: Any
) -> list[optax.GradientTransformation]:
    """AdamW (Loshchilov and Hutter 2019, arXiv:1711.05101) behind clipping, one for each phase.

    All work on one state, which the first one's `init` makes. Parameters fall into groups by the
    phases in which they train, and `optax.multi_transform` gives each group moments of its own:
    they stand still with the group, and a group that never trains has none.

    Args:
      config: the run's.
      phases: of `plan`.
      params: parameters or their shapes.
    """
    groups = jax.tree.map(
        lambda *frozen: "".join("-" if still else "+" for still in frozen),
        *(phase.frozen for phase in phases),
    )
    rate = optax.scale_by_learning_rate(make_schedule(phases))
    return [
        optax.chain(
            optax.clip_by_global_norm(config.train.clip) if config.train.clip else optax.identity(),
            optax.multi_transform(
                {name: _of_group(name, index, config.train) for name in jax.tree.leaves(groups)},
                groups,
            ),
            rate,
            _by_layer(config),
        )
        for index in range(len(phases))
    ]


def _of_group(name: str, phase: int, config: TrainConfig) -> optax.GradientTransformation:
    """What happens in a phase to the gradients of a group, such as "+-" for the first of two."""
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


def _by_layer(config: Config) -> optax.GradientTransformation:
    """Discriminative learning rates (Howard and Ruder 2018, arXiv:1801.06146)."""
    decay, layers = config.train.layer_decay, config.encoder.layers
    if decay == 1:
        return optax.identity()

    def scaled(path: str, update):
        below = _layers_above(path, layers)
        if not isinstance(below, int):  # layers in one stack, the lowest first
            below = below.reshape(-1, *[1] * (update.ndim - 1))
        return update * jnp.asarray(decay**below, update.dtype)

    return optax.stateless(
        lambda updates, params: jax.tree.map(scaled, param_paths(updates), updates)
    )


def _layers_above(path: str, layers: int):
    """How far below the heads a parameter stands: the top layer 1, embeddings layers + 1."""
    part, _, rest = path.partition("/")
    name = rest.split("/")[0]
    if part == "encoder" and name == "layers":
        return layers - jnp.arange(layers)
    return layers - depth(name, layers) if part == "encoder" else 0


def depth(name: str, layers: int) -> int:
    """Where a part of the encoder stands: embeddings -1, layer_0 0, ..., what is on top `layers`.

    Args:
      name: of the part, the second piece of a parameter's path.
      layers: of the encoder, not stacked.
    """
    if name.startswith("layer_"):
        return int(name.removeprefix("layer_"))
    return layers if name in ("final_norm", "pooling") else -1
