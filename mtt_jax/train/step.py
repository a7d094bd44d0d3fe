"""The training step: one jitted function over all devices, its state donated."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from mtt_jax.config import Config, parse_pairs
from mtt_jax.losses import masked_cross_entropy
from mtt_jax.model.multitask import MultiTask
from mtt_jax.sharding import by_rows, replicated
from mtt_jax.tasks import Task
from mtt_jax.train.optim import frozen_mask
from mtt_jax.types import Array, Batch


class TrainState(NamedTuple):
    """What a step changes.

    Attributes:
      step: int32 scalar, steps done.
      params: {"encoder": ..., "heads": {task: ...}}.
      opt_state: the optimiser's.
    """

    step: Array
    params: Any
    opt_state: Any


class StepMetrics(NamedTuple):
    """What a step reports, all on the device.

    Attributes:
      loss: float32 weighted sum of the tasks' losses.
      losses: task -> float32 mean loss over its labels; 0 where the batch has none.
      counts: task -> float32 labels in the batch.
      gradient_norm: float32, before clipping.
      tokens: int32 positions of the batch that hold a subword.
    """

    loss: Array
    losses: dict[str, Array]
    counts: dict[str, Array]
    gradient_norm: Array
    tokens: Array


def class_weights(task: Task, text: str, where: str = "class_weights") -> list[float] | None:
    """The factor of each class from 'PER=2, O=0.5'; a type's name covers its B- and I- classes."""
    pairs = parse_pairs(text, where, kind=float)
    if not pairs:
        return None
    return [pairs.get(name, pairs.get(name[2:], 1.0)) for name in task.classes]


def make_loss(model: MultiTask, config: Config, frozen: Any) -> Callable:
    """Returns loss(params, batch, counts, key) -> (weighted loss, task -> loss).

    `counts` are the labels of the global batch, of which `batch` may be one part: dividing by
    them makes the parts of an accumulated gradient add up to the whole one.
    """
    factors = {
        task.name: class_weights(task, config.tasks[task.name].class_weights)
        for task in config.task_list
    }

    def loss(params, batch: Batch, counts, key):
        # Cut off here, a frozen parameter has no backward pass, and a frozen encoder none at all.
        params = jax.tree.map(
            lambda leaf, off: jax.lax.stop_gradient(leaf) if off else leaf, params, frozen
        )
        outputs: Any = model.apply({"params": params}, batch, True, rngs={"dropout": key})
        losses = {}
        for name, task in config.tasks.items():
            total, _ = masked_cross_entropy(
                outputs.logits[name],
                batch.labels[name],
                batch.weights[name],
                factors[name],
                task.label_smoothing,
            )
            losses[name] = total / jnp.maximum(counts[name], 1.0)
        return sum(config.tasks[n].weight * value for n, value in losses.items()), losses

    return loss


def make_step(
    model: MultiTask, optimizer: optax.GradientTransformation, config: Config, mesh: Mesh, params
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, StepMetrics]]:
    """Compiles the step: (state, batch, root key) -> (state, metrics).

    Args:
      model: what to train.
      optimizer: of `make_optimizer`.
      config: weights of the tasks, what is frozen, parts of a batch.
      mesh: devices; the batch is divided over them by rows.
      params: parameters or their shapes, for the paths that freezing names.
    """
    frozen = frozen_mask(params, config.train.freeze)
    gradient = jax.value_and_grad(make_loss(model, config, frozen), has_aux=True)

    def step(state: TrainState, batch: Batch, root: jax.Array):
        counts = {name: weights.sum() for name, weights in batch.weights.items()}
        key = jax.random.fold_in(root, state.step)
        (loss, losses), grads = accumulate(
            gradient, state.params, batch, counts, key, config.train.accumulate
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        metrics = StepMetrics(
            loss=loss,
            losses=losses,
            counts=counts,
            gradient_norm=optax.global_norm(grads),
            tokens=(batch.segments > 0).sum(),
        )
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, opt_state), metrics

    everywhere = replicated(mesh)
    return jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(everywhere, by_rows(mesh), everywhere),
        out_shardings=everywhere,
    )


def accumulate(gradient: Callable, params, batch: Batch, counts, key: jax.Array, parts: int):
    """Loss and gradient of a batch, computed in `parts` parts, one after the other.

    Part i takes the rows i, i + parts, ..., so that every device keeps a share of every part.
    """
    if parts == 1:
        return gradient(params, batch, counts, key)
    split = jax.tree.map(
        lambda x: x.reshape(x.shape[0] // parts, parts, *x.shape[1:]).swapaxes(0, 1), batch
    )

    def add(carry, part):
        index, piece = part
        result = gradient(params, piece, counts, jax.random.fold_in(key, index))
        return jax.tree.map(jnp.add, carry, result), None

    shapes = jax.eval_shape(gradient, params, jax.tree.map(lambda x: x[0], split), counts, key)
    zeros = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, (jnp.arange(parts), split))
    return total
