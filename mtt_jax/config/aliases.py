"""Old names of config fields and values, which keep working, and what old config.json files mean.

A rename is a row in one of the tables below. Whoever writes an old name is told the new one, once,
by a `RenamedWarning`; a config.json of an old version is read without a warning.
"""

import warnings
from collections.abc import Mapping
from typing import Any

from mtt_jax.config.schema import FIELDS_OF_KINDS
from mtt_jax.config.values import NUMBERS, parse_numbers
from mtt_jax.errors import RenamedWarning, UserError
from mtt_jax.tasks import KINDS

# Raised when the meaning of config.json changes; files without a number are of version 0.1.
FORMAT = 4

# Section -> old field -> new field; TASK and PHASE stand for any of them.
_FIELDS: dict[str, dict[str, str]] = {
    "tokenizer": {"kind": "algorithm"},
    "encoder": {"token_dropout": "word_dropout"},
    "data.TASK": {"synthetic_ways": "synthetic_methods"},
    "train": {"tensorboard": "log_to"},
}
# Section and old field -> its old values and what they are in the new field, for a field that got
# other values with its new name.
_FORMS: dict[tuple[str, str], dict[Any, Any]] = {
    ("train", "tensorboard"): {True: ("tensorboard",), False: ()},
}
# Section and field -> old value -> new value.
_VALUES: dict[tuple[str, str], dict[str, str]] = {
    ("tasks.TASK", "kind"): {"sentence": "classes", "token": "entities"},
}
# Section and field -> what other tools call a value, in lower case -> its name here. Both names are
# right, so there is no warning.
_SPELLINGS: dict[tuple[str, str], dict[str, str]] = {
    ("tasks.TASK", "scheme"): {"bio": "iob2", "iob": "iob2", "none": "io", "raw": "io"},
    ("data.TASK", "scheme"): {
        "bio": "iob2",
        "iob": "iob2",
        "biluo": "bilou",
        "biolu": "bilou",
        "iobes": "bioes",
        "bioul": "bilou",
    },
    ("encoder", "dtype"): {"fp32": "float32", "bf16": "bfloat16"},
}


def renamed_field(path: str, tasks: Mapping[str, Any]) -> str:
    """The new path of a field, such as `tokenizer.algorithm` for `tokenizer.kind`."""
    section, _, field = path.rpartition(".")
    new = _FIELDS.get(_key(section, tasks), {}).get(field)
    return f"{section}.{new}" if new else path


def old_values(path: str, tasks: Mapping[str, Any]) -> dict[Any, Any]:
    """Old value -> new value of a renamed field such as `train.tensorboard`; {} if they stayed."""
    section, _, field = path.rpartition(".")
    return _FORMS.get((_key(section, tasks), field), {})


def _key(section: str, tasks: Mapping[str, Any]) -> str:
    """A section as the tables name it."""
    group, _, name = section.partition(".")
    return f"{group}.TASK" if group in ("data", "tasks") and name in tasks else section


def warn_renamed(old: str, new: str) -> None:
    """Tells whoever wrote an old name what it is called now."""
    warnings.warn(RenamedWarning(f"{old} is now {new}; the old name still works."), stacklevel=2)


def rename(raw: dict[str, Any], warn: bool = True) -> dict[str, Any]:
    """A config as nested dicts with today's names in place of old ones.

    Args:
      raw: of any version.
      warn: whether to warn about renamed fields.
    """
    raw = dict(raw)
    tasks = raw.get("tasks", {})
    names = tuple(tasks) if isinstance(tasks, Mapping) else ()
    for name in ("tokenizer", "encoder", "train"):
        if name in raw:
            raw[name] = _section(raw[name], name, name, warn)
    for group in ("tasks", "data"):
        if isinstance(raw.get(group), Mapping):
            raw[group] = {
                name: _section(fields, f"{group}.TASK", f"{group}.{name}", warn)
                if name in names
                else fields
                for name, fields in raw[group].items()
            }
    return raw


def _section(fields: Any, key: str, path: str, warn: bool) -> Any:
    if not isinstance(fields, Mapping):
        return fields
    # A ConfigDict has every new name at its default: an old name next to it is what the user wrote.
    table = _FIELDS.get(key, {})
    old = {new for name, new in table.items() if name in fields}
    renamed = {}
    for name, value in fields.items():
        if name in old:
            continue
        new = table.get(name, name)
        if new != name and warn:
            warn_renamed(f"config.{path}.{name}", f"config.{path}.{new}")
        if isinstance(value, bool):
            value = _FORMS.get((key, str(name)), {}).get(value, value)
        changed = (
            _VALUES.get((key, str(new)), {}).get(value, value) if isinstance(value, str) else value
        )
        if changed is not value and warn:
            warn_renamed(f"config.{path}.{new}={value}", f"{changed}")
        renamed[new] = _spelled(key, str(new), changed)
    return renamed


