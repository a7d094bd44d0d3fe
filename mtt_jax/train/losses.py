"""Losses: a masked sum and its count of labels, so that parts of a batch add up.

A unit is what carries a label: a slot [B, S] for a task per sentence, a position [B, L] for a task
per word. A unit whose mask is 0 adds exactly zero to the sum, the count and every gradient.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mtt_jax.config.schema import Config
from mtt_jax.model.multitask import MultiTask
from mtt_jax.model.shapes import Array, Float, Int
from mtt_jax.train.teaching import DIVERGENCES
from mtt_jax.types import Batch

Sum = tuple[Float[Array, ""], Float[Array, ""]]


def masked_cross_entropy(
    logits: Float[Array, "*unit C"],
    targets: Int[Array, "*unit"],
    mask: Float[Array, "*unit"],
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Sum:
    """Cross-entropy of one class per unit: (sum over labeled units, how many there are).

    Args:
      logits: computed in float32 whatever their dtype.
      targets: class ids; any class where the mask is 0.
      mask: 0 where there is no label.
      class_weights: C factors. They scale the sum, not the count: the loss of a unit whose class
        has weight 2 counts double.
      label_smoothing: share of the target spread evenly over the C classes (Szegedy et al. 2016,
        arXiv:1512.00567).
    """
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))  # [..., C]
    target = jax.nn.one_hot(targets, logits.shape[-1], dtype=jnp.float32)
    smooth = target * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    losses = -(smooth * log_probs).sum(axis=-1)
    if class_weights is not None:
        losses = losses * (target @ jnp.asarray(class_weights, jnp.float32))
    # where, not only a multiplication: 0 * inf would be NaN.
    total = jnp.where(mask > 0, losses * mask, 0.0).sum()
    return total, mask.sum()


def masked_binary_cross_entropy(
    logits: Float[Array, "*unit C"],
    targets: Float[Array, "*unit C"],
    mask: Float[Array, "*unit"],
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Sum:
    """Binary cross-entropy of a set of classes: (sum over labeled units, how many there are).

    A unit's loss is the mean over its C classes, which keeps it comparable to the cross-entropy of
    one class.

    Args:
      logits: log-odds, computed in float32 whatever their dtype.
      targets: 1 for a class in the set, 0 for the others; anything where the mask is 0.
      mask: 0 where there is no label.
      class_weights: C factors, each for its class's term, whether or not the class is in the
        set.
      label_smoothing: pulls targets towards 0.5: with 0.1 they are 0.05 and 0.95.
    """
    # Replaced before anything is computed, as the gradient of a masked NaN would be NaN.
    labelled = mask[..., None] > 0
    odds = jnp.where(labelled, logits.astype(jnp.float32), 0.0)  # [..., C]
    target = jnp.where(labelled, targets.astype(jnp.float32), 0.0)
    smooth = target * (1.0 - label_smoothing) + 0.5 * label_smoothing
    terms = -(smooth * jax.nn.log_sigmoid(odds) + (1.0 - smooth) * jax.nn.log_sigmoid(-odds))
    if class_weights is not None:
        terms = terms * jnp.asarray(class_weights, jnp.float32)
    return (terms.mean(axis=-1) * mask).sum(), mask.sum()


def masked_subword_cross_entropy(
    logits: Float[Array, "B M C"],
    targets: Int[Array, "B M 2"],
    mask: Float[Array, "B M"],
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> Sum:
    """Cross-entropy of hidden subwords: (sum, how many there are).

    Args:
      logits: of every subword of the vocabulary.
      targets: (position, id) of each hidden subword.
      mask: 0 where none is hidden.
      class_weights: not used; subwords have no names.
      label_smoothing: share of the target spread evenly over the vocabulary.
    """
    del class_weights
    logits = jnp.where(mask[..., None] > 0, logits.astype(jnp.float32), 0.0)
    # Without a one-hot target, which would be as large as the logits.
    found = jnp.take_along_axis(logits, targets[..., 1:], axis=-1)[..., 0]
    if label_smoothing:
        found = (1.0 - label_smoothing) * found + label_smoothing * logits.mean(axis=-1)
    losses = jax.nn.logsumexp(logits, axis=-1) - found
    return (losses * mask).sum(), mask.sum()


# By the name that a task gives.
LOSSES: Mapping[str, Callable[..., Sum]] = {
    "cross_entropy": masked_cross_entropy,
    "binary_cross_entropy": masked_binary_cross_entropy,
    "subword_cross_entropy": masked_subword_cross_entropy,
}


class TaskLosses(NamedTuple):
    """The losses of a batch, or of a part of it.

    Attributes:
      weighted: task -> mean loss times the task's weight, which is differentiated; exactly 0 for a
        task that does not train.
      mean: task that trains -> mean loss.
    """

    weighted: dict[str, Float[Array, ""]]
    mean: dict[str, Float[Array, ""]]


def make_sums(model: MultiTask, config: Config) -> Callable[[Any, Batch], dict[str, Sum]]:
    """Returns sums(params, batch) -> objective without labels -> its loss, without dropout."""
    objectives = [task for task in config.objectives if not task.needs_labels]

    def sums(params: Any, batch: Batch) -> dict[str, Sum]:
        outputs: Any = model.apply({"params": params}, batch)
        logits = outputs.logits
        return {
            one.name: LOSSES[one.loss](logits[one.name], batch.targets[one.name],
                                       batch.masks[one.name])
            for one in objectives
        }  # fmt: skip

    return sums


def make_losses(config: Config) -> Callable[..., TaskLosses]:
    """Returns losses(task -> logits, batch, counts) -> `TaskLosses`.

    `counts` are the labels of the global batch, of which `batch` may be one part: dividing by them
    makes the parts of an accumulated gradient add up to the whole.
    """

    def losses(logits, batch: Batch, counts) -> TaskLosses:
        weighted, mean = {}, {}
        for task in config.objectives:
            name, fields = task.name, config.tasks[task.name]
            active = name in config.active
            factors = task.class_weights(fields.class_weights) if fields.class_weights else None
            total, _ = LOSSES[task.loss](
                logits[name],
                batch.targets[name],
                batch.masks[name],
                factors,
                fields.label_smoothing,
            )
            if batch.teacher and batch.teacher_masks and name in batch.teacher:
                total += DIVERGENCES[task.loss](
                    logits[name],
                    batch.teacher[name],
                    batch.teacher_masks[name],
                    config.distill.temperature,
                    factors,
                )
            count = jnp.maximum(counts[name], 1.0)
            # Multiplied by 0, not left out: without the term XLA may round the other gradients
            # differently, and runs in phases would no longer be reproduced bit for bit.
            weighted[name] = (fields.weight if active else 0.0) * total / count
            if active:
                mean[name] = total / count
        return TaskLosses(weighted, mean)

    return losses
