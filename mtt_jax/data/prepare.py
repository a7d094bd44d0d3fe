"""Preparation: from the config to encoded train, dev and test, cached on disk for the next start.

Labels that the config leaves at auto are found in the training data first, by `with_labels`.

The cache's key is a checksum of all that the encoding depends on: the files' content, the
config's data, tasks and tokenizer, and the corpus that comes with the package. Nothing is ever
changed in place, so a folder that exists is complete.
"""

import hashlib
import json
import zipfile
from collections.abc import Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from mtt_jax import atomic
from mtt_jax.config.resolve import put_labels
from mtt_jax.config.schema import Config, as_plain
from mtt_jax.data import newswire, tokenizer
from mtt_jax.data.augment import augment, read_gazetteer
from mtt_jax.data.check import inspect
from mtt_jax.data.check.counts import summary
from mtt_jax.data.check.subwords import cut_labels
from mtt_jax.data.clean import clean
from mtt_jax.data.encode import ExampleSet, encode_records, reading_of
from mtt_jax.data.labels import find_labels, need_labels
from mtt_jax.data.newswire.source import newswire_extra
from mtt_jax.data.readers.files import expand
from mtt_jax.data.sampling import seed_of
from mtt_jax.data.sources import read_records
from mtt_jax.data.splits import SPLITS
from mtt_jax.data.unlabelled import (
    FLAG,
    TrainingSet,
    encode_unlabelled,
    read_unlabelled,
    unlabelled_texts,
)
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task
from mtt_jax.types import Record
from mtt_jax.untrusted.folder import user_path

# Increase it if the same data is encoded differently, so that older runs are not resumed on them.
_VERSION = 5
# Increase it if the arrays of the cache are laid out differently.
_LAYOUT = 4
# Fields of config.data that labeled sentences do not depend on.
_NOT_ENCODED = (
    "cache_dir", "overlap", "seed", "shards", "unlabelled", "unlabelled_text", "unlabelled_format",
)  # fmt: skip


# What the key of the files of texts without labels is called, and the fields they depend on.
_UNLABELLED = "data.unlabelled"
_OF_TEXTS = (
    "unlabelled_text", "unlabelled_format", "encoding", "clean", "dev_share", "max_length",
)  # fmt: skip
# As many texts without labels help to train a tokenizer.
_TOKENIZER_TEXTS = 100_000


class Prepared(NamedTuple):
    """Data that is ready to train on.

    Attributes:
      tokenizer: trained or loaded.
      splits: "train", "dev", "test" -> examples; dev and test may be empty.
      notes: what the user is told about the data, one line per note.
      held_out: texts that nothing trains on, if something trains on texts without labels.
    """

    tokenizer: Tokenizer
    splits: dict[str, ExampleSet]
    notes: tuple[str, ...]
    held_out: TrainingSet | None = None


def with_labels(config: Config, given_tokenizer: Tokenizer | None = None) -> Config:
    """The config with labels left at auto filled in: those of the training data.

    The most frequent one is first; labels that are equally frequent are in order of their names.
    What had to be read for this is encoded as well, so that `prepare` finds it in the cache.

    Args:
      config: what to read and how.
      given_tokenizer: as for `prepare`.

    Raises:
      UserError: for every fault in the data, and for a label that only dev or test have.
    """
    if all(task.labels for task in config.task_list):
        return config
    made_of = _made_of(config, given_tokenizer)
    file = _cache(config) / "labels" / f"{_key(made_of)}.json"
    known = _stored_labels(file)
    if known is not None:
        return put_labels(config, known)
    records, notes = read_records(config)
    found = {
        task.name: find_labels(task, records, config)
        for task in config.task_list
        if not task.labels
    }
    filled = put_labels(config, found)
    folder = _folder(config, {**made_of, "tasks": _described(filled)})
    if not folder.is_dir():
        _make(folder.parent)
        _write(folder, *_encode(filled, given_tokenizer, records, notes))
    _make(file.parent)
    atomic.write(file, json.dumps(found), "config.data.cache_dir")
    return filled


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
    config = with_labels(config, given_tokenizer)
    made_of = _made_of(config, given_tokenizer)
    if run:
        _remember(run, made_of)
    folder = _folder(config, made_of)
    if not folder.is_dir():
        _make(folder.parent)  # before the work: the sources write into the cache as well
        _write(folder, *_encode(config, given_tokenizer, *read_records(config)))
    data = _read(folder, config.task_list)
    return _with_texts(data, config, made_of) if config.reads_texts else data


