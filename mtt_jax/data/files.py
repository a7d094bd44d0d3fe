"""Files: topics and entities from CSV, TSV, JSONL and CoNLL columns, with every fault named.

A fault that would teach the model something wrong ends the run with file, line and remedy. What
is harmless (an empty text, an illegal tag that has one sensible reading) is counted, and the
count is stated with the first place.
"""

import csv
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config import DataConfig, TaskDataConfig, parse_pairs
from mtt_jax.data.clean import clean, clean_with_origins
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import OUTSIDE, Task, detect_scheme, split_tag, tags_to_spans
from mtt_jax.types import Record, Span

_FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".conll": "conll",
    ".txt": "conll",
    ".bio": "conll",
    ".iob": "conll",
}
# News stories pasted whole fit; a quote that is never closed still ends in an error.
_LONGEST_CELL = 10_000_000


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


def read_file(
    path: str, task: Task, data: DataConfig, task_data: TaskDataConfig, flag: str
) -> Loaded:
    """Reads the records of one task.

    Args:
      path: of the file.
      task: whose labels to read.
      data: encoding and cleaning.
      task_data: format, columns, scheme and label map.
      flag: the field that names the file, for messages.

    Raises:
      UserError: naming file, line and remedy.
    """
    file = _existing(path, flag)
    kind = _format(file, task, task_data)
    tally = Tally()
    labels = LabelReader(task, task_data)
    if kind == "conll":
        loaded = _read_conll(file, labels, data, task_data, tally)
    elif kind == "jsonl":
        loaded = Loaded(list(_read_jsonl(file, labels, data, task_data, tally)), [])
    else:
        loaded = Loaded(list(_read_table(file, kind, labels, data, task_data, tally)), [])
    if not loaded.records:
        raise UserError(f"{file}: holds no sentence; expected {kind} with one or more. {flag}")
    return Loaded(loaded.records, [*loaded.notes, *tally.notes()])


def _existing(path: str, flag: str) -> Path:
    file = Path(path).expanduser()
    if file.is_dir():
        raise UserError(f"{flag}: {path} is a directory; name a file in it.")
    if not file.is_file():
        beside = file.parent.iterdir() if file.parent.is_dir() else ()
        near = did_you_mean(path, (str(Path(path).parent / other.name) for other in beside))
        raise UserError(f"{flag}: {path}: no such file.{near}")
    if not file.stat().st_size:
        raise UserError(f"{flag}: {path}: the file is empty.")
    return file


def _format(file: Path, task: Task, task_data: TaskDataConfig) -> str:
    where = f"config.data.{task.name}.format"
    kind = task_data.format
    if kind == "auto":
        if file.suffix.lower() not in _FORMATS:
            raise UserError(
                f"{file}: the ending {file.suffix!r} tells no format; set --{where}=csv, tsv, "
                "jsonl or conll."
            )
        kind = _FORMATS[file.suffix.lower()]
    allowed = ("csv", "tsv", "jsonl") if task.kind == "sentence" else ("conll", "jsonl")
    if kind not in allowed:
        raise UserError(
            f"{file}: a {task.kind} task such as '{task.name}' is read from "
            f"{', '.join(allowed)}, not from {kind}; --{where} says which the file is."
        )
    return kind


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
            known = [*self.task.labels, *self._map]
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


def _lines(file: Path, encoding: str) -> Iterator[tuple[int, str]]:
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
    except LookupError:
        raise UserError(f"config.data.encoding: {encoding!r} is no encoding Python has.") from None
    except UnicodeError as error:
        raise UserError(f"{file}: not {encoding}: {error}. See --config.data.encoding.") from None


def _text_record(text: str, data: DataConfig, labels: dict, tally: Tally, place: Place):
    """A record without entities, or None for an empty text."""
    text = clean(text) if data.clean else text
    if not text.strip():
        tally.add("empty texts, left out", place)
        return None
    return Record(text, split_words(text), labels, {})


# CSV and TSV


