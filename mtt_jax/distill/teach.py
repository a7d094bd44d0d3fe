"""Teaching: the training sentences of a run with what its teachers say about each."""

import functools
import json
import zipfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
from tokenizers import Tokenizer

from mtt_jax import atomic
from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, encode_records, reading_of
from mtt_jax.data.prepare import (
    Prepared,
    checksum_of,
    data_key,
    texts_of,
    unwritable,
)
from mtt_jax.data.unlabelled import FLAG as UNLABELLED_FLAG
from mtt_jax.data.unlabelled import TrainingSet, unlabelled_files, unlabelled_texts
from mtt_jax.distill.cache import Stored, stored
from mtt_jax.distill.teachers import FLAG, Teacher, checksum, open_teachers
from mtt_jax.errors import UserError
from mtt_jax.types import Record
from mtt_jax.untrusted.folder import user_path


class Taught:
    """The answers of several teachers; the mean, where several answer the same task."""

    def __init__(self, parts: Sequence[Stored]):
        self._parts = parts

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that a teacher answers."""
        return tuple(dict.fromkeys(name for part in self._parts for name in part.tasks))

    def answered(self, task: str) -> np.ndarray:
        """Bool [n], whether each example has an answer of a task."""
        found = [part.answered(task) for part in self._parts if task in part.tasks]
        return np.any(found, axis=0)

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Task -> probabilities of one example, as `Example.teacher`."""
        each = [part[index] for part in self._parts]
        if len(each) == 1:
            return each[0]
        return {
            name: _mean([found[name] for found in each if name in found])
            for name in dict.fromkeys(name for found in each for name in found)
        }


def _mean(answers: Sequence[np.ndarray]) -> np.ndarray:
    """The mean of the teachers that have an answer; NaN where none has."""
    if len(answers) == 1:
        return answers[0]
    rows = np.stack(answers)
    known = np.isfinite(rows).all(axis=-1, keepdims=True)
    total, count = np.where(known, rows, 0.0).sum(axis=0), known.sum(axis=0)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


def with_teachers(
    config: Config, data: Prepared, run: Path | None, say: Callable[[str], None]
) -> Prepared:
    """The data of a run with its teachers' answers; unchanged for a run without teachers.

    Args:
      config: complete.
      data: as prepared for the config.
      run: the run directory, which records its teachers and is not resumed with others.
      say: told about the progress.

    Raises:
      UserError: for a teacher that is missing, cannot teach these tasks, or has changed.
    """
    if not config.distill.teachers:
        return data
    teachers = open_teachers(config)
    if run:
        _remember(run, teachers)
    whole, key = data.splits["train"], data_key(config)
    train = whole.parts[0] if isinstance(whole, TrainingSet) else whole
    count = len(train)
    cache = user_path(config.data.cache_dir)

    @functools.cache
    def texts() -> Sequence[str]:
        given = texts_of(config)
        return [*given["train"], *_unlabelled(config, given)]

    if config.data.unlabelled:
        key = checksum_of([key, checksum(unlabelled_files(config)), *_of_texts(config)])
        file = cache / "teachers" / f"texts-{key}.npz"
        further = _encoded(file, config, data.tokenizer, lambda: texts()[count:])
        train = train.joined(further)
        say(f"{len(further):,} texts without labels, which only teachers label.")
    parts = [stored(teacher, cache, key, train, texts, say)[1] for teacher in teachers]
    taught = Taught(parts)
    for name in taught.tasks:
        (task,) = (task for task in config.task_list if task.name == name)
        answered, labelled = taught.answered(name), train.labelled(task)
        say(
            f"Teachers answer {name} for {int(answered.sum()):,} of {len(train):,} training "
            f"sentences; {int((answered & ~labelled).sum()):,} of these have no label of it."
        )
    train = ExampleSet(train.arrays, train.tasks, taught)
    train.for_teachers = len(train) - count
    if isinstance(whole, TrainingSet):
        assert whole.vocabulary is not None
        train = TrainingSet(train, whole.parts[1:], whole.vocabulary)
    return data._replace(splits={**data.splits, "train": train})


def _unlabelled(config: Config, given: Mapping[str, Sequence[str]]) -> list[str]:
    """The texts of data.unlabelled, without those that the student is scored on.

    Raises:
      UserError: if no text is left.
    """
    if not config.data.unlabelled:
        return []
    scored = {*given["dev"], *given["test"]}
    found = [record.text for record in unlabelled_texts(config) if record.text not in scored]
    if not found:
        raise UserError(
            f"{UNLABELLED_FLAG}: {config.data.unlabelled}: no text that is not empty and not in "
            "dev or test; name others."
        )
    return found


def _of_texts(config: Config) -> tuple[str, str]:
    """How the texts of data.unlabelled are read."""
    return config.data.unlabelled_text, config.data.unlabelled_format


def _encoded(
    file: Path, config: Config, tokenizer: Tokenizer, texts: Callable[[], Sequence[str]]
) -> ExampleSet:
    """The texts without labels as examples, from the cache if they are there.

    Args:
      file: of the cache.
      config: how they are read.
      tokenizer: the run's.
      texts: returns them.

    Raises:
      UserError: if the cache is damaged or cannot be written.
    """
    tasks = config.task_list
    try:
        if not file.is_file():
            records = [Record(text, {}) for text in texts()]
            found = encode_records(records, tokenizer, tasks, reading_of(config))
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic.replacing(file, "config.data.cache_dir") as fresh:
                found.save(fresh)
        return ExampleSet.load(file, tasks)
    except UserError:
        raise
    except (ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise UserError(
            f"config.data.cache_dir: {file} is damaged ({error}); delete it and start again."
        ) from None
    except OSError as error:
        raise unwritable(file.parent, error) from None


def _remember(run: Path, teachers: Sequence[Teacher]) -> None:
    """Writes teachers.json into a new run; compares it in a run that is resumed."""
    file = run / "teachers.json"
    now = {teacher.path: teacher.checksum() for teacher in teachers}
    if file.is_file() and any(run.glob("checkpoints/*")):
        then = json.loads(file.read_text(encoding="utf-8"))
        for path, checksum in now.items():
            if then.get(path, checksum) != checksum:
                raise UserError(
                    f"{run}: {FLAG}: {path} has changed since the run started, so the run cannot "
                    "be resumed. Restore it as it was, or start a new run in another directory "
                    "(--workdir=...)."
                )
        return
    atomic.write(file, json.dumps(now, indent=2) + "\n")
