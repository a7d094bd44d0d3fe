"""Tensors of safetensors files as float32, checked: numbers that can be computed with."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes  # noqa: F401  NumPy knows bfloat16 once it is imported
import numpy as np
from safetensors import SafetensorError, safe_open

from mtt_jax.errors import UserError

# What float32 replaces without a loss that matters. Smaller types come with scales of their own, in
# a layout for each method of quantization.
_READ = ("F64", "F32", "F16", "BF16")


def names(file: Path) -> list[str]:
    """The names of a file's tensors.

    Raises:
      UserError: if it is not a whole safetensors file.
    """
    with _opened(file) as tensors:
        return list(tensors.keys())


def shapes(file: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of a file's tensors, from its header; raises as `names`."""
    with _opened(file) as tensors:
        return {name: tuple(tensors.get_slice(name).get_shape()) for name in list(tensors.keys())}


def metadata(file: Path) -> dict[str, str]:
    """What the header of a file says about it besides its tensors; raises as `names`."""
    with _opened(file) as tensors:
        return tensors.metadata() or {}


def read(file: Path, name: str) -> Any:
    """One tensor as float32.

    Raises:
      UserError: naming the tensor, if it has another type or holds NaN or infinite numbers.
    """
    with _opened(file) as tensors:
        return _read(tensors, file, name)


def read_all(file: Path) -> dict[str, Any]:
    """All tensors by name, as float32; otherwise as `read`."""
    with _opened(file) as tensors:
        return {name: _read(tensors, file, name) for name in list(tensors.keys())}


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """An open file.

    Raises:
      UserError: if it is not a whole safetensors file.
    """
    try:
        with safe_open(file, "np") as tensors:
            yield tensors
    except (SafetensorError, OSError) as error:
        raise UserError(f"{file}: damaged or missing: {error}.") from None


def _read(tensors: Any, file: Path, name: str) -> Any:
    kind = tensors.get_slice(name).get_dtype()
    if kind not in _READ:
        raise UserError(
            f"{file}: tensor {name!r} is stored as {kind}, not as one of {', '.join(_READ)}; use "
            "the model as it was before it was quantized or converted."
        )
    with np.errstate(over="ignore"):  # from float64: infinite, and refused below
        found = tensors.get_tensor(name).astype(np.float32, copy=False)
    count = found.size - np.count_nonzero(np.isfinite(found))
    if count:
        raise UserError(
            f"{file}: tensor {name!r} is NaN or infinite, as float32, in {count:,} of "
            f"{found.size:,} places; such a model cannot answer. Use a whole copy of it, or one "
            "whose training converged."
        )
    return found
