"""Distributed runs: how processes find each other, and how they share what only one knows.

Every process runs the same program on its own devices. Only process 0 writes files and prints. What
a single process learns (a signal, an error in a file) is sent to all, so that they all act on it.
With one process everything here costs nothing.
"""

import contextlib
import os
import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import jax
import numpy as np
from jax.experimental import multihost_utils

from mtt_jax.errors import UserError

T = TypeVar("T")

# Seconds that processes have to find each other. JAX aborts the process a little later.
_PATIENCE = 50
# Seconds. JAX's own are 300 for the start, and 100 until it misses a process that does not answer.
_TIMEOUTS: dict[str, Any] = {
    "initialization_timeout": _PATIENCE + 10,
    "heartbeat_timeout_seconds": 30,
}
# What collectives and the coordination service say of a process that is gone.
_LOST = re.compile(r"gloo|nccl|coordination|barrier|heartbeat|connection", re.I)


def start(
    coordinator: str | None, processes: int | None, process: int | None, detect: bool
) -> None:
    """Connects to the other processes; call it before anything asks JAX for its devices.

    Args:
      coordinator: host:port on which process 0 listens.
      processes: how many there are.
      process: index of this one, from 0.
      detect: take all three from the cluster (Slurm, Open MPI, Kubernetes, TPU).

    Raises:
      UserError: if only some are given, one is invalid, or there is no cluster to detect.
    """
    given = {"--coordinator": coordinator, "--processes": processes, "--process": process}
    missing = [flag for flag, value in given.items() if value is None]
    if detect and len(missing) < 3:
        raise UserError(
            "--distributed: detects coordinator, processes and process; give either "
            "--distributed or --coordinator, --processes and --process."
        )
    if not detect and len(missing) == 3:
        return
    if not detect:
        _check(missing, coordinator or "", processes or 0, process or 0)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    limit = threading.Timer(_PATIENCE, _give_up, [coordinator or "the cluster"])
    limit.daemon = True
    limit.start()
    try:
        if detect:
            jax.distributed.initialize(**_TIMEOUTS)
        else:
            # Without detection: on a cluster it would limit this process to some of its devices.
            jax.distributed.initialize(
                coordinator,
                processes,
                process,
                cluster_detection_method="deactivate",
                **_TIMEOUTS,
            )
    except (ValueError, RuntimeError) as error:
        reason = " ".join(str(error).split())[:200]
        flag = "--distributed: no cluster detected" if detect else "--coordinator: cannot connect"
        raise UserError(
            f"{flag}: {reason} Give --coordinator=HOST:PORT --processes=N --process=I."
        ) from None
    finally:
        limit.cancel()


def _give_up(coordinator: str) -> None:
    _leave(
        2,
        f"--coordinator: {coordinator}: not all processes found each other within {_PATIENCE} "
        "seconds. Check that process 0 is running at that address and can be reached from here, "
        "and start all of them.",
    )


def _leave(code: int, message: str) -> NoReturn:
    """Ends the process without unwinding: what closes then waits for the other processes."""
    with contextlib.suppress(OSError, ValueError):
        sys.stdout.flush()
    os.write(2, f"error: {message}\n".encode())
    os._exit(code)


def _check(missing: list[str], coordinator: str, processes: int, process: int) -> None:
    """Checks the flags.

    Raises:
      UserError: for the first that is missing or invalid.
    """
    if missing:
        raise UserError(
            f"{missing[0]}: missing; a distributed run needs --coordinator=HOST:PORT, "
            "--processes=N and --process=I, or only --distributed."
        )
    host, _, port = coordinator.rpartition(":")
    if not host or not re.fullmatch("[0-9]{1,5}", port) or not 0 < int(port) < 1 << 16:
        raise UserError(f"--coordinator: expected HOST:PORT, got {coordinator!r}.")
    if processes < 1:
        raise UserError(f"--processes: {processes} is too small; must be at least 1.")
    if not 0 <= process < processes:
        raise UserError(f"--process: expected 0 to {processes - 1}, got {process}.")
    try:
        socket.getaddrinfo(host.strip("[]"), int(port))
    except (OSError, UnicodeError) as error:
        # JAX would retry for five minutes.
        raise UserError(f"--coordinator: {coordinator}: no such host: {error}.") from None


@contextlib.contextmanager
def ending_together() -> Iterator[None]:
    """Ends this process, with one line, if the work in the block fails because another one died.

    If nothing in the block asks the others for anything, JAX misses the process after `_TIMEOUTS`
    seconds, at once if it is process 0, and aborts this one with a message of its own.
    """
    try:
        yield
    except jax.errors.JaxRuntimeError as error:
        if jax.process_count() == 1 or not _LOST.search(str(error)):
            raise
        _leave(
            1,
            "another process of this run has died or cannot be reached, so this one ends. Start "
            "all of them again to resume from the last checkpoint.",
        )


def is_main() -> bool:
    """Whether this is the process that writes files and prints."""
    return jax.process_index() == 0


def texts(text: str) -> list[str]:
    """The texts that all processes passed here, in order of the processes."""
    if jax.process_count() == 1:
        return [text]
    ours = np.frombuffer(text.encode(), np.uint8)
    sizes = np.asarray(multihost_utils.process_allgather(np.int32(len(ours)))).ravel()
    padded = np.zeros(int(sizes.max()) + 1, np.uint8)  # one extra: an empty array cannot be sent
    padded[: len(ours)] = ours
    everyone = np.asarray(multihost_utils.process_allgather(padded))
    return [row[:size].tobytes().decode() for row, size in zip(everyone, sizes, strict=True)]


def together(work: Callable[[], T]) -> T:
    """Runs `work` in every process; an error in one of them is raised in all.

    Raises:
      UserError: that of the first process that has one.
    """
    if jax.process_count() == 1:
        return work()
    problem, result = "", None
    try:
        result = work()
    except UserError as error:
        problem = str(error)
    problems = [other for other in texts(problem) if other]
    if problems:
        raise UserError(problems[0])
    return result  # type: ignore[return-value]


def agreed(asked: list[int]) -> list[int]:
    """The signals that any process has received, the same list in all."""
    if jax.process_count() == 1:
        return asked
    number = int(np.max(multihost_utils.process_allgather(np.int32(asked[0] if asked else 0))))
    return [number] if number else []


def wait(name: str) -> None:
    """Blocks until every process has called it with this name."""
    if jax.process_count() > 1:
        multihost_utils.sync_global_devices(name)
