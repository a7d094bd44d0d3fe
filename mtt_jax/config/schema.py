"""Every field of a config, once: its default, its type and its meaning.

The dataclasses below are the schema. `default_config` turns them into an
`ml_collections.ConfigDict` that a file in configs/ edits and absl flags override; `resolve` in
resolve.py checks the result and returns the frozen dataclasses that the package works with.

Fields for one task stand under the task's name, in `tasks` and in `data`:
`--config.tasks.ner.weight=2` and `--config.data.ner.train=train.conll`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from mtt_jax.tasks.schemes import FILE_SCHEMES, MODEL_SCHEMES, Task

# At run time where one is made or read: to open a model or take a step needs no ml_collections.
if TYPE_CHECKING:
    from ml_collections import ConfigDict

# Methods by loss and methods by gradient, as train/balance has them.
BALANCERS_BY_LOSS = (
    "fixed", "uncertainty", "dwa", "geometric", "random", "famo", "imtl_l", "stch"
)  # fmt: skip
BALANCERS_BY_GRADIENT = (
    "gradnorm", "mgda", "pcgrad", "gradvac", "cagrad", "imtl_g", "nash_mtl", "aligned_mtl",
    "fairgrad", "upgrad", "config",
)  # fmt: skip
# Ways of data/augment.py.
SYNTHETIC_WAYS = ("mention", "token", "shuffle", "case")
# Ways of predict/backends.py to run a model, in its order.
BACKENDS = ("jax", "jax-bfloat16", "onnx", "onnx-int8")
BALANCERS = BALANCERS_BY_LOSS + BALANCERS_BY_GRADIENT


def option(default, meaning: str, choices=None, low=None, high=None) -> Any:
    """One field: its default, what it means, and the values it may take."""
    return dataclasses.field(
        default=default,
        metadata={"meaning": meaning, "choices": choices, "low": low, "high": high},
    )


@dataclass(frozen=True)
class TaskConfig:
    """tasks.NAME: one head."""

    kind: str = option("sentence", "what carries a label", choices=("sentence", "token"))
    labels: tuple[str, ...] = option((), "class names; for a token task O and the entity types")
    scheme: str = option(
        "io", "tag scheme of the head; unused for a sentence task", choices=MODEL_SCHEMES
    )
    weight: float = option(1.0, "weight of the task's loss in the sum", low=0)
    class_weights: str = option("", "loss weight by class as 'O=0.5, PER=2'; 1 where not named")
    label_smoothing: float = option(
        0.0, "share of the target spread over all classes", low=0, high=0.99
    )
    hidden: int = option(0, "width of a hidden layer in the head; 0 for a linear head", low=0)
    dropout: float = option(0.1, "dropout before the head's last layer", low=0, high=0.99)
    sampling: float = option(
        0.0,
        "share of training sentences drawn from this task's data, relative to the other tasks, "
        "with train.mixing=explicit; 0 for its share of the sentences",
        low=0,
    )
    sampling_cap: int = option(
        0, "sentences that count for its share at most, however many there are; 0 for all", low=0
    )
    class_sampling: str = option(
        "",
        "over: sentences of scarce classes come several times; under: of frequent ones fewer; or "
        "times by class, as 'PER=2, O=0.5'. A sentence goes by the class that gives it most",
    )
    repeat_cap: float = option(10.0, "most times that class_sampling repeats a sentence", low=1)


@dataclass(frozen=True)
class TaskDataConfig:
    """data.NAME: where one task's labels come from."""

    train: str = option("", "file to train on (files), or split (tfds)")
    dev: str = option("", "file or split to choose on; without one a share of train is held out")
    test: str = option("", "file or split for the final scores")
    name: str = option("", "TFDS data set, such as ag_news_subset (tfds)")
    format: str = option(
        "auto",
        "file format; auto goes by the ending: .csv, .tsv, .jsonl, .conll, .txt, .bio, .iob",
        choices=("auto", "csv", "tsv", "jsonl", "conll"),
    )
    header: bool = option(False, "a CSV or TSV file starts with a line of column names")
    text: str = option(
        "auto",
        "where the text is: column numbers from 1 or header names, several joined as '2,3' "
        "(csv, tsv), a key (jsonl), or feature names (tfds); auto: text",
    )
    label: str = option(
        "auto",
        "where the label is: a column number from 1 or header name (csv, tsv), the column of the "
        "tag, -1 for the last (conll), a key (jsonl), or a feature name (tfds); auto: label, for "
        "a token task the last column (conll), entities (jsonl) or ner (tfds)",
    )
    word: int = option(1, "column of the word, counted from 1 (conll)", low=1)
    scheme: str = option(
        "auto", "tag scheme of the data; auto detects it", choices=("auto", *FILE_SCHEMES)
    )
    limit: int = option(
        0, "training sentences with this task's label to use, drawn by the seed; 0 for all", low=0
    )
    synthetic: float = option(
        0.0, "synthetic training sentences for each labelled one (token tasks)", low=0, high=100
    )
    synthetic_ways: str = option(
        "mention, token, shuffle, case", "how they are made, one way drawn for each"
    )
    synthetic_rate: float = option(
        0.5, "how likely each entity, word or segment of one is changed", low=0, high=1
    )
    gazetteer: str = option(
        "", "file of further entities for the way mention: a type, a tab and a name on each line"
    )
    newswire: int = option(
        0, "sentences of the embedded corpus to train on beside the task's own", low=0
    )
    label_map: str = option("", "renames labels of the data, as 'World=politics, Sports=sports'")


