"""Sources: the records of every split, from the embedded corpus or from the user's files."""

import contextlib
import hashlib
import io
import logging
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path

from mtt_jax.config.schema import Config
from mtt_jax.data import newswire
from mtt_jax.data.newswire import grammar
from mtt_jax.data.readers.files import hold_out, read_file
from mtt_jax.data.readers.records import LabelReader, Loaded, Place
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Record, Span

SPLITS = ("train", "dev", "test")
# What the embedded corpus labels.
_TOPICS = ("sports", "politics", "others")
_ENTITY_TYPES = ("PER", "ORG", "LOC", "MISC")


# The embedded corpus


def corpus_version() -> str:
    """A checksum of what writes the embedded corpus: another grammar is another corpus."""
    sources = sorted(Path(newswire.__file__).parent.glob("*.py"))
    return hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()[:12]


def read_newswire(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    """Split -> records of the embedded corpus, which is written at the first call; and notes."""
    from mtt_jax.data.newswire import builder  # TFDS loads slowly, and only this needs it

    home = cache / "tfds" / f"newswire-{corpus_version()}"
    readers = {
        task.name: LabelReader(task, config.task_data[task.name])
        for task in config.task_list
        if (task.name, task.kind) in (("topic", "sentence"), ("ner", "token"))
    }
    with quiet():
        rows = {split: builder.load(split, str(home)) for split in SPLITS}
    records = {
        split: [_newswire_record(row, readers, Place(Path("newswire"), line))
                for line, row in enumerate(rows[split], start=1)]
        for split in SPLITS
    }  # fmt: skip
    return records, []


def _newswire_record(row: dict, readers: dict[str, LabelReader], place: Place) -> Record:
    words, found = _in_words(row["text"], row["entities"] or [])
    labels: dict[str, str] = {}
    spans: dict[str, tuple[Span, ...]] = {}
    if "topic" in readers and row["topic"] is not None:
        labels["topic"] = readers["topic"].read(row["topic"], row["topic"], place)
    if "ner" in readers and row["entities"] is not None:
        spans["ner"] = readers["ner"].keep(found, [place] * len(found))
    return Record(row["text"], words, labels, spans)


def _in_words(text: str, entities: Sequence) -> tuple[tuple[tuple[int, int], ...], list[Span]]:
    """Words of a text, and its entities (start, end, label) in them rather than in characters."""
    words = split_words(text, [edge for start, end, _ in entities for edge in (start, end)])
    starts = {start: index for index, (start, _) in enumerate(words)}
    ends = {end: index + 1 for index, (_, end) in enumerate(words)}
    return words, [Span(starts[start], ends[end], label) for start, end, label in entities]


def newswire_extra(task: Task, count: int, seed: int) -> list[Record]:
    """Sentences of the embedded corpus with labels of one task, to train on beside others.

    Raises:
      UserError: for a task whose labels are not those of the corpus.
    """
    known = _TOPICS if task.kind == "sentence" else _ENTITY_TYPES
    if not set(known) <= set(task.labels):
        raise UserError(
            f"config.data.{task.name}.newswire: the corpus labels {', '.join(known)}, of which "
            f"task '{task.name}' lacks some."
        )
    records = []
    for sentence in grammar.generate("train", count, seed):
        words, spans = _in_words(sentence.text, sentence.entities)
        if task.kind == "sentence":
            records.append(Record(sentence.text, words, {task.name: sentence.topic}, {}))
        else:
            records.append(Record(sentence.text, words, {}, {task.name: tuple(spans)}))
    return records


@contextlib.contextmanager
def quiet():
    """Keeps TFDS's bars and notices from the terminal."""
    import tensorflow_datasets as tfds

    tfds.disable_progress_bar()
    logging.getLogger("absl").setLevel(logging.ERROR)
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        yield


# Files


def read_files(config: Config, cache: Path) -> tuple[dict[str, list[Record]], list[str]]:
    """Split -> records of the user's files; and what is to be said about them.

    Raises:
      UserError: for every fault of a file.
    """
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
        loaded = with_dev(loaded, task, config, notes)
        for split, found in loaded.items():
            path = getattr(task_data, split) or task_data.train
            _add(by_path[split], path, found.records)
    return {split: [r for records in by_path[split].values() for r in records]
            for split in SPLITS}, notes  # fmt: skip


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
    """One record with the labels of both, its words cut wherever one of them cuts."""
    cuts = sorted({edge for word in (*ours.words, *theirs.words) for edge in word})
    words = tuple(
        piece
        for start, end in ours.words
        for piece in pairwise([cut for cut in cuts if start <= cut <= end])
    )
    starts = {start: index for index, (start, _) in enumerate(words)}
    ends = {end: index + 1 for index, (_, end) in enumerate(words)}
    spans = {
        name: tuple(
            Span(starts[side.words[s.start][0]], ends[side.words[s.end - 1][1]], s.label)
            for s in found
        )
        for side in (ours, theirs)
        for name, found in side.spans.items()
    }
    return Record(ours.text, words, {**ours.labels, **theirs.labels}, spans)


def read_named(config: Config, files: Mapping[str, str]) -> tuple[list[Record], list[str]]:
    """Records of other files than the config's, in the layouts that it gives; and notes.

    Args:
      config: the columns, keys and label maps of each task.
      files: task -> file.

    Raises:
      UserError: for every fault of a file.
    """
    by_path: dict[str, list[Record]] = {}
    notes: list[str] = []
    for task in config.task_list:
        if task.name in files:
            path = files[task.name]
            found = read_file(
                path, task, config.data, config.task_data[task.name], f"--{task.name}"
            )
            notes += found.notes
            _add(by_path, path, found.records)
    return [record for records in by_path.values() for record in records], notes


def with_dev(
    loaded: dict[str, Loaded], task: Task, config: Config, notes: list[str]
) -> dict[str, Loaded]:
    """The splits of a task, dev held out of train where none is given."""
    if "dev" in loaded:
        return loaded
    train, dev = hold_out(loaded["train"].records, config.data.dev_share, config.data_seed)
    if not train:
        raise UserError(
            f"config.data.{task.name}.train: too few different sentences to hold a dev share of "
            f"{config.data.dev_share} out; give --config.data.{task.name}.dev=..."
        )
    notes.append(f"{task.name}: no dev given; {len(dev):,} training sentences held out as dev.")
    return {**loaded, "train": Loaded(train, []), "dev": Loaded(dev, [])}
