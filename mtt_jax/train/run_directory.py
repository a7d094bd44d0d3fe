"""The run directory: made, recognised, and written to in moves that a kill cannot cut in two."""

import dataclasses
from pathlib import Path

from mtt_jax.config import files as config_files
from mtt_jax.config.schema import Config, MeshConfig
from mtt_jax.errors import UserError
from mtt_jax.weights import saved_model


def open_run(run: Path, config: Config) -> dict | None:
    """Makes or recognises the run directory; returns metrics.json of a finished run.

    Raises:
      UserError: where the directory holds a run of another config, or other things.
    """
    open_folder(run, config, "config.json", "checkpoints", "--workdir", "a run", "with")
    return saved_model.read_json(run / "metrics.json")


def open_folder(
    folder: Path, config: Config, file: str, work: str, flag: str, what: str, of: str
) -> None:
    """Makes a folder that belongs to one config, or recognises it.

    Until the work begins both config and data may change: it stopped on a mistake in them.
    The mesh may change at any time: no number depends on it.

    Args:
      folder: to make or to go on with.
      config: what it belongs to.
      file: in the folder, which holds the config.
      work: folder in it that has something in it once the work has begun.
      flag: of the command line that names the folder.
      what: it is, as "a run".
      of: what joins that to its config, as "with".

    Raises:
      UserError: where it holds the work of another config, or other things.
    """
    path, kind = folder / file, what.split()[-1]
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{flag}: {folder} is a file; name a directory.")
    if path.is_file():
        there = config_files.from_json(path.read_text(encoding="utf-8"), str(path))
        changed = config_files.differences(_decisive(config), _decisive(there))
        begun = (folder / work).is_dir() and any((folder / work).iterdir())
        if not begun:
            (folder / "data.json").unlink(missing_ok=True)
            write(path, config_files.to_json(config))
        elif changed:
            shown = "\n  ".join(changed[:8])
            raise UserError(
                f"{flag}: {folder} holds {what} {of} another config:\n  {shown}\n"
                f"Name another directory with {flag}=..., or give the config of that {kind}."
            )
        return
    if folder.is_dir() and any(folder.iterdir()):
        raise UserError(f"{flag}: {folder} is not empty and holds no {kind}; name a new directory.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write(path, config_files.to_json(config))
    except OSError as error:
        raise UserError(f"{flag}: cannot write to {folder}: {error.strerror}.") from None


def _decisive(config: Config) -> Config:
    """The config without what no number of a run depends on: the devices that share it.

    0 shards stand in a config that no run has completed; it was read in one.
    """
    data = dataclasses.replace(config.data, shards=config.data.shards or 1)
    return dataclasses.replace(config, mesh=MeshConfig(), data=data)


def write(path: Path, text: str) -> None:
    """Writes a file in one move, so that a kill leaves the old one or the new one."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)