@dataclass(frozen=True)
class DataConfig:
    """data: records, splits and encoding."""

    source: str = option(
        "newswire",
        "newswire, the embedded corpus; files, your own; tfds, any TFDS data set",
        choices=("newswire", "files", "tfds"),
    )
    cache_dir: str = option("~/.cache/mtt_jax", "built corpora and encoded data; safe to delete")
    encoding: str = option("utf-8", "encoding of files")
    clean: bool = option(True, "turn HTML entities and markup in texts into plain text")
    seed: int = option(
        -1,
        "root of what is drawn from the data once: the dev share, limits, synthetic sentences; "
        "-1 for config.seed. Set, runs of several seeds train and choose on the same sentences",
        low=-1,
    )
    shards: int = option(
        0,
        "parts in which the training data are read, each packed by itself to its share of "
        "batch_rows; 0 for one a process. The numbers of a run depend on it, and not on how many "
        "processes and devices share it; docs/distributed.md",
        low=0,
    )
    dev_share: float = option(
        0.1, "share of train held out as dev where none is given", low=0.001, high=0.5
    )
    max_length: int = option(
        128, "subwords of a sentence, [CLS] and [SEP] included; longer ones are cut", low=8
    )
    overlap: int = option(
        32, "subwords that neighbouring windows of a long text share in evaluation", low=0
    )


@dataclass(frozen=True)
class TokenizerConfig:
    """tokenizer: text to subword ids."""

    file: str = option("", "a tokenizer.json to load; empty trains one on the training text")
    kind: str = option("wordpiece", "kind to train", choices=("wordpiece", "bpe"))
    vocab_size: int = option(8000, "subwords to train", low=100)
    lowercase: bool = option(False, "lower-case and strip accents; costs entities their capitals")


@dataclass(frozen=True)
class EncoderConfig:
    """encoder: the shared transformer."""

    init: str = option(
        "",
        "pretrained encoder to start from: a folder in Hugging Face layout, an installed package "
        "that carries one, or a hub name; its sizes and its tokenizer come with it",
    )
    layers: int = option(4, "transformer layers", low=1)
    width: int = option(128, "size D of a token vector", low=4)
    heads: int = option(4, "attention heads; divides width", low=1)
    feedforward: int = option(512, "width of the feed-forward layer", low=4)
    positions: str = option(
        "learned", "position information", choices=("learned", "sinusoidal", "rotary")
    )
    max_positions: int = option(
        512, "longest sentence that learned positions know; at least data.max_length", low=8
    )
    rotary_base: float = option(
        10000.0, "rotary positions: frequencies go from 1 down to 1 / rotary_base", low=1
    )
    window: int = option(
        0, "positions to either side that a local layer attends to; 0 for no local layers", low=0
    )
    global_every: int = option(
        3, "of layers with a window, the first and then each of this many sees all", low=1
    )
    local_rotary_base: float = option(10000.0, "rotary_base of the local layers", low=1)
    norm: str = option("pre", "normalisation before or after each block", choices=("pre", "post"))
    norm_epsilon: float = option(1e-6, "added to the variance in normalisation", low=0)
    embedding_norm: bool = option(
        False,
        "with norm=pre, normalise the embeddings in place of the first layer's input (ModernBERT); "
        "norm=post always does",
    )
    activation: str = option(
        "gelu_tanh", "feed-forward activation", choices=("gelu_tanh", "gelu", "relu", "silu")
    )
    gated: bool = option(
        False, "multiply the activation by a second projection (GLU, Shazeer 2020)"
    )
    dropout: float = option(
        0.1, "dropout of embeddings and block outputs, to the nearest 1/256", low=0, high=0.99
    )
    token_dropout: float = option(
        0.0,
        "share of subwords hidden in training, so that context decides (Gal & Ghahramani 2016)",
        low=0,
        high=0.99,
    )
    attention_dropout: float = option(
        0.0, "dropout of attention weights, likewise", low=0, high=0.99
    )
    attention: str = option(
        "auto",
        "how attention is computed; auto: blocked on one CPU device, else plain; cudnn: NVIDIA's "
        "fused kernel, for bfloat16, rows a multiple of 128 long and no attention_dropout, and "
        "auto where there is no such GPU",
        choices=("auto", "plain", "blocked", "cudnn"),
    )
    lora_rank: int = option(
        0,
        "rank of the trained addition to every matrix of attention and feed-forward (LoRA, Hu et "
        "al. 2021), merged into them in model/; 0 for none",
        low=0,
    )
    lora_alpha: float = option(16.0, "the addition is multiplied by lora_alpha / lora_rank", low=0)
    pooling: str = option(
        "mean",
        "how token vectors become a sentence vector",
        choices=("mean", "max", "cls", "attention"),
    )
    dtype: str = option(
        "float32",
        "type in which attention and feed-forward multiply by their weights, and on a GPU of "
        "activations; softmax, normalisation, losses and parameters stay float32",
        choices=("float32", "bfloat16"),
    )
    remat: bool = option(
        False,
        "recompute activations in the backward pass: less memory, slower; on a CPU it saves memory "
        "with scan alone",
    )
    scan: bool = option(False, "one compiled layer, looped over: faster to compile when deep")


