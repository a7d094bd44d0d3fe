"""Pooling: from the token vectors of a sentence to one sentence vector."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from mtt_jax.model.shapes import Array, Float, Float32, Int


class Pooling(nn.Module):
    """Pools each sentence of a packed row.

    Rows are packed: a row of L positions holds up to S sentences.

        segments   1 1 1 2 2 0      S = 2, the last position is padding
        pooled     [from 0..2, from 3..4]

    Attributes:
      method: "mean" of the token vectors, their "max" in each dimension, "cls" for the first
        token's vector, or "attention", a mean weighted by a learned score of each token.
      slots: S.
    """

    method: str
    slots: int

    @nn.compact
    def __call__(
        self,
        hidden: Float[Array, "B L D"],
        segments: Int[Array, "B L"],
        positions: Int[Array, "B L"],
    ) -> Float[Array, "B S D"]:
        """Returns sentence vectors in `hidden`'s dtype; zeros for a slot without a sentence.

        Args:
          hidden: token vectors.
          segments: 1..S, 0 for padding.
          positions: 0 at the first token of a sentence.
        """
        # Not one_hot(segments - 1): in ONNX the -1 of padding counts from the end.
        slot = jnp.arange(1, self.slots + 1)
        member = (segments[..., None] == slot).astype(jnp.float32)  # [B, L, S]
        if self.method == "max":
            return _max_pool(hidden, member)
        if self.method == "attention":
            score = nn.Dense(1, dtype=jnp.float32, name="score")(hidden)  # [B, L, 1]
            masked = jnp.where(member > 0, score, -jnp.inf)
            # A constant per slot cancels in the ratio; without it exp could overflow.
            top = jnp.max(masked, axis=1, keepdims=True)
            member = jnp.exp(masked - jnp.where(jnp.isfinite(top), top, 0.0))
        elif self.method == "cls":
            member = member * (positions == 0)[..., None]
        total = member.sum(axis=1)[..., None]  # [B, S, 1]
        share = (member / jnp.where(total > 0, total, 1.0)[:, None, :, 0]).astype(hidden.dtype)
        return jnp.einsum("BLS,BLD->BSD", share, hidden)


def _max_pool(
    hidden: Float[Array, "B L D"], member: Float32[Array, "B L S"]
) -> Float[Array, "B S D"]:
    """Largest value of each dimension over a slot's tokens; one slot at a time, to save memory."""

    def pool(mask: Float32[Array, "B L"]) -> Float[Array, "B D"]:
        top = jnp.max(jnp.where(mask[..., None] > 0, hidden, -jnp.inf), axis=1)
        return jnp.where(mask.sum(axis=1)[:, None] > 0, top, jnp.zeros_like(top))

    return jax.lax.map(pool, jnp.moveaxis(member, -1, 0)).swapaxes(0, 1)
