"""Decoding: from the log-probabilities of words to entities."""

from functools import cache

import numpy as np

from mtt_jax.tasks.schemes import Task, split_tag, tags_to_spans
from mtt_jax.types import Span


def decode_spans(log_probs: np.ndarray, task: Task) -> tuple[Span, ...]:
    """The entities of the likeliest legal tag sequence.

    Args:
      log_probs: [w, C] by word.
      task: a token task. Under io every sequence is legal and each word decides for itself;
        under iob2 the best sequence in which I-X follows B-X or I-X is found (Viterbi 1967).
    """
    if not len(log_probs):
        return ()
    classes = task.classes
    best = log_probs.argmax(axis=-1)
    if task.scheme == "iob2":
        start, legal = _legal(classes)
        # What is likeliest word by word is so as a whole, where it is legal; it mostly is.
        if not (start[best[0]] and legal[best[:-1], best[1:]].all()):
            best = _viterbi(log_probs, start, legal)
    return tags_to_spans([classes[index] for index in best.tolist()], task.scheme)


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
