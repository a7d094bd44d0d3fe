"""Tag schemes: the one codec between tags, class ids and entities.

A tag scheme writes entities as one tag per word. With two people side by side, A B | C:

    io      PER PER PER         adjacent entities of one type merge
    iob1    I-PER I-PER B-PER   B- only if an entity follows another of its type
    iob2    B-PER I-PER B-PER   B- at every start
    bioes   B-PER E-PER S-PER   E- at an end, S- for a single word
    bilou   B-PER L-PER U-PER   the same with other letters

The model reads and writes io or iob2; all five are understood in files.
"""

from collections.abc import Iterable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np

from mtt_jax.types import Span

OUTSIDE = "O"
MODEL_SCHEMES = ("io", "iob2")
FILE_SCHEMES = ("io", "iob1", "iob2", "bioes", "bilou")


def entity_types(labels: Iterable[str]) -> tuple[str, ...]:
    """The labels of an entity task without O, in their order."""
    return tuple(label for label in labels if label != OUTSIDE)


def class_names(labels: Sequence[str], scheme: str) -> tuple[str, ...]:
    """Names of the classes in scheme io or iob2, in the order of the logits; O comes first."""
    if scheme == "io":
        return tuple(labels)
    return (OUTSIDE, *(f"{prefix}-{label}" for label in entity_types(labels) for prefix in "BI"))


def type_of(name: str, scheme: str) -> str:
    """The label of a class: `PER` of the class `B-PER` in iob2, and of `PER` in io."""
    return split_tag(name)[1] if scheme == "iob2" else name


def class_ids(spans: np.ndarray, length: int, scheme: str) -> np.ndarray:
    """int32 [length] class ids of words, from entities int32 [k, 3]: start, end and type."""
    ids = np.zeros(length, np.int32)
    for start, end, entity_type in spans:
        if scheme == "io":
            ids[start:end] = 1 + entity_type
        else:
            ids[start:end] = 2 + 2 * entity_type
            ids[start] = 1 + 2 * entity_type
    return ids


def decode(log_probs: np.ndarray, labels: tuple[str, ...], scheme: str) -> tuple[Span, ...]:
    """The entities of the most probable legal tag sequence; spans are in words.

    Under io every sequence is legal and each word decides for itself; under iob2 the best sequence
    in which I-X follows B-X or I-X is found (Viterbi 1967).

    Args:
      log_probs: [w, C] per word.
      labels: of the task, O among them.
      scheme: io or iob2.
    """
    if not len(log_probs):
        return ()
    classes = class_names(labels, scheme)
    best = log_probs.argmax(axis=-1)
    if scheme == "iob2":
        start, legal = _legal(classes)
        # Word by word the most probable tags are the best sequence if they are legal; most are.
        if not (start[best[0]] and legal[best[:-1], best[1:]].all()):
            best = _viterbi(log_probs, start, legal)
    return tags_to_spans([classes[index] for index in best.tolist()], scheme)


