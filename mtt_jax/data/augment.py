"""Synthetic sentences for a scarce token task, made from its own labelled ones.

The four label-preserving ways of Dai & Adel 2020 (arXiv:2010.11683), one drawn for each sentence:

    mention   an entity gives way to another of its type, from training or from a gazetteer
    token     a word gives way to another that carries the same IOB2 tag in training
    shuffle   the words of a segment (an entity, or what is between two) change places
    case      a segment is written in lower case, in capitals or with initials

A synthetic sentence carries the labels of the one task alone: its topic may have changed.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import NamedTuple

from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError, did_you_mean
from mtt_jax.tasks.schemes import OUTSIDE, Task, spans_to_tags
from mtt_jax.types import Record, Span

# How often a sentence is tried again when it comes out as one that is there already.
_TRIES = 5


class Segment(NamedTuple):
    """Words of one sentence that stand together: an entity, or what is between two.

    Attributes:
      label: entity type, O outside.
      words: the words.
      gaps: what follows each word in the text, blanks mostly.
    """

    label: str
    words: tuple[str, ...]
    gaps: tuple[str, ...]


def augment(
    records: Sequence[Record],
    task: Task,
    count: int,
    ways: Sequence[str],
    rate: float,
    gazetteer: Mapping[str, Sequence[str]],
    taken: frozenset[str],
    seed: int,
) -> list[Record]:
    """Synthetic sentences, none of which is a sentence of the data or another of them.

    Args:
      records: training sentences; those without labels of `task` are left out.
      task: a token task.
      count: sentences to make; fewer come where no more different ones are found.
      ways: of config.SYNTHETIC_WAYS, one of which is drawn for each sentence.
      rate: how likely each entity, word or segment is changed.
      gazetteer: entity type -> further names.
      taken: texts that none may have, those of dev and test among them.
      seed: root of the randomness; the same arguments give the same sentences.
    """
    sources = [(r.text, _segments(r, task.name)) for r in records if task.name in r.spans]
    mentions, words = _pools([segments for _, segments in sources], gazetteer)
    random = Random(f"augment {task.name} {seed}")
    known = {*taken, *(text for text, _ in sources)}
    made: list[Record] = []
    for _ in range(count):
        for _ in range(_TRIES):
            _, segments = random.choice(sources)
            way = random.choice(list(ways))
            changed = _changed(segments, way, rate, mentions, words, random)
            record = _joined(changed, _glued(segments), task.name)
            if record.text not in known:
                known.add(record.text)
                made.append(record)
                break
    return made


def read_gazetteer(path: str, task: Task) -> dict[str, list[str]]:
    """Entity type -> names, from lines of a type, a tab and a name.

    Raises:
      UserError: for a file that cannot be read, or a line of another shape, with its number.
    """
    flag = f"config.data.{task.name}.gazetteer"
    if not path:
        return {}
    try:
        lines = Path(path).expanduser().read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{flag}: {path}: cannot be read: {error}.") from None
    names: dict[str, list[str]] = defaultdict(list)
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        label, tab, name = line.partition("\t")
        if not tab or not name.strip():
            raise UserError(f"{path}, line {number}: expected a type, a tab and a name: {line!r}.")
        if label not in task.entity_types:
            raise UserError(
                f"{path}, line {number}: {label!r} is not one of {', '.join(task.entity_types)}."
                f"{did_you_mean(label, task.entity_types)}"
            )
        names[label].append(name.strip())
    return dict(names)


def _segments(record: Record, task: str) -> list[Segment]:
    """A sentence in its segments; what stands before its first word is dropped."""
    edges = [*record.words[1:], (len(record.text), 0)]
    gaps = [record.text[end:following] for (_, end), (following, _) in
            zip(record.words, edges, strict=True)]  # fmt: skip
    texts = [record.text[start:end] for start, end in record.words]
    cuts = {0, len(texts)}
    labels = {}
    for start, end, label in record.spans[task]:
        cuts |= {start, end}
        labels[start] = label
    return [
        Segment(labels.get(start, OUTSIDE), tuple(texts[start:end]), tuple(gaps[start:end]))
        for start, end in pairwise(sorted(cuts))
    ]


def _pools(
    sentences: Sequence[Sequence[Segment]], gazetteer: Mapping[str, Sequence[str]]
) -> tuple[dict[str, list[Segment]], dict[str, list[str]]]:
    """Type -> mentions, and IOB2 tag -> words, as often as training has them."""
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
    bounds = split_words(name)
    edges = [start for start, _ in bounds[1:]]
    gaps = [name[end:start] for (_, end), start in zip(bounds, edges, strict=False)]
    return Segment(label, tuple(name[a:b] for a, b in bounds), (*gaps, ""))


def _changed(
    segments: Sequence[Segment],
    way: str,
    rate: float,
    mentions: Mapping[str, Sequence[Segment]],
    words: Mapping[str, Sequence[str]],
    random: Random,
) -> list[Segment]:
    changed = []
    for segment in segments:
        if way == "token":
            drawn = [
                random.choice(words[tag]) if random.random() < rate else word
                for tag, word in zip(_tags(segment), segment.words, strict=True)
            ]
            segment = segment._replace(words=tuple(drawn))
        elif random.random() < rate:
            if way == "mention" and segment.label != OUTSIDE:
                other = random.choice(mentions[segment.label])
                # Within, the blanks of the new one; behind it, those of the old.
                segment = other._replace(gaps=(*other.gaps[:-1], segment.gaps[-1]))
            elif way == "shuffle":
                mixed = random.sample(segment.words, len(segment.words))
                segment = segment._replace(words=tuple(mixed))
            elif way == "case":
                write = random.choice((str.lower, str.upper, str.title))
                segment = segment._replace(words=tuple(write(word) for word in segment.words))
        changed.append(segment)
    return changed


def _glued(segments: Sequence[Segment]) -> set[tuple[str, str]]:
    """The neighbours of a sentence, in lower case, between which there is nothing."""
    words = [word.lower() for segment in segments for word in segment.words]
    gaps = [gap for segment in segments for gap in segment.gaps]
    return {pair for pair, gap in zip(pairwise(words), gaps, strict=False) if not gap}


def _joined(segments: Sequence[Segment], glued: set[tuple[str, str]], task: str) -> Record:
    """Segments as a sentence, with their offsets and entities.

    New neighbours get a blank between them where they would read as one word: "Tom, who" with its
    words shuffled is "Tom who ,", not "Tomwho ,".
    """
    text = ""
    words: list[tuple[int, int]] = []
    spans: list[Span] = []
    for segment in segments:
        if segment.label != OUTSIDE:
            spans.append(Span(len(words), len(words) + len(segment.words), segment.label))
        for word, gap in zip(segment.words, segment.gaps, strict=True):
            before = text[words[-1][0] : words[-1][1]] if words else ""
            together = bool(before) and text.endswith(before)
            if together and (before.lower(), word.lower()) not in glued:
                text += " " * (len(split_words(before + word)) < 2)
            words.append((len(text), len(text) + len(word)))
            text += word + gap
    return Record(text, tuple(words), {}, {task: tuple(spans)})