def _read_table(
    file: Path,
    kind: str,
    labels: LabelReader,
    data: DataConfig,
    task_data: TaskDataConfig,
    tally: Tally,
) -> Iterator[Record]:
    """Yields a record for each row of a CSV or TSV file."""
    rows = _csv_rows(file, data.encoding) if kind == "csv" else _tsv_rows(file, data.encoding)
    width, texts, label_column = 0, [], 0
    for line, row in rows:
        place = Place(file, line)
        if not width:
            width = len(row)
            names = row if task_data.header else None
            task = labels.task.name
            text_field = "text" if task_data.text == "auto" else task_data.text
            label_field = "label" if task_data.label == "auto" else task_data.label
            texts = [
                _column(part.strip(), row, names, f"config.data.{task}.text", file)
                for part in text_field.split(",")
            ]
            label_column = _column(label_field, row, names, f"config.data.{task}.label", file)
            if task_data.header:
                continue
        if len(row) != width:
            raise UserError(
                f"{place}: {len(row)} columns, but the first line has {width}; quote a text that "
                f"holds the separator ({'a comma' if kind == 'csv' else 'a tab'})."
            )
        label = row[label_column].strip()
        record = _text_record(" ".join(row[i] for i in texts), data, {}, tally, place)
        if record is None:
            continue
        if label:
            record.labels[labels.task.name] = labels.read(label, label, place)
        else:
            tally.add(f"sentences without a label of {labels.task.name}", place)
        yield record


