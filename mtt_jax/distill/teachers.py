"""Teachers: runs, and files with anyone's predictions, as probabilities of the student's classes.

A teacher reads the raw texts with its own tokenizer. What it says is brought to the student's words
by their characters, and to the student's classes by the names of the labels, so that the two may
have different tokenizers, vocabularies and tag schemes.
"""

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import encode_texts, reading_of
from mtt_jax.data.prepare import file_checksum
from mtt_jax.data.readers.json_items import items
from mtt_jax.data.readers.rows import Place
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.predict.engines import Engine, open_engine
from mtt_jax.tasks import Task
from mtt_jax.types import Example
from mtt_jax.untrusted.folder import user_path
from mtt_jax.weights import saved_model

FLAG = "config.distill.teachers"
# What `mtt predict` writes besides answers.
_OTHER_KEYS = ("text", "error")
# A score of the same text changes by less than this with the texts that are read beside it.
_ROUNDING = 0.02


class Teacher(ABC):
    """What answers some of the student's tasks.

    Attributes:
      path: as the user wrote it.
      tasks: the student's tasks that it answers.
      rename: task -> as returned by `renaming`.
    """

    def __init__(self, path: str, tasks: Sequence[Task], config: Config):
        self.path = path
        self.tasks = tuple(tasks)
        self.rename = {task.name: renaming(task, config) for task in tasks}

    @abstractmethod
    def checksum(self) -> str:
        """Of everything that its answers depend on."""

    @abstractmethod
    def answer(
        self, texts: Sequence[str], words: Sequence[np.ndarray]
    ) -> dict[str, list[np.ndarray]]:
        """Task -> probabilities [C] or [w, C] for each text, NaN where it has no answer.

        Args:
          texts: as the files give them.
          words: int32 [w, 2] the student's words of each, in characters.
        """


class RunTeacher(Teacher):
    """A model directory."""

    def __init__(self, path: str, folder: Path, tasks: Sequence[Task], config: Config):
        super().__init__(path, tasks, config)
        self._folder = folder

    def checksum(self) -> str:
        """Of the files of the model."""
        return checksum([self._folder / name for name in saved_model.FILES])

    @cached_property
    def _model(self) -> tuple[saved_model.SavedModel, Engine]:
        """Loaded when the first text is answered: a run whose answers are cached needs no model."""
        model = saved_model.load(self._folder)
        return model, open_engine("jax", model)

    def answer(
        self, texts: Sequence[str], words: Sequence[np.ndarray]
    ) -> dict[str, list[np.ndarray]]:
        """Calibrated probabilities, as `mtt predict` shows them."""
        model, engine = self._model
        encoded = list(encode_texts(model.tokenizer, texts, reading_of(model.config)))
        inferences = engine([Example(*e[:3], {}, e.features) for e in encoded], "first")
        theirs = {task.name: task for task in model.tasks}
        found: dict[str, list[np.ndarray]] = {}
        for task in self.tasks:
            teacher, rename = theirs[task.name], self.rename[task.name]
            rows = found.setdefault(task.name, [])
            for own, inference, places in zip(encoded, inferences, words, strict=True):
                if not inference.finite or (task.unit == "sentence" and not len(own.words)):
                    rows.append(no_answer(task, places))
                    continue
                probs = teacher.probabilities(inference.log_probs[task.name])
                probs = task.adopt(probs, teacher, rename)
                if task.unit == "word":
                    probs = task.at_words(probs, own.words, places)
                rows.append(probs)
        return found


class _Answer(NamedTuple):
    """What a line of a file answers to one task."""

    place: Place
    value: Any


