"""Held-out text: how well a model finds the hidden words of texts that it does not train on.

The same words are hidden at every evaluation and in every run, so that figures can be compared if
the texts and the tokenizer are the same.
"""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import cut
from mtt_jax.data.pack import pack_pieces, piece_of
from mtt_jax.data.unlabelled import TrainingSet
from mtt_jax.errors import UserError
from mtt_jax.types import Batch


class Perplexity(NamedTuple):
    """How an objective does on held-out text.

    Attributes:
      loss: mean cross-entropy of a hidden subword.
      subwords: how many were hidden.
    """

    loss: float
    subwords: int

    @property
    def value(self) -> float:
        """The perplexity: among how many equally likely subwords the model chooses, so to speak."""
        return math.exp(min(self.loss, 700.0))

    @property
    def score(self) -> float:
        """Between 0 and 1, and higher for a better model: 1 / perplexity."""
        return math.exp(-self.loss)

    def as_json(self) -> dict[str, Any]:
        """As metrics.json holds it."""
        return {"perplexity": self.value, "loss": self.loss, "count": self.subwords}


def score_of_texts(texts: Mapping[str, Perplexity]) -> float:
    """One score for all objectives, which are at least one."""
    return sum(found.score for found in texts.values()) / len(texts)


def perplexities(
    sums: Callable[[Any, Batch], Mapping[str, Any]],
    params: Any,
    texts: TrainingSet | None,
    config: Config,
    rows: int,
) -> dict[str, Perplexity]:
    """Objective -> its perplexity, for every one that trains on texts without labels.

    Args:
      sums: (params, batch) -> objective -> (sum of the losses, number of hidden subwords).
      params: of the model, with the objectives' heads.
      texts: held out; None for none.
      config: objectives, lengths and slots.
      rows: B.

    Raises:
      UserError: if the loss is NaN or infinite.
    """
    found = {}
    for objective in config.objectives:
        if objective.needs_labels or texts is None or texts.vocabulary is None:
            continue
        longest, pieces = config.data.max_length, []
        for index in range(len(texts)):
            rng = np.random.default_rng([0, index])
            drawn = objective.drawn(cut(texts[index], longest), texts.vocabulary, rng)
            pieces.append(piece_of(drawn, (objective,), longest))
        total, count = 0.0, 0.0
        for batch in pack_pieces(pieces, (objective,), config.train.row_length, config.slots, rows):
            loss, hidden = sums(params, batch)[objective.name]
            total, count = total + float(loss), count + float(hidden)
        if not math.isfinite(total):
            raise UserError(
                f"{objective.name}: the loss on held-out text is NaN or infinite. Train again with "
                "a lower learning rate."
            )
        if count:
            found[objective.name] = Perplexity(total / count, int(count))
    return found
