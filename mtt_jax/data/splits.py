"""Splits: train, dev and test of one task, and the records of several tasks joined by file."""

import hashlib
from collections.abc import Sequence
from pathlib import Path

from mtt_jax.config.schema import Config
from mtt_jax.data.readers.tally import Loaded
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task
from mtt_jax.types import Record
from mtt_jax.untrusted.folder import user_path

SPLITS = ("train", "dev", "test")


def hold_out(
    records: Sequence[Record], share: float, seed: int
) -> tuple[list[Record], list[Record]]:
    """Divides records into (train, dev) by a checksum of seed and text.

    The same text goes to the same side wherever and however often it occurs, so that a duplicate
    never leaks from train into dev, and adding data does not move any earlier sentence.
    """
    digests = {
        record.text: hashlib.sha256(f"{seed} {record.text}".encode()).digest() for record in records
    }
    limit = int(share * 2**64)
    wanted = {text for text, d in digests.items() if int.from_bytes(d[:8], "big") < limit}
    wanted = wanted or {min(digests, key=lambda text: digests[text])}
    train = [record for record in records if record.text not in wanted]
    return train, [record for record in records if record.text in wanted]


def with_dev(
    loaded: dict[str, Loaded], task: Task, config: Config, notes: list[str]
) -> dict[str, Loaded]:
    """The splits of a task, with dev held out of train if none is given.

    Args:
      loaded: split -> what its files hold.
      task: whose splits these are.
      config: share and seed of dev.
      notes: gets a line if dev is held out.

    Raises:
      UserError: if train has too few different sentences.
    """
    if "dev" in loaded:
        return loaded
    train, dev = hold_out(loaded["train"].records, config.data.dev_share, config.data_seed)
    if not train:
        raise UserError(
            f"config.data.{task.name}.train: too few different sentences to hold out a dev share "
            f"of {config.data.dev_share}; give --config.data.{task.name}.dev=..."
        )
    notes.append(f"{task.name}: no dev given; {len(dev):,} training sentences held out as dev.")
    return {**loaded, "train": Loaded(train, []), "dev": Loaded(dev, [])}


class Joined:
    """Records of several tasks; those that were read from one file carry the labels of all."""

    def __init__(self) -> None:
        self._by_file: dict[Path, list[Record]] = {}

    def add(self, path: str, records: list[Record]) -> None:
        """Adds the records of one task from a file; one file may be named by several paths."""
        file = user_path(path).resolve()
        there = self._by_file.get(file)
        if there is None:
            self._by_file[file] = records
        elif [r.text for r in there] == [r.text for r in records]:
            pairs = zip(there, records, strict=True)
            self._by_file[file] = [a._replace(labels=a.labels | b.labels) for a, b in pairs]
        else:
            self._by_file[file] = there + records

    def records(self) -> list[Record]:
        """All records, file by file in the order in which the files were added."""
        return [record for records in self._by_file.values() for record in records]
