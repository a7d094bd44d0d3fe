"""The order of training: which sentence each draw takes, computed for many draws at once.

Every task's sentences are shuffled anew in each epoch, and the tasks take turns in their shares.
Any draw is computed without those before it, so a run that is resumed goes on anywhere.

The order is that of Grain's `shuffle().repeat()` and `mix`, which compute one draw at a time and
take longer for it than everything else that is done with a sentence. Sentences are permuted by a
block cipher of the Simon family (Beaulieu et al. 2013, https://eprint.iacr.org/2013/404) of four
rounds, whose keys C++'s `std::seed_seq` derives from the seed; a result beyond the last sentence is
encrypted again, as often as it takes (cycle walking, Black & Rogaway 2002).
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, NamedTuple, Protocol

import numpy as np

_ROUNDS = 4
# Of a block of the cipher: smaller ones permute badly.
_FEWEST_BITS = 16
_WORD = 0xFFFFFFFF
# Grain's `mix` makes whole numbers of the shares: the smallest is this.
_SMALLEST_SHARE = 100


class Selection(Protocol):
    """Which task each draw takes."""

    def select(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(task, how many draws before this one took it) of each draw, int64 [k] both."""


class Draws(NamedTuple):
    """Some draws, in their order.

    Attributes:
      tasks: int64 [k] which part each is from.
      turns: int64 [k] how many draws before it were from that part.
      examples: int64 [k] index of the example that it takes.
    """

    tasks: np.ndarray
    turns: np.ndarray
    examples: np.ndarray


class Order:
    """An endless order of draws from several parts of the examples."""

    def __init__(self, parts: Sequence[np.ndarray], seeds: Sequence[int], selection: Selection):
        """Takes the parts.

        Args:
          parts: indices of the examples of each.
          seeds: of each part's shuffling, below 2^32.
          selection: which part each draw takes.
        """
        self._parts, self._seeds, self._selection = parts, seeds, selection

    def draws(self, first: int, count: int) -> Draws:
        """The draws from number `first` on."""
        tasks, turns = self._selection.select(np.arange(first, first + count, dtype=np.int64))
        examples = np.empty(count, np.int64)
        for task, (part, seed) in enumerate(zip(self._parts, self._seeds, strict=True)):
            taken = tasks == task
            examples[taken] = part[shuffled(turns[taken], len(part), seed)]
        return Draws(tasks, turns, examples)


