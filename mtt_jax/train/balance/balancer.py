"""What a balancer is, and how all of them treat absent tasks."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

State = Any


class Balancer(NamedTuple):
    """A method of balancing.

    Attributes:
      needs_gram: whether `weigh` reads the Gram matrix; known before compiling, so that a method
        that does not read it takes only the backward pass of a plain sum.
      init: T -> state, a tree of arrays; () for a stateless method.
      weigh: (losses [T], gram [T, T], state, key, present bool [T]) -> (weights [T], state), all
        float32. The losses of present tasks are above 0; `gram[i, j]` is the inner product of the
        gradients of tasks i and j; it may be None for a method that does not need it.
    """

    needs_gram: bool
    init: Callable[[int], State]
    weigh: Callable[..., tuple[jax.Array, State]]


def stateless(weights: Callable, needs_gram: bool) -> Balancer:
    """A balancer without state, from (losses, gram, key, present) -> weights."""

    def weigh(losses, gram, state, key, present):
        if needs_gram:
            gram = alone(gram, present)
        found = weights(losses, gram, key, present)
        return jnp.where(present, found, 0.0), state

    return Balancer(needs_gram, lambda tasks: (), weigh)


def alone(gram: jax.Array, present: jax.Array) -> jax.Array:
    """The Gram matrix with gradients of absent tasks orthogonal to all others and of length 1."""
    both = present[:, None] & present[None, :]
    return jnp.where(both, gram, jnp.eye(len(gram)))


def lengths(gram: jax.Array) -> jax.Array:
    """[T] norms of the tasks' gradients."""
    return jnp.sqrt(jnp.maximum(jnp.diagonal(gram), 0.0))


def unit_gram(gram: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Cosines [T, T], and 1 / norm [T], which is 0 for a gradient of zero."""
    norms = lengths(gram)
    inverse = jnp.where(norms > 0, 1.0 / jnp.where(norms > 0, norms, 1.0), 0.0)
    return gram * inverse[:, None] * inverse[None, :], inverse


def mean_over(values: jax.Array, present: jax.Array) -> jax.Array:
    """The mean of the present tasks' values; 0 if no task is present."""
    total = jnp.where(present, values, 0.0).sum()
    return total / jnp.maximum(present.sum(), 1)
