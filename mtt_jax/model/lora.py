"""Low-rank adaptation (LoRA, Hu et al. 2021, arXiv:2106.09685): a matrix plus a trained update.

y = x W + alpha / rank * (x A) B        A: [in, rank], B: [rank, out], zero at the start
"""

from typing import Any

import jax.numpy as jnp
from flax import linen as nn

PARAM_NAMES = ("lora_a", "lora_b")


class Linear(nn.DenseGeneral):
    """A dense layer, with a low-rank update if `rank` is above 0.

    Attributes in addition to those of `nn.DenseGeneral`:
      rank: of the update; 0 for none.
      alpha: the update is multiplied by alpha / rank.
    """

    rank: int = 0
    alpha: float = 16.0

    @nn.compact
    def __call__(self, inputs):
        """[..., in] -> [..., out]; either may be several axes, as in `nn.DenseGeneral`."""
        out = super().__call__(inputs)
        if not self.rank:
            return out
        axes = self.axis if isinstance(self.axis, tuple) else (self.axis,)
        features = self.features if isinstance(self.features, tuple) else (self.features,)
        sizes = inputs.shape[-len(axes) :]
        # Bounded like PyTorch's linear layers, as in the authors' code: U(+-1 / sqrt(in)).
        init = nn.initializers.variance_scaling(
            1 / 3, "fan_in", "uniform", in_axis=range(len(axes)), out_axis=-1
        )
        down = self.param("lora_a", init, (*sizes, self.rank))
        up = self.param("lora_b", nn.initializers.zeros, (self.rank, *features))
        narrow = jnp.tensordot(inputs, down.astype(self.dtype), axes=len(axes))
        update = jnp.tensordot(narrow, up.astype(self.dtype), axes=1)
        return out + (self.alpha / self.rank) * update


def merge(params: Any, alpha: float) -> Any:
    """Parameters with every update added to its matrix: those of a model without LoRA.

    Args:
      params: nested dicts, layers not stacked.
      alpha: the one that the model was trained with.
    """
    if not isinstance(params, dict):
        return params
    merged = {name: merge(leaf, alpha) for name, leaf in params.items() if name not in PARAM_NAMES}
    if "lora_a" in params:
        down, up = params["lora_a"], params["lora_b"]
        merged["kernel"] = params["kernel"] + alpha / len(up) * jnp.tensordot(down, up, axes=1)
    return merged
