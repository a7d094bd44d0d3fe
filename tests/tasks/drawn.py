"""A task of every kind, with sentences drawn for it: gold labels and what a model might say."""

from typing import Any, NamedTuple

import numpy as np

from mtt_jax.tasks import Classes, Entities, Multilabel, Tags
from mtt_jax.types import Span

TOPIC = Classes("topic", ("sports", "politics", "economy", "others"))
SUBJECTS = Multilabel("subjects", ("money", "law", "people"))
NER = Entities("ner", ("O", "PER", "ORG", "LOC"), "iob2")
NER_IO = Entities("ner", ("O", "PER", "ORG", "LOC"), "io")
POS = Tags("pos", ("NOUN", "VERB", "ADJ", "OTHER"))

TASKS = {"classes": TOPIC, "multilabel": SUBJECTS, "iob2": NER, "io": NER_IO, "tags": POS}


class Drawn(NamedTuple):
    """A sentence: its label by name and by id, its number of words, and what the model says."""

    label: Any
    gold: Any
    words: int
    log_probs: np.ndarray


def drawn_spans(rng, length, types=("PER", "ORG", "LOC")):
    """Entities side by side or apart."""
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
        return tuple(str(rng.choice(["", *labels, labels[0]])) for _ in range(words))
    return drawn_spans(rng, words)


def gold_of(task, label, words=0):
    """A label by class id, as an example holds it."""
    return task.example(task.encode([label], [words]), 0)


def one_hot(name, label, words):
    """Float [C] or [w, C]: 1 for what is right."""
    task = TASKS[name]
    if name == "multilabel":
        return np.array([float(c in label) for c in task.classes])
    if name == "classes":
        return np.array([float(c == label) for c in task.classes])
    if name == "tags":
        return np.array([[float(c == tag) for c in task.classes] for tag in label])
    tags = ["O"] * words
    for start, end, kind in label:
        for word in range(start, end):
            prefix = "" if name == "io" else "B-" if word == start else "I-"
            tags[word] = prefix + kind
    return np.array([[float(c == tag) for c in task.classes] for tag in tags])


def drawn(name, seed=0, count=60, sure=3.0):
    """Sentences of a task; the higher `sure`, the more of what the model says is right."""
    rng, task = np.random.default_rng(seed), TASKS[name]
    for _ in range(count):
        words = int(rng.integers(0, 12)) if task.unit == "word" else 5
        label = drawn_label(name, rng, words)
        right = one_hot(name, label, words).reshape(
            *(() if task.unit == "sentence" else (-1,)), len(task.classes)
        )
        logits = (rng.normal(size=right.shape) * 2 + sure * (right - 0.5)).astype(np.float32)
        yield Drawn(label, gold_of(task, label, words), words, task.normalize(logits))


def counts_of(task, sentences):
    """The counts of each sentence."""
    return [task.count(s.gold, task.answer(s.log_probs), s.words) for s in sentences]
