"""Configs outside Python: files in configs/, flags, config.json and docs/config.md."""

import contextlib
import json
import runpy
import sys
import traceback
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, get_type_hints

from mtt_jax.config.aliases import (
    FORMAT,
    old_values,
    rename,
    renamed_field,
    upgrade,
    warn_renamed,
)
from mtt_jax.config.resolve import MLM, resolve
from mtt_jax.config.schema import (
    SECTIONS,
    TOP,
    Config,
    PhaseConfig,
    TaskConfig,
    TaskDataConfig,
    as_plain,
    default_of,
    options_of,
)
from mtt_jax.config.values import AUTO, NAMES, as_flag, as_text, parse_labels, parse_names
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.untrusted.folder import read_text, user_path
from mtt_jax.untrusted.json_text import JsonError, parse_json

# (flag without its dashes, text after it or None), such as ("config.train.steps", "500").
Override = tuple[str, str | None]

_PACKAGE = Path(__file__).parents[1]
_ESCAPED_PIPE = r"\|"  # in a cell of a Markdown table


def to_plain(config: Config) -> dict[str, Any]:
    """The config as nested dicts, in the shape that a ConfigDict has and config.json holds."""
    plain: dict[str, Any] = {name: as_plain(getattr(config, name)) for name in SECTIONS}
    plain["tasks"] = {name: as_plain(task) for name, task in config.tasks.items()}
    plain["data"] |= {name: as_plain(task.data) for name, task in config.tasks.items()}
    plain["phases"] = [as_plain(phase) for phase in config.phases]
    return plain | {name: getattr(config, name) for name in TOP}


def to_json(config: Config) -> str:
    """The config as resolved, with a format number; `from_json` reads it."""
    return json.dumps({"format": FORMAT, **to_plain(config)}, indent=2, ensure_ascii=False) + "\n"


def from_json(text: str, path: str = "config.json") -> Config:
    """Reads what `to_json` wrote, in this version or an earlier one.

    Raises:
      UserError: naming `path` if the text is not JSON or not a config.
    """
    try:
        raw = parse_json(text.encode("utf-8", "surrogatepass"))
        return resolve(upgrade(raw) if isinstance(raw, dict) else raw)
    except JsonError as error:
        raise UserError(f"{path}: {error}.") from None
    except UserError as error:
        raise UserError(f"{path}: {error}") from None


def read(file: Path) -> Config:
    """Reads a config.json.

    Raises:
      UserError: naming the file if it cannot be read or is not a config.
    """
    return from_json(read_text(file), str(file))


def differences(ours: Config, theirs: Config) -> list[str]:
    """The fields in which two configs differ, as `train.steps: 500 here, 1000 there`."""
    return [
        f"{path}: {mine!r} here, {yours!r} there"
        for (path, mine), (_, yours) in zip_paths(to_plain(ours), to_plain(theirs))
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


def shipped_configs() -> Path:
    """The folder of the configs that come with the package, installed or in a checkout."""
    installed = _PACKAGE / "configs"
    return installed if installed.is_dir() else _PACKAGE.parent / "configs"


def find_file(name: str) -> Path:
    """The config file of a path, or of the name of a shipped config such as "balanced".

    The extension may be left out, and a shipped config is also found as `configs/balanced.py` from
    a folder without configs.

    Raises:
      UserError: if neither exists, with the nearest name.
    """
    given, folder = user_path(name, "--config"), shipped_configs()
    whole = given.suffix == ".py" or not given.name  # "." and "/" have no name
    file = given if whole else given.with_name(f"{given.name}.py")
    candidates = [given, file]
    if str(given.parent) in (".", "configs"):
        candidates.append(folder / file.name)
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    if given.is_dir():
        known = ", ".join(sorted(str(other) for other in given.glob("*.py")))
        raise UserError(
            f"--config: {name}: a folder; name a config file{f' in it: {known}' if known else ''}."
        )
    shipped = [other.stem for other in folder.glob("*.py")]
    if "/" not in name and given.suffix != ".py":
        hint = did_you_mean(name, shipped) or f" Shipped configs: {', '.join(sorted(shipped))}."
        raise UserError(f"--config: {name}: neither a file nor the name of a shipped config.{hint}")
    others = (str(other) for other in given.parent.glob("*.py") if other.exists())
    near = did_you_mean(name, others)
    raise UserError(f"--config: {name}: no such file.{near or did_you_mean(given.stem, shipped)}")


def load_file(name: str) -> Any:
    """Runs a config file and returns the `ConfigDict` that its `get_config` returns.

    Args:
      name: a path, or the name of a shipped config.

    Raises:
      UserError: if there is no such file, or it fails, with its line.
    """
    from ml_collections import ConfigDict

    file = find_file(name)
    path = str(file)
    try:
        with _importable(Path.cwd()):
            module = runpy.run_path(path)
            if "get_config" not in module:
                raise UserError(f"--config: {path}: defines no get_config().")
            config = module["get_config"]()
    except UserError:
        raise
    except (Exception, SystemExit) as error:  # whatever the user's own code raises
        lines = [f.lineno for f in traceback.extract_tb(error.__traceback__) if f.filename == path]
        where = f", line {lines[-1]}" if lines else ""
        what = str(error)
        if what[:1] in ("'", '"') and what[-1:] == what[:1]:  # KeyError shows its text quoted
            what = what[1:-1]
        what = what.replace("\\'", "'").replace("\\n", " ")
        raise UserError(f"{path}{where}: {' '.join(what.split())}") from None
    if not isinstance(config, ConfigDict):
        raise UserError(f"--config: {path}: get_config() returns no ConfigDict; see configs/.")
    _rename_in_place(config)
    return config


@contextlib.contextmanager
def _importable(folder: Path) -> Iterator[None]:
    """Lets a config file import what is in a folder, as `python launch.py` in that folder does."""
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))


