"""Attention over rows of packed sentences: masks, rotary positions and four implementations.

    plain    batched matmuls that run on any device, differentiate and export
    blocked  a few rows at a time, forward and backward, so that their weights [b, H, L, L] stay in
             a CPU's cache; the backward pass recomputes them (Dao et al. 2022, arXiv:2205.14135,
             whose blocks are sized for a GPU's on-chip memory)
    fused    our kernels for NVIDIA GPUs, for bfloat16, which skip what no sentence shares
             (fused_attention.py)
    cudnn    NVIDIA's fused kernel through `jax.nn.dot_product_attention`, for bfloat16

All compute the same function; their results differ only by rounding. In addition to the
letters of types.py, K is the width of a head, and [Q, P] are the L queries by the L keys.
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp

from mtt_jax.model.dropout import drop_by, random_bytes
from mtt_jax.model.shapes import Array, Float, Float32, Int, UInt8

# Bytes of attention weights per block: what two cores keep in their caches. Half and twice as much
# take about the same time (benchmarks/blocks.py).
BLOCK_BYTES = 4 << 20
# What the fused kernels are written for: rows of whole blocks, and heads whose width the tensor
# cores take and whose blocks fit into a GPU's on-chip memory.
_FUSED_LENGTH = 64
_FUSED_WIDTHS = (16, 32, 64, 128)


@partial(
    jax.tree_util.register_dataclass, data_fields=("segments", "bias"), meta_fields=("window",)
)
@dataclass(frozen=True)
class Mask:
    """Which positions see each other, in the two forms that implementations take.

    Attributes:
      segments: 1..S, 0 for padding.
      bias: as returned by `segment_bias` or `window_bias`; XLA drops it if nothing uses it.
      window: how far away a position may be to be seen; 0 for the whole sentence.
    """

    segments: Int[Array, "B L"]
    bias: Float32[Array, "B 1 L L"]
    window: int = 0


def mask_of(segments: Int[Array, "B L"], positions: Int[Array, "B L"], window: int = 0) -> Mask:
    """The mask of packed rows.

    Args:
      segments: 1..S, 0 for padding.
      positions: inside each sentence.
      window: how far away a position may be to be seen; 0 for the whole sentence.
    """
    bias = segment_bias(segments)
    if window:
        bias = window_bias(bias, positions, window)
    return Mask(segments, bias, window)


def segment_bias(segments: Int[Array, "B L"]) -> Float32[Array, "B 1 L L"]:
    """Additive attention mask: 0 inside a sentence, a large negative number across.

        segments  1 1 2 0      1 1 . .
                               1 1 . .       . masked
                               . . 1 .
                               . . . 1       empty positions see one another, so no row of the
                                             softmax is empty

    The number is finite: with -inf a masked row would be NaN.
    """
    same = segments[:, :, None] == segments[:, None, :]
    return jnp.where(same, 0.0, -1e9).astype(jnp.float32)[:, None]


def window_bias(
    bias: Float32[Array, "B 1 L L"], positions: Int[Array, "B L"], window: int
) -> Float32[Array, "B 1 L L"]:
    """`segment_bias` that also masks what is more than `window` positions away."""
    distance = jnp.abs(positions[:, :, None] - positions[:, None, :])
    return jnp.where((distance <= window)[:, None], bias, -1e9)


def rotate(
    x: Float[Array, "B L H K"], positions: Int[Array, "B L"], base: float
) -> Float[Array, "B L H K"]:
    """Rotary position embedding: rotates pairs (i, i + K/2) by position * frequency.

    Args:
      x: queries or keys.
      positions: inside each sentence.
      base: the slowest frequency is 1 / base.
    """
    half = x.shape[-1] // 2
    frequency = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = positions[..., None, None].astype(jnp.float32) * frequency  # [B, L, 1, K/2]
    first, second = x[..., :half].astype(jnp.float32), x[..., half:].astype(jnp.float32)
    rotated = [
        first * jnp.cos(angle) - second * jnp.sin(angle),
        second * jnp.cos(angle) + first * jnp.sin(angle),
    ]
    return jnp.concatenate(rotated, axis=-1).astype(x.dtype)


def fits(length: int, width: int, dtype: str) -> bool:
    """Whether the fused kernels can compute rows of a length, with heads of a width."""
    return dtype == "bfloat16" and length % _FUSED_LENGTH == 0 and width in _FUSED_WIDTHS


def attend(
    implementation: str,
    query: Float[Array, "B L H K"],
    key: Float[Array, "B L H K"],
    value: Float[Array, "B L H K"],
    mask: Mask,
    dropout: float = 0.0,
    rng: Array | None = None,
) -> Float[Array, "B L H K"]:
    """Mixes values along L: softmax(query . key / sqrt(K) + bias) . value.

    Args:
      implementation: "plain", "blocked", "fused" or "cudnn". Plain attention is used instead of
        fused for shapes that do not fit, and instead of cudnn with dropout.
      query: what each position asks for.
      key: what each position offers.
      value: what is mixed; the result has its dtype.
      mask: which positions see each other.
      dropout: rate on the attention weights; needs `rng`.
      rng: random key; None outside training.
    """
    rows, length, heads, width = query.shape
    if implementation == "fused" and fits(length, width, query.dtype.name):
        # Only here, as Pallas takes time to load.
        from mtt_jax.model.fused_attention import fused_attention

        seed = None if rng is None else jax.random.bits(rng, (), jnp.uint32)
        return fused_attention(query, key, value, mask.segments, mask.window, dropout, seed)
    drawn = None
    if rng is not None and dropout:
        # One byte per weight, drawn here: inside the blocks both passes would draw them.
        drawn = random_bytes(rng, (rows, heads, length, length))
    if implementation == "cudnn" and drawn is None:
        return jax.nn.dot_product_attention(
            query, key, value, mask=mask.bias == 0.0, implementation="cudnn"
        )
    if implementation == "blocked":
        return _blocked(dropout, query, key, value, mask.bias, drawn)
    return _plain(dropout, query, key, value, mask.bias, drawn)


def _plain(rate, query, key, value, bias, drawn):
    logits = jnp.einsum("BQHK,BPHK->BHQP", query, key).astype(jnp.float32)
    weights = jax.nn.softmax(logits * query.shape[-1] ** -0.5 + bias).astype(value.dtype)
    weights = _drop(weights, drawn, rate)
    return jnp.einsum("BHQP,BPHK->BQHK", weights, value)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _blocked(rate, query, key, value, bias, drawn):
    return _blocked_forward(rate, query, key, value, bias, drawn)[0]


def _blocked_forward(rate, query, key, value, bias, drawn):
    def block(query, key, value, bias, drawn):
        # [b, L, H, K] -> [b, H, L, K], the layout in which many small matmuls run fastest
        query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
        logits = _logits(query, key, bias)
        top = logits.max(axis=-1, keepdims=True)
        weights = jnp.exp(logits - top)
        total = weights.sum(axis=-1, keepdims=True)
        mixed = _drop(weights, drawn, rate).astype(value.dtype) @ value
        mixed = (mixed / total).astype(value.dtype)
        return jnp.swapaxes(mixed, 1, 2), (top + jnp.log(total))[..., 0]

    mixed, log_total = _map_blocks(block, query, key, value, bias, drawn)
    return mixed, (query, key, value, bias, drawn, mixed, log_total)


def _blocked_backward(rate, saved, grad):
    bias = saved[3]

    def block(query, key, value, bias, drawn, mixed, log_total, grad):
        # [b, L, H, K] -> [b, H, L, K]
        query, key, value, mixed, grad = (
            jnp.swapaxes(x, 1, 2) for x in (query, key, value, mixed, grad)
        )
        weights = jnp.exp(_logits(query, key, bias) - log_total[..., None])
        used = _drop(weights, drawn, rate)
        value_grad = _sum_over_queries(grad, used)
        weights_grad = jnp.einsum("BHQK,BHPK->BHQP", grad, value).astype(jnp.float32)
        weights_grad = _drop(weights_grad, drawn, rate)
        shared = (grad * mixed).astype(jnp.float32).sum(axis=-1, keepdims=True)
        logits_grad = weights * (weights_grad - shared) * query.shape[-1] ** -0.5
        query_grad = logits_grad.astype(key.dtype) @ key
        key_grad = _sum_over_queries(query, logits_grad)
        return tuple(jnp.swapaxes(x, 1, 2) for x in (query_grad, key_grad, value_grad))

    return *_map_blocks(block, *saved, grad), jnp.zeros_like(bias), None


_blocked.defvjp(_blocked_forward, _blocked_backward)


def _logits(
    query: Float[Array, "b H L K"], key: Float[Array, "b H L K"], bias: Float32[Array, "b 1 L L"]
) -> Float32[Array, "b H L L"]:
    logits = jnp.einsum("BHQK,BHPK->BHQP", query, key).astype(jnp.float32)
    return logits * query.shape[-1] ** -0.5 + bias


def _drop(
    weights: Float[Array, "b H L L"], drawn: UInt8[Array, "b H L L"] | None, rate: float
) -> Float[Array, "b H L L"]:
    """The weights after dropout; unchanged if nothing is drawn."""
    return weights if drawn is None else drop_by(weights, drawn, rate)


def _sum_over_queries(
    x: Float[Array, "b H Q K"], weights: Float32[Array, "b H Q P"]
) -> Float[Array, "b H P K"]:
    """Transposed weights times x.

    The small matrix is transposed, and the barrier keeps it so: otherwise the compiler transposes
    the large one, and that matmul is slower.
    """
    transposed = jax.lax.optimization_barrier(jnp.swapaxes(x, -1, -2))  # [b, H, K, Q]
    return jnp.swapaxes(transposed @ weights.astype(x.dtype), -1, -2)


def _map_blocks(block, *arrays):
    """block(a few rows of each array) for all rows, joined along B; None stays None."""
    rows, length, heads = arrays[0].shape[:3]
    most = max(1, BLOCK_BYTES // (4 * heads * length * length))
    size = max(n for n in range(1, min(most, rows) + 1) if rows % n == 0)
    if size == rows:
        return block(*arrays)
    # [B, ...] -> [B/b, b, ...] and back
    split = jax.tree.map(lambda x: x.reshape(rows // size, size, *x.shape[1:]), arrays)
    results = jax.lax.map(lambda given: block(*given), split)
    return jax.tree.map(lambda x: x.reshape(rows, *x.shape[2:]), results)
