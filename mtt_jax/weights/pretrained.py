"""Pretrained encoders: from the name in `encoder.init` to a folder, settings and parameters."""

import dataclasses
import importlib.util
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from flax.traverse_util import flatten_dict, unflatten_dict

from mtt_jax.config.contradictions import check
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError
from mtt_jax.model import hf
from mtt_jax.untrusted.folder import file_in, user_path
from mtt_jax.weights.saved_model import stack_layers

_HUB_FILES = ["config.json", "*.safetensors", "*.safetensors.index.json", "tokenizer*.json",
              "vocab.txt", "special_tokens_map.json", "added_tokens.json"]  # fmt: skip


def complete(config: Config) -> Config:
    """The config with the sizes and the tokenizer of the model that `encoder.init` names.

    Raises:
      UserError: if there is no such model, or it cannot be read.
    """
    if not config.encoder.init:
        return config
    folder = find(config.encoder.init)
    fields = hf.read_settings(folder)
    hf.check_sizes(folder)
    if fields["max_positions"] < config.data.max_length:
        raise UserError(
            f"config.data.max_length: {config.data.max_length} is more than the "
            f"{fields['max_positions']} positions of {config.encoder.init}; set "
            f"--config.data.max_length={fields['max_positions']}."
        )
    tokenizer = config.tokenizer
    if not tokenizer.file:
        tokenizer = dataclasses.replace(tokenizer, file=str(_tokenizer_file(folder)))
    completed = dataclasses.replace(
        config, encoder=dataclasses.replace(config.encoder, **fields), tokenizer=tokenizer
    )
    check(completed)
    return completed


def _tokenizer_file(folder: Path) -> Path:
    """The tokenizer of a model."""
    for name in ("tokenizer.json", "vocab.txt"):
        file = file_in(folder, name)
        if file:
            return file
    raise UserError(
        f"{folder}: contains no tokenizer.json and no vocab.txt. Where transformers is installed: "
        f'python -c "from transformers import AutoTokenizer; AutoTokenizer.from_pretrained('
        f"'{folder}').save_pretrained('{folder}')\""
    )


def find(name: str) -> Path:
    """The folder of a model, given as a path, an installed package that contains it or a hub name.

    Raises:
      UserError: if it is none of the three, saying how to get it.
    """
    folder = user_path(name, "config.encoder.init")
    if folder.is_dir():
        return folder
    if folder.exists():
        raise UserError(
            f"config.encoder.init: {name} is a file; name the folder that holds config.json, the "
            "weights and the tokenizer."
        )
    if not re.fullmatch(r"\w[\w.-]*(/[\w.-]+)?", name):
        raise UserError(f"config.encoder.init: {name}: no such folder.")
    if "/" not in name:
        # Located, not imported: only its files are needed.
        spec = importlib.util.find_spec(re.sub(r"[-.]", "_", name))
        for place in (spec.submodule_search_locations or []) if spec else []:
            if (Path(place) / "model" / "config.json").is_file():
                return Path(place) / "model"
    return _download(name)


def _download(name: str) -> Path:
    """The folder of a model of the hub: from the hub's cache, or downloaded.

    Raises:
      UserError: saying which it is: no huggingface_hub, no such repository, no permission or no
        network, and what to do.
    """
    here = f"config.encoder.init: {name}: no such folder"
    into = name.rpartition("/")[2]
    by_hand = (
        f"hf download {name} --local-dir {into} (the command comes with huggingface_hub); bring "
        f"the folder here, and give --config.encoder.init={into}"
    )
    try:
        from huggingface_hub import errors, snapshot_download
    except ImportError:
        raise UserError(
            f"{here}, and huggingface_hub, which would download it, is not installed: pip install "
            "huggingface_hub, or name a folder that holds the model."
        ) from None
    try:
        return Path(snapshot_download(name, allow_patterns=_HUB_FILES))
    except errors.GatedRepoError:
        raise UserError(
            f"{here}, and the hub asks for permission: accept the terms at "
            f"https://huggingface.co/{name}, then hf auth login."
        ) from None
    except errors.RepositoryNotFoundError:
        raise UserError(
            f"{here}, and the hub has no such model, or none that you may read (hf auth login); "
            "look for its name at https://huggingface.co/models."
        ) from None
    except Exception as error:  # whatever the network or the hub raises
        reason = _first_sentence(error)
        raise UserError(
            f"{here}, and the hub cannot be reached from here ({reason}). Where there is a "
            f"network: {by_hand}"
        ) from None


def _first_sentence(error: BaseException) -> str:
    """The reason of an exception of the hub, at most 100 characters of it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return f"{type(error).__name__}: {' '.join(str(error).split())}"[:100]


def encoder(
    config: Config,
    vocab_size: int,
    fresh: Any,
    needed: int | None = None,
    say: Callable[[str], None] | None = None,
) -> dict[str, Any]:
    """An encoder's parameters, with the pretrained ones in their places.

    Args:
      config: complete, as returned by `complete`.
      vocab_size: ids of the tokenizer.
      fresh: the encoder's parameters or their shapes; what the pretrained model does not have, such
        as learned pooling or LoRA's updates, is returned unchanged, but tables of word features
        become zeros.
      needed: for how many ids the model must have a row, by default all; the others begin with the
        mean of its rows.
      say: told of such rows.

    Raises:
      UserError: if the weights do not have the sizes in their config.json.
    """
    folder = find(config.encoder.init)
    params = {"encoder": hf.read_encoder(folder, vocab_size, needed)}
    table = params["encoder"]["token_embedding"]["embedding"]
    new = vocab_size - len(table)
    if new:
        means = np.tile(table.mean(axis=0), (new, 1))
        params["encoder"]["token_embedding"]["embedding"] = np.concatenate([table, means])
        if say:
            say(
                f"The tokenizer has {new:,} added tokens without a vector in "
                f"{config.encoder.init}; they begin with the mean of all vectors."
            )
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
    # Zeros, so that the encoder starts as it was.
    added = {f"{name}_embedding/embedding" for name in config.encoder.word_features}
    if config.encoder.convolution:
        added.add("convolution/projection/kernel")
    zeros = {name: np.zeros(ours[name].shape, ours[name].dtype) for name in added}
    return unflatten_dict({**ours, **zeros, **theirs}, sep="/")
