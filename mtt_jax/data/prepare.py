"""Preparation: from the config to encoded train, dev and test, cached on disk for the next start.

The cache's key is a checksum of all that the encoding depends on: the files' content, the
config's data, tasks and tokenizer, and the corpus that comes with the package. Nothing is ever
changed in place, so a folder that exists is complete.
"""

import dataclasses
import hashlib
import json
import os
import shutil
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from mtt_jax.config.aliases import rename
from mtt_jax.config.resolve import build_section
from mtt_jax.config.schema import Config, TaskConfig, TaskDataConfig, TokenizerConfig, as_plain
from mtt_jax.data import newswire, tokenizer
from mtt_jax.data.augment import augment, read_gazetteer
from mtt_jax.data.encode import ExampleSet, encode_records
from mtt_jax.data.newswire.source import newswire_extra
from mtt_jax.data.sampling import seed_of
from mtt_jax.data.sources import read_records
from mtt_jax.data.splits import SPLITS
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task, make_task
from mtt_jax.types import Record

# Increase it if the same data is encoded differently, so that older runs are not resumed on them.
_VERSION = 2
# Increase it if the arrays of the cache are laid out differently.
_LAYOUT = 2


class Prepared(NamedTuple):
    """Data that is ready to train on.

    Attributes:
      tokenizer: trained or loaded.
      splits: "train", "dev", "test" -> examples; dev and test may be empty.
      notes: what the user is told about the data, one line per note.
    """

    tokenizer: Tokenizer
    splits: dict[str, ExampleSet]
    notes: tuple[str, ...]


def prepare(
    config: Config, run: Path | None = None, given_tokenizer: Tokenizer | None = None
) -> Prepared:
    """Reads, splits and encodes the data, or takes them from the cache.

    Args:
      config: what to read and how.
      run: a run directory, which records its data and is not resumed on other data.
      given_tokenizer: used instead of training or loading one.

    Raises:
      UserError: for every fault in the data, naming file, line and remedy.
    """
    made_of = _made_of(config, given_tokenizer)
    if run:
        _remember(run, made_of)
    content = json.dumps([_LAYOUT, made_of], sort_keys=True)
    key = hashlib.sha256(content.encode()).hexdigest()[:32]
    cache = Path(config.data.cache_dir).expanduser()
    folder = cache / "encoded" / key
    if not folder.is_dir():
        _make(folder.parent)  # before the work: the sources write into the cache as well
        _write(folder, *_encode(config, given_tokenizer))
    return _read(folder, config.task_list)


def _made_of(config: Config, given: Tokenizer | None) -> dict[str, Any]:
    """Everything that the encoded data depends on, with file contents as checksums."""
    files = {}
    sources = {name: task.data for name, task in config.tasks.items()}
    for name, fields in sources.items():
        if config.data.source == "files":
            for split in SPLITS:
                path = Path(getattr(fields, split)).expanduser()
                if getattr(fields, split) and path.is_file():
                    files[f"data.{name}.{split}"] = _checksum(path)
        gazetteer = Path(fields.gazetteer).expanduser()
        if fields.gazetteer and gazetteer.is_file():
            files[f"data.{name}.gazetteer"] = _checksum(gazetteer)
    if config.tokenizer.file and Path(config.tokenizer.file).expanduser().is_file():
        files["tokenizer.file"] = _checksum(Path(config.tokenizer.file).expanduser())
    drawn = any(fields.limit or fields.synthetic for fields in sources.values())
    data = as_plain(config.data)
    for name in ("cache_dir", "overlap", "seed", "shards"):
        del data[name]
    embedded = config.data.source == "newswire" or any(f.newswire for f in sources.values())
    return {
        "version": _VERSION,
        "corpus": newswire.VERSION if embedded else "",
        "files": files,
        "data": data,
        "task_data": {name: as_plain(fields) for name, fields in sources.items()},
        "tasks": [{"name": task.name, **task.describe()} for task in config.task_list],
        "tokenizer": given.to_str() if given else as_plain(config.tokenizer),
        "seed": config.data_seed if config.data.source != "newswire" or drawn else 0,
    }


def _checksum(path: Path) -> str:
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None


def _remember(run: Path, made_of: dict[str, Any]) -> None:
    """Writes data.json into a new run; compares it in a run that is resumed."""
    file = run / "data.json"
    if not file.is_file():
        fresh = file.with_name(".data.json.new")
        fresh.write_text(json.dumps(made_of, indent=2) + "\n", encoding="utf-8")
        fresh.replace(file)
        return
    then = json.loads(file.read_text(encoding="utf-8"))
    if _comparable(then) == _comparable(json.loads(json.dumps(made_of))):
        return
    changed = [
        name for name in made_of["files"] if made_of["files"][name] != then["files"].get(name)
    ]
    what = ", ".join(f"config.{name}" for name in changed) or "the data"
    raise UserError(
        f"{run}: {what} has changed since the run started, so the run cannot be resumed. Restore "
        "the data as it was, or start a new run in another directory (--workdir=..., --out=...)."
    )


