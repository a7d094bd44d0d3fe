"""Labels: from the rows of a file to the records of one task.

A task whose labels are not known yet (`task.labels` is empty) takes every name: `Loaded.labels`
counts them, and the records carry them as the file has them.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.config.schema import TaskDataConfig
from mtt_jax.data.readers.fields import (
    Where,
    is_tags,
    keys_of,
    label_keys,
    no_label,
    remaining_text,
    text_keys,
)
from mtt_jax.data.readers.objects import WORDS, list_in
from mtt_jax.data.readers.offsets import (
    Annotated,
    check_unit,
    entities_of,
    lengthened,
    spans_of,
)
from mtt_jax.data.readers.rows import Place, Row
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import Task
from mtt_jax.tasks.schemes import OUTSIDE, Tagging, illegal_tags, read_tagging
from mtt_jax.types import Record, Span

# The id of a subword that has no label, in data that were tokenized for transformers.
_NO_LABEL = -100
# How many rows decide where text and label are.
_SAMPLE = 1000
_SURROGATE = re.compile("[\ud800-\udfff]")
# Two tags in one: what divides them, and each of them.
_STACKED, _ONE_TAG = re.compile("[|,;/+&#]"), re.compile("O|[BIESLUM][-_:–—].+")
# What the type of an entity looks like: it ends with no mark of a sentence, and is no markup.
_TYPE = re.compile(r"[^<>]*\w[^<>.!?,;:]*")


class Loaded(NamedTuple):
    """The records of one task and what the user is told about them.

    Attributes:
      records: in the order of the files.
      notes: a line per file and per harmless fault.
      labels: name -> how often the task's label holds it.
      faults: harmless fault -> where it is.
    """

    records: list[Record]
    notes: list[str]
    labels: Mapping[str, int] = {}  # noqa: RUF012  never changed
    faults: Mapping[str, Sequence[Place]] = {}  # noqa: RUF012  never changed


class Tally:
    """What a reader reports: notes, and harmless faults with their places.

    Attributes:
      faults: fault -> where it is.
    """

    def __init__(self) -> None:
        self.faults: dict[str, list[Place]] = {}
        self._notes: list[str] = []

    def add(self, fault: str, place: Place) -> None:
        """Counts one fault."""
        self.faults.setdefault(fault, []).append(place)

    def note(self, text: str) -> None:
        """Adds a line about something that is not a fault."""
        self._notes.append(text)

    def notes(self) -> list[str]:
        """The notes, then one line per fault."""
        return self._notes + [
            f"{places[0].file}: {len(places):,} {fault}"
            + (f" (first: {places[0].unit} {places[0].line})." if places[0].line else ".")
            for fault, places in self.faults.items()
        ]

    def recognized(self) -> list[str]:
        """The notes without the faults."""
        return list(self._notes)


class Source:
    """What is read for: one task and the fields that say how its labels are written.

    Attributes:
      task: whose labels.
      fields: data.NAME of the config: keys, scheme, names and label map.
      tally: where harmless faults are counted.
      unknown: where labels that the task does not have are collected; `check` reports them.
      labels: name -> how often the task's labels hold it.
    """

    def __init__(
        self,
        task: Task,
        fields: TaskDataConfig,
        unknown: Unknown | None = None,
        faults: list[UserError] | None = None,
    ):
        self.task, self.fields = task, fields
        self._faults = faults
        self.tally = Tally()
        self.unknown = unknown or Unknown()
        self.labels: Counter[str] = Counter()
        self._missing: dict[str, int] = {}

    def tried(self, work: Callable[[], Any]) -> Any:
        """What `work` returns; None if it raises a fault and faults are collected.

        Raises:
          UserError: the fault, if they are not.
        """
        try:
            return work()
        except UserError as error:
            if self._faults is None:
                raise
            self._faults.append(error)
            return None

    @property
    def flag(self) -> str:
        """The prefix of the flags that describe this file."""
        return f"--config.data.{self.task.name}"

    @property
    def known(self) -> frozenset[str]:
        """The names that labels may have in a file."""
        return frozenset((*self.task.labels, *self.fields.label_map))

    def check(self) -> None:
        """Ends the run if there were labels that the task does not have.

        Raises:
          UserError: with all of them.
        """
        self.unknown.check(self.task.labels, self.task.name, self.fields.label_map)

    def read_label(self, name: str, shown: str, place: Place) -> str:
        """The task's name of a label; one that it does not have is remembered and returned.

        Args:
          name: the label in the file.
          shown: how the file writes it, such as a whole tag.
          place: of it.
        """
        label = self.fields.label_map.get(name, name)
        if self.task.labels and label not in self.task.labels:
            self.unknown.add(name, shown, place)
            self._missing[name] = self._missing.get(name, 0) + 1
        return label

    def _counted(self, label: Any) -> Any:
        """A label of the task, its names counted."""
        names = Counter(self.task.names(label)) if label is not None else Counter()
        self.labels.update(names)
        for name, calls in self._missing.items():
            self.unknown.count(name, names.get(self.fields.label_map.get(name, name)) or calls)
        if not self._missing and label is not None:
            self.unknown.known()
        self._missing = {}
        return label

    def read_value(self, value: Any, shown: str, place: Place) -> Any:
        """The label in a cell or a JSON value, None for a sentence without one.

        Raises:
          UserError: naming the place, for a value of another shape.
        """
        try:
            return self._counted(
                self.task.from_value(
                    self._plain(value),
                    self.fields.separator,
                    lambda name: self.read_label(name, name, place),
                )
            )
        except UserError:
            raise
        except ValueError as error:
            if self._missing:  # which explains it
                return self._counted(None)
            raise UserError(f"{place}: {shown} is {value!r}; {error}.") from None

    def read_spans(self, spans: Sequence[Span], place: Place) -> Any:
        """The label of a sentence whose entities are given in characters."""
        return self._counted(
            self.task.from_spans(
                spans, lambda name, shown, index: self.read_label(name, shown, place)
            )
        )

    def read_tags(
        self,
        tags: Sequence[str],
        words: Sequence[tuple[int, int]],
        tagging: Tagging,
        places: Sequence[Place],
    ) -> Any:
        """The label of a sentence with a tag for each word."""
        plain = [tagging.plain.get(tag, tag) for tag in tags]
        return self._counted(
            self.task.from_tags(
                plain,
                words,
                tagging.read_as,
                lambda name, shown, index: self.read_label(name, tags[index], places[index]),
            )
        )

    def _plain(self, value: Any) -> Any:
        """A value as `Task.from_value` takes it: numbers named, one label out of its list."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        one = "columns" not in self.task.reads
        if one and isinstance(value, bool):
            value = self._boolean(value)
        if isinstance(value, str):
            value = list_in(value)
        if isinstance(value, list):
            value = [self.named(item) for item in value]
        if one and isinstance(value, list) and len(value) == 1:
            value = value[0]
        if one and isinstance(value, Mapping) and all(x in (0, 1) for x in value.values()):
            value = self._only(value)
        return self.named(value)

    def _boolean(self, value: bool) -> str:
        """The name of true or false: as the config spells it, or as JSON does."""
        if len(self.fields.names) == 2:
            return self.fields.names[value]
        name = str(value).lower()
        return next((known for known in self.known if known.lower() == name), name)

    def _only(self, cats: Mapping[str, float]) -> str:
        """The one class of several with 1 in it; "" if all have 0."""
        chosen = [name for name, flag in cats.items() if flag == 1]
        if len(chosen) > 1:
            raise ValueError(f"expected 1 for one class, got it for {len(chosen)}")
        return chosen[0] if chosen else ""

    def named(self, value: Any) -> Any:
        """The name of a number, if the config gives names; other values as they are.

        Raises:
          ValueError: for a number without a name.
        """
        names = self.fields.names
        number = value if type(value) is int else None
        if isinstance(value, str) and re.fullmatch("-?[0-9]{1,9}", value.strip()):
            number = int(value)
        if not names or number is None:
            return value
        if not 0 <= number < len(names):
            raise ValueError(
                f"{number} has no name; {self.flag}.names has {len(names)}, for 0 to "
                f"{len(names) - 1}"
            )
        return names[number]


