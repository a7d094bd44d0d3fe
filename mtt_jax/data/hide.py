"""Word dropout: words that training hides, a new choice at every draw, so that context counts.

    tokens     c  Ann  left  Os ##lo  s         share 0.3: one of three words, say
    hidden     c  Ann  left   m   m   s         prefix and suffix of "Oslo" are gone, its shape not

A model that sees the same few names again and again learns the names, and not how a name is
recognized. Hiding whole words, whatever label they have, prevents that (Gal & Ghahramani 2016,
arXiv:1512.05287, section 4.2). The shape (Xxxxx) stays: it says that there is a name, but not
which.
"""

from collections.abc import Sequence

import numpy as np

from mtt_jax.data.pack import Piece


def hide_words(
    pieces: Sequence[Piece],
    share: float,
    mask: int,
    hidden_features: np.ndarray,
    rng: np.random.Generator,
) -> list[Piece]:
    """Pieces with each word hidden with the same probability; their targets stay.

    Args:
      pieces: sentences, each with [CLS] and [SEP] around its words, which are never hidden.
      share: probability that a word is hidden.
      mask: id of the subword that stands for all subwords of a hidden word.
      hidden_features: bool [F], the word features that a hidden word loses.
      rng: of the choice.
    """
    if not pieces:
        return []
    lengths = np.array([len(piece.tokens) for piece in pieces])
    ends = np.cumsum(lengths)
    tokens = np.concatenate([piece.tokens for piece in pieces])
    features = np.concatenate([piece.features for piece in pieces])
    starts = [
        piece.starts + end - len(piece.tokens) for piece, end in zip(pieces, ends, strict=True)
    ]
    # What is hidden as one: a word, or [CLS] or [SEP], which begin where no word does.
    begins = np.zeros(len(tokens), bool)
    begins[ends - lengths] = begins[ends - 1] = True
    ordinary = begins.copy()
    begins[np.concatenate(starts)] = True
    unit = np.cumsum(begins) - 1
    chosen = (rng.random(int(unit[-1]) + 1) < share) & ~ordinary[begins]
    hidden = chosen[unit]
    tokens[hidden] = mask
    features[np.ix_(hidden, hidden_features)] = 0
    cuts = ends[:-1]
    parts = zip(np.split(tokens, cuts), np.split(features, cuts), strict=True)
    return [
        piece._replace(tokens=part, features=kept)
        for piece, (part, kept) in zip(pieces, parts, strict=True)
    ]
