"""Records: texts with the labels of one task, checked and cleaned as every source needs it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from mtt_jax.config.resolve import parse_pairs
from mtt_jax.config.schema import DataConfig, TaskDataConfig
from mtt_jax.data.clean import clean, clean_with_origins
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks.schemes import OUTSIDE, Task, split_tag, tags_to_spans
from mtt_jax.types import Record, Span


class Loaded(NamedTuple):
    """Records of a file and what is to be said about them."""

    records: list[Record]
    notes: list[str]


class Place(NamedTuple):
    """Where something stands, as `train.csv, line 7`."""

    file: Path
    line: int

    def __str__(self) -> str:
        return f"{self.file}, line {self.line}"


class Tally:
    """Harmless faults: how many of each kind, and where the first was."""

    def __init__(self) -> None:
        self._found: dict[str, list[Place]] = {}

    def add(self, kind: str, place: Place) -> None:
        """Counts one."""
        self._found.setdefault(kind, []).append(place)

    def notes(self) -> list[str]:
        """A line for each kind."""
        return [
            f"{places[0].file}: {len(places):,} {kind} (first: line {places[0].line})."
            for kind, places in self._found.items()
        ]


class LabelReader:
    """The labels of one task as its data writes them."""

    def __init__(self, task: Task, task_data: TaskDataConfig):
        self.task = task
        self.flag = f"--config.data.{task.name}.label_map"
        self._map = parse_pairs(task_data.label_map, self.flag.removeprefix("--"))
        self._known = set(task.labels)

    def read(self, label: str, shown: str, place: Place) -> str:
        """The task's name of a label; `shown` is how the file writes it."""
        name = self._map.get(label, label)
        if name not in self._known:
            known = [*self.task.labels, *(self._map.keys() - {label})]
            options = ", ".join(self.task.labels)
            what = "tag" if self.task.kind == "token" else "label"
            raise UserError(
                f"{place}: {what} {shown!r} is not a label of task '{self.task.name}' "
                f"({options}).{did_you_mean(label, known)}\n"
                f"Other labels can be mapped: {self.flag}='{label or 'NAME'}={self.task.labels[0]}'"
            )
        return name

    def keep(self, spans: Sequence[Span], places: Sequence[Place]) -> tuple[Span, ...]:
        """Entities under the task's names; a type that is mapped to O is dropped."""
        named = [
            Span(span.start, span.end, self.read(span.label, span.label, place))
            for span, place in zip(spans, places, strict=True)
        ]
        return tuple(span for span in named if span.label != OUTSIDE)


def json_fault(error: Exception) -> str:
    """What is wrong with a line of JSON: its place and kind, or what no parser takes."""
    if isinstance(error, json.JSONDecodeError):
        return f" at column {error.colno}: {error.msg}"
    return ": nested too deep" if isinstance(error, RecursionError) else f": {error}"


def lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
    """(number from 1, line without its end) of a text file."""
    try:
        decoder = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
        with file.open("rb") as stream:
            if stream.read(2) in (b"\xff\xfe", b"\xfe\xff") and decoder == "utf-8-sig":
                raise UserError(f"{file}: is UTF-16; set --config.data.encoding=utf-16.")
        if "16" in decoder or "32" in decoder:  # whose line ends are no single byte
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
        raise UserError(f"config.data.encoding: {encoding!r} is no encoding Python has.") from None
    except UnicodeError as error:
        raise UserError(f"{file}: not {encoding}: {error}. See --config.data.encoding.") from None


def text_record(text: str, data: DataConfig, labels: dict, tally: Tally, place: Place):
    """A record without entities, or None for an empty text."""
    text = clean(text) if data.clean else text
    if not text.strip():
        tally.add("empty texts, left out", place)
        return None
    return Record(text, split_words(text), labels, {})


def offsets_record(
    text: str, spans: list[Span], labels: LabelReader, data: DataConfig, tally: Tally, place: Place
) -> Record | None:
    """A record of a text whose entities are given by character offsets; None if it is empty."""
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
    cleaned = clean_with_origins(text) if data.clean else None
    if cleaned:
        spans = [Span(cleaned.moved(s.start), cleaned.moved(s.end), s.label) for s in spans]
        text = cleaned.text
    if not text.strip():
        tally.add("empty texts, left out", place)
        return None
    plain = split_words(text)
    words = split_words(text, [edge for span in spans for edge in span[:2]])
    if len(words) > len(plain):
        tally.add("entities that end inside a word, at a hyphen or the like; cut there", place)
    found = []
    for start, end, label in sorted(spans):
        inside = [i for i, (a, b) in enumerate(words) if a >= start and b <= end]
        if not inside:
            raise UserError(f"{place}: entity {label} covers no word; remove it.")
        found.append(Span(inside[0], inside[-1] + 1, label))
    kept = labels.keep(found, [place] * len(found))
    return Record(text, words, {}, {labels.task.name: kept})


def words_record(
    words: Sequence[str],
    tags: Sequence[str],
    scheme: str,
    labels: LabelReader,
    places: Sequence[Place],
) -> Record:
    """A record of words that are divided already, and a tag and a place for each."""
    for tag, place in zip(tags, places, strict=True):
        labels.read(tag if scheme == "io" else split_tag(tag)[1], tag, place)
    spans = tags_to_spans(tags, scheme)
    offsets, begin = [], 0
    for word in words:
        offsets.append((begin, begin + len(word)))
        begin += len(word) + 1
    kept = labels.keep(spans, [places[span.start] for span in spans])
    return Record(" ".join(words), tuple(offsets), {}, {labels.task.name: kept})