class _Sentence(NamedTuple):
    """A text whose label is read once all are known: its tags, or its entities."""

    annotated: Annotated
    words: Sequence[tuple[int, int]] = ()
    tags: Sequence[str] | None = None
    places: Sequence[Place] = ()


def records_of(rows: Iterable[Row], source: Source, file: Path, description: str) -> list[Record]:
    """The records of a file, in order; adds to the notes what was read from where.

    Args:
      rows: of the file.
      source: the task, and how its labels are written.
      file: for messages.
      description: of the file's format, for the notes.

    Raises:
      UserError: for a fault in the file.
    """
    rows = iter(rows)
    first = list(islice(rows, _SAMPLE))
    full = [row for row in first if row.fields or row.text is not None]
    if not full:
        for row in first:
            _count_faults(row, source)
        return []
    where, first = _where(full, first, rows, source)
    keys = text_keys(full, source.fields.text, f"{source.flag}.text")
    if not keys and full[0].text is None and not any(row.tokens for row in full):
        keys = remaining_text(full, where, f"{source.flag}.text")
    if full[0].tokens is None and "1" in full[0].fields:
        source.unknown.begins(full[0].place)
    found: list[Record | _Sentence] = []
    for row in chain(first, rows):
        _count_faults(row, source)
        if row.fields or row.text is not None:
            read = source.tried(partial(_read, row, keys, where, source))
            if read is not None:
                found.append(read)
    tagging = _tagging(found, source)
    inclusive = source.tried(partial(_check_offsets, found, source)) or ""
    if inclusive:
        found = [_lengthened(item) for item in found]
    finished = [
        item
        if isinstance(item, Record)
        else source.tried(partial(_finished, item, tagging, source))
        for item in found
    ]
    records = [record for record in finished if record is not None]
    ends = f", whose ends are read as inclusive ({inclusive})" if inclusive else ""
    source.tally.note(_note(file, len(records), description, f"{where}{ends}", tagging, source))
    return records