def _rename_in_place(config: Any) -> None:
    """Renames the fields that a config file set under an old name."""
    with config.unlocked():
        for section, fields in rename(config.to_dict()).items():
            if not isinstance(fields, Mapping) or section not in config:
                continue
            for name in [n for n in config[section] if n not in fields]:
                del config[section][name]
            for name, value in fields.items():
                _update(config[section], name, value)


def _update(node: Any, name: str, value: Any) -> None:
    """Sets a field, or the fields of a group; what is equal stays as it is."""
    if isinstance(value, Mapping) and name in node:
        for old in [n for n in node[name] if n not in value]:
            del node[name][old]
        for inner, leaf in value.items():
            _update(node[name], inner, leaf)
    elif name not in node or node[name] != value:
        node[name] = value


def load_config(name: str, overrides: Iterable[Override] = ()) -> Config:
    """The checked config of a file, with some of its fields changed.

    Args:
      name: a path, or the name of a shipped config.
      overrides: as `split_overrides` returns them.

    Raises:
      UserError: for a file, a field or a value that is wrong.
    """
    given = load_file(name)
    override(given, overrides)
    config = resolve(given)
    _all_read(config)
    return config


def _all_read(config: Config) -> None:
    """Checks that no file is named that the source does not read.

    Raises:
      UserError: for the first such file, which would be left out without a word.
    """
    if config.data.source != "newswire":
        return
    for name, task in config.tasks.items():
        for split in ("train", "dev", "test"):
            if getattr(task.data, split):
                raise UserError(
                    f"config.data.{name}.{split}: data.source=newswire reads no files; add "
                    "--config.data.source=files."
                )


def split_overrides(arguments: Sequence[str]) -> tuple[list[Override], list[str]]:
    """The overrides among command-line arguments, and the other arguments.

    An override is `--config.a.b=value` or `--config.a.b value`; without a value it is a boolean
    field that becomes true. One dash in place of two is the same.
    """
    overrides: list[Override] = []
    rest: list[str] = []
    waiting = list(arguments)
    while waiting:
        argument = waiting.pop(0)
        name, equals, value = argument.partition("=")
        flag = name.lstrip("-")
        if argument == "--":
            rest += [argument, *waiting]
            break
        if not argument.startswith("-") or not flag.startswith("config."):
            rest.append(argument)
        elif equals:
            overrides.append((flag, value))
        elif waiting and not waiting[0].startswith("--"):
            overrides.append((flag, waiting.pop(0)))
        else:
            overrides.append((flag, None))
    return overrides, rest


def override(config: Any, overrides: Iterable[Override]) -> None:
    """Changes fields of a `ConfigDict` in place.

    Raises:
      UserError: for a field that does not exist, or a value that is not of its type.
    """
    overrides = list(overrides)
    _declare_mlm(config, overrides)
    for flag, text in overrides:
        path = flag.removeprefix("config.")
        new = renamed_field(path, config.get("tasks", {}))
        if new != path:
            warn_renamed(f"--{flag}", f"--config.{new}")
        parent, name, old = _field(config, f"config.{new}")
        values = old_values(path, config.get("tasks", {}))
        parent[name] = (
            values[_typed(next(iter(values)), text, flag)]
            if values
            else _typed(old, text, f"config.{new}")
        )


def _declare_mlm(config: Any, overrides: Sequence[Override]) -> None:
    """Declares the task that train.mlm adds, if a field of it is to be changed.

    Raises:
      UserError: if nothing adds that task.
    """
    flag = next((flag for flag, _ in overrides if flag.startswith(f"config.tasks.{MLM}.")), None)
    if not flag or MLM in config.tasks:
        return
    given = [text for name, text in overrides if name == "config.train.mlm"]
    weight = _typed(0.0, given[-1], "config.train.mlm") if given else config.train.mlm
    if not weight:
        raise UserError(f"--{flag}: there is no task {MLM!r}; add it with --config.train.mlm=0.5.")
    from ml_collections import ConfigDict

    task = TaskConfig(kind=MLM, weight=weight)
    with config.unlocked():
        config.tasks[MLM] = ConfigDict(as_plain(task), sort_keys=False)
        config.data[MLM] = ConfigDict(as_plain(task.data), sort_keys=False)


