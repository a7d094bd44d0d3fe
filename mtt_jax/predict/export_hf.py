"""A model as Hugging Face folders: one for sentence-transformers, one per task for transformers.

The heads of a BERT are fixed: BertForSequenceClassification reads the first token's vector
through a tanh layer, BertForTokenClassification is linear. A head that computes more than
that cannot be written, and is refused.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.errors import UserError
from mtt_jax.model.hf import bert
from mtt_jax.tasks import Task
from mtt_jax.weights.saved_model import SavedModel, unstack_layers

# A linear head after BERT's tanh: tanh(x / 4096) * 4096 is x to within a few parts in a million
# for the values of a normalized vector, and powers of two lose no bits.
_LINEAR = 2.0**12


def write(model: SavedModel, folder: Path, names: Sequence[str]) -> None:
    """Writes encoder/ and a folder for each of the named tasks.

    Raises:
      UserError: if these formats cannot express what the model computes; nothing is written then.
    """
    settings = bert.config_json(
        model.config.encoder, vocabulary_size(model.tokenizer), _special(model.tokenizer)["pad"][1]
    )
    tasks = [task for task in model.tasks if task.name in names]
    for task in tasks:
        _check(model, task)
    pooling = _pooling(model)
    params = unstack_layers(model.params)
    encoder = folder / "encoder"
    _write_model(
        encoder, {**settings, "architectures": ["BertModel"]}, bert.write(params["encoder"], "")
    )
    _write_tokenizer(encoder, model)
    _write_pooling(encoder, pooling, model)
    for task in tasks:
        what = "Sequence" if task.unit == "sentence" else "Token"
        head = _head(task, params["heads"][task.name], model.config.encoder.width)
        # The temperature is in the head already.
        chosen = {name: value for name, value in task.fitted().items() if name != "temperature"}
        labels = dict(enumerate(task.classes))
        _write_model(
            folder / task.name,
            {
                **settings,
                "architectures": [f"BertFor{what}Classification"],
                **({"problem_type": task.problem_type} if task.problem_type else {}),
                **chosen,
                "id2label": {str(index): label for index, label in labels.items()},
                "label2id": {label: index for index, label in labels.items()},
                "classifier_dropout": model.config.tasks[task.name].dropout,
            },
            bert.write(params["encoder"], "bert.") | head,
        )
        _write_tokenizer(folder / task.name, model)


def _check(model: SavedModel, task: Task) -> None:
    """Refuses a head that its Hugging Face class cannot express."""
    hidden, width = model.config.tasks[task.name].hidden, model.config.encoder.width
    pooling = model.config.encoder.pooling
    remedy = (
        f"Use --to=onnx or --to=stablehlo, or leave this head out: --tasks="
        f"{','.join(name for name in model.config.tasks if name != task.name) or 'NAME'}"
    )
    if task.unit == "sentence" and pooling != "cls":
        raise UserError(
            f"--to=hf: task '{task.name}' reads the {pooling} over a sentence's tokens, and "
            "BertForSequenceClassification the first token; train with "
            f"--config.encoder.pooling=cls. {remedy}"
        )
    if task.unit == "sentence" and hidden > width:
        raise UserError(
            f"--to=hf: the hidden layer of task '{task.name}' has {hidden} units, and "
            f"BertForSequenceClassification has {width}. {remedy}"
        )
    if task.unit == "word" and hidden:
        raise UserError(
            f"--to=hf: task '{task.name}' has a hidden layer, and BertForTokenClassification has "
            f"none; train with --config.tasks.{task.name}.hidden=0. {remedy}"
        )


def _head(task: Task, params: Mapping[str, Any], width: int) -> dict[str, np.ndarray]:
    """The tensors of a head, whose logits are divided by the task's temperature."""
    temperature = np.float32(task.temperature)
    kernel = np.asarray(params["logits"]["kernel"]) / temperature  # [hidden or D, C]
    bias = np.asarray(params["logits"]["bias"]) / temperature
    if task.unit == "word":
        return _contiguous(bert.write_dense({"kernel": kernel, "bias": bias}, "classifier"))
    inner = {"kernel": np.eye(width, dtype="f") / _LINEAR, "bias": np.zeros(width, "f")}
    if "hidden_layer" in params:
        # Units beyond ours stay at tanh(0) = 0.
        hidden = params["hidden_layer"]
        room = width - len(kernel)
        inner = {
            "kernel": np.pad(hidden["kernel"], ((0, 0), (0, room))),
            "bias": np.pad(hidden["bias"], (0, room)),
        }
        kernel = np.pad(kernel, ((0, room), (0, 0)))
    else:
        kernel = kernel * np.float32(_LINEAR)
    return _contiguous(
        bert.write_dense(inner, "bert.pooler.dense")
        | bert.write_dense({"kernel": kernel, "bias": bias}, "classifier")
    )


