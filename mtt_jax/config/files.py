"""Configs outside Python: files in configs/, flags, config.json and the page in docs/."""

import ast
import dataclasses
import json
import runpy
import traceback
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import SECTIONS, TOP, Config, PhaseConfig, TaskConfig, TaskDataConfig
from mtt_jax.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from ml_collections import ConfigDict


def to_json(config: Config) -> str:
    """The config as resolved, in the shape that `from_json` and a ConfigDict read."""
    plain: dict[str, Any] = {n: dataclasses.asdict(getattr(config, n)) for n in SECTIONS}
    plain["tasks"] = {name: dataclasses.asdict(task) for name, task in config.tasks.items()}
    plain["data"] |= {n: dataclasses.asdict(task) for n, task in config.task_data.items()}
    plain["phases"] = [dataclasses.asdict(phase) for phase in config.phases]
    plain |= {name: getattr(config, name) for name in TOP}
    return json.dumps(plain, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str, path: str = "config.json") -> Config:
    """Reads what `to_json` wrote.

    Raises:
      UserError: naming `path` where the text is no JSON or no config.
    """
    try:
        return resolve(json.loads(text))
    except json.JSONDecodeError as error:
        raise UserError(f"{path}, line {error.lineno}: not valid JSON: {error.msg}.") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def differences(ours: Config, theirs: Config) -> list[str]:
    """The fields in which two configs differ, as `train.steps: 500 here, 1000 there`."""
    return [
        f"{path}: {mine!r} here, {yours!r} there"
        for (path, mine), (_, yours) in zip_paths(
            json.loads(to_json(ours)), json.loads(to_json(theirs))
        )
        if mine != yours
    ]


def zip_paths(ours: Mapping, theirs: Mapping, prefix: str = "") -> Iterator:
    """Yields ((path, value), (path, value)) over the union of two nested dicts' leaves."""
    for name in dict.fromkeys([*ours, *theirs]):
        mine, yours = ours.get(name), theirs.get(name)
        path = f"{prefix}{name}"
        if isinstance(mine, Mapping) and isinstance(yours, Mapping):
            yield from zip_paths(mine, yours, f"{path}.")
        else:
            yield (path, mine), (path, yours)


def load_file(path: str) -> "ConfigDict":
    """Runs a config file and returns what its `get_config` gives.

    Raises:
      UserError: where there is no such file, or it fails, with its line.
    """
    from ml_collections import ConfigDict

    file = Path(path)
    if not file.is_file():
        near = did_you_mean(path, (str(other) for other in file.parent.glob("*.py")))
        raise UserError(f"--config: {path}: no such file.{near}")
    try:
        module = runpy.run_path(path)
        if "get_config" not in module:
            raise UserError(f"--config: {path}: defines no get_config().")
        config = module["get_config"]()
    except UserError:
        raise
    except Exception as error:  # whatever the user's own code raises
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        where = f", line {lines[-1]}" if lines else ""
        what = str(error)
        if what[:1] in ("'", '"') and what[-1:] == what[:1]:  # KeyError shows its text quoted
            what = what[1:-1]
        what = what.replace("\\'", "'").replace("\\n", " ")
        raise UserError(f"{path}{where}: {' '.join(what.split())}") from None
    if not isinstance(config, ConfigDict):
        raise UserError(f"--config: {path}: get_config() returns no ConfigDict; see configs/.")
    return config


def check_override(config: "ConfigDict", flag: str, text: str | None) -> None:
    """Checks one `--config.a.b=text` against the config that it changes.

    Raises:
      UserError: for a field that is not there, or a value that is not of its type.
    """
    _, _, value = _field(config, flag)
    _typed(value, text, flag)


