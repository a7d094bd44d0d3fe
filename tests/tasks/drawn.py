"""A task of every kind, with sentences drawn for it: gold labels and what a model might say."""

from typing import Any, NamedTuple

import numpy as np

from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from mtt_jax.tasks.schemes import spans_to_tags
from mtt_jax.types import Span

TOPIC = Classes("topic", ("sports", "politics", "economy", "others"))
SUBJECTS = Multilabel("subjects", ("money", "law", "people"))
NER = Entities("ner", ("O", "PER", "ORG", "LOC"), "iob2")
NER_IO = Entities("ner", ("O", "PER", "ORG", "LOC"), "io")
POS = Tags("pos", ("NOUN", "VERB", "ADJ", "OTHER"))

TASKS = {"classes": TOPIC, "multilabel": SUBJECTS, "iob2": NER, "io": NER_IO, "tags": POS}


class Drawn(NamedTuple):
    """A sentence.

    Attributes:
      label: by name, as a record holds it.
      gold: the same by class id, as an example holds it.
      words: int32 [w, 2], as an example holds them.
      log_probs: what the model says.
    """

    label: Any
    gold: Any
    words: np.ndarray
    log_probs: np.ndarray


def letters(count):
    """int32 [count, 2] the words of a text such as "a b c"."""
    return np.array([(2 * i, 2 * i + 1) for i in range(count)], np.int32).reshape(-1, 2)


def in_characters(spans, words):
    """Spans in words as spans in characters, in the form that a record holds."""
    return tuple(Span(int(words[a, 0]), int(words[b - 1, 1]), label) for a, b, label in spans)


def drawn_spans(rng, length, types=("PER", "ORG", "LOC")):
    """Entities side by side or apart, in words."""
    position, spans = 0, []
    while position < length:
        end = min(length, position + int(rng.integers(1, 4)))
        if rng.random() < 0.6:
            spans.append(Span(position, end, str(rng.choice(types))))
        position = end
    return tuple(spans)


def drawn_label(name, rng, words):
    """A label by name, in the form that a record holds for the task."""
    labels = TASKS[name].labels
    if name == "classes":
        return str(rng.choice(labels))
    if name == "multilabel":
        return tuple(label for label in labels if rng.random() < 0.4)
    if name == "tags":  # about every sixth word has no tag
        tags = [str(rng.choice(["", *labels, labels[0]])) for _ in words]
        return tags_of(tags, words)
    return in_characters(drawn_spans(rng, len(words)), words)


def tags_of(tags, words):
    """A tag for each word, "" for none, in the form that a record holds."""
    return tuple(
        Span(int(start), int(end), tag)
        for (start, end), tag in zip(words, tags, strict=True)
        if tag
    )


NO_WORDS = letters(0)


def gold_of(task, label, words=NO_WORDS):
    """A label by class id, as an example holds it."""
    return task.example(task.encode([label], [words]), 0)


def one_hot(name, label, words):
    """Float [C] or [w, C]: 1 for what is right."""
    task = TASKS[name]
    if name == "multilabel":
        return np.array([float(c in label) for c in task.classes])
    if name == "classes":
        return np.array([float(c == label) for c in task.classes])
    begins = words[:, 0].tolist()
    spans = [Span(begins.index(s), begins.index(e - 1) + 1, kind) for s, e, kind in label]
    tags = spans_to_tags(spans, len(words), "iob2" if name == "iob2" else "io")
    if name == "tags":  # a word without a tag may get any
        tags = [tag if tag != "O" else "" for tag in tags]
    return np.array([[float(c == tag) for c in task.classes] for tag in tags])


def drawn(name, seed=0, count=60, sure=3.0):
    """Sentences of a task; the higher `sure`, the more of what the model says is right."""
    rng, task = np.random.default_rng(seed), TASKS[name]
    for _ in range(count):
        words = letters(int(rng.integers(0, 12)) if task.unit == "word" else 5)
        label = drawn_label(name, rng, words)
        right = one_hot(name, label, words).reshape(
            *(() if task.unit == "sentence" else (-1,)), len(task.classes)
        )
        logits = (rng.normal(size=right.shape) * 2 + sure * (right - 0.5)).astype(np.float32)
        yield Drawn(label, gold_of(task, label, words), words, task.normalize(logits))


def counts_of(task, sentences):
    """The counts of each sentence."""
    return [task.count(s.gold, task.answer(s.log_probs), s.words) for s in sentences]
