"""Devices: the mesh, where parameters live on it, and how a batch is placed.

A mesh has two axes. Rows of a batch are sharded over both; parameters, and the optimizer's moments
with them, are replicated along "data" and sharded along "fsdp" (ZeRO stage 3, Rajbhandari et al.
2020, arXiv:1910.02054). XLA gathers what a layer needs and turns sums in the loss into sums over
all devices. The model does not know about the mesh.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.experimental import multihost_utils
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from mtt_jax.errors import UserError
from mtt_jax.types import Batch, Outputs

# Smaller parameters are replicated: gathering them costs more time than it saves memory.
_SMALL = 1024


def make_mesh(data: int, batch_rows: int, accumulate: int = 1, fsdp: int = 1) -> Mesh:
    """A mesh of `data` times `fsdp` devices, the same number from each process.

    Args:
      data: devices along the axis "data"; 0 for as many as exist and divide the batch.
      batch_rows: rows of a batch over all devices.
      accumulate: parts in which a batch is computed.
      fsdp: devices along the axis "fsdp".

    Raises:
      UserError: if there are not enough devices, or they do not divide the rows evenly.
    """
    devices, processes = jax.devices(), jax.process_count()
    rows = batch_rows // accumulate
    field, asked = ("data", data * fsdp) if data else ("fsdp", fsdp)
    if asked > len(devices):
        raise UserError(
            f"config.mesh.{field}: {asked} devices requested, {len(devices)} found "
            f"({devices[0].platform}); use a smaller number" + (", or 0 for all." if data else ".")
        )
    if not data:
        fitting = [
            n
            for n in range(1, len(devices) // fsdp + 1)
            if rows % (n * fsdp) == 0 and n * fsdp % processes == 0
        ]
        data = max(fitting, default=1)
    count = data * fsdp
    if rows % count:
        raise UserError(
            f"config.mesh.{field}: {count} devices do not divide {rows} rows "
            "(train.batch_rows / train.accumulate) evenly."
        )
    if count % processes:
        raise UserError(
            f"config.mesh.{field}: {processes} processes do not divide {count} devices evenly; "
            f"{rows} rows (train.batch_rows / train.accumulate) must be divisible by both."
        )
    # Process by process, so that the rows of each process are contiguous in a batch.
    chosen = [
        device
        for process in range(processes)
        for device in [d for d in devices if d.process_index == process][: count // processes]
    ]
    if len(chosen) < count:
        raise UserError(
            f"config.mesh.{field}: {count // processes} devices requested per process, but one "
            "process has fewer."
        )
    return Mesh(np.array(chosen).reshape(data, fsdp), ("data", "fsdp"))


def replicated(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays of which every device holds a full copy."""
    return NamedSharding(mesh, PartitionSpec())


def by_rows(mesh: Mesh) -> NamedSharding:
    """The sharding of arrays that are divided along their first axis."""
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def of_state(tree: Any, mesh: Mesh) -> Any:
    """Shardings for a tree of parameters, or of anything with their shapes.

    Args:
      tree: arrays or shapes.
      mesh: devices.

    Returns:
      A tree of shardings: a large leaf is divided over "fsdp" along its longest axis that can be
      divided, any other is replicated.
    """
    return jax.tree.map(lambda leaf: NamedSharding(mesh, _spec(leaf.shape, mesh)), tree)


def _spec(shape: tuple[int, ...], mesh: Mesh) -> PartitionSpec:
    parts = mesh.shape["fsdp"]
    axes = [axis for axis, size in enumerate(shape) if size % parts == 0]
    if parts == 1 or not axes or np.prod(shape) < _SMALL:
        return PartitionSpec()
    longest = max(axes, key=lambda axis: shape[axis])
    return PartitionSpec(*(None,) * longest, "fsdp")


def place(tree: Any, shardings: Any) -> Any:
    """Puts arrays of which every process holds a full copy on the mesh.

    Args:
      tree: NumPy arrays, random keys, and JAX arrays of this process.
      shardings: one for all leaves, or a tree with one per leaf.
    """
    if isinstance(shardings, NamedSharding):
        shardings = jax.tree.map(lambda _: shardings, tree)
    if jax.process_count() == 1:
        return jax.device_put(tree, shardings)
    return jax.tree.map(_place_leaf, tree, shardings)


def _place_leaf(leaf: Any, sharding: NamedSharding) -> jax.Array:
    if isinstance(leaf, jax.Array) and jax.dtypes.issubdtype(leaf.dtype, jax.dtypes.prng_key):
        return jax.random.wrap_key_data(_place_leaf(jax.random.key_data(leaf), sharding))
    whole = np.asarray(leaf)
    return jax.make_array_from_callback(whole.shape, sharding, lambda index: whole[index])


def gather(tree: Any) -> Any:
    """The full arrays of a tree on every host; all processes must call it together."""

    def whole(leaf):
        alone = leaf.is_fully_addressable or leaf.is_fully_replicated
        return np.asarray(leaf if alone else multihost_utils.process_allgather(leaf, tiled=True))

    return jax.tree.map(whole, tree) if jax.process_count() > 1 else jax.device_get(tree)


def place_batch(batch: Batch, mesh: Mesh) -> Batch:
    """Puts a NumPy batch on the mesh, divided by rows; each process passes its own rows."""
    if jax.process_count() == 1:
        return jax.device_put(batch, by_rows(mesh))
    processes = jax.process_count()
    return jax.tree.map(
        lambda rows: jax.make_array_from_process_local_data(
            by_rows(mesh), rows, (len(rows) * processes, *rows.shape[1:])
        ),
        batch,
    )


def over_mesh(forward: Callable[[Any, Batch], Any], mesh: Mesh) -> Callable[[Any, Batch], Any]:
    """A forward pass with rows sharded over the mesh and outputs replicated on all devices.

    Args:
      forward: as returned by `make_forward`, or another function of parameters and batch.
      mesh: devices; their number divides the rows.

    Returns:
      forward(params, NumPy batch), which all processes call with the same batch. `Outputs`
      have None for `tokens`: no score or answer needs them, and they would be the largest to send.
    """

    def run(params: Any, batch: Batch) -> Any:
        found = forward(params, batch)
        return found._replace(tokens=None) if isinstance(found, Outputs) else found

    compiled = jax.jit(run, out_shardings=replicated(mesh))
    return lambda params, batch: compiled(params, place(batch, by_rows(mesh)))


def describe_devices() -> str:
    """The devices in words, such as `CPU, 2 cores` or `1 x NVIDIA H100`."""
    device = jax.devices()[0]
    count = jax.device_count()
    processes = jax.process_count()
    shared = f", {processes} processes" if processes > 1 else ""
    if device.platform == "cpu":
        import os

        cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
        devices = f", {count} devices" if count > 1 else ""
        return f"CPU, {cores} cores{devices}{shared}"
    return f"{count} x {device.device_kind}{shared}"
