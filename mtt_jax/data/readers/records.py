"""What every reader shares: places of faults, label names, and records from text and words."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.clean import Cleaned, clean, clean_with_origins
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import Task
from mtt_jax.tasks.schemes import detect_scheme, illegal_tags
from mtt_jax.types import Record, Span


class Loaded(NamedTuple):
    """The records of a file and what the user is told about them."""

    records: list[Record]
    notes: list[str]


class Place(NamedTuple):
    """A line of a file, shown as `train.csv, line 7`."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


class Tally:
    """What a reader reports: notes, and harmless faults with their count and first place."""

    def __init__(self) -> None:
        self._found: dict[str, list[Place]] = {}
        self._notes: list[str] = []

    def add(self, fault: str, place: Place) -> None:
        """Counts one fault."""
        self._found.setdefault(fault, []).append(place)

    def note(self, text: str) -> None:
        """Adds a line about something that is not a fault."""
        self._notes.append(text)

    def notes(self) -> list[str]:
        """The notes, then one line per fault."""
        return self._notes + [
            f"{places[0].file}: {len(places):,} {fault} (first: line {places[0].line})."
            for fault, places in self._found.items()
        ]


class Source(NamedTuple):
    """What a reader reads: the labels of one task, in one layout.

    Attributes:
      task: whose labels.
      fields: data.NAME of the config: columns, keys, scheme and label map.
      data: data of the config: encoding and cleaning.
      tally: where faults are counted.
    """

    task: Task
    fields: TaskDataConfig
    data: DataConfig
    tally: Tally

    @property
    def flag(self) -> str:
        """The prefix of the flags that describe this file."""
        return f"--config.data.{self.task.name}"

    def read_label(self, name: str, shown: str, place: Place) -> str:
        """The task's name of a label.

        Args:
          name: the label in the file.
          shown: how the file writes it, such as a whole tag.
          place: for the message.

        Raises:
          UserError: if the task has no such label.
        """
        label = self.fields.label_map.get(name, name)
        if label not in self.task.labels:
            known = [*self.task.labels, *(self.fields.label_map.keys() - {name})]
            what = "tag" if "tags" in self.task.reads else "label"
            raise UserError(
                f"{place}: {what} {shown!r} is not a label of task '{self.task.name}' "
                f"({', '.join(self.task.labels)}).{did_you_mean(name, known)}\n"
                f"Other labels can be mapped with {self.flag}.label_map='NAME=LABEL'."
            )
        return label

    def leave_out(self, place: Place) -> None:
        """Counts a sentence without a text, which gives no record."""
        self.tally.add("empty texts, left out", place)

    def read_value(self, value: Any, shown: str, place: Place) -> Any:
        """The label in a cell or a JSON value, None for a sentence without one.

        Raises:
          UserError: naming the place, for a value of another shape or an unknown label.
        """
        try:
            return self.task.from_value(
                value, self.fields.separator, lambda name: self.read_label(name, name, place)
            )
        except UserError:
            raise
        except ValueError as error:
            raise UserError(f"{place}: {shown} is {value!r}; {error}.") from None

    def read_spans(self, spans: Sequence[Span], place: Place) -> Any:
        """The label of a sentence whose entities are given in words.

        Raises:
          UserError: naming the place, for an unknown type.
        """
        return self.task.from_spans(
            spans, lambda name, shown, word: self.read_label(name, shown, place)
        )


def json_fault(error: Exception) -> str:
    """What is wrong with a line of JSON, for the end of a message."""
    if isinstance(error, json.JSONDecodeError):
        return f" at column {error.colno}: {error.msg}"
    return ": nested too deeply" if isinstance(error, RecursionError) else f": {error}"


def lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file."""
    try:
        decoder = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        with file.open("rb") as stream:
            if stream.read(2) in (b"\xff\xfe", b"\xfe\xff") and decoder == "utf-8-sig":
                raise UserError(f"{file}: is encoded in UTF-16; set --config.data.encoding=utf-16.")
        if "16" in decoder or "32" in decoder:  # whose line ends are not a single byte
            text = file.read_text(encoding=decoder)
            yield from enumerate(text.split("\n"), start=1)
            return
        with file.open("rb") as stream:
            for number, line in enumerate(stream, start=1):
                try:
                    yield number, line.decode(decoder if number == 1 else encoding).rstrip("\r\n")
                except UnicodeDecodeError as error:
                    raise UserError(
                        f"{file}, line {number}: byte {error.start + 1} is not {encoding}; save "
                        f"the file as {encoding} or name its encoding: "
                        "--config.data.encoding=latin-1"
                    ) from None
    except OSError as error:
        raise UserError(f"{file}: cannot be read: {error.strerror}.") from None
    except LookupError:
        raise UserError(f"config.data.encoding: unknown encoding {encoding!r}.") from None
    except UnicodeError as error:
        raise UserError(f"{file}: not {encoding}: {error}. See --config.data.encoding.") from None


def text_record(text: str, label: Any, source: Source, place: Place) -> Record | None:
    """A record of a text with a label for the whole of it, None for an empty text.

    Args:
      text: as the file gives it.
      label: of the task; None for a sentence without one.
      source: how to read.
      place: for messages.
    """
    text = clean(text) if source.data.clean else text
    if not text.strip():
        source.leave_out(place)
        return None
    if label is None:
        source.tally.add(f"sentences without a label of {source.task.name}", place)
    labels = {} if label is None else {source.task.name: label}
    return Record(text, split_words(text), labels)


def offsets_record(text: str, spans: list[Span], source: Source, place: Place) -> Record | None:
    """A record of a text with entities by character offsets, None for an empty text."""
    last_end, last = 0, ""
    for start, end, label in sorted(spans):
        what = f"{place}: entity {label} at {start}:{end}"
        if not 0 <= start < end <= len(text):
            raise UserError(
                f"{what} is outside the text, which has {len(text)} characters; offsets count "
                "characters from 0, and end is exclusive."
            )
        if start < last_end:
            raise UserError(f"{what} overlaps {last}; keep one of them.")
        for edge in (start, end):
            if 0 < edge < len(text) and text[edge - 1].isalnum() and text[edge].isalnum():
                around = text[max(0, edge - 12) : edge + 12]
                joined = split_words(text[edge - 1 : edge + 1])
                if len(joined) == 1:
                    raise UserError(
                        f"{what}, {text[start:end]!r}, cuts a word in two near {around!r}; "
                        "offsets count characters from 0 (not bytes), and end is exclusive."
                    )
        last_end, last = end, f"{label} at {start}:{end}"
    if source.data.clean:
        cleaned = clean_with_origins(text)
        spans = [Span(cleaned.moved(s.start), cleaned.moved(s.end), s.label) for s in spans]
        text = cleaned.text
    if not text.strip():
        source.leave_out(place)
        return None
    plain = split_words(text)
    words = split_words(text, [edge for span in spans for edge in span[:2]])
    if len(words) > len(plain):
        source.tally.add(
            "sentences with entities that end inside a word, such as at a hyphen; cut there", place
        )
    found = []
    for start, end, label in sorted(spans):
        inside = [i for i, (a, b) in enumerate(words) if a >= start and b <= end]
        if not inside:
            raise UserError(f"{place}: entity {label} covers no word; remove it.")
        found.append(Span(inside[0], inside[-1] + 1, label))
    return Record(text, words, {source.task.name: source.read_spans(found, place)})


class Tagged(NamedTuple):
    """A sentence that a file gives as words with a tag each.

    Attributes:
      places: of each word.
      words: as the file gives them, at least one.
      tags: one per word.
      text: the text that the words are in; None if the file has only words.
    """

    places: Sequence[Place]
    words: Sequence[str]
    tags: Sequence[str]
    text: str | None = None


def records_of(found: Sequence[Record | Tagged | None], source: Source, name: str) -> list[Record]:
    """The records of a file, in order; says which tag scheme it found.

    Args:
      found: all sentences of the file, since the scheme is detected from all tags; None for one
        that gives no record.
      source: how to read.
      name: of the file, for the notes.
    """
    tagged = [sentence for sentence in found if isinstance(sentence, Tagged)]
    scheme = _scheme(tagged, source, name) if tagged else ""
    records = (
        _tagged_record(sentence, scheme, source) if isinstance(sentence, Tagged) else sentence
        for sentence in found
    )
    return [record for record in records if record is not None]


def _scheme(sentences: Sequence[Tagged], source: Source, name: str) -> str:
    """The tag scheme of the sentences; tags that break it are counted."""
    scheme = source.fields.scheme
    if "offsets" not in source.task.reads:  # only entities are written in a scheme
        source.tally.note(f"{name}: {len(sentences):,} sentences with a tag per word.")
        return scheme
    tags = [sentence.tags for sentence in sentences]
    scheme = detect_scheme(tags).scheme if scheme == "auto" else scheme
    source.tally.note(f"{name}: {len(sentences):,} sentences, tags in scheme {scheme}.")
    for row, word in illegal_tags(tags, scheme):
        source.tally.add(
            f"tags that cannot follow the tag before them in {scheme}, read as the start of an "
            "entity",
            sentences[row].places[word],
        )
    return scheme


def _tagged_record(sentence: Tagged, scheme: str, source: Source) -> Record | None:
    text, words, kept = _words_in_text(sentence, source.data.clean)
    if not kept:
        source.leave_out(sentence.places[0])
        return None
    tags = [sentence.tags[index] for index in kept]
    places = [sentence.places[index] for index in kept]
    label = source.task.from_tags(
        tags, scheme, lambda name, shown, word: source.read_label(name, shown, places[word])
    )
    return Record(text, words, {source.task.name: label})


def _words_in_text(
    sentence: Tagged, cleaning: bool
) -> tuple[str, tuple[tuple[int, int], ...], list[int]]:
    """The text of a sentence, the offsets of its words, and which of the given words these are."""
    if sentence.text is None:
        words = [(clean(word) or word) if cleaning else word for word in sentence.words]
        words = ["".join(word.split()) or "?" for word in words]
        offsets, begin = [], 0
        for word in words:
            offsets.append((begin, begin + len(word)))
            begin += len(word) + 1
        return " ".join(words), tuple(offsets), list(range(len(words)))
    text, found, begin = sentence.text, [], 0
    for word, place in zip(sentence.words, sentence.places, strict=True):
        start = text.find(word, begin)
        if start < 0:
            raise UserError(
                f"{place}: token {word!r} is not in the text after character {begin}; tokens must "
                "be parts of the text in their order. Without a text the tokens are joined by "
                "spaces."
            )
        begin = start + len(word)
        found.append((start, begin))
    if cleaning:
        cleaned: Cleaned = clean_with_origins(text)
        text = cleaned.text
        found = [(cleaned.moved(start), cleaned.moved(end)) for start, end in found]
    kept = [index for index, (start, end) in enumerate(found) if text[start:end].strip()]
    return text, tuple(_without_spaces(text, *found[index]) for index in kept), kept


def _without_spaces(text: str, start: int, end: int) -> tuple[int, int]:
    """A word without the spaces at its ends, which some tokenizers count among its characters."""
    word = text[start:end]
    return end - len(word.lstrip()), start + len(word.rstrip())
