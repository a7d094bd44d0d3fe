"""Entities: spans of words with a type, such as people and places."""

import dataclasses
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mtt_jax.tasks.align import overlapping
from mtt_jax.tasks.base import (
    SPAN_FORM,
    Read,
    Task,
    Words,
    cuts_word,
    json_cell,
    spans_in,
    words_of,
)
from mtt_jax.tasks.calibrate import Curve, Decisions, binary_curve
from mtt_jax.tasks.ragged import Arrays, parts_of, ragged, ranges
from mtt_jax.tasks.schemes import (
    OUTSIDE,
    class_ids,
    class_names,
    decode,
    entity_types,
    spans_of,
    split_tag,
    tags_to_spans,
    type_of,
)
from mtt_jax.tasks.score import Ceiling, Confusion, Score, ratios, rows_of, strict_figures
from mtt_jax.tasks.spans import span_probabilities
from mtt_jax.types import Span

NO_ENTITY = "(none)"


class Gold(NamedTuple):
    """The entities of a sentence, in their order.

    Attributes:
      spans: int32 [k, 3] start, end and type, in words. An entity that begins or ends inside a word
        takes the whole of it; one that no word is left for has start = end.
      places: int32 [k, 2] start and end in characters, which is what is scored.
      cut: bool [k], whether it begins or ends inside a word, so that no answer can be right.
    """

    spans: np.ndarray
    places: np.ndarray
    cut: np.ndarray


class _Found(NamedTuple):
    """The entities of several sentences.

    Attributes:
      spans: of each sentence, in words.
      rows: [w, C] log-probabilities of each sentence that has any.
    """

    spans: list[tuple[Span, ...]]
    rows: list[np.ndarray]


