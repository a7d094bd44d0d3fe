"""Encoding: records to subword ids with labels by id, kept in flat arrays and on disk.

The words of a text are found here, from the text alone, for training, evaluation and prediction
alike. A word's label is on its first subword. If a sentence is longer than the model reads,
training cuts it and reports how many were cut; evaluation and prediction read it in overlapping
windows, so that every word is decided exactly once.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from tokenizers import Tokenizer

from mtt_jax.config.schema import Config
from mtt_jax.data.clean import Cleaned, as_given, clean
from mtt_jax.data.features import by_subword, feature_ids
from mtt_jax.data.words import ZERO_WIDTH_SPACE, split_words
from mtt_jax.tasks import Task, Vocabulary
from mtt_jax.tasks.ragged import part_of, ragged
from mtt_jax.types import Example, Record


class Answers(Protocol):
    """What teachers say about the examples of a split: the probabilities of each, by index."""

    def __getitem__(self, index: int) -> Mapping[str, np.ndarray]:
        """Those of one example, as `Example.teacher`."""

    @property
    def tasks(self) -> tuple[str, ...]:
        """The tasks that teachers answer."""

    def answered(self, task: str) -> np.ndarray:
        """Bool [n], whether each example has an answer of a task."""


class ExampleSet:
    """Examples of a split in flat arrays: small in memory, quick to save, indexed like a list.

    Attributes:
      arrays: name -> array, as `encode_records` lays them out; those of a task begin with its name
        and a slash.
      tasks: the tasks whose labels the arrays hold.
      vocabulary: of its subwords; None for a set from which no words are hidden.
      answers: what teachers say about each example; None without teachers.
      for_teachers: how many sentences at its end are texts that only teachers label.
    """

    vocabulary: Vocabulary | None = None
    for_teachers: int = 0

    def __init__(
        self,
        arrays: dict[str, np.ndarray],
        tasks: Sequence[Task],
        answers: "Answers | None" = None,
    ):
        self.arrays = arrays
        self.tasks = tuple(tasks)
        self.answers = answers
        self._labels = {
            task.name: {
                name.removeprefix(f"{task.name}/"): array
                for name, array in arrays.items()
                if name.startswith(f"{task.name}/")
            }
            for task in self.tasks
        }

    def __len__(self) -> int:
        return len(self.arrays["token_ends"])

    @property
    def sentences(self) -> int:
        """How many may carry labels."""
        return len(self)

    def __getitem__(self, index: int) -> Example:
        index = range(len(self))[index]
        labels = {}
        for task in self.tasks:
            label = task.example(self._labels[task.name], index)
            if label is not None:
                labels[task.name] = label
        tokens, starts, words, features = (
            part_of(self.arrays, name, index) for name in ("token", "start", "word", "feature")
        )
        teacher = self.answers[index] if self.answers else {}
        return Example(tokens, starts, words, labels, features, teacher)

    def text(self, index: int) -> str | None:
        """The text of an example, "?" for a lone surrogate; None in a set that keeps no texts."""
        if "text_ends" not in self.arrays:
            return None
        return part_of(self.arrays, "text", index).tobytes().decode("utf-8")

    def lengths(self) -> np.ndarray:
        """int64 [n] subwords of each example."""
        return np.diff(self.arrays["token_ends"], prepend=0)

    def labelled(self, task: Task) -> np.ndarray:
        """Bool [n], whether each example carries a label of `task`."""
        return task.labelled(self._labels[task.name])

    def holds(self, task: Task, part: np.ndarray) -> np.ndarray:
        """Bool [len(part), labels], which labels of `task` the examples at some indices hold."""
        return task.holds(self._labels[task.name], part)

    def gathered(
        self, task: Task, indices: np.ndarray, begins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """The labels of several examples at once; see `Task.gathered`."""
        return task.gathered(self._labels[task.name], indices, begins)

    def counts(self) -> dict[str, int]:
        """Task -> number of sentences that carry a label."""
        return {task.name: int(self.labelled(task).sum()) for task in self.tasks}

    def save(self, path: Path) -> None:
        """Writes the arrays as an .npz file."""
        arrays: dict[str, Any] = self.arrays
        np.savez(path, **arrays)

    def joined(self, other: "ExampleSet") -> "ExampleSet":
        """These examples and then those of another set, for the same tasks; without answers."""
        arrays = {}
        for name, array in self.arrays.items():
            more = other.arrays[name]
            if name.endswith("_ends"):
                more = more + (array[-1] if len(array) else 0)
            arrays[name] = np.concatenate([array, more])
        return ExampleSet(arrays, self.tasks)

    @staticmethod
    def load(path: Path, tasks: Sequence[Task]) -> "ExampleSet":
        """Reads what `save` wrote."""
        with np.load(path, allow_pickle=False) as file:
            return ExampleSet(dict(file), tasks)


class Encoded(NamedTuple):
    """A text as the model reads it.

    Attributes:
      tokens: int32 [n] subword ids with [CLS] and [SEP].
      starts: int32 [w] position of each word's first subword.
      words: int32 [w, 2] where each word begins and ends, in characters of the text as given.
      features: uint16 [n, F] ids of word features.
    """

    tokens: np.ndarray
    starts: np.ndarray
    words: np.ndarray
    features: np.ndarray


class Reading(NamedTuple):
    """How a model reads texts.

    Attributes:
      cleaning: whether HTML entities and markup become plain text first.
      features: names of its word features.
    """

    cleaning: bool
    features: tuple[str, ...] = ()


def reading_of(config: Config) -> Reading:
    """How a config's model reads texts."""
    return Reading(config.data.clean, config.encoder.word_features)


