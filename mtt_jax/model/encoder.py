"""The shared transformer encoder, over rows of packed sentences.

Vaswani et al. 2017 (arXiv:1706.03762); pre-normalization as in Xiong et al. 2020
(arXiv:2002.04745); rotary positions as in Su et al. 2021 (arXiv:2104.09864); gates as in Shazeer
2020 (arXiv:2002.05202); local layers as in Warner et al. 2024 (ModernBERT, arXiv:2412.13663).
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from mtt_jax.model.attention import Mask, attend, mask_of, rotate
from mtt_jax.model.convolution import neighbors
from mtt_jax.model.dropout import Dropout, key_in
from mtt_jax.model.lora import Linear
from mtt_jax.model.matmul import bfloat16_dot_general
from mtt_jax.model.pooling import Pooling
from mtt_jax.model.shapes import Array, Bool, Float, Float32, Int
from mtt_jax.model.spec import EncoderSpec

ACTIVATIONS: dict[str, Callable] = {
    "gelu_tanh": lambda x: nn.gelu(x, approximate=True),
    # With erf: Flax writes it with erfc, which takes XLA twice as long on a CPU.
    "gelu": lambda x: x * (0.5 + 0.5 * jax.lax.erf(x * 0.5**0.5)),
    "relu": nn.relu,
    "silu": nn.silu,
}
_INIT = nn.initializers.truncated_normal(stddev=0.02)


class Norm(nn.Module):
    """Layer normalization over D, computed in float32 and returned in the input's dtype."""

    epsilon: float

    @nn.compact
    def __call__(self, x: Float[Array, "... D"]) -> Float[Array, "... D"]:
        """Normalizes each vector."""
        return nn.LayerNorm(epsilon=self.epsilon, dtype=jnp.float32, name="norm")(x).astype(x.dtype)


def sinusoid(positions: Int[Array, "B L"], width: int) -> Float32[Array, "B L {width}"]:
    """Sinusoidal position embedding: sines, then cosines."""
    half = width // 2
    frequency = 10000.0 ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = positions[..., None].astype(jnp.float32) * frequency
    return jnp.concatenate([jnp.sin(angle), jnp.cos(angle)], axis=-1)


def projection_of(spec: EncoderSpec) -> Callable[..., Linear]:
    """The dense layer of attention and feed-forward, with the encoder's dtypes and LoRA rank."""
    dtype = jnp.dtype(spec.dtype)
    mixed = jnp.dtype(spec.matmul_dtype) != dtype
    return partial(
        Linear,
        dtype=dtype,
        dot_general=bfloat16_dot_general if mixed else None,
        kernel_init=_INIT,
        rank=spec.lora_rank,
        alpha=spec.lora_alpha,
    )


class LayerKeys(NamedTuple):
    """Keys of dropout in one layer.

    Attributes:
      weights: for those of attention.
      attention: for the output of that block.
      feedforward: for the output of that block.
    """

    weights: Array
    attention: Array
    feedforward: Array


