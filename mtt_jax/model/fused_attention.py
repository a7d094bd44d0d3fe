"""Attention that skips what no sentence shares, as kernels for NVIDIA GPUs.

Rows are packed, so most blocks of the attention matrix are masked as a whole. The kernels visit
only the others, one block of queries by one block of keys at a time, and keep no weights [L, L]:

    segments  1 1 1 1 2 2 3 3 3 3 0 0        # # .
    blocks    0       1       2              # # #      blocks of 4 queries by 4 keys, visited (#)
                                             . # #      or skipped (.)

The softmax is computed block by block, and its weights are recomputed in the backward pass
(Dao 2023, arXiv:2307.08691). One kernel computes the forward pass and one all gradients. They read
queries, keys and values from one array, as a dense layer computes them, and write their gradients
to one: splitting and joining such arrays takes a third as long as the kernels. They are written in
Pallas (https://docs.jax.dev/en/latest/pallas), for its Triton backend. JAX 0.12 deprecates that
backend without naming a version that lacks it; `weights.build` uses plain attention if it is
missing.

In addition to the letters of attention.py, N is the number of blocks of a row.
"""

import math
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import lax
from jax.experimental import pallas as pl

from mtt_jax.model.dropout import dropped_levels
from mtt_jax.model.shapes import Array, Float, Float32, Int, UInt8, UInt32


class Tile(NamedTuple):
    """What one program of a kernel computes at a time.

    Attributes:
      block: positions that the program computes.
      partner: positions that it visits at a time.
      warps: groups of 32 threads that share the work.
      stages: blocks that are loaded ahead of their use.
    """

    block: int
    partner: int
    warps: int
    stages: int


class Tiling(NamedTuple):
    """The tile of each kernel."""

    forward: Tile
    backward: Tile


# Of the size of a sentence: larger blocks compute more that is masked, and smaller ones leave the
# tensor cores, which multiply 64 rows at a time, idle.
TILING = Tiling(Tile(64, 64, 4, 2), Tile(64, 64, 4, 2))

# Finite, so that rows that are masked within a block are not NaN: what they add to the sums before
# their first visible key is multiplied by 2 ** -1e30 = 0 once that has come.
_MASKED = -1e30
_LOG2_E = math.log2(math.e)


def fused_attention(
    query: Float[Array, "B L H K"],
    key: Float[Array, "B L H K"],
    value: Float[Array, "B L H K"],
    segments: Int[Array, "B L"],
    window: int = 0,
    dropout: float = 0.0,
    seed: Array | None = None,
    *,
    tiling: Tiling = TILING,
    interpret: bool | None = None,
) -> Float[Array, "B L H K"]:
    """Mixes values along L, within sentences: softmax(query . key / sqrt(K)) . value.

    Args:
      query: what each position asks for; K is a power of two, 16 or more, and L a multiple of 16.
      key: what each position offers.
      value: what is mixed; the result has its dtype.
      segments: equal numbers for the positions of a sentence, which are contiguous. Empty
        positions, 0, see one another, as in `segment_bias`.
      window: how far away a position may be to be seen; 0 for the whole sentence.
      dropout: rate on the attention weights, to the nearest 1/256; needs `seed`.
      seed: uint32 scalar that decides which weights are dropped.
      tiling: the kernels' tiles; a block that does not divide L is halved until it does.
      interpret: run the kernels as ordinary JAX operations; None does so on a CPU.

    Raises:
      ValueError: for shapes that the kernels cannot compute.
    """
    length, width = query.shape[1], query.shape[3]
    if width < 16 or width & (width - 1):
        raise ValueError(f"the head width is {width}, not a power of two of at least 16")
    if length % 16:
        raise ValueError(f"a row has {length} positions, not a multiple of 16")
    if interpret is None:
        interpret = jax.default_backend() == "cpu"
    rate = 0.0 if seed is None else dropout
    seeds = jnp.zeros(1, jnp.uint32) if seed is None else jnp.reshape(seed, 1).astype(jnp.uint32)
    how = _How(window, rate, Tiling(*(_dividing(tile, length) for tile in tiling)), interpret)
    # XLA sees that they were one array already, unless positions are rotary, and copies nothing.
    return _fused(how, jnp.stack([query, key, value], axis=2), segments, seeds)