@dataclass(frozen=True)
class TrainConfig:
    """train: the run."""

    steps: int = option(1000, "optimiser steps, where config.phases is empty", low=1)
    mixing: str = option(
        "size",
        "how training sentences are divided among the tasks; docs/imbalance.md",
        choices=("size", "equal", "temperature", "annealed", "explicit"),
    )
    temperature: float = option(
        5.0, "T of mixing=temperature and annealed: 1 is by size, the higher the more equal", low=1
    )
    batch_rows: int = option(32, "rows of a batch over all devices", low=1)
    row_length: int = option(128, "positions of a row; at least data.max_length", low=8)
    slots: int = option(0, "most sentences a row may hold; 0 for row_length / 8", low=0)
    accumulate: int = option(1, "parts a batch is computed in; divides batch_rows", low=1)
    learning_rate: float = option(1e-3, "peak learning rate", low=0)
    warmup: int = option(100, "steps of linear warm-up", low=0)
    schedule: str = option(
        "cosine", "decay after warm-up, to zero", choices=("cosine", "linear", "constant")
    )
    layer_decay: float = option(
        1.0,
        "learning rate of an encoder layer as a share of that of the layer above it, the heads "
        "on top (Howard & Ruder 2018)",
        low=0.01,
        high=1,
    )
    weight_decay: float = option(0.01, "AdamW decay; not on biases and normalisation", low=0)
    beta1: float = option(0.9, "AdamW decay of the first moment", low=0, high=0.9999)
    beta2: float = option(0.98, "AdamW decay of the second moment", low=0, high=0.999999)
    clip: float = option(1.0, "largest global norm of the gradient; 0 for none", low=0)
    freeze: tuple[str, ...] = option(
        (), "regular expressions of parameter paths that stay as they are: 'encoder/.*'"
    )
    eval_every: int = option(200, "steps between evaluations on dev", low=1)
    save_every: int = option(100, "steps between checkpoints", low=1)
    log_every: int = option(20, "steps between lines in metrics.jsonl", low=1)
    keep: int = option(2, "newest checkpoints to keep, beside the best", low=1)
    balance: str = option(
        "fixed",
        "how the tasks' gradients on the encoder are weighted, beside tasks.NAME.weight; "
        "docs/balance.md",
        choices=BALANCERS,
    )
    balance_options: str = option("", "numbers of the method, as 'alpha=1.5, learning_rate=0.02'")
    balance_on: str = option(
        "parameters",
        "where a method by gradient compares the tasks: on the encoder's parameters, a backward "
        "pass a task, or on the vectors that it gives the heads, one backward pass for all",
        choices=("parameters", "features"),
    )
    score: str = option(
        "topic=1, ner=1",
        "weights of the tasks in the score that chooses the best checkpoint on dev: macro F1 of "
        "a sentence task, entity F1 of a token task; tasks that are not named weigh 0",
    )
    tensorboard: bool = option(True, "write TensorBoard events")
    profile: str = option(
        "", "steps to trace into profile/, as '10:20', first and last; docs/profile.md"
    )


