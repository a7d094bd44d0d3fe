"""The tensors of a Hugging Face folder, read from safetensors only.

A pickle can run its author's code, so a pytorch_model.bin is never opened.
"""

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from mtt_jax.errors import UserError


class Weights:
    """The tensors of a folder by name, with or without the prefix that a model with a head has."""

    def __init__(self, folder: Path, prefix: str):
        self.folder, self._prefix = folder, prefix
        self._file_of: dict[str, Path] = {}
        self._taken: set[str] = set()
        for file in _files(folder):
            try:
                with safe_open(file, "np") as tensors:
                    self._file_of |= dict.fromkeys(tensors.keys(), file)
            except (SafetensorError, OSError) as error:
                raise UserError(f"{file}: damaged or missing: {error}.") from None

    def take(self, *names: str, optional: bool = False) -> Any:
        """The first of the tensors that exists, as float32; None if `optional` and none does."""
        for name in (prefix + name for name in names for prefix in ("", self._prefix)):
            if name in self._file_of:
                self._taken.add(name)
                with safe_open(self._file_of[name], "np") as tensors:
                    return tensors.get_tensor(name).astype(np.float32)
        if optional:
            return None
        raise UserError(f"{self.folder}: no tensor {names[0]!r} in its model.safetensors.")

    def check_layers(self, layer: str) -> None:
        """Checks that the tensors of all layers have been taken.

        Args:
          layer: key of a layer, with {} for its number.

        Raises:
          UserError: naming a tensor that is left over.
        """
        name = re.escape(layer).replace(r"\{\}", r"\d+")
        layers = re.compile(rf"({re.escape(self._prefix)})?{name}")
        left = [n for n in sorted(self._file_of.keys() - self._taken) if layers.match(n)]
        if left:
            raise UserError(
                f"{self.folder}: {len(left)} tensors of layers are left over, such as {left[0]!r}; "
                "its config.json does not match its weights."
            )

    def embedding(self, name: str, vocab_size: int) -> Any:
        """The rows of a token table for which the tokenizer has ids.

        Raises:
          UserError: if the tokenizer has more ids than the table has rows.
        """
        table = self.take(name)
        if len(table) < vocab_size:
            raise UserError(
                f"{self.folder}: its tokenizer has {vocab_size:,} subwords, but its model only "
                f"{len(table):,}; they do not belong together."
            )
        return table[:vocab_size]


def _files(folder: Path) -> list[Path]:
    """The weight files of a folder."""
    single, index = folder / "model.safetensors", folder / "model.safetensors.index.json"
    if single.is_file():
        return [single]
    if index.is_file():
        try:
            shards = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
            return [folder / name for name in sorted(set(shards))]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise UserError(f"{index}: not a valid index of weights: {error!r}.") from None
    if (folder / "pytorch_model.bin").is_file():
        raise UserError(
            f"{folder}: contains pytorch_model.bin, a pickle, which is never loaded. Convert it "
            "with PyTorch and transformers installed: "
            'python -c "from transformers import AutoModel;'
            f" AutoModel.from_pretrained('{folder}').save_pretrained('{folder}')\""
        )
    raise UserError(f"{folder}: contains no model.safetensors.")