class FileTeacher(Teacher):
    """A JSONL file with a text and answers per line, as `mtt predict` writes it."""

    def __init__(self, path: str, file: Path, tasks: Sequence[Task], config: Config):
        super().__init__(path, tasks, config)
        self._file = file
        self._encoding = config.data.encoding

    def checksum(self) -> str:
        """Of the file."""
        return checksum([self._file])

    @cached_property
    def _answers(self) -> dict[str, dict[str, _Answer]]:
        """Text -> task -> the answer to it; several lines may have the same text.

        Raises:
          UserError: for a line that is no answer, or one that contradicts a line before.
        """
        found: dict[str, dict[str, _Answer]] = {}
        names = {task.name for task in self.tasks}
        for place, value in items(self._file, self._encoding):
            if not isinstance(value, dict) or not isinstance(value.get("text"), str):
                raise UserError(f'{place}: expected an object with a text, as in {{"text": ...}}.')
            for name in names & value.keys():
                if value[name] is not None:
                    answers = found.setdefault(value["text"], {})
                    first = answers.setdefault(name, _Answer(place, value[name]))
                    if not _agree(first.value, value[name]):
                        raise UserError(
                            f"{place}: {name}: the same text has another answer in "
                            f"{first.place.unit} {first.place.line}; keep one of them."
                        )
        return found

    def answer(
        self, texts: Sequence[str], words: Sequence[np.ndarray]
    ) -> dict[str, list[np.ndarray]]:
        """The answers to texts that the file has, found by the exact text.

        Raises:
          UserError: naming the line, for an answer that cannot be read.
        """
        found: dict[str, list[np.ndarray]] = {task.name: [] for task in self.tasks}
        for text, places in zip(texts, words, strict=True):
            answers = self._answers.get(text, {})
            for task in self.tasks:
                answer = answers.get(task.name)
                probs = self._read(task, answer, text, places) if answer else None
                found[task.name].append(no_answer(task, places) if probs is None else probs)
        return found

    def _read(self, task: Task, answer: _Answer, text: str, words: np.ndarray) -> np.ndarray | None:
        try:
            _check_offsets(answer.value, text)
            return task.from_answer(answer.value, words, partial(self._label, task, answer.place))
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{answer.place}: {task.name}: {error}.") from None

    def _label(self, task: Task, place: Place, name: str) -> str:
        label = self.rename[task.name].get(name, name)
        if label not in task.labels:
            raise UserError(
                f"{place}: {name!r} is not a label of task {task.name!r} "
                f"({', '.join(task.labels)}).{did_you_mean(name, task.labels)} Other labels can "
                f"be mapped with --config.data.{task.name}.label_map."
            )
        return label


