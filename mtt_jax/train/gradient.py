"""The gradient of a batch: the tasks' losses, how they are balanced, and what is frozen.

Each head takes the plain gradient of its own task; only the encoder, which the tasks share, takes
the balanced one. There are four ways to compute it, depending on what the balancer needs:

    fixed_gradient               one backward pass through the sum of the losses
    loss_balanced_gradient       weights from the losses, then one backward pass through the
                                 weighted sum
    parameter_balanced_gradient  a backward pass per task; weights from the inner products of the
                                 results
    feature_balanced_gradient    a backward pass per task through its head; weights from the inner
                                 products on the vectors between encoder and heads, then one
                                 backward pass through the encoder
"""

import functools
import inspect
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.model.multitask import MultiTask
from mtt_jax.model.shapes import Array, Float
from mtt_jax.train import balance
from mtt_jax.train.balance import Balancer
from mtt_jax.train.losses import TaskLosses, make_losses
from mtt_jax.types import Batch

# ((losses, weights [T], state of the balancer), gradients in the shape of the parameters).
Gradient = tuple[tuple[TaskLosses, Float[Array, " T"], Any], Any]


def make_balancer(config: Config) -> Balancer:
    """The balancer that a config asks for.

    Raises:
      UserError: for an option that the method does not have.
    """
    known = inspect.signature(balance.METHODS[config.train.balance]).parameters
    for name in config.train.balance_options:
        if name not in known:
            raise UserError(
                f"config.train.balance_options: train.balance={config.train.balance}: no option "
                f"{name!r}; it has {', '.join(known) or 'none'}.{did_you_mean(name, known)}"
            )
    return balance.make(config.train.balance, **config.train.balance_options)


def make_gradient(model: MultiTask, config: Config, frozen: Any) -> Callable[..., Gradient]:
    """Returns gradient(params, batch, counts, key, state) -> ((losses, weights, state), grads).

    Args:
      model: what to train.
      config: the tasks and how to balance them.
      frozen: tree of bools; no backward pass runs for a parameter with True. An encoder that is
        frozen as a whole runs as in prediction, without dropout.
    """
    balancer = make_balancer(config)
    if config.train.balance == "fixed":
        way = fixed_gradient
    elif not balancer.needs_gram:
        way = loss_balanced_gradient
    elif config.train.balance_on == "parameters":
        way = parameter_balanced_gradient
    else:
        way = feature_balanced_gradient
    return functools.partial(way, Minimized(model, config, balancer, frozen, make_losses(config)))


class Minimized(NamedTuple):
    """What is minimized, shared by the four ways of computing its gradient.

    Attributes:
      model: what is trained.
      config: the tasks; T counts all of them, including those that do not train.
      balancer: weighs the tasks.
      frozen: tree of bools over the parameters.
      losses_of: as returned by `make_losses`.
    """

    model: MultiTask
    config: Config
    balancer: Balancer
    frozen: Any
    losses_of: Callable[..., TaskLosses]

    @property
    def tied(self) -> bool:
        """Whether a head uses parameters of the encoder, which then have a gradient of its own."""
        return any(spec.unit == "masked" for spec in self.model.head_specs.values())

    def cut(self, params: Any) -> Any:
        """The parameters, without a gradient for those that are frozen."""
        return jax.tree.map(
            lambda leaf, off: jax.lax.stop_gradient(leaf) if off else leaf, params, self.frozen
        )

    def encode(self, params: Any, batch: Batch, key: jax.Array) -> Any:
        """What the tasks share: token vectors [B, L, D] and sentence vectors [B, S, D]."""
        learning = not all(jax.tree.leaves(self.frozen["encoder"]))
        return self.model.apply(
            {"params": params}, batch, learning, rngs={"dropout": key}, method="encode"
        )

    def answer(
        self, params: Any, shared: Any, batch: Batch, counts: dict, key: jax.Array
    ) -> tuple[Float[Array, " T"], TaskLosses]:
        """The weighted losses in the order of the tasks, and all losses by name."""
        logits = self.model.apply(
            {"params": params}, *shared, True, batch.targets, rngs={"dropout": key}, method="answer"
        )
        losses = self.losses_of(logits, batch, counts)
        return jnp.stack(list(losses.weighted.values())), losses

    def losses(
        self, params: Any, batch: Batch, counts: dict, key: jax.Array
    ) -> tuple[Float[Array, " T"], TaskLosses]:
        """`answer` for the vectors that `encode` gives."""
        params = self.cut(params)
        return self.answer(params, self.encode(params, batch, key), batch, counts, key)

    def weigh(
        self, values: Float[Array, " T"], gram: Any, state: Any, key: jax.Array, counts: dict
    ) -> tuple[Float[Array, " T"], Any]:
        """The balancer's weights and its next state.

        Absent to it are tasks without a label in the batch, tasks with weight 0 and tasks that do
        not train.
        """
        present = jnp.stack(
            [
                (counts[name] > 0) & (task.weight > 0 and name in self.config.active)
                for name, task in self.config.tasks.items()
            ]
        )
        return self.balancer.weigh(values, gram, state, jax.random.fold_in(key, 1), present)


