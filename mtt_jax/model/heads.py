"""Heads: from a vector to the logits of one task."""

import jax.numpy as jnp
from flax import linen as nn


class Head(nn.Module):
    """Linear classifier, with a hidden layer if asked for.

    Attributes:
      classes: C.
      hidden: width of the hidden layer, 0 for none.
      dropout: before the last layer.
    """

    classes: int
    hidden: int
    dropout: float

    @nn.compact
    def __call__(self, x, train: bool = False):
        """[..., D] -> float32 logits [..., C]."""
        x = x.astype(jnp.float32)
        if self.hidden:
            x = nn.tanh(nn.Dense(self.hidden, name="hidden_layer")(x))
        x = nn.Dropout(self.dropout, deterministic=not train)(x)
        return nn.Dense(self.classes, name="logits")(x)
