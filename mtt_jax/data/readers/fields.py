"""Fields: which keys or columns of a file hold the text and the label of a task.

The config names them, or they are recognized: by the usual names first, then by what they hold.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mtt_jax.data.readers.offsets import is_entity
from mtt_jax.data.readers.rows import Row
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import Task
from mtt_jax.tasks.schemes import OUTSIDE, SEPARATORS

# Usual names, in the order in which they are tried.
TEXTS = (
    "text", "sentence", "content", "body", "raw_text", "full_text", "tweet", "review", "document",
    "message", "comment", "comment_text", "question", "utterance", "abstract", "description",
    "headline", "title",
)  # fmt: skip
# If there are tokens too, only these are sure to be the text that contains them.
_TEXTS_OF_TOKENS = ("text", "sentence", "raw_text")
_VALUES = (
    "label", "labels", "category", "categories", "class", "classes", "topic", "topics", "cats",
    "target", "sentiment", "intent", "label_text", "coarse_label", "stars", "tag", "tags",
)  # fmt: skip
_SETS = ("labels", "label", "categories", "category", "topics", "classes", "cats", "tags", "genres")
_ENTITIES = (
    "entities", "spans", "ents", "label", "labels", "ner_tags", "ner", "ner_labels",
    "named_entities", "outer", "value", "entity_tags", "tags", "tag", "bio", "iob",
    "word_labels", "word_tags", "token_labels", "token_tags", "bio_tags", "iob_tags", "annotations",
)  # fmt: skip
_TAGS = (
    "tags", "tag", "pos_tags", "pos", "upos", "upos_tags", "xpos", "labels", "label", "chunk_tags",
    "ner_tags", "ner",
)  # fmt: skip
_FLAGS = (0, 1, "0", "1")
# Other spellings of 0 and 1, as pandas writes them.
_FLAG_WORDS = {"true": 1, "false": 0, "1.0": 1, "0.0": 0}


class Where(NamedTuple):
    """Where a file has the labels of a task.

    Attributes:
      keys: one; several lists of entities, which are joined; or, if each label has one with 0 or
        1, all of them.
      names: of these labels; () if there is one key.
    """

    keys: tuple[str, ...]
    names: tuple[str, ...] = ()

    def value(self, row: Row) -> Any:
        """What a row has there; None for nothing."""
        if not self.names and len(self.keys) > 1:
            found = [row.fields[key] for key in self.keys if row.fields.get(key) is not None]
            return [entity for part in found for entity in part] if found else None
        if not self.names:
            return row.fields.get(self.keys[0])
        pairs = zip(self.names, self.keys, strict=True)
        values = {name: _as_flag(row.fields.get(key)) for name, key in pairs}
        return None if all(value is None for value in values.values()) else values

    def __str__(self) -> str:
        shown = [f"column {key}" if key.isdecimal() else repr(key) for key in self.keys]
        if not self.names:
            return " and ".join(shown)
        return shown[0] if len(shown) == 1 else f"{len(shown)} columns"


def keys_of(rows: Iterable[Row]) -> list[str]:
    """The keys of some rows; the numbers of columns only if the columns have no names."""
    keys = list(dict.fromkeys(key for row in rows for key in row.fields))
    named = [key for key in keys if not key.isdecimal()]
    return named or keys


def text_keys(rows: Sequence[Row], spec: str, flag: str) -> tuple[str, ...]:
    """The keys whose texts, joined by spaces, are the text; () for what the reader says.

    Args:
      rows: the first of a file.
      spec: of the config.
      flag: that sets it, for messages.

    Raises:
      UserError: if the file has no such key, with those that it has.
    """
    if spec != "auto":
        return _named(rows, spec, flag)
    if any(row.text is not None for row in rows):
        return ()
    tokens = any(row.tokens for row in rows)
    for name in _TEXTS_OF_TOKENS if tokens else TEXTS:
        for key in _spelled(rows, name):
            if any(isinstance(row.fields.get(key), str) for row in rows):
                return (key,)
    if tokens:
        return ()
    keys = keys_of(rows)
    if "input_ids" in keys:
        raise UserError(
            f"{rows[0].place}: 'input_ids' holds what a tokenizer made of a text, and the text is "
            "not there; name the data set as it was before, with a text or a list of words."
        )
    if keys and all(key.isdecimal() for key in keys):
        return ()  # decided once the column of the label is known
    if any("text" in row.fields for row in rows):
        return ("text",)
    raise UserError(
        f"{rows[0].place}: the key 'text' is missing.{did_you_mean('text', keys)} Keys there: "
        f"{', '.join(keys)}. Name the one with the text with {flag}=..."
    )


def remaining_text(rows: Sequence[Row], where: Where | None, flag: str) -> tuple[str, ...]:
    """The column of the text in a table without names: the only one that is not the label.

    Args:
      rows: the first of a file.
      where: the columns of the label; None if there are none.
      flag: that sets the column of the text, for messages.

    Raises:
      UserError: if there are several.
    """
    keys = keys_of(rows)
    left = [key for key in keys if where is None or key not in where.keys]
    if len(left) == 1 and (where or len(keys) == 1):
        return (left[0],)
    raise UserError(
        f"{rows[0].place}: there are {len(keys)} columns without names; say which one holds the "
        f"text with {flag}=NUMBER or, if the file begins with column names, set "
        f"{flag.rpartition('.')[0]}.header=true"
    )


def label_keys(
    rows: Sequence[Row], task: Task, spec: str, known: Iterable[str], flag: str
) -> Where | None:
    """Where the labels of a task are; None if no row has a key that may hold them.

    Args:
      rows: of a file, from its beginning.
      task: whose labels.
      spec: of the config.
      known: names that labels may have in the file.
      flag: that sets it, for messages.

    Raises:
      UserError: if the config names a key that no row has.
    """
    known = frozenset(known)
    if spec != "auto":
        if "columns" in task.reads and "," in spec and spec not in keys_of(rows):
            return _flags_named(rows, task, spec, flag)
        keys = _named(rows, spec, flag)
        if any(row.tokens for row in rows) and all(_is_words(row, keys[0]) for row in rows):
            raise UserError(
                f"{rows[0].place}: column {keys[0]} is named for the word and for the tag; set "
                f"{flag.rpartition('.')[0]}.word or {flag}."
            )
        if len(keys) > 1:
            _need_entities(rows, keys, task, flag)
        return Where(keys)
    if "columns" in task.reads and (flags := _flag_columns(rows, task)):
        return flags
    fits = _shape(task)
    found: list[str] = []
    empty: list[str] = []
    for name in (task.name, *_usual(task)):
        for key in _spelled(rows, name):
            values = [(row, row.fields[key]) for row in rows if row.fields.get(key) is not None]
            if values and all(fits(value, row) for row, value in values) and _cover(values):
                # [] says nothing, except under the usual name.
                if name in (task.name, *_usual(task)[:1]) or any(
                    value != [] for _, value in values
                ):
                    _need_no_rival(rows, key, flag)
                    return Where((key,))
                empty.append(key)
            found.append(key)
    by_content = _numbered(rows, task, known) or _only_tags(rows, task)
    if by_content:
        _need_no_rival(rows, by_content, flag)
        return Where((by_content,))
    found = empty or found
    return Where((found[0],)) if found else None


def _need_entities(rows: Sequence[Row], keys: Sequence[str], task: Task, flag: str) -> None:
    """Checks that several keys hold entities, which can be joined.

    Raises:
      UserError: if they do not.
    """
    given = [row.fields.get(key) for row in rows for key in keys]
    if "offsets" not in task.reads or not all(x is None or _is_spans(x) for x in given):
        raise UserError(
            f"{rows[0].place}: {flag} names {len(keys)} columns or keys, {', '.join(keys)}; task "
            f"'{task.name}' joins several only if all hold entities. Name one of them."
        )


def no_label(rows: Sequence[Row], task: Task, flag: str) -> UserError:
    """The error for a file in which no key holds the labels of a task.

    Args:
      rows: of the file, from its beginning.
      task: whose labels are missing.
      flag: that names the key of the labels, for the message.
    """
    keys = keys_of(rows)
    place = rows[0].place
    numbered = bool(keys) and all(key.isdecimal() for key in keys)
    tagged = any(row.tokens for row in rows)
    if "value" not in task.reads and not tagged and "1" in rows[0].fields:
        return UserError(
            f"{place.file}: a table with a text per row has no labels for task '{task.name}', "
            "which reads a tag per word or entities with offsets; see docs/formats.md for its "
            "files."
        )
    if "value" in task.reads and tagged and numbered:
        return UserError(
            f"{place.file}: columns with a word per line have no labels for task '{task.name}', "
            "which reads labels of whole texts; see docs/formats.md for its files."
        )
    if numbered:
        return UserError(
            f"{place}: there are {len(keys)} columns without names; say which one holds the label "
            f"with {flag}=NUMBER or, if the file begins with column names, set "
            f"{flag.rpartition('.')[0]}.header=true"
        )
    spans = [
        key
        for key in keys
        if any(row.fields.get(key) for row in rows)
        and all(row.fields.get(key) is None or _is_spans(row.fields[key]) for row in rows)
    ]
    if "offsets" in task.reads and len(spans) > 1:
        return UserError(
            f"{place.file}: entities are under several keys, {', '.join(spans)}; name the one to "
            f"read, or several to join them: {flag}={','.join(spans)}"
        )
    shown = ", ".join(keys) or "none"
    return UserError(
        f"{place.file}: no line has the key {_usual(task)[0]!r}; keys there: {shown}. Name the one "
        f"with the labels of {task.name} with {flag}=..."
    )


def _usual(task: Task) -> tuple[str, ...]:
    """The names of keys that usually hold labels as a task reads them."""
    if "offsets" in task.reads:
        return _ENTITIES
    if "tags" in task.reads:
        return _TAGS
    return _SETS if "columns" in task.reads else _VALUES


def _spelled(rows: Iterable[Row], name: str) -> list[str]:
    """The keys that match a name, ignoring case; an exact match comes first."""
    keys = dict.fromkeys(key for row in rows for key in row.fields)
    return sorted((k for k in keys if k.lower() == name.lower()), key=lambda key: key != name)


def _named(rows: Sequence[Row], spec: str, flag: str) -> tuple[str, ...]:
    """The keys that a config names: one, or several with commas."""
    there = {key for row in rows for key in row.fields}
    if spec in there:
        return (spec,)
    width = max((int(key) for key in there if key.isdecimal()), default=0)
    keys = []
    for part in (part.strip() for part in spec.split(",")):
        number = part.removeprefix("-")
        key = str(width + 1 - int(number)) if part != number and number.isdecimal() else part
        if key not in there:
            raise _missing(rows, part, width, flag)
        keys.append(key)
    return tuple(keys)


def _missing(rows: Sequence[Row], part: str, width: int, flag: str) -> UserError:
    keys = keys_of(rows)
    place = rows[0].place
    if width and part.removeprefix("-").isdecimal():
        return UserError(
            f"{place}: {part!r} is not one of {width} columns; set {flag} to a number from 1 to "
            f"{width}, or -1 for the last."
        )
    if width and not rows[0].tokens and keys[0].isdecimal():
        return UserError(
            f"{place}: {part!r} is not a column number from 1 to {width}; set {flag}=NUMBER or, if "
            f"the file begins with column names, {flag.rpartition('.')[0]}.header=true"
        )
    if width and not rows[0].tokens:
        return UserError(
            f"{place.file}: no column {part!r} in {', '.join(keys)}; set {flag}=..."
            f"{did_you_mean(part, keys)}"
        )
    return UserError(
        f"{place.file}: no line has the key {part!r}; keys there: {', '.join(keys)}."
        f"{did_you_mean(part, keys)} Name another with {flag}=..."
    )


# One column per label


def _flags_named(rows: Sequence[Row], task: Task, spec: str, flag: str) -> Where:
    """The columns of 0 and 1 that a config names; by number in the order of the labels."""
    keys = _named(rows, spec, flag)
    names = keys_of(rows)
    if all(key.isdecimal() for key in keys):
        # Columns with names that are given by number are those names.
        titles = [_title(rows[0], key) for key in keys]
        if all(title in names and not title.isdecimal() for title in titles):
            return Where(keys, tuple(titles))
        if len(keys) != len(task.labels):
            raise UserError(
                f"{rows[0].place}: {flag} names {len(keys)} columns, and task '{task.name}' has "
                f"{len(task.labels)} labels; name one column per label, in the order of the labels."
            )
        return Where(keys, tuple(task.labels))
    return Where(keys, keys)


def _title(row: Row, number: str) -> str:
    """The name of a column that is given by its number."""
    width = sum(key.isdecimal() for key in row.fields)
    names = [key for key in row.fields if not key.isdecimal()]
    return names[int(number) - 1] if len(names) == width else number


def _flag_columns(rows: Sequence[Row], task: Task) -> Where | None:
    """One key per label: those that have the names of the labels, or hold 0 and 1 only."""
    keys = keys_of(rows)
    if any(_spelled(rows, name) for name in (task.name, *_SETS)):
        return None
    named = tuple(label for label in task.labels if label in keys)
    if task.labels:
        return Where(named, named) if len(named) == len(task.labels) else None
    flags = tuple(
        key
        for key in keys
        if not key.isdecimal()
        and key.lower() not in ("id", "idx", "index")
        and all(_is_flag(row.fields.get(key)) for row in rows)
    )
    return Where(flags, flags) if len(flags) > 1 else None


def _as_flag(value: Any) -> Any:
    """A value in the column of a label, as 0 or 1 if it is another spelling of it."""
    return _FLAG_WORDS.get(value.strip().lower(), value) if isinstance(value, str) else value


def _is_flag(value: Any) -> bool:
    value = _as_flag(value)
    return (value.strip() if isinstance(value, str) else value) in _FLAGS


# What fits a task


def _shape(task: Task) -> Callable[[Any, Row], bool]:
    """Whether a value may be a label of a task."""
    if "offsets" in task.reads:
        return lambda value, row: _is_spans(value) or is_tags(value, row)
    if "tags" in task.reads:
        return is_tags
    if "columns" in task.reads:
        return lambda value, row: _is_name(value) or _are_names(value) or _are_cats(value)
    return lambda value, row: (
        _is_name(value) or (_are_names(value) and len(value) == 1) or _are_cats(value)
    )


def is_tags(value: Any, row: Row) -> bool:
    """Whether a value is one tag per token of its row."""
    return (
        row.tokens is not None
        and isinstance(value, list)
        and all(isinstance(tag, (str, int)) and not isinstance(tag, bool) for tag in value)
    )


def _cover(values: Sequence[tuple[Row, Any]]) -> bool:
    """Whether most lists of tags have one for each word; those of WikiANN's `spans` have not."""
    tagged = [(row, value) for row, value in values if value and is_tags(value, row)]
    return 2 * sum(len(value) == len(row.tokens or ()) for row, value in tagged) >= len(tagged)