def _with_texts(data: Prepared, config: Config, made_of: dict[str, Any]) -> Prepared:
    """The data with the texts of data.unlabelled to train on, and those of dev to be measured by.

    Args:
      data: the labeled sentences.
      config: names the texts.
      made_of: of the data.
    """
    further, held_out, notes = [], [], list(data.notes)
    if config.data.unlabelled:
        known = [data.splits[split] for split in SPLITS if split != "train"]
        scored = b"".join(part.arrays["tokens"].tobytes() for part in known)
        of_texts = {
            "files": made_of["files"][_UNLABELLED],
            **{name: getattr(config.data, name) for name in _OF_TEXTS},
            "word_features": made_of["word_features"],
            "tokenizer": data.tokenizer.to_str(),
            "scored": hashlib.sha256(scored).hexdigest(),
            "seed": config.data_seed,
        }
        folder = _cache(config) / "texts" / _key(of_texts)
        if not folder.is_dir():
            _make(folder.parent)
            try:
                encode_unlabelled(folder, config, data.tokenizer, known)
            except OSError as error:
                raise unwritable(folder.parent, error) from None
        try:
            store = read_unlabelled(folder)
        except (OSError, ValueError, KeyError) as error:
            raise _damaged(folder, error) from None
        further, held_out = [store.train], [store.held_out]
        left_out = f"; {store.scored:,} that dev or test has are left out" if store.scored else ""
        several = "text" if store.texts == 1 else "texts"
        notes.append(
            f"{store.texts:,} {several} without labels, {store.texts_out:,} of them held "
            f"out{left_out}."
        )
    vocabulary = tokenizer.subwords(data.tokenizer)
    splits = {**data.splits, "train": TrainingSet(data.splits["train"], further, vocabulary)}
    if not len(splits["train"]):
        raise UserError("config.data.unlabelled: no text to train on; name files with texts.")
    return data._replace(
        splits=splits,
        notes=tuple(notes),
        held_out=TrainingSet(data.splits["dev"], held_out, vocabulary),
    )


def data_key(config: Config) -> str:
    """A checksum of everything that the encoded data of a complete config depends on."""
    return _key(_made_of(config, None))


def texts_of(config: Config) -> dict[str, list[str]]:
    """Split -> the texts of the examples that `prepare` returns, in their order."""
    records = records_of(config)
    return {split: [record.text for record in records[split]] for split in SPLITS}


def records_of(config: Config) -> dict[str, list[Record]]:
    """Split -> the records behind the examples that `prepare` returns, in their order.

    Raises:
      UserError: if a file can no longer be read.
    """
    records, _ = read_records(config)
    _, records["train"] = training_records(records, config, [])
    return records


def _cache(config: Config) -> Path:
    return user_path(config.data.cache_dir)


def _folder(config: Config, made_of: dict[str, Any]) -> Path:
    """The cache folder of the encoded data."""
    return _cache(config) / "encoded" / _key(made_of)


def _key(made_of: dict[str, Any]) -> str:
    return checksum_of([_LAYOUT, made_of])


def checksum_of(about: Any) -> str:
    """A short checksum of a JSON value, for the name of what the cache holds about it."""
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:32]


def _stored_labels(file: Path) -> dict[str, list[str]] | None:
    """Task -> labels, from the cache; None if they are not there."""
    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(
            f"config.data.cache_dir: {file} is damaged ({error}); delete it and start again."
        ) from None


