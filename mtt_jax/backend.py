"""The start of JAX: which devices, without noise on a machine that has no GPU."""

import ctypes
import logging
import os
import sys
from pathlib import Path

import jax

# Of glibc's malloc.h: https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_GPU_SIGNS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")


def prepare() -> None:
    """Settles the platform before JAX starts it; call it before the first array.

    With CUDA's packages installed and no GPU, JAX tries CUDA, logs a traceback and then runs on
    the CPU. Where the system shows no NVIDIA device, and the user has chosen no platform, JAX is
    told to use the CPU at once.
    """
    if not os.environ.get("JAX_PLATFORMS") and not any(Path(s).exists() for s in _GPU_SIGNS):
        jax.config.update("jax_platforms", "cpu")
    _keep_freed_memory()
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
    jax.config.update("jax_cpu_enable_async_dispatch", False)
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None) if sys.platform == "linux" else None
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)
