"""Memory: what a machine has, what a batch needs at least, and one line when it is exhausted.

On a CPU the operating system grants memory that it does not have, and later kills the process
without a message. So what certainly does not fit is refused before the work begins, and what a
compiled step needs is compared with the machine's memory before its first run.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError

_MEMINFO = Path("/proc/meminfo")
_CGROUPS = (  # version 2, then 1
    Path("/sys/fs/cgroup/memory.max"),
    Path("/sys/fs/cgroup/memory/memory.limit_in_bytes"),
)
_EXHAUSTED = re.compile(
    r"RESOURCE_EXHAUSTED|out of memory|unable to allocate|failed to allocate|bad_alloc", re.I
)


def of_machine() -> int:
    """Bytes of memory that the processes of this machine or container have; 0 if unknown."""
    sizes = []
    with contextlib.suppress(OSError, ValueError):
        lines = dict(line.split(":", 1) for line in _MEMINFO.read_text().splitlines())
        kilobytes = sum(int(lines[name].split()[0]) for name in ("MemTotal", "SwapTotal"))
        sizes.append(kilobytes * 1024)
    for file in _CGROUPS:
        with contextlib.suppress(OSError, ValueError):
            sizes.append(int(file.read_text()))  # "max": no limit
    return min(sizes, default=0)


def of_devices(devices: Any) -> int:
    """Bytes of memory that some JAX devices have together; 0 if unknown.

    Those of a CPU share the memory of their machine.
    """
    if devices[0].platform == "cpu":
        return of_machine() * len({device.process_index for device in devices})
    import jax  # not at the top: commands use this module before JAX is needed

    ours = [device for device in devices if device.process_index == jax.process_index()]
    limit = (ours[0].memory_stats() or {}).get("bytes_limit", 0) if ours else 0
    return limit * len(devices)


def of_batch(config: Config) -> int:
    """Bytes that a training step needs at least: its batch, and the output of one layer's parts.

    No attention, no gradient and no other layer is counted, so a step needs several times as much.
    """
    encoder, train = config.encoder, config.train
    on_host = 3 * 4  # tokens, segments and positions are int32
    size = 2 if encoder.dtype == "bfloat16" else 4
    on_device = size * (2 * encoder.width + encoder.feedforward)
    positions = train.batch_rows * train.row_length
    return positions * on_host + positions // train.accumulate * on_device


def check_batch(config: Config, devices: Any) -> None:
    """Refuses a batch that is certain not to fit, before anything is read.

    Args:
      config: the run's.
      devices: those that share a batch.

    Raises:
      UserError: saying what was asked for and what there is.
    """
    there, needed = of_devices(devices), of_batch(config)
    if there and needed > there:
        raise UserError(
            f"config.train.batch_rows: {config.train.batch_rows:,} rows of "
            f"{config.train.row_length:,} subwords need more than {size(needed)} of memory; there "
            f"are {size(there)}. {remedy(config)}"
        )


def check_program(compiled: Any, config: Config, devices: Any) -> None:
    """Refuses a compiled step that does not fit into the memory of a CPU's machine.

    Other devices report it themselves; see `explained`.

    Args:
      compiled: as `jax.stages.Lowered.compile` returns it.
      config: the run's.
      devices: those that it runs on.

    Raises:
      UserError: saying what the step needs and what there is.
    """
    if devices[0].platform != "cpu":
        return
    found = compiled.memory_analysis()
    if found is None:
        return
    each = found.temp_size_in_bytes + found.argument_size_in_bytes
    there, needed = of_devices(devices), each * len(devices)
    if there and needed > there:
        raise UserError(
            f"out of memory: a training step of {config.train.batch_rows:,} rows needs "
            f"{size(needed)}; there are {size(there)}, for about "
            f"{config.train.batch_rows * there // needed:,} rows. {remedy(config)}"
        )


def remedy(config: Config) -> str:
    """How a run needs less memory."""
    train = config.train
    return (
        f"Lower --config.train.batch_rows ({train.batch_rows:,}), raise --config.train.accumulate "
        f"({train.accumulate}), which computes a batch in parts, or lower "
        f"--config.encoder.width ({config.encoder.width})."
    )


def size(count: int) -> str:
    """A number of bytes in words, such as `1.5 GB`."""
    for unit, name in ((1e12, "TB"), (1e9, "GB"), (1e6, "MB")):
        if count >= unit:
            return f"{count / unit:,.1f} {name}"
    return f"{count:,} bytes"


def is_exhausted(error: BaseException) -> bool:
    """Whether an exception, of Python, NumPy or XLA, says that memory is exhausted."""
    if isinstance(error, MemoryError):
        return True
    # XLA's exception is a RuntimeError; the text holds the status.
    return isinstance(error, (RuntimeError, ValueError)) and bool(_EXHAUSTED.search(str(error)))


@contextlib.contextmanager
def explained(advice: str) -> Iterator[None]:
    """Turns exhausted memory within the block into one line.

    Args:
      advice: what to do about it.

    Raises:
      UserError: saying how much was asked for, if the exception tells.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if not is_exhausted(error):
            raise
        raise UserError(exhausted(error, advice)) from None


def exhausted(error: BaseException, advice: str) -> str:
    """What an exception about exhausted memory says, and what to do about it."""
    return f"out of memory{_asked(error)}. {advice}"


def _asked(error: BaseException) -> str:
    text = str(error)
    found = re.search(r"allocat\w* (\d[\d.]*) ?(bytes|[KMGTPE]i?B)", text)
    if not found:
        return ""
    number, unit = found.groups()
    asked = size(int(number)) if unit == "bytes" and number.isdecimal() else f"{number} {unit}"
    return f": {asked} were requested at once"
