"""Heads: from the encoder's vectors to the logits of each task."""

from collections.abc import Mapping

import jax.numpy as jnp
from flax import linen as nn

from mtt_jax.model.shapes import Array, Float, Float32
from mtt_jax.model.spec import HeadSpec


class Head(nn.Module):
    """Linear classifier of one task, with a hidden layer if asked for."""

    spec: HeadSpec

    @nn.compact
    def __call__(self, x: Float[Array, "... D"], train: bool = False) -> Float32[Array, "... C"]:
        """Vectors to logits."""
        x = x.astype(jnp.float32)
        if self.spec.hidden:
            x = nn.tanh(nn.Dense(self.spec.hidden, name="hidden_layer")(x))
        x = nn.Dropout(self.spec.dropout, deterministic=not train)(x)
        return nn.Dense(self.spec.classes, name="logits")(x)


class Heads(nn.Module):
    """The heads of all tasks; `specs` is task -> spec."""

    specs: Mapping[str, HeadSpec]

    @nn.compact
    def __call__(
        self,
        tokens: Float[Array, "B L D"],
        sentences: Float[Array, "B S D"],
        train: bool = False,
    ) -> dict[str, Float32[Array, "B _ _"]]:
        """Task -> logits: [B, S, C] per sentence, [B, L, C] per word."""
        vectors = {"sentence": sentences, "word": tokens}
        return {
            name: Head(spec, name=name)(vectors[spec.unit], train)
            for name, spec in self.specs.items()
        }