def _spelled(key: str, field: str, value: Any) -> Any:
    """A value under its name here; in a field that has other spellings, case does not matter."""
    table = _SPELLINGS.get((key, field))
    if table is None or not isinstance(value, str):
        return value
    return table.get(value.lower(), value.lower())


def upgrade(raw: dict[str, Any]) -> dict[str, Any]:
    """A config.json of any version in today's form.

    Until version 0.1 a task whose weight was 0 was left out altogether; now this is expressed by
    `train.tasks`, and in a phase by its `tasks`. Until format 2 the config said what encoding,
    header and column of the words are; now its old defaults mean that they are recognized. Until
    format 3 there were no word features, and fields that mean nothing for a kind of task were
    ignored; now they are refused.

    Raises:
      UserError: for a file of a later version.
    """
    raw = dict(raw)
    version = raw.pop("format", 1)
    if version not in range(1, FORMAT + 1):
        raise UserError(
            f"format {version!r} is not one of 1 to {FORMAT}, which this version of mtt_jax reads; "
            "upgrade mtt_jax."
        )
    raw = rename(raw, warn=False)
    if version == FORMAT or not _is_whole(raw):
        return raw
    raw["encoder"] = {"word_features": "", **raw.get("encoder", {})}
    raw = _without_fields_of_other_kinds(raw)
    if version > 2:
        return raw
    raw["data"] = _recognized(raw.get("data", {}), tuple(raw["tasks"]))
    if version > 1:
        return raw
    weights = {name: task.get("weight", 1.0) for name, task in raw["tasks"].items()}
    weighted = [name for name, weight in weights.items() if weight]
    if weighted and len(weighted) < len(weights) and not raw.get("phases"):
        raw["train"] = {**raw.get("train", {}), "tasks": weighted}
    phases = [
        _without_weight_0(phase, weights, f"config.phases[{index}].weights")
        for index, phase in enumerate(raw.get("phases", ()))
    ]
    return {**raw, "phases": phases}


def _without_fields_of_other_kinds(raw: dict[str, Any]) -> dict[str, Any]:
    """A config without the fields of tasks that mean nothing for their kind."""
    if not isinstance(raw.get("data", {}), Mapping):
        return raw  # `resolve` refuses it
    sections = {name: dict(raw.get(name, {})) for name in ("tasks", "data")}
    for name, task in raw["tasks"].items():
        kind = KINDS.get(str(task.get("kind", "classes")))  # `resolve` refuses what is no text
        for section, field, form, _ in FIELDS_OF_KINDS:
            group = sections[section].get(name)
            if kind and form not in kind.reads and isinstance(group, Mapping):
                sections[section][name] = {k: value for k, value in group.items() if k != field}
    return {**raw, **sections}


# Fields that are now recognized from the files by default: field -> default in format 2, and now.
_TOLD: dict[str, tuple[Any, Any]] = {
    "encoding": ("utf-8", "auto"),
    "header": (False, "auto"),
    "word": (1, 0),
}


def _recognized(data: Any, tasks: tuple[str, ...]) -> Any:
    """The section data of format 2 with today's defaults instead of its own."""
    if not isinstance(data, Mapping):
        return data
    changed: dict[str, Any] = {}
    for name, value in data.items():
        if name in tasks:
            changed[name] = _recognized(value, ())
        else:
            then, now = _TOLD.get(name, (None, None))
            same = name in _TOLD and type(value) is type(then) and value == then
            changed[name] = now if same else "true" if name == "header" and value is True else value
    return changed


def _is_whole(raw: dict[str, Any]) -> bool:
    """Whether the parts that `upgrade` changes have the right types; `resolve` refuses others."""
    tasks, phases = raw.get("tasks"), raw.get("phases", [])
    return (
        isinstance(tasks, Mapping)
        and isinstance(phases, list)
        and all(isinstance(group, Mapping) for group in (*tasks.values(), *phases))
        and isinstance(raw.get("train", {}), Mapping)
        and isinstance(raw.get("encoder", {}), Mapping)
        and all(isinstance(phase.get("tasks", []), list) for phase in phases)
        and all(isinstance(name, str) for phase in phases for name in phase.get("tasks", []))
        and all(isinstance(phase.get("weights", ""), str) for phase in phases)
    )


def _without_weight_0(
    phase: Mapping[str, Any], weights: Mapping[str, float], where: str
) -> Mapping[str, Any]:
    """A phase of version 0.1 with its tasks of weight 0 left out of its `tasks`."""
    given = parse_numbers(phase.get("weights", ""), where)
    tasks = phase.get("tasks") or list(weights)
    active = [name for name in tasks if given.get(name, weights.get(name, 1.0))]
    if active == tasks:
        return phase
    kept = {name: weight for name, weight in given.items() if name in active}
    return {**phase, "tasks": active, "weights": NUMBERS.text(kept)}
