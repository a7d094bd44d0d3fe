"""Synthetic sentences for entities of which few are labeled, made from the labeled ones.

The four label-preserving methods of Dai & Adel 2020 (arXiv:2010.11683), one drawn per sentence:

    mention   an entity is replaced by another of its type, from training or from a gazetteer
    token     a word is replaced by another that carries the same IOB2 tag in training
    shuffle   the words of a segment (an entity, or what is between two) are shuffled
    case      a segment is written in lower case, in capitals or with initial capitals

A synthetic sentence carries only entity labels: its topic may have changed.
"""

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from itertools import pairwise
from random import Random
from typing import NamedTuple

from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks import Task
from mtt_jax.tasks.schemes import OUTSIDE, entity_types, spans_to_tags
from mtt_jax.types import Record, Span
from mtt_jax.untrusted.folder import user_path

# Words as a person sees them, larger than those that carry tags: U.S. and O'Brien are moved whole.
_WORD = re.compile(r"(?:[^\W\d_]\.){2,}|\w+(?:[.,'\u2019&/-]\w+)*|\S")
# How often to try again if a sentence comes out as one that already exists.
_TRIES = 5


class Segment(NamedTuple):
    """Consecutive words of one sentence: an entity, or what is between two.

    Attributes:
      label: entity type, O outside.
      words: the words.
      gaps: what follows each word in the text, mostly spaces.
    """

    label: str
    words: tuple[str, ...]
    gaps: tuple[str, ...]


def augment(
    records: Sequence[Record],
    task: Task,
    count: int,
    methods: Sequence[str],
    rate: float,
    gazetteer: Mapping[str, Sequence[str]],
    taken: frozenset[str],
    seed: int,
) -> list[Record]:
    """Synthetic sentences, each different from all sentences of the data and from each other.

    Args:
      records: training sentences; those without labels of `task` are left out.
      task: an entity task.
      count: sentences to make; fewer are returned if no more new ones are found.
      methods: of SYNTHETIC_METHODS, one of which is drawn for each sentence.
      rate: probability that each entity, word or segment is changed.
      gazetteer: entity type -> additional names.
      taken: texts that no synthetic sentence may have, those of dev and test included.
      seed: of all draws; the same arguments give the same sentences.
    """
    sources = [(r.text, _segments(r, task.name)) for r in records if task.name in r.labels]
    mentions, words = _pools([segments for _, segments in sources], gazetteer)
    random = Random(f"augment {task.name} {seed}")
    known = {*taken, *(text for text, _ in sources)}
    made: list[Record] = []
    for _ in range(count):
        for _ in range(_TRIES):
            _, segments = random.choice(sources)
            method = random.choice(list(methods))
            changed = _changed(segments, method, rate, mentions, words, random)
            record = _joined(changed, _glued(segments), task.name)
            if record.text not in known:
                known.add(record.text)
                made.append(record)
                break
    return made


def read_gazetteer(path: str, task: Task) -> dict[str, list[str]]:
    """Entity type -> names, from lines of a type, a tab and a name.

    Raises:
      UserError: for a file that cannot be read, or a malformed line, with its number.
    """
    flag = f"config.data.{task.name}.gazetteer"
    if not path:
        return {}
    try:
        lines = user_path(path).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{flag}: {path}: cannot be read: {error}.") from None
    names: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, tab, name = line.partition("\t")
        if not tab or not name.strip():
            raise UserError(f"{path}, line {number}: expected a type, a tab and a name: {line!r}.")
        known = entity_types(task.labels)
        if label not in known:
            raise UserError(
                f"{path}, line {number}: {label!r} is not one of {', '.join(known)}."
                f"{did_you_mean(label, known)}"
            )
        names[label].append(name.strip())
    return dict(names)


def _segments(record: Record, task: str) -> list[Segment]:
    """The segments of a sentence; what precedes its first word is dropped."""
    spans = record.labels[task]
    words = _words(record.text, {edge for span in spans for edge in (span.start, span.end)})
    following = [*(start for start, _ in words[1:]), len(record.text)]
    gaps = [record.text[end:start] for (_, end), start in zip(words, following, strict=True)]
    texts = [record.text[start:end] for start, end in words]
    begins = [start for start, _ in words]
    cuts = {0, len(texts)}
    labels = {}
    for start, end, label in spans:
        first, last = bisect_left(begins, start), bisect_left(begins, end)
        if first < last:
            cuts |= {first, last}
            labels[first] = label
    return [
        Segment(labels.get(start, OUTSIDE), tuple(texts[start:end]), tuple(gaps[start:end]))
        for start, end in pairwise(sorted(cuts))
    ]


