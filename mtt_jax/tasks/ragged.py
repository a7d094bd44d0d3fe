"""Arrays of unequal length, one per sentence, joined into one flat array."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Arrays = Mapping[str, np.ndarray]


def ragged(name: str, parts: Sequence[np.ndarray], dtype: Any) -> dict[str, np.ndarray]:
    """Arrays of unequal length as one flat array, `NAMEs`, and the end of each, `NAME_ends`."""
    width = parts[0].shape[1:] if parts else ()
    flat = np.concatenate(parts) if parts else np.zeros((0, *width), dtype)
    ends = np.cumsum([len(part) for part in parts], dtype=np.int64)
    return {f"{name}s": flat.astype(dtype), f"{name}_ends": ends}


def part_of(arrays: Arrays, name: str, index: int) -> np.ndarray:
    """One of the arrays that `ragged` joined."""
    ends = arrays[f"{name}_ends"]
    return arrays[f"{name}s"][ends[index - 1] if index else 0 : ends[index]]


def parts_of(arrays: Arrays, name: str, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where several of the arrays that `ragged` joined are in it: begins and ends, int64 [k]."""
    ends = arrays[f"{name}_ends"]
    return np.where(indices > 0, ends[indices - 1], 0), ends[indices]


def ranges(begins: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """int64 [sum of sizes]: begin, begin + 1, ... of each range, one after another."""
    offsets = np.cumsum(sizes) - sizes
    return np.repeat(begins - offsets, sizes) + np.arange(sizes.sum())
