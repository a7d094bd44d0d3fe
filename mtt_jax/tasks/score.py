"""A score: what console, report, card, evaluate and diagnose show for a task on a split."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

# What metrics.json calls the rows of a score.
_ROWS_NAMES = ("per_class", "per_entity")


class Figure(NamedTuple):
    """One number that describes a task, such as Figure("macro_f1", "macro F1", 0.91)."""

    name: str
    title: str
    value: float


class Row(NamedTuple):
    """A line of the table of labels; None leaves a cell empty. `support` counts gold labels."""

    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    support: int | None = None


class Confusion(NamedTuple):
    """How often each gold label (row) was predicted as each label (column)."""

    labels: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


class Ceiling(NamedTuple):
    """The highest F1 that words and tag scheme allow.

    Attributes:
      scheme: of the head; io cannot tell adjacent entities of one type apart.
      f1: of an answer that is right as far as words and scheme allow.
      cut: entities that begin or end inside a word.
    """

    scheme: str
    f1: float
    cut: int = 0

    @property
    def reason(self) -> str:
        """What keeps the answer from being right everywhere, on one line; "" if nothing does."""
        if self.f1 >= 1:
            return ""
        cut = f"{self.cut:,} begin or end inside a word" if self.cut else ""
        merge = (
            "in the tag scheme io adjacent ones of one type merge" if self.scheme == "io" else ""
        )
        return "; ".join(part for part in (cut, merge) if part) or "some lie on markup"


class Bin(NamedTuple):
    """Decisions whose scores are close together: how many, their mean score, the share right."""

    size: int
    score: float
    right: float


class Reliability(NamedTuple):
    """How far scores are from probabilities: expected calibration error, and its bins in order."""

    ece: float
    bins: tuple[Bin, ...]


class Calibration(NamedTuple):
    """What a task's temperature does to its scores on a split.

    Attributes:
      temperature: that logits are divided by.
      before: of the scores without it.
      after: of the scores that results have.
    """

    temperature: float
    before: Reliability
    after: Reliability


class Score(NamedTuple):
    """The score of a task on a split.

    Attributes:
      figures: the first one is the headline: checkpoints are chosen and models compared by it.
      sentences: how many were scored.
      rows: label -> its line.
      totals: title -> the line below those of the labels.
      confusion: None for a task that has none.
      ceiling: None for a task that has none.
      loss: mean cross-entropy per label, before the temperature.
      rows_name: what metrics.json calls the rows, "per_class" or "per_entity".
      calibration: None if it was not measured.
    """

    figures: tuple[Figure, ...]
    sentences: int
    rows: Mapping[str, Row]
    totals: Mapping[str, Row]
    confusion: Confusion | None
    ceiling: Ceiling | None
    loss: float
    rows_name: str = "per_class"
    calibration: Calibration | None = None

    @property
    def headline(self) -> float:
        """The one figure that stands for the task."""
        return self.figures[0].value

    def as_json(self) -> dict[str, Any]:
        """The score as metrics.json holds it; `from_json` reads it."""
        rows = {label: _row_as_json(row) for label, row in self.rows.items()}
        return {
            **{figure.name: figure.value for figure in self.figures},
            "headline": self.figures[0].name,
            "titles": {figure.name: figure.title for figure in self.figures},
            "count": self.sentences,
            self.rows_name: rows,
            "totals": {title: _row_as_json(row) for title, row in self.totals.items()},
            **({"ceiling": self.ceiling._asdict()} if self.ceiling else {}),
            **(
                {
                    "confusion": {
                        "labels": list(self.confusion.labels),
                        "counts": [list(row) for row in self.confusion.counts],
                    }
                }
                if self.confusion
                else {}
            ),
            "loss": self.loss,
            **({"calibration": _calibration_as_json(self.calibration)} if self.calibration else {}),
        }

    @staticmethod
    def from_json(plain: Mapping[str, Any]) -> "Score":
        """Reads what `as_json` wrote, or what version 0.1 wrote."""
        if "headline" not in plain:
            plain = _from_version_0_1(plain)
        titles = {plain["headline"]: "", **plain["titles"]}
        confusion = plain.get("confusion")
        rows_name = next(name for name in _ROWS_NAMES if name in plain)
        return Score(
            figures=tuple(Figure(n, plain["titles"][n], plain[n]) for n in titles),
            sentences=plain["count"],
            rows={label: Row(**row) for label, row in plain[rows_name].items()},
            totals={title: Row(**row) for title, row in plain["totals"].items()},
            confusion=Confusion(tuple(confusion["labels"]), tuple(map(tuple, confusion["counts"])))
            if confusion
            else None,
            ceiling=Ceiling(**plain["ceiling"]) if "ceiling" in plain else None,
            loss=plain["loss"],
            rows_name=rows_name,
            calibration=_calibration(plain["calibration"]) if "calibration" in plain else None,
        )


class Reached(NamedTuple):
    """What the threshold of a label, chosen on dev for a precision, gives.

    Attributes:
      threshold: None if no threshold reaches the precision on dev, so that the label is never
        answered.
      best: the highest precision that any threshold reaches on dev; None without an answer there.
      rows: split -> its line, dev first; the precision is None if no answer is left.
    """

    threshold: float | None
    best: float | None
    rows: Mapping[str, Row]

    def as_json(self) -> dict[str, Any]:
        """As `mtt evaluate --json` prints it."""
        rows = {split: row._asdict() for split, row in self.rows.items()}
        return {"threshold": self.threshold, "best_on_dev": self.best, **rows}


def read_scores(final: Mapping[str, Any]) -> dict[str, dict[str, Score]]:
    """Split -> task -> score, from the content of metrics.json."""
    return {
        split: {task: Score.from_json(plain) for task, plain in final[split].items()}
        for split in ("dev", "test")
        if split in final
    }


def _row_as_json(row: Row) -> dict[str, float]:
    return {name: value for name, value in row._asdict().items() if value is not None}


def _calibration_as_json(calibration: Calibration) -> dict[str, Any]:
    temperature, before, after = calibration
    return {
        "temperature": temperature,
        "ece": after.ece,
        "ece_before": before.ece,
        "bins": [bin._asdict() for bin in after.bins],
        "bins_before": [bin._asdict() for bin in before.bins],
    }


def _calibration(plain: Mapping[str, Any]) -> Calibration:
    before, after = (
        Reliability(plain[f"ece{name}"], tuple(Bin(**bin) for bin in plain[f"bins{name}"]))
        for name in ("_before", "")
    )
    return Calibration(plain["temperature"], before, after)


def _from_version_0_1(plain: Mapping[str, Any]) -> dict[str, Any]:
    """A score of version 0.1, which knew two kinds of tasks, in today's form."""
    if "per_class" in plain:
        titles = {"macro_f1": "macro F1", "accuracy": "accuracy"}
        totals = accuracy_total(plain["accuracy"], plain["macro_f1"])
        headline = "macro_f1"
    else:
        titles = {f"{prefix}": f"entity {title}, strict" for prefix, title in _STRICT.items()}
        totals = {"strict, overall": Row(plain["precision"], plain["recall"], plain["f1"])}
        headline = "f1"
    return {
        **plain,
        "headline": headline,
        "titles": titles,
        "totals": {title: _row_as_json(row) for title, row in totals.items()},
    }