def dropout_bytes(
    seed: Array, rows: int, heads: int, length: int
) -> UInt8[Array, "{rows} {heads} {length} {length}"]:
    """The bytes by which the kernels drop weights, as `drop_by` takes them."""
    row = jnp.arange(rows)[:, None, None, None]
    head = jnp.arange(heads)[:, None, None]
    position = jnp.arange(length)
    queries = _query_bits(seed.astype(jnp.uint32), row * heads + head, position[:, None])
    return (_mix(queries ^ _key_bits(position)) >> 24).astype(jnp.uint8)


class _How(NamedTuple):
    """What the kernels are compiled for: the arguments of `fused_attention` of these names."""

    window: int
    dropout: float
    tiling: Tiling
    interpret: bool


def _dividing(tile: Tile, length: int) -> Tile:
    """The tile with blocks that divide the length, a multiple of 16."""
    block, partner = tile.block, tile.partner
    while length % block:
        block //= 2
    while length % partner:
        partner //= 2
    return tile._replace(block=block, partner=partner)


@partial(jax.custom_vjp, nondiff_argnums=(0,))
def _fused(how, qkv, segments, seeds):
    return forward_pass(how, qkv, segments, seeds)[0]


def _fused_forward(how, qkv, segments, seeds):
    mixed, log_total = forward_pass(how, qkv, segments, seeds)
    return mixed, (qkv, segments, seeds, mixed, log_total)


def _fused_backward(how, saved, grad):
    qkv, segments, seeds, mixed, log_total = saved
    return gradient(how, qkv, segments, seeds, mixed, log_total, grad), None, None


_fused.defvjp(_fused_forward, _fused_backward)


def forward_pass(
    how: _How,
    qkv: Float[Array, "B L 3 H K"],
    segments: Int[Array, "B L"],
    seeds: UInt32[Array, "1"],
) -> tuple[Float[Array, "B L H K"], Float32[Array, "B H L"]]:
    """The result, and the base-2 logarithm of each softmax's denominator."""
    tile = how.tiling.forward
    specs = _Specs(qkv.shape, tile.block)
    rows, length, _, heads, width = qkv.shape
    return _run(
        _forward_kernel,
        how,
        tile,
        specs,
        (_ranges(segments, how.window, tile.block, tile.partner), specs.range),
        (segments, specs.segments),
        (seeds, specs.seeds),
        (qkv, specs.part(0, specs.block)),
        (qkv, specs.part(1)),
        (qkv, specs.part(2)),
        results=(
            (jax.ShapeDtypeStruct((rows, length, heads, width), qkv.dtype), specs.result),
            (jax.ShapeDtypeStruct((rows, heads, length), jnp.float32), specs.scalars),
        ),
    )


def gradient(
    how: _How,
    qkv: Float[Array, "B L 3 H K"],
    segments: Int[Array, "B L"],
    seeds: UInt32[Array, "1"],
    mixed: Float[Array, "B L H K"],
    log_total: Float32[Array, "B H L"],
    grad: Float[Array, "B L H K"],
) -> Float[Array, "B L 3 H K"]:
    """The gradients of queries, keys and values, from what `forward_pass` returned."""
    tile = how.tiling.backward
    specs = _Specs(qkv.shape, tile.block)
    (result,) = _run(
        _gradient_kernel,
        how,
        tile,
        specs,
        # Who sees whom is symmetric: the same blocks, whether a block holds queries or keys.
        (_ranges(segments, how.window, tile.block, tile.partner), specs.range),
        (segments, specs.segments),
        (seeds, specs.seeds),
        (qkv, specs.part(0)),
        (qkv, specs.part(1)),
        (qkv, specs.part(2)),
        (mixed, specs.row),
        (grad, specs.row),
        (log_total, specs.row_scalars),
        results=((jax.ShapeDtypeStruct(qkv.shape, qkv.dtype), specs.parts),),
    )
    return result


