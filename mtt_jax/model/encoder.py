"""The shared transformer encoder, over rows of packed sentences.

Vaswani et al. 2017 (arXiv:1706.03762); pre-normalisation as in Xiong et al. 2020
(arXiv:2002.04745); rotary positions as in Su et al. 2021 (arXiv:2104.09864); gates as in Shazeer
2020 (arXiv:2002.05202); local layers as in Warner et al. 2024 (ModernBERT, arXiv:2412.13663).
"""

from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from mtt_jax.model.attention import attend, rotate, segment_bias, window_bias
from mtt_jax.model.dropout import Dropout
from mtt_jax.model.lora import Linear
from mtt_jax.model.matmul import bfloat16_dot_general
from mtt_jax.model.pooling import Pooling

ACTIVATIONS: dict[str, Callable] = {
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
    # By erf: XLA computes erfc, with which Flax writes it, in twice the time on a CPU.
    "gelu": lambda x: x * (0.5 + 0.5 * jax.lax.erf(x * 0.5**0.5)),
    "relu": nn.relu,
    "silu": nn.silu,
}
_INIT = nn.initializers.truncated_normal(stddev=0.02)


class Norm(nn.Module):
    """Layer normalisation in float32, returned in the input's type."""

    epsilon: float

    @nn.compact
    def __call__(self, x):
        """Normalises [..., D] over its last axis."""
        return nn.LayerNorm(epsilon=self.epsilon, dtype=jnp.float32, name="norm")(x).astype(x.dtype)


def sinusoid(positions: jax.Array, width: int) -> jax.Array:
    """Sinusoidal position embedding, float32 [B, L, width]: sines, then cosines."""
    half = width // 2
    frequency = 10000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = positions[..., None].astype(jnp.float32) * frequency
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def linear_of(module) -> Callable:
    """The dense layer of attention and feed-forward, with the module's types and rank."""
    apart = jnp.dtype(module.products) != module.dtype
    return partial(
        Linear,
        dtype=module.dtype,
        dot_general=bfloat16_dot_general if apart else None,
        kernel_init=_INIT,
        rank=module.lora_rank,
        alpha=module.lora_alpha,
    )


