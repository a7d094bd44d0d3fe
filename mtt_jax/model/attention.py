"""Attention over rows of packed sentences: masks, rotary positions, and three ways to compute it.

    plain    batched products that any device runs, any compiler differentiates and exports
    blocked  a few rows at a time, forward and backward, so that their weights [b, H, L, L] stay in
             a CPU's cache; the backward pass computes them again (Dao et al. 2022,
             arXiv:2205.14135, whose blocks are for a GPU's memory)
    cudnn    NVIDIA's fused kernel through `jax.nn.dot_product_attention`, for bfloat16

All give the same numbers but for rounding.
"""

from functools import partial

import jax
import jax.numpy as jnp

from mtt_jax.model.dropout import drop_by, random_bytes

# Attention weights of a block, in bytes: what two cores keep in their caches.
_BLOCK_BYTES = 4 << 20


def segment_bias(segments: jax.Array) -> jax.Array:
    """Additive attention mask: 0 inside a sentence, a large negative number across.

        segments  1 1 2 0      1 1 . .
                               1 1 . .       . masked
                               . . 1 .
                               . . . 1       empty positions see one another, so no row of the
                                             softmax is empty
    Args:
      segments: int32 [B, L].

    Returns:
      float32 [B, 1, L, L]. The number is finite: with -inf a masked row would be NaN.
    """
    same = segments[:, :, None] == segments[:, None, :]
    return jnp.where(same, 0.0, -1e9).astype(jnp.float32)[:, None]


def window_bias(bias: jax.Array, positions: jax.Array, window: int) -> jax.Array:
    """`segment_bias` with what is further than `window` positions away masked as well."""
    distance = jnp.abs(positions[:, :, None] - positions[:, None, :])
    return jnp.where((distance <= window)[:, None], bias, -1e9)


def rotate(x: jax.Array, positions: jax.Array, base: float) -> jax.Array:
    """Rotary position embedding: turns pairs (i, i + K/2) by position * frequency.

    Args:
      x: [B, L, H, K] queries or keys.
      positions: int32 [B, L].
      base: the slowest frequency is 1 / base.
    """
    half = x.shape[-1] // 2
    frequency = base ** (-jnp.arange(half, dtype=jnp.float32) / half)
    angle = positions[..., None, None].astype(jnp.float32) * frequency  # [B, L, 1, K/2]
    first, second = x[..., :half].astype(jnp.float32), x[..., half:].astype(jnp.float32)
    turned = [
        first * jnp.cos(angle) - second * jnp.sin(angle),
        second * jnp.cos(angle) + first * jnp.sin(angle),
    ]
    return jnp.concatenate(turned, axis=-1).astype(x.dtype)


def attend(way: str, query, key, value, bias, dropout: float = 0.0, rng: jax.Array | None = None):
    """Mixes values along L: softmax(query . key / sqrt(K) + bias) . value.

    Args:
      way: one of this file's.
      query: [B, L, H, K]; so are `key` and `value`.
      key: see `query`.
      value: see `query`.
      bias: float32 [B, 1, L, L] of `segment_bias`.
      dropout: rate on the weights, where there is an `rng`.
      rng: None outside training.

    Returns:
      [B, L, H, K] in the type of `value`.
    """
    drawn = None
    if rng is not None and dropout:
        # Drawn here, a byte a weight: inside the blocks they would be drawn in both passes.
        rows, length, heads = query.shape[:3]
        drawn = random_bytes(rng, (rows, heads, length, length))
    if way == "cudnn" and drawn is None:
        return jax.nn.dot_product_attention(
            query, key, value, mask=bias == 0.0, implementation="cudnn"
        )
    if way == "blocked":
        return _blocked(dropout, query, key, value, bias, drawn)
    return _plain(dropout, query, key, value, bias, drawn)