@dataclass(frozen=True)
class PhaseConfig:
    """phases[I]: one part of a run, with what it trains on and what it trains."""

    name: str = option("", "what the phase is called in reports")
    steps: int = option(0, "optimiser steps; 0 for epochs", low=0)
    epochs: float = option(
        0.0,
        "in place of steps: as many as all training sentences of its tasks fill, so many times; "
        "with train.mixing other than size some come more often than others",
        low=0,
    )
    tasks: tuple[str, ...] = option(
        (), "tasks whose sentences are drawn; the heads of others stand still; () for all"
    )
    weights: str = option("", "in place of tasks.NAME.weight in this phase, as 'topic=1, ner=2'")
    trainable: tuple[str, ...] = option(
        (".*",), "regular expressions of parameter paths that train; the others stand still"
    )
    learning_rate: float = option(0.0, "peak learning rate; 0 for train.learning_rate", low=0)
    warmup: int = option(
        -1, "steps of linear warm-up; -1 for train.warmup, or a tenth of the phase", low=-1
    )
    schedule: str = option(
        "same",
        "decay after warm-up, to zero at the phase's end; same for train.schedule",
        choices=("same", "cosine", "linear", "constant"),
    )


@dataclass(frozen=True)
class MeshConfig:
    """mesh: devices."""

    data: int = option(0, "devices that share a batch; 0 for all", low=0)
    fsdp: int = option(
        1,
        "devices over which the parameters and the optimiser's moments are divided, for each of "
        "data; the batch is divided over data * fsdp; docs/distributed.md",
        low=1,
    )


@dataclass(frozen=True)
class Config:
    """The whole run, checked."""

    tasks: Mapping[str, TaskConfig]
    data: DataConfig
    task_data: Mapping[str, TaskDataConfig]
    tokenizer: TokenizerConfig
    encoder: EncoderConfig
    train: TrainConfig
    phases: tuple[PhaseConfig, ...]
    mesh: MeshConfig
    seed: int = option(0, "root of all randomness", low=0)
    init_from: str = option("", "run or model directory whose parameters start this run")
    init_parts: str = option(
        "all", "what to take from init_from", choices=("all", "encoder", "heads")
    )

    @property
    def task_list(self) -> tuple[Task, ...]:
        """The tasks in their order in the config."""
        return tuple(
            Task(name, task.kind, task.labels, task.scheme if task.kind == "token" else "")
            for name, task in self.tasks.items()
        )

    @property
    def data_seed(self) -> int:
        """Root of what is drawn from the data once."""
        return self.seed if self.data.seed < 0 else self.data.seed

    @property
    def slots(self) -> int:
        """S, the most sentences in a row."""
        return self.train.slots or max(1, self.train.row_length // 8)


SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "tokenizer": TokenizerConfig,
    "encoder": EncoderConfig,
    "train": TrainConfig,
    "mesh": MeshConfig,
}
TOP = ("seed", "init_from", "init_parts")


def default_tasks() -> dict[str, TaskConfig]:
    """Topic and ner, the tasks of a config that names none."""
    return {
        "topic": TaskConfig(kind="sentence", labels=("sports", "politics", "others")),
        "ner": TaskConfig(kind="token", labels=("O", "PER", "ORG", "LOC", "MISC")),
    }


def default_config(tasks: Mapping[str, TaskConfig] | None = None) -> "ConfigDict":
    """A config with every field at its default, for a file in configs/ to edit.

    Args:
      tasks: name -> task; topic and ner by default.
    """
    from ml_collections import ConfigDict

    tasks = default_tasks() if tasks is None else tasks
    plain: dict[str, Any] = {name: _plain(section()) for name, section in SECTIONS.items()}
    plain["tasks"] = {name: _plain(task) for name, task in tasks.items()}
    plain["data"] |= {name: _plain(TaskDataConfig()) for name in tasks}
    plain["train"]["score"] = ", ".join(f"{name}=1" for name in tasks)
    plain |= {f.name: f.default for f in fields(Config) if f.name in TOP}
    return ConfigDict({**plain, "phases": ()}, sort_keys=False)


def phase(name: str, **values: Any) -> "ConfigDict":
    """One phase, for `config.phases` in a file in configs/; fields that are not given are default.

    On the command line: `'--config.phases[0].steps=500'`.
    """
    from ml_collections import ConfigDict

    return ConfigDict({**_plain(PhaseConfig()), "name": name, **values}, sort_keys=False)


def _plain(section) -> dict[str, Any]:
    return {f.name: getattr(section, f.name) for f in fields(section)}
