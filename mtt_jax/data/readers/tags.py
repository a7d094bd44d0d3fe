"""Sentences with a tag per token: checked, and the scheme of their tags found.

The scheme is that of all sentences of a file, so a sentence waits with its tags until all are read.
"""

import re
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any, NamedTuple

from mtt_jax.data.readers.fields import is_tags
from mtt_jax.data.readers.offsets import Annotated
from mtt_jax.data.readers.rows import Place, Row
from mtt_jax.data.readers.source import Source
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import OUTSIDE, Tagging, illegal_tags, read_tagging
from mtt_jax.types import Record

# The id of a subword that has no label, in data that were tokenized for transformers.
_NO_LABEL = -100
# Two tags in one: what divides them, and each of them.
_STACKED, _ONE_TAG = re.compile("[|,;/+&#]"), re.compile("O|[BIESLUM][-_:–—].+")
# What the type of an entity looks like: it ends with no mark of a sentence, and is no markup.
_TYPE = re.compile(r"[^<>]*\w[^<>.!?,;:]*")


class Sentence(NamedTuple):
    """A text whose label is read once all are known: its tags, or its entities."""

    annotated: Annotated
    words: Sequence[tuple[int, int]] = ()
    tags: Sequence[str] | None = None
    places: Sequence[Place] = ()


def has_tags(value: Any, row: Row, reads: frozenset[str]) -> bool:
    """Whether a label is one tag per token rather than a list of entities.

    Args:
      value: of the label.
      row: that it is from.
      reads: what the task reads.
    """
    if "offsets" not in reads:
        return isinstance(value, list)
    return is_tags(value, row) and bool(value)


def tagged_sentence(
    row: Row,
    text: str,
    words: Sequence[tuple[int, int]] | None,
    tags: Sequence[Any],
    shown: str,
    source: Source,
) -> Sentence:
    """A sentence with a tag per token; tokens that are empty are left out with their tags.

    Args:
      row: of a file.
      text: of the row.
      words: where its tokens are in the text.
      tags: of the tokens.
      shown: where the tags are, for messages.
      source: the task, and how its labels are written.

    Raises:
      UserError: if there is not one tag per token, or if a tag is none.
    """
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
    return Sentence(
        Annotated(row.place, text, ()),
        [words[index] for index in kept],
        [tags[index].strip() for index in kept],
        [places[index] for index in kept],
    )


def find_tagging(found: Sequence[Record | Sentence], source: Source) -> Tagging | None:
    """How the tags of a file are written, None if it has none; those that break it are counted.

    Args:
      found: all texts of the file.
      source: the task, and how its labels are written.

    Raises:
      UserError: if a word has two tags in one, or if words are taken for types.
    """
    tagged = [s for s in found if isinstance(s, Sentence) and s.tags is not None]
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


def _need_one_tag(tagged: Sequence[Sentence], source: Source) -> None:
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


def _need_types(tagged: Sequence[Sentence], tagging: Tagging, source: Source) -> None:
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
