"""The start of JAX: what a run asks of the machine, and what it leaves alone."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]

# A program with 64 MB of scratch memory, called several times in a fresh process.
PROGRAM = """
import resource
import jax, jax.numpy as jnp
from mtt_jax import backend

backend.prepare()
scratch = jax.jit(lambda x: (jnp.sort(jnp.outer(x, x), axis=0) @ x).sum())
x = jnp.ones(4096)
def faults():
    scratch(x).block_until_ready()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
faults(), faults()
before = faults()
print(max(faults() - before, 0))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc is told to keep its memory")
def test_scratch_memory_is_used_again_from_one_call_to_the_next():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 1000  # 16,384 pages of 4 KB otherwise, at every call
