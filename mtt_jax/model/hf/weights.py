"""The tensors of a Hugging Face folder, read from safetensors only.

A pickle can run its author's code, so a pytorch_model.bin is never opened.
"""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mtt_jax.errors import UserError
from mtt_jax.model.hf.tensors import Stored, header, read
from mtt_jax.untrusted.folder import file_in, read_object

# Endings of what PyTorch writes by default.
_PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
# A length that a tensor must have, with how config.json gives it.
Length = tuple[str, int]


class Weights:
    """The tensors of a folder by name, with or without a prefix, as a model with a head has one.

    Attributes:
      folder: where they are.
    """

    def __init__(self, folder: Path, prefix: str, table: str):
        """Finds out which tensors there are.

        Args:
          folder: a Hugging Face model.
          prefix: of the encoder's tensors in a model with a head, such as "bert.".
          table: name of the token table, for which every other prefix is recognized.
        """
        self.folder = folder
        self._file_of: dict[str, Path] = {}
        self._taken: set[str] = set()
        self._stored: dict[str, Stored] = {}
        for file in weight_files(folder):
            tensors = header(file)
            twice = sorted(tensors.keys() & self._file_of.keys())
            if twice:
                raise UserError(
                    f"{folder}: tensor {twice[0]!r} is in two files, {file.name} and "
                    f"{self._file_of[twice[0]].name}; only one of them can be meant."
                )
            self._file_of |= dict.fromkeys(tensors, file)
            self._stored |= tensors
        self._prefixes = self._recognize(prefix, table)

    def _recognize(self, prefix: str, table: str) -> tuple[str, ...]:
        """The prefixes under which the encoder's tensors are looked for."""
        found = [n.removesuffix(table) for n in sorted(self._file_of) if n.endswith(f".{table}")]
        if table in self._file_of or prefix in found or not found:
            return "", prefix
        if len(found) > 1:
            raise UserError(
                f"{self.folder}: holds {len(found)} encoders, as {', '.join(map(repr, found))}, "
                f"and none as {prefix!r}; save the one to use in a folder of its own."
            )
        return (found[0],)

    def take(self, *names: str, shape: Sequence[Length | None], optional: bool = False) -> Any:
        """The first of the tensors that exists, as float32; None if `optional` and none does.

        Args:
          names: what it may be called.
          shape: its lengths; None for one that may be any.
          optional: whether it may be missing.

        Raises:
          UserError: naming the tensor that is missing, has another shape or cannot be read.
        """
        for name in (prefix + name for name in names for prefix in self._prefixes):
            if name in self._file_of:
                self._taken.add(name)
                # Before it is read, which allocates it.
                self._check_shape(name, self._stored[name].shape, shape)
                return read(self._file_of[name], name)
        if optional:
            return None
        if self._taken:
            reason = "its config.json asks for more than there is, or a part of it was not copied"
        else:
            reason = f"it begins with {min(self._file_of, default='none at all')!r}"
        raise UserError(
            f"{self.folder}: no tensor {names[0]!r} in its model.safetensors; {reason}."
        )

    def _check_shape(
        self, name: str, found: tuple[int, ...], expected: Sequence[Length | None]
    ) -> None:
        """Compares a tensor's shape with the one that config.json asks for."""
        pairs = list(zip(found, expected, strict=False))
        if len(found) == len(expected) and all(w is None or n == w[1] for n, w in pairs):
            return
        wanted = ", ".join("any" if length is None else str(length[1]) for length in expected)
        known = ", ".join(f"{length[0]} {length[1]}" for length in expected if length)
        raise UserError(
            f"{self.folder}: tensor {name!r} has the shape {list(found)}, but its config.json asks "
            f"for [{wanted}] ({known}); they do not belong together."
        )

    def check_layers(self, layer: str) -> None:
        """Checks that the tensors of all layers have been taken.

        Args:
          layer: key of a layer, with {} for its number.

        Raises:
          UserError: naming a tensor that is left over.
        """
        name = re.escape(layer).replace(r"\{\}", r"\d+")
        prefixes = "|".join(map(re.escape, self._prefixes))
        layers = re.compile(rf"({prefixes}){name}")
        left = [n for n in sorted(self._file_of.keys() - self._taken) if layers.match(n)]
        if left:
            raise UserError(
                f"{self.folder}: {len(left)} tensors of layers are left over, such as {left[0]!r}; "
                "its config.json does not match its weights."
            )

    def embedding(self, name: str, width: Length, vocab_size: int, needed: int) -> Any:
        """The rows of a token table for which the tokenizer has ids.

        Args:
          name: of the table.
          width: D.
          vocab_size: ids of the tokenizer.
          needed: how many of them the table must have; there may be fewer rows than `vocab_size`.

        Raises:
          UserError: if there are fewer.
        """
        table = self.take(name, shape=(None, width))
        if len(table) < needed:
            raise UserError(
                f"{self.folder}: its tokenizer has ids up to {needed - 1:,}, but tensor {name!r} "
                f"has only {len(table):,} rows; they do not belong together."
            )
        return table[:vocab_size]


def weight_files(folder: Path) -> list[Path]:
    """The weight files of a folder.

    Raises:
      UserError: if there are none, or an index names files that are not in the folder.
    """
    single = file_in(folder, "model.safetensors")
    if single:
        return [single]
    index = file_in(folder, "model.safetensors.index.json")
    if index:
        return _shards(folder, index)
    pickles = sorted(file for file in folder.iterdir() if file.suffix in _PICKLES)
    if pickles:
        raise UserError(
            f"{folder}: contains {pickles[0].name}, a pickle, which is never loaded, as it can run "
            "its author's code. If you trust the author, convert it with PyTorch and transformers "
            "installed: "
            'python -c "from transformers import AutoModel;'
            f" AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )
    others = sorted(file.name for file in folder.glob("*.safetensors"))
    raise UserError(
        f"{folder}: contains no model.safetensors"
        + (f", only {', '.join(others[:3])}." if others else ".")
    )


def _shards(folder: Path, index: Path) -> list[Path]:
    """The files that an index names."""
    names = read_object(index).get("weight_map")
    if not isinstance(names, dict) or not names or not all(map(_is_shard, names.values())):
        raise UserError(
            f"{index}: not a valid index of weights: expected an object weight_map with names of "
            ".safetensors files."
        )
    found = {name: file_in(folder, name) for name in sorted(set(names.values()))}
    missing = [name for name, file in found.items() if file is None]
    if missing:
        raise UserError(
            f"{index}: names {len(missing)} of {len(found)} files that are not in the folder, "
            f"such as {missing[0][:100]}; copy them too."
        )
    return [file for file in found.values() if file]


def _is_shard(name: Any) -> bool:
    return isinstance(name, str) and name.endswith(".safetensors")