def _words(text: str, edges: Collection[int] = ()) -> list[tuple[int, int]]:
    """(start, end) of the words of a text, cut where an entity begins or ends."""
    words: list[tuple[int, int]] = []
    for match in _WORD.finditer(text):
        cuts = sorted(edge for edge in edges if match.start() < edge < match.end())
        words += pairwise([match.start(), *cuts, match.end()])
    return words


def _pools(
    sentences: Sequence[Sequence[Segment]], gazetteer: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[Segment]], dict[str, list[str]]]:
    """Type -> mentions, and IOB2 tag -> words, each as often as it occurs in training."""
    mentions: dict[str, list[Segment]] = defaultdict(list)
    words: dict[str, list[str]] = defaultdict(list)
    for segments in sentences:
        for segment in segments:
            if segment.label != OUTSIDE:
                mentions[segment.label].append(segment)
            for tag, word in zip(_tags(segment), segment.words, strict=True):
                words[tag].append(word)
    for label, names in gazetteer.items():
        mentions[label] += [_mention(label, name) for name in names]
    return mentions, words


def _tags(segment: Segment) -> list[str]:
    if segment.label == OUTSIDE:
        return [OUTSIDE] * len(segment.words)
    size = len(segment.words)
    return spans_to_tags([Span(0, size, segment.label)], size, "iob2")


def _mention(label: str, name: str) -> Segment:
    bounds = _words(name)
    edges = [start for start, _ in bounds[1:]]
    gaps = [name[end:start] for (_, end), start in zip(bounds, edges, strict=False)]
    return Segment(label, tuple(name[a:b] for a, b in bounds), (*gaps, ""))


def _changed(
    segments: Sequence[Segment],
    method: str,
    rate: float,
    mentions: Mapping[str, Sequence[Segment]],
    words: Mapping[str, Sequence[str]],
    random: Random,
) -> list[Segment]:
    changed = []
    for segment in segments:
        if method == "token":
            drawn = [
                random.choice(words[tag]) if random.random() < rate else word
                for tag, word in zip(_tags(segment), segment.words, strict=True)
            ]
            segment = segment._replace(words=tuple(drawn))
        elif random.random() < rate:
            if method == "mention" and segment.label != OUTSIDE:
                other = random.choice(mentions[segment.label])
                # Inside it the spaces of the new entity, after it those of the old one.
                segment = other._replace(gaps=(*other.gaps[:-1], segment.gaps[-1]))
            elif method == "shuffle":
                mixed = random.sample(segment.words, len(segment.words))
                segment = segment._replace(words=tuple(mixed))
            elif method == "case":
                write = random.choice((str.lower, str.upper, str.title))
                segment = segment._replace(words=tuple(write(word) for word in segment.words))
        changed.append(segment)
    return changed


def _glued(segments: Sequence[Segment]) -> set[tuple[str, str]]:
    """Neighboring words of a sentence, in lower case, with nothing between them."""
    words = [word.lower() for segment in segments for word in segment.words]
    gaps = [gap for segment in segments for gap in segment.gaps]
    return {pair for pair, gap in zip(pairwise(words), gaps, strict=False) if not gap}


def _joined(segments: Sequence[Segment], glued: set[tuple[str, str]], task: str) -> Record:
    """Segments as a sentence, with offsets and entities.

    New neighbors get a space between them if they would read as one word: "Tom, who" with its words
    shuffled is "Tom who ,", not "Tomwho ,".
    """
    text = ""
    before = ""
    spans: list[Span] = []
    for segment in segments:
        begins: list[int] = []
        for word, gap in zip(segment.words, segment.gaps, strict=True):
            together = bool(before) and text.endswith(before)
            if together and (before.lower(), word.lower()) not in glued:
                starts = {start for start, _ in split_words(before + word)}
                text += " " * (len(before) not in starts)
            begins.append(len(text))
            text += word + gap
            before = word
        if segment.label != OUTSIDE and begins:
            end = len(text) - len(segment.gaps[-1])
            spans.append(Span(begins[0], end, segment.label))
    return Record(text, {task: tuple(spans)})
