"""Unlabeled text: the texts of data.unlabelled, one after another, however many there are.

Encoded, they are arrays in files that are mapped into memory, so that a run holds in memory only
what it reads at the moment and, for every text, where it begins.
"""

import json
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from mtt_jax import atomic
from mtt_jax.config.schema import Config
from mtt_jax.data.encode import Encoded, ExampleSet, encode_texts, reading_of, windows
from mtt_jax.data.inputs import EMPTY_LINE, Input, open_input
from mtt_jax.data.readers import READERS, expand, head
from mtt_jax.data.readers.rows import Layout
from mtt_jax.errors import UserError
from mtt_jax.tasks import Vocabulary
from mtt_jax.tasks.ragged import part_of
from mtt_jax.types import Example, Record

FLAG = "--config.data.unlabelled"
# Texts that are encoded at once.
_CHUNK = 1000
# At most so many texts are held out, since they are read at every evaluation.
HELD_OUT = 1000


def unlabelled_texts(config: Config) -> Iterator[Record]:
    """Yields the texts of data.unlabelled as records without labels, in the order of the files.

    Files are opened one after another and read line by line, so that memory does not depend on
    their size. Empty texts are left out. Before the first text is yielded, every file has been
    recognized and its first lines have been read.

    Args:
      config: names the files, their format and encoding.

    Raises:
      UserError: naming file, line and remedy, at the call for a file that cannot be read, and
        during iteration for a line that cannot.
    """
    return _texts(unlabelled_inputs(config))


def unlabelled_inputs(config: Config) -> list[Input]:
    """The files of data.unlabelled, recognized.

    Raises:
      UserError: for one that is missing or cannot be read.
    """
    data, layout = config.data, Layout(config.data.encoding, flag=FLAG)
    try:
        return [
            open_input(path, data.unlabelled_text, data.unlabelled_format, layout)
            for path in unlabelled_files(config)
        ]
    except UserError as error:
        raise UserError(_with_own_flags(str(error))) from None


def unlabelled_files(config: Config) -> list[Path]:
    """What data.unlabelled names; of a folder in no known format, the files in it.

    Raises:
      UserError: if it names nothing, or something that is not there.
    """
    return [
        file
        for path in expand(config.data.unlabelled, FLAG)
        for file in (_files(path) if path.is_dir() else [path])
    ]


def _files(folder: Path) -> list[Path]:
    """A folder that a reader recognizes as a whole; otherwise the files in it."""
    found = head(folder)
    if any(reader.recognize(found) is not None for reader in READERS):
        return [folder]
    files = sorted(folder.rglob("*"))
    hidden = [any(part.startswith(".") for part in f.relative_to(folder).parts) for f in files]
    kept = [f for f, skip in zip(files, hidden, strict=True) if f.is_file() and not skip]
    if not any(file.stat().st_size for file in kept):
        raise UserError(f"{FLAG}: {folder}: this folder holds no text; name files.")
    return kept


def _texts(inputs: list[Input]) -> Iterator[Record]:
    try:
        for one in inputs:
            for line in one.lines():
                if line.fault and line.fault != EMPTY_LINE:
                    raise UserError(
                        f"{FLAG}: {line.place}: {line.fault} Correct the line, or leave it out."
                    )
                if line.text.strip():
                    yield Record(line.text, {}, line.place)
    except UserError as error:
        raise UserError(_with_own_flags(str(error))) from None


def _with_own_flags(message: str) -> str:
    """A message of a reader, with the flags that these files have."""
    message = re.sub(rf"{FLAG}\.(text|format)\b", rf"{FLAG}_\1", message)
    return re.sub(
        rf"(?:set )?{FLAG}\.\w+(?: to one of|=[^\s;,]+| to)?",
        "convert it with mtt convert",
        message,
    )


class Texts(ExampleSet):
    """Encoded texts without labels, mapped into memory.

    A text that is longer than the model reads is several examples, its windows without overlap.
    """

    def __getitem__(self, index: int) -> Example:
        index = range(len(self))[index]
        tokens, starts, features = (
            part_of(self.arrays, name, index) for name in ("token", "start", "feature")
        )
        # Where words are in the text matters only to answers.
        words = np.zeros((len(starts), 2), np.int32)
        return Example(np.asarray(tokens), np.asarray(starts), words, {}, np.asarray(features))


class TrainingSet(ExampleSet):
    """Sentences that may carry labels, and after them texts that do not.

    Indices of labels are those of the sentences.
    """

    def __init__(self, labelled: ExampleSet, texts: list[ExampleSet], vocabulary: Vocabulary):
        """Joins them.

        Args:
          labelled: the sentences.
          texts: further sets, in their order.
          vocabulary: of the tokenizer.
        """
        super().__init__(labelled.arrays, labelled.tasks, labelled.answers)
        self.vocabulary, self.for_teachers = vocabulary, labelled.for_teachers
        self.parts = [labelled, *texts]
        self._ends = np.cumsum([len(part) for part in self.parts])

    def __len__(self) -> int:
        return int(self._ends[-1])

    @property
    def sentences(self) -> int:
        """How many may carry labels."""
        return len(self.parts[0])

    def __getitem__(self, index: int) -> Example:
        index = range(len(self))[index]
        which = int(np.searchsorted(self._ends, index, side="right"))
        part = self.parts[which]
        return part[index - int(self._ends[which]) + len(part)]

    def lengths(self) -> np.ndarray:
        """int64 [n] subwords of each example."""
        own = super().lengths()
        return np.concatenate([own, *(part.lengths() for part in self.parts[1:])])


