"""Paths in what is published: a model card and a report name files, but no folders."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

# An absolute path in running text, up to its last part.
_FOLDERS = re.compile(r"(?<![\w.~/\\:])(?:[A-Za-z]:[\\/]|/)(?:[^\s/\\,;:'\"()]+[/\\])+")


def named(config: Mapping[str, Any]) -> dict[str, Any]:
    """A config as nested dicts in which an absolute path is replaced by the name of its file."""
    return {
        key: named(value)
        if isinstance(value, Mapping)
        else _named_value(value)
        if isinstance(value, str)
        else value
        for key, value in config.items()
    }


def without_folders(text: str, config: Mapping[str, Any]) -> str:
    """A text in which files are named without their absolute folders.

    Args:
      text: such as a note on the data.
      config: as nested dicts; its files are found in the text also if their paths hold spaces.
    """
    for path in sorted(_paths(config), key=len, reverse=True):
        for form in (path, str(Path(path).expanduser())):
            text = text.replace(form, Path(path).name)
            folder = str(Path(form).parent)
            if len(folder) > 1:
                text = text.replace(f"{folder}/", "")
    return _FOLDERS.sub("", text)


def _paths(config: Mapping[str, Any]) -> Iterator[str]:
    """The absolute paths among a config's values."""
    for value in config.values():
        if isinstance(value, Mapping):
            yield from _paths(value)
        elif isinstance(value, str):
            for part in value.split(","):
                _, path = _task_and_path(part)
                if _is_absolute(path):
                    yield path


def _task_and_path(part: str) -> tuple[str, str]:
    """('ner=', '/a/b') of 'ner=/a/b', and ('', '/a/b') of '/a/b'."""
    name, equals, path = part.strip().partition("=")
    return (name + equals, path) if equals and name.isidentifier() else ("", part.strip())


def _is_absolute(text: str) -> bool:
    path = Path(text)
    return path.is_absolute() and len(path.parts) > 2


def _named_value(value: str) -> str:
    """Names in place of the absolute paths of a value, which may be several with commas."""
    parts = [_task_and_path(part) for part in value.split(",")]
    if not any(_is_absolute(path) for _, path in parts):
        return value
    return ", ".join(
        task + (Path(path).name if _is_absolute(path) else path) for task, path in parts
    )
