"""The start of JAX: which devices, what is kept of its compiling, and no noise."""

import ctypes
import hashlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable
from pathlib import Path

import jax

# Of glibc's malloc.h: https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_GPU_SIGNS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")
# Beside the encoded data; docs/predict.md says how to move it and how to do without.
_COMPILED = "~/.cache/mtt_jax/compiled"
_KEPT = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
_UNUSED = 30 * 24 * 3600  # seconds after which a compiled program that nobody read is deleted


def prepare() -> None:
    """Settles the platform before JAX starts it; call it before the first array.

    With CUDA's packages installed and no GPU, JAX tries CUDA, logs a traceback and then runs on
    the CPU. Where the system shows no NVIDIA device, and the user has chosen no platform, JAX is
    told to use the CPU at once.
    """
    if not os.environ.get("JAX_PLATFORMS") and not any(Path(s).exists() for s in _GPU_SIGNS):
        jax.config.update("jax_platforms", "cpu")
    _keep_freed_memory()
    _keep_compiled()
    # Orbax and JAX report every step of their own through absl; users have our lines.
    for name in ("absl", "jax", "orbax"):
        logging.getLogger(name).setLevel(logging.ERROR)


def _keep_freed_memory() -> None:
    """Lets XLA's scratch memory on a CPU be used again from one call to the next.

    A compiled program asks for its scratch memory as one block at every call, hundreds of MB for
    a training step. glibc gets a block of that size from the system and gives it back when the
    program ends, so every call pays anew for its pages: a seventh of a step's time. Kept on the
    heap the pages stay. Only the main thread allocates on that heap, so programs run in the thread
    that calls them rather than in one of JAX's own; whoever waits for the result loses nothing.
    """
    if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    mallopt = _of_glibc("mallopt")
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def give_back_freed() -> None:
    """Returns the pages of what is free to the system; for after a large program's first run.

    Small blocks, which live on, have then been cut from what the program freed. Its next run finds
    no room there and takes its scratch memory a second time; from then on it finds that again.
    Without this the first one would stay with the process, unused.
    """
    trim = _of_glibc("malloc_trim")
    if trim:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc, where that is the C library."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _keep_compiled() -> None:
    """Has JAX find what it compiled at an earlier start (its persistent compilation cache).

    What the user has set, by JAX's environment variables or in their program, is left as it is.
    """
    if not jax.config.values["jax_enable_compilation_cache"]:
        return
    ours = jax.config.values["jax_compilation_cache_dir"] is None
    if ours:
        folder = _folder()
        if folder is None:
            return
        jax.config.update("jax_compilation_cache_dir", str(folder))
    if ours or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        # Small programs as well: a start of training compiles fifty of them.
        for name, value in _KEPT.items():
            if name.upper() not in os.environ:
                jax.config.update(name, value)
    # An entry that a kill cut off fails its checksum, a full disk takes none: JAX then compiles.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    if "JAX_LOGGING_LEVEL" not in os.environ:
        # Of every program that it loads XLA says, on standard error and in 5 kB, that the machine
        # lacks "+prefer-no-gather": no feature, but advice to the compiler that compiled it here
        # (jax issue 38445). Who starts us and does not read that much would leave us waiting.
        jax.config.update("jax_logging_level", "CRITICAL")


def _folder() -> Path | None:
    """A folder for what is compiled on this machine; None where there can be none."""
    if sys.platform != "linux":
        return None  # where loading was tried; macOS crashed in it with jaxlib before 0.10
    try:
        folder = Path(_COMPILED).expanduser() / _machine()
        # Who can write there can make us run anything.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        for file in folder.iterdir():
            if time.time() - max(file.stat().st_atime, file.stat().st_mtime) > _UNUSED:
                file.unlink()
    except (OSError, RuntimeError):  # RuntimeError: no home
        return None
    return folder


def _machine() -> str:
    """A name for the processor and the cores that we may use.

    Homes are shared between machines. JAX's key tells neither instructions apart, which would end
    the process where they are missing, nor numbers of cores, to which XLA cuts its loops.
    """
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    kinds = ("model name", "flags", "Features", "CPU part")
    about = [line for line in lines if line.startswith(kinds)]
    about.append(str(len(os.sched_getaffinity(0))))
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