def _is_spans(value: Any) -> bool:
    return isinstance(value, list) and all(is_entity(item) for item in value)


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int)) or (isinstance(value, float) and value.is_integer())


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(x, str) or type(x) is int for x in value)


def _are_cats(value: Any) -> bool:
    return isinstance(value, Mapping) and all(x in (0, 1) for x in value.values())


def _numbered(rows: Sequence[Row], task: Task, known: frozenset[str]) -> str:
    """The column without a name whose values look like the labels; "" for none."""
    keys = [key for key in keys_of(rows) if key.isdecimal()]
    if not keys:
        return ""
    if rows[0].tokens is None:
        fitting = [
            key
            for key in keys
            if known and "value" in task.reads and all(_text_in(row, key) in known for row in rows)
        ]
        return fitting[0] if len(fitting) == 1 else ""
    if "tags" not in task.reads:
        return ""
    keys = [
        key
        for key in keys
        if all(is_tags(row.fields[key], row) for row in rows if key in row.fields)
        and not all(_is_words(row, key) for row in rows)
    ]
    tags = {key: {str(tag) for row in rows for tag in row.fields.get(key, ())} for key in keys}
    good = _looks_tagged if "offsets" in task.reads else lambda found: bool(found <= known)
    return next((key for key in reversed(keys) if good(tags[key])), keys[-1] if keys else "")


