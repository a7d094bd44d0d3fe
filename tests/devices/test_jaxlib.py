"""The installed jaxlib computes under jit what it computes without.

jaxlib 0.10.2 does not (jax issue 39103), and its wrong numbers come without an error.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.train.gradient import make_balancer, make_gradient
from mtt_jax.train.phases import frozen_mask
from mtt_jax.train.step import make_losses
from tests.helpers import batch_of, make_config, model_and_params


@pytest.fixture(scope="module", autouse=True)
def _compiled_as_for_users():
    before = jax.config.read("jax_disable_most_optimizations")
    jax.config.update("jax_disable_most_optimizations", False)
    yield
    jax.config.update("jax_disable_most_optimizations", before)


@pytest.mark.parametrize("rows", [7, 4096, 32_768, 32_769, 65_537])
def test_a_vmapped_matrix_vector_product_and_reduction_is_exact_under_jit(rows):
    """With 32,769 rows jaxlib 0.10.2 gives 1,065,369,600 for the last, 1,073,741,824."""
    count = jnp.arange(rows, dtype=jnp.float32)
    vectors = jnp.stack([count, jnp.zeros_like(count), jnp.zeros_like(count)], axis=1)
    matrix = jnp.eye(3)

    def squares(vectors):
        return jax.vmap(lambda vector: jnp.sum((matrix @ vector) ** 2))(vectors)

    exact = (np.arange(rows, dtype=np.float64) ** 2).astype(np.float32)
    np.testing.assert_array_equal(squares(vectors), exact)
    np.testing.assert_array_equal(jax.jit(squares)(vectors), exact)


def test_a_vmapped_product_of_two_vectors_is_exact_under_jit():
    """The same fault in another shape."""
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
    counts = {name: weights.sum() for name, weights in batch.weights.items()}
    balancer = make_balancer(config)
    frozen = frozen_mask(params, config)
    gradient = make_gradient(model, make_losses(config), config, balancer, frozen)

    def loss_and_gradient(params, batch):
        (losses, _, _), grads = gradient(params, batch, counts, jax.random.key(0), ())
        return sum(losses.values()), grads

    return model, params, batch, loss_and_gradient


@pytest.mark.parametrize("config", [WHOLE, make_config()], ids=["one layer", "two layers"])
def test_the_logits_are_the_same_under_jit(config, tokenizer, examples):
    model, params = model_and_params(config, tokenizer)
    batch = batch_of(examples, config, rows=4).batch

    def forward(params, batch):
        return model.apply({"params": params}, batch)

    eager, jitted = forward(params, batch), jax.jit(forward)(params, batch)
    for name in ("topic", "ner"):
        np.testing.assert_allclose(eager.logits[name], jitted.logits[name], atol=2e-6)
    np.testing.assert_allclose(eager.sentences, jitted.sentences, atol=2e-6)


def test_the_loss_and_its_gradients_are_the_same_under_jit(whole):
    _, params, batch, gradient = whole
    eager, jitted = gradient(params, batch), jax.jit(gradient)(params, batch)
    assert float(jitted[0]) > 0.5
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=5e-6), eager, jitted)
    assert min(float(jnp.abs(leaf).max()) for leaf in jax.tree.leaves(eager[1])) > 1e-9