def _where(
    full: Sequence[Row], first: list[Row], rest: Iterable[Row], source: Source
) -> tuple[Where, list[Row]]:
    """Where the labels are, and the rows that had to be read to tell."""
    flag, spec = f"{source.flag}.label", source.fields.label
    try:
        found = label_keys(full, source.task, spec, source.known, flag)
    except UserError:
        found = None
    if found is None:  # the first that has it may be far down
        first = [*first, *rest]
        full = [row for row in first if row.fields or row.text is not None]
        found = label_keys(full, source.task, spec, source.known, flag)
    if found is None:
        raise no_label(full, source.task, flag)
    return found, first


def _count_faults(row: Row, source: Source) -> None:
    for fault in row.faults:
        source.tally.add(fault, row.place)


def _note(
    file: Path, count: int, description: str, where: str, tagging: Tagging | None, source: Source
) -> str:
    what = "entities" if "offsets" in source.task.reads else "labels"
    what = "tags" if source.task.reads == {"tags"} else what
    scheme = f", tags in scheme {tagging.scheme}" if tagging and what == "entities" else ""
    return f"{file}: {count:,} texts, {description}, {what} from {where}{scheme}."


# One row


def _read(
    row: Row, keys: tuple[str, ...], where: Where, source: Source
) -> Record | _Sentence | None:
    """The record of a row, or the sentence that becomes one; None for an empty text."""
    text, words = text_of(row, keys, source.fields.text, f"{source.flag}.text")
    if not text.strip():
        source.tally.add("empty texts, left out", row.place)
        return None
    value = where.value(row)
    reads, shown = source.task.reads, str(where)
    if "tags" in reads and value is not None and _has_tags(value, row, reads):
        return _tagged(row, text, words, value, shown, source)
    if "offsets" in reads and value is not None:
        found = entities_of(value, where.keys[0], row.place, text)
        return _Sentence(Annotated(row.place, text, found), words or ())
    label = None
    if value == [] and "columns" not in reads:
        value = None  # as doccano writes a text without a class
    if "value" in reads and value is not None:
        value = _stripped(value)
        cats = isinstance(value, dict) and all(flag in (0, 1) for flag in value.values())
        if cats and not where.names and "columns" in reads:
            # An object of classes, as spaCy's cats, may leave out those that do not apply.
            named = {source.fields.label_map.get(name, name) for name in value}
            value |= {name: 0 for name in source.task.labels if name not in named}
        label = source.read_value(value, shown, row.place)
        if label is not None and isinstance(value, str) and source.task.is_empty(label):
            source.tally.add(f"empty cells, read as no label of {source.task.name}", row.place)
    elif value is not None:
        raise UserError(
            f"{row.place}: {shown} is {value!r}; expected one tag per token, with the key "
            "'tokens' holding the list of tokens."
        )
    if label is None:
        source.tally.add(f"sentences without a label of {source.task.name}", row.place)
        return Record(text, {}, str(row.place))
    return Record(text, {source.task.name: label}, str(row.place))