def _need_no_rival(rows: Sequence[Row], key: str, flag: str) -> None:
    """Refuses to choose among columns without names with tags of the same kind, gold and predicted.

    They are of the same kind if more than half of the types in one are in the other as well.

    Raises:
      UserError: naming both, and the flag that chooses.
    """
    numbers = [name for name in rows[0].fields if name.isdecimal()]
    if not rows[0].tokens or any(k not in (*numbers, "tags") for k in rows[0].fields):
        return  # columns with names say what they are
    chosen, types = _column(rows, key), _types_in(_column(rows, key))
    for other in numbers:
        column = _column(rows, other)
        words = all(_is_words(row, other) for row in rows)
        theirs = _types_in(column)
        both = types & theirs if types else theirs if OUTSIDE in column else set()
        if column == chosen or words or len(column) != len(chosen):
            continue
        if 2 * len(both) > min(len(types), len(theirs)):
            last = numbers[-1] if key == "tags" else key
            raise UserError(
                f"{rows[0].place}: columns {other} and {last} both hold tags of the same kind "
                f"({', '.join(sorted(both)[:5])}), as after an evaluation, where the last is the "
                f"prediction; name the one to learn from, as in {flag}={other}"
            )


def _column(rows: Sequence[Row], key: str) -> list[str]:
    """What a column holds for all words of some rows."""
    columns = (row.fields.get(key) for row in rows)
    return [str(tag) for column in columns if isinstance(column, list) for tag in column]


