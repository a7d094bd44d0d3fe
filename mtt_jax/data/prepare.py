"""Preparation: from the config to encoded train, dev and test, kept on disk for the next start.

The cache's key is a checksum of all that the encoding depends on: the files' content, the
config's data, tasks and tokenizer, and the corpus that comes with the package. Nothing is ever
changed in place, so a folder that is there is right.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from mtt_jax.config.resolve import parse_names
from mtt_jax.config.schema import Config
from mtt_jax.data import tokenizer
from mtt_jax.data.augment import augment, read_gazetteer
from mtt_jax.data.encode import ExampleSet, encode_records
from mtt_jax.data.readers.tfds import read_tfds
from mtt_jax.data.sampling import seed_of
from mtt_jax.data.sources import (
    SPLITS,
    corpus_version,
    newswire_extra,
    read_files,
    read_newswire,
)
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Record

# Raise it when the encoding changes, so that older caches are left alone.
_VERSION = 2


class Prepared(NamedTuple):
    """Data that is ready to train on.

    Attributes:
      tokenizer: as trained or loaded.
      splits: "train", "dev", "test" -> examples; dev and test may be empty.
      notes: what the user is told about the data, a line each.
    """

    tokenizer: Tokenizer
    splits: dict[str, ExampleSet]
    notes: tuple[str, ...]


def prepare(
    config: Config, run: Path | None = None, given_tokenizer: Tokenizer | None = None
) -> Prepared:
    """Reads, divides and encodes the data, or finds that done already.

    Args:
      config: what to read and how.
      run: a directory that remembers its data and refuses to go on with other data.
      given_tokenizer: used instead of training or loading one.

    Raises:
      UserError: for every fault of the data, naming file, line and remedy.
    """
    made_of = _made_of(config, given_tokenizer)
    if run:
        _remember(run, made_of)
    key = hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]
    cache = Path(config.data.cache_dir).expanduser()
    folder = cache / "encoded" / key
    if not folder.is_dir():
        _make(folder.parent)  # before the work: the sources write beneath the cache as well
        _write(folder, *_encode(config, given_tokenizer))
    return _read(folder, config.task_list)


def _made_of(config: Config, given: Tokenizer | None) -> dict[str, Any]:
    """All that the encoded data depends on, file contents as checksums."""
    files = {}
    for name, task in config.task_data.items():
        if config.data.source == "files":
            for split in SPLITS:
                path = Path(getattr(task, split)).expanduser()
                if getattr(task, split) and path.is_file():
                    files[f"data.{name}.{split}"] = _checksum(path)
        gazetteer = Path(task.gazetteer).expanduser()
        if task.gazetteer and gazetteer.is_file():
            files[f"data.{name}.gazetteer"] = _checksum(gazetteer)
    if config.tokenizer.file and Path(config.tokenizer.file).expanduser().is_file():
        files["tokenizer.file"] = _checksum(Path(config.tokenizer.file).expanduser())
    drawn = any(task.limit or task.synthetic for task in config.task_data.values())
    data = dataclasses.asdict(config.data)
    for name in ("cache_dir", "overlap", "seed", "shards"):
        del data[name]
    embedded = config.data.source == "newswire" or any(
        task.newswire for task in config.task_data.values()
    )
    return {
        "version": _VERSION,
        "corpus": corpus_version() if embedded else "",
        "files": files,
        "data": data,
        "task_data": {name: dataclasses.asdict(task) for name, task in config.task_data.items()},
        "tasks": [dataclasses.asdict(task) for task in config.task_list],
        "tokenizer": given.to_str() if given else dataclasses.asdict(config.tokenizer),
        "seed": config.data_seed if config.data.source != "newswire" or drawn else 0,
    }


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None


def _remember(run: Path, made_of: dict[str, Any]) -> None:
    """Writes data.json into a new run; compares it in one that goes on."""
    file = run / "data.json"
    if not file.is_file():
        fresh = file.with_name(".data.json.new")
        fresh.write_text(json.dumps(made_of, indent=2) + "\n", encoding="utf-8")
        fresh.replace(file)
        return
    then = json.loads(file.read_text(encoding="utf-8"))
    if then == json.loads(json.dumps(made_of)):
        return
    changed = [
        name for name in made_of["files"] if made_of["files"][name] != then["files"].get(name)
    ]
    what = ", ".join(f"config.{name}" for name in changed) or "the data"
    raise UserError(
        f"{run}: {what} changed since this began, so it cannot go on where it stopped. Bring the "
        "data back as it was, or start anew in another directory (--workdir=..., --out=...)."
    )


def read_records(config: Config) -> tuple[dict[str, list[Record]], list[str]]:
    """Split -> records of the config's source, before they are encoded; and notes.

    Raises:
      UserError: for every fault of the data, naming file, line and remedy.
    """
    read = {"newswire": read_newswire, "files": read_files, "tfds": read_tfds}[config.data.source]
    return read(config, Path(config.data.cache_dir).expanduser())


def _encode(
    config: Config, given: Tokenizer | None
) -> tuple[Tokenizer, dict[str, ExampleSet], list[str]]:
    """Tokenizer, encoded splits and notes, from the source."""
    records, notes = read_records(config)
    for task in config.task_list:
        _need_labels(task, records["train"], config)
    notes += _repeats(records)
    known = frozenset(record.text for split in SPLITS for record in records[split])
    real = _limited(records["train"], config, notes)
    records["train"] = [*real, *_made_up(real, known, config, notes)]
    chosen = given
    if chosen is None and config.tokenizer.file:
        chosen = tokenizer.load(config.tokenizer.file)
    if chosen is None:
        chosen = tokenizer.train((record.text for record in real), config.tokenizer)
    splits = {name: encode_records(records[name], chosen, config.task_list) for name in SPLITS}
    long = int((splits["train"].lengths() > config.data.max_length).sum())
    if long:
        notes.append(
            f"{long:,} training sentences are longer than data.max_length "
            f"({config.data.max_length} subwords) and are cut; dev and test are read in windows."
        )
    return chosen, splits, notes


def _limited(records: Sequence[Record], config: Config, notes: list[str]) -> list[Record]:
    """Training sentences, of each task no more labelled ones than its limit."""
    kept = list(records)
    emptied: set[int] = set()
    for name, task_data in config.task_data.items():
        labelled = [i for i, r in enumerate(kept) if name in r.labels or name in r.spans]
        if not task_data.limit or len(labelled) <= task_data.limit:
            continue
        rng = np.random.default_rng(seed_of(config.data_seed, f"limit of {name}"))
        for index in rng.permutation(labelled)[task_data.limit :]:
            record = kept[index]
            kept[index] = record._replace(
                labels={n: label for n, label in record.labels.items() if n != name},
                spans={n: spans for n, spans in record.spans.items() if n != name},
            )
            if not (kept[index].labels or kept[index].spans):
                emptied.add(index)
        notes.append(
            f"{name}: {task_data.limit:,} of {len(labelled):,} labelled training sentences are "
            f"used (data.{name}.limit)."
        )
    return [record for index, record in enumerate(kept) if index not in emptied]


def _made_up(
    records: Sequence[Record], known: frozenset[str], config: Config, notes: list[str]
) -> list[Record]:
    """What is trained on beside the user's own sentences; `known` are the texts of all splits."""
    made: list[Record] = []
    for task in config.task_list:
        source = config.task_data[task.name]
        count = sum(task.name in r.labels or task.name in r.spans for r in records)
        if source.synthetic:
            ways = parse_names(source.synthetic_ways)
            fresh = augment(
                records,
                task,
                round(source.synthetic * count),
                ways,
                source.synthetic_rate,
                read_gazetteer(source.gazetteer, task),
                known,
                config.data_seed,
            )
            notes.append(
                f"{task.name}: {len(fresh):,} synthetic training sentences from {count:,} "
                f"({', '.join(ways)})."
            )
            made += fresh
        if source.newswire:
            made += newswire_extra(task, source.newswire, config.data_seed)
            notes.append(
                f"{task.name}: {source.newswire:,} sentences of the embedded corpus beside "
                f"{count:,}."
            )
    return made


