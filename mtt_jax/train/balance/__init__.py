"""Balancing: how much each task's gradient counts where the tasks share parameters.

A balancer turns the T losses and, if it needs them, the T x T inner products of the tasks'
gradients into T weights. It sees no parameters, batches or models and imports nothing else of this
package, so any training loop can use it:

    balancer = make("pcgrad")
    state = balancer.init(2)
    weights, state = balancer.weigh(losses, gram, state, key, present)
    gradient = weights[0] * gradients[0] + weights[1] * gradients[1]

Everything runs under `jax.jit`. An absent task, such as one without labels in a batch, gets the
weight 0, and the others are weighed as if it did not exist.

What the literature found: a fixed weight per task, once tuned, is hard to beat
(Kurin et al. 2022, arXiv:2201.04122; Xin et al. 2022, arXiv:2209.11379).
"""

from collections.abc import Callable
from typing import Any

from mtt_jax.train.balance import by_gradient, by_loss
from mtt_jax.train.balance.balancer import Balancer

__all__ = ["METHODS", "Balancer", "make"]

METHODS: dict[str, Callable[..., Balancer]] = {
    "fixed": by_loss.fixed,
    "uncertainty": by_loss.uncertainty,
    "dwa": by_loss.dwa,
    "geometric": by_loss.geometric,
    "random": by_loss.random,
    "famo": by_loss.famo,
    "imtl_l": by_loss.imtl_l,
    "stch": by_loss.stch,
    "gradnorm": by_gradient.gradnorm,
    "mgda": by_gradient.mgda,
    "pcgrad": by_gradient.pcgrad,
    "gradvac": by_gradient.gradvac,
    "cagrad": by_gradient.cagrad,
    "imtl_g": by_gradient.imtl_g,
    "nash_mtl": by_gradient.nash_mtl,
    "aligned_mtl": by_gradient.aligned_mtl,
    "fairgrad": by_gradient.fairgrad,
    "upgrad": by_gradient.upgrad,
    "config": by_gradient.config,
}


def make(name: str, **options: Any) -> Balancer:
    """The balancer of a name in METHODS, with its own options.

    Raises:
      KeyError: for an unknown name.
      TypeError: for an option that the method does not have.
    """
    return METHODS[name](**options)
