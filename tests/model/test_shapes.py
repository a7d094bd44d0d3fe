"""The array shapes in the annotations of mtt_jax/model hold for real batches."""

import os
import subprocess
import sys

import pytest

from tests.helpers import ROOT

# Traced only, nothing is computed: forward and backward, each variant with all that it switches on.
PROGRAM = """
import dataclasses
import jax, jax.numpy as jnp
from jaxtyping import install_import_hook

checked = "attention", "dropout", "encoder", "heads", "matmul", "multitask", "pooling"
with install_import_hook([f"mtt_jax.model.{name}" for name in checked], "beartype.beartype"):
    from mtt_jax.model.multitask import MultiTask
    from mtt_jax.model.pooling import Pooling
from mtt_jax.config.schema import EncoderConfig
from mtt_jax.model.spec import HeadSpec
from mtt_jax.types import Batch
from mtt_jax.weights.build import encoder_spec

VARIANTS = [
    {"attention": "plain", "positions": "learned", "dropout": 0.1},
    {"attention": "blocked", "attention_dropout": 0.1, "scan": True, "remat": True},
    {"positions": "rotary", "window": 2, "gated": True, "embedding_norm": True, "pooling": "max"},
    {"positions": "sinusoidal", "norm": "post", "pooling": "attention", "lora_rank": 2},
    {"matmul_dtype": "bfloat16", "pooling": "cls"},
    {"dtype": "bfloat16", "matmul_dtype": "bfloat16", "attention": "blocked"},
]
HEADS = {"topic": HeadSpec("sentence", 3, 8, 0.1), "ner": HeadSpec("word", 5, 0, 0.1)}
rows = jax.ShapeDtypeStruct((4, 24), jnp.int32)
features = jax.ShapeDtypeStruct((4, 24, 3), jnp.int32)
batch = Batch(rows, rows, rows, {}, {}, features)

def trace(model, batch, key):
    params = model.init(key, batch)
    def loss(params):
        out = model.apply(params, batch, True, rngs={"dropout": key})
        return sum(logits.sum() for logits in out.logits.values())
    return model.apply(params, batch), jax.grad(loss)(params)

for variant in VARIANTS:
    spec = dataclasses.replace(encoder_spec(EncoderConfig(), 50, slots=3), **variant)
    outputs, _ = jax.eval_shape(lambda *args: trace(MultiTask(spec, HEADS), *args),
                                batch, jax.random.key(0))
    print(outputs.logits["topic"].shape, outputs.logits["ner"].shape, outputs.sentences.shape)

wrong = jax.ShapeDtypeStruct((4, 23), jnp.int32)
hidden = jax.ShapeDtypeStruct((4, 24, 8), jnp.float32)
try:
    jax.eval_shape(lambda *args: Pooling("mean", 3).apply({}, *args), hidden, rows, wrong)
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.peers  # slow: many models
def test_annotated_shapes_match_the_arrays_of_every_variant():
    pytest.importorskip("beartype", reason="needs: pip install -r requirements-dev.txt")
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *shapes, error = done.stdout.splitlines()
    assert shapes == ["(4, 3, 3) (4, 24, 5) (4, 3, 128)"] * 6
    assert error == "TypeCheckError", "the annotations are checked"