_STRICT = {"f1": "F1", "precision": "precision", "recall": "recall"}


def strict_figures(row: Row) -> tuple[Figure, ...]:
    """The figures of an entity task, from its overall line."""
    return tuple(
        Figure(name, f"entity {title}, strict", getattr(row, name))
        for name, title in _STRICT.items()
    )


def accuracy_total(accuracy: float, macro_f1: float) -> dict[str, Row]:
    """The total of a task with one class per sentence or word."""
    return {f"accuracy {accuracy:.3f}": Row(None, None, macro_f1)}


def ratios(right: float, found: float, given: float, support: int | None = None) -> Row:
    """Precision, recall and F1; 0 if there is nothing to divide by."""
    return Row(
        right / found if found else 0.0,
        right / given if given else 0.0,
        2 * right / (found + given) if found + given else 0.0,
        support,
    )


def f1_by_class(tallies: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """F1 [..., C] and whether each class occurs, bool [..., C], from right, found and given.

    Args:
      tallies: [..., 3, C].
    """
    right, found, given = np.moveaxis(np.asarray(tallies, np.float64), -2, 0)
    both = found + given
    return np.where(both > 0, 2 * right / np.maximum(both, 1), 0.0), both > 0


def macro_f1(tallies: np.ndarray) -> np.ndarray:
    """[...] mean F1 over the classes that occur; the others have none.

    Args:
      tallies: [..., 3, C].
    """
    by_class, present = f1_by_class(tallies)
    return by_class.sum(axis=-1) / np.maximum(present.sum(axis=-1), 1)


def micro_f1(tallies: np.ndarray) -> np.ndarray:
    """[...] F1 of all classes together.

    Args:
      tallies: [..., 3, C].
    """
    return f1_by_class(np.asarray(tallies).sum(axis=-1, keepdims=True))[0][..., 0]


def rows_of(labels: Sequence[str], tallies: np.ndarray) -> dict[str, Row]:
    """A line per label, from [3, C]."""
    return {
        label: ratios(int(right), int(found), int(given), int(given))
        for label, (right, found, given) in zip(labels, tallies.T, strict=True)
    }