def _agree(one: Any, other: Any) -> bool:
    """Whether two answers are the same but for the rounding of their scores."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_agree(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_agree, one, other))
    if type(one) in (int, float) and type(other) in (int, float):
        return abs(one - other) <= _ROUNDING
    return one == other


def _check_offsets(value: Any, text: str) -> None:
    """Checks that spans are in the text, and are what the file says they are.

    Raises:
      ValueError: for one that would teach other words.
    """
    counted = "offsets count characters from 0, and end is exclusive"
    for span in value if isinstance(value, list) else ():
        start, end = (span.get("start"), span.get("end")) if isinstance(span, dict) else ("", "")
        if type(start) is not int or type(end) is not int:
            continue  # which the task refuses
        if not 0 <= start < end <= len(text):
            raise ValueError(
                f"span {start}:{end} is outside the text, which has {len(text)} characters; "
                f"{counted}"
            )
        given, there = span.get("text"), text[start:end]
        if isinstance(given, str) and given.split() != there.split():
            raise ValueError(f"span {start}:{end} is {there!r}, not {given!r}; {counted}")


def no_answer(task: Task, words: np.ndarray) -> np.ndarray:
    """The probabilities of a teacher that says nothing."""
    axes = (len(words),) if task.unit == "word" else ()
    return np.full((*axes, len(task.classes)), np.nan)


def open_teachers(config: Config) -> list[Teacher]:
    """The teachers of a config, checked against its tasks; no model is loaded yet.

    Args:
      config: with the labels of all tasks.

    Raises:
      UserError: for a teacher that is not there, or that cannot teach these tasks.
    """
    return [_opened(task, path, config) for task, path in config.distill.teachers]


def _opened(only: str, path: str, config: Config) -> Teacher:
    given = user_path(path)
    if given.is_file():
        return FileTeacher(path, given, _tasks_of_file(only, given, path, config), config)
    if not given.exists():
        raise UserError(
            f"{FLAG}: {path}: no such directory or file; name a run, as in runs/balanced, or a "
            "JSONL file with predictions."
        )
    try:
        folder = saved_model.find(given)
        saved_model.check(folder)
        teacher = saved_model.config_of(folder)
    except UserError as error:
        raise UserError(f"{FLAG}: {error}") from None
    if not (folder / "model.safetensors").is_file():
        raise UserError(f"{FLAG}: {path}: an exported graph; name the run it was exported from.")
    trained = trained_tasks(teacher)
    if not trained:
        raise UserError(
            f"{FLAG}: {path}: was trained on texts without labels, and answers nothing; name a run "
            "that trained a task."
        )
    if only and only not in trained:
        raise UserError(
            f"{FLAG}: {path}: did not train a task {only!r}, only {', '.join(trained)}."
            f"{did_you_mean(only, trained)}"
        )
    shared = [t for t in config.task_list if t.name in trained and only in ("", t.name)]
    if not shared:
        raise UserError(
            f"{FLAG}: {path}: trained {', '.join(trained)}, none of the tasks "
            f"{', '.join(task.name for task in config.task_list)}."
        )
    theirs = {task.name: task for task in teacher.task_list}
    for task in shared:
        problem = task.problem_of_teacher(theirs[task.name], renaming(task, config))
        if problem:
            raise UserError(
                f"{FLAG}: {path}: cannot teach task {task.name!r}: {problem}. Labels can be mapped "
                f"with --config.data.{task.name}.label_map; to use only another task of this "
                f"teacher, write TASK={path}."
            )
    return RunTeacher(path, folder, shared, config)


def _tasks_of_file(only: str, file: Path, path: str, config: Config) -> list[Task]:
    """The tasks that a file with predictions has answers to.

    Raises:
      UserError: if there are none.
    """
    wanted = [task for task in config.task_list if only in ("", task.name)]
    keys: dict[str, None] = {}
    try:
        for _, value in items(file, config.data.encoding):
            if isinstance(value, dict):
                keys |= dict.fromkeys(value)
            if all(task.name in keys for task in wanted):
                break
    except UserError as error:
        raise UserError(
            f"{FLAG}: {error} A teacher is a run, or a JSONL file with predictions."
        ) from None
    found = [task for task in wanted if task.name in keys]
    if not found:
        there = ", ".join(key for key in keys if key not in _OTHER_KEYS) or "none"
        raise UserError(
            f"{FLAG}: {path}: has no answers to {' or '.join(task.name for task in wanted)}; its "
            f"keys besides the text are {there}."
        )
    return found


def renaming(task: Task, config: Config) -> dict[str, str]:
    """A teacher's label -> its name in a task, by the label_map of its data.

    A label that the task has keeps its name: a teacher may have been trained on the same data, and
    then its labels are mapped already.
    """
    label_map = config.tasks[task.name].data.label_map
    return {name: new for name, new in label_map.items() if name not in task.labels}


def trained_tasks(config: Config) -> tuple[str, ...]:
    """The tasks that a run has trained; the heads of others are what they were at the start."""
    phases = config.phases or (None,)

    def trains(name: str) -> bool:
        for phase in phases:
            weights = phase.weights if phase else {}
            active = (phase.tasks if phase else ()) or config.active
            if name in active and weights.get(name, config.tasks[name].weight) > 0:
                return True
        return False

    return tuple(task.name for task in config.task_list if trains(task.name))


def checksum(paths: Sequence[Path]) -> str:
    """Of the names and the content of files, and of all files in folders; none for what is missing.

    Raises:
      UserError: for a file that cannot be read.
    """
    each = []
    for path in paths:
        for file in sorted(path.rglob("*")) if path.is_dir() else [path]:
            if file.is_file():
                each.append([file.name, file_checksum(file)])
    return hashlib.sha256(json.dumps(each).encode()).hexdigest()


Texts = Callable[[], Sequence[str]]
