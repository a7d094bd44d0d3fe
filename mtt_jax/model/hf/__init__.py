"""Hugging Face weights <-> ours, a module for each family of architectures."""

import json
from pathlib import Path
from types import ModuleType
from typing import Any

from mtt_jax.errors import UserError
from mtt_jax.model.hf import bert, modernbert

_FAMILY: dict[str, ModuleType] = {
    **dict.fromkeys(bert.ARCHITECTURES, bert),
    "modernbert": modernbert,
}


def read_settings(folder: Path) -> dict[str, Any]:
    """Our encoder's fields for the model in a folder.

    Raises:
      UserError: for a missing or foreign config.json, or a model that this encoder cannot be.
    """
    settings = _settings(folder)
    where = folder / "config.json"
    try:
        return _FAMILY[settings["model_type"]].fields(settings, where)
    except KeyError as error:
        raise UserError(f"{where}: {error} is missing.") from None


def read_encoder(folder: Path, vocab_size: int) -> dict[str, Any]:
    """The encoder's parameters, NumPy float32, layers apart as layer_0, layer_1, ...

    Args:
      folder: with config.json and model.safetensors, in one file or in several with an index.
      vocab_size: subwords of the tokenizer; rows of the table beyond them are left out.

    Raises:
      UserError: where weights are missing, damaged, left over or of another shape.
    """
    settings = _settings(folder)
    return _FAMILY[settings["model_type"]].read(folder, settings, read_settings(folder), vocab_size)


def _settings(folder: Path) -> dict[str, Any]:
    """config.json, of an architecture that is known."""
    file = folder / "config.json"
    if not file.is_file():
        raise UserError(f"{folder}: no config.json in it; expected a Hugging Face model.")
    try:
        settings = json.loads(file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{file}: not valid JSON: {error}.") from None
    kind = settings.get("model_type") if isinstance(settings, dict) else None
    if kind not in _FAMILY:
        raise UserError(f"{file}: model_type {kind!r} is not one of {', '.join(_FAMILY)}.")
    return settings
