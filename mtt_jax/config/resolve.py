"""From a ConfigDict or plain dicts to a checked, frozen `Config`."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any, get_type_hints

from mtt_jax.config.aliases import rename
from mtt_jax.config.contradictions import check
from mtt_jax.config.schema import (
    SECTIONS,
    TOP,
    Config,
    DataConfig,
    DistillConfig,
    EncoderConfig,
    MeshConfig,
    PhaseConfig,
    TaskConfig,
    TaskDataConfig,
    TokenizerConfig,
    TrainConfig,
    default_of,
    options_of,
)
from mtt_jax.config.values import parse_labels, parse_names
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import KINDS, UNITS
from mtt_jax.tasks.schemes import scheme_name

# Names that results, exports and commands use in addition to those of the tasks.
_TAKEN = frozenset(
    {"text", "encoder", "input_ids", "attention_mask", "sentence_embedding", "error", "split",
     "json", "help", "config", "engine", "backend"}
)  # fmt: skip
# The kind of the task that train.mlm adds, and its name.
MLM = "mlm"
_TYPE_NAMES = {str: "a string", int: "a whole number", float: "a number", bool: "a boolean"}


def resolve(config: Any) -> Config:
    """Checks a config, a ConfigDict or plain dicts, and freezes it.

    Raises:
      UserError: naming the field, what was expected and the nearest known name.
    """
    raw = rename(_group(_plain(config), ""))
    _known(raw, {*SECTIONS, "tasks", "phases", *TOP}, "")
    data = _group(raw.get("data", {}), "data.")
    train = build_section(TrainConfig, raw.get("train", {}), "train.")
    tasks = _tasks(_with_mlm(_group(raw.get("tasks", {}), "tasks."), train), data)
    data = {name: value for name, value in data.items() if name not in tasks}
    _known(data, {f.name for f in fields(DataConfig)} | set(tasks), "data.")
    hints = get_type_hints(Config)
    result = Config(
        tasks=tasks,
        data=build_section(DataConfig, data, "data."),
        tokenizer=build_section(TokenizerConfig, raw.get("tokenizer", {}), "tokenizer."),
        encoder=build_section(EncoderConfig, raw.get("encoder", {}), "encoder."),
        train=train,
        phases=_phases(raw.get("phases", ())),
        distill=build_section(DistillConfig, raw.get("distill", {}), "distill."),
        mesh=build_section(MeshConfig, raw.get("mesh", {}), "mesh."),
        **{
            f.name: _value(f, hints[f.name], raw.get(f.name, f.default), "")
            for f in fields(Config)
            if f.name in TOP
        },
    )
    check(result)
    return result


def _with_mlm(tasks: dict[str, Any], train: TrainConfig) -> dict[str, Any]:
    """The tasks, and the one that train.mlm asks for if there is none of its kind."""
    kinds = [task.get("kind") for task in tasks.values() if isinstance(task, Mapping)]
    if not train.mlm or not tasks or MLM in kinds:
        return tasks
    if MLM in tasks:
        raise UserError(
            f"config.train.mlm: adds a task named {MLM}, which is the name of another task; "
            "rename that one."
        )
    return {**tasks, MLM: {"kind": MLM, "weight": train.mlm}}


def answering(config: Config) -> Config:
    """The config of a model that answers: without what only trains.

    As it is if nothing answers. Phases that trained nothing else are left out.
    """
    kept = {task.name: config.tasks[task.name] for task in config.task_list}
    if not kept or len(kept) == len(config.tasks):
        return config
    phases = tuple(
        dataclasses.replace(
            phase,
            tasks=tuple(name for name in phase.tasks if name in kept),
            weights={name: weight for name, weight in phase.weights.items() if name in kept},
        )
        for phase in config.phases
        if any(name in kept for name in phase.tasks or config.active)
    )
    names = tuple(name for name in config.train.tasks if name in kept)
    train = dataclasses.replace(config.train, tasks=names, mlm=0.0)
    return dataclasses.replace(config, tasks=kept, phases=phases, train=train)


def _tasks(tasks: Mapping[str, Any], data: Mapping[str, Any]) -> dict[str, TaskConfig]:
    """Each task with its data: those per sentence, then those per word, in order of their names.

    A ConfigDict does not keep the order in which tasks were added.
    """
    if not tasks:
        raise UserError("config.tasks: empty; a run needs at least one task.")
    built = {}
    for name, values in tasks.items():
        if not name.isidentifier() or name in _TAKEN | {f.name for f in fields(DataConfig)}:
            raise UserError(
                f"config.tasks: {name!r} is a reserved name or not an identifier; rename it."
            )
        task = build_section(TaskConfig, values, f"tasks.{name}.")
        source = build_section(TaskDataConfig, data.get(name, {}), f"data.{name}.")
        labels = KINDS[task.kind].all_labels(task.labels) if task.labels else ()
        built[name] = dataclasses.replace(task, labels=labels, data=source)
    return {
        name: built[name]
        for name in sorted(built, key=lambda n: (UNITS.index(KINDS[built[n].kind].unit), n))
    }


def put_labels(config: Config, found: Mapping[str, Sequence[str]]) -> Config:
    """The config with the labels of some tasks filled in, and checked again.

    Args:
      config: as `resolve` returns it.
      found: task -> labels; only tasks whose labels were left at auto take them.

    Raises:
      UserError: for class weights and others that name a label which is not there.
    """
    tasks = {
        name: dataclasses.replace(task, labels=KINDS[task.kind].all_labels(found[name]))
        if name in found and not task.labels
        else task
        for name, task in config.tasks.items()
    }
    filled = dataclasses.replace(config, tasks=tasks)
    check(filled)
    return filled


def labels_of(config: Config, other: Config) -> Config:
    """The config with labels left at auto taken from the same tasks of another config."""
    return put_labels(
        config,
        {
            name: task.labels
            for name, task in other.tasks.items()
            if task.labels and name in config.tasks and config.tasks[name].kind == task.kind
        },
    )


def _phases(values: Any) -> tuple[PhaseConfig, ...]:
    if not isinstance(values, (list, tuple)):
        raise UserError(f"config.phases: expected a tuple of phases, got {values!r}.")
    return tuple(
        build_section(PhaseConfig, _plain(value), f"phases[{i}].") for i, value in enumerate(values)
    )


def _plain(values: Any) -> Any:
    """A ConfigDict as a dict, recognized by its method; anything else unchanged."""
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


def build_section(section: type, values: Any, path: str) -> Any:
    """One section of a config from plain values, each of them checked.

    Args:
      section: its dataclass in the schema.
      values: field -> value; fields that are missing have their defaults.
      path: such as "data.ner.", for messages.

    Raises:
      UserError: naming the field.
    """
    values = _group(values, path)
    options = options_of(section)
    _known(values, {field.name for field in options}, path)
    hints = get_type_hints(section)
    return section(
        **{
            f.name: _value(f, hints[f.name], values.get(f.name, default_of(f)), path)
            for f in options
        }
    )


def _value(field: dataclasses.Field, hint: Any, value: Any, path: str) -> Any:
    """One value, its type and range checked."""
    where = f"config.{path}{field.name}"
    limits = field.metadata
    if limits["codec"]:
        try:
            text = limits["codec"].text(value)
        except (TypeError, AttributeError, ValueError):  # a value of another field's form
            text = None
        if not isinstance(text, str):
            raise UserError(f"{where}: expected a string, got {value!r}.")
        return limits["codec"].parse(text, where)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if isinstance(value, bool) and "true" in (limits["choices"] or ()):
        value = str(value).lower()
    if field.name == "scheme" and isinstance(value, str):
        value = scheme_name(value)
    if hint == tuple[str, ...]:
        if isinstance(value, str):
            value = (parse_labels if field.name == "labels" else parse_names)(value, where)
        if not isinstance(value, (list, tuple)) or not all(isinstance(v, str) for v in value):
            raise UserError(f"{where}: expected a tuple of strings, got {value!r}.")
        value = tuple(value)
    elif type(value) is not hint:
        raise UserError(f"{where}: expected {_TYPE_NAMES[hint]}, got {value!r}.")
    if limits["choices"] and value not in limits["choices"]:
        options = ", ".join(limits["choices"])
        nearest = did_you_mean(str(value), limits["choices"])
        raise UserError(f"{where}: {value!r} is not one of {options}.{nearest}")
    # `not (x >= low)` rather than `x < low`, so that NaN is refused too.
    if limits["low"] is not None and not value >= limits["low"]:
        raise UserError(f"{where}: {value} is too small; must be at least {limits['low']}.")
    if limits["high"] is not None and not value <= limits["high"]:
        raise UserError(f"{where}: {value} is too large; must be at most {limits['high']}.")
    if hint is float and value == float("inf"):
        raise UserError(f"{where}: expected a finite number.")
    return value
