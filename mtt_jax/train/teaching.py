"""Learning from teachers: what they add to a task's loss, and how much the label counts beside it.

    loss of a unit with a label       g * label loss + (1 - g) * T^2 * distance to the teachers
    loss of a unit that they fill     w * T^2 * distance to the teachers

g is the share of the label: distill.gold, which with distill.anneal grows to 1 over the run, so
that a student first imitates its teachers and then learns from the labels (teacher annealing, Clark
et al. 2019, arXiv:1907.04829). T is distill.temperature, w distill.weight. Both distributions have
the temperature T, and T^2 keeps the gradient's size from depending on it (Hinton et al. 2015,
arXiv:1503.02531).

The distance is the Kullback-Leibler divergence: the cross-entropy to the teachers' probabilities,
with the same gradient, less what the teachers' own doubt adds to it. So it is 0 if the student
agrees, and balancers that compare losses see how much there is left to learn.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from mtt_jax.config.schema import DistillConfig
from mtt_jax.model.shapes import Array, Float
from mtt_jax.tasks.base import LEAST
from mtt_jax.types import Batch


def gold_share(distill: DistillConfig, step: Any, steps: int) -> Float[Array, ""]:
    """The share of the label after a number of the run's steps."""
    if not distill.anneal:
        return jnp.float32(distill.gold)
    progress = jnp.clip(step / max(steps, 1), 0.0, 1.0)
    return jnp.float32(distill.gold + (1.0 - distill.gold) * progress)


def labels_in(batch: Batch) -> dict[str, Float[Array, ""]]:
    """Task -> units of a batch that it learns from; one without a label counts by its weight."""
    counts = {name: mask.sum() for name, mask in batch.masks.items()}
    for name, mask in (batch.teacher_masks or {}).items():
        counts[name] += jnp.where(batch.masks[name] > 0, 0.0, mask).sum()
    return counts


def with_shares(batch: Batch, gold: Any) -> Batch:
    """A batch whose masks are multiplied by the shares of label and teachers.

    Args:
      batch: as packed.
      gold: share of the label where there are both.
    """
    masks, teacher_masks = dict(batch.masks), {}
    for name, taught in (batch.teacher_masks or {}).items():
        both = (batch.masks[name] > 0) & (taught > 0)
        masks[name] = jnp.where(both, gold, 1.0) * batch.masks[name]
        teacher_masks[name] = jnp.where(both, 1.0 - gold, 1.0) * taught
    return batch._replace(masks=masks, teacher_masks=teacher_masks)


def divergence(
    logits: Float[Array, "*unit C"],
    probs: Float[Array, "*unit C"],
    mask: Float[Array, "*unit"],
    temperature: float = 1.0,
    class_weights: Sequence[float] | None = None,
) -> Float[Array, ""]:
    """The sum over units of T^2 times the divergence of one distribution over C classes.

    Args:
      logits: of the student.
      probs: of the teachers; anything where the mask is 0.
      mask: weight of each unit.
      temperature: T.
      class_weights: C factors; a unit has their mean, by the teachers' probabilities.
    """
    known = mask[..., None] > 0
    student = jax.nn.log_softmax(jnp.where(known, logits.astype(jnp.float32), 0.0) / temperature)
    logs = jnp.log(jnp.maximum(jnp.where(known, probs, 1.0), LEAST))
    teacher = jax.nn.log_softmax(logs / temperature)
    losses = (jnp.exp(teacher) * (teacher - student)).sum(axis=-1)
    if class_weights is not None:
        losses = losses * (probs @ jnp.asarray(class_weights, jnp.float32))
    return temperature**2 * (losses * mask).sum()


def binary_divergence(
    logits: Float[Array, "*unit C"],
    probs: Float[Array, "*unit C"],
    mask: Float[Array, "*unit"],
    temperature: float = 1.0,
    class_weights: Sequence[float] | None = None,
) -> Float[Array, ""]:
    """The same for a set of classes: the mean over C divergences of a yes or a no.

    Args:
      logits: log-odds of the student.
      probs: of each class alone.
      mask: as for `divergence`.
      temperature: as for `divergence`.
      class_weights: C factors, each for its class's term.
    """
    known = mask[..., None] > 0
    odds = jnp.where(known, logits.astype(jnp.float32), 0.0) / temperature
    sure = jnp.clip(jnp.where(known, probs, 0.5), LEAST, 1.0 - LEAST)
    theirs = (jnp.log(sure) - jnp.log1p(-sure)) / temperature

    def term(sign: int) -> Array:
        ours, teacher = jax.nn.log_sigmoid(sign * odds), jax.nn.log_sigmoid(sign * theirs)
        return jnp.exp(teacher) * (teacher - ours)

    terms = term(1) + term(-1)
    if class_weights is not None:
        terms = terms * jnp.asarray(class_weights, jnp.float32)
    return temperature**2 * (terms.mean(axis=-1) * mask).sum()


# By the name of the label's loss, as in train/losses.py.
DIVERGENCES: Mapping[str, Callable[..., Float[Array, ""]]] = {
    "cross_entropy": divergence,
    "binary_cross_entropy": binary_divergence,
}
