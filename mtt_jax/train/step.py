"""The training step: one jitted function over all devices, its state donated."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh

from mtt_jax.config.resolve import parse_pairs
from mtt_jax.config.schema import Config
from mtt_jax.devices.mesh import by_rows, of_state, replicated
from mtt_jax.model.multitask import MultiTask
from mtt_jax.tasks.schemes import Task
from mtt_jax.train.gradient import make_balancer, make_gradient
from mtt_jax.train.losses import masked_cross_entropy
from mtt_jax.types import Array, Batch
from mtt_jax.weights.build import init_params


class TrainState(NamedTuple):
    """What a step changes.

    Attributes:
      step: int32 scalar, steps done.
      params: {"encoder": ..., "heads": {task: ...}}.
      opt_state: the optimiser's.
      balance: the balancer's, () for one that remembers nothing.
    """

    step: Array
    params: Any
    opt_state: Any
    balance: Any


def state_shapes(
    model: MultiTask, optimizer: optax.GradientTransformation, config: Config
) -> TrainState:
    """The state of a run as a tree of `jax.ShapeDtypeStruct`."""

    def fresh(key):
        params = init_params(model, key, config.train.row_length)
        balance = make_balancer(config).init(len(config.tasks))
        return TrainState(jnp.int32(0), params, optimizer.init(params), balance)

    return jax.eval_shape(fresh, jax.random.key(0))


class StepMetrics(NamedTuple):
    """What a step reports, all on the device.

    Attributes:
      loss: float32 sum of the tasks' losses by their weights in the config.
      losses: task of a weight above 0 -> float32 mean loss over its labels; 0 where the batch
        has none.
      counts: task -> float32 labels in the batch.
      weights: task -> float32 what the balancer made of its gradient on the encoder.
      gradient_norm: float32, before clipping.
      tokens: int32 positions of the batch that hold a subword.
    """

    loss: Array
    losses: dict[str, Array]
    counts: dict[str, Array]
    weights: dict[str, Array]
    gradient_norm: Array
    tokens: Array


def class_weights(task: Task, text: str, where: str = "class_weights") -> list[float] | None:
    """The factor of each class from 'PER=2, O=0.5'; a type's name covers its B- and I- classes."""
    pairs = parse_pairs(text, where, kind=float)
    if not pairs:
        return None
    return [pairs.get(name, pairs.get(name[2:], 1.0)) for name in task.classes]


def make_losses(config: Config) -> Callable:
    """Returns losses(task -> logits, batch, counts) -> task -> loss times its weight in the config.

    `counts` are the labels of the global batch, of which `batch` may be one part: dividing by
    them makes the parts of an accumulated gradient add up to the whole one.
    """
    factors = {
        task.name: class_weights(task, config.tasks[task.name].class_weights)
        for task in config.task_list
    }

    def losses(logits, batch: Batch, counts):
        found = {}
        for name, task in config.tasks.items():
            total, _ = masked_cross_entropy(
                logits[name],
                batch.labels[name],
                batch.weights[name],
                factors[name],
                task.label_smoothing,
            )
            found[name] = task.weight * total / jnp.maximum(counts[name], 1.0)
        return found

    return losses


def make_step(
    model: MultiTask,
    optimizer: optax.GradientTransformation,
    config: Config,
    mesh: Mesh,
    frozen: Any,
) -> Callable[[TrainState, Batch, jax.Array], tuple[TrainState, StepMetrics]]:
    """Compiles the step: (state, batch, root key) -> (state, metrics).

    Args:
      model: what to train.
      optimizer: of `make_optimizers`.
      config: weights of the tasks, balancing, parts of a batch; of a phase, as its `frozen`.
      mesh: devices; the batch is divided over them by rows, the state as `of_state` says.
      frozen: tree of bools over the parameters; True stands still.
    """
    balancer = make_balancer(config)
    gradient = make_gradient(model, make_losses(config), config, balancer, frozen)
    names = tuple(config.tasks)

    def step(state: TrainState, batch: Batch, root: jax.Array):
        counts = {name: weights.sum() for name, weights in batch.weights.items()}
        key = jax.random.fold_in(root, state.step)
        (losses, weights, balance), grads = gradient(
            state.params, batch, counts, key, state.balance
        )
        updates, opt_state = optimizer.update(grads, state.opt_state, state.params)
        metrics = StepMetrics(
            loss=sum(losses.values()),
            losses={n: losses[n] / task.weight for n, task in config.tasks.items() if task.weight},
            counts=counts,
            weights=dict(zip(names, weights, strict=True)),
            gradient_norm=optax.global_norm(grads),
            tokens=(batch.segments > 0).sum(),
        )
        params = optax.apply_updates(state.params, updates)
        return TrainState(state.step + 1, params, opt_state, balance), metrics

    everywhere = replicated(mesh)
    state = of_state(state_shapes(model, optimizer, config), mesh)
    return jax.jit(
        step,
        donate_argnums=0,
        in_shardings=(state, by_rows(mesh), everywhere),
        out_shardings=(state, everywhere),
    )
