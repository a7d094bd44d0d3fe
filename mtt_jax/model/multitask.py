"""The whole model: one encoder, one head a task."""

from collections.abc import Mapping
from typing import NamedTuple

from flax import linen as nn

from mtt_jax.model.encoder import Encoder
from mtt_jax.model.heads import Head
from mtt_jax.types import Batch, Outputs


class HeadSpec(NamedTuple):
    """What a head is built from: its task's kind, C, and the width and dropout of its layers."""

    kind: str
    classes: int
    hidden: int
    dropout: float


class Heads(nn.Module):
    """All heads, so that their parameters stand together under "heads"."""

    specs: Mapping[str, HeadSpec]

    @nn.compact
    def __call__(self, tokens, sentences, train: bool = False):
        """Task -> logits, from token vectors [B, L, D] and sentence vectors [B, S, D]."""
        return {
            name: Head(spec.classes, spec.hidden, spec.dropout, name=name)(
                sentences if spec.kind == "sentence" else tokens, train
            )
            for name, spec in self.specs.items()
        }


class MultiTask(nn.Module):
    """Reads a packed batch once and answers every task.

    Parameters: {"encoder": ..., "heads": {task: ...}}.
    """

    encoder_fields: Mapping
    head_specs: Mapping[str, HeadSpec]

    def setup(self):
        """Names the two groups of parameters."""
        self.encoder = Encoder(**self.encoder_fields)
        self.heads = Heads(self.head_specs)

    def __call__(self, batch: Batch, train: bool = False) -> Outputs:
        """Logits and embeddings; `train` applies dropout with the random stream "dropout"."""
        tokens, sentences = self.encode(batch, train)
        return Outputs(self.answer(tokens, sentences, train), sentences, tokens)

    def encode(self, batch: Batch, train: bool = False):
        """What the tasks share: token vectors [B, L, D] and sentence vectors [B, S, D]."""
        return self.encoder(batch.tokens, batch.segments, batch.positions, train)

    def answer(self, tokens, sentences, train: bool = False):
        """Task -> logits, from what they share."""
        return self.heads(tokens, sentences, train)