def _comparable(made_of: Mapping[str, Any]) -> dict[str, Any]:
    """The content of data.json, of this version or an earlier one, in a form that can be compared.

    Old names become the new ones, and fields that were not there yet have their defaults.
    """
    tasks = {task["name"]: dict(task) for task in made_of["tasks"]}
    tokens = made_of["tokenizer"]
    raw = rename(
        {
            "tasks": tasks,
            "data": dict(made_of["task_data"]),
            "tokenizer": tokens if isinstance(tokens, dict) else {},
        },
        warn=False,
    )
    for task in raw["tasks"].values():  # until version 0.1 a task per sentence had the scheme ""
        task["scheme"] = task.get("scheme") or "io"
    built = {
        name: make_task(name, _section(TaskConfig, task)) for name, task in raw["tasks"].items()
    }
    return {
        **made_of,
        "tasks": {name: (type(task).__name__, task.classes) for name, task in built.items()},
        "task_data": {n: as_plain(_section(TaskDataConfig, f)) for n, f in raw["data"].items()},
        "tokenizer": as_plain(_section(TokenizerConfig, raw["tokenizer"]))
        if isinstance(tokens, dict)
        else tokens,
    }


def _section(section: type, values: Mapping[str, Any]) -> Any:
    known = {field.name for field in dataclasses.fields(section)}
    return build_section(section, {n: v for n, v in values.items() if n in known}, "")


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
    records["train"] = [*real, *_additional(real, known, config, notes)]
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
    """Training sentences, with no more labelled ones per task than its limit."""
    kept = list(records)
    emptied: set[int] = set()
    for name, task in config.tasks.items():
        limit = task.data.limit
        labelled = [i for i, record in enumerate(kept) if name in record.labels]
        if not limit or len(labelled) <= limit:
            continue
        rng = np.random.default_rng(seed_of(config.data_seed, f"limit of {name}"))
        for index in rng.permutation(labelled)[limit:]:
            labels = {n: label for n, label in kept[index].labels.items() if n != name}
            kept[index] = kept[index]._replace(labels=labels)
            if not labels:
                emptied.add(index)
        notes.append(
            f"{name}: {limit:,} of {len(labelled):,} labelled training sentences are "
            f"used (data.{name}.limit)."
        )
    return [record for index, record in enumerate(kept) if index not in emptied]


def _additional(
    records: Sequence[Record], known: frozenset[str], config: Config, notes: list[str]
) -> list[Record]:
    """Training data beyond the user's own sentences; `known` are the texts of all splits."""
    made: list[Record] = []
    for task in config.task_list:
        fields = config.tasks[task.name].data
        count = sum(task.name in record.labels for record in records)
        if fields.synthetic:
            fresh = augment(
                records,
                task,
                round(fields.synthetic * count),
                fields.synthetic_methods,
                fields.synthetic_rate,
                read_gazetteer(fields.gazetteer, task),
                known,
                config.data_seed,
            )
            notes.append(
                f"{task.name}: {len(fresh):,} synthetic training sentences from {count:,} "
                f"({', '.join(fields.synthetic_methods)})."
            )
            made += fresh
        if fields.newswire:
            made += newswire_extra(task, fields.newswire, config.data_seed)
            notes.append(
                f"{task.name}: {fields.newswire:,} sentences of the embedded corpus in addition to "
                f"{count:,}."
            )
    return made


def _need_labels(task: Task, records: Sequence[Record], config: Config) -> None:
    if any(task.name in record.labels for record in records):
        return
    remedy = (
        f"look at --config.data.{task.name}.label, which says where the label is in the file"
        if config.data.source == "files"
        else "the newswire corpus labels the tasks topic and ner; for others use data.source=files"
        if config.data.source == "newswire"
        else f"see --config.data.{task.name}.label"
    )
    raise UserError(
        f"config.tasks.{task.name}: no training sentence carries a label of this task; {remedy}."
    )


def _repeats(records: dict[str, list[Record]]) -> list[str]:
    """Notes on texts that occur more than once."""
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
                f"{name}: {leaked:,} of {len(texts[name]):,} sentences are also in train, which "
                "makes their scores too high."
            )
    return notes


def _write(folder: Path, chosen: Tokenizer, splits: dict[str, ExampleSet], notes) -> None:
    """Writes a cache folder in one rename; if two processes try, one of them wins."""
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
