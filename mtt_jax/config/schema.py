"""Every field of a config, once: its default, its type and its meaning.

The dataclasses below are the schema. `default_config` turns them into an
`ml_collections.ConfigDict` that a file in configs/ edits and flags override; `resolve` in
resolve.py checks the result and returns the frozen dataclasses that the package works with. Fields
that are written as a string, such as 'PER=2, O=0.5', are parsed there, once.

Fields of one task are under the task's name: `--config.tasks.ner.weight=2`, and those of its data
`--config.data.ner.train=train.conll`. Resolved, they are one object: `config.tasks["ner"].data`.
"""

import dataclasses
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any

from mtt_jax.config.values import (
    NAMES,
    NUMBERS,
    PAIRS,
    STEPS,
    TEACHERS,
    WORD_OR_NUMBERS,
    Codec,
    as_text,
)
from mtt_jax.tasks import KINDS, Objective, Task, make_task
from mtt_jax.tasks.schemes import FILE_SCHEMES, MODEL_SCHEMES

# Loss-based and gradient-based methods, as in train/balance.
BALANCERS_BY_LOSS = (
    "fixed", "uncertainty", "dwa", "geometric", "random", "famo", "imtl_l", "stch"
)  # fmt: skip
BALANCERS_BY_GRADIENT = (
    "gradnorm", "mgda", "pcgrad", "gradvac", "cagrad", "imtl_g", "nash_mtl", "aligned_mtl",
    "fairgrad", "upgrad", "config",
)  # fmt: skip
# Features of data/features.py.
WORD_FEATURES = ("prefix", "suffix", "shape", "lower")
# Loggers of train/loggers.py.
LOGGERS = ("tensorboard", "wandb", "mlflow")
# Methods of data/augment.py.
SYNTHETIC_METHODS = ("mention", "token", "shuffle", "case")
# Fields that mean something only for tasks that read a certain form of labels (`Task.reads`):
# (section, field, form, the kind of task that has them).
FIELDS_OF_KINDS = (
    ("tasks", "scheme", "offsets", "entities"),
    ("data", "scheme", "offsets", "entities"),
    ("data", "offsets", "offsets", "entities"),
    ("data", "separator", "columns", "multilabel"),
    ("tasks", "masked", "texts", "mlm"),
)
# What the offsets of entities in a file may count.
OFFSETS = ("characters", "utf-16", "bytes")
# What runs a model in prediction, in the order of predict/engines.py.
ENGINES = ("jax", "jax-bfloat16", "onnx", "onnx-int8")
BALANCERS = BALANCERS_BY_LOSS + BALANCERS_BY_GRADIENT

# A run counts its steps in 32 bits; JAX takes a seed of 64.
_MOST_STEPS = 2**31 - 1
_LARGEST_SEED = 2**63 - 1


def option(
    default: Any,
    meaning: str,
    choices: tuple[str, ...] | None = None,
    low: float | None = None,
    high: float | None = None,
    codec: Codec | None = None,
) -> Any:
    """One field: its default, what it means, and the values it may take.

    Args:
      default: as a resolved config holds it.
      meaning: for `--help` and docs/config.md.
      choices: the values that a string may have.
      low: the smallest number.
      high: the largest number.
      codec: for a field that config files and flags write as a string.
    """
    metadata = {"meaning": meaning, "choices": choices, "low": low, "high": high, "codec": codec}
    if isinstance(default, dict):
        return dataclasses.field(default_factory=lambda: dict(default), metadata=metadata)
    return dataclasses.field(default=default, metadata=metadata)


def default_of(field: dataclasses.Field) -> Any:
    """A field's default as a resolved config holds it."""
    return field.default if field.default_factory is MISSING else field.default_factory()


