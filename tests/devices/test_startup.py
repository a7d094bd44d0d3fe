"""Starting JAX in real processes: scratch memory and the compilation cache."""

import json
import logging
import os
import subprocess
import sys
import time

import pytest

from mtt_jax.devices import startup
from tests.helpers import ROOT, save_untrained

PREDICT = """
import collections, json, sys
import jax
events = collections.Counter()
jax.monitoring.register_event_listener(lambda name, **_: events.update([name.split("/")[-1]]))
from mtt_jax import Predictor
result = Predictor.load(sys.argv[1])("Tom Fry of Acme United scored in Rome .")
print(json.dumps([events["compile_requests_use_cache"], events["cache_hits"], result]))
"""

# A program with 64 MB of scratch memory, called several times in a new process.
PROGRAM = """
import resource
import jax, jax.numpy as jnp
from mtt_jax.devices import startup

startup.prepare()
scratch = jax.jit(lambda x: (jnp.sort(jnp.outer(x, x), axis=0) @ x).sum())
x = jnp.ones(4096)
def faults():
    scratch(x).block_until_ready()
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt
faults(), faults()
before = faults()
print(max(faults() - before, 0))
"""
RESIDENT = """
import jax, jax.numpy as jnp
from mtt_jax.devices import startup

startup.prepare()
jax.jit(lambda x: (jnp.sort(jnp.outer(x, x), axis=0) @ x).sum())(jnp.ones(4096)).block_until_ready()
def resident():
    lines = dict(line.split(":", 1) for line in open("/proc/self/status"))
    return int(lines["VmRSS"].split()[0])
before = resident()
startup.release_freed_memory()
print(before - resident())
"""


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


def predict(run, home, **variables):
    """(compile requests, cache hits, result) of a new process, which prints nothing to stderr."""
    environment = {**os.environ, "HOME": str(home), **variables}
    if not variables:
        environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    done = subprocess.run(
        [sys.executable, "-c", PREDICT, str(run)],
        cwd=ROOT, env=environment, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    assert done.stderr == ""
    return json.loads(done.stdout)


def test_what_jax_logs_while_devices_start_is_held_back_and_kept():
    logger, seen = logging.getLogger("jax._src.xla_bridge"), []
    handler = logging.Handler()
    handler.emit = seen.append
    logger.addHandler(handler)
    with startup._held_back(logger.name) as records:
        logger.error("a plugin failed")
    assert [record.msg for record in records] == ["a plugin failed"]
    assert not seen
    logger.error("later")
    logger.removeHandler(handler)
    assert [record.msg for record in seen] == ["later"]


@pytest.mark.parametrize(
    ("platforms", "message"),
    [
        ("cuda", "JAX_PLATFORMS=cuda: no NVIDIA GPU was found on this machine. Write "
                 "JAX_PLATFORMS=cpu to run on the CPU."),
        ("gpu", "JAX_PLATFORMS=gpu: no GPU was found on this machine. Write "),
        ("tpu", "JAX_PLATFORMS=tpu: no TPU was found on this machine. Write "),
        ("cdua", "JAX_PLATFORMS: 'cdua' is not a platform of JAX. Did you mean 'cuda'?"),
        ("CPU", "JAX_PLATFORMS: 'CPU' is not a platform of JAX. Did you mean 'cpu'?"),
        ("x", "JAX_PLATFORMS: 'x' is not a platform of JAX. It is one of cpu, cuda, gpu, rocm, "),
    ],
)  # fmt: skip
@pytest.mark.skipif(
    any(os.path.exists(file) for file in (*startup._GPU_FILES, "/dev/accel0")),
    reason="only without a GPU or TPU",
)
def test_a_platform_that_is_not_there_is_one_line_with_what_to_write_instead(
    platforms, message, run
):
    done = subprocess.run(
        [sys.executable, "-m", "mtt_jax", "predict", str(run)],
        cwd=ROOT, stdin=subprocess.DEVNULL, env={**os.environ, "JAX_PLATFORMS": platforms},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.startswith(f"error: {message}")
    assert done.stderr.count("\n") == 1


def compiled(folder):
    return sorted(folder.rglob("jit_*-cache"))


@pytest.mark.peers  # slow: two starts
def test_compilation_cache_makes_a_second_start_compile_nothing(run, tmp_path):
    requests, hits, result = predict(run, tmp_path)
    assert hits == 0 < requests
    files = compiled(tmp_path / ".cache" / "mtt_jax" / "compiled")
    assert len(files) == requests
    assert predict(run, tmp_path) == [requests, requests, result]
    # Truncated entries, as after a kill, are compiled again without a message.
    for file in files:
        file.write_bytes(file.read_bytes()[:-100])
    assert predict(run, tmp_path) == [requests, 0, result]


def test_compilation_cache_is_where_the_user_says(run, tmp_path):
    requests, *_ = predict(run, tmp_path, JAX_COMPILATION_CACHE_DIR=str(tmp_path / "there"))
    assert len(compiled(tmp_path / "there")) == requests
    assert not (tmp_path / ".cache").exists()


def test_compilation_cache_is_off_if_it_cannot_be_written(monkeypatch):
    monkeypatch.setenv("HOME", "/proc/nowhere")
    assert startup._folder() is None


@pytest.mark.parametrize(
    ("about", "lacks"),
    [
        ("model name\t: Xeon\nflags\t\t: sse2 avx2 avx512f avx512_bf16\n", False),
        ("flags\t\t: sse2 avx2 amx_bf16 amx_tile\n", False),
        ("flags\t\t: sse2 avx2 fma\n\nflags\t\t: sse2 avx2 fma\n", True),
        ("Features\t: fp asimd bf16\n", False),  # an ARM CPU
        ("", False),
    ],
)
def test_an_x86_cpu_without_bfloat16_is_told_by_its_flags(about, lacks):
    assert startup.lacks_bfloat16(about) == lacks


def test_compilation_cache_entries_unused_for_30_days_are_deleted(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    folder = startup._folder()
    old, new = folder / "jit_old-cache", folder / "jit_new-cache"
    old.touch()
    new.touch()
    long_ago = time.time() - 31 * 24 * 3600
    os.utime(old, (long_ago, long_ago))
    assert startup._folder() == folder
    assert list(folder.iterdir()) == [new]


@pytest.mark.peers  # slow: it compiles a large model
@pytest.mark.skipif(sys.platform != "linux", reason="only for glibc")
def test_scratch_memory_is_reused_from_call_to_call():
    run = subprocess.run(
        [sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) < 1000  # otherwise 16,384 page faults per call


@pytest.mark.peers  # slow: it compiles a large model
@pytest.mark.skipif(sys.platform != "linux", reason="only for glibc")
def test_scratch_memory_is_returned_to_the_system_on_request():
    run = subprocess.run(
        [sys.executable, "-c", RESIDENT], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert int(run.stdout) > 60_000  # of 65,536 kB