def encode_texts(tokenizer: Tokenizer, texts: Sequence[str], reading: Reading) -> Iterator[Encoded]:
    """Yields what the model reads of each text: the only path from a text to subwords and words.

    A word ends where `split_words` ends one and a subword of the next one begins, so that every
    word has a subword of its own. Characters that the tokenizer drops belong to the word they
    stand in.

    Args:
      tokenizer: puts one special token before and one after a text.
      texts: any strings.
      reading: of the model.
    """
    # Half of a surrogate pair has no bytes for the tokenizer; a "?" replaces it.
    whole = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
    cleaned = [clean(text) if reading.cleaning else as_given(text) for text in whole]
    encodings = tokenizer.encode_batch([found.text for found in cleaned])
    for text, found, encoding in zip(whole, cleaned, encodings, strict=True):
        offsets = [_past_spaces(found.text, *pair) for pair in encoding.offsets[1:-1]]
        subwords = np.array(offsets, np.int64).reshape(-1, 2)
        units = np.array(split_words(found.text), np.int64).reshape(-1, 2)
        words, first = _with_subwords(units, subwords)
        places = words if found.text == text else _in_given(words, found)
        starts = (first + 1).astype(np.int32)
        ids = feature_ids(found.text, words, reading.features)
        yield Encoded(
            np.array(encoding.ids, np.int32),
            starts,
            places.astype(np.int32),
            by_subword(ids, starts, len(encoding.ids)),
        )


def _in_given(words: np.ndarray, found: Cleaned) -> np.ndarray:
    """Offsets into the text as given, from offsets into the cleaned text."""
    starts = [found.starts[start] for start in words[:, 0]]
    ends = [found.ends[end - 1] for end in words[:, 1]]
    return np.array([starts, ends], np.int64).reshape(2, -1).T


def _past_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """Where a subword's text is: byte-level and SentencePiece subwords include the space."""
    while start < end - 1 and (text[start].isspace() or text[start] == ZERO_WIDTH_SPACE):
        start += 1
    return start, end