@dataclass(frozen=True)
class TaskConfig:
    """tasks.NAME: one question, its head and its share of the training."""

    kind: str = option(
        "classes",
        "classes: one class per sentence; multilabel: any number of them; entities: spans of "
        "words; tags: one class per word; docs/tasks.md; mlm: hidden words of texts without "
        "labels, docs/unlabelled.md",
        choices=tuple(KINDS),
    )
    labels: tuple[str, ...] = option(
        (),
        "class names, as in sports,politics; for entities the entity types, with O added in front "
        "if it is missing; auto: those of the training data, most frequent first",
    )
    scheme: str = option(
        "io", "tag scheme of the head (entities); bio is iob2", choices=MODEL_SCHEMES
    )
    weight: float = option(1.0, "weight of the task's loss in the sum", low=0)
    class_weights: Mapping[str, float] = option(
        {}, "loss weight per class, as in 'O=0.5, PER=2'; 1 for a class not named", codec=NUMBERS
    )
    label_smoothing: float = option(
        0.0, "share of the target spread over all classes", low=0, high=0.99
    )
    hidden: int = option(
        0, "width of a hidden layer in the head; 0 for a linear head", low=0, high=1_000_000
    )
    dropout: float = option(0.1, "dropout before the head's last layer", low=0, high=0.99)
    sampling: float = option(
        0.0,
        "share of training sentences drawn from this task's data, relative to the other tasks, "
        "with train.mixing=explicit; 0 for its share of the sentences, or for mlm as many as all "
        "other tasks together",
        low=0,
    )
    sampling_cap: int = option(
        0,
        "maximum number of sentences that count towards its share; 0 for all, or for mlm as many "
        "as those of all other tasks",
        low=0,
    )
    class_sampling: str | Mapping[str, float] = option(
        "",
        "over: sentences of rare classes are repeated; under: sentences of frequent ones are "
        "dropped; or a factor per class, as in 'PER=2, O=0.5'. If the classes of a sentence "
        "differ, the largest factor counts",
        codec=WORD_OR_NUMBERS,
    )
    repeat_cap: float = option(
        10.0, "maximum factor by which class_sampling repeats a sentence", low=1
    )
    masked: float = option(0.15, "share of the words that are hidden (mlm)", low=0.01, high=0.9)
    data: "TaskDataConfig" = dataclasses.field(default_factory=lambda: TaskDataConfig())


@dataclass(frozen=True)
class TaskDataConfig:
    """data.NAME: where one task's labels come from."""

    train: str = option(
        "",
        "files to train on (files): paths and globs with commas between them, compressed or not, "
        "or a folder; docs/formats.md. The split (tfds)",
    )
    dev: str = option(
        "", "files or split for model selection; if none are given, part of train is held out"
    )
    test: str = option("", "files or split for the final scores")
    name: str = option("", "TFDS data set, such as ag_news_subset (tfds)")
    format: str = option(
        "auto", "file format, by its name in docs/formats.md; auto recognizes it from the content"
    )
    header: str = option(
        "auto",
        "whether a CSV or TSV file starts with a line of column names; auto recognizes it",
        choices=("auto", "true", "false"),
    )
    text: str = option(
        "auto",
        "where the text is: a key or column name, a column number from 1, or a feature (tfds); "
        "several are joined, as in 'title,body'; auto: text, sentence, content and the like, or "
        "the tokens",
    )
    label: str = option(
        "auto",
        "where the label is: a key or column name, a column number from 1, or -1 for the last "
        "column, or a feature (tfds); for multilabel also several with 0 or 1 in them, one per "
        "label; auto: docs/data.md",
    )
    separator: str = option("|", "separator between several labels in one cell (multilabel)")
    word: int = option(
        0, "column of the word, counted from 1 (CoNLL columns); 0 recognizes it", low=0
    )
    scheme: str = option(
        "auto",
        "tag scheme of the data; auto detects it; bio is iob2, biluo is bilou, iobes is bioes",
        choices=("auto", *FILE_SCHEMES),
    )
    names: tuple[str, ...] = option(
        (), "names of the numbers that stand for labels, from 0, as in 'O,B-PER,I-PER'"
    )
    offsets: str = option(
        "characters",
        "what the offsets of entities count: characters as Python does, UTF-16 code units as "
        "JavaScript and Java do, or bytes of UTF-8",
        choices=OFFSETS,
    )
    limit: int = option(
        0,
        "how many training sentences with this task's label to use, drawn by seed; 0 for all",
        low=0,
    )
    synthetic: float = option(
        0.0, "synthetic training sentences per labeled one (entities)", low=0, high=100
    )
    synthetic_methods: tuple[str, ...] = option(
        SYNTHETIC_METHODS,
        "how they are made, one method drawn for each sentence; docs/imbalance.md",
        codec=NAMES,
    )
    synthetic_rate: float = option(
        0.5, "probability that each entity, word or segment of one is changed", low=0, high=1
    )
    gazetteer: str = option(
        "", "file of additional names for the method mention: a type, a tab and a name per line"
    )
    newswire: int = option(
        0, "sentences of the embedded corpus to train on in addition to the task's own", low=0
    )
    label_map: Mapping[str, str] = option(
        {}, "renames labels of the data, as in 'World=politics, Sports=sports'", codec=PAIRS
    )


