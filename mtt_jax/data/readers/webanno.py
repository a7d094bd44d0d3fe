r"""WebAnno TSV 3, as WebAnno and INCEpTION write it, and its predecessor TSV 2.

    #FORMAT=WebAnno TSV 3.3
    #T_SP=de.tudarmstadt.ukp.dkpro.core.api.ner.type.NamedEntity|value

    #Text=Ann Smith left
    1-1    0-3      Ann      PER[1]
    1-2    4-9      Smith    PER[1]
    1-3    10-14    left     _

A feature such as `value` is a field with entities by offsets. In layers with one annotation per
word (POS, Lemma) it is a list of values. Offsets in the file count UTF-16 code units from the
beginning of the document; here, as everywhere, characters of the sentence.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.data.readers.blocks import blocks
from mtt_jax.data.readers.rows import Head, Layout, Place, Row
from mtt_jax.data.readers.spans import entity, longest
from mtt_jax.errors import UserError

_FORMAT = re.compile(r"#\s?FORMAT=(WebAnno TSV \S+)")
_LAYER = re.compile(r"#\s?(T_SP|T_CH|T_RL)=(.+)")
_OLD_LAYERS = re.compile(r"#\s*[\w.]+\s+\|")
_COMMENT = re.compile(r"#\s?([\w.-]+)=(.*)")
_TOKEN = re.compile(r"(\d+-\d+)(\.\d+)?")
_OFFSETS = re.compile(r"(\d+)-(\d+)")
_ID = re.compile(r"(?s)(.*)(?<!\\)\[(\d+)\]")
_STACK = re.compile(r"(?<!\\)\|")
_ESCAPED = re.compile(r"\\(->|.)")
_CONTROL = {"t": "\t", "n": "\n", "r": "\r", "f": "\f", "b": "\b"}
_PER_WORD = ("POS", "Lemma", "Stem", "MorphologicalFeatures")
_NONE, _NULL = "_", "*"
_LONGEST_GAP = 100


class _Feature(NamedTuple):
    """A column with annotations.

    Attributes:
      key: of its field; "" for relations, chains and slots, which are left out.
      blank: the label of an annotation without a value; None leaves it out.
      per_word: whether each word has one value.
    """

    key: str
    blank: str | None
    per_word: bool


class _Token(NamedTuple):
    """A word, or a part of one, with its offsets in the document and its columns."""

    place: Place
    begin: int
    end: int
    form: str
    part: bool
    cells: list[str]


class _Mark(NamedTuple):
    """An annotation in a sentence; `number` is the id that joins its words, "" for none."""

    start: int
    end: int
    label: str
    number: str


class _Sentence(NamedTuple):
    """A sentence, its offsets in characters of its text.

    Attributes:
      begin, end: of its text in the document, in the units of the file.
    """

    place: Place
    comments: dict[str, str]
    text: str
    begin: int
    end: int
    words: list[str]
    offsets: list[tuple[int, int]]
    places: list[Place]
    marks: dict[str, list[_Mark]]
    values: dict[str, list[str]]


def recognize(head: Head) -> str | None:
    """Says which version of the format a file has; None for another."""
    lines = head.text.split("\n")
    said = next((match for line in lines[:20] if (match := _FORMAT.match(line))), None)
    if said:
        return said[1]
    rows = [line.split("\t") for line in lines if "\t" in line and line[0] != "#"]
    if not rows or not all(_TOKEN.fullmatch(row[0]) for row in rows):
        return None
    if any(line.startswith("#Text=") for line in lines):
        return "WebAnno TSV 3"
    return "WebAnno TSV 2" if any(re.match(r"#\s?text=", line) for line in lines) else None


def read(path: Path, layout: Layout) -> Iterator[Row]:
    """Reads the sentences of a file.

    Sentences that one annotation spans become one row.

    Args:
      path: of the file.
      layout: its encoding.

    Raises:
      UserError: naming file and line, for too few columns or offsets that do not fit the text.
    """
    pending: _Sentence | None = None
    layers: list[tuple[str, str, list[str]]] = []
    features: list[_Feature] = []
    for block in blocks(path, layout.encoding):
        texts: list[str] = []
        comments: dict[str, str] = {}
        tokens: list[tuple[Place, list[str]]] = []
        old = False
        for number, line in block:
            if not tokens and line.startswith("#"):
                found = _layers(line)
                if found:
                    layers += found
                    features = _features(layers)
                elif match := _COMMENT.match(line):
                    old |= match[1] == "text"
                    if match[1].lower() == "text":
                        texts.append(line.partition("=")[2])
                    elif match[1] != "FORMAT":
                        comments[match[1]] = match[2]
            else:
                tokens.append((Place(path, number), line.split("\t")))
        if tokens and old:
            yield _old_row(texts, comments, tokens, features)
        elif tokens:
            columns = features or _numbered(tokens[0][1])
            sentence = _sentence(texts, comments, tokens, columns)
            if pending and _continues(pending, sentence):
                pending = _joined(pending, sentence)
            else:
                if pending:
                    yield _row(pending)
                pending = sentence
    if pending:
        yield _row(pending)


def _layers(line: str) -> list[tuple[str, str, list[str]]]:
    """(kind, short name, features) of the layers that a line of the header declares."""
    if match := _LAYER.match(line):
        name, _, features = match[2].strip().partition("|")
        return [(match[1], name.rpartition(".")[2], features.split("|"))]
    if _OLD_LAYERS.match(line):
        parts = [[part.strip() for part in layer.split("|")] for layer in line.split("#")[1:]]
        return [("T_SP", name.rpartition(".")[2], features) for name, *features in parts]
    return []


def _features(layers: Sequence[tuple[str, str, list[str]]]) -> list[_Feature]:
    """The columns of all layers.

    A feature goes by its own name where that is clear: if no other layer has one of that name, or
    if it is that of NamedEntity; `Layer.feature` otherwise.
    """
    counts = Counter(
        name
        for kind, layer, names in layers
        if kind == "T_SP" and layer not in _PER_WORD
        for name in names
    )
    features = []
    for kind, layer, names in layers:
        shown = [name for name in names if ":" not in name and "." not in name]
        main = "value" if "value" in shown else next(iter(shown), "")
        for name in names:
            if kind != "T_SP" or name not in shown or name.startswith(("BT_", "AttachTo=")):
                features.append(_Feature("", None, False))
                continue
            per_word = layer in _PER_WORD
            key = name
            if not name or (per_word and name == "value"):
                key = layer
            elif not per_word and counts[name] > 1 and layer != "NamedEntity":
                key = f"{layer}.{name}"
            blank = None if name != main else _NULL if name else layer
            features.append(_Feature(key, blank, per_word))
    return features


def _numbered(cells: Sequence[str]) -> list[_Feature]:
    """The columns of a file that does not declare its layers."""
    last = len(cells) - (not cells[-1])
    return [_Feature(str(index + 1), _NULL, False) for index in range(3, last)]


def _sentence(
    texts: Sequence[str],
    comments: dict[str, str],
    rows: Sequence[tuple[Place, list[str]]],
    features: Sequence[_Feature],
) -> _Sentence:
    """A sentence of TSV 3."""
    tokens = [_token(place, cells, features) for place, cells in rows]
    place = tokens[0].place
    if not texts:
        raise UserError(f"{place}: a word without a line #Text= before it; export the file again.")
    if tokens[0].part:
        raise UserError(f"{place}: a part of a word (such as 1-1.1) without the word before it.")
    text, spans, begin, end = _placed("\n".join(texts), tokens)
    words = [
        (text[start:end], (start, end), token.place)
        for token, (start, end) in zip(tokens, spans, strict=True)
        if not token.part
    ]
    marks: dict[str, list[_Mark]] = {}
    values: dict[str, list[str]] = {}
    for index, feature in enumerate(features):
        if not feature.key:
            continue
        cells = [token.cells[index] for token in tokens]
        if feature.per_word:
            values[feature.key] = [
                _NONE if cell == _NONE else _plain(_ID.sub(r"\1", cell))
                for cell, token in zip(cells, tokens, strict=True)
                if not token.part
            ]
        else:
            marks[feature.key] = _marks(cells, spans, text, feature)
    return _Sentence(
        place,
        comments,
        text,
        begin,
        end,
        [word for word, _, _ in words],
        [offsets for _, offsets, _ in words],
        [place for _, _, place in words],
        marks,
        values,
    )


def _token(place: Place, cells: Sequence[str], features: Sequence[_Feature]) -> _Token:
    """The word, or the part of one, of a line."""
    index = _TOKEN.fullmatch(cells[0])
    offsets = _OFFSETS.fullmatch(cells[1]) if len(cells) > 2 else None
    if not index or not offsets:
        raise UserError(
            f"{place}: expected number, offsets and word, as in '1-1<tab>0-3<tab>Ann', got "
            f"{' '.join(cells)[:40]!r}; columns are separated by tabs."
        )
    if len(cells) < 3 + len(features):
        raise UserError(
            f"{place}: {len(cells)} columns; expected 3 and one for each of the "
            f"{len(features)} features that the lines #T_ declare. Export the file again."
        )
    numbers = int(offsets[1]), int(offsets[2])
    return _Token(place, *numbers, cells[2], bool(index[2]), list(cells[3:]))


class _Placed(NamedTuple):
    """The text of a sentence, where each word and part of one is, and its offset and end."""

    text: str
    spans: list[tuple[int, int]]
    begin: int
    end: int


def _placed(raw: str, tokens: Sequence[_Token]) -> _Placed:
    """Where words are in the text of their sentence.

    The file says UTF-16 code units and escapes with a backslash; files of other programs may count
    characters, and may not escape. What fits the words is right. If nothing fits, the offsets are
    wrong, and the words are found by their order, with nothing but spaces between them.

    Raises:
      UserError: if they are not there, or if a part of a word has wrong offsets.
    """
    words = [token for token in tokens if not token.part]
    for pairs, escaped in ((True, True), (True, False), (False, True), (False, False)):
        text = _plain(raw) if escaped else raw
        forms = [_plain(token.form) if escaped else token.form for token in words]
        units = _units(text, pairs)
        begin = words[0].begin - units[max(text.find(forms[0]), 0)]
        where = {unit + begin: position for position, unit in enumerate(units)}
        spans = [(where.get(token.begin, -1), where.get(token.end, -1)) for token in tokens]
        found = [text[a:b] for token, (a, b) in zip(tokens, spans, strict=True) if not token.part]
        if found == forms and all(0 <= start <= end for start, end in spans):
            return _Placed(text, spans, begin, begin + units[-1])
    part = next((token for token in tokens if token.part), None)
    if part:
        raise UserError(
            f"{part.place}: a part of a word at {part.begin}-{part.end}, but the offsets of this "
            f"sentence do not fit its text, {raw[:40]!r}; export the file again."
        )
    return _in_order(_plain(raw), words)


def _in_order(text: str, words: Sequence[_Token]) -> _Placed:
    """Words found by their order in a text."""
    spans: list[tuple[int, int]] = []
    last = 0
    for token in words:
        form = _plain(token.form)
        start = text.find(form, last)
        if start < 0 or (spans and text[last:start].strip()):
            raise UserError(
                f"{token.place}: {form!r} is not in #Text= after character {last}, and its offsets "
                f"{token.begin}-{token.end} do not fit either; was the text edited? Export the "
                "file again."
            )
        last = start + len(form)
        spans.append((start, last))
    begin = words[0].begin - spans[0][0]
    return _Placed(text, spans, begin, begin + len(text))


def _units(text: str, pairs: bool) -> list[int]:
    """The offset of each character, and of the end: in UTF-16 code units, or in characters."""
    units = [0]
    for character in text:
        units.append(units[-1] + (2 if pairs and ord(character) > 0xFFFF else 1))
    return units


def _marks(
    cells: Sequence[str], spans: Sequence[tuple[int, int]], text: str, feature: _Feature
) -> list[_Mark]:
    """The annotations of a column; words in a row with the same id are one."""
    marks: list[_Mark] = []
    for cell, (start, end) in zip(cells, spans, strict=True):
        for value in _STACK.split(cell):
            if value in (_NONE, ""):
                continue
            match = _ID.fullmatch(value)
            value, number = (match[1], match[2]) if match else (value, "")
            label = feature.blank if value == _NULL else _plain(value)
            if label is None:
                continue
            last = next(
                (
                    i
                    for i, m in enumerate(marks)
                    if number
                    and (m.label, m.number) == (label, number)
                    and not text[m.end : start].strip()
                ),
                -1,
            )
            if last >= 0:
                marks[last] = marks[last]._replace(end=max(end, marks[last].end))
            else:
                marks.append(_Mark(start, end, label, number))
    return marks


def _plain(text: str) -> str:
    """A text without the backslashes that protect what has a meaning in the format."""
    return _ESCAPED.sub(lambda match: _CONTROL.get(match[1], match[1]), text)


def _continues(last: _Sentence, sentence: _Sentence) -> bool:
    """Whether an annotation at the end of a sentence continues in the next."""
    return any(
        (mark.label, mark.number) == (other.label, other.number)
        for key, marks in last.marks.items()
        for mark in marks
        if mark.number and mark.end == last.offsets[-1][1]
        for other in sentence.marks[key]
        if other.start == sentence.offsets[0][0]
    )


def _joined(last: _Sentence, sentence: _Sentence) -> _Sentence:
    """Two sentences as one."""
    gap = sentence.begin - last.end
    between = " " * (gap if 0 < gap <= _LONGEST_GAP else 1)
    shift = len(last.text) + len(between)
    marks = {}
    for key, found in last.marks.items():
        found = list(found)
        for mark in sentence.marks[key]:
            moved = mark._replace(start=mark.start + shift, end=mark.end + shift)
            same = [i for i, m in enumerate(found) if m.number and m[2:] == moved[2:]]
            at_edge = mark.start == sentence.offsets[0][0]
            if same and at_edge and found[same[-1]].end == last.offsets[-1][1]:
                found[same[-1]] = found[same[-1]]._replace(end=moved.end)
            else:
                found.append(moved)
        marks[key] = found
    return last._replace(
        comments=last.comments | sentence.comments,
        text=last.text + between + sentence.text,
        end=sentence.end,
        words=last.words + sentence.words,
        offsets=last.offsets + [(a + shift, b + shift) for a, b in sentence.offsets],
        places=last.places + sentence.places,
        marks=marks,
        values={key: values + sentence.values[key] for key, values in last.values.items()},
    )


def _row(sentence: _Sentence) -> Row:
    """The row of a sentence."""
    fields: dict[str, Any] = {**sentence.comments, **sentence.values}
    faults: list[str] = []
    for key, marks in sentence.marks.items():
        given = [entity(m.start, m.end, m.label) for m in sorted(marks)]
        fields[key], overlapping = longest(given)
        faults += overlapping
    return Row(
        sentence.place,
        fields,
        sentence.text,
        sentence.words,
        sentence.offsets,
        sentence.places,
        faults,
    )


def _old_row(
    texts: Sequence[str],
    comments: dict[str, str],
    rows: Sequence[tuple[Place, list[str]]],
    features: Sequence[_Feature],
) -> Row:
    """The row of a sentence of TSV 2, which has tags rather than ids and no offsets."""
    width = 2 + len(features)
    for place, cells in rows:
        if len(cells) < width or not _TOKEN.fullmatch(cells[0]):
            raise UserError(
                f"{place}: {len(cells)} columns; expected a number such as 1-1, a word and one for "
                f"each of the {len(features)} features that the first line declares, with tabs "
                "between them. Export the file again."
            )
    width = width if features else min(len(cells) for _, cells in rows)
    columns = [[cells[index] for _, cells in rows] for index in range(width)]
    fields: dict[str, Any] = {**comments}
    for index, cells in enumerate(columns):
        key = features[index - 2].key if index > 1 and features else ""
        fields |= {str(index + 1): cells} | ({key: cells} if key else {})
    places = [place for place, _ in rows]
    text = "\n".join(texts) or None
    return Row(places[0], fields, text, columns[1], token_places=places)
