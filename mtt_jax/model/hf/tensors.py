"""Tensors of safetensors files as float32, checked: numbers that can be computed with."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import ml_dtypes  # noqa: F401  NumPy knows bfloat16 once it is imported
import numpy as np
from safetensors import SafetensorError, safe_open

from mtt_jax.errors import UserError
from mtt_jax.untrusted.folder import check_regular
from mtt_jax.untrusted.json_text import JsonError, parse_json

# What float32 replaces without a loss that matters. Smaller types come with scales of their own, in
# a layout for each method of quantization.
_READ = ("F64", "F32", "F16", "BF16")
# Bytes of a number; other types, which are never read, are not listed.
_BYTES = {"F64": 8, "I64": 8, "U64": 8, "F32": 4, "I32": 4, "U32": 4, "F16": 2, "BF16": 2,
          "I16": 2, "U16": 2, "I8": 1, "U8": 1, "BOOL": 1}  # fmt: skip
# The length of the header, before it; and the longest header that safetensors itself reads.
_LENGTH, _LONGEST = 8, 100_000_000
# Of a name in a header, in a message.
_SHOWN = 100


class Stored(NamedTuple):
    """How a file holds a tensor.

    Attributes:
      dtype: as safetensors calls it, such as "F32".
      shape: of the tensor.
      begin: of its bytes, after the header.
      end: of its bytes, exclusive.
    """

    dtype: str
    shape: tuple[int, ...]
    begin: int
    end: int


def header(file: Path) -> dict[str, Stored]:
    """A file's tensors by name, from its header alone, which is checked against the file's size.

    Every shape is that of bytes that are there, so that what is allocated for a tensor is at most
    twice the size of the file (a half as float32). The format:
    https://github.com/huggingface/safetensors#format

    Raises:
      UserError: if it is not a whole safetensors file: naming what is wrong, and the tensor.
    """
    try:
        size = check_regular(file)
        with file.open("rb") as opened:
            length = int.from_bytes(opened.read(_LENGTH), "little")
            if size < _LENGTH or length > min(size - _LENGTH, _LONGEST):
                reason = f"its header would have {length:,} bytes" if size >= _LENGTH else ""
                raise _damaged(file, f"the file has {size:,} bytes{reason and ', '}{reason}")
            entries = parse_json(opened.read(length))
    except OSError as error:
        raise _damaged(file, error.strerror or "it does not exist") from None
    except JsonError as error:
        raise _damaged(file, f"its header {error}") from None
    if not isinstance(entries, dict):
        raise _damaged(file, "its header is not a JSON object")
    entries.pop("__metadata__", None)
    found = {name: _stored(file, name, entry) for name, entry in entries.items()}
    _check_places(file, found, size - _LENGTH - length)
    return found


def _stored(file: Path, name: str, entry: Any) -> Stored:
    """An entry of a header."""
    entry = entry if isinstance(entry, dict) else {}
    dtype, shape, offsets = (entry.get(key) for key in ("dtype", "shape", "data_offsets"))
    whole = all(
        isinstance(numbers, list) and all(type(n) is int and n >= 0 for n in numbers)
        for numbers in (shape, offsets)
    )
    if not isinstance(dtype, str) or not whole or len(offsets) != 2:
        raise _damaged(
            file,
            f"in its header, tensor {name[:_SHOWN]!r} has no dtype, shape and data_offsets as "
            "safetensors writes them",
        )
    return Stored(dtype, tuple(shape), *offsets)


def _check_places(file: Path, found: dict[str, Stored], size: int) -> None:
    """Compares tensors with the bytes after the header, which they fill one after the other."""
    at = 0
    for name, (dtype, shape, begin, end) in sorted(found.items(), key=lambda item: item[1][2:]):
        shown = f"tensor {name[:_SHOWN]!r}"
        if not begin <= end <= size:
            raise _damaged(
                file,
                f"{shown} is at the bytes {begin:,} to {end:,}, and the file ends at {size:,}; it "
                "was cut off, or its header was changed",
            )
        if begin != at:
            what = "overlaps the one before it" if begin < at else "does not follow the one before"
            raise _damaged(file, f"{shown} {what}: it begins at byte {begin:,}, not {at:,}")
        at = end
        each = _BYTES.get(dtype)
        if each and math.prod(shape) * each != end - begin:
            raise _damaged(
                file,
                f"{shown} has {end - begin:,} bytes, which are not a {dtype} of the shape "
                f"{str(list(shape))[:_SHOWN]}",
            )
    if at != size:
        raise _damaged(file, f"{size - at:,} bytes at its end belong to no tensor")


def _damaged(file: Path, reason: str) -> UserError:
    return UserError(f"{file}: damaged: {reason}. Copy it again.")


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
    names = list(header(file))
    with _opened(file) as tensors:
        return {name: _read(tensors, file, name) for name in names}


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
        raise _damaged(file, str(error)) from None


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