@cache
def _legal(classes: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """Bool [C], which classes may begin, and [C, C], which may follow which: [from, to]."""
    tags = [split_tag(name) for name in classes]
    start = np.array([prefix != "I" for prefix, _ in tags])
    follows = [
        [now != "I" or (last in ("B", "I") and a == b) for now, b in tags] for last, a in tags
    ]
    return start, np.array(follows)


def _viterbi(log_probs: np.ndarray, start: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """int64 [w] class ids of the best path without an illegal step."""
    step = np.where(legal, 0.0, -np.inf)
    score = np.where(start, log_probs[0], -np.inf)
    back = np.zeros(log_probs.shape, np.int64)
    for word in range(1, len(log_probs)):
        paths = score[:, None] + step
        back[word] = paths.argmax(axis=0)
        score = paths.max(axis=0) + log_probs[word]
    path = np.empty(len(log_probs), np.int64)
    path[-1] = score.argmax()
    for word in range(len(log_probs) - 1, 0, -1):
        path[word - 1] = back[word, path[word]]
    return path


def split_tag(tag: str) -> tuple[str, str]:
    """Splits `B-PER` into (`B`, `PER`); a tag without a prefix is (``, tag)."""
    if len(tag) > 2 and tag[1] == "-" and tag[0] in "BIESLU":
        return tag[0], tag[2:]
    return "", tag


class SchemeReport(NamedTuple):
    """The scheme that a file's tags follow.

    Attributes:
      scheme: one of FILE_SCHEMES.
      illegal: (sentence, word) of each tag that breaks the scheme, such as I-PER after O.
    """

    scheme: str
    illegal: tuple[tuple[int, int], ...]


def detect_scheme(sentences: Iterable[Sequence[str]]) -> SchemeReport:
    """Tells which scheme tag sequences follow, and where they break it.

    Prefixes decide first (E or S: bioes; L or U: bilou; none: io). Of the two that use only B and
    I, it is iob1 if some entity starts with I and no B starts one after another type or O;
    anything else is iob2, whose stray I tags are reported as illegal.
    """
    tagged = [[split_tag(tag) for tag in tags] for tags in sentences]
    prefixes = {prefix for tags in tagged for prefix, _ in tags}
    if prefixes & {"E", "S"}:
        scheme = "bioes"
    elif prefixes & {"L", "U"}:
        scheme = "bilou"
    elif not prefixes & {"B", "I"}:
        scheme = "io"
    else:
        starts_with_i, free_b = False, False
        for tags in tagged:
            for (_, last_label), (prefix, label) in zip([("", OUTSIDE), *tags], tags, strict=False):
                starts_with_i |= prefix == "I" and last_label != label
                free_b |= prefix == "B" and last_label != label
        scheme = "iob1" if starts_with_i and not free_b else "iob2"
    return SchemeReport(scheme, tuple(_illegal_tags(tagged, scheme)))


def illegal_tags(sentences: Iterable[Sequence[str]], scheme: str) -> tuple[tuple[int, int], ...]:
    """(sentence, word) of each tag that breaks a scheme."""
    return tuple(_illegal_tags([[split_tag(tag) for tag in tags] for tags in sentences], scheme))


def _illegal_tags(tagged, scheme):
    """Yields (sentence, word) of tags that cannot follow the tag before them."""
    if scheme in ("io", "iob1"):
        return
    known = {"bioes": "BIES", "bilou": "BILU"}.get(scheme, "BI")
    ends = {"bioes": "ES", "bilou": "LU"}.get(scheme, "")
    continues = {"bioes": "IE", "bilou": "IL"}.get(scheme, "I")
    for row, tags in enumerate(tagged):
        previous = ("", OUTSIDE)
        for word, tag in enumerate([*tags, ("", OUTSIDE)]):
            opened = previous[0] in ("B", "I")
            inside = tag[0] != "" and tag[0] in continues
            if tag[1] != OUTSIDE and (not tag[0] or tag[0] not in known):
                yield row, word  # a tag of another scheme
            elif inside and not (opened and previous[1] == tag[1]):
                yield row, word
            elif ends and opened and not inside:
                yield row, min(word, len(tags) - 1)
            previous = tag


def tags_to_spans(tags: Sequence[str], scheme: str) -> tuple[Span, ...]:
    """Reads entities off a tag sequence; spans are in words.

    Never fails: a continuation with nothing to continue starts an entity, as in the CoNLL
    evaluation script, so that the same rule reads files and predictions.
    """
    spans: list[Span] = []
    start, label = 0, OUTSIDE
    for index, tag in enumerate([*tags, OUTSIDE]):
        prefix, name = split_tag(tag) if scheme != "io" else ("", tag)
        begins = prefix in ("B", "S", "U") and prefix != ""
        if name == label and not begins:
            if prefix in ("E", "L") and prefix != "" and label != OUTSIDE:
                spans.append(Span(start, index + 1, label))
                label = OUTSIDE
            continue
        if label != OUTSIDE:
            spans.append(Span(start, index, label))
        start, label = index, name
        if prefix in ("S", "U", "E", "L") and prefix != "" and name != OUTSIDE:
            spans.append(Span(index, index + 1, name))
            label = OUTSIDE
    return tuple(spans)


def spans_to_tags(spans: Iterable[Span], length: int, scheme: str) -> list[str]:
    """Writes non-overlapping entities (in words) as `length` tags of scheme io or iob2."""
    tags = [OUTSIDE] * length
    for start, end, label in spans:
        for index in range(start, end):
            prefix = "" if scheme == "io" else ("B-" if index == start else "I-")
            tags[index] = prefix + label
    return tags


def through_scheme(spans: Iterable[Span], length: int, scheme: str) -> tuple[Span, ...]:
    """What is left of entities after writing them in a scheme and reading them back."""
    return tags_to_spans(spans_to_tags(spans, length, scheme), scheme)
