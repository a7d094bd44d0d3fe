"""What the tests share: two simulated devices, strict promotion, a tiny model and its batches."""

import atexit
import functools
import os
import shutil
import tempfile

# Before JAX starts: eight devices on the CPU, of which most tests use one.
os.environ["XLA_FLAGS"] = (
    os.environ.get("XLA_FLAGS", "") + " --xla_force_host_platform_device_count=8"
)
os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Both workers and the processes that tests start find what one of them compiled.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
# Tests compile much and run little. XLA does with a program what it always does; LLVM makes machine
# code of it without optimising that, in half the time. Not so in test_jaxlib.py, whose subject is
# the compiler; and JAX_DISABLE_MOST_OPTIMIZATIONS=0 python -m pytest optimises everywhere.
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")

import jax
import numpy as np
import pytest

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import default_config
from mtt_jax.data.encode import encode_records
from mtt_jax.data.pack import pack_examples
from mtt_jax.data.tokenizer import train as train_tokenizer
from mtt_jax.scoring.infer import make_forward
from mtt_jax.train.phases import plan
from mtt_jax.types import Record, Span
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import build_model, init_params

SENTENCES = [
    (
        "Tom Fry of Acme United scored in Rome .",
        "sports",
        [(0, 2, "PER"), (3, 5, "ORG"), (7, 8, "LOC")],
    ),
    ("The minister resigned on Monday .", "politics", []),
    ("Ann Lee joined Beta Bank in Oslo .", "others", [(0, 2, "PER"), (3, 5, "ORG"), (6, 7, "LOC")]),
    ("Parliament passed the Tax Act .", "politics", [(3, 5, "MISC")]),
    ("Rovers beat City again .", "sports", [(0, 1, "ORG"), (2, 3, "ORG")]),
    ("Shares fell .", "others", []),
]  # fmt: skip


def record(text, topic=None, entities=None):
    """A record of words divided by blanks; None is unlabelled."""
    words, offset = [], 0
    for word in text.split():
        words.append((offset, offset + len(word)))
        offset += len(word) + 1
    labels = {} if topic is None else {"topic": topic}
    spans = {} if entities is None else {"ner": tuple(Span(*entity) for entity in entities)}
    return Record(text, tuple(words), labels, spans)


def make_config(**overrides):
    """A tiny config; `encoder__layers=1` sets config.encoder.layers."""
    config = default_config()
    config.encoder.update(layers=2, width=16, heads=2, feedforward=32, max_positions=64)
    config.encoder.update(dropout=0.0)
    config.tasks.topic.dropout = config.tasks.ner.dropout = 0.0
    config.data.max_length, config.data.overlap = 32, 8
    config.train.update(row_length=48, batch_rows=8, steps=4, warmup=0, learning_rate=1e-2)
    config.tokenizer.vocab_size = 200
    for path, value in overrides.items():
        *groups, name = path.split("__")
        node = config
        for group in groups:
            node = node[group]
        node[name] = value
    return resolve(config)


@pytest.fixture(scope="session")
def records():
    return [record(*sentence) for sentence in SENTENCES]


@pytest.fixture(scope="session")
def tokenizer(records):
    return train_tokenizer([r.text for r in records], make_config().tokenizer)


@pytest.fixture(scope="session")
def examples(records, tokenizer):
    return encode_records(records, tokenizer, make_config().task_list)


def batch_of(examples, config, rows=8):
    """All examples packed in one batch."""
    (packed,) = pack_examples(
        examples,
        config.task_list,
        max_length=config.data.max_length,
        overlap=config.data.overlap,
        row_length=config.train.row_length,
        slots=config.slots,
        rows=rows,
    )
    return packed


# Compiled once a model, however many tests start from it.
fresh_params = jax.jit(init_params, static_argnums=(0, 2))


def model_and_params(config, tokenizer):
    model = build_model(config, tokenizer.get_vocab_size())
    return model, fresh_params(model, jax.random.key(1), config.train.row_length)


def only_phase(config, params):
    """The phase of a config that names none."""
    (phase,) = plan(config, None, params)
    return phase


@functools.cache
def forward_of(model):
    """The jitted forward pass, compiled once a model."""
    return make_forward(model)


@pytest.fixture(scope="session")
def tiny(tokenizer):
    """(config, model, parameters) of the smallest useful model."""
    config = make_config()
    return config, *model_and_params(config, tokenizer)


def save_untrained(folder, tokenizer):
    """Makes a run directory of the smallest useful model, for predictions."""
    config = make_config()
    _, params = model_and_params(config, tokenizer)
    # Larger than at the start of training, so that an untrained model finds entities at all.
    params["heads"]["ner"]["logits"]["kernel"] *= 100
    saved_model.save(folder / "model", config, params, tokenizer, "")
    return folder


def assert_trees_equal(ours, theirs):
    """Bit for bit."""
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)
