"""What a task is: the one object that handles everything that depends on its kind.

Other code asks the task and never branches on its kind. A task is an objective (objective.py) that
also answers a question. The methods, in the order in which a sentence passes through them:

    from a file    reads, fields, all_labels, names, from_value, is_empty, from_tags, from_spans
    to arrays      encode, example, labelled, holds, gathered
    to a batch     redrawn, drawn, unit, target_shape, target_dtype, target, room, put
    taught         probabilities, problem_of_teacher, adopt, at_words, from_answer, confidence,
                   soft_target, as_log_probs
    to the model   classes, unit (which vectors its head reads), loss (by name), class_weights
    to an answer   normalize, scaled, answer, curve, calibrate, fit
    to a score     likelihood, decisions, count, tallies, headline, score
    to the user    given, as_json, form, results, as_cells, as_tags, as_title, as_lines, as_spans

NumPy only: no JAX, no config, no files.
"""

import dataclasses
import json
import math
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np

from mtt_jax.tasks.align import overlapping
from mtt_jax.tasks.calibrate import Curve, Decisions, best_temperature
from mtt_jax.tasks.objective import Objective
from mtt_jax.tasks.ragged import Arrays
from mtt_jax.tasks.score import Score
from mtt_jax.types import Span

# (name in the file, how the file writes it, index of the word) -> the task's own name of the label.
Read = Callable[[str, str, int], str]
Words = Sequence[tuple[int, int]]
# The form of a labeled span in a result.
SPAN_FORM = {"text": str, "label": str, "start": int, "end": int, "score": float}
# The lowest probability of a teacher whose logarithm is taken.
LEAST = 1e-6


