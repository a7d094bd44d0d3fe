"""Classes: one class per sentence, such as its topic."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mtt_jax.tasks.base import Arrays, Task, Words, checked_score, on_one
from mtt_jax.tasks.calibrate import Curve, Decisions, softmax_curve
from mtt_jax.tasks.score import Confusion, Figure, Score, accuracy_total, macro_f1, rows_of

# The answer if the most probable class does not reach its threshold.
ABSTAINED = -1
# What a confusion matrix calls it.
_NO_ANSWER = "(none)"


class Classes(Task):
    """One class per sentence; a label is the class's name, a class id in arrays."""

    kind: ClassVar[str] = "classes"
    unit: ClassVar[str] = "sentence"
    loss: ClassVar[str] = "cross_entropy"
    reads: ClassVar[frozenset[str]] = frozenset({"value"})
    fields: ClassVar[Mapping[str, str]] = {"table": "label", "jsonl": "label", "tfds": "label"}
    hub: ClassVar[str] = "text-classification"
    problem_type: ClassVar[str | None] = "single_label_classification"

    def names(self, label: str) -> tuple[str, ...]:
        """The class."""
        return (label,)

    def from_value(self, value: Any, separator: str, read: Callable[[str], str]) -> str | None:
        """One class; an empty cell is a sentence without a label."""
        del separator
        if isinstance(value, bool) or not isinstance(value, (str, int)):
            raise ValueError("expected a label as a string")
        name = str(value)
        return read(name) if name else None

    def encode(self, labels: Sequence[Any], words: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """{"ids": int32 [n]}, -1 for a sentence without a label."""
        del words
        ids = {label: index for index, label in enumerate(self.labels)}
        return {"ids": np.array([-1 if x is None else ids[x] for x in labels], np.int32)}

    def example(self, arrays: Arrays, index: int) -> int | None:
        """The class id."""
        found = int(arrays["ids"][index])
        return None if found < 0 else found

    def labelled(self, arrays: Arrays) -> np.ndarray:
        """Bool [n]."""
        return arrays["ids"] >= 0

    def holds(self, arrays: Arrays, part: np.ndarray) -> np.ndarray:
        """Bool [len(part), C], one class per sentence."""
        held = np.zeros((len(part), len(self.labels)), bool)
        held[np.arange(len(part)), arrays["ids"][part]] = True
        return held

    def gathered(
        self, arrays: Arrays, sentences: np.ndarray, begins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 [k]."""
        del begins
        ids = arrays["ids"][sentences]
        return ids, ids >= 0

    def target(self, gold: int, words: np.ndarray, starts: np.ndarray, length: int) -> tuple:
        """The class id."""
        del words, starts, length
        return gold, 1.0

    def from_answer(
        self, value: Any, words: np.ndarray, read: Callable[[str], str]
    ) -> np.ndarray | None:
        """From {"scores"} if they are there; a label takes its "score", or 1."""
        del words
        if isinstance(value, str):
            value = {"label": value}
        given = value if isinstance(value, Mapping) else {}
        if isinstance(given.get("scores"), Mapping):
            return self._from_scores(given["scores"], read)
        if "label" not in given or given.get("scores") is not None:
            raise ValueError('expected a label, {"label", "score"} or {"scores": {label: score}}')
        if given["label"] is None:
            return None
        score = checked_score(1 if given.get("score") is None else given["score"])
        return on_one(self.labels.index(read(str(given["label"]))), score, len(self.labels))

    def _from_scores(self, scores: Mapping[str, Any], read: Callable[[str], str]) -> np.ndarray:
        """Float64 [C]; classes without a score share evenly what the others leave to 1."""
        probs, named = np.zeros(len(self.labels)), np.zeros(len(self.labels), bool)
        for name, score in scores.items():
            place = self.labels.index(read(name))
            probs[place] += checked_score(score)
            named[place] = True
        if not probs.any():
            raise ValueError("expected a score above 0")
        probs[~named] = max(1 - probs.sum(), 0) / max((~named).sum(), 1)
        return probs / probs.sum()

    def answer(self, log_probs: np.ndarray) -> int:
        """The id of the most probable class; `ABSTAINED` if it does not reach its threshold."""
        best = int(log_probs.argmax())
        if self.thresholds and np.exp(self.scaled(log_probs)[best]) < self.thresholds[best]:
            return ABSTAINED
        return best

    def curve(
        self, gold: Sequence[int], log_probs: Sequence[np.ndarray], words: Sequence[np.ndarray]
    ) -> Curve:
        """Cross-entropy of the sentences."""
        del words
        return softmax_curve(np.stack(log_probs), np.array(gold))

    def likelihood(self, gold: int, log_probs: np.ndarray) -> float:
        """Of the label."""
        return float(self.scaled(log_probs)[gold])

    def decisions(self, gold: int, log_probs: np.ndarray, words: np.ndarray) -> Decisions:
        """The most probable class."""
        del words
        best, given = np.array([log_probs.argmax()]), np.zeros(len(self.labels), np.int64)
        given[gold] = 1
        return Decisions(best, np.exp(self.scaled(log_probs)[best]), best == gold, given)

    def cross_entropy(self, gold: int, log_probs: np.ndarray) -> tuple[float, int]:
        """Of one label."""
        return -float(log_probs[gold]), 1

    def count(self, gold: int, answer: int, words: np.ndarray) -> Counter:
        """{(gold, answer): 1}."""
        del words
        return Counter({(gold, answer): 1})

    def tallies(self, counts: Counter) -> np.ndarray:
        """int64 [3, C]."""
        return confusion_tallies(counts, len(self.classes))

    def headline(self, tallies: np.ndarray) -> np.ndarray:
        """Macro F1."""
        return macro_f1(tallies)

    def score(self, counts: Counter, loss: float) -> Score:
        """Macro F1 and accuracy."""
        return confusion_score(self.labels, counts, counts.total(), loss, macro_first=True)

    def given(self, gold: int, text: str, words: np.ndarray) -> dict:
        """{"label"}."""
        del text, words
        return {"label": self.labels[gold]}

    def as_json(self, answer: int, log_probs: np.ndarray, text: str, words: Words) -> dict:
        """{"label", "score", "scores"}; the scores sum to 1, the score is the highest of them.

        The label is None if it does not reach its threshold.
        """
        del text, words
        probs = np.minimum(np.exp(self.scaled(log_probs)), 1.0)
        scores = {n: float(p) for n, p in zip(self.labels, probs, strict=True)}
        label = None if answer == ABSTAINED else self.labels[answer]
        return {"label": label, "score": max(scores.values()), "scores": scores}

    @property
    def form(self) -> dict:
        """See `as_json`."""
        return {"label": str, "score": float, "scores": dict.fromkeys(self.labels, float)}

    def as_cells(self, result: Any) -> dict[str, str]:
        """The label, "" for none, and its score."""
        return {
            self.name: self.as_title(result),
            f"{self.name}_score": f"{result['score']:.6f}" if result else "",
        }

    def as_title(self, result: Any) -> str:
        """The label; "" for none."""
        return (result["label"] or "") if result else ""

    def as_lines(self, result: Any) -> list[str]:
        """The label with its score."""
        label = self.as_title(result) or "(none)"
        shown = f"{label} {result['score']:.2f}" if result else label
        return [f"{self.name}: {shown}"]


def confusion_tallies(counts: Counter, classes: int) -> np.ndarray:
    """int64 [3, C] right, found and given, from counts of (gold, answer)."""
    tallies = np.zeros((3, classes), np.int64)
    for (gold, answer), count in counts.items():
        tallies[2, gold] += count
        if answer != ABSTAINED:
            tallies[0, gold] += count * (gold == answer)
            tallies[1, answer] += count
    return tallies


def confusion_score(
    labels: Sequence[str], counts: Counter, sentences: int, loss: float, macro_first: bool
) -> Score:
    """The score of a task with one class per unit, from counts of (gold, answer)."""
    tallies = confusion_tallies(counts, len(labels))
    names = dict(enumerate(labels))
    if any(answer == ABSTAINED for _, answer in counts):
        names[ABSTAINED] = _NO_ANSWER
    matrix = [[counts[gold, answer] for answer in names] for gold in names]
    total = int(tallies[2].sum())
    accuracy = float(tallies[0].sum()) / total if total else 0.0
    macro = float(macro_f1(tallies))
    figures = (Figure("macro_f1", "macro F1", macro), Figure("accuracy", "accuracy", accuracy))
    return Score(
        figures=figures if macro_first else figures[::-1],
        sentences=sentences,
        rows=rows_of(labels, tallies),
        totals=accuracy_total(accuracy, macro),
        confusion=Confusion(tuple(names.values()), tuple(map(tuple, matrix))),
        ceiling=None,
        loss=loss,
    )