class Some(ExampleSet):
    """The examples of a set at some indices, without their labels."""

    def __init__(self, examples: ExampleSet, indices: np.ndarray):
        super().__init__({}, ())
        self._examples, self.indices = examples, indices

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, index: int) -> Example:
        return self._examples[int(self.indices[range(len(self))[index]])]._replace(labels={})

    def lengths(self) -> np.ndarray:
        """int64 [n] subwords of each example."""
        return self._examples.lengths()[self.indices]


def encode_unlabelled(
    folder: Path, config: Config, tokenizer: Tokenizer, known: Iterable[ExampleSet]
) -> None:
    """Encodes the texts of data.unlabelled into a folder, which appears when it is complete.

    Args:
      folder: of the arrays.
      config: names the texts; how they are read, and how many are held out.
      tokenizer: the run's.
      known: what the model is scored on; equal texts are left out.

    Raises:
      UserError: for a text that cannot be read.
    """
    scored = {part[i].tokens.tobytes() for part in known for i in range(len(part))}
    with atomic.replacing_folder(folder, "config.data.cache_dir", keep=True) as fresh:
        about = _write_arrays(fresh, config, tokenizer, scored)
        (fresh / "about.json").write_text(json.dumps(about), encoding="utf-8")


def _write_arrays(
    folder: Path, config: Config, tokenizer: Tokenizer, scored: set[bytes]
) -> dict[str, int]:
    """Writes the arrays; returns {"texts", "scored"}, how many were read and left out."""
    width = len(config.encoder.word_features)
    texts = left_out = 0
    with (
        _Growing(folder / "tokens.npy", np.int32) as tokens,
        _Growing(folder / "token_ends.npy", np.int64) as token_ends,
        _Growing(folder / "starts.npy", np.int32) as starts,
        _Growing(folder / "start_ends.npy", np.int64) as start_ends,
        _Growing(folder / "features.npy", np.uint16, (width,)) as features,
        _Growing(folder / "sources.npy", np.int64) as sources,
    ):
        found = (record.text for record in unlabelled_texts(config))
        while plain := list(islice(found, _CHUNK)):
            for encoded in encode_texts(tokenizer, plain, reading_of(config)):
                if encoded.tokens.tobytes() in scored:
                    left_out += 1
                    continue
                for window in windows([_example(encoded)], config.data.max_length, 0):
                    if not len(window.words):
                        continue
                    tokens.add(window.tokens)
                    starts.add(window.starts)
                    features.add(window.features)
                    token_ends.add(np.array([tokens.size]))
                    start_ends.add(np.array([starts.size]))
                    sources.add(np.array([texts]))
                texts += 1
    if not texts:
        raise UserError(
            f"{FLAG}: {config.data.unlabelled}: no text that is not empty; name others."
        )
    # At least one, unless it is the only one.
    count = min(max(round(config.data.dev_share * texts), 1), HELD_OUT, texts - 1)
    chosen = np.random.default_rng([config.data_seed, texts]).choice(texts, count, replace=False)
    # Of a single text none is held out, and an empty array cannot be mapped: -1 is no text.
    np.save(folder / "held_out.npy", np.sort(np.append(chosen, -1)))
    return {"texts": texts, "scored": left_out, "features": width}


def _example(encoded: Encoded) -> Example:
    return Example(encoded.tokens, encoded.starts, encoded.words, {}, encoded.features)


class _Growing:
    """An array in a .npy file that grows at its end, so that it never has to be in memory.

    Attributes:
      size: its length so far.
    """

    def __init__(self, path: Path, dtype: Any, shape: tuple[int, ...] = ()):
        self._file, self._dtype, self._shape, self.size = path.open("wb"), dtype, shape, 0
        self._header()

    def _header(self) -> None:
        # NumPy leaves room in the header for a first axis of any length.
        shape = (self.size, *self._shape)
        about = {"descr": np.dtype(self._dtype).str, "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, about)

    def add(self, values: np.ndarray) -> None:
        """Appends along the first axis."""
        self._file.write(np.ascontiguousarray(values, self._dtype).tobytes())
        self.size += len(values)

    def __enter__(self) -> "_Growing":
        return self

    def __exit__(
        self, kind: type | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.seek(0)
        self._header()
        self._file.close()


class Store(NamedTuple):
    """The texts of data.unlabelled, encoded.

    Attributes:
      train: to train on.
      held_out: to measure perplexity on.
      texts: how many, those that are held out included.
      texts_out: how many are held out.
      scored: how many were left out because dev or test has them.
    """

    train: ExampleSet
    held_out: ExampleSet
    texts: int
    texts_out: int
    scored: int


def read_unlabelled(folder: Path) -> Store:
    """Opens what `encode_unlabelled` wrote; nothing but the ends of texts is read.

    Raises:
      OSError: if a file is missing.
      ValueError: if one is damaged.
    """
    about = json.loads((folder / "about.json").read_text(encoding="utf-8"))
    arrays = {
        name: np.load(folder / f"{name}.npy", mmap_mode="r")
        for name in ("tokens", "token_ends", "starts", "start_ends", "sources", "held_out")
    }
    empty = np.zeros((len(arrays["tokens"]), 0), np.uint16)  # which no file can be mapped to
    given = np.load(folder / "features.npy", mmap_mode="r") if about["features"] else empty
    arrays |= {"features": given, "feature_ends": arrays["token_ends"]}
    texts = Texts(arrays, ())
    held_out = np.isin(arrays["sources"], arrays["held_out"])
    return Store(
        Some(texts, np.flatnonzero(~held_out)),
        Some(texts, np.flatnonzero(held_out)),
        about["texts"],
        len(arrays["held_out"]) - 1,
        about["scored"],
    )