def _stripped(value: Any) -> Any:
    """A value without spaces around it, whole numbers as such; so are those of a mapping."""
    if isinstance(value, dict):
        return {name: _stripped(item) for name, item in value.items()}
    value = int(value) if isinstance(value, float) and value.is_integer() else value
    return value.strip() if isinstance(value, str) else value


def _has_tags(value: Any, row: Row, reads: frozenset[str]) -> bool:
    """Whether a label is one tag per token rather than a list of entities."""
    if "offsets" not in reads:
        return isinstance(value, list)
    return is_tags(value, row) and bool(value)


def _tagged(
    row: Row,
    text: str,
    words: Sequence[tuple[int, int]] | None,
    tags: Sequence[Any],
    shown: str,
    source: Source,
) -> _Sentence:
    """A sentence with a tag per token; tokens that are empty are left out with their tags."""
    if row.tokens is None or words is None:
        raise UserError(
            f"{row.place}: the key 'tokens' is missing or not a list of strings; {shown} holds one "
            "tag per token."
        )
    if len(tags) != len(row.tokens):
        raise UserError(f"{row.place}: {len(row.tokens)} tokens, but {len(tags)} tags in {shown}.")
    wrong = [tag for tag in tags if isinstance(tag, bool) or not isinstance(tag, (str, int))]
    if wrong:
        raise UserError(f"{row.place}: {shown} holds {wrong[0]!r}; expected tags as strings.")
    if _NO_LABEL in tags or str(_NO_LABEL) in tags:
        raise UserError(
            f"{row.place}: {shown} holds {_NO_LABEL}, with which Hugging Face marks pieces of "
            "words and special tokens that have no label: the file was made for one tokenizer. "
            "Name the data set as it was before tokenization, with a tag for every word."
        )
    names = source.fields.names
    must_have = source.task.labels or "offsets" in source.task.reads  # types are never numbers
    if not names and must_have and all(type(tag) is int for tag in tags):
        numbers = {str(tag) for tag in tags} - source.known
        if numbers:
            raise UserError(
                f"{row.place}: {shown} holds numbers, such as {min(numbers)}; say which tags they "
                f"stand for, in their order from 0: {source.flag}.names=O,B-PER,I-PER,..."
            )
    try:
        tags = [str(source.named(tag)) for tag in tags]
    except ValueError as error:
        raise UserError(f"{row.place}: {shown}: {error}.") from None
    places = row.token_places or [row.place] * len(tags)
    if "offsets" in source.task.reads:  # a tag that is left out means O, and is more likely lost
        for (start, end), tag, place in zip(words, tags, places, strict=True):
            if start < end and not tag.strip():
                raise UserError(f"{place}: the token {text[start:end]!r} has no tag; write O.")
    kept = [index for index, (start, end) in enumerate(words) if start < end]
    for _ in range(len(words) - len(kept)):
        source.tally.add("empty tokens, left out", row.place)
    return _Sentence(
        Annotated(row.place, text, ()),
        [words[index] for index in kept],
        [tags[index].strip() for index in kept],
        [places[index] for index in kept],
    )