def _field(config: "ConfigDict", flag: str) -> tuple[Any, str, Any]:
    """The group that holds the field `config.a.b`, the field's name in it, and its value."""
    from ml_collections import ConfigDict

    node, walked = config, "config"
    parent, name = config, ""
    for part in flag.split(".")[1:]:
        name, bracket, index = part.partition("[")
        if not isinstance(node, ConfigDict) or name not in node:
            known = node if isinstance(node, ConfigDict) else ()
            raise UserError(f"--{walked}.{name}: no such field.{did_you_mean(name, known)}")
        parent, node, walked = node, node[name], f"{walked}.{part}"
        if bracket:
            node = _element(node, index.removesuffix("]"), walked)
    if isinstance(node, ConfigDict):
        raise UserError(f"--{walked}: a group of fields; name one: {', '.join(node)}.")
    return parent, name, node


def _typed(old: Any, text: str | None, flag: str) -> Any:
    """The value that a flag's text gives a field, of the type of its old one."""
    if text is None:
        if isinstance(old, bool):
            return True
        raise UserError(f"--{flag}: needs a value, as in --{flag}={old}.")
    try:
        if isinstance(old, bool):
            return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}[
                text.lower()
            ]
        if isinstance(old, (int, float)):
            return type(old)(text)
    except (ValueError, KeyError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(old)]
        raise UserError(f"--{flag}: expected {kind}, got {text!r}.") from None
    if isinstance(old, (tuple, list)):
        try:
            value = ast.literal_eval(text)
            return value if isinstance(value, (list, tuple)) else (str(value),)
        except (ValueError, SyntaxError):
            raise UserError(
                f"--{flag}: expected a tuple as Python writes it, got {text!r}."
            ) from None
    return text


def _element(values: Any, index: str, walked: str) -> Any:
    """One of a list of groups, as in config.phases[0]."""
    count = len(values) if isinstance(values, (list, tuple)) else 0
    if not index.isdecimal() or int(index) >= count:
        known = f"0 to {count - 1}" if count else "none"
        raise UserError(f"--{walked}: no such element; there are {known}.")
    return values[int(index)]


def override(config: "ConfigDict", flags: Sequence[tuple[str, str]]) -> Config:
    """A config, resolved, with some fields changed as `("--config.a.b", "value")`.

    Args:
      config: of a file in configs/; changed in place.
      flags: as on the command line.

    Raises:
      UserError: for a field that is not there, or a value that is not of its type.
    """
    for flag, value in flags:
        path = flag.removeprefix("--")
        parent, name, old = _field(config, path)
        parent[name] = _typed(old, value, path)
    return resolve(config)


def document() -> str:
    """The page of all fields, in Markdown."""
    lines = [
        "# Config fields",
        "",
        "Written by `python -m mtt_jax fields > docs/config.md` from `mtt_jax/config.py`.",
        "Set any of them in a file in configs/ or on the command line: `--config.train.steps=500`.",
    ]
    groups = [
        ("tasks.NAME", TaskConfig),
        ("data.NAME", TaskDataConfig),
        *SECTIONS.items(),
        ("phases[I]", PhaseConfig),
    ]
    for prefix, section in groups:
        lines += _table(section, prefix)
    lines += _table(Config, "", only=TOP)
    return "\n".join(lines) + "\n"


def _table(section: type, prefix: str, only: tuple[str, ...] = ()) -> list[str]:
    hints = get_type_hints(section)
    title = (section.__doc__ or "").splitlines()[0] if prefix else "The run itself."
    lines = ["", f"## {title}", "", "| field | type | default | meaning |", "|---|---|---|---|"]
    for field in fields(section):
        if only and field.name not in only:
            continue
        limits = field.metadata
        meaning = limits["meaning"]
        if limits["choices"]:
            meaning += f": {', '.join(limits['choices'])}"
        kind = getattr(hints[field.name], "__name__", "tuple")
        path = f"config.{prefix}.{field.name}" if prefix else f"config.{field.name}"
        lines.append(f"| `{path}` | {kind} | `{field.default!r}` | {meaning} |")
    return lines
