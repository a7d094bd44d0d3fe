"""The start of JAX: which devices, without noise on a machine that has no GPU."""

import logging
import os
from pathlib import Path

import jax

_GPU_SIGNS = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")


def prepare() -> None:
    """Settles the platform before JAX starts it; call it before the first array.

    With CUDA's packages installed and no GPU, JAX tries CUDA, logs a traceback and then runs on
    the CPU. Where the system shows no NVIDIA device, and the user has chosen no platform, JAX is
    told to use the CPU at once.
    """
    if not os.environ.get("JAX_PLATFORMS") and not any(Path(s).exists() for s in _GPU_SIGNS):
        jax.config.update("jax_platforms", "cpu")
    # Orbax and JAX report every step of their own through absl; users have our lines.
    for name in ("absl", "jax", "orbax"):
        logging.getLogger(name).setLevel(logging.ERROR)
