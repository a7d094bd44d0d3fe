"""Decoding: from the log-probabilities of words to entities."""

import numpy as np

from mtt_jax.tasks import Task, split_tag, tags_to_spans
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
    best = log_probs.argmax(axis=-1) if task.scheme == "io" else _viterbi(log_probs, task.classes)
    return tags_to_spans([task.classes[int(index)] for index in best], task.scheme)


def _viterbi(log_probs: np.ndarray, classes: tuple[str, ...]) -> np.ndarray:
    """int64 [w] class ids of the best path without an illegal step."""
    tags = [split_tag(name) for name in classes]
    legal = np.array(
        [[now != "I" or (last in ("B", "I") and a == b) for now, b in tags] for last, a in tags]
    )
    step = np.where(legal, 0.0, -np.inf)  # [from, to]
    start = np.where([prefix != "I" for prefix, _ in tags], 0.0, -np.inf)
    score = start + log_probs[0]
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
