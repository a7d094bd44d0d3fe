"""The probability of an entity: that the legal tag sequences have exactly this span and type.

The head gives each word a distribution over tags. A sequence's weight is the product of its tags'
probabilities, 0 if it is illegal; the probability of an entity is the weight of all sequences that
contain it, divided by the weight of all. Forward-backward (Rabiner 1989) sums over them in time
proportional to the words, as a linear-chain CRF does with marginals (Lafferty et al. 2001).
"""

from collections.abc import Callable, Sequence

import numpy as np

from mtt_jax.tasks.schemes import class_names, entity_types
from mtt_jax.types import Span

# Keeps ratios finite if float64 has 0 for every legal tag of a word.
_LEAST = 1e-100
# The change of a number, relative to itself, that ends the rounds: the precision of float32 logits.
_CLOSE = 1e-7


def span_probabilities(
    log_probs: np.ndarray,
    spans: Sequence[Span],
    labels: Sequence[str],
    scheme: str,
    firsts: Sequence[int] = (0,),
) -> np.ndarray:
    """float64 [len(spans)], each the probability of exactly this entity.

    Args:
      log_probs: [w, C] per word, of the classes of the scheme.
      spans: entities, in words.
      labels: of the task, O among them.
      scheme: io or iob2.
      firsts: the first words of the sentences, which may be several behind one another.
    """
    probs = np.exp(np.asarray(log_probs, np.float64))
    follows = np.ones((len(probs), 1))  # 1 if there is a word before in the sentence
    follows[list(firsts)] = 0
    types = entity_types(labels)
    starts, ends = (np.array([span[i] for span in spans], int) for i in (0, 1))
    columns = np.array([types.index(span.label) for span in spans], int)
    if scheme == "io":
        names = class_names(labels, scheme)
        return _io(probs[:, [names.index(name) for name in types]], starts, ends, columns, follows)
    return _iob2(np.maximum(probs, _LEAST), starts, ends, columns, follows)


def _io(
    probs: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    columns: np.ndarray,
    follows: np.ndarray,
) -> np.ndarray:
    """All words of a span have its type, and those beside it do not: every sequence is legal.

    Args:
      probs: [w, K] of the types.
      starts: int [k] of the spans.
      ends: int [k], exclusive.
      columns: int [k] their types.
      follows: [w, 1].
    """
    # The probability that the word before, or the word itself, is of another type; 1 for none.
    left = 1 - np.concatenate([np.zeros_like(probs[:1]), probs[:-1]]) * follows
    right = np.concatenate([1 - probs * follows, np.ones_like(probs[:1])])
    sums = _sums(np.log(np.maximum(probs, _LEAST)))
    inside = np.exp(sums[ends, columns] - sums[starts, columns])
    return np.clip(left[starts, columns] * inside * right[ends, columns], 0.0, 1.0)


def _sums(values: np.ndarray) -> np.ndarray:
    """[w + 1, K] the sums of the rows before each row, and of all."""
    return np.concatenate([np.zeros_like(values[:1]), np.cumsum(values, axis=0)])


def _iob2(
    probs: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    columns: np.ndarray,
    follows: np.ndarray,
) -> np.ndarray:
    """Sums over the sequences in which I-X follows B-X or I-X.

    What came before matters only for I-X, so a vector over K types replaces the [C, C] transitions:

        opened[t, X]   probability that word t is in X, given the words up to t
        ahead[t, X]    weight of what may follow if word t is in X, relative to if it is in none
        free[t]        weight of word t and what follows, relative to what follows alone, if word t
                       continues nothing

    Args:
      probs: float64 [w, 1 + 2 K], above 0: O, B-X, I-X, B-Y, I-Y, ...
      starts: int [k] of the spans.
      ends: int [k], exclusive.
      columns: int [k] their types.
      follows: [w, 1].
    """
    outside, begins, inside = probs[:, :1], probs[:, 1::2], probs[:, 2::2]
    going_on = inside * follows
    over_types = np.ones((begins.shape[1], 1))

    def backward(ahead: np.ndarray) -> np.ndarray:
        free = outside + (begins * ahead) @ over_types
        return 1 + (going_on * ahead / free)[1:]

    def forward(opened: np.ndarray) -> np.ndarray:
        weights = begins[1:] + going_on[1:] * opened[:-1]
        return weights / (outside[1:] + weights @ over_types)

    ahead = np.ones_like(begins)
    _settle(backward, ahead, ahead[:-1])
    opened = begins / (outside + begins @ over_types)
    _settle(forward, opened, opened[1:])
    free = outside + (begins * ahead) @ over_types
    # The weight of everything from a word on, given what came before it.
    context = np.log1p((opened * (ahead - 1)).sum(axis=1))
    before = np.where(follows[starts, 0] > 0, context[starts - 1], 0.0)
    first = np.log(begins[starts, columns] / free[starts, 0])
    sums = _sums(np.log(inside / free))
    rest = sums[ends, columns] - sums[starts + 1, columns]
    return np.exp(np.minimum(first + rest - before, 0.0))


def _settle(step: Callable[[np.ndarray], np.ndarray], whole: np.ndarray, part: np.ndarray) -> None:
    """Runs a recurrence over w words for all of them at once, in place.

    Each round makes at least one more word right, so w rounds give what a loop over the words
    gives. It ends earlier, after about 4, because what is far away hardly matters.

    Args:
      step: [w, K] -> [w - 1, K], a word's row from that of the word next to it.
      whole: [w, K], changed.
      part: [w - 1, K] the rows of `whole` that `step` computes; the other one is right.
    """
    for _ in range(len(part)):
        new = step(whole)
        settled = (np.abs(new - part) <= _CLOSE * new).all()
        part[:] = new
        if settled:
            return