@dataclass(frozen=True)
class DataConfig:
    """data: records, splits and encoding."""

    source: str = option(
        "newswire",
        "newswire, the embedded corpus; files, your own; tfds, any TFDS data set",
        choices=("newswire", "files", "tfds"),
    )
    unlabelled: str = option(
        "",
        "files of text without labels, one text per line or in any format of docs/formats.md; "
        "paths and globs with commas between them, compressed or not, or a folder; "
        "docs/unlabelled.md",
    )
    unlabelled_text: str = option(
        "auto", "where the text is in them: a key or column name, or a column number from 1"
    )
    unlabelled_format: str = option(
        "auto",
        "their format: text for one text per line, or one of docs/formats.md; auto recognizes it",
    )
    cache_dir: str = option("~/.cache/mtt_jax", "built corpora and encoded data; safe to delete")
    encoding: str = option(
        "auto", "encoding of files; auto recognizes it and says which if it is not UTF-8"
    )
    clean: bool = option(True, "convert HTML entities and markup in texts to plain text")
    seed: int = option(
        -1,
        "seed of what is drawn from the data once: the dev share, limits, synthetic sentences; "
        "-1 for config.seed. If it is set, runs with different seeds use the same sentences",
        low=-1,
        high=_LARGEST_SEED,
    )
    shards: int = option(
        0,
        "parts in which the training data is read, each packed separately into its share of "
        "batch_rows; 0 for one per process. The results of a run depend on it, not on how many "
        "processes and devices share the work; docs/distributed.md",
        low=0,
    )
    dev_share: float = option(
        0.1, "share of train held out as dev if none is given", low=0.001, high=0.5
    )
    max_length: int = option(
        128, "maximum subwords per sentence, with [CLS] and [SEP]; longer sentences are cut", low=8
    )
    overlap: int = option(
        32, "subwords that neighboring windows of a long text share in evaluation", low=0
    )


@dataclass(frozen=True)
class TokenizerConfig:
    """tokenizer: text to subword ids."""

    file: str = option("", "a tokenizer.json to load; empty trains one on the training text")
    algorithm: str = option("wordpiece", "algorithm to train with", choices=("wordpiece", "bpe"))
    vocab_size: int = option(8000, "vocabulary size to train", low=100, high=100_000_000)
    lowercase: bool = option(
        False, "lowercase text and strip accents; entities lose their capitals"
    )


