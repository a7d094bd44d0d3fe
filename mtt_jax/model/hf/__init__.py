"""Hugging Face weights <-> ours, one module per family of architectures."""

from pathlib import Path
from types import ModuleType
from typing import Any

from mtt_jax.errors import UserError
from mtt_jax.model.hf import bert, modernbert
from mtt_jax.model.hf.tensors import header
from mtt_jax.model.hf.weights import weight_files
from mtt_jax.untrusted.folder import file_in, read_object

_FAMILY: dict[str, ModuleType] = {
    **dict.fromkeys(bert.ARCHITECTURES, bert),
    "modernbert": modernbert,
}


def read_settings(folder: Path) -> dict[str, Any]:
    """Our encoder's fields for the model in a folder.

    Raises:
      UserError: if config.json is missing or damaged, or describes a model that our encoder cannot
        represent.
    """
    settings = _settings(folder)
    where = folder / "config.json"
    try:
        fields = _FAMILY[settings["model_type"]].fields(settings, where)
    except KeyError as error:
        raise UserError(f"{where}: {error} is missing.") from None
    except UserError:
        raise
    except (TypeError, ValueError, IndexError, AttributeError, OverflowError) as error:
        raise UserError(f"{where}: a setting has an unexpected type: {error}.") from None
    for name in ("layers", "width", "heads", "feedforward", "max_positions"):
        if type(fields[name]) is not int or fields[name] < 1:
            raise UserError(
                f"{where}: expected a whole number above 0 for the encoder's {name}, got "
                f"{fields[name]!r}."
            )
    if fields["width"] % fields["heads"]:
        raise UserError(
            f"{where}: {fields['heads']} attention heads do not divide a width of "
            f"{fields['width']}; one of the two is wrong."
        )
    return fields


def read_encoder(folder: Path, vocab_size: int, needed: int | None = None) -> dict[str, Any]:
    """The encoder's parameters, NumPy float32, layers separate as layer_0, layer_1, ...

    Args:
      folder: with config.json and model.safetensors, in one file or in shards with an index.
      vocab_size: ids of the tokenizer; rows of the embedding table beyond them are left out.
      needed: how many of them the model must have, all by default; there may be fewer rows.

    Raises:
      UserError: if weights are missing, damaged, left over or have another shape.
    """
    settings, fields = _settings(folder), read_settings(folder)
    family = _FAMILY[settings["model_type"]]
    return family.read(folder, settings, fields, vocab_size, needed or vocab_size)


def check_sizes(folder: Path) -> None:
    """Compares the sizes in config.json with the headers of its weights.

    So a size such as 10^9 is refused before a model of it is built. `read_encoder` compares each
    tensor's shape, too.

    Raises:
      UserError: naming the size; or if the weights are missing or damaged.
    """
    fields = read_settings(folder)
    shapes = [stored.shape for file in weight_files(folder) for stored in header(file).values()]
    longest = max((length for shape in shapes for length in shape), default=0)
    most = {"layers": len(shapes), "width": longest, "feedforward": longest}
    if fields["positions"] == "learned":
        most["max_positions"] = longest
    for name, bound in most.items():
        if fields[name] > bound:
            have = f"{bound:,} tensors" if name == "layers" else f"no length above {bound:,}"
            raise UserError(
                f"{folder / 'config.json'}: asks for {fields[name]:,} as the encoder's {name}, "
                f"but its weights have {have}; they do not belong together."
            )


def _settings(folder: Path) -> dict[str, Any]:
    """Reads config.json of a known architecture."""
    file = file_in(folder, "config.json")
    if not file:
        raise UserError(f"{folder}: contains no config.json; expected a Hugging Face model.")
    settings = read_object(file)
    model_type = settings.get("model_type")
    if not isinstance(model_type, str) or model_type not in _FAMILY:
        raise UserError(f"{file}: model_type {model_type!r} is not one of {', '.join(_FAMILY)}.")
    return settings