def text_of(
    row: Row, keys: tuple[str, ...], spec: str, flag: str
) -> tuple[str, Sequence[tuple[int, int]] | None]:
    """The text of a row, and where its tokens are in it; an empty token is a place without end.

    Args:
      row: of a file.
      keys: as returned by `fields.text_keys` for the file.
      spec: of the config, "auto" if the keys were recognized.
      flag: that sets it, for messages.

    Raises:
      UserError: if there is none, or one that cannot be written as UTF-8.
    """
    text = row.text
    if keys:
        auto = spec == "auto" and row.tokens is not None
        parts = [row.fields.get(key) for key in keys]
        text = None if auto and parts == [None] else " ".join(map(_part(row, keys, flag), keys))
    if text is None and row.tokens is None:
        if any(row.fields.get(name) == [] for name in WORDS):
            return "", None
        raise UserError(f"{row.place}: has no text. Say where it is with {flag}=...")
    if text is None:
        text, words = _joined(row.tokens or ())
    else:
        given = row.offsets if row.offsets and not keys else _aligned(row, text)
        words = [_trimmed(text, start, end) for start, end in given]
    if _SURROGATE.search(text):
        raise UserError(
            f"{row.place}: the text holds half of a surrogate pair, such as \\ud83d alone; the "
            "program that wrote it cut a text inside an emoji. Remove it."
        )
    return text, (None if row.tokens is None else words)


def _part(row: Row, keys: tuple[str, ...], flag: str) -> Callable[[str], str]:
    """The function from a key to the text that a row has there."""

    def text_in(key: str) -> str:
        value = row.fields.get(key)
        if isinstance(value, str):
            return value
        if isinstance(value, list) and value and all(isinstance(x, str) for x in value):
            return " ".join(value)
        if len(keys) > 1 and value is None and key in row.fields:
            return ""  # one of several parts, such as a title
        what = "is missing" if key not in row.fields else f"is {value!r}, not a string"
        near = "" if key in row.fields else did_you_mean(key, keys_of([row]))
        raise UserError(
            f"{row.place}: the key {key!r} {what}.{near} Name another key with {flag}=..."
        )

    return text_in


def _joined(tokens: Sequence[str]) -> tuple[str, list[tuple[int, int]]]:
    """Tokens joined by spaces, and their places; one that is empty takes none."""
    parts: list[str] = []
    words: list[tuple[int, int]] = []
    at = 0
    for token in tokens:
        plain = token.strip()
        if not plain:
            words.append((at, at))
            continue
        at += bool(parts)
        words.append((at, at + len(plain)))
        parts.append(plain)
        at += len(plain)
    return " ".join(parts), words


def _aligned(row: Row, text: str) -> list[tuple[int, int]]:
    """The places of tokens in a text that contains them in their order.

    Raises:
      UserError: for a token that is not there.
    """
    words, at = [], 0
    places = row.token_places or [row.place] * len(row.tokens or ())
    for token, place in zip(row.tokens or (), places, strict=True):
        start = text.find(token, at)
        if start < 0 and token.strip():
            start, token = text.find(token.strip(), at), token.strip()
        if start < 0 and token:
            raise UserError(
                f"{place}: token {token!r} is not in the text after character {at}; tokens must be "
                "parts of the text in their order. Without a text the tokens are joined by spaces."
            )
        at = max(start, at) + len(token)
        words.append((at - len(token), at))
    return words


def _trimmed(text: str, start: int, end: int) -> tuple[int, int]:
    """A word without the spaces at its ends, which some tokenizers count among its characters."""
    word = text[start:end]
    if not word.strip():
        return start, start
    return end - len(word.lstrip()), start + len(word.rstrip())


# All rows


def _tagging(found: Sequence[Record | _Sentence], source: Source) -> Tagging | None:
    """How the tags of a file are written, None if it has none; those that break it are counted."""
    tagged = [s for s in found if isinstance(s, _Sentence) and s.tags is not None]
    if not tagged:
        return None
    if "offsets" not in source.task.reads:  # only entities are written in a scheme
        return Tagging("io", {})
    tags = [sentence.tags or () for sentence in tagged]
    source.tried(partial(_need_one_tag, tagged, source))
    tagging = read_tagging(tags, source.fields.scheme, source.known)
    if tagging.scheme == "io" and "auto" == source.fields.scheme == source.fields.label:
        source.tried(partial(_need_types, tagged, tagging, source))
    plain = [[tagging.plain.get(tag, tag) for tag in row] for row in tags]
    for row, word in illegal_tags(plain, tagging.read_as):
        source.tally.add(
            f"tags that cannot follow the tag before them in {tagging.scheme}, read as the start "
            "of an entity",
            tagged[row].places[word],
        )
    return tagging


