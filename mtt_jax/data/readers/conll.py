"""CoNLL columns: one word per line with its tags, and an empty line after each sentence.

Inside a sentence `#` is a word. Before one, a line that begins with it, or with `;;`, `%%` or `//`,
is a comment unless it has as many cells as there are columns and its last one is a tag that other
words have too.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import NamedTuple

from mtt_jax.data.readers.files import lines
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.errors import UserError

_EXTENSIONS = (".conll", ".bio", ".iob", ".bioes", ".iob2", ".col", ".ner")
# How many sentences are read to recognize columns that only count.
_SAMPLE = 200
# The spaces that separate columns; a no-break space is part of a word.
_SPACES = " \t\f\v"
_GAP = re.compile(f"[{_SPACES}]+")
_TAG = re.compile(r"O|[BIESLUMW][-_:/|–—]\S+")
# How comments begin.
_MARK = re.compile(r"\s*(#|;;|%%|//)")
# Names of columns, in a first line that says what they hold.
_WORDS = frozenset(("word", "words", "token", "tokens", "form", "text"))
_TAGS = frozenset(
    ("tag", "tags", "label", "labels", "ner", "ne", "ner_tag", "ner_tags", "pos", "upos", "entity")
)
# Between documents; in CoNLL-2003 with as many columns as there are.
_DIVIDER = re.compile(r'\s*"?-+(?i:doc-?(start|end))(?![A-Za-z])|#(begin|end) document\b')
# Also between documents, but as a line of its own: inside a sentence it is a word.
_BARE_DIVIDER = re.compile(r"\s*DOC-?(START|END)(?![A-Za-z])")
# A line of markup, such as `<doc id="7">` or `<s>Ann left</s>`.
_MARKUP = re.compile(r"\s*<[/?!]?[A-Za-z][^<>]*>(.*>)?\s*")
_LAYOUTS = (
    "a task with a tag per word reads a word and its tag per line, as in 'Oslo B-LOC', with an "
    "empty line after each sentence, or a sentence per line, as in 'Ann/B-PER left/O'; for texts "
    "with the offsets of entities, and for other tasks, see docs/formats.md"
)


class _Line(NamedTuple):
    """A line that is not empty."""

    number: int
    cells: list[str]
    raw: str


def recognize(head: Head) -> str | None:
    """A description of lines with the same number of columns, in blocks between empty lines."""
    if not head.text.strip() or head.extension in (".csv", ".json", ".jsonl"):
        return None
    blocks = list(islice(_blocks(enumerate(head.text.split("\n"), 1)), _SAMPLE))
    found = [line for block in blocks for line in block if not _MARK.match(line.raw)]
    if not found:
        return None
    widths = {len(_without_end(line.cells)) for line in found}
    cells = [cell for line in found for cell in line.cells]
    # A table of texts has spaces in most of its lines, and no empty lines.
    table = sum(" " in cell for cell in cells) > len(found) * 0.3
    table |= len(blocks) < 2 and head.extension != ".txt"
    if head.extension not in _EXTENSIONS and (table or len(widths) > 1 or max(widths) < 2):
        return None
    width = max(widths)
    by = "tabs" if "\t" in found[0].raw else "spaces"
    return f"CoNLL columns ({width}, separated by {by})"


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Yields the sentences of a file, each column a field under its number from "1".

    -DOCSTART- lines, `#begin document` and comments are left out.

    Args:
      path: of the file.
      layout: its encoding; column of the words, if it is not recognized.

    Raises:
      UserError: naming file and line, for a line with too few or too many columns, and for a file
        of prose or markup.
    """
    sentences = _sentences(path, layout.encoding)
    first = list(islice(sentences, _SAMPLE))
    if not first:
        return
    _need_columns([line for sentence in first for line in sentence], path)
    # A separator at the ends of all lines makes no column.
    trailing = all(line.raw.endswith("\t") for line in chain(*first))
    begins, width = first[0][0].number, len(first[0][0].cells) - trailing
    if width < 2:
        raise UserError(
            f"{Place(path, begins)}: one column; expected a word and a tag, as in 'Oslo B-LOC'."
        )
    word = _word(first, width, layout, Place(path, begins))
    for sentence in chain(first, sentences):
        wrong = [
            line
            for line in sentence
            if len(line.cells) != width and (len(line.cells) < width or any(line.cells[width:]))
        ]
        for number, cells, _ in wrong:
            before = "; a comment must come before the first word of a sentence"
            if len(cells) == 1 and not _MARK.match(cells[0]):
                layout.fault(
                    f"{path}, line {number}: {cells[0]!r} is alone on its line, but line {begins} "
                    f"has {width} columns; write the tag after each word (O for a word outside "
                    "entities), separated by a tab or a space."
                )
                continue
            count = "1 column" if len(cells) == 1 else f"{len(cells)} columns"
            layout.fault(
                f"{path}, line {number}: {count}, but line {begins} has {width}; columns are "
                "separated by tabs, or by spaces if a line has no tab"
                f"{before if _MARK.match(cells[0]) else ''}."
            )
        if wrong:
            continue
        places = [Place(path, line.number) for line in sentence]
        fields = {
            str(column + 1): [line.cells[column].strip() for line in sentence]
            for column in range(width)
        }
        tokens = [line.cells[word].strip(_SPACES) for line in sentence]
        yield Row(places[0], fields, tokens=tokens, token_places=places)


