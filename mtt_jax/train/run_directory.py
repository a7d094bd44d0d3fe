"""The run directory: created and recognized."""

import dataclasses
from pathlib import Path
from typing import NamedTuple

from mtt_jax import atomic
from mtt_jax.config import files as config_files
from mtt_jax.config.resolve import labels_of
from mtt_jax.config.schema import Config, MeshConfig
from mtt_jax.errors import UserError
from mtt_jax.report.run_files import read_metrics
from mtt_jax.train.lock import is_only_lock


class Layout(NamedTuple):
    """A kind of folder that belongs to one config.

    Attributes:
      name: what an error calls it, such as "run".
      flag: the command-line flag that names the folder.
      config: the file in it that holds the config.
      work: the folder in it that is empty until the work has begun.
    """

    name: str
    flag: str
    config: str
    work: str


RUN = Layout(name="run", flag="--workdir", config="config.json", work="checkpoints")


def open_run(run: Path, config: Config) -> dict | None:
    """Creates or recognizes the run directory; returns metrics.json if the run is finished.

    Raises:
      UserError: if the directory holds a run with another config, or something else; or if
        metrics.json is damaged, since a finished run must not be trained again.
    """
    open_folder(run, config, RUN)
    return read_metrics(run)


def keep_labels(folder: Path, config: Config, layout: Layout) -> Config:
    """The config with labels left at auto taken from a folder whose work has begun.

    They are what the model was made for; data that have changed since are another error.

    Args:
      folder: which may not exist yet.
      config: with labels or without.
      layout: what kind of folder it is.

    Raises:
      UserError: if the folder's config is damaged.
    """
    there = _config_of_work(folder, layout)
    return labels_of(config, there) if there else config


def keep_tokenizer(folder: Path, config: Config, layout: Layout) -> Config:
    """The config with the tokenizer that a folder's work has begun with, if it is another run's.

    That run may be gone since.

    Args:
      folder: which may not exist yet.
      config: with a tokenizer file or without.
      layout: what kind of folder it is.

    Raises:
      UserError: if the folder's config is damaged.
    """
    if not config.init_from or config.tokenizer.file:
        return config
    there = _config_of_work(folder, layout)
    return dataclasses.replace(config, tokenizer=there.tokenizer) if there else config


def _config_of_work(folder: Path, layout: Layout) -> Config | None:
    """The config of a folder whose work has begun; None if it has not."""
    path = folder / layout.config
    if not path.is_file() or not _begun(folder, layout):
        return None
    return config_files.read(path)


def _begun(folder: Path, layout: Layout) -> bool:
    work = folder / layout.work
    return work.is_dir() and any(work.iterdir())


def open_folder(folder: Path, config: Config, layout: Layout) -> None:
    """Creates a folder that belongs to one config, or recognizes it.

    Until the work has begun both config and data may change: the last start may have failed on a
    mistake in them. The mesh, the loggers and train.bad_steps may change at any time, as no result
    depends on them.

    Args:
      folder: to create or to resume.
      config: the one it belongs to.
      layout: what kind of folder it is.

    Raises:
      UserError: if it holds the work of another config, or something else.
    """
    path, flag = folder / layout.config, layout.flag
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{flag}: {folder} is a file; name a directory.")
    if path.is_file():
        there = config_files.read(path)
        changed = config_files.differences(_decisive(config), _decisive(there))
        if not _begun(folder, layout):
            (folder / "data.json").unlink(missing_ok=True)
            atomic.write(path, config_files.to_json(config), flag)
        elif changed:
            shown = "\n  ".join(changed[:8])
            raise UserError(
                f"{flag}: {folder} holds a {layout.name} with another config:\n  {shown}\n"
                f"Name another directory with {flag}=..., or give the config of that {layout.name}."
            )
        return
    if folder.is_dir() and not is_only_lock(folder):
        raise UserError(
            f"{flag}: {folder} is not empty and holds no {layout.name}; name a new directory."
        )
    with atomic.explained(folder, flag):
        folder.mkdir(parents=True, exist_ok=True)
    atomic.write(path, config_files.to_json(config), flag)


def _decisive(config: Config) -> Config:
    """The config without the fields that no result depends on: how devices share the work, loggers,
    and how many bad steps end the run.

    With data.shards=0, as in a config that no run has completed yet, the data is read in 1 shard.
    """
    data = dataclasses.replace(config.data, shards=config.data.shards or 1)
    train = dataclasses.replace(config.train, log_to=(), bad_steps=0)
    return dataclasses.replace(config, mesh=MeshConfig(), data=data, train=train)