def _csv_rows(file: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(first line, cells) of each row, quotes and line ends within them understood."""
    csv.field_size_limit(_LONGEST_CELL)
    reader = csv.reader((line + "\n" for _, line in _lines(file, encoding)), strict=True)
    while True:
        begins = reader.line_num + 1
        try:
            row = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise UserError(
                f"{file}, line {begins}: not valid CSV: {error}. A quote inside a quoted text is "
                'written twice: "".'
            ) from None
        if row:
            yield begins, row


def _tsv_rows(file: Path, encoding: str) -> Iterator[tuple[int, list[str]]]:
    """(line, cells) of each line; quotes are plain signs unless they enclose a whole cell."""
    for number, line in _lines(file, encoding):
        if line.strip():
            cells = line.split("\t")
            yield (
                number,
                [
                    cell[1:-1].replace('""', '"') if cell[:1] == '"' == cell[1:][-1:] else cell
                    for cell in cells
                ],
            )


def _column(spec: str, row: list[str], names: list[str] | None, flag: str, file: Path) -> int:
    """Index of the column that a number from 1 or a header name names."""
    if names is not None and spec in names:
        return names.index(spec)
    if spec.isdigit() and 1 <= int(spec) <= len(row):
        return int(spec) - 1
    if names is not None:
        shown = ", ".join(names)
        raise UserError(f"{file}, line 1: no column {spec!r} in {shown}; set --{flag}=...")
    task_flag = flag.rsplit(".", 1)[0]
    header = f" or, if the file begins with names, --{task_flag}.header=true"
    raise UserError(
        f"{file}, line 1: {spec!r} is no column number from 1 to {len(row)}; set --{flag}=NUMBER"
        f"{'' if spec.isdigit() else header}."
    )


# JSONL


def _read_jsonl(
    file: Path, labels: LabelReader, data: DataConfig, task_data: TaskDataConfig, tally: Tally
) -> Iterator[Record]:
    """Yields a record for each object."""
    usual = "label" if labels.task.kind == "sentence" else "entities"
    text_key = "text" if task_data.text == "auto" else task_data.text
    label_key = usual if task_data.label == "auto" else task_data.label
    for number, line in _lines(file, data.encoding):
        if not line.strip():
            continue
        place = Place(file, number)
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise UserError(
                f"{place}: not valid JSON at column {error.colno}: {error.msg}. JSONL has one "
                "whole object a line."
            ) from None
        if not isinstance(row, dict):
            raise UserError(f'{place}: expected an object, as {{"text": ...}}, got {line[:40]}')
        text = row.get(text_key)
        if not isinstance(text, str):
            what = "is missing" if text_key not in row else f"is {text!r}, no string"
            raise UserError(
                f"{place}: the key {text_key!r} {what}.{did_you_mean(text_key, row)} Another key "
                f"is named by --config.data.{labels.task.name}.text."
            )
        value = row.get(label_key)
        name = labels.task.name
        if value is None:
            tally.add(f"sentences without a label of {name}", place)
            record = _text_record(text, data, {}, tally, place)
        elif labels.task.kind == "token":
            record = offsets_record(
                text, _spans(value, label_key, place), labels, data, tally, place
            )
        elif isinstance(value, (str, int)):
            label = labels.read(str(value), str(value), place)
            record = _text_record(text, data, {name: label}, tally, place)
        else:
            raise UserError(f"{place}: {label_key!r} is {value!r}; expected a label as a string.")
        if record:
            yield record


def _spans(value: Any, key: str, place: Place) -> list[Span]:
    """Entities with character offsets from JSON."""
    if not isinstance(value, list):
        raise UserError(f"{place}: {key!r} is {value!r}; expected a list, [] for none.")
    spans = []
    for item in value:
        good = isinstance(item, dict) and all(
            type(item.get(name)) is kind
            for name, kind in (("start", int), ("end", int), ("label", str))
        )
        if not good:
            raise UserError(
                f"{place}: entity {json.dumps(item, ensure_ascii=False)}: expected "
                '{"start": 0, "end": 5, "label": "PER"} with whole numbers.'
            )
        spans.append(Span(item["start"], item["end"], item["label"]))
    return spans


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


# CoNLL columns


class _Sentence(NamedTuple):
    """Words and tags of one sentence, and the line of its first word."""

    line: int
    words: list[str]
    tags: list[str]


def _read_conll(
    file: Path, labels: LabelReader, data: DataConfig, task_data: TaskDataConfig, tally: Tally
) -> Loaded:
    """Reads sentences of a word a line, ended by an empty line."""
    sentences = list(_conll_sentences(file, data, task_data, labels.task.name))
    report = detect_scheme(sentence.tags for sentence in sentences)
    scheme = report.scheme if task_data.scheme == "auto" else task_data.scheme
    notes = [f"{file}: {len(sentences):,} sentences, tags in scheme {scheme}."]
    if scheme == report.scheme:
        for row, word in report.illegal:
            tally.add(
                f"tags that cannot follow the tag before them in {scheme}, read as the start of "
                "an entity",
                Place(file, sentences[row].line + word),
            )
    records = []
    for sentence in sentences:
        place = Place(file, sentence.line)
        words = [(clean(word) or word) if data.clean else word for word in sentence.words]
        words = ["".join(word.split()) or "?" for word in words]
        places = [place._replace(line=place.line + i) for i in range(len(words))]
        records.append(words_record(words, sentence.tags, scheme, labels, places))
    return Loaded(records, notes)


def _conll_sentences(
    file: Path, data: DataConfig, task_data: TaskDataConfig, task: str
) -> Iterator[_Sentence]:
    """Yields the sentences of a file; -DOCSTART- lines and comments are left out."""
    width, first = 0, 0
    words: list[str] = []
    tags: list[str] = []
    for number, line in _lines(file, data.encoding):
        cells = line.split("\t") if "\t" in line else line.split()
        if not line.strip() or cells[0] == "-DOCSTART-":
            if words:
                yield _Sentence(number - len(words), words, tags)
            words, tags = [], []
            continue
        if not words and line.startswith("# ") and len(cells) != width:
            continue
        place = f"{file}, line {number}"
        if not width:
            width, first = len(cells), number
            if width < 2:
                raise UserError(f"{place}: one column; expected a word and a tag, as 'Oslo B-LOC'.")
        if len(cells) != width:
            raise UserError(
                f"{place}: {len(cells)} columns, but line {first} has {width}; columns are "
                "divided by tabs, or by blanks where a line has no tab."
            )
        word_column = _conll_column(str(task_data.word), width, f"config.data.{task}.word", place)
        spec = "-1" if task_data.label == "auto" else task_data.label
        tag_column = _conll_column(spec, width, f"config.data.{task}.label", place)
        words.append(cells[word_column])
        tags.append(cells[tag_column].strip())
    if words:
        yield _Sentence(number - len(words) + 1, words, tags)


def _conll_column(spec: str, width: int, flag: str, place: str) -> int:
    """Index of a column given from 1, or from the end as -1."""
    number = int(spec) if spec.removeprefix("-").isdigit() else 0
    if not 1 <= abs(number) <= width:
        raise UserError(
            f"{place}: {spec!r} is no column of {width}; set --{flag} to a number from 1 to "
            f"{width}, or -1 for the last."
        )
    return number - 1 if number > 0 else width + number


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


# Splits


def hold_out(
    records: Sequence[Record], share: float, seed: int
) -> tuple[list[Record], list[Record]]:
    """Divides records into (train, dev) by a checksum of seed and text.

    The same text goes to the same side wherever and however often it stands, so that a duplicate
    never leaks from train into dev, and adding data moves no sentence that was there.
    """
    texts = {record.text for record in records}
    ranked = sorted(texts, key=lambda text: hashlib.sha256(f"{seed} {text}".encode()).digest())
    wanted = set(ranked[: max(1, round(share * len(texts)))])
    train = [record for record in records if record.text not in wanted]
    return train, [record for record in records if record.text in wanted]
