"""What the model is trained for: whatever has labels, or makes them of a text, and a loss."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mtt_jax.types import Example

# What may carry a label, in the order in which tasks are listed; "masked" is a hidden subword.
UNITS = ("sentence", "word", "masked")


class Vocabulary(NamedTuple):
    """What an objective knows about subwords.

    Attributes:
      mask: id of the subword that hides others.
      ordinary: int32 ids of all that are not special.
    """

    mask: int
    ordinary: np.ndarray


@dataclass(frozen=True)
class Objective(ABC):
    """What the model is trained for: a task that it answers, or text alone.

    Attributes:
      name: in configs, files and results.
      labels: class names; () for what has none.
      kind: what a config calls this kind.
      unit: what carries a label, "sentence", "word" or "masked".
      loss: name of the loss in train/losses.py.
      reads: what a file may hold for it: a "value" per sentence, "columns" with a 0 or 1 per
        label, "tags" per word, character "offsets", or "texts" alone.
      fields: reader -> where the label is, if the config does not say.
      target_shape: further axes of a target: () for a class id, (C,) for a set of classes.
      target_dtype: of a target.
      needs_labels: whether it trains on labeled sentences; otherwise on every text.
      redrawn: whether `drawn` makes something new of a sentence each time that it is drawn.
    """

    name: str
    labels: tuple[str, ...]

    kind: ClassVar[str]
    unit: ClassVar[str]
    loss: ClassVar[str]
    reads: ClassVar[frozenset[str]]
    fields: ClassVar[Mapping[str, str]]
    target_dtype: ClassVar[type] = np.int32
    needs_labels: ClassVar[bool] = True
    redrawn: ClassVar[bool] = False

    @classmethod
    def make(cls, name: str, config: Any) -> "Objective":
        """The task of a config's section: its labels and whatever else the kind takes."""
        return cls(name, tuple(config.labels))

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the head's logits, in their order; () for those of all subwords."""
        return self.labels

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Axes of a target after those of its unit."""
        return ()

    def describe(self) -> dict[str, Any]:
        """What `mtt info` prints of the task."""
        return {"kind": self.kind, "labels": list(self.labels)}

    @abstractmethod
    def problems(self) -> Iterator[str]:
        """Yields what is wrong with the labels, each naming the field: `labels: ...`."""

    @property
    def weight_names(self) -> tuple[str, ...]:
        """The names that class weights may use."""
        return self.labels

    def class_weights(self, given: Mapping[str, float]) -> list[float]:
        """The factor of each class; 1 for a class that is not named."""
        return [given.get(name, 1.0) for name in self.classes]

    @classmethod
    def all_labels(cls, named: Sequence[str]) -> tuple[str, ...]:
        """The labels of a task of this kind, from those that a user names or that data hold."""
        return tuple(named)

    # To a batch

    @abstractmethod
    def target(self, gold: Any, words: np.ndarray, starts: np.ndarray, length: int) -> tuple:
        """(values, mask) of one sentence, or of a window of it.

        Args:
          gold: as `example` gives it.
          words: indices of the words that the window decides.
          starts: positions of their first subwords in it.
          length: positions of the window.

        Returns:
          Arrays [length, ...] and float32 [length] for a task per word; a value [...] and 1.0 for
          one per sentence.
        """

    def drawn(self, example: Example, vocabulary: Vocabulary, rng: np.random.Generator) -> Example:
        """An example as a training step reads it, for an objective that is `redrawn`."""
        del vocabulary, rng
        return example

    def room(self, row_length: int, slots: int) -> int:
        """How many targets a row of a batch has."""
        return slots if self.unit == "sentence" else row_length

    def put(
        self, targets: np.ndarray, mask: np.ndarray, slot: int, offset: int, found: tuple
    ) -> None:
        """Writes what `target` returned into a row.

        Args:
          targets: [room, ...] of the row.
          mask: [room] of the row.
          slot: of the sentence in the row.
          offset: of its first position.
          found: (values, mask).
        """
        values, known = found
        place = slot if self.unit == "sentence" else slice(offset, offset + len(values))
        targets[place], mask[place] = values, known
