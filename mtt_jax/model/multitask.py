"""The whole model: one encoder, one head per task."""

from collections.abc import Mapping

from flax import linen as nn

from mtt_jax.model.encoder import Encoder
from mtt_jax.model.heads import Heads
from mtt_jax.model.shapes import Array, Float, Float32
from mtt_jax.model.spec import EncoderSpec, HeadSpec
from mtt_jax.types import Batch, Outputs


class MultiTask(nn.Module):
    """Reads a packed batch once and answers every task.

    A head over hidden subwords uses the encoder's table of subwords: its loss has a gradient there
    even where the encoder itself is not differentiated.

    Parameters: {"encoder": ..., "heads": {task: ...}}.

    Attributes:
      encoder_spec: the encoder.
      head_specs: task -> its head.
    """

    encoder_spec: EncoderSpec
    head_specs: Mapping[str, HeadSpec]

    def setup(self):
        """Creates the submodules; their names here are those of the two groups of parameters."""
        self.encoder = Encoder(self.encoder_spec)
        self.heads = Heads(self.head_specs)

    def __call__(self, batch: Batch, train: bool = False) -> Outputs:
        """Logits and embeddings; `train` applies dropout with the random stream "dropout"."""
        tokens, sentences = self.encode(batch, train)
        logits = self.answer(tokens, sentences, train, batch.targets)
        return Outputs(logits, sentences, tokens)

    def encode(
        self, batch: Batch, train: bool = False
    ) -> tuple[Float[Array, "B L D"], Float[Array, "B S D"]]:
        """What the tasks share: token vectors and sentence vectors."""
        return self.encoder(
            batch.tokens, batch.segments, batch.positions, train, batch.features, batch.hidden
        )

    def answer(
        self,
        tokens: Float[Array, "B L D"],
        sentences: Float[Array, "B S D"],
        train: bool = False,
        targets: Mapping[str, Array] | None = None,
    ) -> dict[str, Float32[Array, "B _ _"]]:
        """Task -> logits, from the output of `encode`.

        Args:
          tokens: token vectors.
          sentences: sentence vectors.
          train: applies dropout.
          targets: of the batch, which say where subwords are hidden.
        """
        tied = {name for name, spec in self.head_specs.items() if spec.unit == "masked"}
        hidden = {name: found for name, found in (targets or {}).items() if name in tied}
        if not hidden:
            return self.heads(tokens, sentences, train)
        table = self.encoder.variables["params"]["token_embedding"]["embedding"]
        return self.heads(tokens, sentences, train, hidden, table)