def _need_columns(found: Sequence[_Line], path: Path) -> None:
    """Refuses prose and markup, which have no columns.

    A file of columns has one width in most of its lines, in spite of a few faulty ones.

    Raises:
      UserError: with what can be read instead.
    """
    place = Place(path, found[0].number)
    if 3 * sum(bool(_MARKUP.fullmatch(line.raw)) for line in found) > len(found):
        raise UserError(f"{place}: the lines hold XML or HTML, not columns; {_LAYOUTS}.")
    widths = Counter(len(_without_end(line.cells)) for line in found)
    ends = sum(line.raw.rstrip().endswith((".", "!", "?", "…")) for line in found)
    several = 2 * max(widths.values()) <= len(found) or (len(widths) > 1 and 2 * ends > len(found))
    if several and max(widths) > 2:
        raise UserError(
            f"{place}: the lines have from {min(widths)} to {max(widths)} words, like prose, and "
            f"no columns; {_LAYOUTS}."
        )


def _cells(line: str) -> list[str]:
    """Columns are separated by tabs, or by spaces if the line has no tab."""
    return line.split("\t") if "\t" in line else _GAP.split(line.strip(_SPACES))


def _without_end(cells: list[str]) -> list[str]:
    """Cells without one that a separator at the end of the line makes."""
    return cells if cells[-1].strip() else cells[:-1]


def _blocks(numbered: Iterator[tuple[int, str]]) -> Iterator[list[_Line]]:
    """Yields the lines between empty lines and dividers; a comment counts as a line."""
    block: list[_Line] = []
    for number, line in numbered:
        between = _DIVIDER.match(line) or (not block and _BARE_DIVIDER.match(line))
        if between or not line.strip():
            if block:
                yield block
            block = []
            continue
        block.append(_Line(number, _cells(line), line))
    if block:
        yield block


def _sentences(path: Path, encoding: str) -> Iterator[list[_Line]]:
    """Yields blocks without the comments before their first word."""
    width, tags = _last_column(path, encoding)
    for index, block in enumerate(_blocks(lines(path, encoding))):
        begin = int(index == 0 and _is_header(block[0]))
        while begin < len(block) and _is_comment(block[begin], width, tags):
            begin += 1
        if begin < len(block):
            yield block[begin:]


def _last_column(path: Path, encoding: str) -> tuple[int, set[str]]:
    """How many columns a file has, and what is in the last one of lines that are surely words."""
    width, found = 0, set()
    for block in _blocks(lines(path, encoding)):
        inside = False
        for line in block:
            inside |= not _MARK.match(line.raw)
            if inside:
                width = width or len(line.cells)
                found.add(line.cells[-1].strip())
    return width, found


def _is_header(line: _Line) -> bool:
    """Whether a line says what the columns hold: `Token Tag`."""
    names = {cell.strip().lower() for cell in line.cells}
    return not names.isdisjoint(_WORDS) and not names.isdisjoint(_TAGS)


def _is_comment(line: _Line, width: int, tags: set[str]) -> bool:
    """Whether a line before the first word of its block is a comment and not a word like `#`."""
    if not _MARK.match(line.raw):
        return False
    last = line.cells[-1].strip()
    hashtag = re.match(r"#\w", line.raw) and last.isupper()
    word = last == "O" or last in tags or hashtag or re.match(r"[BIESLUMW]-", last)
    return len(line.cells) != width or "=" in line.cells[1:3] or not word


def _word(sentences: Sequence[list[_Line]], width: int, layout: Layout, place: Place) -> int:
    """Index of the column of the words: the first that neither counts nor holds tags."""
    if layout.word:
        if layout.word > width:
            raise UserError(
                f"{place}: {str(layout.word)!r} is not one of {width} columns; set "
                f"{layout.flag}.word to a number from 1 to {width}."
            )
        return layout.word - 1
    left = [column for column in range(width) if not _counts(sentences, column)]
    plain = [column for column in left if not _has_tags(sentences, column)]
    varied = [column for column in plain if not _names_sentences(sentences, column)]
    return next(iter(varied or plain or left), 0)


def _counts(sentences: Sequence[list[_Line]], column: int) -> bool:
    """Whether a column counts the words of each sentence, from 0 or 1, or those of the file."""
    cells = [[line.cells[column] for line in s if column < len(line.cells)] for s in sentences]
    if not all(cell.isdecimal() for sentence in cells for cell in sentence):
        return False
    numbers = [[int(cell) for cell in sentence] for sentence in cells]
    if sum(map(len, numbers)) < 2:
        return False
    flat = [number for sentence in numbers for number in sentence]
    onward = flat == list(range(flat[0], flat[0] + len(flat)))
    # A column with the number of the sentence counts no words, and is none either.
    constant = all(len(set(sentence)) == 1 for sentence in numbers) and len(numbers) > 1
    per_sentence = all(
        sentence[0] in (0, 1) and sentence == list(range(sentence[0], sentence[0] + len(sentence)))
        for sentence in numbers
    )
    return onward or per_sentence or constant


def _names_sentences(sentences: Sequence[list[_Line]], column: int) -> bool:
    """Whether a column has one value in each sentence, as the id of a sentence or document is."""
    cells = [[line.cells[column] for line in s if column < len(line.cells)] for s in sentences]
    long = [sentence for sentence in cells if len(sentence) > 1]
    return len(long) > 1 and all(len(set(sentence)) == 1 for sentence in long)


def _has_tags(sentences: Sequence[list[_Line]], column: int) -> bool:
    """Whether a column holds O and tags with a letter and nothing else, so that it has no words."""
    found = {
        line.cells[column].strip() for s in sentences for line in s if column < len(line.cells)
    }
    return "O" in found and len(found) > 1 and all(map(_TAG.fullmatch, found))
