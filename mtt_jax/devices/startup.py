"""Starting JAX: platform, memory, compilation cache and log levels."""

import ctypes
import hashlib
import logging
import os
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import jax

from mtt_jax.devices import memory
from mtt_jax.errors import UserError, did_you_mean

# From glibc's malloc.h: https://man7.org/linux/man-pages/man3/mallopt.3.html
_M_TRIM_THRESHOLD, _M_MMAP_MAX = -1, -4
_GPU_FILES = ("/dev/nvidia0", "/dev/nvidiactl", "/dev/dxg", "/proc/driver/nvidia/version")
# Next to the encoded data; docs/predict.md says how to move it and how to disable it.
_CACHE_FOLDER = "~/.cache/mtt_jax/compiled"
_CACHE_OPTIONS = {
    "jax_persistent_cache_min_compile_time_secs": 0.0,
    "jax_persistent_cache_min_entry_size_bytes": -1,
}
# Values of JAX_PLATFORMS, and what each stands for.
_PLATFORMS = {
    "cpu": "CPU", "cuda": "NVIDIA GPU", "gpu": "GPU", "rocm": "AMD GPU", "tpu": "TPU",
}  # fmt: skip
_started_in = 0  # process in which the devices were started
_UNUSED = 30 * 24 * 3600  # seconds after which an unused compiled program is deleted


def prepare() -> None:
    """Configures JAX before it starts its backend; call it before the first array.

    With CUDA's packages installed but no GPU, JAX tries CUDA, logs a traceback and then runs on
    the CPU. If the system has no NVIDIA device and the user has not chosen a platform, JAX is told
    to use the CPU right away.
    """
    if not os.environ.get("JAX_PLATFORMS") and not any(Path(f).exists() for f in _GPU_FILES):
        jax.config.update("jax_platforms", "cpu")
    _keep_freed_memory()
    _keep_compiled()
    # Orbax and JAX log every step of theirs through absl; users read our messages.
    for name in ("absl", "jax", "orbax"):
        logging.getLogger(name).setLevel(logging.ERROR)


def start_devices() -> None:
    """Starts JAX's devices, or says why they cannot be started.

    Raises:
      UserError: if JAX_PLATFORMS names a platform that this machine lacks, or the process was
        forked from one in which JAX had started.
    """
    global _started_in
    if _started_in not in (0, os.getpid()):
        raise UserError(
            "this process was forked from one that had started JAX, in which JAX would hang. Load "
            "the model in each worker, and start the workers with spawn: "
            "multiprocessing.get_context('spawn'); gunicorn without --preload."
        )
    with _held_back("jax._src.xla_bridge") as records:
        try:
            jax.devices()
        except (RuntimeError, AssertionError) as error:  # AssertionError: CUDA without a GPU
            if memory.is_exhausted(error):
                raise
            asked = jax.config.values["jax_platforms"] or ""
            raise UserError(_no_devices(asked, error, records)) from None
    for record in records:
        logging.getLogger(record.name).handle(record)
    _started_in = os.getpid()


@contextmanager
def _held_back(name: str) -> Iterator[list[logging.LogRecord]]:
    """Collects what a logger is told within the block, in place of printing it.

    JAX logs the traceback of a plugin that cannot start, beside the error that it raises.
    """
    records: list[logging.LogRecord] = []

    def hold(record: logging.LogRecord) -> bool:
        records.append(record)
        return False

    logger = logging.getLogger(name)
    logger.addFilter(hold)
    try:
        yield records
    finally:
        logger.removeFilter(hold)


def _no_devices(asked: str, error: BaseException, records: list[logging.LogRecord]) -> str:
    """What is wrong with a JAX_PLATFORMS with which no device was found.

    Args:
      asked: JAX_PLATFORMS.
      error: that JAX raised.
      records: what it logged before.
    """
    names = [name.strip() for name in asked.split(",") if name.strip()]
    for name in names:
        if name not in _PLATFORMS:
            hint = did_you_mean(name, _PLATFORMS) or f" It is one of {', '.join(_PLATFORMS)}."
            return f"JAX_PLATFORMS: {name!r} is not a platform of JAX.{hint}"
    if not names or names == ["cpu"]:
        reason = " ".join(str(error).split())[:160]
        return f"JAX cannot start on this machine: {reason}"
    if asked != ",".join(names):  # JAX takes the spaces as part of the names
        return f"JAX_PLATFORMS: expected names without spaces, as in {','.join(names)}."
    missing = names[0]
    if missing in ("cuda", "gpu") and any(Path(f).exists() for f in _GPU_FILES):
        why = "JAX cannot use this machine's GPU; is JAX installed for it (requirements.txt)?"
        for record in records:
            if record.exc_info:
                reason = " ".join(str(record.exc_info[1]).split())[:160]
                why = f"JAX cannot use this machine's GPU: {reason}."
    else:
        why = f"no {_PLATFORMS[missing]} was found on this machine."
    return f"JAX_PLATFORMS={asked}: {why} Write JAX_PLATFORMS=cpu to run on the CPU."


