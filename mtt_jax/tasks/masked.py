"""Masked language model: words are hidden, and the model learns to find them. It answers nothing.

Devlin et al. 2019 (arXiv:1810.04805), with whole words: all subwords of a chosen word are hidden.
Of the chosen words 80% are replaced by the mask, 10% by random subwords, and 10% stay as they are.

    tokens     c  Ann  left  Os ##lo  s         share 0.3: one of three words
    hidden     c  Ann  left   m   m   s         word features of "Oslo" become 0
    targets    (3, Os), (4, ##lo)
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from mtt_jax.tasks.objective import Objective, Vocabulary
from mtt_jax.types import Example

# Shares of the chosen words that become the mask, and random subwords.
_MASKED, _RANDOM = 0.8, 0.1
# Targets that a row has room for, relative to those expected if it is full.
_ROOM = 1.5


@dataclass(frozen=True)
class Masked(Objective):
    """Trains on every text; a label is (positions, ids) of the hidden subwords of a sentence.

    A target is the position of a hidden subword in its row and its id, int32 [2].

    Attributes:
      share: of the words that are chosen.
    """

    share: float = 0.15

    kind: ClassVar[str] = "mlm"
    unit: ClassVar[str] = "masked"
    loss: ClassVar[str] = "subword_cross_entropy"
    reads: ClassVar[frozenset[str]] = frozenset({"texts"})
    fields: ClassVar[Mapping[str, str]] = {}
    needs_labels: ClassVar[bool] = False
    redrawn: ClassVar[bool] = True

    @classmethod
    def make(cls, name: str, config: Any) -> "Masked":
        """Also the share of words."""
        return cls(name, tuple(config.labels), config.masked)

    @property
    def classes(self) -> tuple[str, ...]:
        """None: the logits are those of all subwords."""
        return ()

    @property
    def target_shape(self) -> tuple[int, ...]:
        """Position and id."""
        return (2,)

    def problems(self) -> Iterator[str]:
        """Labels, which no text has."""
        if self.labels:
            yield f"labels: a task of kind {self.kind} has no labels; leave them out."

    def drawn(self, example: Example, vocabulary: Vocabulary, rng: np.random.Generator) -> Example:
        """The example with words hidden, and with no other label than what they were.

        Each word is chosen with the same probability. A sentence of w words has share * w of them
        hidden, rounded up or down at random, so that a short one may have none.
        """
        words = np.flatnonzero(example.starts >= 0)
        starts = example.starts[words]
        ends = np.append(starts[1:], len(example.tokens) - 1)[: len(words)]
        count = int(self.share * len(words) + rng.random())
        chosen = np.sort(rng.choice(len(words), count, replace=False))
        tokens, features = example.tokens.copy(), example.features.copy()
        for start, end, fate in zip(starts[chosen], ends[chosen], rng.random(count), strict=True):
            if fate < _MASKED:
                tokens[start:end] = vocabulary.mask
            elif fate < _MASKED + _RANDOM:
                tokens[start:end] = rng.choice(vocabulary.ordinary, end - start)
            else:
                continue  # looks like a word that was not chosen
            features[start:end] = 0
        parts = [np.arange(starts[i], ends[i], dtype=np.int32) for i in chosen]
        positions = np.concatenate(parts) if parts else np.zeros(0, np.int32)
        labels = {self.name: (positions, example.tokens[positions])}
        return example._replace(tokens=tokens, features=features, labels=labels)

    def target(
        self,
        gold: tuple[np.ndarray, np.ndarray],
        words: np.ndarray,
        starts: np.ndarray,
        length: int,
    ) -> tuple[np.ndarray, np.ndarray]:
        """Position in the sentence and id of each hidden subword, int32 [k, 2]; a mask of ones."""
        del words, starts, length
        values = np.stack(gold, axis=-1).astype(np.int32)
        return values, np.ones(len(values), np.float32)

    def room(self, row_length: int, slots: int) -> int:
        """Half as many again as are expected in a full row."""
        del slots
        return math.ceil(_ROOM * self.share * row_length)

    def put(
        self, targets: np.ndarray, mask: np.ndarray, slot: int, offset: int, found: tuple
    ) -> None:
        """Adds the sentence's targets after those that the row has, as long as there is room."""
        del slot
        values, known = found
        used = int(mask.sum())
        count = min(len(values), len(mask) - used)
        targets[used : used + count] = values[:count] + (offset, 0)
        mask[used : used + count] = known[:count]