def _contiguous(tensors: Mapping[str, Any]) -> dict[str, np.ndarray]:
    return {name: np.ascontiguousarray(leaf, np.float32) for name, leaf in tensors.items()}


def _write_model(folder: Path, settings: Mapping[str, Any], tensors: dict[str, Any]) -> None:
    folder.mkdir(parents=True)
    _write_json(folder / "config.json", settings)
    save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})


def _special(tokenizer: Tokenizer) -> dict[str, tuple[str, int]]:
    """Role -> (text, id) of the special subwords that the tokenizer has."""
    ends = tokenizer.encode("").ids
    known = {"cls": ends[0], "sep": ends[-1], "pad": ends[-1]}  # padding is masked anyway
    for role in ("pad", "unk", "mask"):
        for name in (f"[{role.upper()}]", f"<{role}>"):
            index = tokenizer.token_to_id(name)
            if index is not None:
                known[role] = index
    return {role: (str(tokenizer.id_to_token(index)), index) for role, index in known.items()}


def _write_tokenizer(folder: Path, model: SavedModel) -> None:
    """What AutoTokenizer reads."""
    model.tokenizer.save(str(folder / "tokenizer.json"))
    special = {f"{role}_token": text for role, (text, _) in _special(model.tokenizer).items()}
    _write_json(
        folder / "tokenizer_config.json",
        {
            **special,
            "tokenizer_class": "PreTrainedTokenizerFast",
            "model_max_length": model.config.data.max_length,
            "model_input_names": ["input_ids", "attention_mask"],
        },
    )
    _write_json(folder / "special_tokens_map.json", special)


def _pooling(model: SavedModel) -> str:
    """The name of our pooling among sentence-transformers' modes."""
    modes = {"cls": "cls_token", "mean": "mean_tokens", "max": "max_tokens"}
    pooling = model.config.encoder.pooling
    if pooling not in modes:
        raise UserError(
            f"--to=hf: sentence-transformers has no {pooling} pooling, only {', '.join(modes)}. "
            "Use --to=onnx or --to=stablehlo."
        )
    return modes[pooling]


def _write_pooling(folder: Path, mode: str, model: SavedModel) -> None:
    """What sentence-transformers needs in the encoder's folder."""
    places = {"Transformer": "", "Pooling": "1_Pooling"}
    modules = [
        {
            "idx": index,
            "name": str(index),
            "path": path,
            "type": f"sentence_transformers.models.{module}",
        }
        for index, (module, path) in enumerate(places.items())
    ]
    _write_json(folder / "modules.json", modules)
    _write_json(
        folder / "sentence_bert_config.json",
        {"max_seq_length": model.config.data.max_length, "do_lower_case": False},
    )
    (folder / "1_Pooling").mkdir()
    _write_json(
        folder / "1_Pooling" / "config.json",
        {
            "word_embedding_dimension": model.config.encoder.width,
            **{
                f"pooling_mode_{name}": name == mode
                for name in ("cls_token", "mean_tokens", "max_tokens")
            },
        },
    )


def _write_json(file: Path, content: Any) -> None:
    file.write_text(json.dumps(content, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
