"""The cache: what a teacher says about the training sentences, computed once.

data.cache_dir/teachers/KEY/
  TASK-000000.npy   of 2,000 texts, while it is being computed
  TASK.npy          float16 [n, C] or [all words, C] probabilities of the student's classes
  answered.npz      TASK -> bool [n], whether there is an answer
  index.json        what it is of; written last, so that a folder with it is complete

A computation that was stopped goes on after the last whole file.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mtt_jax import atomic
from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.prepare import checksum_of, unwritable
from mtt_jax.distill.teachers import Teacher, Texts
from mtt_jax.errors import UserError
from mtt_jax.report.console import duration

# Texts per file.
CHUNK = 2000
# Increase it if the same teacher would give other numbers.
_VERSION = 1
# Seconds between lines about the progress.
_SILENCE = 20.0


class Stored:
    """A teacher's answers in the cache, read as they are asked for."""

    def __init__(self, folder: Path, tasks: Mapping[str, str], word_ends: np.ndarray):
        """Opens a complete folder.

        Args:
          folder: of the cache.
          tasks: name -> unit.
          word_ends: int64 [n] how many words of the student there are up to each example's end.

        Raises:
          UserError: if a file is damaged.
        """
        self._units = dict(tasks)
        self._ends = word_ends
        try:
            with np.load(folder / "answered.npz") as file:
                self._answered = dict(file)
            self._probs = {
                name: np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
                for name in tasks
            }
            sizes = {
                "sentence": len(word_ends),
                "word": int(word_ends[-1]) if len(word_ends) else 0,
            }
            for name, unit in tasks.items():
                if len(self._probs[name]) != sizes[unit]:
                    raise ValueError(f"{name}.npy has {len(self._probs[name]):,} rows")
        except (OSError, ValueError, KeyError) as error:
            raise UserError(
                f"config.data.cache_dir: {folder} is damaged ({error}); delete it and start again."
            ) from None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that the teacher answers."""
        return tuple(self._units)

    def answered(self, task: str) -> np.ndarray:
        """Bool [n], whether each example has an answer of a task."""
        return self._answered[task]

    def __getitem__(self, index: int) -> dict[str, np.ndarray]:
        """Task -> [C] or [w, C] of an example that has an answer."""
        found = {}
        for name, unit in self._units.items():
            if self._answered[name][index]:
                start = self._ends[index - 1] if index else 0
                place = index if unit == "sentence" else slice(start, self._ends[index])
                found[name] = np.asarray(self._probs[name][place], np.float32)
        return found


def stored(
    teacher: Teacher,
    cache: Path,
    data_key: str,
    examples: ExampleSet,
    texts: Texts,
    say: Callable[[str], None],
) -> tuple[str, Stored]:
    """(key, answers) of a teacher for some examples, computed unless they are in the cache.

    Args:
      teacher: whose answers.
      cache: data.cache_dir.
      data_key: a checksum of the examples: of texts, tokenizer and tasks.
      examples: the student's.
      texts: returns the text of each; called only if something is left to compute.
      say: told about the progress.

    Raises:
      UserError: for a fault of the teacher, or a cache that cannot be written.
    """
    about: dict[str, Any] = {
        "version": _VERSION,
        "teacher": teacher.checksum(),
        "data": data_key,
        "tasks": {task.name: task.unit for task in teacher.tasks},
        "texts": len(examples),
    }
    key = checksum_of(about)
    folder = cache / "teachers" / key
    if not (folder / "index.json").is_file():
        try:
            folder.mkdir(parents=True, exist_ok=True)
            _compute(teacher, folder, examples, texts(), say)
            atomic.write(
                folder / "index.json", json.dumps(about, indent=2) + "\n", "config.data.cache_dir"
            )
            for file in folder.glob("*-*.npy"):
                file.unlink(missing_ok=True)
        except OSError as error:
            raise unwritable(folder, error) from None
    return key, Stored(folder, about["tasks"], examples.arrays["word_ends"])


def _compute(
    teacher: Teacher,
    folder: Path,
    examples: ExampleSet,
    texts: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Writes everything but the index."""
    if len(texts) != len(examples):
        raise UserError(
            "config.distill.teachers: the data has changed while it was being read; start again."
        )
    names = [task.name for task in teacher.tasks]
    parts = [
        {name: folder / f"{name}-{begin // CHUNK:06d}.npy" for name in names}
        for begin in range(0, len(texts), CHUNK)
    ]
    left = [i for i, files in enumerate(parts) if not all(f.is_file() for f in files.values())]
    done = len(texts) - sum(len(texts[i * CHUNK : (i + 1) * CHUNK]) for i in left)
    goes_on = f", {done:,} of them before" if done else ""
    say(f"Teacher {teacher.path}: {', '.join(names)} for {len(texts):,} training texts{goes_on}.")
    begun = said = time.monotonic()
    before = done
    for index in left:
        here = range(index * CHUNK, min((index + 1) * CHUNK, len(texts)))
        words = [examples[i].words for i in here]
        found = teacher.answer([texts[i] for i in here], words)
        for task in teacher.tasks:
            rows = [row.reshape(-1, len(task.classes)) for row in found[task.name]]
            with atomic.replacing(parts[index][task.name], "config.data.cache_dir") as fresh:
                np.save(fresh, np.concatenate(rows).astype(np.float16))
        done += len(here)
        now = time.monotonic()
        if now - said > _SILENCE:
            said = now
            seconds = (now - begun) / (done - before) * (len(texts) - done)
            say(f"  {done:,} of {len(texts):,} texts; about {duration(seconds)} left")
    _join(teacher, folder, examples, parts)


def _join(
    teacher: Teacher, folder: Path, examples: ExampleSet, parts: Sequence[Mapping[str, Path]]
) -> None:
    """Joins the files of each task into one, and notes which examples have an answer.

    Raises:
      UserError: if a task has no answer at all.
    """
    answered: dict[str, Any] = {}
    for task in teacher.tasks:
        files = [files[task.name] for files in parts]
        arrays = [np.load(file, mmap_mode="r") for file in files]
        rows = np.concatenate(arrays) if arrays else np.zeros((0, len(task.classes)), np.float16)
        known = np.isfinite(rows).all(axis=-1)
        if task.unit == "word":
            ends = examples.arrays["word_ends"]
            before = np.concatenate([[0], np.cumsum(known)])
            known = before[ends] > before[np.concatenate([[0], ends[:-1]])]
        if not known.any():
            raise UserError(
                f"config.distill.teachers: {teacher.path}: has no answer of {task.name} to any of "
                f"the {len(examples):,} training texts; texts are matched exactly."
            )
        answered[task.name] = known
        with atomic.replacing(folder / f"{task.name}.npy", "config.data.cache_dir") as fresh:
            np.save(fresh, rows)
    with atomic.replacing(folder / "answered.npz", "config.data.cache_dir") as fresh:
        np.savez(fresh, **answered)
