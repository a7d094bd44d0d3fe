"""Multilabel: any number of classes per sentence, such as the subjects of an article."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mtt_jax.tasks.base import LEAST, Arrays, Task, Words, checked_score
from mtt_jax.tasks.calibrate import Curve, Decisions, softmax_curve
from mtt_jax.tasks.score import Figure, Row, Score, macro_f1, micro_f1, ratios, rows_of
from mtt_jax.tasks.thresholds import best_f1

# What separates the labels of a set in one cell of a result.
_JOINT = "|"


@dataclass(frozen=True)
class Multilabel(Task):
    """A set of classes per sentence; a label is a tuple of names, float32 [C] of 0 and 1 in arrays.

    Each class is decided on its own: its log-probabilities are log-odds, log(p / (1 - p)), and it
    is in the answer if its probability reaches its threshold.
    """

    kind: ClassVar[str] = "multilabel"
    unit: ClassVar[str] = "sentence"
    loss: ClassVar[str] = "binary_cross_entropy"
    reads: ClassVar[frozenset[str]] = frozenset({"value", "columns"})
    fields: ClassVar[Mapping[str, str]] = {"table": "labels", "jsonl": "labels", "tfds": "labels"}
    target_dtype: ClassVar[type] = np.float32
    hub: ClassVar[str] = "text-classification"
    problem_type: ClassVar[str | None] = "multi_label_classification"
    fewest_labels: ClassVar[int] = 1  # a yes or a no
    lowest: ClassVar[float] = 0.5

    @property
    def target_shape(self) -> tuple[int, ...]:
        """(C,)."""
        return (len(self.labels),)

    def describe(self) -> dict[str, Any]:
        """Also the threshold of each label, whether it was chosen or not."""
        return {**super().describe(), "thresholds": self._thresholds_by_label()}

    def from_value(
        self, value: Any, separator: str, read: Callable[[str], str]
    ) -> tuple[str, ...] | None:
        """The set in a cell ("" is the empty set), a list of names or a mapping to 0 or 1."""
        if isinstance(value, Mapping):
            wrong = [flag for flag in value.values() if flag not in (0, 1, "0", "1")]
            if wrong:
                raise ValueError(f"expected 0 or 1 per label, got {wrong[0]!r}")
            # Every name is checked, including those of classes that the sentence does not have.
            named = [(read(str(name)), flag in (1, "1")) for name, flag in value.items()]
            missing = [label for label in self.labels if label not in dict(named)]
            if missing:
                raise ValueError(f"expected 0 or 1 for each label, including {missing[0]!r}")
            names = [name for name, flag in named if flag]
        elif isinstance(value, (list, tuple)):
            if not all(isinstance(x, (str, int)) and not isinstance(x, bool) for x in value):
                raise ValueError("expected a list of labels as strings, [] for none")
            names = [read(str(x)) for x in value]
        elif isinstance(value, str):
            parts = [part.strip() for part in value.split(separator)] if separator else [value]
            names = [read(part) for part in parts if part]
        elif isinstance(value, int) and not isinstance(value, bool):
            names = [read(str(value))]
        else:
            raise ValueError("expected a list of labels, [] for none")
        if not self.labels:  # they are being collected
            return tuple(dict.fromkeys(names))
        return tuple(label for label in self.labels if label in names)

    def names(self, label: tuple[str, ...]) -> tuple[str, ...]:
        """The classes of the set."""
        return label

    def is_empty(self, label: Any) -> bool:
        """Whether it is the empty set."""
        return not label

    def encode(self, labels: Sequence[Any], words: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """{"sets": bool [n, C], "labelled": bool [n]}."""
        del words
        sets = [[label in (names or ()) for label in self.labels] for names in labels]
        return {
            "sets": np.array(sets, bool).reshape(-1, len(self.labels)),
            "labelled": np.array([names is not None for names in labels], bool),
        }

    def example(self, arrays: Arrays, index: int) -> np.ndarray | None:
        """float32 [C]."""
        return arrays["sets"][index].astype(np.float32) if arrays["labelled"][index] else None

    def labelled(self, arrays: Arrays) -> np.ndarray:
        """Bool [n]."""
        return arrays["labelled"]

    def holds(self, arrays: Arrays, part: np.ndarray) -> np.ndarray:
        """Bool [len(part), C]; no class for the empty set."""
        return arrays["sets"][part]

    def gathered(
        self, arrays: Arrays, sentences: np.ndarray, begins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Sets bool [k, C]."""
        del begins
        return arrays["sets"][sentences], arrays["labelled"][sentences]

    def target(self, gold: np.ndarray, words: np.ndarray, starts: np.ndarray, length: int) -> tuple:
        """The set."""
        del words, starts, length
        return gold, 1.0

    def probabilities(self, log_probs: np.ndarray) -> np.ndarray:
        """float64 [..., C] of each class alone."""
        return self._probs(log_probs)

    def as_log_probs(self, probs: np.ndarray) -> np.ndarray:
        """float32 [..., C] log-odds; 0 for NaN."""
        known = np.where(np.isnan(probs), 0.5, probs).astype(np.float32).clip(LEAST, 1 - LEAST)
        return np.log(known) - np.log1p(-known)

    def adopt(self, probs: np.ndarray, teacher: Task, rename: Mapping[str, str]) -> np.ndarray:
        """Of several labels that have the same name here, the most probable one."""
        named = [rename.get(label, label) for label in teacher.labels]
        columns = [[i for i, name in enumerate(named) if name == label] for label in self.labels]
        return np.stack([probs[..., places].max(axis=-1) for places in columns], axis=-1)

    def from_answer(
        self, value: Any, words: np.ndarray, read: Callable[[str], str]
    ) -> np.ndarray | None:
        """From {"scores"} if they are there; otherwise 1 for each label in the list, else 0."""
        del words
        given = value.get("scores", value.get("labels")) if isinstance(value, Mapping) else value
        if isinstance(given, list) and all(isinstance(name, str) for name in given):
            given = dict.fromkeys(given, 1)
        if not isinstance(given, Mapping):
            raise ValueError('expected {"scores": {label: score}} or a list of labels')
        probs = np.zeros(len(self.labels))
        for name, score in given.items():
            place = self.labels.index(read(name))
            probs[place] = max(probs[place], checked_score(score))
        return probs

    def confidence(self, probs: np.ndarray) -> np.ndarray:
        """[...] of the class that is least sure to be there, or not to be there."""
        return np.maximum(probs, 1 - probs).min(axis=-1)

    def normalize(self, logits: np.ndarray) -> np.ndarray:
        """Log-odds [..., C]: what the head gives."""
        return logits

    def answer(self, log_probs: np.ndarray) -> np.ndarray:
        """Bool [C]: the classes that reach their thresholds."""
        return self._probs(log_probs) >= self.needed()

    def _probs(self, log_probs: np.ndarray) -> np.ndarray:
        """float64 [..., C] of each class alone."""
        return np.exp(-np.logaddexp(0.0, -self.scaled(log_probs)))

    def curve(
        self,
        gold: Sequence[np.ndarray],
        log_probs: Sequence[np.ndarray],
        words: Sequence[np.ndarray],
    ) -> Curve:
        """Binary cross-entropy of all classes."""
        del words
        odds = np.concatenate(log_probs)
        # A sigmoid is a softmax over the log-odds of yes and 0.
        rows = np.stack([np.zeros_like(odds), odds], axis=-1)
        return softmax_curve(rows, (np.concatenate(gold) > 0.5).astype(int))

    def fit(self, gold: Sequence[np.ndarray], log_probs: Sequence[np.ndarray]) -> Task:
        """The task with the threshold per class that gives the highest F1 on these sentences.

        A threshold is midway between two adjacent probabilities; of equally good ones the nearest
        to 0.5 is taken. A class that occurs nowhere keeps 0.5.
        """
        if not len(gold):
            return self
        sets, probs = np.stack(gold) > 0.5, self._probs(np.stack(log_probs))
        columns = zip(sets.T, probs.T, strict=True)
        return self.with_thresholds([best_f1(given, p, self.lowest) for given, p in columns])

    def problems(self) -> Iterator[str]:
        """Also: a label contains the character that separates labels in cells."""
        yield from super().problems()
        for label in self.labels:
            if _JOINT in label:
                yield f"labels: {label!r} contains {_JOINT!r}, which separates labels in results."

    def likelihood(self, gold: np.ndarray, log_probs: np.ndarray) -> float:
        """Of the class that is least likely to be there, or not to be there, as labeled."""
        odds = self.scaled(log_probs) * np.where(gold > 0.5, 1, -1)
        return -float(np.logaddexp(0.0, -odds).max())

    def cross_entropy(self, gold: np.ndarray, log_probs: np.ndarray) -> tuple[float, int]:
        """Binary cross-entropy, mean over the classes."""
        odds = log_probs.astype(np.float64)
        return float((np.logaddexp(0.0, odds) - gold * odds).mean()), 1

    def decisions(self, gold: np.ndarray, log_probs: np.ndarray, words: np.ndarray) -> Decisions:
        """Each class, which is right if the sentence has it."""
        del words
        given = gold > 0.5
        return Decisions(np.arange(len(given)), self._probs(log_probs), given, given.astype(int))

    def count(self, gold: np.ndarray, answer: np.ndarray, words: np.ndarray) -> Counter:
        """What was right, found and given, by class; sets that are right as a whole."""
        del words
        given = gold > 0.5
        counts: Counter = Counter({("sentences",): 1, ("exact",): int((given == answer).all())})
        for name, flags in (("right", given & answer), ("found", answer), ("given", given)):
            counts.update((name, int(c)) for c in np.flatnonzero(flags))
        return counts

    def tallies(self, counts: Counter) -> np.ndarray:
        """int64 [3, C]."""
        classes = range(len(self.labels))
        names = ("right", "found", "given")
        return np.array([[counts[name, c] for c in classes] for name in names], np.int64)

    def headline(self, tallies: np.ndarray) -> np.ndarray:
        """Micro F1."""
        return micro_f1(tallies)

    def score(self, counts: Counter, loss: float) -> Score:
        """Micro and macro F1, and the share of sentences whose set is right as a whole."""
        tallies = self.tallies(counts)
        micro = ratios(*(int(x) for x in tallies.sum(axis=1)))
        macro = float(macro_f1(tallies))
        sentences = counts["sentences",]
        exact = counts["exact",] / sentences if sentences else 0.0
        return Score(
            figures=(
                Figure("micro_f1", "micro F1", float(micro.f1 or 0.0)),
                Figure("macro_f1", "macro F1", macro),
                Figure("exact_match", "whole sets right", exact),
            ),
            sentences=sentences,
            rows=rows_of(self.labels, tallies),
            totals={"micro, all labels": micro, "macro, mean of labels": Row(None, None, macro)},
            confusion=None,
            ceiling=None,
            loss=loss,
        )

    def given(self, gold: np.ndarray, text: str, words: np.ndarray) -> dict:
        """{"labels"}."""
        del text, words
        return {"labels": [label for label, held in zip(self.labels, gold, strict=True) if held]}

    def as_json(self, answer: np.ndarray, log_probs: np.ndarray, text: str, words: Words) -> dict:
        """{"labels", "scores"}; each score is the probability of its label alone."""
        del text, words
        labels = [label for label, chosen in zip(self.labels, answer, strict=True) if chosen]
        probs = self._probs(log_probs).tolist()
        return {"labels": labels, "scores": dict(zip(self.labels, probs, strict=True))}

    @property
    def form(self) -> dict:
        """See `as_json`."""
        return {"labels": [str], "scores": dict.fromkeys(self.labels, float)}

    def as_cells(self, result: Any) -> dict[str, str]:
        """The labels, joined by |."""
        return {self.name: _JOINT.join(result["labels"]) if result else ""}

    def as_lines(self, result: Any) -> list[str]:
        """The labels with their scores."""
        labels = result["labels"] if result else ()
        found = [f"{label} {result['scores'][label]:.2f}" for label in labels]
        return [f"{self.name}: {', '.join(found) or '(none)'}"]

    def as_title(self, result: Any) -> str:
        """The labels, joined by |; "" for None."""
        return _JOINT.join(result["labels"]) if result else ""
