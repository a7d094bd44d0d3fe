"""Balancing by the gradients: T backward passes through what is shared, and T gradients in memory.

Every method here reads the T x T Gram matrix and nothing else of the gradients, so its own cost
does not grow with the model.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from mtt_jax.train.balance.balancer import (
    Balancer,
    alone,
    lengths,
    mean_over,
    stateless,
    unit_gram,
)
from mtt_jax.train.balance.solvers import (
    least_above,
    minimize_on_simplex,
    pseudo_inverse,
    solve_inverse_power,
)


def gradnorm(alpha: float = 1.5, learning_rate: float = 0.01) -> Balancer:
    """Weights that move until weighted gradients have similar lengths, longer for slow tasks.

    GradNorm, Chen et al. 2018 (arXiv:1711.02257): the target length of task i is the mean length
    times r_i^alpha, r_i being its loss as a share of its first, over the mean share. Each weight
    takes a step against |w_i length_i - target_i|, and weights are scaled to sum to T. Costs
    2 T numbers of state.

    Args:
      alpha: how strongly slow tasks are helped; 0 makes all lengths equal.
      learning_rate: of the weights.
    """

    def init(tasks):
        return {"weights": jnp.ones(tasks), "first": jnp.zeros(tasks)}

    def weigh(losses, gram, state, key, present):
        weights, norms = state["weights"], lengths(gram)
        first = jnp.where(present & (state["first"] == 0), losses, state["first"])
        share = losses / jnp.where(first > 0, first, 1.0)
        speed = share / jnp.maximum(mean_over(share, present), 1e-12)
        target = mean_over(weights * norms, present) * speed**alpha
        moved = weights - learning_rate * jnp.sign(weights * norms - target) * norms
        moved = jnp.where(present, jnp.maximum(moved, 1e-4), weights)
        scaled = moved * len(losses) / moved.sum()
        return jnp.where(present, weights, 0.0), {"weights": scaled, "first": first}

    return Balancer(True, init, weigh)


def mgda() -> Balancer:
    """The shortest vector that the tasks' gradients enclose; weights sum to 1.

    MGDA, Désidéri 2012; Sener and Koltun 2018 (arXiv:1810.04650): minimizes |sum w_i g_i| over the
    simplex. Its direction lowers every loss, or is zero if none can fall without another's
    rising. Closed form for two tasks.
    """

    def weights(losses, gram, key, present):
        if len(losses) == 2:
            apart = gram[0, 0] + gram[1, 1] - 2 * gram[0, 1]
            first = (gram[1, 1] - gram[0, 1]) / jnp.where(apart > 0, apart, 1.0)
            first = jnp.where(apart > 0, jnp.clip(first, 0.0, 1.0), 0.5)
            both = jnp.stack([first, 1.0 - first])
            return jnp.where(present.all(), both, present.astype(jnp.float32))
        return minimize_on_simplex(lambda w: gram @ w, present)

    return stateless(weights, needs_gram=True)


def pcgrad() -> Balancer:
    """The sum of the gradients, each without the component that points against another's.

    PCGrad, Yu et al. 2020 (arXiv:2001.06782): gradient i is projected onto the normal plane of
    every gradient that it conflicts with, one after the other in random order.
    """

    def weights(losses, gram, key, present):
        def project(mix, task, other, state):
            inner, square = gram[other] @ mix, gram[other, other]
            conflict = (inner < 0) & (square > 0)
            return jnp.where(conflict, -inner / jnp.where(conflict, square, 1.0), 0.0), state

        return _pass_by(project, (), key, present)[0]

    return stateless(weights, needs_gram=True)


def gradvac(beta: float = 0.5) -> Balancer:
    """Like PCGrad, but towards the mean cosine of two tasks so far instead of towards 0.

    Gradient Vaccine, Wang et al. 2021 (arXiv:2010.05874): if the cosine of gradients i and j falls
    below its running mean, as much of j is added to i as restores the mean. Costs T x T numbers of
    state.

    Args:
      beta: share of the newest cosine in the running mean.
    """

    def weigh(losses, gram, state, key, present):
        gram = alone(gram, present)
        norms = lengths(gram)

        def project(mix, task, other, goals):
            own = jnp.sqrt(jnp.maximum(mix @ gram @ mix, 0.0))
            both = own * norms[other]
            cosine = jnp.where(both > 0, (gram[other] @ mix) / jnp.where(both > 0, both, 1.0), 0.0)
            cosine, goal = jnp.clip(cosine, -1.0, 1.0), goals[task, other]
            sine, goal_sine = jnp.sqrt(1 - cosine**2), jnp.sqrt(jnp.maximum(1 - goal**2, 0.0))
            room = norms[other] * goal_sine
            needed = own * (goal * sine - cosine * goal_sine) / jnp.where(room > 0, room, 1.0)
            meet = present[task] & present[other]
            kept = jnp.where(meet, (1 - beta) * goal + beta * cosine, goal)
            added = jnp.where(meet & (cosine < goal) & (room > 0), needed, 0.0)
            return added, goals.at[task, other].set(kept)

        total, goals = _pass_by(project, state, key, present)
        return jnp.where(present, total, 0.0), goals

    return Balancer(True, lambda tasks: jnp.zeros((tasks, tasks)), weigh)


def _pass_by(project: Callable, state: Any, key: jax.Array, present: jax.Array):
    """Projects each present task's gradient on all others in random order; sums the results.

    Args:
      project: (mix [T] of gradients that the task's is by now, task, other, state) -> (how much of
        the other's gradient to add, state).
      state: passed from one call to the next.
      key: of the orders.
      present: bool [T].

    Returns:
      (weights [T], state).
    """
    tasks = len(present)

    def meet(carry, other):
        mix, task, state = carry
        added, fresh = project(mix, task, other, state)
        itself = other == task
        state = jax.tree.map(lambda old, new: jnp.where(itself, old, new), state, fresh)
        return (mix.at[other].add(jnp.where(itself, 0.0, added)), task, state), None

    total = jnp.zeros(tasks)
    for task in range(tasks):
        order = jax.random.permutation(jax.random.fold_in(key, task), tasks)
        (mix, _, state), _ = jax.lax.scan(meet, (jnp.eye(tasks)[task], task, state), order)
        total += jnp.where(present[task], mix, 0.0)
    return total, state


def cagrad(c: float = 0.4) -> Balancer:
    """The best direction for the task that gains least, within a ball around the mean gradient.

    CAGrad, Liu et al. 2021 (arXiv:2110.14048): with mean gradient g and radius c |g|, it is g plus
    c |g| / |h| times h, where h = sum w_i g_i minimizes h . g + c |g| |h| over the simplex.

    Args:
      c: 0 gives the mean gradient; towards 1 it approaches MGDA's.
    """

    def weights(losses, gram, key, present):
        even = present / jnp.maximum(present.sum(), 1)
        # A factor common to all gradients changes nothing but the rounding.
        size = jnp.maximum(jnp.trace(gram * present[:, None]), 1e-30)
        gram = gram / size
        along = gram @ even
        radius = c * jnp.sqrt(jnp.maximum(even @ along, 0.0))

        def length(w):
            return jnp.sqrt(jnp.maximum(w @ gram @ w, 1e-12))

        w = minimize_on_simplex(lambda w: along + radius * (gram @ w) / length(w), present)
        # If h vanishes, no direction is better than another for the task that gains least.
        return even + jnp.where(length(w) > 1e-5, radius / length(w), 0.0) * w

    return stateless(weights, needs_gram=True)


def imtl_g() -> Balancer:
    """The combination whose projections onto all gradients are equal; weights sum to 1.

    IMTL-G, Liu et al. 2021 (Towards Impartial Multi-task Learning, ICLR), in closed form: weights
    in proportion to the pseudo-inverse of the Gram matrix times the gradients' lengths. A weight
    may be negative.
    """

    def weights(losses, gram, key, present):
        cosines, inverse = unit_gram(gram)
        values, vectors, real = pseudo_inverse(cosines)
        ones = jnp.where(present & (inverse > 0), 1.0, 0.0)
        solved = vectors @ jnp.where(real, (vectors.T @ ones) / jnp.where(real, values, 1.0), 0.0)
        found = jnp.where(present, solved * inverse, 0.0)
        total = found.sum()
        # Scaled by the largest: gradients that cancel have no such combination.
        stable = jnp.abs(total) > 1e-6 * jnp.abs(found).max()
        return jnp.where(stable, found / jnp.where(stable, total, 1.0), 0.0)

    return stateless(weights, needs_gram=True)


def nash_mtl() -> Balancer:
    """The bargain in which no task gains a share that costs the others a larger one.

    Nash-MTL, Navon et al. 2022 (arXiv:2202.01017): weights solve G w = 1 / w. The scale of each
    task cancels out. Solved by Newton's method until it converges; the paper uses a sequence of
    approximations.
    """
    return fairgrad(alpha=1.0)


def fairgrad(alpha: float = 2.0) -> Balancer:
    """The direction that is alpha-fair to the tasks' gains.

    FairGrad, Ban and Ji 2024 (arXiv:2402.15638): weights solve G w = w^(-1 / alpha). With alpha 1
    it is Nash-MTL; larger values favor the task that gains least. A task whose gradient is zero
    gets the weight 0.

    Args:
      alpha: above 0.
    """
    power = 1.0 / alpha

    def weights(losses, gram, key, present):
        cosines, inverse = unit_gram(gram)
        moving = inverse > 0
        cosines = jnp.where(moving[:, None] & moving[None, :], cosines, jnp.eye(len(losses)))
        # In y = w |g| the matrix has a diagonal of 1, whatever the lengths.
        target = jnp.where(moving, inverse, 1.0) ** (1 - power)
        scale = target.max()
        solved = solve_inverse_power(cosines, target / scale, power)
        return jnp.where(moving, solved * scale ** (1 / (1 + power)) * inverse, 0.0)

    return stateless(weights, needs_gram=True)


def aligned_mtl() -> Balancer:
    """The mean of the gradients after making them orthogonal and of equal length.

    Aligned-MTL, Senushkin et al. 2023 (arXiv:2305.19000): the singular values of the matrix of
    gradients are all brought down to the smallest that is not zero.
    """

    def weights(losses, gram, key, present):
        # Without absent tasks, whose length of 1 would count among the others'.
        values, vectors, real = pseudo_inverse(jnp.where(present[:, None] & present, gram, 0.0))
        even = present / jnp.maximum(present.sum(), 1)
        smallest = jnp.where(real, values, jnp.inf).min()
        scaled = jnp.where(real, jnp.sqrt(smallest / jnp.where(real, values, 1.0)), 0.0)
        return jnp.where(real.any(), vectors @ (scaled * (vectors.T @ even)), even)

    return stateless(weights, needs_gram=True)


def upgrad() -> Balancer:
    """The mean of the gradients after projecting each so that it harms no task.

    UPGrad, Quinton and Rey 2024 (arXiv:2406.16232): gradient i becomes the nearest vector that has
    no negative inner product with any gradient, a quadratic program per task. Closed form for
    two tasks, where it is half of PCGrad.
    """

    def weights(losses, gram, key, present):
        cosines, inverse = unit_gram(gram)
        norms = lengths(gram)
        tasks = len(losses)
        if tasks == 2:
            against = jnp.maximum(-cosines[0, 1], 0.0)
            mixes = jnp.array([[1.0, 0.0], [0.0, 1.0]]) + against * jnp.array([[0, 1.0], [1.0, 0]])
        else:
            mixes = jax.vmap(lambda bound: least_above(cosines, bound))(jnp.eye(tasks))
        # Row i is a mix of unit vectors for a gradient of length 1; its own length scales it.
        mixes = mixes * norms[:, None] * inverse[None, :]
        return jnp.where(present[:, None], mixes, 0.0).sum(axis=0) / jnp.maximum(present.sum(), 1)

    return stateless(weights, needs_gram=True)


def config() -> Balancer:
    """The direction with the same cosine to every gradient, as long as the gradients' sum along it.

    ConFIG, Liu et al. 2025 (arXiv:2408.11104): the pseudo-inverse of the matrix of unit gradients
    gives the direction.
    """

    def weights(losses, gram, key, present):
        cosines, inverse = unit_gram(gram)
        values, vectors, real = pseudo_inverse(jnp.where(present[:, None] & present, cosines, 0.0))
        ones = jnp.where(present, 1.0, 0.0)
        mix = vectors @ jnp.where(real, (vectors.T @ ones) / jnp.where(real, values, 1.0), 0.0)
        square = jnp.maximum(mix @ cosines @ mix, 0.0)
        along = jnp.where(present, lengths(gram) * (cosines @ mix), 0.0).sum()
        return (
            jnp.where(square > 0, along / jnp.where(square > 0, square, 1.0), 0.0) * mix * inverse
        )

    return stateless(weights, needs_gram=True)
