"""The kernels of fused attention, run as ordinary JAX operations, compute plain attention."""

import contextlib
import dataclasses
import inspect
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.config.schema import EncoderConfig
from mtt_jax.model.attention import _plain, attend, fits, mask_of
from mtt_jax.model.dropout import dropped_levels
from mtt_jax.model.encoder import Encoder
from mtt_jax.model.fused_attention import Tile, Tiling, _ranges, dropout_bytes, fused_attention
from mtt_jax.weights.build import encoder_spec

SEED = 5


def packed(length, *, rows=2, mean=20, seed=0):
    """Rows of sentences of random lengths, some with empty positions at the end."""
    rng = np.random.default_rng(seed)
    segments = np.zeros((rows, length), np.int32)
    for row in segments:
        at = 0
        while at < length - int(rng.integers(mean)):
            size = min(int(rng.integers(1, 2 * mean)), length - at)
            row[at : at + size] = row.max() + 1
            at += size
    return segments


def inputs_of(segments, heads=2, width=16, dtype=jnp.float32):
    """(query, key, value, gradient of the result)."""
    shape = (4, *segments.shape, heads, width)
    return tuple(jnp.asarray(np.random.default_rng(1).normal(size=shape), dtype))


def forward_and_backward(form, query, key, value, grad):
    """The result and the gradients with respect to query, key and value."""

    @jax.jit
    def run(query, key, value, grad):
        out, back = jax.vjp(form, query, key, value)
        return out, *back(grad)

    return run(query, key, value, grad)


def fused_and_plain(segments, window=0, dropout=0.0, width=16, **options):
    """Pairs of what the kernels and what plain attention compute: the result, three gradients."""
    inputs = inputs_of(segments, width=width)
    rows, length = segments.shape
    seed = jnp.uint32(SEED)
    segments = jnp.asarray(segments)
    mask = mask_of(segments, jnp.tile(jnp.arange(length), (rows, 1)), window)
    drawn = dropout_bytes(seed, rows, 2, length) if dropout else None
    fused = forward_and_backward(
        lambda *x: fused_attention(*x, segments, window, dropout, seed, interpret=True, **options),
        *inputs,
    )
    plain = forward_and_backward(lambda *x: _plain(dropout, *x, mask.bias, drawn), *inputs)
    return list(zip(fused, plain, strict=True))


ROWS = {
    "short sentences": packed(128, mean=5),
    "rows that a block of 128 does not divide": packed(192, mean=50),
    "one sentence": np.ones((1, 128), np.int32),
    "empty": np.zeros((1, 128), np.int32),
}


@pytest.mark.parametrize("rows", ROWS)
def test_fused_attention_equals_plain_attention(rows):
    for ours, theirs in fused_and_plain(ROWS[rows]):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


@pytest.mark.peers  # slow: kernels are interpreted
@pytest.mark.parametrize("length", [384, 512])
def test_fused_attention_equals_plain_attention_in_long_rows(length):
    for ours, theirs in fused_and_plain(packed(length, mean=40), width=32):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


@pytest.mark.peers  # slow: kernels are interpreted
@pytest.mark.parametrize("tile", [Tile(128, 32, 4, 2), Tile(32, 64, 4, 2)], ids=str)
def test_fused_attention_equals_plain_attention_for_any_block_size(tile):
    tiling = Tiling(tile, tile)
    for ours, theirs in fused_and_plain(packed(192), window=30, dropout=0.2, tiling=tiling):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


@pytest.mark.parametrize(("window", "dropout"), [(3, 0.0), (70, 0.0), (0, 0.3), (20, 0.1)])
def test_fused_attention_has_windows_and_drops_the_bytes_it_names(window, dropout):
    for ours, theirs in fused_and_plain(packed(128, mean=50), window, dropout):
        np.testing.assert_allclose(ours, theirs, atol=5e-6)


def test_what_a_sentence_holds_does_not_change_its_neighbors():
    segments = packed(128)
    query, key, value, _ = inputs_of(segments)
    first = jnp.asarray(segments == 1)[..., None, None]
    fused = partial(fused_attention, segments=jnp.asarray(segments), interpret=True)
    before = fused(query, key, value)
    after = fused(query, jnp.where(first, key + 9, key), jnp.where(first, 1e6, value))
    others = segments != 1
    np.testing.assert_array_equal(np.asarray(before)[others], np.asarray(after)[others])