def _made_of(config: Config, given: Tokenizer | None) -> dict[str, Any]:
    """Everything that the encoded data depends on, with file contents as checksums."""
    files = {}
    sources = {task.name: config.tasks[task.name].data for task in config.task_list}
    for name, fields in sources.items():
        if config.data.source == "files":
            for split in SPLITS:
                field, spec = f"data.{name}.{split}", getattr(fields, split)
                if spec:
                    files[field] = _checksums(spec, f"--config.{field}")
        gazetteer = user_path(fields.gazetteer)
        if fields.gazetteer and gazetteer.is_file():
            files[f"data.{name}.gazetteer"] = file_checksum(gazetteer)
    if config.tokenizer.file and user_path(config.tokenizer.file).is_file():
        files["tokenizer.file"] = file_checksum(user_path(config.tokenizer.file))
        for file in tokenizer.settings_files(config.tokenizer.file):
            files[f"tokenizer.file: {file.name}"] = file_checksum(file)
    if config.reads_texts and config.data.unlabelled:
        files[_UNLABELLED] = _checksums(config.data.unlabelled, FLAG)
    drawn = any(fields.limit or fields.synthetic for fields in sources.values())
    data = as_plain(config.data)
    for name in _NOT_ENCODED:
        del data[name]
    embedded = config.data.source == "newswire" or any(f.newswire for f in sources.values())
    return {
        "version": _VERSION,
        "corpus": newswire.VERSION if embedded else "",
        "files": files,
        "data": data,
        "task_data": {name: as_plain(fields) for name, fields in sources.items()},
        "tasks": _described(config),
        "tokenizer": given.to_str() if given else as_plain(config.tokenizer),
        "word_features": list(config.encoder.word_features),
        "seed": config.data_seed if config.data.source != "newswire" or drawn else 0,
    }


def _described(config: Config) -> list[dict[str, Any]]:
    return [{"name": task.name, **task.describe()} for task in config.task_list]


def _checksums(spec: str, flag: str) -> str:
    """A checksum of all that a path, a glob or several of them name; of one file, its own."""
    paths = expand(spec, flag)
    if len(paths) == 1 and paths[0].is_file():
        return file_checksum(paths[0])
    # In a folder the names of folders count too: they may be labels.
    named = [
        (file.relative_to(path.parent), file)
        for path in paths
        for file in (sorted(path.rglob("*")) if path.is_dir() else [path])
        if file.is_file()
    ]
    each = "\n".join(f"{name} {file_checksum(file)}" for name, file in named)
    return hashlib.sha256(each.encode()).hexdigest()


