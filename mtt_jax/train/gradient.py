"""The gradient of a batch: the tasks' losses, how they are balanced, and what is cut off.

Heads take their own plain gradient; only the encoder, which the tasks share, takes the balanced
one. Four ways to it, by what the balancer needs:

    fixed                    one backward pass for the sum of the losses
    by loss                  weights from the losses, then one backward pass for the weighted sum
    by gradient, parameters  a backward pass a task; weights from the inner products of the results
    by gradient, features    backward through the heads a task, weights from the inner products on
                             the vectors between encoder and heads, then once through the encoder
"""

import inspect
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mtt_jax.config.resolve import parse_pairs
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.model.multitask import MultiTask
from mtt_jax.train import balance
from mtt_jax.train.balance import Balancer
from mtt_jax.types import Batch


def make_balancer(config: Config) -> Balancer:
    """The balancer that a config asks for.

    Raises:
      UserError: for an option that the method does not have.
    """
    where = "config.train.balance_options"
    options = parse_pairs(config.train.balance_options, where, kind=float)
    known = inspect.signature(balance.METHODS[config.train.balance]).parameters
    for name in options:
        if name not in known:
            raise UserError(
                f"{where}: train.balance={config.train.balance}: no option {name!r}; it has "
                f"{', '.join(known) or 'none'}.{did_you_mean(name, known)}"
            )
    return balance.make(config.train.balance, **options)


def make_gradient(
    model: MultiTask, losses_of: Callable, config: Config, balancer: Balancer, frozen: Any
) -> Callable:
    """Returns gradient(params, batch, counts, key, state) -> ((losses, weights, state), grads).

    Args:
      model: what to train.
      losses_of: of `make_losses`.
      config: the tasks and the way to balance them.
      balancer: of `make_balancer`.
      frozen: tree of bools; True cuts a parameter off, so that no backward pass runs for it. An
        encoder that is frozen whole runs as in prediction, without dropout.
    """
    learning = not all(jax.tree.leaves(frozen["encoder"]))

    def cut(params):
        return jax.tree.map(
            lambda leaf, off: jax.lax.stop_gradient(leaf) if off else leaf, params, frozen
        )

    def encode(params, batch, key):
        return model.apply(
            {"params": params}, batch, learning, rngs={"dropout": key}, method="encode"
        )

    def answer(params, shared, batch, counts, key):
        logits = model.apply(
            {"params": params}, *shared, True, rngs={"dropout": key}, method="answer"
        )
        losses = losses_of(logits, batch, counts)
        return jnp.stack(list(losses.values())), losses

    def all_losses(params, batch, counts, key):
        params = cut(params)
        return answer(params, encode(params, batch, key), batch, counts, key)

    def weigh(values, gram, state, key, counts):
        present = jnp.stack(
            [(counts[name] > 0) & (task.weight > 0) for name, task in config.tasks.items()]
        )
        return balancer.weigh(values, gram, state, jax.random.fold_in(key, 1), present)

    def plain(params, batch, counts, key, state):
        def total(params, batch, counts, key):
            values, losses = all_losses(params, batch, counts, key)
            return values.sum(), losses

        (_, losses), grads = accumulate(
            jax.value_and_grad(total, has_aux=True), params, batch, counts, key,
            config.train.accumulate,
        )  # fmt: skip
        return (losses, jnp.ones(len(losses)), state), grads

    def by_loss(params, batch, counts, key, state):
        def total(params):
            values, losses = all_losses(params, batch, counts, key)
            # Weights are known before the backward pass and are constants to it.
            weights, fresh = weigh(jax.lax.stop_gradient(values), None, state, key, counts)
            return (weights * values).sum(), (losses, weights, fresh)

        (_, (losses, weights, fresh)), grads = jax.value_and_grad(total, has_aux=True)(params)
        heads = {}
        for index, name in enumerate(config.tasks):
            # The factor came with the loss; a head keeps its own plain gradient. 0 is 0 either way.
            factor = jnp.where(weights[index] > 0, 1.0 / weights[index], 0.0)
            heads[name] = jax.tree.map(lambda leaf, f=factor: f * leaf, grads["heads"][name])
        return (losses, weights, fresh), {**grads, "heads": heads}

    def on_parameters(params, batch, counts, key, state):
        values, back, losses = jax.vjp(
            lambda params: all_losses(params, batch, counts, key), params, has_aux=True
        )
        each = [back(one)[0] for one in jnp.eye(len(values))]
        weights, fresh = weigh(values, _gram([g["encoder"] for g in each]), state, key, counts)
        grads = {
            "encoder": _mixed([g["encoder"] for g in each], weights),
            "heads": _of_heads(each),
        }
        return (losses, weights, fresh), grads

    def on_features(params, batch, counts, key, state):
        shared, through_encoder = jax.vjp(lambda params: encode(cut(params), batch, key), params)
        values, back, losses = jax.vjp(
            lambda params, shared: answer(cut(params), shared, batch, counts, key),
            params, shared, has_aux=True,
        )  # fmt: skip
        each = [back(one) for one in jnp.eye(len(values))]
        vectors = [vector for _, vector in each]
        weights, fresh = weigh(values, _gram(vectors), state, key, counts)
        (grads,) = through_encoder(_mixed(vectors, weights))
        return (losses, weights, fresh), {**grads, "heads": _of_heads([g for g, _ in each])}

    if config.train.balance == "fixed":
        return plain
    if not balancer.needs_gram:
        return by_loss
    return on_parameters if config.train.balance_on == "parameters" else on_features


def _gram(trees: list[Any]) -> jax.Array:
    """float32 [T, T] inner products of T trees of gradients."""

    def inner(one, other):
        products = jax.tree.map(
            lambda a, b: jnp.vdot(a.astype(jnp.float32), b.astype(jnp.float32)), one, other
        )
        return sum(jax.tree.leaves(products))

    upper = {(i, j): inner(trees[i], trees[j]) for i in range(len(trees)) for j in range(i + 1)}
    return jnp.stack(
        [
            jnp.stack([upper[max(i, j), min(i, j)] for j in range(len(trees))])
            for i in range(len(trees))
        ]
    )


def _of_heads(each: list[Any]) -> Any:
    """The heads' gradients from those of each task, which are zero on every head but its own."""
    return _mixed([gradients["heads"] for gradients in each], jnp.ones(len(each)))


def _mixed(trees: list[Any], weights: jax.Array) -> Any:
    """The sum of T trees by their weights."""
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