class Attention(nn.Module):
    """Multi-head self-attention.

    Attributes:
      spec: the encoder.
      rotary_base: 0 for positions that are not rotary.
    """

    spec: EncoderSpec
    rotary_base: float

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L D"],
        mask: Mask,
        positions: Int[Array, "B L"],
        train: bool,
        dropout_key: Array | None = None,
    ) -> Float[Array, "B L D"]:
        """Mixes vectors along L, between positions that see each other."""
        spec, projection = self.spec, projection_of(self.spec)
        width = x.shape[-1]
        qkv = projection((3, spec.heads, width // spec.heads), name="qkv")(x)  # [B, L, 3, H, K]
        # One split: the gradients of three slices would be padded and added up.
        query, key, value = (part[:, :, 0] for part in jax.lax.split(qkv, (1, 1, 1), axis=2))
        if self.rotary_base:
            query, key = (rotate(x, positions, self.rotary_base) for x in (query, key))
        rate = spec.attention_dropout
        rng = None
        if train and rate:
            rng = self.make_rng("dropout") if dropout_key is None else dropout_key
        implementation = spec.attention
        if implementation == "blocked" and not train:
            implementation = "plain"  # blocks pay off only if a backward pass follows
        mixed = attend(implementation, query, key, value, mask, rate, rng)  # [B, L, H, K]
        return projection(width, axis=(-2, -1), name="out")(mixed)


class Layer(nn.Module):
    """Attention and feed-forward, each with its residual and normalization.

    Attributes:
      spec: the encoder.
      rotary_base: 0 for positions that are not rotary.
      normalized: the input is already normalized, so attention needs no norm of its own.
    """

    spec: EncoderSpec
    rotary_base: float
    normalized: bool = False

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "B L D"],
        mask: Mask,
        positions: Int[Array, "B L"],
        train: bool,
        keys: LayerKeys | None = None,
    ) -> Float[Array, "B L D"]:
        """Applies the layer to every row; without `keys` they come from the stream "dropout"."""
        weights, first, second = keys or (None, None, None)
        attention = Attention(self.spec, self.rotary_base, name="attention")

        def attended(h: Array) -> Array:
            return attention(h, mask, positions, train, weights)

        x = self._residual("" if self.normalized else "attention_norm", x, attended, train, first)
        return self._residual("feedforward_norm", x, self._feedforward, train, second)

    def _feedforward(self, x: Float[Array, "B L D"]) -> Float[Array, "B L D"]:
        spec, projection = self.spec, projection_of(self.spec)
        activation = ACTIVATIONS[spec.activation]
        hidden = projection(spec.feedforward * (1 + spec.gated), name="up")(x)
        if spec.gated:
            hidden, gate = jnp.split(hidden, 2, axis=-1)
            hidden = activation(hidden) * gate
        else:
            hidden = activation(hidden)
        return projection(x.shape[-1], name="down")(hidden)

    def _residual(
        self,
        name: str,
        x: Float[Array, "B L D"],
        block: Callable,
        train: bool,
        key: Array | None,
    ) -> Float[Array, "B L D"]:
        """X + block(norm(x)), or norm(x + block(x)) with post-normalization; no norm if name is "".

        Args:
          name: of the norm; "" for none.
          x: input of the block.
          block: attention or feed-forward.
          train: applies dropout.
          key: of dropout; None for one from the stream.
        """
        spec = self.spec
        norm = Norm(spec.norm_epsilon, name=name) if name else lambda x: x
        mixed = block(norm(x) if spec.norm == "pre" else x)
        x = x + Dropout(spec.dropout)(mixed, train, key)
        return x if spec.norm == "pre" else norm(x)


class Convolution(nn.Module):
    """x + gelu(W neighbors(norm(x))), over the embeddings."""

    spec: EncoderSpec

    @nn.compact
    def __call__(
        self, x: Float[Array, "B L D"], segments: Int[Array, "B L"], train: bool
    ) -> Float[Array, "B L D"]:
        """Adds to each vector what stands beside it in its sentence."""
        spec = self.spec
        projection = projection_of(spec)(x.shape[-1], rank=0, name="projection")
        around = neighbors(Norm(spec.norm_epsilon, name="norm")(x), segments, spec.convolution)
        return x + Dropout(spec.dropout)(ACTIVATIONS["gelu_tanh"](projection(around)), train)