def _types_in(tags: Iterable[str]) -> set[str]:
    """The types of tags, without the letters of a scheme and O."""
    found = {tag[2:] if len(tag) > 2 and tag[1] in SEPARATORS else tag for tag in tags}
    return found - {OUTSIDE, "_", "-", ""}


def _only_tags(rows: Sequence[Row], task: Task) -> str:
    """The only key with a tag per token, whatever it is called; "" if there are several."""
    if "tags" not in task.reads or not any(row.tokens for row in rows):
        return ""
    keys = [
        key
        for key in keys_of(rows)
        if all(
            is_tags(row.fields.get(key), row) and len(row.fields[key]) == len(row.tokens or ())
            for row in rows
        )
        and not all(_is_words(row, key) for row in rows)
    ]
    return keys[0] if len(keys) == 1 else ""


def _is_words(row: Row, key: str) -> bool:
    """Whether a column is that of the words."""
    value, tokens = row.fields.get(key), row.tokens
    return isinstance(value, list) and tokens is not None and value == list(tokens)


def _text_in(row: Row, key: str) -> str:
    value = row.fields.get(key)
    return value.strip() if isinstance(value, str) else ""


def _looks_tagged(tags: set[str]) -> bool:
    """Whether a column looks like entities: O among few tags, or letters of a scheme."""
    letters = all(len(tag) > 1 and tag[1] in SEPARATORS for tag in tags)
    return OUTSIDE in tags or "o" in tags or letters