def _need_one_tag(tagged: Sequence[_Sentence], source: Source) -> None:
    """Refuses two tags in one, as `B-PER|B-LOC`, of entities that overlap.

    Raises:
      UserError: for the first.
    """
    tags = dict.fromkeys(tag for sentence in tagged for tag in sentence.tags or ())
    for tag in tags:
        parts = _STACKED.split(tag)
        listed = tag in source.known or tag[2:] in source.known
        if len(parts) > 1 and all(map(_ONE_TAG.fullmatch, parts)) and not listed:
            place = next(
                place
                for sentence in tagged
                for other, place in zip(sentence.tags or (), sentence.places, strict=True)
                if other == tag
            )
            raise UserError(
                f"{place}: the tag {tag!r} is {len(parts)} tags in one, of entities that overlap, "
                "and a word has one tag; keep one of them, or write each in a column of its own "
                f"and name the one to read with {source.flag}.label=..."
            )


def _need_types(tagged: Sequence[_Sentence], tagging: Tagging, source: Source) -> None:
    """Refuses words of texts that are taken for types: every word has one, and most differ.

    Raises:
      UserError: with the layouts in which entities are read.
    """
    tags = Counter(tagging.plain.get(tag, tag) for s in tagged for tag in s.tags or ())
    if source.task.labels or OUTSIDE in tags:
        return
    odd = sum(count for tag, count in tags.items() if not _TYPE.fullmatch(tag))
    if all(map(str.isupper, tags)) and not all(s.annotated.text.isupper() for s in tagged):
        return  # as types are written
    if 2 * len(tags) > tags.total() > 1 or 2 * odd > tags.total():
        shown = ", ".join(repr(tag) for tag in list(tags)[:3])
        raise UserError(
            f"{tagged[0].annotated.place}: every word has a tag, and none is O, such as {shown}: "
            "these are words rather than types of entities. Entities are read from a word and its "
            "tag per line, as in 'Oslo B-LOC', and in other layouts of docs/formats.md; if they "
            f"are types, name their column with {source.flag}.label=..."
        )


def _check_offsets(found: Sequence[Record | _Sentence], source: Source) -> str:
    """Why the ends of entities are to be read as inclusive; "" for exclusive ones."""
    if source.fields.offsets != "characters":
        return ""
    _check_words(found)
    given = [s.annotated for s in found if isinstance(s, _Sentence) and s.tags is None]
    return check_unit(given, source.flag) if given else ""


def _lengthened(item: Record | _Sentence) -> Record | _Sentence:
    if isinstance(item, Record) or item.tags is not None:
        return item
    return item._replace(annotated=lengthened(item.annotated))


def _check_words(found: Sequence[Record | _Sentence]) -> None:
    """Refuses entities that are given by the numbers of words, which data sets with tokens do.

    They are if none is beyond the last word of its text, and most cut words if read as characters.
    """
    first, cut, total = None, 0, 0
    for one in found:
        if isinstance(one, Record) or one.tags is not None or not one.words:
            continue
        starts, ends = {start for start, _ in one.words}, {end for _, end in one.words}
        for start, end, _ in (entity.span for entity in one.annotated.entities):
            if end > len(one.words):
                return
            first = first or one.annotated.place
            cut += start not in starts or end not in ends
            total += 1
    if 2 * cut > total:
        raise UserError(
            f"{first}: entities seem to be given by the numbers of words: none is beyond the last "
            f"word of its text, and {cut:,} of {total:,} cut words if read as characters. Give "
            "their offsets in characters of the text (the words joined by spaces if there is no "
            "text), or a tag for each word."
        )


def _finished(sentence: _Sentence, tagging: Tagging | None, source: Source) -> Record:
    place, text, _ = sentence.annotated
    if sentence.tags is not None and tagging is not None:
        label = source.read_tags(sentence.tags, sentence.words, tagging, sentence.places)
    else:
        spans, faults = spans_of(sentence.annotated, source.fields.offsets)
        for fault in faults:
            source.tally.add(fault, place)
        label = source.read_spans(spans, place)
    return Record(text, {source.task.name: label}, str(place))
