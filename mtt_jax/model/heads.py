"""Heads: from the encoder's vectors to the logits of each task."""

from collections.abc import Mapping

import jax.numpy as jnp
from flax import linen as nn

from mtt_jax.model.shapes import Array, Float, Float32, Int
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


class SubwordHead(nn.Module):
    """Scores every subword of the vocabulary with its own vector in the encoder, as BERT does.

    Only the vectors of hidden subwords get here, M per row: logits of a whole row, [B, L, C], would
    be by far the largest array of a step.
    """

    spec: HeadSpec

    @nn.compact
    def __call__(
        self, x: Float[Array, "B M D"], table: Float[Array, "C D"], train: bool = False
    ) -> Float32[Array, "B M C"]:
        """Vectors to logits; `table` has the vectors of the subwords."""
        x = x.astype(jnp.float32)
        x = nn.gelu(nn.Dense(x.shape[-1], name="transform")(x), approximate=True)
        x = nn.LayerNorm(name="norm")(x)
        x = nn.Dropout(self.spec.dropout, deterministic=not train)(x)
        bias = self.param("bias", nn.initializers.zeros, (self.spec.classes,))
        return jnp.einsum("BMD,CD->BMC", x, table.astype(jnp.float32)) + bias


def at_positions(
    tokens: Float[Array, "B L D"], positions: Int[Array, "B M"]
) -> Float[Array, "B M D"]:
    """The token vectors at some positions of each row."""
    return jnp.take_along_axis(tokens, positions[..., None], axis=1)


class Heads(nn.Module):
    """The heads of all tasks; `specs` is task -> spec."""

    specs: Mapping[str, HeadSpec]

    @nn.compact
    def __call__(
        self,
        tokens: Float[Array, "B L D"],
        sentences: Float[Array, "B S D"],
        train: bool = False,
        hidden: Mapping[str, Int[Array, "B M 2"]] | None = None,
        table: Float[Array, "C D"] | None = None,
    ) -> dict[str, Float32[Array, "B _ _"]]:
        """Task -> logits: [B, S, C] per sentence, [B, L, C] per word, [B, M, C] per hidden subword.

        Args:
          tokens: token vectors.
          sentences: sentence vectors.
          train: applies dropout.
          hidden: task -> (position, id) of each hidden subword; heads that read them have no logits
            without.
          table: of the encoder's subwords, for these heads.
        """
        vectors = {"sentence": sentences, "word": tokens}
        logits = {}
        for name, spec in self.specs.items():
            if spec.unit in vectors:
                logits[name] = Head(spec, name=name)(vectors[spec.unit], train)
            elif hidden and name in hidden:
                assert table is not None, "a head over hidden subwords needs the encoder's table"
                x = at_positions(tokens, hidden[name][..., 0])
                logits[name] = SubwordHead(spec, name=name)(x, table, train)
        return logits