@dataclass(frozen=True)
class EncoderConfig:
    """encoder: the shared transformer."""

    init: str = option(
        "",
        "pretrained encoder to start from: a folder in Hugging Face layout, an installed package "
        "that contains one, or a hub name; sizes and tokenizer are taken from it",
    )
    layers: int = option(4, "transformer layers", low=1)
    width: int = option(128, "size D of a token vector", low=4)
    heads: int = option(4, "attention heads; must divide width", low=1)
    feedforward: int = option(512, "width of the feed-forward layer", low=4)
    positions: str = option(
        "learned", "position information", choices=("learned", "sinusoidal", "rotary")
    )
    max_positions: int = option(
        512, "longest sentence that learned positions cover; at least data.max_length", low=8
    )
    convolution: int = option(
        0,
        "subwords on either side that a convolution over the embeddings reads before the first "
        "layer, which helps where labels are few; 0 for none, which --to=hf needs; docs/data.md",
        low=0,
        high=16,
    )
    rotary_base: float = option(
        10000.0, "rotary positions: frequencies go from 1 down to 1 / rotary_base", low=1
    )
    window: int = option(
        0, "positions on either side that a local layer attends to; 0 for no local layers", low=0
    )
    global_every: int = option(
        3, "with a window, the first layer and then every one of this many attends globally", low=1
    )
    local_rotary_base: float = option(10000.0, "rotary_base of the local layers", low=1)
    norm: str = option(
        "pre", "layer normalization before or after each block", choices=("pre", "post")
    )
    norm_epsilon: float = option(1e-6, "added to the variance in layer normalization", low=0)
    embedding_norm: bool = option(
        False,
        "with norm=pre, normalize the embeddings instead of the first layer's input (ModernBERT); "
        "norm=post always does",
    )
    activation: str = option(
        "gelu_tanh", "feed-forward activation", choices=("gelu_tanh", "gelu", "relu", "silu")
    )
    gated: bool = option(
        False, "multiply the activation by a second projection (GLU, Shazeer 2020)"
    )
    word_features: tuple[str, ...] = option(
        ("prefix", "suffix", "shape"),
        "what a subword's vector also says about its word, of prefix, suffix, shape and lower; "
        "empty for nothing, which --to=hf needs; docs/data.md",
        codec=NAMES,
    )
    dropout: float = option(
        0.1, "dropout of embeddings and block outputs, to the nearest 1/256", low=0, high=0.99
    )
    word_dropout: float = option(
        0.0,
        "share of words hidden in training, all but their shape, so that context counts (Gal & "
        "Ghahramani 2016)",
        low=0,
        high=0.99,
    )
    attention_dropout: float = option(
        0.0, "dropout of attention weights, to the nearest 1/256", low=0, high=0.99
    )
    attention: str = option(
        "auto",
        "implementation of attention; fused: kernels for one NVIDIA GPU of compute capability 8.0 "
        "or higher that skip what packed sentences do not share, for bfloat16, row lengths that "
        "are a multiple of 64 and width / heads of 16, 32, 64 or 128; cudnn: NVIDIA's fused "
        "kernel, for bfloat16, row lengths that are a multiple of 128 and no attention_dropout; "
        "auto: fused if it can run, blocked on a single CPU device, else plain, and also used "
        "instead of fused and cudnn if there is no such GPU",
        choices=("auto", "plain", "blocked", "fused", "cudnn"),
    )
    lora_rank: int = option(
        0,
        "rank of the low-rank update of every matrix of attention and feed-forward (LoRA, Hu et "
        "al. 2021), merged into the matrices in model/; 0 for none",
        low=0,
    )
    lora_alpha: float = option(16.0, "the update is multiplied by lora_alpha / lora_rank", low=0)
    pooling: str = option(
        "mean",
        "how token vectors are pooled into a sentence vector",
        choices=("mean", "max", "cls", "attention"),
    )
    dtype: str = option(
        "float32",
        "dtype of the matmuls in attention and feed-forward, and on a GPU of activations; softmax, "
        "normalization, losses and parameters stay float32",
        choices=("float32", "bfloat16"),
    )
    remat: bool = option(
        False,
        "recompute activations in the backward pass: less memory, slower; on a CPU it saves memory "
        "only with scan",
    )
    scan: bool = option(False, "compile one layer and loop over it: a deep encoder compiles faster")


