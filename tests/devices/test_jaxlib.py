"""The installed jaxlib computes the same with and without jit.

jaxlib 0.10.2 does not (jax issue 39103); it returns wrong numbers without an error.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.train.gradient import make_gradient
from mtt_jax.train.phases import frozen_mask
from tests.helpers import batch_of, make_config, model_and_params


@pytest.fixture(scope="module", autouse=True)
def _compiled_as_for_users():
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize("rows", [7, 4096, 32_768, 32_769, 65_537])
def test_vmapped_matrix_vector_product_and_reduction_is_exact_under_jit(rows):
    """With 32,769 rows, jaxlib 0.10.2 gives 1,065,369,600 for the last, not 1,073,741,824."""
    count = jnp.arange(rows, dtype=jnp.float32)
    vectors = jnp.stack([count, jnp.zeros_like(count), jnp.zeros_like(count)], axis=1)
    matrix = jnp.eye(3)

    def squares(vectors):
        return jax.vmap(lambda vector: jnp.sum((matrix @ vector) ** 2))(vectors)

    exact = (np.arange(rows, dtype=np.float64) ** 2).astype(np.float32)
    np.testing.assert_array_equal(squares(vectors), exact)
    np.testing.assert_array_equal(jax.jit(squares)(vectors), exact)


def test_vmapped_dot_product_of_two_vectors_is_exact_under_jit():
    """The same bug in another shape."""
    rows, width = 32_769, 64
    matrix = jnp.ones((rows, width), jnp.float32)
    vector = jnp.ones((width,), jnp.float32)

    def total(matrix, vector):
        return jax.vmap(lambda row: row @ vector)(matrix).sum()

    assert float(jax.jit(total)(matrix, vector)) == rows * width == float(total(matrix, vector))


WHOLE = make_config(encoder__layers=1, encoder__pooling="attention")


@pytest.fixture(scope="module")
def whole(tokenizer, examples):
    """(model, parameters, batch, loss) of one layer with everything in it."""
    config = WHOLE
    model, params = model_and_params(config, tokenizer)
    batch = batch_of(examples, config, rows=4).batch
    counts = {name: mask.sum() for name, mask in batch.masks.items()}
    gradient = make_gradient(model, config, frozen_mask(params, config))

    def loss_and_gradient(params, batch):
        (losses, _, _), grads = gradient(params, batch, counts, jax.random.key(0), ())
        return sum(losses.weighted.values()), grads

    return model, params, batch, loss_and_gradient


@pytest.mark.peers  # slow: compiled with all optimizations
@pytest.mark.parametrize("config", [WHOLE, make_config()], ids=["one layer", "two layers"])
def test_logits_are_the_same_under_jit(config, tokenizer, examples):
    model, params = model_and_params(config, tokenizer)
    batch = batch_of(examples, config, rows=4).batch

    def forward(params, batch):
        return model.apply({"params": params}, batch)

    eager, jitted = forward(params, batch), jax.jit(forward)(params, batch)
    for name in ("topic", "ner"):
        np.testing.assert_allclose(eager.logits[name], jitted.logits[name], atol=2e-6)
    np.testing.assert_allclose(eager.sentences, jitted.sentences, atol=2e-6)


@pytest.mark.peers  # slow: compiled with all optimizations
def test_loss_and_gradients_are_the_same_under_jit(whole):
    _, params, batch, gradient = whole
    eager, jitted = gradient(params, batch), jax.jit(gradient)(params, batch)
    assert float(jitted[0]) > 0.5
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-6), eager, jitted)
    assert min(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(eager[1])) > 1e-9