@dataclass(frozen=True)
class Entities(Task):
    """Entities; a label is a tuple of `Span` in characters, and `Gold` as `example` gives it.

    Attributes:
      scheme: tag scheme of the head, "io" or "iob2".
    """

    scheme: str = "io"

    kind: ClassVar[str] = "entities"
    unit: ClassVar[str] = "word"
    loss: ClassVar[str] = "cross_entropy"
    reads: ClassVar[frozenset[str]] = frozenset({"tags", "offsets"})
    fields: ClassVar[Mapping[str, str]] = {"conll": "-1", "jsonl": "entities", "tfds": "ner"}
    hub: ClassVar[str] = "token-classification"

    @classmethod
    def make(cls, name: str, config: Any) -> "Entities":
        """The task of a config's section, its tag scheme included."""
        return cls(name, tuple(config.labels), config.scheme)

    @property
    def classes(self) -> tuple[str, ...]:
        """O and the entity types in io; O, B-X, I-X, ... in iob2."""
        return class_names(self.labels, self.scheme)

    @property
    def entity_types(self) -> tuple[str, ...]:
        """The labels without O."""
        return entity_types(self.labels)

    @property
    def answer_labels(self) -> tuple[str, ...]:
        """The entity types."""
        return self.entity_types

    def describe(self) -> dict[str, Any]:
        """Also the tag scheme."""
        return {**super().describe(), "scheme": self.scheme}

    def problems(self) -> Iterator[str]:
        """Also: O is missing, or is not the first."""
        yield from super().problems()
        if OUTSIDE not in self.labels:
            yield "labels: an entity task needs the label 'O' for words outside entities."
        elif self.labels[0] != OUTSIDE:
            yield "labels: put 'O' first."

    @property
    def weight_names(self) -> tuple[str, ...]:
        """Classes of the head, or entity types."""
        return tuple(dict.fromkeys((*self.classes, *self.labels)))

    def class_weights(self, given: Mapping[str, float]) -> list[float]:
        """The factor of each class; a type's name covers its B- and I- classes."""
        return [given.get(c, given.get(type_of(c, self.scheme), 1.0)) for c in self.classes]

    @classmethod
    def all_labels(cls, named: Sequence[str]) -> tuple[str, ...]:
        """Also O, in front, if it is missing."""
        return tuple(named) if OUTSIDE in named else (OUTSIDE, *named)

    def names(self, label: Sequence[Span]) -> tuple[str, ...]:
        """The type of each entity."""
        return tuple(span.label for span in label)

    def from_tags(
        self, tags: Sequence[str], words: Words, scheme: str, read: Read
    ) -> tuple[Span, ...]:
        """The entities that tags write, each from its first word to its last."""
        for index, tag in enumerate(tags):
            read(tag if scheme == "io" else split_tag(tag)[1], tag, index)
        found = tags_to_spans(tags, scheme)
        named = [s._replace(label=read(s.label, tags[s.start], s.start)) for s in found]
        return tuple(
            Span(words[s.start][0], words[s.end - 1][1], s.label)
            for s in named
            if s.label != OUTSIDE
        )

    def from_spans(self, spans: Sequence[Span], read: Read) -> tuple[Span, ...]:
        """Entities under the task's names; a type that is mapped to O is dropped."""
        named = [s._replace(label=read(s.label, s.label, i)) for i, s in enumerate(spans)]
        return tuple(span for span in named if span.label != OUTSIDE)

    def cut(self, label: Sequence[Span], words: np.ndarray) -> int:
        """Of the spans."""
        return sum(cuts_word(span.start, span.end, words) for span in label)

    def encode(self, labels: Sequence[Any], words: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
        """The fields of `Gold` as flat arrays, and {"labelled"}."""
        rows = [self._gold(spans or (), found) for spans, found in zip(labels, words, strict=True)]
        return {
            **ragged("span", [row.spans for row in rows], np.int32),
            "places": np.concatenate([np.zeros((0, 2), np.int32), *(row.places for row in rows)]),
            "cut": np.concatenate([np.zeros(0, bool), *(row.cut for row in rows)]),
            "labelled": np.array([spans is not None for spans in labels], bool),
        }

    def _gold(self, spans: Sequence[Span], words: np.ndarray) -> Gold:
        """Entities in words; a word that two of them touch belongs to the first."""
        ids = {label: index for index, label in enumerate(self.entity_types)}
        rows, taken = [], 0
        for start, end, label in sorted(spans):
            first, last = words_of(start, end, words)
            first = max(first, taken)
            taken = max(last, taken)
            rows.append((first, max(last, first), ids[label]))
        places = [(span.start, span.end) for span in sorted(spans)]
        return Gold(
            np.array(rows, np.int32).reshape(-1, 3),
            np.array(places, np.int32).reshape(-1, 2),
            np.array([cuts_word(*place, words) for place in places], bool),
        )

    def example(self, arrays: Arrays, index: int) -> Gold | None:
        """The entities of one sentence."""
        if not arrays["labelled"][index]:
            return None
        ends = arrays["span_ends"]
        part = slice(ends[index - 1] if index else 0, ends[index])
        return Gold(arrays["spans"][part], arrays["places"][part], arrays["cut"][part])

    def labelled(self, arrays: Arrays) -> np.ndarray:
        """Bool [n]."""
        return arrays["labelled"]

    def holds(self, arrays: Arrays, part: np.ndarray) -> np.ndarray:
        """Bool [len(part), labels]; O for a sentence without entities."""
        held = np.zeros((len(part), len(self.labels)), bool)
        columns = np.array([self.labels.index(name) for name in self.entity_types])
        ends, spans = arrays["span_ends"], arrays["spans"]
        # The sentence that each entity is in, and its row in the part.
        owner = np.repeat(np.arange(len(ends)), np.diff(ends, prepend=0))
        row = np.full(len(ends), -1)
        row[part] = np.arange(len(part))
        inside = row[owner] >= 0
        held[row[owner][inside], columns[spans[inside, 2]]] = True
        held[~held.any(axis=1), self.labels.index(OUTSIDE)] = True
        return held

    def gathered(
        self, arrays: Arrays, sentences: np.ndarray, begins: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 of all words."""
        first, last = parts_of(arrays, "span", sentences)
        spans = arrays["spans"][ranges(first, last - first)].astype(np.int64)
        spans[:, :2] += np.repeat(begins[:-1], last - first)[:, None]
        ids = class_ids(spans, int(begins[-1]), self.scheme)
        return ids, np.repeat(arrays["labelled"][sentences], np.diff(begins))

    def target(
        self, gold: Gold, words: np.ndarray, starts: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 [length] and mask: a word's label is on its first subword."""
        count = int(max(words.max(initial=-1) + 1, gold.spans[:, 1].max(initial=0)))
        ids = class_ids(gold.spans, count, self.scheme)
        values, mask = np.zeros(length, np.int32), np.zeros(length, np.float32)
        values[starts], mask[starts] = ids[words], 1.0
        return values, mask

    def adopt(self, probs: np.ndarray, teacher: Task, rename: Mapping[str, str]) -> np.ndarray:
        """Of this task's scheme, from either scheme; a type that is renamed to O is O.

        A teacher with the scheme io says only that a word is in an entity. It begins one there
        unless the word before is in one of the same type.
        """
        assert isinstance(teacher, Entities)
        named = [rename.get(label, label) for label in teacher.entity_types]
        same = np.array([[name == label for label in self.entity_types] for name in named], float)
        if teacher.scheme == "iob2":
            begins, inside = probs[:, 1::2] @ same, probs[:, 2::2] @ same
        else:
            both = probs[:, 1:] @ same
            before = np.concatenate([np.zeros_like(both[:1]), both[:-1]])
            begins, inside = both * (1 - before), both * before
        return self._rows(begins, inside)

    def _rows(self, begins: np.ndarray, inside: np.ndarray) -> np.ndarray:
        """[w, C] of the scheme, from [w, K] that an entity of a type begins, or goes on."""
        rows = np.zeros((len(begins), len(self.classes)))
        if self.scheme == "iob2":
            rows[:, 1::2], rows[:, 2::2] = begins, inside
        else:
            rows[:, 1:] = begins + inside
        rows[:, 0] = np.maximum(1 - rows[:, 1:].sum(axis=1), 0.0)
        return rows / rows.sum(axis=1, keepdims=True)

    def at_words(self, rows: np.ndarray, theirs: np.ndarray, ours: np.ndarray) -> np.ndarray:
        """Also: of several words of ours in one of theirs, only the first begins an entity."""
        found = super().at_words(rows, theirs, ours)
        _, later = overlapping(theirs, ours)
        if self.scheme == "iob2":
            found[later, 2::2] += found[later, 1::2]
            found[later, 1::2] = 0
        return found

    def from_answer(self, value: Any, words: np.ndarray, read: Callable[[str], str]) -> np.ndarray:
        """From spans: the score of one is on the tags of its words, and the rest on O.

        Scores of spans that overlap add up; if they exceed 1, they are divided by their sum.
        """
        types = self.entity_types
        begins, inside = np.zeros((2, len(words), len(types)))
        for start, end, label, score in spans_in(value):
            name = read(str(label))
            first, last = words_of(start, end, words)
            if name != OUTSIDE and first < last:
                begins[first, types.index(name)] += score
                inside[first + 1 : last, types.index(name)] += score
        return self._rows(begins, inside)

    def answer(self, log_probs: np.ndarray) -> tuple[Span, ...]:
        """The entities of the most probable legal tag sequence that reach their thresholds.

        The temperature changes every sequence's log-probability by the same factor and constant, so
        that the most probable one stays the same.
        """
        found = self._find([log_probs])
        return found.spans[0] if not self.thresholds else self._kept(found)[0][0]

    def _find(self, log_probs: Sequence[np.ndarray]) -> _Found:
        """The entities of several sentences, whatever the thresholds."""
        spans = decode(log_probs, self.labels, self.scheme)
        return _Found(spans, [rows for rows, some in zip(log_probs, spans, strict=True) if some])

    def _scores(self, found: _Found) -> np.ndarray:
        """float64 [k], 0 to 1: of all entities of the sentences, in their order."""
        if not found.rows:  # most sentences of some texts have none
            return np.zeros(0)
        lengths = [len(rows) for rows in found.rows]
        firsts = np.cumsum([0, *lengths[:-1]]).tolist()
        having = [spans for spans in found.spans if spans]
        moved = [
            span._replace(start=span.start + first, end=span.end + first)
            for first, spans in zip(firsts, having, strict=True)
            for span in spans
        ]
        scaled = self.scaled(np.concatenate(found.rows))
        return span_probabilities(scaled, moved, self.labels, self.scheme, firsts)

    def _kept(self, found: _Found) -> list[tuple[tuple[Span, ...], list[float]]]:
        """(entities that reach their thresholds, their scores) of each sentence."""
        needed = dict(zip(self.answer_labels, self.needed().tolist(), strict=True))
        scores = iter(self._scores(found).tolist())
        kept = []
        for spans in found.spans:
            pairs = [(span, next(scores)) for span in spans]
            pairs = [(span, score) for span, score in pairs if score >= needed[span.label]]
            kept.append((tuple(span for span, _ in pairs), [score for _, score in pairs]))
        return kept

    def curve(
        self, gold: Sequence[Gold], log_probs: Sequence[np.ndarray], words: Sequence[np.ndarray]
    ) -> Curve | None:
        """Cross-entropy of the scores of the entities found, each right or wrong.

        Not that of the words' tags: most words are outside and easy, and with the temperature that
        is best for them entities stay too sure (on news a calibration error of 0.08, not 0.03).
        """
        found = self._find(log_probs)
        if not found.rows:
            return None
        triples = zip(gold, found.spans, words, strict=True)
        right = [hit for triple in triples for hit in self._right(*triple)]
        return binary_curve(
            lambda temperature: dataclasses.replace(self, temperature=temperature)._scores(found),
            np.array(right),
        )

    def _right(self, gold: Gold, spans: Sequence[Span], words: np.ndarray) -> list[bool]:
        """Whether start, end and type of each entity in words are those of a labeled one."""
        given = self._given_places(gold)
        return [given.get(place) == label for place, label in _by_place(spans, words).items()]

    def likelihood(self, gold: Gold, log_probs: np.ndarray) -> float:
        """Of the word whose class is least likely; 0 for a sentence without words."""
        classes = class_ids(gold.spans, len(log_probs), self.scheme)
        scaled = self.scaled(log_probs)
        return float(scaled[np.arange(len(classes)), classes].min(initial=0.0))

    def decisions(self, gold: Gold, log_probs: np.ndarray, words: np.ndarray) -> Decisions:
        """The entities found; right are those whose start, end and type are."""
        found = self._find([log_probs])
        spans = found.spans[0]
        types, counts = self.entity_types, Counter(self._given_places(gold).values())
        return Decisions(
            np.array([types.index(span.label) for span in spans], np.int64),
            self._scores(found),
            np.array(self._right(gold, spans, words), bool),
            np.array([counts[label] for label in types], np.int64),
        )

    def _given_places(self, gold: Gold) -> dict[tuple[int, int], str]:
        """(start, end) in characters -> type, of the labeled entities."""
        return {
            (int(start), int(end)): self.entity_types[int(kind)]
            for (start, end), kind in zip(gold.places, gold.spans[:, 2], strict=True)
        }

    def cross_entropy(self, gold: Gold, log_probs: np.ndarray) -> tuple[float, int]:
        """Of the words."""
        classes = class_ids(gold.spans, len(log_probs), self.scheme)
        return -float(log_probs[np.arange(len(classes)), classes].sum()), len(classes)

    def count(self, gold: Gold, answer: Sequence[Span], words: np.ndarray) -> Counter:
        """Pairs of types by place in the text, and the best that words and scheme allow."""
        given = self._given_places(gold)
        found = _by_place(answer, words)
        counts: Counter = Counter({("sentences",): 1, ("cut",): int(gold.cut.sum())})
        for place in given.keys() | found.keys():
            counts["pair", given.get(place, NO_ENTITY), found.get(place, NO_ENTITY)] += 1
        ids = class_ids(gold.spans, len(words), self.scheme)
        (best,) = spans_of(ids, [len(ids)], self.labels, self.scheme)
        counts["ceiling right",] += len(_by_place(best, words).items() & given.items())
        counts["ceiling found",] += len(best)
        return counts

    def _matrix(self, counts: Counter) -> np.ndarray:
        """int64 [types + 1, types + 1], gold by found; the last of each is no entity."""
        labels = [*self.entity_types, NO_ENTITY]
        return np.array([[counts["pair", gold, found] for found in labels] for gold in labels])

    def tallies(self, counts: Counter) -> np.ndarray:
        """int64 [3, 1]: entities of all types."""
        matrix = self._matrix(counts)
        right, found, given = np.trace(matrix[:-1, :-1]), matrix[:, :-1].sum(), matrix[:-1].sum()
        return np.array([[right], [found], [given]], np.int64)

    def headline(self, tallies: np.ndarray) -> np.ndarray:
        """Strict F1 of all entities, as in seqeval's strict mode."""
        right, found, given = np.moveaxis(np.asarray(tallies, np.float64)[..., 0], -1, 0)
        return 2 * right / np.maximum(found + given, 1)

    def score(self, counts: Counter, loss: float) -> Score:
        """Strict precision, recall and F1: start, end and type of an entity must all be right."""
        matrix = self._matrix(counts)
        inner = matrix[:-1, :-1]
        by_type = np.stack(
            [np.diagonal(inner), matrix[:, :-1].sum(axis=0), matrix[:-1].sum(axis=1)]
        )
        right, found, given = (int(x) for x in by_type.sum(axis=1))
        total = ratios(right, found, given)
        best = (
            ratios(counts["ceiling right",], counts["ceiling found",], given).f1 if given else 1.0
        )
        return Score(
            figures=strict_figures(total),
            sentences=counts["sentences",],
            rows=rows_of(self.entity_types, by_type),
            totals={"strict, overall": total},
            confusion=Confusion(
                (*self.entity_types, NO_ENTITY), tuple(tuple(map(int, row)) for row in matrix)
            ),
            ceiling=Ceiling(self.scheme, float(best or 0.0), counts["cut",]),
            loss=loss,
            rows_name="per_entity",
        )

    def given(self, gold: Gold, text: str, words: np.ndarray) -> list[dict]:
        """One {"text", "label", "start", "end"} per entity."""
        del words
        return [
            {"text": text[start:end], "label": label, "start": start, "end": end}
            for (start, end), label in self._given_places(gold).items()
        ]

    def as_json(self, answer: Any, log_probs: np.ndarray, text: str, words: Words) -> list[dict]:
        """Entities with character offsets; the score is the probability of exactly this entity."""
        scores = self._scores(_Found([tuple(answer)], [log_probs] if answer else []))
        return _as_json(answer, scores.tolist(), text, words)

    def results(
        self, log_probs: Sequence[np.ndarray], texts: Sequence[str], words: Sequence[Words]
    ) -> list[list[dict]]:
        """`as_json` of each text; all their scores are computed at once, which is faster."""
        kept = self._kept(self._find(log_probs))
        return [
            _as_json(spans, scores, text, places)
            for (spans, scores), text, places in zip(kept, texts, words, strict=True)
        ]

    @property
    def form(self) -> list:
        """See `as_json`."""
        return [SPAN_FORM]

    def as_cells(self, result: Any) -> dict[str, str]:
        """The entities as JSON."""
        return {self.name: "" if result is None else json_cell(result)}

    def as_tags(self, result: Any, words: Words) -> list[str]:
        """IOB2 tags."""
        tags = []
        for start, _ in words:
            entity = next((e for e in result if e["start"] <= start < e["end"]), None)
            prefix = "" if entity is None else "B-" if entity["start"] == start else "I-"
            tags.append(OUTSIDE if entity is None else prefix + entity["label"])
        return tags

    def as_lines(self, result: Any) -> list[str]:
        """A line per entity."""
        lines = [f"{self.name}: {e['text']} ({e['label']}) {e['score']:.2f}" for e in result]
        return lines or [f"{self.name}: (none)"]

    def as_spans(self, result: Any) -> list[dict[str, Any]]:
        """The entities."""
        return list(result)


def _by_place(spans: Sequence[Span], words: np.ndarray) -> dict[tuple[int, int], str]:
    """(start, end) in characters -> type, of entities in words."""
    return {(int(words[s.start, 0]), int(words[s.end - 1, 1])): s.label for s in spans}


def _as_json(
    spans: Sequence[Span], scores: Sequence[float], text: str, words: Words
) -> list[dict[str, Any]]:
    """Entities in words as a result holds them."""
    places = [(words[span.start][0], words[span.end - 1][1]) for span in spans]
    return [
        {
            "text": text[start:end],
            "label": span.label,
            "start": start,
            "end": end,
            "score": score,
        }
        for span, score, (start, end) in zip(spans, scores, places, strict=True)
    ]
