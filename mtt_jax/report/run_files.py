"""What a run directory says about its run, for reports; also of a run that is not finished."""

import json
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config.files import from_json, to_plain
from mtt_jax.errors import UserError
from mtt_jax.report import paths

# Gold labels and answers of the sentences that went most wrong: split -> task -> list.
MISTAKES = "mistakes.json"


class RunFiles(NamedTuple):
    """The files of a run, as a report reads them.

    Attributes:
      name: of the run directory.
      config: as nested dicts; files are named without their folders.
      history: rows of metrics.jsonl.
      final: the content of metrics.json; {} for a run that is not finished.
      mistakes: the content of mistakes.json; {} if there is none.
    """

    name: str
    config: dict[str, Any]
    history: list[dict[str, Any]]
    final: dict[str, Any]
    mistakes: dict[str, Any]


def read_history(run: Path) -> list[dict[str, Any]]:
    """The rows of a run's metrics.jsonl, except for a last line that a kill cut off."""
    path = run / "metrics.jsonl"
    if not path.is_file():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("}\n")]


def read_run(run: Path) -> RunFiles:
    """Reads a run directory, of this version or an earlier one.

    Raises:
      UserError: if the folder is no run directory, or a file in it is damaged.
    """
    file = run / "config.json"
    if not file.is_file():
        if run.is_dir():
            what = "is not a run directory: it has no config.json"
        else:
            what = "is a file, not a run directory" if run.exists() else "not found"
        raise UserError(f"{run}: {what}; name one, such as runs/balanced.")
    config = to_plain(from_json(file.read_text(encoding="utf-8"), str(file)))
    try:
        history = read_history(run)
    except ValueError as error:
        raise _damaged(run / "metrics.jsonl", error) from None
    return RunFiles(
        run.resolve().name,
        paths.named(config),
        history,
        _json(run / "metrics.json"),
        _json(run / MISTAKES),
    )


def _json(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
    except ValueError as error:
        raise _damaged(file, error) from None
    if not isinstance(found, dict):
        raise _damaged(file, "expected a JSON object")
    return found


def _damaged(file: Path, error: Exception | str) -> UserError:
    return UserError(f"{file}: is damaged ({error}); restore it, or leave this run out.")
