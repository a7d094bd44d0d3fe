"""Learning from teachers: the share of the label, and losses checked by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.config.schema import DistillConfig
from mtt_jax.train.losses import make_losses, masked_cross_entropy
from mtt_jax.train.teaching import (
    binary_divergence,
    divergence,
    gold_share,
    labels_in,
    with_shares,
)
from mtt_jax.types import Batch
from tests.helpers import make_config


@pytest.mark.parametrize(
    ("fields", "shares"),
    [
        ({}, (0.0, 0.5, 1.0)),
        ({"gold": 0.2}, (0.2, 0.6, 1.0)),
        ({"gold": 0.2, "anneal": False}, (0.2, 0.2, 0.2)),
    ],
)
def test_the_share_of_the_label_at_the_start_halfway_and_at_the_end(fields, shares):
    found = [gold_share(DistillConfig(**fields), step, 100) for step in (0, 50, 100)]
    np.testing.assert_allclose(found, shares, rtol=1e-6)


def test_divergence_by_hand():
    logits, probs = jnp.array([[0.0, 0.0], [1.0, 3.0]]), jnp.array([[0.9, 0.1], [0.5, 0.5]])
    expected = 0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5)
    found = divergence(logits, probs, jnp.array([1.0, 0.0]))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    np.testing.assert_allclose(divergence(logits, probs, jnp.array([0.5, 0.0])), expected / 2,
                               rtol=1e-5)  # fmt: skip


def test_divergence_with_a_temperature_by_hand():
    probs, logits = np.array([0.9, 0.1]), np.array([1.0, 0.0])
    theirs = np.sqrt(probs) / np.sqrt(probs).sum()
    ours = np.exp(logits / 2) / np.exp(logits / 2).sum()
    expected = 4 * (theirs * np.log(theirs / ours)).sum()
    found = divergence(jnp.array([logits]), jnp.array([probs]), jnp.ones(1), temperature=2.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_binary_divergence_by_hand():
    expected = np.mean([0.9 * np.log(0.9 / 0.5) + 0.1 * np.log(0.1 / 0.5), 0.0])
    found = binary_divergence(jnp.zeros((1, 2)), jnp.array([[0.9, 0.5]]), jnp.ones(1))
    np.testing.assert_allclose(found, expected, rtol=1e-5)
    odds = np.log(0.9 / 0.1) / 3
    probs = 1 / (1 + np.exp(-odds))
    expected = 9 * (probs * np.log(probs / 0.5) + (1 - probs) * np.log((1 - probs) / 0.5))
    found = binary_divergence(jnp.zeros((1, 1)), jnp.array([[0.9]]), jnp.ones(1), 3.0)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("loss", [divergence, binary_divergence])
def test_a_student_that_agrees_has_no_loss_and_a_masked_unit_no_gradient(loss):
    probs = jnp.array([[0.7, 0.3], [0.7, 0.3]])
    logits = jnp.log(probs) - (jnp.log1p(-probs) if loss is binary_divergence else 0)
    np.testing.assert_allclose(loss(logits, probs, jnp.ones(2), 2.0), 0, atol=1e-5)
    broken = logits.at[1].set(jnp.nan)
    gradient = jax.grad(lambda x: loss(x, probs, jnp.array([1.0, 0.0])))(broken)
    assert np.isfinite(gradient[0]).all()
    np.testing.assert_array_equal(gradient[1], 0)


def test_a_sure_teacher_is_a_label():
    logits = jnp.array([[0.3, -1.0, 2.0]])
    gold, _ = masked_cross_entropy(logits, jnp.array([1]), jnp.ones(1))
    found = divergence(logits, jnp.array([[0.0, 1.0, 0.0]]), jnp.ones(1))
    np.testing.assert_allclose(found, gold, rtol=1e-4)


def batch(masks, teacher_masks):
    """A batch of one row with three sentences, whose task is topic."""
    empty = np.zeros((1, 8), np.int32)
    probs = np.tile(np.array([0.9, 0.05, 0.05], np.float32), (1, 3, 1))
    masks, teacher_masks = (np.array([m], np.float32) for m in (masks, teacher_masks))
    return Batch(
        empty, empty, empty,
        {"topic": np.zeros((1, 3), np.int32), "ner": empty},
        {"topic": masks, "ner": np.zeros((1, 8), np.float32)},
        teacher={"topic": probs}, teacher_masks={"topic": teacher_masks},
    )  # fmt: skip


def test_label_and_teacher_share_a_sentence_and_each_has_it_alone_without_the_other():
    shared = with_shares(batch([1, 1, 0], [1, 0, 0.5]), 0.25)
    np.testing.assert_allclose(shared.masks["topic"], [[0.25, 1, 0]])
    np.testing.assert_allclose(shared.teacher_masks["topic"], [[0.75, 0, 0.5]])


def test_what_teachers_fill_counts_by_its_weight():
    assert labels_in(batch([1, 1, 0], [1, 0, 0.5])) == {"topic": 2.5, "ner": 0.0}
    assert labels_in(batch([1, 1, 0], [0, 0, 0])._replace(teacher=None, teacher_masks=None)) == {
        "topic": 2.0,
        "ner": 0.0,
    }


def test_the_loss_of_a_task_is_label_and_teachers_together():
    given = batch([1, 1, 0], [1, 0, 0.5])
    losses = make_losses(make_config(distill__temperature=2.0))
    logits = {"topic": jnp.ones((1, 3, 3)) * jnp.array([2.0, 0, 0]), "ner": jnp.zeros((1, 8, 5))}
    found = losses(logits, with_shares(given, 0.25), labels_in(given)).mean["topic"]
    gold, _ = masked_cross_entropy(logits["topic"], given.targets["topic"], jnp.ones((1, 3)))
    soft = divergence(logits["topic"], given.teacher["topic"], jnp.ones((1, 3)), 2.0)
    expected = ((0.25 + 1) * gold / 3 + (0.75 + 0.5) * soft / 3) / 2.5
    np.testing.assert_allclose(found, expected, rtol=1e-5)
