"""Sources: from the config to encoded train, dev and test, kept on disk for the next start.

The cache's key is a checksum of all that the encoding depends on: the files' content, the
config's data, tasks and tokenizer, and the corpus that comes with the package. Nothing is ever
changed in place, so a folder that is there is right.
"""

import contextlib
import dataclasses
import hashlib
import io
import json
import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from tokenizers import Tokenizer

from mtt_jax.config import Config
from mtt_jax.data import newswire, tokenizer
from mtt_jax.data.encode import ExampleSet, encode_records
from mtt_jax.data.files import (
    LabelReader,
    Loaded,
    Place,
    Tally,
    hold_out,
    offsets_record,
    read_file,
    words_record,
)
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task, detect_scheme
from mtt_jax.types import Record, Span

SPLITS = ("train", "dev", "test")
# Raise it when the encoding changes, so that older caches are left alone.
_VERSION = 1


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
      run: a run directory; it remembers its data and refuses to go on with other data.
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
        _write(folder, *_encode(config, cache, given_tokenizer))
    return _read(folder, config.task_list)


def _made_of(config: Config, given: Tokenizer | None) -> dict[str, Any]:
    """All that the encoded data depends on, file contents as checksums."""
    files = {}
    if config.data.source == "files":
        for name, task in config.task_data.items():
            for split in SPLITS:
                path = Path(getattr(task, split)).expanduser()
                if getattr(task, split) and path.is_file():
                    files[f"data.{name}.{split}"] = _checksum(path)
    if config.tokenizer.file and Path(config.tokenizer.file).expanduser().is_file():
        files["tokenizer.file"] = _checksum(Path(config.tokenizer.file).expanduser())
    data = dataclasses.asdict(config.data)
    for name in ("cache_dir", "overlap"):
        del data[name]
    return {
        "version": _VERSION,
        "corpus": _corpus() if config.data.source == "newswire" else "",
        "files": files,
        "data": data,
        "task_data": {name: dataclasses.asdict(task) for name, task in config.task_data.items()},
        "tasks": [dataclasses.asdict(task) for task in config.task_list],
        "tokenizer": given.to_str() if given else dataclasses.asdict(config.tokenizer),
        "seed": 0 if config.data.source == "newswire" else config.seed,
    }


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _corpus() -> str:
    """A checksum of what writes the embedded corpus: another grammar is another corpus."""
    sources = sorted(Path(newswire.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:12]


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
        f"{run}: {what} changed since this run began, so it cannot go on where it stopped. Bring "
        "the data back as it was, or start a new run with --workdir=..."
    )


def _encode(
    config: Config, cache: Path, given: Tokenizer | None
) -> tuple[Tokenizer, dict[str, ExampleSet], list[str]]:
    """Tokenizer, encoded splits and notes, from the source."""
    read = {"newswire": _newswire, "files": _files, "tfds": _tfds}[config.data.source]
    records, notes = read(config, cache)
    for task in config.task_list:
        _need_labels(task, records["train"], config)
    notes += _repeats(records)
    chosen = given
    if chosen is None and config.tokenizer.file:
        chosen = tokenizer.load(config.tokenizer.file)
    if chosen is None:
        chosen = tokenizer.train((record.text for record in records["train"]), config.tokenizer)
    splits = {name: encode_records(records[name], chosen, config.task_list) for name in SPLITS}
    long = int((splits["train"].lengths() > config.data.max_length).sum())
    if long:
        notes.append(
            f"{long:,} training sentences are longer than data.max_length "
            f"({config.data.max_length} subwords) and are cut; dev and test are read in windows."
        )
    return chosen, splits, notes


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
            raise UserError(
                f"config.data.cache_dir: cannot write to {folder.parent}: {error.strerror}; name "
                "another folder."
            ) from None
    shutil.rmtree(fresh, ignore_errors=True)


