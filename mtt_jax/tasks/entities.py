"""Entities: spans of words with a type, such as people and places."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

import numpy as np

from mtt_jax.tasks.base import (
    Arrays,
    Read,
    Task,
    Words,
    cuts_word,
    json_cell,
    ragged,
    words_of,
)
from mtt_jax.tasks.schemes import (
    OUTSIDE,
    class_ids,
    class_names,
    decode,
    entity_types,
    split_tag,
    tags_to_spans,
    type_of,
)
from mtt_jax.tasks.score import Ceiling, Confusion, Score, ratios, rows_of, strict_figures
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

    def describe(self) -> dict[str, Any]:
        """Kind, labels and tag scheme."""
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

    def target(
        self, gold: Gold, words: np.ndarray, starts: np.ndarray, length: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Class ids int32 [length] and mask: a word's label is on its first subword."""
        count = int(max(words.max(initial=-1) + 1, gold.spans[:, 1].max(initial=0)))
        ids = class_ids(gold.spans, count, self.scheme)
        values, mask = np.zeros(length, np.int32), np.zeros(length, np.float32)
        values[starts], mask[starts] = ids[words], 1.0
        return values, mask

    def answer(self, log_probs: np.ndarray) -> tuple[Span, ...]:
        """The entities of the most probable legal tag sequence."""
        return decode(log_probs, self.labels, self.scheme)

    def likelihood(self, gold: Gold, log_probs: np.ndarray) -> float:
        """Of the word whose class is least likely; 0 for a sentence without words."""
        classes = class_ids(gold.spans, len(log_probs), self.scheme)
        return float(log_probs[np.arange(len(classes)), classes].min(initial=0.0))

    def cross_entropy(self, gold: Gold, log_probs: np.ndarray) -> tuple[float, int]:
        """Of the words."""
        classes = class_ids(gold.spans, len(log_probs), self.scheme)
        return -float(log_probs[np.arange(len(classes)), classes].sum()), len(classes)

    def count(self, gold: Gold, answer: Sequence[Span], words: np.ndarray) -> Counter:
        """Pairs of types by place in the text, and the best that words and scheme allow."""
        types = self.entity_types
        given = {
            (int(start), int(end)): types[int(kind)]
            for (start, end), kind in zip(gold.places, gold.spans[:, 2], strict=True)
        }
        found = _by_place(answer, words)
        counts: Counter = Counter({("sentences",): 1, ("cut",): int(gold.cut.sum())})
        for place in given.keys() | found.keys():
            counts["pair", given.get(place, NO_ENTITY), found.get(place, NO_ENTITY)] += 1
        ids = class_ids(gold.spans, len(words), self.scheme)
        best = tags_to_spans([self.classes[index] for index in ids.tolist()], self.scheme)
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

    def as_json(self, answer: Any, log_probs: np.ndarray, text: str, words: Words) -> list[dict]:
        """Entities with character offsets; the score is the least certain word's probability."""
        types = [type_of(name, self.scheme) for name in self.classes]
        found = []
        for span in answer:
            start, end = words[span.start][0], words[span.end - 1][1]
            columns = [i for i, name in enumerate(types) if name == span.label]
            certainty = np.exp(log_probs[span.start : span.end, columns]).sum(axis=-1).min()
            found.append(
                {
                    "text": text[start:end],
                    "label": span.label,
                    "start": start,
                    "end": end,
                    "score": float(min(certainty, 1.0)),
                }
            )
        return found

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
