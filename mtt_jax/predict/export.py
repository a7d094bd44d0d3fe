"""Export: a run's model in the formats of other tools.

hf          encoder/ for sentence-transformers, and a folder a task for transformers
onnx        model.onnx with tokenizer and config, for ONNX Runtime or the predictor
stablehlo   model.stablehlo, a serialised jax.export
"""

import os
import shutil
from collections.abc import Sequence
from pathlib import Path

from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.predict import export_hf, graph
from mtt_jax.weights import saved_model
from mtt_jax.weights.saved_model import SavedModel


def export(
    path: str | Path, kind: str, folder: str | Path, tasks: Sequence[str] = (), int8: bool = False
) -> list[Path]:
    """Writes the model of a run in another format; all of it or, after a mistake, nothing.

    Args:
      path: run or model directory.
      kind: "hf", "onnx" or "stablehlo".
      folder: to make; one that holds something is left alone.
      tasks: whose heads to write (hf); all by default.
      int8: writes matrices as 8-bit integers (onnx).

    Returns:
      What was written.

    Raises:
      UserError: where the format cannot say what the model computes, a package is missing, or
        `folder` is not empty.
    """
    model, out = saved_model.load(path), Path(folder).expanduser()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise UserError(f"{folder}: is there already; name a new folder.")
    if (tasks and kind != "hf") or (int8 and kind != "onnx"):
        flag, fitting = ("--tasks", "hf") if tasks and kind != "hf" else ("--int8", "onnx")
        raise UserError(f"{flag}: only --to={fitting} has it.")
    for name in tasks:
        if name not in model.config.tasks:
            known = ", ".join(model.config.tasks)
            raise UserError(
                f"--tasks: {name!r} is not one of {known}.{did_you_mean(name, model.config.tasks)}"
            )
    fresh = out.with_name(f".{out.name}-{os.getpid()}")
    try:
        fresh.mkdir(parents=True)
        _WRITERS[kind](model, fresh, tasks, int8)
        if out.is_dir():
            out.rmdir()
        fresh.rename(out)
    except OSError as error:
        raise UserError(f"{folder}: cannot write there: {error.strerror or error}.") from None
    finally:
        shutil.rmtree(fresh, ignore_errors=True)
    return sorted(file for file in out.rglob("*") if file.is_file())


def _hf(model: SavedModel, folder: Path, tasks: Sequence[str], int8: bool) -> None:
    del int8
    export_hf.write(model, folder, tuple(tasks) or tuple(model.config.tasks))


def _onnx(model: SavedModel, folder: Path, tasks: Sequence[str], int8: bool) -> None:
    del tasks
    graph.write_onnx(model, folder / graph.FILE, int8)
    _beside(model, folder)


def _stablehlo(model: SavedModel, folder: Path, tasks: Sequence[str], int8: bool) -> None:
    del tasks, int8
    (folder / "model.stablehlo").write_bytes(graph.to_stablehlo(model))
    _beside(model, folder)


def _beside(model: SavedModel, folder: Path) -> None:
    """What a graph does not hold: labels, in the config, and the tokenizer."""
    for name in ("config.json", "tokenizer.json", "README.md"):
        if (model.path / name).is_file():
            shutil.copyfile(model.path / name, folder / name)


_WRITERS = {"hf": _hf, "onnx": _onnx, "stablehlo": _stablehlo}
