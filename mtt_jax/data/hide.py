"""Word dropout: words that training hides, a new choice at every draw, so that context counts.

    tokens     c  Ann  left  Os ##lo  s
    hidden     0   0    0    1   1    0         the model reads only the shape of "Oslo", Xxxx

A model that sees the same few names again and again learns the names, and not how a name is
recognized. Hiding whole words, whatever label they have, prevents that (Gal & Ghahramani 2016,
arXiv:1512.05287, section 4.2). The shape stays: it says that there is a name, but not which.
"""

from collections.abc import Sequence

import numpy as np

from mtt_jax.data.pack import Piece


def hide_words(pieces: Sequence[Piece], share: float, rng: np.random.Generator) -> list[Piece]:
    """Pieces that say which of their subwords are hidden; see `hidden_subwords`."""
    if not pieces:
        return []
    lengths = np.array([len(piece.tokens) for piece in pieces])
    ends = np.cumsum(lengths)
    first = zip(pieces, ends - lengths, strict=True)
    starts = np.concatenate([piece.starts + begin for piece, begin in first])
    hidden = np.split(hidden_subwords(lengths, starts, share, rng), ends[:-1])
    return [piece._replace(hidden=part) for piece, part in zip(pieces, hidden, strict=True)]


def hidden_subwords(
    lengths: np.ndarray, starts: np.ndarray, share: float, rng: np.random.Generator
) -> np.ndarray:
    """Bool [sum of lengths], which subwords of sentences one after another are hidden.

    Each word is hidden with the same probability; [CLS] and [SEP], the first and the last subword
    of a sentence, never are.

    Args:
      lengths: int [k] subwords of each sentence, at least one sentence.
      starts: int [w] first subword of each word, among all subwords.
      share: probability that a word is hidden.
      rng: of the choice.
    """
    ends = np.cumsum(lengths)
    # What is hidden as one: a word, or [CLS] or [SEP], which begin where no word does.
    begins = np.zeros(ends[-1], bool)
    begins[ends - lengths] = begins[ends - 1] = True
    special = begins.copy()
    begins[starts] = True
    chosen = (rng.random(int(begins.sum())) < share) & ~special[begins]
    return chosen[np.cumsum(begins) - 1]
