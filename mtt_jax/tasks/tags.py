"""Tags: one class per word, without spans, such as parts of speech."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np

from mtt_jax.tasks.base import (
    SPAN_FORM,
    Read,
    Task,
    Words,
    cuts_word,
    json_cell,
    on_one,
    spans_in,
    words_of,
)
from mtt_jax.tasks.calibrate import Curve, Decisions, softmax_curve
from mtt_jax.tasks.classes import ABSTAINED, confusion_score, confusion_tallies
from mtt_jax.tasks.ragged import Arrays, part_of, parts_of, ragged, ranges
from mtt_jax.tasks.score import Score
from mtt_jax.types import Span

# What stands in columns and on the terminal for a word whose tag does not reach its threshold.
_BLANK = "_"


class Tags(Task):
    """One class per word; a label is a tuple of `Span` in characters, int32 [w] ids in arrays.

    A word that the file gives may be several of ours ("U.S." is four); each of them carries its
    tag, in training, in prediction and in the score.
    """

    kind: ClassVar[str] = "tags"
    unit: ClassVar[str] = "word"
    loss: ClassVar[str] = "cross_entropy"
    reads: ClassVar[frozenset[str]] = frozenset({"tags"})
    fields: ClassVar[Mapping[str, str]] = {"conll": "-1", "jsonl": "tags", "tfds": "tags"}
    hub: ClassVar[str] = "token-classification"

    def names(self, label: Sequence[Span]) -> tuple[str, ...]:
        """The tag of each word that has one."""
        return tuple(span.label for span in label)

    def from_tags(
        self, tags: Sequence[str], words: Words, scheme: str, read: Read
    ) -> tuple[Span, ...]:
        """The tags as they are, whatever scheme they look like."""
        del scheme
        pairs = zip(tags, words, strict=True)
        return tuple(
            Span(start, end, read(tag, tag, index))
            for index, (tag, (start, end)) in enumerate(pairs)
        )

    def cut(self, label: Sequence[Span], words: np.ndarray) -> int:
        """Of the spans."""
        return sum(cuts_word(span.start, span.end, words) for span in label)

    def encode(self, labels: Sequence[Any], words: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """{"tags", "tag_ends", "labelled"}; -1 for a word without a tag."""
        rows = [self._ids(spans or (), found) for spans, found in zip(labels, words, strict=True)]
        labelled = np.array([spans is not None for spans in labels], bool)
        return {**ragged("tag", rows, np.int32), "labelled": labelled}

    def _ids(self, spans: Sequence[Span], words: np.ndarray) -> np.ndarray:
        """int32 [w] of each word the tag of the first span that touches it, -1 for none."""
        ids = np.full(len(words), -1, np.int32)
        for start, end, tag in sorted(spans, reverse=True):
            first, last = words_of(start, end, words)
            ids[first:last] = self.labels.index(tag)
        return ids

    def example(self, arrays: Arrays, index: int) -> np.ndarray | None:
        """int32 [w]."""
        return part_of(arrays, "tag", index) if arrays["labelled"][index] else None

    def labelled(self, arrays: Arrays) -> np.ndarray:
        """Bool [n]."""
        return arrays["labelled"]

    def holds(self, arrays: Arrays, part: np.ndarray) -> np.ndarray:
        """Bool [len(part), C]: the tags that occur."""
        held = np.zeros((len(part), len(self.labels)), bool)
        for row, index in enumerate(part):
            ids = part_of(arrays, "tag", int(index))
            held[row, ids[ids >= 0]] = True
        return held

    def gathered(
        self, arrays: Arrays, sentences: np.ndarray, begins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 of all words."""
        sizes = np.diff(begins)
        ids = arrays["tags"][ranges(parts_of(arrays, "tag", sentences)[0], sizes)]
        return ids, (ids >= 0) & np.repeat(arrays["labelled"][sentences], sizes)

    def target(
        self, gold: np.ndarray, words: np.ndarray, starts: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 [length] and mask: a word's tag is on its first subword."""
        values, mask = np.zeros(length, np.int32), np.zeros(length, np.float32)
        known = gold[words] >= 0
        values[starts[known]], mask[starts[known]] = gold[words][known], 1.0
        return values, mask

    def from_answer(self, value: Any, words: np.ndarray, read: Callable[[str], str]) -> np.ndarray:
        """From spans with one tag each; no answer for a word that none of them touches."""
        rows = np.full((len(words), len(self.labels)), np.nan)
        for start, end, label, score in sorted(spans_in(value), key=lambda span: -span[0]):
            if label is not None:
                first, last = words_of(start, end, words)
                rows[first:last] = on_one(
                    self.labels.index(read(str(label))), score, len(self.labels)
                )
        return rows

    def answer(self, log_probs: np.ndarray) -> np.ndarray:
        """int64 [w] the most probable class of each word; `ABSTAINED` below its threshold."""
        if not len(log_probs):
            return np.zeros(0, np.int64)
        best = log_probs.argmax(axis=-1)
        if self.thresholds:
            best = np.where(self._scores(log_probs) < self.needed()[best], ABSTAINED, best)
        return best

    def _scores(self, log_probs: np.ndarray) -> np.ndarray:
        """float64 [w], 0 to 1: of the most probable class of each word."""
        return np.exp(self.scaled(log_probs)).max(axis=-1, initial=0.0).clip(max=1.0)

    def curve(
        self,
        gold: Sequence[np.ndarray],
        log_probs: Sequence[np.ndarray],
        words: Sequence[np.ndarray],
    ) -> Curve | None:
        """Cross-entropy of the words that have a tag."""
        del words
        tags, rows = np.concatenate(gold), np.concatenate(log_probs)
        tagged = tags >= 0
        return softmax_curve(rows[tagged], tags[tagged]) if tagged.any() else None

    def likelihood(self, gold: np.ndarray, log_probs: np.ndarray) -> float:
        """Of the word whose tag is least likely; 0 for a sentence without tags."""
        tagged = np.flatnonzero(gold >= 0)
        return float(self.scaled(log_probs)[tagged, gold[tagged]].min(initial=0.0))

    def decisions(self, gold: np.ndarray, log_probs: np.ndarray, words: np.ndarray) -> Decisions:
        """The most probable tag of each word that has one."""
        del words
        tagged = gold >= 0
        best = log_probs[tagged].argmax(axis=-1)
        given = np.bincount(gold[tagged], minlength=len(self.labels))
        return Decisions(best, self._scores(log_probs[tagged]), best == gold[tagged], given)

    def cross_entropy(self, gold: np.ndarray, log_probs: np.ndarray) -> tuple[float, int]:
        """Of the words that have a tag."""
        tagged = np.flatnonzero(gold >= 0)
        return -float(log_probs[tagged, gold[tagged]].sum()), len(tagged)

    def count(self, gold: np.ndarray, answer: np.ndarray, words: np.ndarray) -> Counter:
        """Counts of (gold, answer) over the words that have a tag."""
        del words
        known = gold >= 0
        pairs = zip(gold[known].tolist(), answer[known].tolist(), strict=True)
        return Counter({("sentences",): 1}) + Counter(pairs)

    def tallies(self, counts: Counter) -> np.ndarray:
        """int64 [3, C]."""
        return confusion_tallies(_pairs(counts), len(self.classes))

    def headline(self, tallies: np.ndarray) -> np.ndarray:
        """Accuracy: the share of words whose tag is right."""
        right, _, given = np.moveaxis(np.asarray(tallies, np.float64).sum(axis=-1), -1, 0)
        return right / np.maximum(given, 1)

    def score(self, counts: Counter, loss: float) -> Score:
        """Accuracy and macro F1."""
        pairs, sentences = _pairs(counts), counts["sentences",]
        return confusion_score(self.labels, pairs, sentences, loss, macro_first=False)

    def given(self, gold: np.ndarray, text: str, words: np.ndarray) -> list[dict]:
        """One {"text", "label", "start", "end"} per word that has a tag."""
        return [
            {"text": text[start:end], "label": self.labels[tag], "start": start, "end": end}
            for (start, end), tag in zip(words.tolist(), gold.tolist(), strict=True)
            if tag >= 0
        ]

    def as_json(self, answer: np.ndarray, log_probs: np.ndarray, text: str, words: Words) -> list:
        """One {"text", "label", "start", "end", "score"} per word.

        The label is None if it does not reach its threshold.
        """
        scores = self._scores(log_probs)
        return [
            {
                "text": text[start:end],
                "label": None if tag == ABSTAINED else self.labels[int(tag)],
                "start": start,
                "end": end,
                "score": float(score),
            }
            for (start, end), tag, score in zip(words, answer, scores, strict=True)
        ]

    @property
    def form(self) -> list:
        """See `as_json`."""
        return [SPAN_FORM]

    def as_cells(self, result: Any) -> dict[str, str]:
        """The tags as JSON."""
        return {self.name: "" if result is None else json_cell(result)}

    def as_lines(self, result: Any) -> list[str]:
        """The text as word/TAG."""
        shown = " ".join(f"{tag['text']}/{tag['label'] or _BLANK}" for tag in result)
        return [f"{self.name}: {shown or '(none)'}"]

    def as_tags(self, result: Any, words: Words) -> list[str]:
        """The tags, `_` for none."""
        by_start = {tag["start"]: tag["label"] or _BLANK for tag in result}
        return [by_start[start] for start, _ in words]


def _pairs(counts: Counter) -> Counter:
    """The counts of (gold, answer) alone."""
    return Counter({key: count for key, count in counts.items() if key != ("sentences",)})
