"""Whether a run or a model is whole: its checkpoints, its models and what it says about itself."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config import files as config_files
from mtt_jax.data.prepare import read_data
from mtt_jax.errors import UserError
from mtt_jax.report.run_files import MISTAKES, read_history, read_metrics, read_mistakes
from mtt_jax.train.checkpoint import FOLDER, damaged, steps_in
from mtt_jax.train.lock import guard, locked
from mtt_jax.weights import manifest, saved_model
from mtt_jax.weights.manifest import Damage

# File of a run -> what reads it, of the run directory.
_FILES: dict[str, Callable[[Path], Any]] = {
    "config.json": lambda run: config_files.read(run / "config.json"),
    "data.json": read_data,
    "metrics.jsonl": read_history,
    "metrics.json": read_metrics,
    MISTAKES: read_mistakes,
}


class Verified(NamedTuple):
    """What was found in a run directory or a model directory.

    Attributes:
      path: the directory.
      damages: the damaged files.
      checkpoints: steps of the checkpoints.
      models: names of the model directories.
      files: names of the other files that were read.
      not_compared: checkpoints and models without a manifest, as version 0.1 wrote them.
    """

    path: Path
    damages: tuple[Damage, ...]
    checkpoints: tuple[int, ...]
    models: tuple[str, ...]
    files: tuple[str, ...]
    not_compared: tuple[str, ...]

    def as_json(self) -> dict[str, Any]:
        """As `mtt verify --json` prints it."""
        return {
            "path": str(self.path),
            "whole": not self.damages,
            "damaged": [{"file": str(one.file), "what": one.what} for one in self.damages],
            "checkpoints": list(self.checkpoints),
            "models": list(self.models),
            "files": list(self.files),
            "not_compared": list(self.not_compared),
        }


def verify(path: Path) -> Verified:
    """Reads every file of a run directory or a model directory.

    Args:
      path: the directory.

    Raises:
      UserError: if it is neither.
    """
    models, steps = models_of(path), steps_in(path / FOLDER)
    is_run = (path / "config.json").is_file() and path not in models
    files = [name for name in _FILES if is_run and (path / name).is_file()]
    if not models and not files and not steps:
        saved_model.find(path)  # whose error says what is there instead
    damages = [
        *(fault for name in files for fault in _read(path / name, _FILES[name], path)),
        *(one for found in damaged(path / FOLDER).values() for one in found),
        *(one for model in models for one in _of_model(model)),
    ]
    folders = [*(path / FOLDER / str(step) for step in steps), *models]
    known = {one.file for one in damages}
    missing = [
        folder
        for folder in folders
        if not (folder / manifest.FILE).is_file() and folder / manifest.FILE not in known
    ]
    return Verified(
        path,
        tuple(damages),
        tuple(steps),
        tuple(model.name for model in models),
        tuple(files),
        tuple(
            folder.name if folder == path else str(folder.relative_to(path)) for folder in missing
        ),
    )


def models_of(path: Path) -> list[Path]:
    """The model directories of a run, or the model directory itself.

    One whose weights were removed still counts, as long as it has a manifest.
    """
    inside = [path / saved_model.directory(), *sorted(path.glob(saved_model.directory("*")))]
    return [folder for folder in [*inside, path] if _is_model(folder)]


def _is_model(folder: Path) -> bool:
    names = ("model.safetensors", "model.onnx", manifest.FILE)
    return any((folder / name).is_file() for name in names)


def _of_model(folder: Path) -> list[Damage]:
    """What is wrong with a model directory; one without a manifest is loaded instead."""
    weights = folder / "model.safetensors"
    found = manifest.damages(folder, needed=saved_model.FILES)
    if found:
        return found
    lost = _read(weights, saved_model.damages, folder) if weights.is_file() else []
    if found is None and not lost:
        lost = saved_model.damages(folder)
    return lost or _read(
        folder,
        lambda model: saved_model.load(
            model, graph_is_enough=True, encoder_is_enough=True, verify=False
        ),
        folder,
    )


def _read(file: Path, read: Callable[[Path], Any], folder: Path) -> list[Damage]:
    """What is wrong with a file by the error of what reads it."""
    try:
        read(folder)
    except UserError as error:
        return [Damage(file, str(error).removeprefix(str(file)).lstrip(":, ").rstrip("."))]
    return []


def accept(path: Path) -> list[Damage]:
    """Takes the models of a run, or a model directory, as they are from now on.

    Args:
      path: the directory.

    Returns:
      The files that were not as written.

    Raises:
      UserError: if there is no model, one of them cannot be loaded, or another process writes
        into the directory; nothing is accepted then.
    """
    models = models_of(path) or [saved_model.find(path)]
    with locked(guard(models[0])):
        changed = [one for model in models for one in _changed(model)]
        for model in models:
            saved_model.load(model, graph_is_enough=True, encoder_is_enough=True, verify=False)
        for model in models:
            manifest.write(model)
    return changed


def _changed(folder: Path) -> list[Damage]:
    return manifest.damages(folder, needed=saved_model.FILES) or []


def summary(found: Verified) -> str:
    """One line about a directory, after those about its damaged files."""
    counts = [
        _count(len(found.checkpoints), "checkpoint"),
        _count(len(found.models), "model"),
        _count(len(found.files), "other file"),
    ]
    what = ", ".join(count for count in counts if count)
    if found.damages:
        return f"{found.path}: {_count(len(found.damages), 'damaged file')} in {what}."
    old = ", ".join(found.not_compared)
    note = f" Without a manifest, and therefore only read: {old}." if old else ""
    return f"{found.path}: whole: {what}.{note}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' if number > 1 else ''}" if number else ""