@dataclass(frozen=True)
class TrainConfig:
    """train: the run."""

    steps: int = option(1000, "optimizer steps, if config.phases is empty", low=1, high=_MOST_STEPS)
    tasks: tuple[str, ...] = option(
        (),
        "tasks that train: their sentences are drawn and their heads updated; empty for all; a "
        "phase may name its own",
    )
    mixing: str = option(
        "size",
        "how training sentences are divided among the tasks; docs/imbalance.md",
        choices=("size", "equal", "temperature", "annealed", "explicit"),
    )
    temperature: float = option(
        5.0, "T of mixing=temperature and annealed: 1 is by size, higher is more equal", low=1
    )
    batch_rows: int = option(32, "rows per batch, over all devices", low=1)
    row_length: int = option(128, "positions per row; at least data.max_length", low=8)
    slots: int = option(0, "maximum sentences per row; 0 for row_length / 8", low=0)
    accumulate: int = option(
        1,
        "gradient accumulation: parts in which a batch is computed; must divide batch_rows",
        low=1,
    )
    learning_rate: float = option(1e-3, "peak learning rate", low=0)
    warmup: int = option(
        100, "steps of linear warm-up; a tenth of the run if they are more than its steps", low=0
    )
    schedule: str = option(
        "cosine", "decay after warm-up, to zero", choices=("cosine", "linear", "constant")
    )
    layer_decay: float = option(
        1.0,
        "learning rate of an encoder layer relative to that of the layer above it; the heads are "
        "on top (Howard & Ruder 2018)",
        low=0.01,
        high=1,
    )
    encoder_rate: float = option(
        1.0, "learning rate of the encoder relative to train.learning_rate", low=0
    )
    embedding_rate: float = option(
        1.0,
        "learning rate of the encoder's embeddings relative to that of the rest of the encoder",
        low=0,
    )
    head_rate: float = option(
        1.0, "learning rate of the heads relative to train.learning_rate", low=0
    )
    weight_decay: float = option(0.01, "AdamW weight decay; not on biases and normalization", low=0)
    beta1: float = option(0.9, "AdamW decay of the first moment", low=0, high=0.9999)
    beta2: float = option(0.98, "AdamW decay of the second moment", low=0, high=0.999999)
    ema: float = option(
        0.0,
        "decay of an exponential moving average of the parameters, such as 0.999, which is "
        "evaluated and saved as the model; 0 for none; docs/steadier.md",
        low=0,
        high=0.99999,
    )
    clip: float = option(1.0, "maximum global norm of the gradient; 0 for no clipping", low=0)
    bad_steps: int = option(
        5,
        "steps in a row with a NaN or infinite loss or gradient that are skipped, without changing "
        "anything; one more ends the run, and 0 ends it at the first; docs/reliability.md",
        low=0,
    )
    freeze: tuple[str, ...] = option(
        (), "regular expressions of parameter paths that are frozen: 'encoder/.*'"
    )
    eval_every: int = option(200, "steps between evaluations on dev", low=1)
    patience: int = option(
        0,
        "evaluations on dev in a row without a better score after which the run, or with phases "
        "the phase, ends; 0 for never; docs/steadier.md",
        low=0,
    )
    save_every: int = option(100, "steps between checkpoints", low=1)
    log_every: int = option(20, "steps between lines in metrics.jsonl", low=1)
    keep: int = option(2, "newest checkpoints to keep, in addition to the best", low=1)
    balance: str = option(
        "fixed",
        "how the tasks' gradients on the encoder are balanced, on top of tasks.NAME.weight; "
        "docs/balance.md",
        choices=BALANCERS,
    )
    balance_options: Mapping[str, float] = option(
        {}, "options of the method, as in 'alpha=1.5, learning_rate=0.02'", codec=NUMBERS
    )
    balance_on: str = option(
        "parameters",
        "where a gradient-based method compares the tasks: on the encoder's parameters, with one "
        "backward pass per task, or on its output vectors, with one backward pass for all",
        choices=("parameters", "features"),
    )
    score: Mapping[str, float] = option(
        {"topic": 1.0, "ner": 1.0},
        "weight of each task's headline score in the score that chooses the best checkpoint on "
        "dev; 0 for a task not named",
        codec=NUMBERS,
    )
    best_by_task: bool = option(
        False,
        "also keep the checkpoint with the best dev score of each task, saved as model-TASK/; "
        "docs/steadier.md",
    )
    mlm: float = option(
        0.0,
        "above 0: also train to find hidden words, in data.unlabelled and in the training "
        "sentences, with this weight of the loss, by a task named mlm; docs/unlabelled.md",
        low=0,
    )
    log_to: tuple[str, ...] = option(
        ("tensorboard",),
        "where losses and scores go in addition to metrics.jsonl, of tensorboard, wandb and "
        "mlflow; empty for nowhere; docs/loggers.md",
    )
    profile: range = option(
        range(0),
        "first and last step to trace into profile/, as in '10:20'; docs/profile.md",
        codec=STEPS,
    )