def file_checksum(path: Path) -> str:
    """A checksum of the content of a file.

    Raises:
      UserError: for a file that cannot be read.
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror}.") from None


def _remember(run: Path, made_of: dict[str, Any]) -> None:
    """Writes data.json into a new run; compares it in a run that is resumed."""
    file = run / "data.json"
    if not file.is_file():
        atomic.write(file, json.dumps(made_of, indent=2) + "\n")
        return
    then = read_data(run)
    if then["version"] != _VERSION:
        raise UserError(
            f"{run}: was started by another version of mtt_jax, which divides texts into other "
            "words, so the run cannot be resumed by this one. Resume it with that version, or "
            "start a new run in another directory (--workdir=..., --out=...)."
        )
    if then == json.loads(json.dumps(made_of)):
        return
    changed = [
        name for name in made_of["files"] if made_of["files"][name] != then["files"].get(name)
    ]
    named = ", ".join(f"config.{name}" for name in changed)
    what = f"the content of {named}" if named else "the data"
    raise UserError(
        f"{run}: {what} has changed since the run started, so the run cannot be resumed. Restore "
        "the data as it was, or start a new run in another directory (--workdir=..., --out=...)."
    )


def read_data(run: Path) -> dict[str, Any]:
    """The content of a run's data.json.

    Raises:
      UserError: if it is damaged.
    """
    file = run / "data.json"
    try:
        found = json.loads(file.read_text(encoding="utf-8"))
        if type(found["version"]) is not int or not isinstance(found["files"], dict):
            raise TypeError
    except (OSError, ValueError, TypeError, KeyError, RecursionError):
        raise UserError(
            f"{file}: damaged. Restore it from a copy; or delete it if you are sure that the data "
            "is as it was when the run started, which is then not compared."
        ) from None
    return found


def _encode(
    config: Config, given: Tokenizer | None, records: dict[str, list[Record]], notes: list[str]
) -> tuple[Tokenizer, dict[str, ExampleSet], list[str]]:
    """Tokenizer, encoded splits and notes, from what `read_records` returned."""
    for task in config.task_list:
        need_labels(task, records["train"], config)
    notes += summary(records, config.task_list)
    notes += [finding.line() for finding in inspect(records, config.task_list)]
    real, records["train"] = training_records(records, config, notes)
    chosen = given or open_tokenizer(config, real)
    splits = {
        name: encode_records(
            records[name], chosen, config.task_list, reading_of(config), texts=name != "train"
        )
        for name in SPLITS
    }
    notes += [
        finding.line()
        for name, split in splits.items()
        for finding in cut_labels(name, records[name], split)
    ]
    long = int((splits["train"].lengths() > config.data.max_length).sum())
    if long:
        notes.append(
            f"{long:,} training sentences are longer than data.max_length "
            f"({config.data.max_length} subwords) and are cut; dev and test are read in windows."
        )
    return chosen, splits, notes


def training_records(
    records: Mapping[str, Sequence[Record]], config: Config, notes: list[str]
) -> tuple[list[Record], list[Record]]:
    """The user's own training sentences, limited; and all that training draws from.

    Args:
      records: split -> records, as `read_records` returns them.
      config: limits, synthetic sentences and those of the embedded corpus.
      notes: get a line for each.
    """
    known = frozenset(record.text for split in SPLITS for record in records[split])
    real = _limited(records["train"], config, notes)
    return real, [*real, *_additional(real, known, config, notes)]


def open_tokenizer(config: Config, records: Sequence[Record]) -> Tokenizer:
    """The tokenizer that the config names, or one that is trained on some records.

    It is also trained on the texts of data.unlabelled if the model is; the first 100,000 count.

    Raises:
      UserError: for a file that is missing or no tokenizer.
    """
    if config.tokenizer.file:
        return tokenizer.load(config.tokenizer.file)
    texts = [record.text for record in records]
    if config.reads_texts and config.data.unlabelled:
        texts += [record.text for record in islice(unlabelled_texts(config), _TOKENIZER_TEXTS)]
    plain = [clean(text).text for text in texts] if config.data.clean else texts
    return tokenizer.train(plain, config.tokenizer)


def _limited(records: Sequence[Record], config: Config, notes: list[str]) -> list[Record]:
    """Training sentences, with no more labeled ones per task than its limit."""
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
            f"{name}: {limit:,} of {len(labelled):,} labeled training sentences are "
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


def _write(folder: Path, chosen: Tokenizer, splits: dict[str, ExampleSet], notes) -> None:
    """Writes a cache folder in one rename; if two processes try, one of them wins."""
    with atomic.replacing_folder(folder, "config.data.cache_dir", keep=True) as fresh:
        chosen.save(str(fresh / "tokenizer.json"))
        for name, split in splits.items():
            split.save(fresh / f"{name}.npz")
        (fresh / "notes.json").write_text(json.dumps(list(notes)), encoding="utf-8")


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from None


def unwritable(folder: Path, error: OSError) -> UserError:
    """The error for a cache that cannot be written."""
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
        raise _damaged(folder, error) from None


def _damaged(folder: Path, error: Exception) -> UserError:
    return UserError(
        f"config.data.cache_dir: {folder} is damaged ({error}); delete it and start again."
    )
