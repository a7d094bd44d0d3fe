"""What the families share: names of activations, and the layout of matrices."""

from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax.errors import UserError

_ACTIVATIONS = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
    "silu": "silu",
}
# If a function has several names there, the first is written.
_NAMES = {ours: theirs for theirs, ours in reversed(_ACTIVATIONS.items())}


def activation(name: str, where: Path) -> str:
    """Our name of an activation.

    Args:
      name: what config.json calls it.
      where: path of that file, for messages.

    Raises:
      UserError: for an unknown activation.
    """
    if name not in _ACTIVATIONS:
        raise UserError(f"{where}: activation {name!r} is not one of {', '.join(_ACTIVATIONS)}.")
    return _ACTIVATIONS[name]


def activation_name(ours: str) -> str:
    """What config.json calls one of our activations."""
    return _NAMES[ours]


def split_heads(matrices: list, biases: list, heads: int) -> dict[str, Any]:
    """Query, key and value, [D out, D in] and [D] each, as one kernel [D, 3, H, K] and its bias."""
    width = len(matrices[0])
    size = width // heads
    return {
        "kernel": np.stack([m.T for m in matrices], axis=1).reshape(width, 3, heads, size),
        "bias": np.stack(biases).reshape(3, heads, size),
    }


def join_heads(qkv: dict[str, Any]) -> tuple[list, list]:
    """The inverse of `split_heads`: ([D out, D in] x 3, [D] x 3)."""
    kernel, bias = np.asarray(qkv["kernel"]), np.asarray(qkv["bias"])
    width = len(kernel)
    return (
        [np.ascontiguousarray(kernel[:, i].reshape(width, width).T) for i in range(3)],
        [bias[i].reshape(width) for i in range(3)],
    )


def contiguous(tree: Any) -> Any:
    """The tree with every array contiguous: transposed views make slow parameters."""
    if isinstance(tree, dict):
        return {name: contiguous(leaf) for name, leaf in tree.items()}
    return np.ascontiguousarray(tree)