@dataclass(frozen=True)
class PhaseConfig:
    """phases[I]: one part of a run: its length, its tasks and which parameters it trains."""

    name: str = option("", "what the phase is called in reports")
    steps: int = option(0, "optimizer steps; 0 for epochs", low=0, high=_MOST_STEPS)
    epochs: float = option(
        0.0,
        "instead of steps: passes over the training sentences of its tasks; with a train.mixing "
        "other than size some sentences are drawn more often than others",
        low=0,
    )
    tasks: tuple[str, ...] = option(
        (), "tasks that train in this phase; the other heads are frozen; empty for train.tasks"
    )
    weights: Mapping[str, float] = option(
        {}, "replaces tasks.NAME.weight in this phase, as in 'topic=1, ner=2'", codec=NUMBERS
    )
    trainable: tuple[str, ...] = option(
        (".*",), "regular expressions of parameter paths that train; the others are frozen"
    )
    learning_rate: float = option(0.0, "peak learning rate; 0 for train.learning_rate", low=0)
    warmup: int = option(
        -1, "steps of linear warm-up; -1 for train.warmup, at most a tenth of the phase", low=-1
    )
    schedule: str = option(
        "same",
        "decay after warm-up, to zero at the phase's end; same: train.schedule",
        choices=("same", "cosine", "linear", "constant"),
    )


@dataclass(frozen=True)
class DistillConfig:
    """distill: what is learned from teachers."""

    teachers: tuple[tuple[str, str], ...] = option(
        (),
        "run directories, model directories, or JSONL files with predictions, as in "
        "'runs/a, runs/b' or 'ner=runs/ner, topic=answers.jsonl'; each answers the tasks that it "
        "has, or the one that is named; of several answers to one task the mean is taken; "
        "docs/distill.md",
        codec=TEACHERS,
    )
    temperature: float = option(
        1.0,
        "temperature of the probabilities of teachers and student when they are compared; higher "
        "gives unlikely classes more influence (Hinton et al. 2015)",
        low=0.1,
        high=100,
    )
    gold: float = option(
        0.0,
        "share of the label in the loss of what has one; the teachers' answer has the rest",
        low=0,
        high=1,
    )
    anneal: bool = option(
        True,
        "let the share of the label grow linearly from distill.gold to 1 over the run (Clark et "
        "al. 2019)",
    )
    weight: float = option(
        1.0, "weight of what has no label but the teachers' answer, relative to what has one", low=0
    )
    floor: float = option(
        0.0,
        "confidence, from 0 to 1, below which the teachers' answer to a sentence or a word without "
        "a label is not used",
        low=0,
        high=1,
    )
    unlabelled: float = option(
        0.5,
        "share of the draws for sentences that have only the teachers' answers, such as those of "
        "data.unlabelled",
        low=0,
        high=0.99,
    )


@dataclass(frozen=True)
class MeshConfig:
    """mesh: devices."""

    data: int = option(0, "devices for data parallelism; 0 for all", low=0)
    fsdp: int = option(
        1,
        "devices over which each copy of the parameters and optimizer state is sharded; the batch "
        "is sharded over data * fsdp; docs/distributed.md",
        low=1,
    )


