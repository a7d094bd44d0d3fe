"""Memory: what cannot fit is refused before the work, what runs out ends in one line."""

import os
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.devices import memory
from mtt_jax.errors import UserError
from tests.helpers import ROOT, make_config

CPUS = jax.devices("cpu")


def test_the_memory_of_the_machine_is_known():
    assert memory.of_machine() > 1e8
    assert memory.of_devices(CPUS) == memory.of_machine()


def test_a_batch_that_cannot_fit_is_refused_with_what_is_asked_for_what_there_is_and_what_to_do():
    config = make_config(train__batch_rows=100_000_000, train__row_length=128)
    with pytest.raises(UserError) as caught:
        memory.check_batch(config, CPUS)
    text = str(caught.value)
    assert text.startswith(
        "config.train.batch_rows: 100,000,000 rows of 128 subwords need more than"
    )
    assert f"there are {memory.size(memory.of_machine())}" in text
    for flag in ("train.batch_rows (100,000,000)", "train.accumulate (1)", "encoder.width"):
        assert f"--config.{flag}" in text


def test_accumulation_makes_a_batch_smaller_and_a_usual_one_fits():
    memory.check_batch(make_config(), CPUS)
    whole = memory.of_batch(make_config(train__batch_rows=1024))
    parts = memory.of_batch(make_config(train__batch_rows=1024, train__accumulate=8))
    assert parts < whole


def test_a_compiled_program_is_refused_if_it_does_not_fit():
    big = memory.of_machine() // 4  # float32, so as many bytes as there are, and twice that
    program = jax.jit(
        lambda x: jnp.sort(jnp.broadcast_to(x, (2 * big,)) * jnp.arange(2 * big)).sum()
    )
    compiled = program.lower(jnp.float32(1)).compile()
    with pytest.raises(UserError, match="out of memory: a training step of 4 rows needs"):
        memory.check_program(compiled, make_config(train__batch_rows=4), CPUS[:1])
    small = jax.jit(lambda x: x + 1).lower(jnp.float32(1)).compile()
    memory.check_program(small, make_config(), CPUS[:1])


def test_exhausted_memory_of_numpy_is_explained():
    with (
        pytest.raises(
            UserError, match=r"out of memory: 7.11 PiB were requested at once\. Less, please\."
        ),
        memory.explained("Less, please."),
    ):
        np.ones(10**15)


def test_exhausted_memory_of_xla_is_explained():
    """In a process that may have 3 GB, since a machine may promise what it does not have."""
    program = """
import resource
import jax, jax.numpy as jnp
from mtt_jax.cli import guarded
jax.devices()
def big():
    used = int(open("/proc/self/statm").read().split()[0]) * 4096
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**30, used + 2**30))
    jnp.zeros(2**34).block_until_ready()
raise SystemExit(guarded(big))
"""
    environment = {**os.environ, "JAX_PLATFORMS": "cpu"}
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, env=environment, capture_output=True, text=True
    )
    assert done.returncode == 2, done.stderr
    assert done.stderr.splitlines()[-1].startswith("error: out of memory: 68.7 GB were requested")
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "error", [KeyError("memory"), RuntimeError("INTERNAL: no"), UserError("x")]
)
def test_other_errors_stay_what_they_are(error):
    with pytest.raises(type(error)), memory.explained(""):
        raise error
    assert not memory.is_exhausted(error)


@pytest.mark.parametrize(
    ("count", "text"), [(7, "7 bytes"), (5_300_000, "5.3 MB"), (2e9, "2.0 GB"), (3e13, "30.0 TB")]
)
def test_sizes_are_given_in_words(count, text):
    assert memory.size(count) == text
