"""Balancing by the losses alone: one backward pass, and as much memory as for a plain sum."""

import jax
import jax.numpy as jnp

from mtt_jax.train.balance.balancer import Balancer, mean_over, stateless


def fixed(weights: tuple[float, ...] = ()) -> Balancer:
    """The same weights at every step, 1 for all by default.

    Tuned, they are hard to beat: Kurin et al. 2022 (arXiv:2201.04122), Xin et al. 2022
    (arXiv:2209.11379). Costs nothing.
    """
    return stateless(
        lambda losses, gram, key, present: (
            jnp.asarray(weights, jnp.float32) if weights else jnp.ones(len(losses))
        ),
        needs_gram=False,
    )


def uncertainty(learning_rate: float = 0.01) -> Balancer:
    """Weights exp(-s), where each s follows the gradient of exp(-s) loss + s / 2.

    Kendall et al. 2018 (arXiv:1705.07115), for classification: s is the logarithm of a task's
    variance, and the weight settles at 1 / (2 loss). Costs T numbers of state.

    Args:
      learning_rate: of s, by plain gradient descent.
    """

    def weigh(losses, gram, state, key, present):
        step = learning_rate * (0.5 - jnp.exp(-state) * losses)
        return jnp.where(present, jnp.exp(-state), 0.0), state - jnp.where(present, step, 0.0)

    return Balancer(False, lambda tasks: jnp.zeros(tasks), weigh)


def imtl_l(learning_rate: float = 0.01) -> Balancer:
    """Weights exp(s), where each s follows the gradient of exp(s) loss - s.

    IMTL-L of Liu et al. 2021 (Towards Impartial Multi-task Learning, ICLR): weighted losses all
    become 1. Costs T numbers of state.

    Args:
      learning_rate: of s, by plain gradient descent.
    """

    def weigh(losses, gram, state, key, present):
        step = learning_rate * (jnp.exp(state) * losses - 1.0)
        return jnp.where(present, jnp.exp(state), 0.0), state - jnp.where(present, step, 0.0)

    return Balancer(False, lambda tasks: jnp.zeros(tasks), weigh)


def dwa(temperature: float = 2.0, interval: int = 50) -> Balancer:
    """More weight to tasks whose loss falls more slowly: T softmax(r / temperature).

    Dynamic weight average, Liu et al. 2019 (arXiv:1803.10704): r is the ratio of a task's mean
    loss in the last interval to that in the one before, 1 until there are two. Costs 4 T numbers.

    Args:
      temperature: the higher, the more even the weights.
      interval: steps per mean; the paper uses an epoch.
    """

    def init(tasks):
        return {
            "step": jnp.int32(0),
            "sum": jnp.zeros(tasks),
            "count": jnp.zeros(tasks),
            "last": jnp.zeros(tasks),
            "ratio": jnp.ones(tasks),
        }

    def weigh(losses, gram, state, key, present):
        total = state["sum"] + jnp.where(present, losses, 0.0)
        count = state["count"] + present
        step = state["step"] + 1
        full = step % interval == 0
        seen = full & (count > 0)
        mean = total / jnp.maximum(count, 1.0)
        known = seen & (state["last"] > 0)
        ratio = jnp.where(known, mean / jnp.where(known, state["last"], 1.0), state["ratio"])
        fresh = {
            "step": step,
            "sum": jnp.where(full, 0.0, total),
            "count": jnp.where(full, 0.0, count),
            "last": jnp.where(seen, mean, state["last"]),
            "ratio": ratio,
        }
        weights = jax.nn.softmax(jnp.where(present, ratio / temperature, -jnp.inf))
        return jnp.where(present, weights * present.sum(), 0.0), fresh

    return Balancer(False, init, weigh)


def geometric() -> Balancer:
    """The gradient of the geometric mean of the losses: weights mean / (T loss).

    Geometric loss strategy, Chennupati et al. 2019 (arXiv:1904.08492). A task's scale cancels out.
    Costs nothing.
    """

    def weights(losses, gram, key, present):
        logs = jnp.log(jnp.where(present, losses, 1.0))
        return jnp.exp(mean_over(logs, present) - logs) / jnp.maximum(present.sum(), 1)

    return stateless(weights, needs_gram=False)


def random() -> Balancer:
    """Weights drawn at each step: T times the softmax of T normal numbers.

    Random loss weighting, Lin et al. 2022 (arXiv:2111.10603), a baseline that many methods do not
    beat. Costs nothing.
    """

    def weights(losses, gram, key, present):
        drawn = jax.random.normal(key, losses.shape)
        return jax.nn.softmax(jnp.where(present, drawn, -jnp.inf)) * present.sum()

    return stateless(weights, needs_gram=False)


def famo(learning_rate: float = 0.025, decay: float = 0.001) -> Balancer:
    """Weights such that the logarithms of all losses fall at the same rate.

    FAMO, Liu et al. 2023 (arXiv:2306.03792): weights c z / loss with z = softmax(w) and c so that
    they sum to 1; w then moves against the rates at which the losses fell. The paper takes
    those rates from the same batch after the step, which costs one more forward pass; here they
    are taken from the next batch, which costs nothing and is noisier. Costs 2 T numbers.

    Args:
      learning_rate: of w.
      decay: of w.
    """

    def init(tasks):
        return {"w": jnp.zeros(tasks), "last": jnp.zeros(tasks), "known": jnp.zeros(tasks, bool)}

    def weigh(losses, gram, state, key, present):
        logs = jnp.log(jnp.maximum(losses, 1e-8))
        fallen = jnp.where(present & state["known"], state["last"] - logs, 0.0)
        z = jax.nn.softmax(state["w"])
        gradient = z * (fallen - (z * fallen).sum())  # the softmax's Jacobian, applied
        w = state["w"] - learning_rate * (gradient + decay * state["w"])
        fresh = {
            "w": w,
            "last": jnp.where(present, logs, state["last"]),
            "known": state["known"] | present,
        }
        share = jnp.where(present, jax.nn.softmax(w) / jnp.maximum(losses, 1e-8), 0.0)
        return share / jnp.maximum(share.sum(), 1e-30), fresh

    return Balancer(False, init, weigh)


def stch(sharpness: float = 1.0, preference: tuple[float, ...] = ()) -> Balancer:
    """The gradient of a smooth maximum of the weighted losses: T p softmax(p loss / sharpness).

    Smooth Tchebycheff scalarization, Lin et al. 2024 (arXiv:2402.19078), with the ideal loss 0 of
    cross-entropy. Costs nothing.

    Args:
      sharpness: mu of the paper; a small one leaves only the worst task, a large one weighs all
        tasks alike.
      preference: p per task, 1 for all by default.
    """

    def weights(losses, gram, key, present):
        wanted = jnp.asarray(preference, jnp.float32) if preference else jnp.ones(len(losses))
        scaled = jnp.where(present, wanted * losses / sharpness, -jnp.inf)
        return wanted * jax.nn.softmax(scaled) * present.sum()

    return stateless(weights, needs_gram=False)
