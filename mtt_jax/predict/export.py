"""Export: a run's model in the formats of other tools.

hf          encoder/ for sentence-transformers, and a folder per task for transformers
onnx        model.onnx with tokenizer and config, for ONNX Runtime or the predictor
stablehlo   model.stablehlo, a serialized jax.export
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from mtt_jax import atomic
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.predict import export_hf, graph
from mtt_jax.untrusted.folder import user_path
from mtt_jax.weights import manifest, saved_model
from mtt_jax.weights.saved_model import FITTED, SavedModel


def export(
    path: str | Path,
    to: str,
    folder: str | Path,
    tasks: Sequence[str] = (),
    int8: bool = False,
    verify: bool = True,
) -> list[Path]:
    """Writes the model of a run in another format: all of it or, if there is an error, nothing.

    Args:
      path: run or model directory.
      to: "hf", "onnx" or "stablehlo".
      folder: to create; one that is not empty is refused.
      tasks: whose heads to write (hf); all by default.
      int8: writes matrices as 8-bit integers (onnx).
      verify: as for `saved_model.load`.

    Returns:
      What was written.

    Raises:
      UserError: if the format cannot express what the model computes, a package is missing, or
        `folder` is not empty.
    """
    model, out = saved_model.load(path, verify=verify), user_path(folder)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{folder}: already exists; name a new folder.")
    if (tasks and to != "hf") or (int8 and to != "onnx"):
        flag, fitting = ("--tasks", "hf") if tasks and to != "hf" else ("--int8", "onnx")
        raise UserError(f"{flag}: works only with --to={fitting}.")
    for name in tasks:
        if name not in model.config.tasks:
            known = ", ".join(model.config.tasks)
            raise UserError(
                f"--tasks: {name!r} is not one of {known}.{did_you_mean(name, model.config.tasks)}"
            )
    with atomic.replacing_folder(out) as fresh:
        _WRITERS[to](model, fresh, tasks, int8)
    return sorted(file for file in out.rglob("*") if file.is_file())


def _hf(model: SavedModel, folder: Path, tasks: Sequence[str], int8: bool) -> None:
    del int8
    export_hf.write(model, folder, tuple(tasks) or tuple(model.config.tasks))


def _onnx(model: SavedModel, folder: Path, tasks: Sequence[str], int8: bool) -> None:
    del tasks
    graph.write_onnx(model, folder / graph.FILE, int8)
    _write_metadata(model, folder)
    manifest.write(folder)


def _stablehlo(model: SavedModel, folder: Path, tasks: Sequence[str], int8: bool) -> None:
    del tasks, int8
    (folder / "model.stablehlo").write_bytes(graph.to_stablehlo(model))
    _write_metadata(model, folder)


def _write_metadata(model: SavedModel, folder: Path) -> None:
    """Writes what a graph does not contain: config, tokenizer, temperatures and thresholds."""
    for name in ("config.json", "tokenizer.json", "README.md", FITTED):
        if (model.path / name).is_file():
            shutil.copyfile(model.path / name, folder / name)


_WRITERS = {"hf": _hf, "onnx": _onnx, "stablehlo": _stablehlo}
