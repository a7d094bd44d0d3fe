"""From a ConfigDict or plain dicts to a checked, frozen `Config`."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any, get_type_hints

from mtt_jax.config.schema import (
    BALANCERS_BY_GRADIENT,
    SECTIONS,
    SYNTHETIC_WAYS,
    TOP,
    Config,
    DataConfig,
    EncoderConfig,
    MeshConfig,
    PhaseConfig,
    TaskConfig,
    TaskDataConfig,
    TokenizerConfig,
    TrainConfig,
)
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks.schemes import OUTSIDE, Task

# What stands beside the tasks' names in results, exports and the shell.
_TAKEN = frozenset(
    {"text", "entities", "encoder", "input_ids", "attention_mask", "sentence_embedding", "error",
     "split", "json", "help", "config"}
)  # fmt: skip


def resolve(config: Any) -> Config:
    """Checks a config, a ConfigDict or plain dicts, and freezes it.

    Raises:
      UserError: naming the field, what was expected and the nearest known name.
    """
    raw = _group(_plain(config), "")
    _known(raw, {*SECTIONS, "tasks", "phases", *TOP}, "")
    raw["tasks"] = _in_order(_group(raw.get("tasks", {}), "tasks."))
    task_names = tuple(raw["tasks"])
    if not task_names:
        raise UserError("config.tasks: empty; a run needs at least one task.")
    for name in task_names:
        if not name.isidentifier() or name in _TAKEN | {f.name for f in fields(DataConfig)}:
            raise UserError(f"config.tasks: {name!r} cannot name a task: use a word of its own.")
    data = _group(raw.get("data", {}), "data.")
    task_data = {name: data.pop(name, {}) for name in task_names}
    _known(data, {f.name for f in fields(DataConfig)} | set(task_names), "data.")
    result = Config(
        tasks={n: _build(TaskConfig, t, f"tasks.{n}.") for n, t in raw["tasks"].items()},
        data=_build(DataConfig, data, "data."),
        task_data={n: _build(TaskDataConfig, t, f"data.{n}.") for n, t in task_data.items()},
        tokenizer=_build(TokenizerConfig, raw.get("tokenizer", {}), "tokenizer."),
        encoder=_build(EncoderConfig, raw.get("encoder", {}), "encoder."),
        train=_build(TrainConfig, raw.get("train", {}), "train."),
        phases=_phases(raw.get("phases", ())),
        mesh=_build(MeshConfig, raw.get("mesh", {}), "mesh."),
        **{
            f.name: _value(f, get_type_hints(Config)[f.name], raw.get(f.name, f.default), "")
            for f in fields(Config)
            if f.name in TOP
        },
    )
    check(result)
    return result


def check(config: Config) -> None:
    """Looks for fields that contradict one another.

    Raises:
      UserError: for the first that do.
    """
    for problem in _contradictions(config):
        raise UserError(problem)


def _in_order(tasks: Mapping[str, Any]) -> dict[str, Any]:
    """Sentence tasks, then token tasks, by name: a ConfigDict does not keep their order."""
    default = TaskConfig().kind

    def place(name: str) -> tuple[str, str]:
        return str(_group(tasks[name], f"tasks.{name}.").get("kind", default)), name

    return {name: tasks[name] for name in sorted(tasks, key=place)}


def _phases(values: Any) -> tuple[PhaseConfig, ...]:
    if not isinstance(values, (list, tuple)):
        raise UserError(f"config.phases: expected a tuple of phases, got {values!r}.")
    return tuple(
        _build(PhaseConfig, _plain(value), f"phases[{i}].") for i, value in enumerate(values)
    )


def _plain(values: Any) -> Any:
    """A ConfigDict as a dict, told by its method; anything else as it is."""
    return values.to_dict() if hasattr(values, "to_dict") else values


def _group(values: Any, path: str) -> dict[str, Any]:
    """The fields of a group."""
    if not isinstance(values, Mapping):
        name = f"config.{path}".removesuffix(".")
        raise UserError(f"{name}: expected a group of fields, got {values!r}.")
    return dict(values)


def _known(values: Mapping[str, Any], known: set[str], path: str) -> None:
    for name in values:
        if name not in known:
            raise UserError(f"config.{path}{name}: no such field.{did_you_mean(name, known)}")


def _build(section: type, values: Any, path: str) -> Any:
    """A section from plain values, each checked."""
    values = _group(values, path)
    _known(values, {f.name for f in fields(section)}, path)
    hints = get_type_hints(section)
    return section(
        **{
            f.name: _value(f, hints[f.name], values.get(f.name, f.default), path)
            for f in fields(section)
        }
    )


def _value(field, hint, value: Any, path: str) -> Any:
    """One value, of its type and in its range."""
    where = f"config.{path}{field.name}"
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if hint == tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise UserError(f"{where}: expected a tuple of texts, got {value!r}.")
        value = tuple(value)
    elif type(value) is not hint:
        kind = {"str": "a text", "int": "a whole number", "float": "a number", "bool": "a boolean"}
        raise UserError(f"{where}: expected {kind[hint.__name__]}, got {value!r}.")
    limits = field.metadata
    if limits["choices"] and value not in limits["choices"]:
        options = ", ".join(limits["choices"])
        hint_text = did_you_mean(str(value), limits["choices"])
        raise UserError(f"{where}: {value!r} is not one of {options}.{hint_text}")
    # `not (x >= low)` rather than `x < low`, so that NaN is refused too.
    if limits["low"] is not None and not value >= limits["low"]:
        raise UserError(f"{where}: {value} is too small; at least {limits['low']}.")
    if limits["high"] is not None and not value <= limits["high"]:
        raise UserError(f"{where}: {value} is too large; at most {limits['high']}.")
    if hint is float and value == float("inf"):
        raise UserError(f"{where}: expected a finite number.")
    return value


def _contradictions(config: Config) -> Iterator[str]:
    """Yields what fields say against one another, a line each."""
    encoder, train, data = config.encoder, config.train, config.data
    for name, task in config.tasks.items():
        where = f"config.tasks.{name}"
        if len(set(task.labels)) < len(task.labels):
            yield f"{where}.labels: a label stands twice in {', '.join(task.labels)}."
        if len(task.labels) < 2:
            yield f"{where}.labels: name at least two labels, as in ('sports', 'others')."
        if task.kind == "token" and OUTSIDE not in task.labels:
            yield f"{where}.labels: a token task needs the label 'O' for words outside entities."
        if task.kind == "token" and task.labels[0] != OUTSIDE:
            yield f"{where}.labels: put 'O' first."
        parse_pairs(task.class_weights, f"{where}.class_weights", task_classes(task), float)
        if task.class_sampling not in ("over", "under"):
            parse_pairs(task.class_sampling, f"{where}.class_sampling", task.labels, float)
        if task.sampling and train.mixing != "explicit":
            yield (
                f"{where}.sampling: train.mixing={train.mixing} takes no shares; set "
                f"--config.train.mixing=explicit, or --{where}.sampling=0."
            )
        given = train.mixing == "explicit" and all(t.sampling for t in config.tasks.values())
        if task.sampling_cap and (train.mixing == "equal" or given):
            how = "every task's sampling gives" if given else "train.mixing=equal gives"
            yield (
                f"{where}.sampling_cap: has no say where {how} the shares; set "
                f"--{where}.sampling_cap=0."
            )
        yield from _contradictions_of_synthesis(name, config)
        parse_pairs(config.task_data[name].label_map, f"config.data.{name}.label_map")
    if encoder.width % encoder.heads:
        yield (
            f"config.encoder.heads: {encoder.heads} heads do not divide a width of {encoder.width}."
        )
    if encoder.positions == "rotary" and (encoder.width // encoder.heads) % 2:
        yield "config.encoder.positions: rotary needs an even width / heads."
    if encoder.positions == "sinusoidal" and encoder.width % 2:
        yield "config.encoder.positions: sinusoidal needs an even width."
    if encoder.positions == "learned" and encoder.max_positions < data.max_length:
        yield (
            f"config.encoder.max_positions: {encoder.max_positions} learned positions are fewer "
            f"than data.max_length, {data.max_length}."
        )
    if encoder.embedding_norm and encoder.norm == "post":
        yield "config.encoder.embedding_norm: norm=post has it anyway; leave it at False."
    if encoder.lora_rank > min(encoder.width, encoder.feedforward):
        yield (
            f"config.encoder.lora_rank: {encoder.lora_rank} is more than the width of the matrices "
            "that it adds to."
        )
    if encoder.scan and (encoder.window or encoder.embedding_norm):
        different = "window" if encoder.window else "embedding_norm"
        yield (
            f"config.encoder.scan: one compiled layer for all, but encoder.{different} makes "
            "layers differ; leave scan at False."
        )
    if encoder.attention == "cudnn" and (
        encoder.dtype != "bfloat16" or train.row_length % 128 or encoder.attention_dropout
    ):
        yield (
            "config.encoder.attention: cudnn needs encoder.dtype=bfloat16, a train.row_length "
            "that is a multiple of 128 and encoder.attention_dropout=0."
        )
    if train.row_length < data.max_length:
        yield (
            f"config.train.row_length: a row of {train.row_length} cannot hold a sentence of "
            f"data.max_length, {data.max_length}."
        )
    if data.overlap > data.max_length // 2:
        yield (
            f"config.data.overlap: {data.overlap} is more than half of data.max_length, "
            f"{data.max_length}."
        )
    if train.batch_rows % train.accumulate:
        yield (
            f"config.train.accumulate: {train.accumulate} does not divide train.batch_rows, "
            f"{train.batch_rows}."
        )
    if train.batch_rows % max(data.shards, 1):
        yield (
            f"config.data.shards: {data.shards} shards do not divide train.batch_rows, "
            f"{train.batch_rows}, evenly."
        )
    if train.warmup > train.steps and not config.phases:
        yield (
            f"config.train.warmup: {train.warmup} steps of warm-up are more than train.steps, "
            f"{train.steps}."
        )
    traced = parse_range(train.profile, "config.train.profile")
    if traced and traced[0] > train.steps and not config.phases:
        yield (
            f"config.train.profile: step {traced[0]} is behind the last one, train.steps="
            f"{train.steps}; nothing would be traced."
        )
    yield from _bad_patterns(train.freeze, "config.train.freeze")
    yield from _contradictions_of_phases(config)
    if not any(task.weight for task in config.tasks.values()):
        yield "config.tasks: every task has weight 0; nothing would be learned."
    parse_pairs(train.balance_options, "config.train.balance_options", kind=float)
    if train.balance == "fixed" and train.balance_options:
        yield (
            "config.train.balance_options: train.balance=fixed has none; fixed weights are "
            "tasks.NAME.weight, as in --config.tasks.ner.weight=2."
        )
    if train.balance_on == "features" and train.balance not in BALANCERS_BY_GRADIENT:
        yield (
            f"config.train.balance_on: train.balance={train.balance} goes by the losses and "
            f"compares no gradients; leave it at 'parameters', or take one of "
            f"{', '.join(BALANCERS_BY_GRADIENT)}."
        )
    if train.balance != "fixed" and train.accumulate > 1:
        yield (
            f"config.train.accumulate: train.balance={train.balance} compares the tasks on a whole "
            "batch; leave accumulate at 1, or lower train.batch_rows."
        )
    score = parse_pairs(train.score, "config.train.score", tuple(config.tasks), float)
    if not any(weight > 0 for weight in score.values()):
        yield "config.train.score: give at least one task a weight above 0, as in 'ner=1'."
    if encoder.init and config.init_from:
        yield "config.encoder.init: a run starts from this or from init_from, not from both."
    if config.init_parts != "all" and not config.init_from:
        yield "config.init_parts: says what to take from init_from, but init_from is empty."
    if data.source != "newswire":
        needed = "name" if data.source == "tfds" else "train"
        for name, source in config.task_data.items():
            if not getattr(source, needed):
                what = "a TFDS data set" if data.source == "tfds" else "a file"
                yield (
                    f"config.data.{name}.{needed}: data.source={data.source} needs {what} for "
                    f"task '{name}': --config.data.{name}.{needed}=..."
                )


def _contradictions_of_synthesis(name: str, config: Config) -> Iterator[str]:
    task, source = config.tasks[name], config.task_data[name]
    where = f"config.data.{name}"
    ways = parse_names(source.synthetic_ways)
    for way in ways:
        if way not in SYNTHETIC_WAYS:
            yield (
                f"{where}.synthetic_ways: {way!r} is not one of {', '.join(SYNTHETIC_WAYS)}."
                f"{did_you_mean(way, SYNTHETIC_WAYS)}"
            )
    if source.synthetic and not ways:
        yield f"{where}.synthetic_ways: empty; name some of {', '.join(SYNTHETIC_WAYS)}."
    if source.synthetic and task.kind != "token":
        yield f"{where}.synthetic: makes sentences for token tasks, and {name} is none."
    if source.gazetteer and not source.synthetic:
        yield f"{where}.gazetteer: has names for synthetic sentences; set {where}.synthetic too."
    if source.newswire and config.data.source == "newswire":
        yield f"{where}.newswire: data.source=newswire is that corpus already."


def _contradictions_of_phases(config: Config) -> Iterator[str]:
    names: set[str] = set()
    for index, phase in enumerate(config.phases):
        where = f"config.phases[{index}]"
        if not phase.name or phase.name in names:
            yield f"{where}.name: {phase.name!r}; each phase needs a name of its own."
        names.add(phase.name)
        if (phase.steps > 0) == (phase.epochs > 0):
            yield f"{where}: give it either steps or epochs above 0."
        for task in phase.tasks:
            if task not in config.tasks:
                yield (
                    f"{where}.tasks: {task!r} is not one of {', '.join(config.tasks)}."
                    f"{did_you_mean(task, config.tasks)}"
                )
        weights = parse_pairs(phase.weights, f"{where}.weights", tuple(config.tasks), float)
        trained = phase.tasks or tuple(config.tasks)
        if not any(weights.get(name, config.tasks[name].weight) for name in trained):
            yield f"{where}: every task of it has weight 0; nothing would be learned."
        for name in weights:
            if name not in trained:
                yield f"{where}.weights: {name!r} is not among its tasks, {', '.join(trained)}."
        if not phase.trainable:
            yield f"{where}.trainable: empty; nothing would train. '.*' stands for everything."
        yield from _bad_patterns(phase.trainable, f"{where}.trainable")


def _bad_patterns(patterns: tuple[str, ...], where: str) -> Iterator[str]:
    for pattern in patterns:
        try:
            re.compile(pattern)
        except re.error as error:
            yield f"{where}: {pattern!r} is no regular expression: {error}."


def task_classes(task: TaskConfig) -> tuple[str, ...]:
    """The names that class weights may use: classes of the head, or entity types."""
    return tuple(
        dict.fromkeys((*Task("", task.kind, task.labels, task.scheme).classes, *task.labels))
    )


def parse_names(text: str) -> list[str]:
    """Reads 'a, b' as ["a", "b"]."""
    return [name for name in (part.strip() for part in text.split(",")) if name]


def parse_range(text: str, where: str) -> range:
    """Reads '10:20' as range(10, 21), and nothing as an empty range.

    Raises:
      UserError: naming the field `where` for what is not two numbers from 1, the first no larger.
    """
    if not text.strip():
        return range(0)
    first, _, last = (part.strip() for part in text.partition(":"))
    if not all(re.fullmatch("[0-9]{1,12}", part) for part in (first, last)):
        raise UserError(f"{where}: expected 'FIRST:LAST', as in '10:20', got {text!r}.")
    if not 1 <= int(first) <= int(last):
        raise UserError(
            f"{where}: {text!r} is no range of steps: they count from 1, the first before the last."
        )
    return range(int(first), int(last) + 1)


def parse_pairs(text: str, where: str, known: tuple[str, ...] = (), kind: type = str) -> dict:
    """Reads 'A=1, B=2' as {"A": kind("1"), "B": kind("2")}.

    Raises:
      UserError: naming the field `where` for a part that is no pair, an unknown name or a value
        that is not a finite number of at least 0 where `kind` is float.
    """
    pairs: dict[str, Any] = {}
    for part in parse_names(text):
        name, equals, value = (piece.strip() for piece in part.partition("="))
        if not equals or not name or not value:
            raise UserError(f"{where}: expected 'NAME=VALUE, NAME=VALUE', got {part!r}.")
        if known and name not in known:
            raise UserError(
                f"{where}: {name!r} is not one of {', '.join(known)}.{did_you_mean(name, known)}"
            )
        try:
            pairs[name] = kind(value)
        except ValueError:
            raise UserError(f"{where}: {value!r} is not a number.") from None
        if kind is float and not 0 <= pairs[name] < float("inf"):
            raise UserError(f"{where}: {value} is not a finite number of at least 0.")
    return pairs