def _need_labels(task: Task, records: Sequence[Record], config: Config) -> None:
    if any(task.name in record.labels or task.name in record.spans for record in records):
        return
    remedy = (
        f"give its file with --config.data.{task.name}.train=..."
        if config.data.source == "files"
        else "the newswire corpus labels the tasks topic and ner; for others use data.source=files"
        if config.data.source == "newswire"
        else f"see --config.data.{task.name}.label"
    )
    raise UserError(
        f"config.tasks.{task.name}: no training sentence carries a label of this task; {remedy}."
    )


def _repeats(records: dict[str, list[Record]]) -> list[str]:
    """What is to be said of texts that stand more than once."""
    notes = []
    texts = {name: [record.text for record in split] for name, split in records.items()}
    known = set(texts["train"])
    repeated = len(texts["train"]) - len(known)
    if repeated:
        notes.append(f"train: {repeated:,} sentences repeat an earlier one word for word.")
    for name in ("dev", "test"):
        leaked = sum(text in known for text in texts[name])
        if leaked:
            notes.append(
                f"{name}: {leaked:,} of {len(texts[name]):,} sentences also stand in train; their "
                "scores flatter the model."
            )
    return notes


def _write(folder: Path, chosen: Tokenizer, splits: dict[str, ExampleSet], notes) -> None:
    """Writes a cache folder in one move; of two processes that try, one wins."""
    fresh = folder.with_name(f".{folder.name}-{os.getpid()}")
    try:
        fresh.mkdir(parents=True, exist_ok=True)
        chosen.save(str(fresh / "tokenizer.json"))
        for name, split in splits.items():
            split.save(fresh / f"{name}.npz")
        (fresh / "notes.json").write_text(json.dumps(list(notes)), encoding="utf-8")
        if not folder.is_dir():
            fresh.rename(folder)
    except OSError as error:
        if not folder.is_dir():
            raise _unwritable(folder.parent, error) from None
    shutil.rmtree(fresh, ignore_errors=True)


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _unwritable(folder, error) from None


def _unwritable(folder: Path, error: OSError) -> UserError:
    return UserError(
        f"config.data.cache_dir: cannot write to {folder}: {error.strerror}; name another folder."
    )


def _read(folder: Path, tasks: Sequence[Task]) -> Prepared:
    try:
        return Prepared(
            tokenizer.load(folder / "tokenizer.json", "config.data.cache_dir"),
            {name: ExampleSet.load(folder / f"{name}.npz", tasks) for name in SPLITS},
            tuple(json.loads((folder / "notes.json").read_text(encoding="utf-8"))),
        )
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"config.data.cache_dir: {folder} is damaged ({error}); delete it and start again."
        ) from None