@dataclass(frozen=True)
class Task(Objective):
    """One question that the model answers about a text.

    Axes: n sentences, w words of a sentence, C classes. A label is what a record carries, by name,
    with spans in characters of the text; `gold` is the same by class id, as `example` gives it; an
    answer is what the model says, in words. Scores compare both in characters. Log-probabilities
    are the model's own everywhere: what turns them into a score divides them by the temperature.

    Attributes:
      name: see `Objective`; for results, too.
      labels: class names; for an entity task O and the entity types.
      temperature: that logits are divided by, so that scores are probabilities; chosen on dev.
      thresholds: the score that an answer needs, for each of `answer_labels`; infinity for a label
        that is never answered; () for `lowest` each.
      hub: what model hubs call this kind of task.
      fewest_labels: how many labels a task needs.
      lowest: the score that an answer needs if nothing else was chosen.
      problem_type: what transformers calls it in config.json, None for a task per word.
    """

    temperature: float = field(default=1.0, kw_only=True)
    thresholds: tuple[float, ...] = field(default=(), kw_only=True)

    hub: ClassVar[str]
    problem_type: ClassVar[str | None] = None
    fewest_labels: ClassVar[int] = 2
    lowest: ClassVar[float] = 0.0

    @classmethod
    def make(cls, name: str, config: Any) -> "Task":
        """See `Objective.make`."""
        return cls(name, tuple(config.labels))

    @property
    def answer_labels(self) -> tuple[str, ...]:
        """The labels that an answer may hold, each of which may have a threshold."""
        return self.labels

    def describe(self) -> dict[str, Any]:
        """What `mtt info` prints of the task."""
        return {**super().describe(), **self.fitted()}

    def problems(self) -> Iterator[str]:
        """Yields what is wrong with the labels, each naming the field: `labels: ...`."""
        if len(set(self.labels)) < len(self.labels):
            yield f"labels: the same label twice in {', '.join(self.labels)}."
        if "" in self.labels:
            yield "labels: a label is an empty text."
        if len(self.labels) < self.fewest_labels:
            count = "one label" if self.fewest_labels == 1 else "two labels"
            yield f"labels: name at least {count}, as in ('sports', 'others')."

    # From a file

    def names(self, label: Any) -> tuple[str, ...]:
        """The names in a label of a record, each as often as it occurs."""
        raise NotImplementedError

    def is_empty(self, label: Any) -> bool:
        """Whether a label says that nothing applies, as an empty cell of a file may."""
        del label
        return False

    def from_value(self, value: Any, separator: str, read: Callable[[str], str]) -> Any:
        """The label in a cell or a JSON value.

        Args:
          value: as the file gives it.
          separator: what separates several labels in one cell.
          read: name in the file -> the task's name of the label; raises for one that is unknown.

        Raises:
          ValueError: saying what was expected, for a value of another shape.
        """
        raise NotImplementedError

    def from_tags(self, tags: Sequence[str], words: Words, scheme: str, read: Read) -> Any:
        """The label of a sentence in which some words carry one tag each.

        Args:
          tags: one for each of `words`.
          words: (start, end) character offsets of the words that the file gives.
          scheme: of the tags.
          read: as `Read`.
        """
        raise NotImplementedError

    def from_spans(self, spans: Sequence[Span], read: Read) -> Any:
        """The label of a sentence whose entities are given in characters."""
        raise NotImplementedError

    # To arrays

    @abstractmethod
    def encode(self, labels: Sequence[Any], words: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The labels of n sentences as flat arrays, None for a sentence without one.

        Args:
          labels: of n records.
          words: int32 [w, 2] of each sentence, as `Example.words`.
        """

    @abstractmethod
    def example(self, arrays: Arrays, index: int) -> Any:
        """The label of one sentence by class id; None if it has none."""

    @abstractmethod
    def labelled(self, arrays: Arrays) -> np.ndarray:
        """Bool [n], whether each sentence carries a label."""

    @abstractmethod
    def holds(self, arrays: Arrays, part: np.ndarray) -> np.ndarray:
        """Bool [len(part), labels], which labels the sentences at some indices hold."""

    @abstractmethod
    def gathered(
        self, arrays: Arrays, sentences: np.ndarray, begins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """What `target` says of many sentences at once: (values, whether there is a label).

        Args:
          arrays: of all sentences.
          sentences: int64 [k] indices of some.
          begins: int64 [k + 1] where each one's words begin if those of all are counted; the last
            is their number.

        Returns:
          Arrays [k, ...] and bool [k] for a task per sentence; one per word for one per word.
          Values without a label mean nothing.
        """

    def cut(self, label: Any, words: np.ndarray) -> int:
        """How many spans of a label begin or end inside a word, so that no answer matches them.

        Args:
          label: of a record.
          words: int32 [w, 2], as `Example.words`.
        """
        del label, words
        return 0

    # Taught by another model, or by a file with its answers. Probabilities are those of `classes`,
    # and NaN where a teacher has no answer.

    def probabilities(self, log_probs: np.ndarray) -> np.ndarray:
        """float64 [..., C] after the temperature, as results show them."""
        return np.exp(self.scaled(log_probs))

    def as_log_probs(self, probs: np.ndarray) -> np.ndarray:
        """float32 [..., C] log-probabilities, from probabilities; all classes alike for NaN."""
        known = np.where(np.isnan(probs), 1 / probs.shape[-1], probs).astype(np.float32)
        return np.log(np.maximum(known, LEAST))

    def problem_of_teacher(self, teacher: "Task", rename: Mapping[str, str]) -> str:
        """Why a teacher's task cannot teach this one; "" if it can.

        Args:
          teacher: the teacher's task of the same name.
          rename: a label of the teacher -> its name here.
        """
        if type(teacher) is not type(self):
            return f"its task is of kind {teacher.kind}, not {self.kind}"
        theirs = {rename.get(label, label) for label in teacher.labels}
        if theirs == set(self.labels):
            return ""
        return f"its labels are {', '.join(teacher.labels)}, not {', '.join(self.labels)}"

    def adopt(self, probs: np.ndarray, teacher: "Task", rename: Mapping[str, str]) -> np.ndarray:
        """Probabilities [..., C] of this task's classes, from those of a teacher's classes.

        Args:
          probs: as the teacher's `probabilities` returns them, of one sentence.
          teacher: without a problem, as `problem_of_teacher` says.
          rename: as there.
        """
        named = [rename.get(label, label) for label in teacher.classes]
        same = np.array([[name == label for label in self.classes] for name in named], np.float64)
        return probs @ same

    def at_words(self, rows: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
        """[w, C] of our words, from [v, C] of a teacher's, whose tokenizer may find others.

        A word of ours takes the row of the first word of theirs that it shares a character with.

        Args:
          rows: of the teacher's words.
          theirs: int [v, 2], as `Example.words`.
          ours: int [w, 2], as `Example.words`.
        """
        first, _ = overlapping(theirs, ours)
        empty = np.full((1, rows.shape[-1]), np.nan)
        return np.concatenate([rows, empty])[first]

    def from_answer(
        self, value: Any, words: np.ndarray, read: Callable[[str], str]
    ) -> np.ndarray | None:
        """Probabilities [C], or [w, C] of a task per word, from an answer in a file.

        Args:
          value: as `as_json` writes it, or simpler: labels without scores.
          words: int32 [w, 2], as `Example.words`.
          read: name in the file -> the task's name of the label; raises for one that is unknown.

        Returns:
          None for an answer that says nothing.

        Raises:
          ValueError: saying what was expected, for a value of another shape.
        """
        raise NotImplementedError

    def confidence(self, probs: np.ndarray) -> np.ndarray:
        """[...] the probability of the decision that probabilities [..., C] lead to."""
        return probs.max(axis=-1)

    def soft_target(
        self, probs: np.ndarray, words: np.ndarray, starts: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """(probabilities, mask) of a sentence, as `target` gives its label.

        Args:
          probs: [C], or [w, C] of a task per word; NaN where there is no answer.
          words: as for `target`.
          starts: as for `target`.
          length: as for `target`.

        Returns:
          float32 [C] and [] for a task per sentence, [length, C] and [length] for one per word,
          with the probabilities of a word on its first subword; 0 where there is no answer.
        """
        rows = np.asarray(probs, np.float32)
        if self.unit == "word":
            values = np.full((length, rows.shape[-1]), np.nan, np.float32)
            values[starts] = rows[words]
        else:
            values = rows
        known = np.asarray(np.isfinite(values).all(axis=-1))
        return np.where(known[..., None], values, 0.0), known.astype(np.float32)

    # To an answer

    def normalize(self, logits: np.ndarray) -> np.ndarray:
        """Log-probabilities [..., C] from logits: log-softmax."""
        shifted = logits - logits.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    def scaled(self, log_probs: np.ndarray) -> np.ndarray:
        """float64 [..., C] log-probabilities after the temperature.

        Those of logits / temperature, because `normalize` ignores what the model's own
        log-probabilities differ by from its logits.
        """
        return self.normalize(np.asarray(log_probs, np.float64) / self.temperature)

    @abstractmethod
    def answer(self, log_probs: np.ndarray) -> Any:
        """What the model says, from log-probabilities [C] of a sentence or [w, C] of its words.

        The temperature changes no answer, except through thresholds.
        """

    @abstractmethod
    def curve(
        self, gold: Sequence[Any], log_probs: Sequence[np.ndarray], words: Sequence[np.ndarray]
    ) -> Curve | None:
        """What the temperature is chosen by; None if these sentences say nothing about it.

        Args:
          gold: as for `calibrate`, of at least one sentence.
          log_probs: as for `calibrate`.
          words: as for `calibrate`.
        """

    def calibrate(
        self, gold: Sequence[Any], log_probs: Sequence[np.ndarray], words: Sequence[np.ndarray]
    ) -> "Task":
        """The task with the temperature that is best on dev; as it is if there are no sentences.

        Args:
          gold: of each sentence, as `example` gives it.
          log_probs: of each sentence, as for `answer`.
          words: of each sentence, int32 [w, 2], as `Example.words`.
        """
        if not len(gold):
            return self
        curve = self.curve(gold, log_probs, words)
        return dataclasses.replace(self, temperature=best_temperature(curve) if curve else 1.0)

    def fit(self, gold: Sequence[Any], log_probs: Sequence[np.ndarray]) -> "Task":
        """The task with the thresholds that training chooses on dev; none for most kinds.

        As it is if there are no sentences. The temperature is chosen before.
        """
        del log_probs
        return dataclasses.replace(self, thresholds=()) if len(gold) else self

    def with_thresholds(self, thresholds: Sequence[float]) -> "Task":
        """The task with a score that each of `answer_labels` needs."""
        return dataclasses.replace(self, thresholds=tuple(map(float, thresholds)))

    def needed(self) -> np.ndarray:
        """float64 [answer_labels], the score that an answer with each label needs."""
        return np.array(self.thresholds or [self.lowest] * len(self.answer_labels), np.float64)

    def fitted(self) -> dict[str, Any]:
        """What was chosen on dev, for the model directory; {} for nothing.

        {"temperature": number, "thresholds": {label: probability, null if it is never answered}}
        """
        return {
            **({"temperature": self.temperature} if self.temperature != 1 else {}),
            **({"thresholds": self._thresholds_by_label()} if self.thresholds else {}),
        }

    def _thresholds_by_label(self) -> dict[str, float | None]:
        pairs = zip(self.answer_labels, self.needed().tolist(), strict=True)
        return {label: value if math.isfinite(value) else None for label, value in pairs}

    def with_fitted(self, values: Mapping[str, Any]) -> "Task":
        """The task with what `fitted` gave.

        Raises:
          ValueError: unless the temperature is from 0.001 to 1000, and there is a probability for
            each label that an answer may hold.
        """
        temperature = float(values.get("temperature", self.temperature))
        # Logits divided by less may overflow, and the scores become NaN.
        if not 1e-3 <= temperature <= 1e3:
            raise ValueError(f"the temperature {temperature} is not a number from 0.001 to 1000")
        task = dataclasses.replace(self, temperature=temperature)
        found = values.get("thresholds")
        if found is None:
            return task
        if set(found) != set(self.answer_labels):
            raise ValueError(f"thresholds for {', '.join(found)}, not for the task's labels")
        chosen = [found[label] for label in self.answer_labels]
        if not all(value is None or 0 <= float(value) <= 1 for value in chosen):
            raise ValueError("a threshold is not a probability")
        return task.with_thresholds([math.inf if value is None else value for value in chosen])

    # To a score

    @abstractmethod
    def likelihood(self, gold: Any, log_probs: np.ndarray) -> float:
        """Log-probability of the least likely part of a label, in which an error shows first.

        The self-confidence of Northcutt et al. 2021 (arXiv:1911.00068); for a label per word the
        minimum over the words (Wang & Mueller 2022, arXiv:2210.03920).

        Args:
          gold: as `example` gives it.
          log_probs: as for `answer`.
        """

    @abstractmethod
    def cross_entropy(self, gold: Any, log_probs: np.ndarray) -> tuple[float, int]:
        """(sum, count) of the cross-entropy of one sentence, without the temperature.

        Args:
          gold: as `example` gives it.
          log_probs: as for `answer`.
        """

    @abstractmethod
    def decisions(self, gold: Any, log_probs: np.ndarray, words: np.ndarray) -> Decisions:
        """What the model says about one sentence whatever the thresholds, with scores.

        Args:
          gold: as `example` gives it.
          log_probs: as for `answer`.
          words: int32 [w, 2], as `Example.words`.
        """

    @abstractmethod
    def count(self, gold: Any, answer: Any, words: np.ndarray) -> Counter:
        """Counts of one sentence, which those of others can be added to.

        Args:
          gold: as `example` gives it.
          answer: as `answer` gives it.
          words: int32 [w, 2], as `Example.words`.
        """

    @abstractmethod
    def tallies(self, counts: Counter) -> np.ndarray:
        """int64 [3, X]: what was right, found and given, with only what the headline needs."""

    @abstractmethod
    def headline(self, tallies: np.ndarray) -> np.ndarray:
        """[...] the figure that represents the task, from tallies [..., 3, X]."""

    @abstractmethod
    def score(self, counts: Counter, loss: float) -> Score:
        """The score from the counts of a split and its mean loss."""

    # To the user

    @abstractmethod
    def given(self, gold: Any, text: str, words: np.ndarray) -> Any:
        """A label in the form of a result, without scores, so that the two can be compared.

        Args:
          gold: as `example` gives it.
          text: of the sentence.
          words: int32 [w, 2], as `Example.words`.
        """

    @abstractmethod
    def as_json(self, answer: Any, log_probs: np.ndarray, text: str, words: Words) -> Any:
        """The answer as a result holds it, with character offsets into the text."""

    @property
    @abstractmethod
    def form(self) -> Any:
        """The form of what `as_json` returns, with types in place of values: [{"label": str}].

        A list has one item, which stands for all.
        """

    def results(
        self, log_probs: Sequence[np.ndarray], texts: Sequence[str], words: Sequence[Words]
    ) -> list[Any]:
        """The answers to several texts, as `as_json` gives each."""
        return [
            self.as_json(self.answer(one), one, text, places)
            for one, text, places in zip(log_probs, texts, words, strict=True)
        ]

    @abstractmethod
    def as_cells(self, result: Any) -> dict[str, str]:
        """Column -> cell of a CSV file, from what `as_json` returned; empty cells for None."""

    def as_tags(self, result: Any, words: Words) -> list[str] | None:
        """One tag per word, for CoNLL columns; None for a task that answers per sentence."""
        del result, words
        return None

    def as_title(self, result: Any) -> str:
        """The answer on one line, for a comment or a title; "" for a task that answers per word."""
        del result
        return ""

    # A result is None if the text has no word.

    @abstractmethod
    def as_lines(self, result: Any) -> list[str]:
        """The answer for a person at a terminal, as one or more lines."""

    def as_spans(self, result: Any) -> list[dict[str, Any]]:
        """The labeled spans of the text, for a drawing; [] for a task without any."""
        del result
        return []


def words_of(start: int, end: int, words: np.ndarray) -> tuple[int, int]:
    """(first, one past the last) of the words that a span of characters touches.

    Args:
      start: of the span.
      end: of the span, exclusive.
      words: int32 [w, 2], as `Example.words`.
    """
    first = int(np.searchsorted(words[:, 1], start, side="right"))
    return first, max(int(np.searchsorted(words[:, 0], end, side="left")), first)


def cuts_word(start: int, end: int, words: np.ndarray) -> bool:
    """Whether a span of characters begins or ends inside a word."""
    first, last = words_of(start, end, words)
    return first < last and bool(start > words[first, 0] or end < words[last - 1, 1])


def checked_score(value: Any) -> float:
    """A score in a file.

    Raises:
      ValueError: unless it is a probability.
    """
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1:
        raise ValueError(f"expected a score from 0 to 1, got {value!r}")
    return float(value)


def on_one(label: int, score: float, classes: int) -> np.ndarray:
    """float64 [classes]: a score on one class, and the rest evenly on the others."""
    probs = np.full(classes, (1 - score) / max(classes - 1, 1))
    probs[label] = score
    return probs


def spans_in(value: Any) -> list[tuple[int, int, Any, float]]:
    """(start, end, label, score) of the spans that an answer in a file lists; 1 without a score.

    Raises:
      ValueError: for anything else.
    """
    if not isinstance(value, list):
        raise ValueError("expected a list of spans")
    found: list[tuple[int, int, Any, float]] = []
    for span in value:
        places: Any = (span.get("start"), span.get("end")) if isinstance(span, Mapping) else ("",)
        if any(type(place) is not int for place in places) or "label" not in span:
            raise ValueError(
                'expected spans with offsets, as in {"start": 0, "end": 3, "label": "PER"}, got '
                f"{json.dumps(span, ensure_ascii=False)[:60]}"
            )
        score = 1.0 if span.get("score") is None else checked_score(span["score"])
        found.append((places[0], places[1], span["label"], score))
    return found


def json_cell(value: Any) -> str:
    """A value as JSON, for one cell of a table."""
    return json.dumps(value, ensure_ascii=False)