@dataclass(frozen=True)
class Config:
    """The whole run, checked."""

    tasks: Mapping[str, TaskConfig]
    data: DataConfig
    tokenizer: TokenizerConfig
    encoder: EncoderConfig
    train: TrainConfig
    phases: tuple[PhaseConfig, ...]
    distill: DistillConfig
    mesh: MeshConfig
    seed: int = option(0, "seed of all randomness", low=0, high=_LARGEST_SEED)
    init_from: str = option("", "run or model directory whose parameters start this run")
    init_parts: str = option(
        "all",
        "what to take from init_from; embedding: only its subword vectors, reduced to "
        "encoder.width by principal components",
        choices=("all", "encoder", "heads", "embedding"),
    )

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """Everything that trains the model, in the order of the config."""
        return tuple(make_task(name, task) for name, task in self.tasks.items())

    @property
    def task_list(self) -> tuple[Task, ...]:
        """The objectives that answer a question, in their order in the config."""
        return tuple(task for task in self.objectives if isinstance(task, Task))

    @property
    def reads_texts(self) -> bool:
        """Whether something trains on texts without labels."""
        return any(not objective.needs_labels for objective in self.objectives)

    @property
    def active(self) -> tuple[str, ...]:
        """Names of the tasks that train, in their order in the config."""
        return tuple(name for name in self.tasks if name in (self.train.tasks or self.tasks))

    @property
    def trained(self) -> frozenset[str]:
        """Names of the tasks that train, in one phase or another."""
        by_phase = [phase.tasks or self.active for phase in self.phases] or [self.active]
        return frozenset(name for tasks in by_phase for name in tasks)

    @property
    def data_seed(self) -> int:
        """Seed of what is drawn from the data once."""
        return self.seed if self.data.seed < 0 else self.data.seed

    @property
    def slots(self) -> int:
        """S, the most sentences in a row."""
        row = self.train.row_length  # no sentence is shorter than a position
        return min(self.train.slots or max(1, row // 8), row)


SECTIONS: dict[str, type] = {
    "data": DataConfig,
    "tokenizer": TokenizerConfig,
    "encoder": EncoderConfig,
    "train": TrainConfig,
    "distill": DistillConfig,
    "mesh": MeshConfig,
}
TOP = ("seed", "init_from", "init_parts")


def default_tasks() -> dict[str, TaskConfig]:
    """Topic and ner, the tasks of a config that names none."""
    return {
        "topic": TaskConfig(kind="classes", labels=("sports", "politics", "others")),
        "ner": TaskConfig(kind="entities", labels=("O", "PER", "ORG", "LOC", "MISC")),
    }


def default_config(tasks: Mapping[str, TaskConfig] | None = None) -> Any:
    """A `ConfigDict` with every field at its default, for a file in configs/ to edit.

    Args:
      tasks: name -> task; topic and ner by default.
    """
    from ml_collections import ConfigDict  # not needed to open a model or take a step

    tasks = default_tasks() if tasks is None else tasks
    plain: dict[str, Any] = {name: as_plain(section()) for name, section in SECTIONS.items()}
    plain["tasks"] = {name: as_plain(task) for name, task in tasks.items()}
    plain["data"] |= {name: as_plain(task.data) for name, task in tasks.items()}
    # A kind that is not in the table is the old name of one that answers.
    scored = [
        name
        for name, task in tasks.items()
        if task.kind not in KINDS or issubclass(KINDS[task.kind], Task)
    ]
    plain["train"]["score"] = ", ".join(f"{name}=1" for name in scored)
    plain |= {f.name: f.default for f in fields(Config) if f.name in TOP}
    return ConfigDict({**plain, "phases": ()}, sort_keys=False)


def phase(name: str, **values: Any) -> Any:
    """One phase as a `ConfigDict`, for `config.phases` in a file in configs/.

    Fields that are not given have their defaults. On the command line:
    `'--config.phases[0].steps=500'`.
    """
    from ml_collections import ConfigDict

    return ConfigDict({**as_plain(PhaseConfig()), "name": name, **values}, sort_keys=False)


def options_of(section: type) -> list[dataclasses.Field]:
    """The fields of a section that a user sets."""
    return [field for field in fields(section) if "meaning" in field.metadata]


def as_plain(section: Any) -> dict[str, Any]:
    """A section's fields as config files, flags and config.json write them."""
    return {
        field.name: as_text(getattr(section, field.name), field.metadata["codec"])
        for field in options_of(type(section))
    }