def _keep_freed_memory() -> None:
    """Makes calls of a compiled program on a CPU reuse their scratch memory.

    A compiled program allocates its scratch memory as one block in every call, hundreds of MB for
    a training step. glibc gets a block of that size from the system and returns it when the program
    ends, so every call pays for its page faults again: a seventh of a step's time. On the heap the
    pages stay mapped. Only the main thread allocates on that heap, so programs must run in the
    calling thread, not in one of JAX's own; a caller that waits for the result loses nothing.
    """
    if "JAX_CPU_ENABLE_ASYNC_DISPATCH" not in os.environ:
        jax.config.update("jax_cpu_enable_async_dispatch", False)
    mallopt = _of_glibc("mallopt")
    if mallopt:
        mallopt(_M_MMAP_MAX, 0)
        mallopt(_M_TRIM_THRESHOLD, 2**31 - 1)


def release_freed_memory() -> None:
    """Returns the pages of free memory to the system; call it after a large program's first run.

    By then, small blocks that live longer have been cut out of the scratch memory that the program
    freed. Its second run no longer fits there and allocates scratch memory anew, which all later
    runs reuse. Without this call the process would keep the first block, unused.
    """
    trim = _of_glibc("malloc_trim")
    if trim:
        trim(0)


def _of_glibc(name: str) -> Callable[..., int] | None:
    """A function of glibc; None if the C library is another one."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None


def _keep_compiled() -> None:
    """Turns on JAX's persistent compilation cache, so that a second start compiles nothing.

    What the user has set, with JAX's environment variables or in their program, is not changed.
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
        # Small programs too: training compiles fifty of them when it starts.
        for name, value in _CACHE_OPTIONS.items():
            if name.upper() not in os.environ:
                jax.config.update(name, value)
    # If an entry was truncated by a kill, or the disk is full, JAX warns and compiles.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    if "JAX_LOGGING_LEVEL" not in os.environ:
        # For every program it loads, XLA writes 5 kB to standard error, saying that the machine
        # lacks "+prefer-no-gather": not a CPU feature, but a tuning hint of the compiler on this
        # very machine (jax issue 38445). A parent process that reads none of it would block us.
        jax.config.update("jax_logging_level", "CRITICAL")


def _folder() -> Path | None:
    """The folder for programs compiled on this machine; None if it cannot be used."""
    if sys.platform != "linux":
        return None  # not tested elsewhere; loading crashed on macOS with jaxlib before 0.10
    try:
        folder = Path(_CACHE_FOLDER).expanduser() / _machine()
        # Private: whoever can write there can make us run any code.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not os.access(folder, os.W_OK):
            return None
        for file in folder.iterdir():
            if time.time() - max(file.stat().st_atime, file.stat().st_mtime) > _UNUSED:
                file.unlink()
    except (OSError, RuntimeError):  # RuntimeError: no home
        return None
    return folder


def lacks_bfloat16(about: str | None = None) -> bool:
    """Whether this is an x86 CPU without instructions that multiply bfloat16.

    False for one of another kind, and where /proc/cpuinfo cannot be read.

    Args:
      about: the content of /proc/cpuinfo, by default this machine's.
    """
    if about is None:
        try:
            about = Path("/proc/cpuinfo").read_text(encoding="utf-8")
        except OSError:
            return False
    flags = next((line for line in about.splitlines() if line.startswith("flags")), "")
    return bool(flags) and not {"avx512_bf16", "amx_bf16"} & set(flags.split())


def _machine() -> str:
    """A hash of the processor and of the number of cores that we may use.

    Machines may share a home directory. JAX's cache key covers neither the instruction set (a
    missing instruction would kill the process) nor the number of cores (by which XLA splits loops).
    """
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").partition("\n\n")[0].splitlines()
    names = ("model name", "flags", "Features", "CPU part")
    about = [line for line in lines if line.startswith(names)]
    about.append(str(len(os.sched_getaffinity(0))))
    return hashlib.sha256("\n".join(about).encode()).hexdigest()[:16]
