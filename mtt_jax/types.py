"""The structs that pass between the folders, and the letters of their axes.

    B  rows of a batch            L  positions of a row
    S  sentence slots of a row    D  width of the model
    H  attention heads            C  classes of a task           T  tasks

Everything here is a NamedTuple, so JAX sees a pytree and no folder needs another's library.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

# A NumPy array up to the jitted step; a JAX array or a tracer inside it.
Array = Any


class Span(NamedTuple):
    """A labeled span: `start` inclusive, `end` exclusive, in words or in characters."""

    start: int
    end: int
    label: str


class Record(NamedTuple):
    """A sentence from a file, with the labels that it carries.

    Attributes:
      text: the sentence, as the file gives it.
      labels: task -> its label by name, in the form that the task reads (tasks/), with spans in
        characters of `text`; a task that is absent has no label here.
      place: where it is, such as `train.csv, line 7`; "" for a sentence that is in no file.
    """

    text: str
    labels: dict[str, Any]
    place: str = ""


class Example(NamedTuple):
    """A sentence as the model reads it.

    Attributes:
      tokens: int32 [n] subword ids with [CLS] and [SEP].
      starts: int32 [w] position of each word's first subword; -1 for a word that was cut off.
      words: int32 [w, 2] where each word begins and ends, in characters of the text as given.
      labels: task -> its label by class id, in the form that the task encodes (tasks/); a task that
        is absent has no label here.
      features: uint16 [n, F] ids of the word features of each subword (data/features.py); F is 0
        for a model that reads none.
      teacher: task -> probabilities of its classes, float [C] for a task per sentence, [w, C] for
        one per word, NaN where the teachers have no answer; a task that is absent has none here.
    """

    tokens: np.ndarray
    starts: np.ndarray
    words: np.ndarray
    labels: dict[str, Any]
    features: np.ndarray
    teacher: Mapping[str, np.ndarray] = {}  # noqa: RUF012  never changed


class Batch(NamedTuple):
    """Rows of packed sentences.

        tokens     c a b s c d s 0      c = [CLS], s = [SEP]
        segments   1 1 1 1 2 2 2 0
        positions  0 1 2 3 0 1 2 0

    Attributes:
      tokens: int32 [B, L], 0 where empty.
      segments: int32 [B, L], 1..S, 0 where empty.
      positions: int32 [B, L], position inside the sentence.
      targets: task -> [B, S, ...] for a task whose unit is the sentence, [B, L, ...] for one whose
        unit is the word; the task gives dtype and further axes.
      masks: task -> float32 [B, S] or [B, L]; 0 where the task has no label.
      features: int32 [B, L, F] word features, 0 where empty; None for F = 0.
      hidden: bool [B, L], True for the subwords of hidden words; None without word dropout.
      teacher: task -> float32 [B, S, C] or [B, L, C] probabilities of the teachers; None without
        teachers. A task that no teacher answers is absent.
      teacher_masks: task -> float32 [B, S] or [B, L], the weight of the teachers' answer; 0 where
        there is none to learn from. Inside the step, this and `masks` are multiplied by their
        shares (train/teaching.py).
    """

    tokens: Array
    segments: Array
    positions: Array
    targets: dict[str, Array]
    masks: dict[str, Array]
    features: Array | None = None
    hidden: Array | None = None
    teacher: dict[str, Array] | None = None
    teacher_masks: dict[str, Array] | None = None


class Outputs(NamedTuple):
    """What the model returns for a batch.

    Attributes:
      logits: task -> float32 [B, S, C] or [B, L, C].
      sentences: [B, S, D] sentence embeddings.
      tokens: [B, L, D] token embeddings.
    """

    logits: dict[str, Array]
    sentences: Array
    tokens: Array