def fixed_gradient(
    objective: Minimized, params: Any, batch: Batch, counts: dict, key: jax.Array, state: Any
) -> Gradient:
    """The gradient of the sum of the losses, in as many parts as the config asks for."""

    def total(params, batch, counts, key):
        values, losses = objective.losses(params, batch, counts, key)
        return values.sum(), losses

    (_, losses), grads = accumulate(
        jax.value_and_grad(total, has_aux=True), params, batch, counts, key,
        objective.config.train.accumulate,
    )  # fmt: skip
    return (losses, jnp.ones(len(objective.config.tasks)), state), grads


def loss_balanced_gradient(
    objective: Minimized, params: Any, batch: Batch, counts: dict, key: jax.Array, state: Any
) -> Gradient:
    """The gradient of the weighted sum of the losses, with weights that depend on the losses."""

    def total(params):
        values, losses = objective.losses(params, batch, counts, key)
        # The weights are known before the backward pass, which treats them as constants.
        constants = jax.lax.stop_gradient(values)
        weights, fresh = objective.weigh(constants, None, state, key, counts)
        return (weights * values).sum(), (losses, weights, fresh)

    (_, (losses, weights, fresh)), grads = jax.value_and_grad(total, has_aux=True)(params)
    heads = {}
    for index, name in enumerate(objective.config.tasks):
        # A head keeps its plain gradient: the weight is divided out again, unless it is 0.
        factor = jnp.where(weights[index] > 0, 1.0 / weights[index], 0.0)
        heads[name] = jax.tree.map(lambda leaf, f=factor: f * leaf, grads["heads"][name])
    return (losses, weights, fresh), {**grads, "heads": heads}


def parameter_balanced_gradient(
    objective: Minimized, params: Any, batch: Batch, counts: dict, key: jax.Array, state: Any
) -> Gradient:
    """The weighted sum of the tasks' gradients, with weights from their inner products."""
    values, back, losses = jax.vjp(
        lambda params: objective.losses(params, batch, counts, key), params, has_aux=True
    )
    each = [back(one)[0] for one in jnp.eye(len(values))]
    encoders = [gradients["encoder"] for gradients in each]
    weights, fresh = objective.weigh(values, _gram(encoders), state, key, counts)
    grads = {"encoder": _mixed(encoders, weights), "heads": _of_heads(each)}
    return (losses, weights, fresh), grads


def feature_balanced_gradient(
    objective: Minimized, params: Any, batch: Batch, counts: dict, key: jax.Array, state: Any
) -> Gradient:
    """Like `parameter_balanced_gradient`, with inner products on the output of the encoder.

    What a head does to the encoder's parameters directly is weighted too, and not compared.
    """
    shared, through_encoder = jax.vjp(
        lambda params: objective.encode(objective.cut(params), batch, key), params
    )
    values, back, losses = jax.vjp(
        lambda params, shared: objective.answer(objective.cut(params), shared, batch, counts, key),
        params, shared, has_aux=True,
    )  # fmt: skip
    each = [back(one) for one in jnp.eye(len(values))]
    vectors = [vector for _, vector in each]
    weights, fresh = objective.weigh(values, _gram(vectors), state, key, counts)
    (grads,) = through_encoder(_mixed(vectors, weights))
    if objective.tied:
        direct = _mixed([gradients["encoder"] for gradients, _ in each], weights)
        grads = {**grads, "encoder": jax.tree.map(jnp.add, grads["encoder"], direct)}
    return (losses, weights, fresh), {**grads, "heads": _of_heads([g for g, _ in each])}


def _gram(trees: Sequence[Any]) -> Float[Array, "T T"]:
    """The inner products of T trees of gradients."""

    def inner(one, other):
        products = jax.tree.map(
            lambda a, b: jnp.vdot(a.astype(jnp.float32), b.astype(jnp.float32)), one, other
        )
        return sum(jax.tree.leaves(products))

    lower = {(i, j): inner(trees[i], trees[j]) for i in range(len(trees)) for j in range(i + 1)}
    return jnp.stack(
        [
            jnp.stack([lower[max(i, j), min(i, j)] for j in range(len(trees))])
            for i in range(len(trees))
        ]
    )


def _of_heads(each: Sequence[Any]) -> Any:
    """The heads' gradients from those of each task, which are zero on every head but its own."""
    return _mixed([gradients["heads"] for gradients in each], jnp.ones(len(each)))


def _mixed(trees: Sequence[Any], weights: Float[Array, " T"]) -> Any:
    """The sum of T trees, each times its weight."""
    return jax.tree.map(
        lambda *leaves: sum(
            weights[task].astype(leaf.dtype) * leaf for task, leaf in enumerate(leaves)
        ),
        *trees,
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
