"""Losses: masked cross-entropy as a sum and a count, so that parts of a batch add up."""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def masked_cross_entropy(
    logits: jax.Array,
    labels: jax.Array,
    weights: jax.Array,
    class_weights: Sequence[float] | None = None,
    label_smoothing: float = 0.0,
) -> tuple[jax.Array, jax.Array]:
    """Sum of the cross-entropy over labelled places, and how many there are.

    A place of weight 0 adds exactly zero to both, and to every gradient. Class weights enlarge
    the sum, not the count: the loss of a class of weight 2 counts double.

    Args:
      logits: [..., C], computed in float32 whatever their type.
      labels: int32 [...], any class where the weight is 0.
      weights: float32 [...], 0 where there is no label.
      class_weights: C factors, by the label.
      label_smoothing: share of the target spread evenly over the C classes (Szegedy et al. 2016,
        arXiv:1512.00567).

    Returns:
      (sum, count), float32 scalars.
    """
    log_probs = jax.nn.log_softmax(logits.astype(jnp.float32))  # [..., C]
    target = jax.nn.one_hot(labels, logits.shape[-1], dtype=jnp.float32)
    smooth = target * (1.0 - label_smoothing) + label_smoothing / logits.shape[-1]
    losses = -(smooth * log_probs).sum(axis=-1)
    if class_weights is not None:
        losses = losses * (target @ jnp.asarray(class_weights, jnp.float32))
    # where, not only a product: 0 * inf would be NaN.
    total = jnp.where(weights > 0, losses * weights, 0.0).sum()
    return total, weights.sum()