class Encoder(nn.Module):
    """Token ids to token vectors and sentence vectors."""

    spec: EncoderSpec

    @nn.compact
    def __call__(
        self,
        tokens: Int[Array, "B L"],
        segments: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        train: bool = False,
        features: Int[Array, "B L F"] | None = None,
        hidden: Bool[Array, "B L"] | None = None,
    ) -> tuple[Float[Array, "B L D"], Float[Array, "B S D"]]:
        """Encodes packed rows.

        Args:
          tokens: subword ids.
          segments: 1..S, 0 for padding.
          positions: position inside its sentence.
          train: applies dropout, with the random stream "dropout".
          features: ids of word features, if the spec names any.
          hidden: positions whose word is hidden, if training hides words.

        Returns:
          Token vectors and sentence vectors, in the spec's `dtype`.
        """
        spec = self.spec
        x = self._embed(tokens, positions, features, hidden if train else None)
        x = x.astype(jnp.dtype(spec.dtype))
        if spec.norm == "post" or spec.embedding_norm:
            x = Norm(spec.norm_epsilon, name="embedding_norm")(x)
        x = Dropout(spec.dropout)(x, train)
        if spec.convolution:
            x = Convolution(spec, name="convolution")(x, segments, train)
        x = self._layers(x, segments, positions, train)
        if spec.norm == "pre":
            x = Norm(spec.norm_epsilon, name="final_norm")(x)
        return x, Pooling(spec.pooling, spec.slots, name="pooling")(x, segments, positions)

    def _embed(
        self,
        tokens: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        features: Int[Array, "B L F"] | None,
        hidden: Bool[Array, "B L"] | None,
    ) -> Float32[Array, "B L D"]:
        spec = self.spec
        table = nn.Embed(spec.vocab_size, spec.width, embedding_init=_INIT, name="token_embedding")
        told: list[Array] = [table(tokens)]  # what tells words apart
        shapes: list[Array] = []  # and what does not
        for index, (name, rows, tells) in enumerate(spec.word_features):
            table = nn.Embed(rows, spec.width, embedding_init=_INIT, name=f"{name}_embedding")
            assert features is not None, "the spec names word features, and the batch has none"
            (told if tells else shapes).append(table(features[..., index]))
        x = sum(told[1:], told[0])
        if hidden is not None:
            # A vector of its own for hidden words would tell the model when to use what it knows by
            # heart: with 0 it cannot tell, and the others are scaled up as in any dropout.
            x = jnp.where(hidden[..., None], 0.0, x / (1.0 - spec.word_dropout))
        x = sum(shapes, x)
        if spec.positions == "learned":
            table = nn.Embed(
                spec.max_positions, spec.width, embedding_init=_INIT, name="position_embedding"
            )
            x = x + table(positions)
        elif spec.positions == "sinusoidal":
            # Scaled to the size of fresh token vectors, which it would drown otherwise.
            x = x + 0.02 * sinusoid(positions, spec.width)
        return x

    def _layers(
        self,
        x: Float[Array, "B L D"],
        segments: Int[Array, "B L"],
        positions: Int[Array, "B L"],
        train: bool,
    ) -> Float[Array, "B L D"]:
        """All layers: a stack of one, or one after another, of which some may be local."""
        spec = self.spec
        rotary = spec.positions == "rotary"
        global_base = spec.rotary_base if rotary else 0.0
        global_mask = mask_of(segments, positions)
        if spec.scan:
            kind = nn.remat(Layer, static_argnums=(4,)) if spec.remat else Layer
            stacked = nn.scan(
                lambda module, carry, _: (module(carry, global_mask, positions, train), None),
                variable_axes={"params": 0},
                split_rngs={"params": True, "dropout": True},
                length=spec.layers,
            )
            x, _ = stacked(kind(spec, global_base, name="layers"), x, None)
            return x
        local_mask, local_base = global_mask, global_base
        if spec.window:
            local_mask = mask_of(segments, positions, spec.window)
            local_base = spec.local_rotary_base * rotary
        for index in range(spec.layers):
            local = index % spec.global_every > 0
            mask, base = (local_mask, local_base) if local else (global_mask, global_base)
            layer = Layer(
                spec, base, normalized=spec.embedding_norm and index == 0, name=f"layer_{index}"
            )
            if self.is_initializing():
                x = layer(x, mask, positions, train)
            else:
                keys = _keys_of(layer) if train and self.has_rng("dropout") else None
                unbound = layer.clone(parent=None, name=None)
                x = _layer(unbound, layer.variables, x, mask, positions, train, keys)
        return x


def _keys_of(layer: Layer) -> LayerKeys:
    """The keys that a layer would draw by itself, by the names that Flax gives their places."""
    return LayerKeys(*(key_in(layer, name) for name in ("attention", "Dropout_0", "Dropout_1")))


@partial(jax.jit, static_argnums=(0, 5))
def _layer(
    layer: Layer,
    variables: Mapping[str, Any],
    x: Float[Array, "B L D"],
    mask: Mask,
    positions: Int[Array, "B L"],
    train: bool,
    keys: LayerKeys | None,
) -> Float[Array, "B L D"]:
    """A layer as a function of its own.

    JAX traces and lowers it once for all layers that differ only in their parameters, and not once
    for each. XLA puts it in where it is called: the compiled program is the same.

    Args:
      layer: without parameters.
      variables: its own.
      x: vectors of its input.
      mask: which positions see each other.
      positions: inside each sentence.
      train: applies dropout.
      keys: of dropout; None outside training.
    """

    def apply(variables: Mapping[str, Any], x: Array) -> Any:
        return layer.apply(variables, x, mask, positions, train, keys)

    return (jax.checkpoint(apply) if layer.spec.remat else apply)(variables, x)
