"""Alignment: the words of one tokenizer in those of another, by their characters."""

import numpy as np


def overlapping(theirs: np.ndarray, ours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which of their words each of ours is read from: the first that shares a character with it.

        text     A C / D C
        theirs   [ AC/ ] [DC]
        ours     [AC] [/] [DC]
        first     0    0   1
        inside    no  yes  no

    Args:
      theirs: int [v, 2] where their words begin and end, in characters, in order.
      ours: int [w, 2] ours.

    Returns:
      int64 [w] the index of their word, -1 if there is none; bool [w] whether ours begins inside
      it, where another of ours before it has begun too.
    """
    if not len(theirs):
        return np.full(len(ours), -1, np.int64), np.zeros(len(ours), bool)
    first = np.searchsorted(theirs[:, 1], ours[:, 0], side="right")
    found = first < len(theirs)
    found[found] = theirs[first[found], 0] < ours[found, 1]
    first = np.where(found, first, -1)
    inside = found & (np.concatenate([[-1], first[:-1]]) == first)
    return first, inside
