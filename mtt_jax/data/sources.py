"""Sources: the records of every split, from the embedded corpus, the user's files or TFDS."""

from collections.abc import Callable, Mapping
from pathlib import Path

from mtt_jax.config.schema import Config
from mtt_jax.data.newswire.source import read_newswire
from mtt_jax.data.readers import read_file
from mtt_jax.data.readers.tfds import read_tfds
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.data.splits import SPLITS, Joined, with_dev
from mtt_jax.types import Record
from mtt_jax.untrusted.folder import user_path

Splits = tuple[dict[str, list[Record]], list[str]]


def read_records(config: Config) -> Splits:
    """Split -> records of the config's source, before they are encoded; and notes.

    Raises:
      UserError: for every fault in the data, naming file, line and remedy.
    """
    return _SOURCES[config.data.source](
        config, user_path(config.data.cache_dir, "config.data.cache_dir")
    )


def read_files(config: Config, cache: Path) -> Splits:
    """Split -> records of the user's files; and notes.

    Raises:
      UserError: for every fault in a file; for labels that a task does not have once all its files
        are read.
    """
    del cache
    joined = {split: Joined() for split in SPLITS}
    notes: list[str] = []
    for task in config.task_list:
        fields = config.tasks[task.name].data
        loaded, unknown = {}, Unknown()
        for split in SPLITS:
            spec = getattr(fields, split)
            if spec:
                flag = f"--config.data.{task.name}.{split}"
                loaded[split] = read_file(spec, task, config.data, fields, flag, unknown)
                notes += loaded[split].notes
        unknown.check(task.labels, task.name, fields.label_map)
        for split, found in with_dev(loaded, task, config, notes).items():
            joined[split].add(getattr(fields, split) or fields.train, found.records)
    return {split: joined[split].records() for split in SPLITS}, notes


def read_named(config: Config, files: Mapping[str, str]) -> tuple[list[Record], list[str]]:
    """Records of files other than the config's, in the layouts that it gives; and notes.

    Args:
      config: the keys, columns and label maps of each task.
      files: task -> files.

    Raises:
      UserError: for every fault in a file.
    """
    joined, notes = Joined(), []
    for task in config.task_list:
        if task.name in files:
            spec, fields = files[task.name], config.tasks[task.name].data
            found = read_file(spec, task, config.data, fields, f"--{task.name}")
            notes += found.notes
            joined.add(spec, found.records)
    return joined.records(), notes


_SOURCES: dict[str, Callable[[Config, Path], Splits]] = {
    "newswire": read_newswire,
    "files": read_files,
    "tfds": read_tfds,
}
