"""Word features: what a word looks like, as ids for small embedding tables.

A subword's own vector says little about a name that training never saw; its capitals and its ending
say more. Each feature is a string that is hashed into the rows of a table, so that no list of them
has to be kept and collisions cost little (hash embeddings, Svenstrup et al. 2017, arXiv:1709.03933;
spaCy's MultiHashEmbed, https://spacy.io/api/architectures#MultiHashEmbed).

    prefix    first letter           M
    suffix    last three letters     lla
    shape     kinds of characters    Xxxxx, dd, XXX; at most four of a kind in a row
    lower     lower-cased form       manila

All are of the word alone. Whether spaces stand around it would mislead: the words of a CoNLL file
are joined by spaces, and those of the texts that a model is used on are not (`St .`, `St.`).
"""

import zlib
from collections.abc import Callable, Sequence
from functools import lru_cache
from itertools import groupby
from typing import NamedTuple

import numpy as np

_LONGEST_RUN = 4


class Feature(NamedTuple):
    """A feature.

    Attributes:
      rows: of its table; the first is for positions that belong to no word.
      of: word -> its value.
      tells: whether it tells much about which word it is, so that it is hidden with the word.
    """

    rows: int
    of: Callable[[str], str]
    tells: bool = True


def shape_of(word: str) -> str:
    """The word with X for capitals, x for other letters and d for digits: Xxxxx for Manila."""
    kinds = (
        "d" if c.isdigit() else "X" if c.isupper() else "x" if c.isalpha() else c for c in word
    )
    return "".join(kind * min(len(list(run)), _LONGEST_RUN) for kind, run in groupby(kinds))


FEATURES = {
    "prefix": Feature(1000, lambda word: word[:1]),
    "suffix": Feature(2500, lambda word: word[-3:]),
    "shape": Feature(1000, shape_of, tells=False),
    "lower": Feature(5000, str.lower),
}


def feature_ids(text: str, words: np.ndarray, names: Sequence[str]) -> np.ndarray:
    """Ids of the features of a text's words, int32 [w, F], from 1 to rows - 1.

    Args:
      text: as the model reads it.
      words: int [w, 2] start and end of each word in it.
      names: F keys of `FEATURES`.
    """
    key = tuple(names)
    ids = [_of_word(text[start:end], key) for start, end in words.tolist()]
    return np.array(ids, np.int32).reshape(len(words), len(key))


@lru_cache(maxsize=1 << 16)
def _of_word(word: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """Ids of the features of a word."""
    return tuple(_hashed(name, word) for name in names)


def _hashed(name: str, word: str) -> int:
    feature = FEATURES[name]
    # CRC-32 is the same in every process and version of Python, as `hash` is not.
    return 1 + zlib.crc32(f"{name} {feature.of(word)}".encode()) % (feature.rows - 1)


def by_subword(ids: np.ndarray, starts: np.ndarray, count: int) -> np.ndarray:
    """The ids of each subword's word, uint16 [count, F]; 0 for [CLS], [SEP] and what has no word.

    A corpus keeps them all in memory, in half of what int32 would take.

    Args:
      ids: [w, F] as returned by `feature_ids`.
      starts: int [w] first subword of each word.
      count: subwords, [CLS] and [SEP] included.
    """
    spread = np.zeros((count, ids.shape[1]), np.uint16)
    if len(starts):
        lengths = np.diff(np.append(starts, count - 1))
        spread[starts[0] : count - 1] = np.repeat(ids, lengths, axis=0)
    return spread
