"""A convolution over the embeddings: what stands beside a word, before the first layer.

Attention has to learn where the neighbors are; with few labels that takes most of the training. A
convolution knows it from the first step (spaCy's MaxoutWindowEncoder,
https://spacy.io/api/architectures#MaxoutWindowEncoder; for pretrained models ConvBERT, Jiang et al.
2020, arXiv:2008.02496).
"""

import jax.numpy as jnp

from mtt_jax.model.shapes import Array, Float, Int


def neighbors(
    x: Float[Array, "B L D"], segments: Int[Array, "B L"], reach: int
) -> Float[Array, "B L N"]:
    """Each vector with those on either side of it in its sentence, N = (2 reach + 1) D.

        reach 1     sentence 1 1 1 2 2      0 a b | a b c | b c 0 | 0 d e | d e 0
                    vectors  a b c d e

    Args:
      x: vectors.
      segments: 1..S, 0 for padding.
      reach: positions on either side; 0 stands for those outside the sentence.
    """
    length = x.shape[1]
    around, nothing = ((0, 0), (reach, reach)), jnp.zeros((), x.dtype)
    vectors = jnp.pad(x, (*around, (0, 0)))
    sentences = jnp.pad(segments, around, constant_values=-1)
    parts = []
    for start in range(2 * reach + 1):
        here = slice(start, start + length)
        same = sentences[:, here] == segments
        parts.append(jnp.where(same[..., None], vectors[:, here], nothing))
    return jnp.concatenate(parts, axis=-1)