class _Specs:
    """Which part of each array a program sees; programs are numbered (block, head, row).

    Neighboring programs share a row and a head, and so the other side's blocks, in the cache.

    Args:
      shape: of queries, keys and values in one array.
      block: positions of a program's own block.
    """

    def __init__(self, shape: tuple[int, ...], block: int):
        rows, length, _, heads, width = shape
        self._length, self._width, self.block = length, width, block
        self.grid = (length // block, heads, rows)
        self.range = pl.BlockSpec((None, None, 2), lambda n, h, b: (b, n, 0))
        self.segments = pl.BlockSpec((None, length), lambda n, h, b: (b, 0))
        self.seeds = pl.BlockSpec((1,), lambda n, h, b: (0,))
        self.row = pl.BlockSpec((None, length, None, width), lambda n, h, b: (b, 0, h, 0))
        self.result = pl.BlockSpec((None, block, None, width), lambda n, h, b: (b, n, h, 0))
        self.scalars = pl.BlockSpec((None, None, block), lambda n, h, b: (b, h, n))
        self.row_scalars = pl.BlockSpec((None, None, length), lambda n, h, b: (b, h, 0))
        self.parts = pl.BlockSpec((None, block, 3, None, width), lambda n, h, b: (b, n, 0, h, 0))

    def part(self, which: int, block: int = 0) -> pl.BlockSpec:
        """Queries (0), keys (1) or values (2) of a whole row, or of the program's own block."""
        shape = (None, block or self._length, None, None, self._width)
        return pl.BlockSpec(shape, lambda n, h, b: (b, n if block else 0, which, h, 0))


def _run(kernel, how: _How, tile: Tile, specs: _Specs, *inputs, results) -> Any:
    """Calls a kernel on pairs of an array and its spec; results are pairs of a shape and a spec."""
    from jax.experimental.pallas import triton

    arrays, in_specs = zip(*inputs, strict=True)
    shapes, out_specs = zip(*results, strict=True)
    return pl.pallas_call(
        partial(kernel, how, tile),
        grid=specs.grid,
        in_specs=in_specs,
        out_specs=out_specs,
        out_shape=[jax.ShapeDtypeStruct(x.shape, x.dtype) for x in shapes],
        compiler_params=triton.CompilerParams(num_warps=tile.warps, num_stages=tile.stages),
        interpret=how.interpret,
        name=f"mtt{kernel.__name__}",
    )(*arrays)


def _ranges(
    segments: Int[Array, "B L"], window: int, block: int, partner: int
) -> Int[Array, "B N 2"]:
    """For each block of positions the blocks of the other side to visit: from, and up to.

    Args:
      segments: as in `fused_attention`. A sentence reaches from its first position to its last, so
        only the first and the last sentence of a block decide.
      window: as in `fused_attention`.
      block: positions of a block.
      partner: positions of a block of the other side.
    """
    length = segments.shape[1]
    position = jnp.arange(length, dtype=jnp.int32)
    starts = position[::block]  # [N]
    ends = starts + block - 1
    # [B, N, L]
    of_first = segments[:, ::block, None] == segments[:, None]
    of_last = segments[:, block - 1 :: block, None] == segments[:, None]
    first = jnp.where(of_first, position, length).min(axis=-1)
    last = jnp.where(of_last, position, 0).max(axis=-1)
    if window:
        first, last = jnp.maximum(first, starts - window), jnp.minimum(last, ends + window)
    return jnp.stack([first // partner, last // partner + 1], axis=-1)


# Kernels. `ref[...]` loads what a spec describes into registers. q, k, v, g are blocks of queries,
# keys, values and of the result's gradient.


def _forward_kernel(
    how, tile, range_ref, segments_ref, seeds_ref, q_ref, k_ref, v_ref, mixed_ref, log_total_ref
):
    q = q_ref[...]
    queries = _Positions(pl.program_id(0), tile.block, segments_ref)
    drop = _Drop(how.dropout, seeds_ref)

    def visit(n, carry):
        mixed, top, total = carry
        keys = _Positions(n, tile.partner, segments_ref)
        logits = _times_transposed(q, k_ref[keys.slice, :]) * (q.shape[-1] ** -0.5 * _LOG2_E)
        logits = jnp.where(queries.see(keys, how.window), logits, _MASKED)
        new_top = jnp.maximum(top, logits.max(axis=1))
        rescale = jnp.exp2(top - new_top)
        weights = jnp.exp2(logits - new_top[:, None])
        total = total * rescale + weights.sum(axis=1)
        v = v_ref[keys.slice, :]
        mixed = mixed * rescale[:, None] + _times(drop(weights, queries, keys).astype(v.dtype), v)
        return mixed, new_top, total

    start = (
        jnp.zeros(q.shape, jnp.float32),
        jnp.full(tile.block, _MASKED, jnp.float32),
        jnp.zeros(tile.block, jnp.float32),
    )
    mixed, top, total = lax.fori_loop(range_ref[0], range_ref[1], visit, start)
    mixed_ref[...] = (mixed * (drop.scale / total)[:, None]).astype(mixed_ref.dtype)
    log_total_ref[...] = top + jnp.log2(total)


def _gradient_kernel(
    how, tile, range_ref, segments_ref, seeds_ref, q_ref, k_ref, v_ref, mixed_ref, g_ref,
    log_total_ref, grad_ref,
):  # fmt: skip
    own = _Positions(pl.program_id(0), tile.block, segments_ref)
    q, k, v, g = (ref[own.slice, :] for ref in (q_ref, k_ref, v_ref, g_ref))
    drop = _Drop(how.dropout, seeds_ref)
    scale = q.shape[-1] ** -0.5

    def shared_of(g, mixed):  # what the softmax takes off the gradient of every logit of a query
        return (g.astype(jnp.float32) * mixed.astype(jnp.float32)).sum(axis=1)

    shared, log_total = shared_of(g, mixed_ref[own.slice, :]), log_total_ref[own.slice]

    def visit_keys(n, q_grad):
        keys = _Positions(n, tile.partner, segments_ref)
        k = k_ref[keys.slice, :]
        logits = _times_transposed(q, k) * (scale * _LOG2_E) - log_total[:, None]
        weights = jnp.exp2(jnp.where(own.see(keys, how.window), logits, _MASKED))
        weights_grad = _times_transposed(g, v_ref[keys.slice, :]) * drop.scale
        weights_grad = drop(weights_grad, own, keys)
        logits_grad = weights * (weights_grad - shared[:, None])
        return q_grad + _times(logits_grad.astype(k.dtype), k)

    zeros = jnp.zeros(q.shape, jnp.float32)
    q_grad = lax.fori_loop(range_ref[0], range_ref[1], visit_keys, zeros)
    grad_ref[:, 0, :] = (q_grad * scale).astype(grad_ref.dtype)

    def visit_queries(n, carry):
        # All matrices are transposed, keys by queries, as what multiplies from the left can stay in
        # registers, while what is transposed has to go through shared memory.
        k_grad, v_grad = carry
        queries = _Positions(n, tile.partner, segments_ref)
        q, g = q_ref[queries.slice, :], g_ref[queries.slice, :]
        shared = shared_of(g, mixed_ref[queries.slice, :])
        logits = _times_transposed(k, q) * (scale * _LOG2_E) - log_total_ref[queries.slice][None]
        weights = jnp.exp2(jnp.where(own.see(queries, how.window), logits, _MASKED))
        v_grad = v_grad + _times(drop(weights, queries, own, 0).astype(g.dtype), g)
        weights_grad = drop(_times_transposed(v, g) * drop.scale, queries, own, 0)
        logits_grad = weights * (weights_grad - shared[None])
        return k_grad + _times(logits_grad.astype(q.dtype), q), v_grad

    k_grad, v_grad = lax.fori_loop(range_ref[0], range_ref[1], visit_queries, (zeros, zeros))
    grad_ref[:, 1, :] = (k_grad * scale).astype(grad_ref.dtype)
    grad_ref[:, 2, :] = (v_grad * drop.scale).astype(grad_ref.dtype)


def _times(a, b):
    """The product of a [m, n] and b [n, p], in their dtype, accumulated in float32."""
    return lax.dot_general(a, b, (((1,), (0,)), ((), ())), preferred_element_type=jnp.float32)


def _times_transposed(a, b):
    """The product of a [m, n] and the transpose of b [p, n], as in `_times`."""
    return lax.dot_general(a, b, (((1,), (1,)), ((), ())), preferred_element_type=jnp.float32)


class _Positions:
    """The positions of a block, inside a kernel."""

    def __init__(self, block, size, segments_ref):
        self.slice = pl.ds(block * size, size)
        self.index = block * size + jnp.arange(size, dtype=jnp.int32)
        self.segments = segments_ref[self.slice]

    def see(self, others: "_Positions", window: int) -> Array:
        """Which of these (rows) and others (columns) see each other."""
        seen = self.segments[:, None] == others.segments[None]
        if window:
            distance = jnp.abs(self.index[:, None] - others.index[None])
            seen = seen & (distance <= window)
        return seen


# Dropout. A byte per weight is a hash of the seed and of where the weight is, so that every kernel
# computes the same ones and none is stored.


class _Drop:
    """Dropout of a block's weights, inside a kernel; multiplying by `scale` is left to the caller.

    Made outside loops, as the interpreter knows the number of a program only there.
    """

    def __init__(self, rate, seeds_ref):
        self.scale = _scale_of(rate)
        self._levels = dropped_levels(rate)
        if rate:
            self._seed = seeds_ref[0]
            self._stream = pl.program_id(2) * pl.num_programs(1) + pl.program_id(1)

    def __call__(self, weights, queries, keys, key_axis=1):
        """The weights of queries by keys, or 0 for those that are dropped."""
        if not self._levels:
            return weights
        by_query = jnp.expand_dims(_query_bits(self._seed, self._stream, queries.index), key_axis)
        by_key = jnp.expand_dims(_key_bits(keys.index), 1 - key_axis)
        drawn = (_mix(by_query ^ by_key) >> 24).astype(jnp.int32)
        return jnp.where(drawn >= self._levels, weights, 0.0)


def _scale_of(rate: float) -> float:
    """By what the weights that remain are multiplied."""
    return 256 / (256 - dropped_levels(rate))


def _query_bits(seed, stream, queries):
    """Random bits per query; a stream is a head of a row."""
    stream = _mix(seed + stream.astype(jnp.uint32) * jnp.uint32(0x9E3779B9))
    return _mix(stream + queries.astype(jnp.uint32) * jnp.uint32(0x9E3779B9))


def _key_bits(keys):
    """Different bits per key. To be mixed with those of a query by exclusive or and `_mix`."""
    return keys.astype(jnp.uint32) * jnp.uint32(0x9E3779B9)


def _mix(x: Array) -> Array:
    """A bijective hash of uint32: lowbias32 of https://nullprogram.com/blog/2018/07/31/."""
    x = (x ^ (x >> 16)) * jnp.uint32(0x7FEB352D)
    x = (x ^ (x >> 15)) * jnp.uint32(0x846CA68B)
    return x ^ (x >> 16)