class Attention(nn.Module):
    """Multi-head self-attention, computed in the way that `way` names (attention.py)."""

    heads: int
    dropout: float
    rotary_base: float
    way: str
    dtype: jnp.dtype
    products: str
    lora_rank: int
    lora_alpha: float

    @nn.compact
    def __call__(self, x, bias, positions, train: bool):
        """Mixes [B, L, D] along L under the additive mask `bias` [B, 1, L, L]."""
        linear = linear_of(self)
        qkv = linear((3, self.heads, x.shape[-1] // self.heads), name="qkv")(x)
        # Not three slices, whose gradients would be padded and added up.
        query, key, value = (part[:, :, 0] for part in jax.lax.split(qkv, (1, 1, 1), axis=2))
        if self.rotary_base:
            query, key = (rotate(x, positions, self.rotary_base) for x in (query, key))
        rng = self.make_rng("dropout") if train and self.dropout else None
        # Blocks pay where a backward pass follows.
        way = "plain" if self.way == "blocked" and not train else self.way
        mixed = attend(way, query, key, value, bias, self.dropout, rng)  # [B, L, H, K]
        return linear(x.shape[-1], axis=(-2, -1), name="out")(mixed)


class Layer(nn.Module):
    """Attention and feed-forward, each with its residual and normalisation.

    Attributes beside those of `config.encoder`:
      rotary_base: 0 for positions that are not rotary.
      normalised: what comes in is normalised already, so that attention needs no norm of its own.
    """

    heads: int
    feedforward: int
    norm: str
    norm_epsilon: float
    activation: str
    gated: bool
    dropout: float
    attention_dropout: float
    attention: str
    rotary_base: float
    dtype: jnp.dtype
    products: str
    lora_rank: int
    lora_alpha: float
    normalised: bool = False

    @nn.compact
    def __call__(self, x, bias, positions, train: bool):
        """One layer over [B, L, D]."""
        attention = Attention(
            self.heads,
            self.attention_dropout,
            self.rotary_base,
            self.attention,
            self.dtype,
            self.products,
            self.lora_rank,
            self.lora_alpha,
            name="attention",
        )
        name = "" if self.normalised else "attention_norm"
        x = self._residual(name, x, lambda h: attention(h, bias, positions, train), train)
        return self._residual("feedforward_norm", x, self._feedforward, train)

    def _feedforward(self, x):
        width = self.feedforward * (1 + self.gated)
        linear = linear_of(self)
        hidden = linear(width, name="up")(x)
        if self.gated:
            hidden, gate = jnp.split(hidden, 2, axis=-1)
            hidden = ACTIVATIONS[self.activation](hidden) * gate
        else:
            hidden = ACTIVATIONS[self.activation](hidden)
        return linear(x.shape[-1], name="down")(hidden)

    def _residual(self, name: str, x, block: Callable, train: bool):
        """X + block(norm(x)), or norm(x + block(x)) where normalisation comes after."""
        norm = Norm(self.norm_epsilon, name=name) if name else lambda x: x
        mixed = block(norm(x) if self.norm == "pre" else x)
        x = x + Dropout(self.dropout)(mixed, train)
        return x if self.norm == "pre" else norm(x)


class Encoder(nn.Module):
    """Token ids to token vectors and sentence vectors.

    The fields are those of `config.encoder`, with the size of the vocabulary and S beside them, and
    with `products`, the type in which matrices multiply, where `dtype` is that of all else.
    """

    vocab_size: int
    slots: int
    layers: int
    width: int
    heads: int
    feedforward: int
    positions: str
    max_positions: int
    rotary_base: float
    window: int
    global_every: int
    local_rotary_base: float
    norm: str
    norm_epsilon: float
    embedding_norm: bool
    activation: str
    gated: bool
    dropout: float
    token_dropout: float
    attention_dropout: float
    attention: str
    lora_rank: int
    lora_alpha: float
    pooling: str
    dtype: str
    products: str
    remat: bool
    scan: bool

    @nn.compact
    def __call__(self, tokens, segments, positions, train: bool = False):
        """Encodes packed rows.

        Args:
          tokens: int32 [B, L].
          segments: int32 [B, L], 1..S, 0 where empty.
          positions: int32 [B, L], position inside the sentence.
          train: applies dropout, with the random stream "dropout".

        Returns:
          Token vectors [B, L, D] and sentence vectors [B, S, D], of type `dtype`.
        """
        dtype = jnp.dtype(self.dtype)
        x = self._embed(tokens, positions, train).astype(dtype)
        if self.norm == "post" or self.embedding_norm:
            x = Norm(self.norm_epsilon, name="embedding_norm")(x)
        x = Dropout(self.dropout)(x, train)
        x = self._layers(x, segment_bias(segments), positions, train, dtype)
        if self.norm == "pre":
            x = Norm(self.norm_epsilon, name="final_norm")(x)
        return x, Pooling(self.pooling, self.slots, name="pooling")(x, segments, positions)

    def _embed(self, tokens, positions, train):
        x = nn.Embed(self.vocab_size, self.width, embedding_init=_INIT, name="token_embedding")(
            tokens
        )
        # Whole vectors, before positions: the place is known, the word is not.
        x = nn.Dropout(self.token_dropout, broadcast_dims=(-1,), deterministic=not train)(x)
        if self.positions == "learned":
            table = nn.Embed(
                self.max_positions, self.width, embedding_init=_INIT, name="position_embedding"
            )
            x = x + table(positions)
        elif self.positions == "sinusoidal":
            # Scaled to the size of the token vectors, which would drown in it otherwise.
            x = x + 0.02 * sinusoid(positions, self.width)
        return x

    def _layers(self, x, bias, positions, train, dtype):
        layer = nn.remat(Layer, static_argnums=(4,)) if self.remat else Layer
        rotary = self.positions == "rotary"
        fields = {
            "heads": self.heads,
            "feedforward": self.feedforward,
            "norm": self.norm,
            "norm_epsilon": self.norm_epsilon,
            "activation": self.activation,
            "gated": self.gated,
            "dropout": self.dropout,
            "attention_dropout": self.attention_dropout,
            "attention": self.attention,
            "dtype": dtype,
            "products": self.products,
            "lora_rank": self.lora_rank,
            "lora_alpha": self.lora_alpha,
        }
        everywhere = bias, self.rotary_base if rotary else 0.0
        if self.scan:
            stacked = nn.scan(
                lambda module, carry, _: (module(carry, bias, positions, train), None),
                variable_axes={"params": 0},
                split_rngs={"params": True, "dropout": True},
                length=self.layers,
            )
            x, _ = stacked(layer(**fields, rotary_base=everywhere[1], name="layers"), x, None)
            return x
        nearby = everywhere
        if self.window:
            nearby = window_bias(bias, positions, self.window), self.local_rotary_base * rotary
        for index in range(self.layers):
            mask, base = nearby if index % self.global_every else everywhere
            normalised = self.embedding_norm and index == 0
            named = layer(**fields, rotary_base=base, normalised=normalised, name=f"layer_{index}")
            x = named(x, mask, positions, train)
        return x
