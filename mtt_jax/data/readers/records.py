"""Records: from the rows of a file to the texts and labels of one task."""

from collections.abc import Iterable, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import Any

from mtt_jax.data.readers.fields import Where, label_keys, no_label, remaining_text, text_keys
from mtt_jax.data.readers.offsets import Annotated, check_unit, entities_of, lengthened, spans_of
from mtt_jax.data.readers.rows import Row
from mtt_jax.data.readers.source import Source
from mtt_jax.data.readers.tags import Sentence, find_tagging, has_tags, tagged_sentence
from mtt_jax.data.readers.texts import text_of
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import Tagging
from mtt_jax.types import Record

# How many rows decide where text and label are.
_SAMPLE = 1000


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
            source.tally.add_faults(row)
        return []
    where, first = _where(full, first, rows, source)
    keys = text_keys(full, source.fields.text, f"{source.flag}.text")
    if not keys and full[0].text is None and not any(row.tokens for row in full):
        keys = remaining_text(full, where, f"{source.flag}.text")
    if full[0].tokens is None and "1" in full[0].fields:
        source.unknown.begins(full[0].place)
    found: list[Record | Sentence] = []
    for row in chain(first, rows):
        source.tally.add_faults(row)
        if row.fields or row.text is not None:
            read = source.tried(partial(_read, row, keys, where, source))
            if read is not None:
                found.append(read)
    tagging = find_tagging(found, source)
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


def _note(
    file: Path, count: int, description: str, where: str, tagging: Tagging | None, source: Source
) -> str:
    what = "entities" if "offsets" in source.task.reads else "labels"
    what = "tags" if source.task.reads == {"tags"} else what
    scheme = f", tags in scheme {tagging.scheme}" if tagging and what == "entities" else ""
    return f"{file}: {count:,} texts, {description}, {what} from {where}{scheme}."


def _read(
    row: Row, keys: tuple[str, ...], where: Where, source: Source
) -> Record | Sentence | None:
    """The record of a row, or the sentence that becomes one; None for an empty text."""
    text, words = text_of(row, keys, source.fields.text, f"{source.flag}.text")
    if not text.strip():
        source.tally.add("empty texts, left out", row.place)
        return None
    value = where.value(row)
    reads, shown = source.task.reads, str(where)
    if "tags" in reads and value is not None and has_tags(value, row, reads):
        return tagged_sentence(row, text, words, value, shown, source)
    if "offsets" in reads and value is not None:
        found = entities_of(value, where.keys[0], row.place, text)
        return Sentence(Annotated(row.place, text, found), words or ())
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


def _finished(sentence: Sentence, tagging: Tagging | None, source: Source) -> Record:
    place, text, _ = sentence.annotated
    if sentence.tags is not None and tagging is not None:
        label = source.read_tags(sentence.tags, sentence.words, tagging, sentence.places)
    else:
        spans, faults = spans_of(sentence.annotated, source.fields.offsets)
        for fault in faults:
            source.tally.add(fault, place)
        label = source.read_spans(spans, place)
    return Record(text, {source.task.name: label}, str(place))


def _check_offsets(found: Sequence[Record | Sentence], source: Source) -> str:
    """Why the ends of entities are to be read as inclusive; "" for exclusive ones."""
    if source.fields.offsets != "characters":
        return ""
    _check_words(found)
    given = [s.annotated for s in found if isinstance(s, Sentence) and s.tags is None]
    return check_unit(given, source.flag) if given else ""


def _lengthened(item: Record | Sentence) -> Record | Sentence:
    if isinstance(item, Record) or item.tags is not None:
        return item
    return item._replace(annotated=lengthened(item.annotated))


def _check_words(found: Sequence[Record | Sentence]) -> None:
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
