"""Gradients of tasks with known answers: the same, and opposite."""

import jax
import numpy as np
import pytest

from mtt_jax.config import TaskConfig, default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.diagnose.gradients import compare_gradients, make_gradients
from tests.helpers import batch_of, encoded, model_and_params


@pytest.fixture(scope="module")
def twins(tokenizer, records):
    """(config, parameters, batch, gradients) of two tasks with the same labels."""
    tasks = {name: TaskConfig(labels=("a", "b"), dropout=0.0) for name in ("one", "two")}
    raw = default_config(tasks)
    raw.encoder.update(layers=1, width=16, heads=2, feedforward=32, dropout=0.0)
    raw.data.update(max_length=32, overlap=8)
    raw.train.update(row_length=48, batch_rows=8)
    config = resolve(raw)
    labelled = [record._replace(labels=dict.fromkeys(tasks, "a")) for record in records]
    batch = batch_of(encoded(labelled, tokenizer, config.task_list), config).batch
    model, params = model_and_params(config, tokenizer)
    return config, params, batch, make_gradients(model, config)


def test_tasks_with_the_same_head_have_a_cosine_of_1_in_every_layer(twins):
    config, params, batch, gradients = twins
    head = params["heads"]["one"]
    same = {**params, "heads": {"one": head, "two": head}}
    found = compare_gradients(gradients, same, [batch, batch], config)["one, two"]
    assert set(found) == {"embeddings", "layer_0", "top", "all"}
    for row in found.values():
        assert row["cosine"]["mean"] == pytest.approx(1, abs=1e-5)
        assert row["norm_ratio"]["mean"] == pytest.approx(1, abs=1e-5)
        assert row["conflict_rate"]["mean"] == 0


def test_tasks_with_swapped_classes_conflict(twins):
    config, params, batch, gradients = twins
    head = params["heads"]["one"]
    swapped = {"logits": jax.tree.map(lambda leaf: np.flip(leaf, -1), head["logits"])}
    opposite = {**params, "heads": {"one": head, "two": swapped}}
    row = compare_gradients(gradients, opposite, [batch], config)["one, two"]["all"]
    assert row["cosine"]["mean"] < 0
    assert row["conflict_rate"]["mean"] == 1
