"""The environment of the tests, set before JAX is imported, and the fixtures they share."""

import atexit
import importlib.metadata
import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# Both workers, and the processes that tests start, reuse what one of them compiled.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp()
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
# Tests compile much and compute little: XLA optimizes as always, but LLVM generates machine code
# without optimizing it, in half the time. test_jaxlib.py, whose subject is the compiler, turns this
# off; JAX_DISABLE_MOST_OPTIMIZATIONS=0 python -m pytest does so for all tests.
if os.environ["JAX_PLATFORMS"] == "cpu":
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    # XLA's older way to compile a fusion is faster by a fifth. It works up to jaxlib 0.10;
    # with 0.12 the process ends, as it does with any option that a version does not know.
    version = tuple(map(int, importlib.metadata.version("jaxlib").split(".")[:2]))
    if os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] == "1" and version < (0, 11):
        flags = os.environ.get("XLA_FLAGS", "")
        os.environ["XLA_FLAGS"] = f"{flags} --xla_cpu_use_fusion_emitters=false"
else:
    # A GPU multiplies float32 in TF32 by default, whose rounding is larger than any tolerance here.
    os.environ.setdefault("JAX_DEFAULT_MATMUL_PRECISION", "highest")

import jax
import pytest
from hypothesis import settings

from mtt_jax.data.tokenizer import train as train_tokenizer
from tests.helpers import SENTENCES, encoded, make_config, model_and_params, record

# Eight devices on the CPU, of which most tests use one. The processes that tests start have one.
jax.config.update("jax_num_cpu_devices", 8)

# The same examples every time, however fast the machine is.
settings.register_profile("suite", deadline=None, derandomize=True, database=None)
settings.load_profile("suite")


@pytest.fixture(scope="session")
def records():
    return [record(*sentence) for sentence in SENTENCES]


@pytest.fixture(scope="session")
def tokenizer(records):
    return train_tokenizer([r.text for r in records], make_config().tokenizer)


@pytest.fixture(scope="session")
def examples(records, tokenizer):
    return encoded(records, tokenizer, make_config().task_list)


@pytest.fixture(scope="session")
def tiny(tokenizer):
    """(config, model, parameters) of the smallest useful model."""
    config = make_config()
    return config, *model_and_params(config, tokenizer)
