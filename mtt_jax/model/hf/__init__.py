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
        fields = _FAMILY[settings["model_type"]].fields(settings, where)
    except KeyError as error:
        raise UserError(f"{where}: {error} is missing.") from None
    except (TypeError, ValueError) as error:
        raise UserError(f"{where}: a setting is of another type than expected: {error}.") from None
    for name in ("layers", "width", "heads", "feedforward", "max_positions"):
        if type(fields[name]) is not int or fields[name] < 1:
            raise UserError(
                f"{where}: {fields[name]!r} where the encoder's {name} should be: expected a whole "
                "number above 0."
            )
    return fields


def read_encoder(folder: Path, vocab_size: int) -> dict[str, Any]:
    """The encoder's parameters, NumPy float32, layers apart as layer_0, layer_1, ...

    Args:
      folder: with config.json and model.safetensors, in one file or in several with an index.
      vocab_size: subwords of the tokenizer; rows of the table beyond them are left out.

    Raises:
      UserError: where weights are missing, damaged, left over or of another shape.
    """
    settings, fields = _settings(folder), read_settings(folder)
    try:
        return _FAMILY[settings["model_type"]].read(folder, settings, fields, vocab_size)
    except ValueError as error:  # NumPy, of a matrix that cannot be divided into the heads
        raise UserError(
            f"{folder}: its weights are not of the sizes in its config.json: {error}."
        ) from None


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