def _field(config: Any, flag: str) -> tuple[Any, str, Any]:
    """The group that holds the field `config.a.b`, the field's name in it, and its value."""
    from ml_collections import ConfigDict

    node, walked = config, "config"
    parent, name = config, ""
    for part in flag.split(".")[1:]:
        name, bracket, index = part.partition("[")
        if not isinstance(node, ConfigDict) or name not in node:
            near = did_you_mean(name, node if isinstance(node, ConfigDict) else ())
            inside = walked in ("config.tasks", "config.data") and flag != f"{walked}.{name}"
            if inside and not near:
                raise UserError(
                    f"--{walked}.{name}: there is no task {name!r} in this config, only "
                    f"{', '.join(config.tasks)}; docs/tasks.md says how to declare one."
                )
            raise UserError(f"--{walked}.{name}: no such field.{near}")
        parent, node, walked = node, node[name], f"{walked}.{part}"
        if bracket:
            node = _element(node, index.removesuffix("]") if index[-1:] == "]" else "", walked)
    if isinstance(node, ConfigDict):
        raise UserError(f"--{walked}: a group of fields; name one: {', '.join(node)}.")
    if flag.endswith("]"):
        whole = walked.rpartition("[")[0]
        raise UserError(f"--{walked}: cannot be set alone; set all of --{whole}.")
    return parent, name, node


_BOOLEANS = {
    **dict.fromkeys(("true", "t", "1", "yes", "y", "on"), True),
    **dict.fromkeys(("false", "f", "0", "no", "n", "off"), False),
}


def _whole(text: str) -> int:
    """A whole number, also one written as 1e3 or 1000.0.

    Raises:
      ValueError: for anything else.
    """
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if number != int(number):
            raise ValueError from None
        return int(number)


def _typed(old: Any, text: str | None, flag: str) -> Any:
    """The value that a flag's text gives a field, of the type of its old value."""
    if text is None:
        if isinstance(old, bool):
            return True
        if old in ("auto", "true", "false"):  # a boolean that may be left to be recognized
            return "true"
        names = isinstance(old, (tuple, list)) and all(isinstance(name, str) for name in old)
        shown = as_flag(flag, old) if names else f"--{flag}={old}"
        raise UserError(f"--{flag}: needs a value, as in {shown}.")
    try:
        if isinstance(old, bool):
            return _BOOLEANS[text.lower()]
        if isinstance(old, int):
            return _whole(text)
        if isinstance(old, float):
            return float(text)
    except (ValueError, KeyError, OverflowError):
        kind = {bool: "true or false", int: "a whole number", float: "a number"}[type(old)]
        raise UserError(f"--{flag}: expected {kind}, got {text!r}.") from None
    if isinstance(old, (tuple, list)):
        parse = parse_labels if flag.endswith(".labels") else parse_names
        return parse(text, f"--{flag}")
    return text


def _element(values: Any, index: str, walked: str) -> Any:
    """One element of a list of groups, as in config.phases[0]."""
    count = len(values) if isinstance(values, (list, tuple)) else 0
    if not index.isdecimal() or int(index) >= count:
        known = f"0 to {count - 1}" if count else "none"
        raise UserError(f"--{walked}: no such element; there are {known}.")
    return values[int(index)]


def document() -> str:
    """The page of all fields, in Markdown."""
    lines = [
        "# Config fields",
        "",
        "Written by `mtt fields > docs/config.md` from `mtt_jax/config/schema.py`. Set any of them",
        "in a file in configs/ or on the command line: `--config.train.steps=500`.",
        "",
        "Names are a tuple of strings in a file, and on the command line have commas between them:",
        "`a,b`. A name with a comma, or with `=` where names have values, is in double quotes.",
    ]
    groups = [
        ("tasks.NAME", TaskConfig),
        ("data.NAME", TaskDataConfig),
        *SECTIONS.items(),
        ("phases[I]", PhaseConfig),
    ]
    for prefix, section in groups:
        lines += _table(section, prefix)
    lines += _table(Config, "")
    return "\n".join(lines) + "\n"


def _table(section: type, prefix: str) -> list[str]:
    hints = get_type_hints(section)
    title = (section.__doc__ or "").splitlines()[0] if prefix else "The run itself."
    lines = ["", f"## {title}", "", "| field | type | default | meaning |", "|---|---|---|---|"]
    for field in options_of(section):
        limits = field.metadata
        meaning = limits["meaning"]
        if limits["choices"]:
            meaning += f": {', '.join(limits['choices'])}"
        named = hints[field.name] == tuple[str, ...] and not limits["codec"]
        kind = "names" if named else "str" if limits["codec"] else hints[field.name].__name__
        path = f"config.{prefix}.{field.name}" if prefix else f"config.{field.name}"
        default = as_text(default_of(field), NAMES if named else limits["codec"])
        default = AUTO if field.name == "labels" else default
        cells = (f"`{path}`", kind, f"`{default!r}`", meaning)
        lines.append(f"| {' | '.join(cell.replace('|', _ESCAPED_PIPE) for cell in cells)} |")
    return lines