def _read(folder: Path, tasks: Sequence[Task]) -> Prepared:
    try:
        return Prepared(
            tokenizer.load(folder / "tokenizer.json", "config.data.cache_dir"),
            {name: ExampleSet.load(folder / f"{name}.npz", tasks) for name in SPLITS},
            tuple(json.loads((folder / "notes.json").read_text(encoding="utf-8"))),
        )
    except (OSError, ValueError, KeyError, EOFError) as error:
        raise UserError(
            f"config.data.cache_dir: {folder} is damaged ({error}); delete it and start again."
        ) from None


# The embedded corpus


def _newswire(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    from mtt_jax.data.newswire import builder  # TFDS loads slowly, and only this needs it

    home = cache / "tfds" / f"newswire-{_corpus()}"
    readers = {
        task.name: LabelReader(task, config.task_data[task.name])
        for task in config.task_list
        if (task.name, task.kind) in (("topic", "sentence"), ("ner", "token"))
    }
    with _quiet():
        rows = {split: builder.load(split, str(home)) for split in SPLITS}
    records = {
        split: [_newswire_record(row, readers, Place(Path("newswire"), line))
                for line, row in enumerate(rows[split], start=1)]
        for split in SPLITS
    }  # fmt: skip
    return records, []


def _newswire_record(row: dict, readers: dict[str, LabelReader], place: Place) -> Record:
    labels: dict[str, str] = {}
    spans: dict[str, tuple[Span, ...]] = {}
    entities = row["entities"] or []
    words = split_words(row["text"], [edge for start, end, _ in entities for edge in (start, end)])
    if "topic" in readers and row["topic"] is not None:
        labels["topic"] = readers["topic"].read(row["topic"], row["topic"], place)
    if "ner" in readers and row["entities"] is not None:
        starts = {start: index for index, (start, _) in enumerate(words)}
        ends = {end: index + 1 for index, (_, end) in enumerate(words)}
        found = [Span(starts[start], ends[end], label) for start, end, label in entities]
        spans["ner"] = readers["ner"].keep(found, [place] * len(found))
    return Record(row["text"], words, labels, spans)


@contextlib.contextmanager
def _quiet():
    """Keeps TFDS's bars and notices from the terminal."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logging.getLogger("absl").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


# Files


def _files(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    del cache
    by_path: dict[str, dict[str, list[Record]]] = {split: {} for split in SPLITS}
    notes: list[str] = []
    for task in config.task_list:
        task_data = config.task_data[task.name]
        loaded = {}
        for split in SPLITS:
            path = getattr(task_data, split)
            if path:
                flag = f"--config.data.{task.name}.{split}"
                loaded[split] = read_file(path, task, config.data, task_data, flag)
                notes += loaded[split].notes
        loaded = _with_dev(loaded, task, config, notes)
        for split, found in loaded.items():
            path = getattr(task_data, split) or task_data.train
            _add(by_path[split], path, found.records)
    return {split: [r for records in by_path[split].values() for r in records]
            for split in SPLITS}, notes  # fmt: skip


def _with_dev(
    loaded: dict[str, Loaded], task: Task, config: Config, notes: list[str]
) -> dict[str, Loaded]:
    """The splits of a task, dev held out of train where none is given."""
    if "dev" in loaded:
        return loaded
    train, dev = hold_out(loaded["train"].records, config.data.dev_share, config.seed)
    if not train:
        raise UserError(
            f"config.data.{task.name}.train: too few different sentences to hold a dev share of "
            f"{config.data.dev_share} out; give --config.data.{task.name}.dev=..."
        )
    notes.append(f"{task.name}: no dev given; {len(dev):,} training sentences held out as dev.")
    return {**loaded, "train": Loaded(train, []), "dev": Loaded(dev, [])}


def _add(by_path: dict[str, list[Record]], path: str, records: list[Record]) -> None:
    """Adds a task's records; where another task has read the same file, its labels join them."""
    there = by_path.get(path)
    if there is None:
        by_path[path] = records
    elif [r.text for r in there] == [r.text for r in records]:
        by_path[path] = [_joined(ours, theirs) for ours, theirs in zip(there, records, strict=True)]
    else:
        by_path[path] = there + records


def _joined(ours: Record, theirs: Record) -> Record:
    """One record with the labels of both; the words of the one that has entities."""
    words = theirs.words if theirs.spans else ours.words
    return Record(
        ours.text, words, {**ours.labels, **theirs.labels}, {**ours.spans, **theirs.spans}
    )


# TFDS


def _tfds(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    records: dict[str, list[Record]] = {split: [] for split in SPLITS}
    notes: list[str] = []
    for task in config.task_list:
        task_data = config.task_data[task.name]
        builder = _tfds_builder(task_data.name, cache / "tfds", task.name)
        loaded = {}
        for split in SPLITS:
            name = getattr(task_data, split) or {"train": "train"}.get(split, "")
            if name:
                loaded[split] = _tfds_split(builder, name, split, task, config)
                notes += loaded[split].notes
        for split, found in _with_dev(loaded, task, config, notes).items():
            records[split] += found.records
    return records, notes


def _tfds_builder(name: str, home: Path, task: str):
    """A TFDS data set, downloaded if need be.

    Raises:
      UserError: for an unknown name, or where it cannot be downloaded, with the way round it.
    """
    import importlib

    import tensorflow_datasets as tfds

    # Without TensorFlow, TFDS does not find data sets of its older layout by itself.
    with contextlib.suppress(ImportError):
        importlib.import_module(f"tensorflow_datasets.text.{name.split('/')[0].split(':')[0]}")
    try:
        with _quiet():
            builder = tfds.builder(
                name, data_dir=str(home), file_format="array_record", try_gcs=False
            )
            builder.download_and_prepare()
    except Exception as error:  # TFDS lets through whatever its downloads raise
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise UserError(
            f"config.data.{task}.name: TFDS cannot give {name!r}: {reason}\n"
            "Without it, use files: --config=configs/news_files.py with "
            f"--config.data.{task}.train=FILE and --config.data.{task}.test=FILE, or copy a "
            f"prepared data set into {home}."
        ) from None
    return builder


def _tfds_split(builder, name: str, split: str, task: Task, config: Config) -> Loaded:
    """Records of one split."""
    task_data = config.task_data[task.name]
    flag = f"config.data.{task.name}"
    if name not in builder.info.splits and "[" not in name:
        known = ", ".join(builder.info.splits)
        raise UserError(f"{flag}.{split}: {task_data.name} has no split {name!r}; it has {known}.")
    token = task.kind == "token"
    text_field = task_data.text if task_data.text != "auto" else ("tokens" if token else "text")
    label_field = task_data.label if task_data.label != "auto" else ("ner" if token else "label")
    features = builder.info.features
    for field, spec in (("text", text_field), ("label", label_field)):
        for part in spec.split(","):
            if part.strip() not in features:
                known = ", ".join(features)
                raise UserError(
                    f"{flag}.{field}: {task_data.name} has no feature {part!r}; it has {known}."
                )
    label_feature = features[label_field]
    classes = getattr(label_feature, "feature", label_feature)
    name_of = getattr(classes, "int2str", None)
    reader, tally = LabelReader(task, task_data), Tally()
    records, tagged = [], []
    with _quiet():
        rows = list(builder.as_data_source(split=name))
    for line, row in enumerate(rows, start=1):
        place = Place(Path(f"{task_data.name}/{name}"), line)
        if token:
            words = [_string(word) for word in row[text_field]]
            tagged.append(
                (
                    place,
                    words,
                    [name_of(int(x)) if name_of else _string(x) for x in row[label_field]],
                )
            )
            continue
        text = " ".join(_string(row[part.strip()]) for part in text_field.split(","))
        record = offsets_record(text, [], reader, config.data, tally, place)
        if record:
            label = name_of(int(row[label_field])) if name_of else _string(row[label_field])
            named = reader.read(label, label, place)
            records.append(record._replace(labels={task.name: named}, spans={}))
    scheme = task_data.scheme
    if token and scheme == "auto":
        scheme = detect_scheme(tags for _, _, tags in tagged).scheme
    for place, words, tags in tagged:
        records.append(words_record(words, tags, scheme, reader, [place] * len(tags)))
    return Loaded(records, tally.notes())


def _string(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