def _with_subwords(units: np.ndarray, subwords: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Joins a unit to the one before it if a subword that begins there covers it.

    Args:
      units: int64 [u, 2] as `split_words` finds them.
      subwords: int64 [n, 2] offsets of the subwords, without special tokens.

    Returns:
      int64 [w, 2] the words, and int64 [w] the first subword of each. A unit that no subword
      covers, because the tokenizer drops its characters, is not a word.
    """
    begins = np.maximum.accumulate(subwords[:, 0]) if len(subwords) else subwords[:, 0]
    first = np.searchsorted(begins, units[:, 0], side="left")
    own = first < len(begins)
    own[own] = begins[first[own]] < units[own, 1]
    if own.all():
        return units, first
    words: list[list[int]] = []
    kept: list[int] = []
    for (start, end), subword, has_own in zip(units, first, own, strict=True):
        if has_own:
            words.append([start, end])
            kept.append(subword)
        elif subword and subwords[subword - 1, 1] > start:
            if kept and kept[-1] <= subword - 1 and begins[subword - 1] < words[-1][1]:
                words[-1][1] = end
            else:
                words.append([start, end])
                kept.append(subword - 1)
    return np.array(words, np.int64).reshape(-1, 2), np.array(kept, np.int64)


def encode_records(
    records: Sequence[Record],
    tokenizer: Tokenizer,
    tasks: Sequence[Task],
    reading: Reading,
    texts: bool = False,
) -> ExampleSet:
    """Encodes records whole, whatever their length.

    Args:
      records: texts with labels by name.
      tokenizer: cuts words into subwords.
      tasks: whose labels to encode.
      reading: of the model.
      texts: whether to keep the texts, for a report that shows them.
    """
    encoded = list(encode_texts(tokenizer, [record.text for record in records], reading))
    words = [found.words for found in encoded]
    arrays = ragged("token", [found.tokens for found in encoded], np.int32)
    arrays |= ragged("start", [found.starts for found in encoded], np.int32)
    arrays |= ragged("word", words, np.int32)
    arrays |= ragged("feature", [found.features for found in encoded], np.uint16)
    if texts:
        kept = [record.text.encode("utf-8", "replace") for record in records]
        arrays |= ragged("text", [np.frombuffer(text, np.uint8) for text in kept], np.uint8)
    for task in tasks:
        labels = [record.labels.get(task.name) for record in records]
        encoded_labels = task.encode(labels, words)
        arrays |= {f"{task.name}/{name}": array for name, array in encoded_labels.items()}
    return ExampleSet(arrays, tasks)


def cut(example: Example, max_length: int) -> Example:
    """An example cut to `max_length` subwords, its [SEP] included.

    Words whose first subword is cut off have the start -1 and so carry no label.
    """
    if len(example.tokens) <= max_length:
        return example
    tokens = np.append(example.tokens[: max_length - 1], example.tokens[-1])
    starts = np.where(example.starts < max_length - 1, example.starts, -1)
    features = np.append(example.features[: max_length - 1], example.features[-1:], axis=0)
    return example._replace(tokens=tokens, starts=starts, features=features)


class Window(NamedTuple):
    """A part of a sentence that fits the model.

    Attributes:
      source: index of the example it is from.
      tokens: int32 [n], [CLS] and [SEP] included.
      words: int32 [v] the words that this window decides.
      starts: int32 [v] positions of their first subwords in this window.
      ends: int32 [v] the positions after their last subwords.
      share: this window's share in the answer for the whole sentence; shares sum to 1.
      features: uint16 [n, F] of its subwords.
    """

    source: int
    tokens: np.ndarray
    words: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    share: float
    features: np.ndarray


def windows(examples: Iterable[Example], max_length: int, overlap: int) -> Iterator[Window]:
    """Splits examples into windows, most of them into a single one.

    Neighbors share `overlap` subwords; a word in the shared part is decided by the window in which
    it is further from the edge.

        content    0 1 2 3 4 5 6 7 8 9
        window 0   0 1 2 3 4 5
        window 1           4 5 6 7 8 9      overlap 2
        decided    0 0 0 0 0 1 1 1 1 1
    """
    for source, example in enumerate(examples):
        ends_of = _word_ends(example)
        if len(example.tokens) <= max_length:
            words = np.flatnonzero(example.starts >= 0).astype(np.int32)
            starts, last = example.starts[words], ends_of[words]
            yield Window(source, example.tokens, words, starts, last, 1.0, example.features)
            continue
        content = example.tokens[1:-1]
        size = max_length - 2
        shared = min(overlap, size - 1)
        begins = list(range(0, len(content) - shared, size - shared))
        ends = [min(begin + size, len(content)) for begin in begins]
        middles = [(ends[i] + begins[i + 1]) // 2 for i in range(len(begins) - 1)]
        inner = example.starts - 1
        for i, (begin, end) in enumerate(zip(begins, ends, strict=True)):
            low = middles[i - 1] if i else 0
            high = middles[i] if i < len(middles) else len(content)
            words = np.flatnonzero((inner >= low) & (inner < high)).astype(np.int32)
            kept = np.r_[0, begin + 1 : end + 1, len(example.tokens) - 1]
            tokens, features = example.tokens[kept], example.features[kept]
            # A word whose last subwords lie beyond the window ends with it.
            word_ends = np.minimum(ends_of[words] - begin, len(tokens) - 1)
            share = (high - low) / len(content)
            starts = example.starts[words] - begin
            yield Window(source, tokens, words, starts, word_ends, share, features)


def _word_ends(example: Example) -> np.ndarray:
    """int32 [w] the position after each word's last subword: where the next word begins."""
    ends = np.full(len(example.starts), -1, np.int32)
    words = np.flatnonzero(example.starts >= 0)
    ends[words] = np.append(example.starts[words][1:], len(example.tokens) - 1)
    return ends
