"""Devices: the mesh, where parameters live on it, and how a batch is placed.

Rows of a batch are divided over the mesh's "data" axis and parameters are copied to every
device; XLA turns the sums of the loss into sums over all devices. Model files know nothing of it.
"""

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mtt_jax.errors import UserError
from mtt_jax.types import Batch


def make_mesh(data: int, batch_rows: int, accumulate: int = 1) -> Mesh:
    """A mesh of `data` devices; 0 for as many as there are and as divide the batch.

    Raises:
      UserError: where there are not so many devices, or the rows do not divide among them.
    """
    devices = jax.devices()
    rows = batch_rows // accumulate
    if not data:
        data = max(n for n in range(1, len(devices) + 1) if rows % n == 0)
    if data > len(devices):
        raise UserError(
            f"config.mesh.data: {data} devices asked for, {len(devices)} found "
            f"({devices[0].platform}); use a smaller number, or 0 for all."
        )
    if rows % data:
        raise UserError(
            f"config.mesh.data: {data} devices do not divide {rows} rows "
            "(train.batch_rows / train.accumulate) evenly."
        )
    return Mesh(np.array(devices[:data]), ("data",))


def replicated(mesh: Mesh) -> NamedSharding:
    """The placement of what every device holds whole."""
    return NamedSharding(mesh, PartitionSpec())


def by_rows(mesh: Mesh) -> NamedSharding:
    """The placement of what is divided by its first axis."""
    return NamedSharding(mesh, PartitionSpec("data"))


def place_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Puts a NumPy batch on the mesh, its rows divided."""
    return jax.device_put(batch, by_rows(mesh))


def describe_devices() -> str:
    """The devices in words, such as `2 CPU cores` or `1 x NVIDIA H100`."""
    device = jax.devices()[0]
    count = jax.device_count()
    if device.platform == "cpu":
        import os

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        return f"CPU, {cores} cores" + (f", {count} devices" if count > 1 else "")
    return f"{count} x {device.device_kind}"