def test_only_blocks_that_share_a_sentence_are_visited():
    segments = jnp.asarray([[1] * 8 + [2] * 2 + [3] * 4 + [0] * 2, [1] * 4 + [2] * 12])
    # Both rows of blocks of 4: [first, last) for each block.
    np.testing.assert_array_equal(
        _ranges(segments, 0, 4, 4),
        [[[0, 2], [0, 2], [2, 4], [2, 4]], [[0, 1], [1, 4], [1, 4], [1, 4]]],
    )
    np.testing.assert_array_equal(_ranges(segments, 1, 4, 4)[1], [[0, 1], [1, 3], [1, 4], [2, 4]])
    # Blocks of 8 queries, of 4 keys.
    np.testing.assert_array_equal(_ranges(segments, 0, 8, 4)[0], [[0, 2], [2, 4]])
    for name, rows in ROWS.items():
        size = rows.shape[1] // 4
        same = rows[:, :, None] == rows[:, None]
        seen = same.reshape(len(rows), 4, size, 4, size).any(axis=(2, 4))
        first, last = np.moveaxis(np.asarray(_ranges(jnp.asarray(rows), 0, size, size)), -1, 0)
        block = np.arange(4)
        visited = (first[..., None] <= block) & (block < last[..., None])
        np.testing.assert_array_equal(visited, seen, err_msg=name)


def test_dropout_bytes_are_uniform_and_differ_by_seed_row_and_head():
    drawn = np.asarray(dropout_bytes(jnp.uint32(SEED), 3, 2, 128))
    counts = np.bincount(drawn.ravel(), minlength=256)
    expected = drawn.size / 256
    # chi-squared of 255 degrees of freedom: 255 +- 5 standard deviations
    assert abs(((counts - expected) ** 2 / expected).sum() - 255) < 5 * (2 * 255) ** 0.5
    kept = drawn >= dropped_levels(0.3)
    for other in (
        np.roll(kept, 1, axis=axis) for axis in range(4)
    ):  # the next row, head, query and key
        assert np.corrcoef(kept.ravel(), other.ravel())[0, 1] == pytest.approx(0, abs=0.015)
    again = np.asarray(dropout_bytes(jnp.uint32(SEED + 1), 3, 2, 128)) >= dropped_levels(0.3)
    assert np.corrcoef(kept.ravel(), again.ravel())[0, 1] == pytest.approx(0, abs=0.015)


def test_fused_attention_in_bfloat16_returns_bfloat16_near_plain_attention():
    segments = jnp.asarray(packed(128))
    inputs = inputs_of(segments, dtype=jnp.bfloat16)
    mask = mask_of(segments, segments)
    for ours, theirs in zip(
        forward_and_backward(lambda *x: attend("fused", *x, mask), *inputs),
        forward_and_backward(lambda *x: attend("plain", *x, mask), *inputs),
        strict=True,
    ):
        assert ours.dtype == jnp.bfloat16
        np.testing.assert_allclose(ours.astype(np.float32), theirs.astype(np.float32), atol=0.06)


def test_attend_computes_plain_attention_for_shapes_that_the_kernels_do_not_take():
    for segments, width, dtype in (
        (packed(96), 16, jnp.bfloat16),
        (packed(128), 24, jnp.bfloat16),
        (packed(128), 16, jnp.float32),
    ):
        assert not fits(segments.shape[1], width, jnp.dtype(dtype).name)
        query, key, value, _ = inputs_of(segments, width=width, dtype=dtype)
        mask = mask_of(jnp.asarray(segments), jnp.asarray(segments))
        traced = jax.make_jaxpr(lambda *x, mask=mask: attend("fused", *x, mask))(query, key, value)
        assert "pallas_call" not in str(traced)
    assert fits(128, 16, "bfloat16")


@pytest.mark.parametrize(("length", "width"), [(128, 24), (128, 8), (40, 16)])
def test_fused_attention_refuses_shapes_it_cannot_compute(length, width):
    segments = packed(length)
    query, key, value, _ = inputs_of(segments, width=width)
    with pytest.raises(ValueError, match="not a"):
        fused_attention(query, key, value, jnp.asarray(segments))


