"""What a model is built from: frozen, hashable specs, which `weights.build` fills from a config."""

from dataclasses import dataclass


@dataclass(frozen=True)
class EncoderSpec:
    """The encoder. Fields that a config's `encoder` section also has mean the same there.

    Attributes:
      vocab_size: subwords of the tokenizer.
      slots: S, the maximum sentences per row; no parameter depends on it.
      layers: transformer layers.
      width: D, the size of a token vector.
      heads: H, attention heads; divides the width.
      feedforward: width of the feed-forward layer.
      positions: "learned", "sinusoidal" or "rotary".
      max_positions: rows of the table of learned positions.
      convolution: positions to either side that the convolution over embeddings reads; 0 for none.
      rotary_base: rotary frequencies go from 1 down to 1 / rotary_base.
      window: positions to either side that a local layer attends to; 0 for no local layers.
      global_every: if there are local layers, the first layer and then one in this many are global.
      local_rotary_base: `rotary_base` of the local layers.
      norm: "pre" or "post", normalization before or after each block.
      norm_epsilon: added to the variance in normalization.
      embedding_norm: normalize the embeddings and not the first layer's input; for norm "pre".
      activation: a key of `ACTIVATIONS` in encoder.py.
      gated: multiply the activation by a second projection.
      word_features: (name, rows of its table, whether it is hidden with its word) of each word
        feature that is added to the embedding.
      word_dropout: share of words whose vectors training sets to 0.
      dropout: of embeddings and block outputs.
      attention_dropout: of attention weights.
      attention: the implementation, "plain", "blocked", "fused" or "cudnn" (attention.py).
      lora_rank: rank of the LoRA update of every projection; 0 for none.
      lora_alpha: the update is multiplied by lora_alpha / lora_rank.
      pooling: "mean", "max", "cls" or "attention" (pooling.py).
      dtype: of activations.
      matmul_dtype: in which projections multiply by their weights; the rest stays in `dtype`.
      remat: recompute activations in the backward pass.
      scan: one compiled layer, looped over; parameters are stacked along a first axis.
    """

    vocab_size: int
    slots: int
    layers: int
    width: int
    heads: int
    feedforward: int
    positions: str
    max_positions: int
    convolution: int
    rotary_base: float
    window: int
    global_every: int
    local_rotary_base: float
    norm: str
    norm_epsilon: float
    embedding_norm: bool
    activation: str
    gated: bool
    word_features: tuple[tuple[str, int, bool], ...]
    word_dropout: float
    dropout: float
    attention_dropout: float
    attention: str
    lora_rank: int
    lora_alpha: float
    pooling: str
    dtype: str
    matmul_dtype: str
    remat: bool
    scan: bool


@dataclass(frozen=True)
class HeadSpec:
    """The head of one task.

    Attributes:
      unit: what gets logits, "sentence", "word" or "masked", a hidden subword; decides which
        vectors the head reads.
      classes: C; for "masked" all subwords.
      hidden: width of the hidden layer; 0 for a linear head.
      dropout: before the last layer.
    """

    unit: str
    classes: int
    hidden: int
    dropout: float