class Shares:
    """A selection that meets fixed shares as evenly as it can, as Grain's `mix` does."""

    def __init__(self, weights: Sequence[float]):
        """Takes the share of each task; they need not sum to 1."""
        scale = _SMALLEST_SHARE / min(weights)
        self._weights = [int(weight * scale) for weight in weights]

    def select(self, draws: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """See `Selection.select`.

        The first task gets its share of the draws, the next its share of those that are left, and
        so on: of the first k, the first of several tasks gets k less floor(k * rest / all).
        """
        tasks, turns = np.empty_like(draws), np.empty_like(draws)
        open_draws = np.arange(len(draws))
        before, after = draws, draws + 1  # of those left to this task and the ones behind it
        rest = sum(self._weights)
        for task, weight in enumerate(self._weights):
            left_before = before * (rest - weight) // rest
            left_after = after * (rest - weight) // rest
            taken = before - left_before != after - left_after
            tasks[open_draws[taken]] = task
            turns[open_draws[taken]] = (before - left_before)[taken]
            open_draws = open_draws[~taken]
            before, after = left_before[~taken], left_after[~taken]
            rest -= weight
        return tasks, turns


def generator_of(seed: int, index: int) -> np.random.Generator:
    """The random numbers of one draw or one window, whichever were made before it."""
    bits = np.random.Philox(seed)
    state: Any = bits.state
    state["state"]["counter"] = np.array([0, 0, 0, index], np.uint64)
    bits.state = state
    return np.random.Generator(bits)


def shuffling_seed(seed: int) -> int:
    """What Grain derives from the seed of a pipeline for the shuffle behind its source."""
    return int(np.random.SeedSequence([seed, 1]).generate_state(1)[0])


def shuffled(turns: np.ndarray, size: int, seed: int) -> np.ndarray:
    """int64 [k] which of `size` sentences each turn takes; an epoch is a permutation of all.

    Args:
      turns: int64 [k] numbers of the turns: turn t is in epoch t // size.
      size: how many sentences there are.
      seed: of the first epoch; the next has the next seed.
    """
    epochs, places = np.divmod(turns, size)
    found = np.empty_like(places)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        found[here] = _permuted(places[here], size, (seed + int(epoch)) % 2**32)
    return found


def _permuted(places: np.ndarray, size: int, seed: int) -> np.ndarray:
    """int64 [k] where a permutation of `size` places takes each of these."""
    if size <= 1 << _FEWEST_BITS:
        return _permutation(size, seed)[places]
    bits = math.ceil(math.log2(size - 1))
    width = (bits + bits % 2) // 2
    keys = _keys(seed)
    found = _encrypted(places.astype(np.uint64), width, keys)
    while len(beyond := np.flatnonzero(found >= size)):
        found[beyond] = _encrypted(found[beyond], width, keys)
    return found.astype(np.int64)


@lru_cache(maxsize=16)
def _permutation(size: int, seed: int) -> np.ndarray:
    """int64 [size], for a size that the smallest block holds: a tiny one may take it 2^16 turns."""
    if size == 1:
        return np.zeros(1, np.int64)
    whole = np.arange(1 << _FEWEST_BITS, dtype=np.uint64)
    found = _encrypted(whole, _FEWEST_BITS // 2, _keys(seed)).astype(np.int64)
    # Twice as many turns each time, for all that are still beyond.
    while len(beyond := np.flatnonzero(found >= size)) and (found[:size] >= size).any():
        found[beyond] = found[found[beyond]]
    return found[:size]


def _encrypted(values: np.ndarray, width: int, keys: Sequence[int]) -> np.ndarray:
    """uint64 [k] blocks of two words of `width` bits after the rounds of the cipher."""
    mask = np.uint64((1 << width) - 1)

    def rotated(x: np.ndarray, by: int) -> np.ndarray:
        return (x << np.uint64(by)) & mask | x >> np.uint64(width - by)

    def mixed(x: np.ndarray) -> np.ndarray:
        return rotated(x, 1) & rotated(x, 8) ^ rotated(x, 2)

    left, right = values >> np.uint64(width) & mask, values & mask
    for first, second in zip(keys[::2], keys[1::2], strict=True):
        left = left ^ mixed(right) ^ np.uint64(first) & mask
        right = right ^ mixed(left) ^ np.uint64(second) & mask
    return left << np.uint64(width) | right


@lru_cache(maxsize=64)
def _keys(seed: int) -> tuple[int, ...]:
    """What `std::seed_seq{seed}` generates, one number of 32 bits per round.

    The C++ standard, [rand.util.seedseq], for one seed and fewer than seven numbers.
    """
    size = _ROUNDS
    step = (size - 1) // 2
    one = (size - step) // 2
    two = one + step
    state = [0x8B8B8B8B] * size
    for k in range(size):
        at, first, second = k % size, (k + one) % size, (k + two) % size
        folded = state[at] ^ state[first] ^ state[k - 1]
        added = 1664525 * (folded ^ folded >> 27) & _WORD
        given = 1 if k == 0 else k + seed if k == 1 else k
        state[first] = state[first] + added & _WORD
        added = added + given & _WORD
        state[second] = state[second] + added & _WORD
        state[at] = added
    for k in range(size, 2 * size):
        at, first, second = k % size, (k + one) % size, (k + two) % size
        folded = state[at] + state[first] + state[(k - 1) % size] & _WORD
        flipped = 1566083941 * (folded ^ folded >> 27) & _WORD
        state[first] ^= flipped
        flipped = flipped - at & _WORD
        state[second] ^= flipped
        state[at] = flipped
    return tuple(state)