@pytest.mark.peers  # slow: kernels are interpreted
@pytest.mark.parametrize(
    "layers", [{"window": 9, "global_every": 2}, {"scan": True, "remat": True}], ids=str
)
def test_an_encoder_with_fused_attention_is_near_one_with_plain_attention(layers):
    segments = packed(64)
    # Positions inside each sentence.
    starts = np.array([[np.argmax(row == number) for number in row] for row in segments])
    positions = jnp.asarray((np.arange(64) - starts) * (segments > 0), jnp.int32)
    sizes = {"layers": 2, "width": 32, "heads": 2, "feedforward": 32}
    config = EncoderConfig(**sizes, positions="rotary", word_features=(), **layers)
    spec = dataclasses.replace(
        encoder_spec(config, 50, slots=64), dtype="bfloat16", matmul_dtype="bfloat16"
    )
    rows = jnp.ones_like(positions), jnp.asarray(segments), positions
    params = jax.jit(Encoder(spec).init)(jax.random.key(0), *rows)
    real = jnp.asarray(segments > 0)[..., None]

    def gradient(attention):
        encoder = Encoder(dataclasses.replace(spec, attention=attention))

        @jax.jit
        @jax.grad
        def run(params):
            tokens, _ = encoder.apply(params, *rows)
            return jnp.where(real, tokens, 0).astype(jnp.float32)[..., ::2].sum()

        assert ("pallas_call" in str(jax.make_jaxpr(run)(params))) == (attention == "fused")
        return jax.tree.leaves(run(params))

    for ours, theirs in zip(gradient("fused"), gradient("plain"), strict=True):
        np.testing.assert_allclose(ours, theirs, atol=0.03 * np.abs(theirs).max())


def a_gpu():
    """A context in which JAX compiles for an H100 that is not there; JAX 0.10 needs none."""
    if tuple(int(part) for part in jax.__version__.split(".")[:2]) < (0, 11):
        return contextlib.nullcontext()
    from jax.sharding import AbstractDevice, AbstractMesh, use_abstract_mesh

    platform = "platform" in inspect.signature(AbstractDevice).parameters
    fields = {"platform": "gpu"} if platform else {}
    device = AbstractDevice(device_kind="NVIDIA H100", num_cores=None, **fields)
    return use_abstract_mesh(AbstractMesh((1,), ("all",), abstract_device=device))


@pytest.mark.parametrize(
    ("length", "width", "window", "dropout"), [(512, 64, 0, 0.0), (192, 32, 64, 0.1)]
)
def test_kernels_lower_for_cuda_without_a_gpu(length, width, window, dropout):
    array = jax.ShapeDtypeStruct((2, length, 4, width), jnp.bfloat16)
    segments = jax.ShapeDtypeStruct((2, length), jnp.int32)
    seed = jax.ShapeDtypeStruct((), jnp.uint32)

    def forward(query, key, value, segments, seed):
        return fused_attention(query, key, value, segments, window, dropout, seed, interpret=False)

    def total(*args):
        return forward(*args).astype(jnp.float32).sum()

    with a_gpu():
        for function, kernels in ((forward, 1), (jax.grad(total, (0, 1, 2)), 2)):
            traced = jax.jit(function).trace(array, array, array, segments, seed)
            text = traced.lower(lowering_platforms=("cuda",)).as_text()
            assert text.count("stablehlo.custom_call") == kernels
            assert "triton" in text


@pytest.mark.skipif(jax.default_backend() != "gpu", reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("width", [32, 64, 128])
@pytest.mark.parametrize(("window", "dropout"), [(0, 0.0), (40, 0.1)])
def test_fused_attention_equals_plain_attention_on_a_gpu(width, window, dropout):
    segments = jnp.asarray(packed(512, mean=50))
    inputs = inputs_of(segments, width=width, dtype=jnp.bfloat16)
    seed = jnp.uint32(SEED)
    mask = mask_of(segments, jnp.tile(jnp.arange(512), (2, 1)), window)
    drawn = dropout_bytes(seed, 2, 2, 512) if dropout else None
    fused = forward_and_backward(
        lambda *x: fused_attention(*x, segments, window, dropout, seed), *inputs
    )
    exact = tuple(x.astype(jnp.float32) for x in inputs)
    plain = forward_and_backward(lambda *x: _plain(dropout, *x, mask.bias, drawn), *exact)
    for ours, theirs in zip(fused, plain, strict=True):
        np.testing.assert_allclose(ours.astype(np.float32), theirs, atol=0.06, rtol=0.02)