def _plain(rate, query, key, value, bias, drawn):
    logits = jnp.einsum("BQHK,BPHK->BHQP", query, key).astype(jnp.float32)
    weights = jax.nn.softmax(logits * query.shape[-1] ** -0.5 + bias).astype(value.dtype)
    weights = _dropped(weights, drawn, rate)
    return jnp.einsum("BHQP,BPHK->BQHK", weights, value)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _blocked(rate, query, key, value, bias, drawn):
    return _forward(rate, query, key, value, bias, drawn)[0]


def _forward(rate, query, key, value, bias, drawn):
    def block(query, key, value, bias, drawn):
        # [b, L, H, K] -> [b, H, L, K], which products of many small matrices run best on
        query, key, value = (jnp.swapaxes(x, 1, 2) for x in (query, key, value))
        logits = _logits(query, key, bias)
        top = logits.max(axis=-1, keepdims=True)
        weights = jnp.exp(logits - top)
        total = weights.sum(axis=-1, keepdims=True)
        mixed = _dropped(weights, drawn, rate).astype(value.dtype) @ value
        mixed = (mixed / total).astype(value.dtype)
        return jnp.swapaxes(mixed, 1, 2), (top + jnp.log(total))[..., 0]

    mixed, normaliser = _by_blocks(block, query, key, value, bias, drawn)
    return mixed, (query, key, value, bias, drawn, mixed, normaliser)


def _backward(rate, saved, grad):
    bias = saved[3]

    def block(query, key, value, bias, drawn, mixed, normaliser, grad):
        query, key, value, mixed, grad = (
            jnp.swapaxes(x, 1, 2) for x in (query, key, value, mixed, grad)
        )
        weights = jnp.exp(_logits(query, key, bias) - normaliser[..., None])
        used = _dropped(weights, drawn, rate)
        value_grad = _transposed_product(grad, used)
        weights_grad = jnp.einsum("BHQK,BHPK->BHQP", grad, value).astype(jnp.float32)
        weights_grad = _dropped(weights_grad, drawn, rate)
        shared = (grad * mixed).astype(jnp.float32).sum(axis=-1, keepdims=True)
        logits_grad = weights * (weights_grad - shared) * query.shape[-1] ** -0.5
        query_grad = logits_grad.astype(key.dtype) @ key
        key_grad = _transposed_product(query, logits_grad)
        return tuple(jnp.swapaxes(x, 1, 2) for x in (query_grad, key_grad, value_grad))

    return *_by_blocks(block, *saved, grad), jnp.zeros_like(bias), None


_blocked.defvjp(_forward, _backward)


def _logits(query, key, bias):
    """float32 [b, H, L, L] from [b, H, L, K]."""
    logits = jnp.einsum("BHQK,BHPK->BHQP", query, key).astype(jnp.float32)
    return logits * query.shape[-1] ** -0.5 + bias


def _dropped(weights, drawn, rate):
    """The weights after dropout; as they are where nothing is drawn."""
    return weights if drawn is None else drop_by(weights, drawn, rate)


def _transposed_product(x, weights):
    """[b, H, L, K] and [b, H, L, P] -> [b, H, P, K], summed over L.

    The small matrix is turned round and kept so: the compiler would turn the large one, and that
    product is slower.
    """
    turned = jax.lax.optimization_barrier(jnp.swapaxes(x, -1, -2))
    return jnp.swapaxes(turned @ weights.astype(x.dtype), -1, -2)


def _by_blocks(block, *arrays):
    """block(rows of each array), joined along B; None stays None."""
    rows, length, heads = arrays[0].shape[:3]
    most = max(1, _BLOCK_BYTES // (4 * heads * length * length))
    size = max(n for n in range(1, min(most, rows) + 1) if rows % n == 0)
    if size == rows:
        return block(*arrays)
    split = jax.tree.map(lambda x: x.reshape(rows // size, size, *x.shape[1:]), arrays)
    found = jax.lax.map(lambda given: block(*given), split)
    return jax.tree.map(lambda x: x.reshape(rows, *x.shape[2:]), found)
