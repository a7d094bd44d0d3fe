"""Do the tasks pull the encoder in the same direction? Their gradients compared, layer by layer."""

from collections.abc import Callable, Sequence
from itertools import combinations
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.diagnose.arms import compared_tasks
from mtt_jax.train.losses import make_losses
from mtt_jax.train.optim import depth
from mtt_jax.types import Batch
from mtt_jax.weights.saved_model import unstack_layers

_DRAWS = 1000


def make_gradients(model: Any, config: Config) -> Callable[[Any, Batch], Any]:
    """Compiles gradients(params, batch) -> the encoder's tree, its leaves [tasks, ...].

    Args:
      model: the model.
      config: the tasks; see `compared_tasks`.
    """
    losses_of = make_losses(config)

    @jax.jit
    def gradients(params, batch):
        counts = {name: mask.sum() for name, mask in batch.masks.items()}

        def losses(encoder):
            logits = model.apply({"params": {**params, "encoder": encoder}}, batch).logits
            weighted = losses_of(logits, batch, counts).weighted
            return jnp.stack([weighted[task.name] for task in compared_tasks(config)])

        return jax.jacrev(losses)(params["encoder"])

    return gradients


def compare_gradients(
    gradients: Callable[[Any, Batch], Any], params: Any, batches: Sequence[Batch], config: Config
) -> dict[str, dict[str, dict]]:
    """Pair of tasks -> layer -> cosine, norm ratio and conflict rate over fixed batches.

    Each of the three is {"mean", "low", "high"}, a bootstrap interval over the batches. A
    conflict is a batch with a cosine below zero; the ratio is the first task's norm divided by
    the second's. There is no dropout. A batch without a label of one of the tasks is left out.

    Args:
      gradients: as returned by `make_gradients`.
      params: the model's.
      batches: the same for all calls whose results are compared.
      config: as for `make_gradients`.
    """
    names = [task.name for task in compared_tasks(config)]
    rows: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for batch in batches:
        by_task = jax.device_get(gradients(params, batch))
        flat = [
            _by_layer(jax.tree.map(lambda leaf, i=index: leaf[i], by_task))
            for index in range(len(names))
        ]
        for one, other in combinations(range(len(names)), 2):
            pair = rows.setdefault(f"{names[one]}, {names[other]}", {})
            for layer in flat[one]:
                ours, theirs = flat[one][layer], flat[other][layer]
                norms = np.linalg.norm(ours), np.linalg.norm(theirs)
                if min(norms) > 0:
                    cosine = float(ours @ theirs / (norms[0] * norms[1]))
                    pair.setdefault(layer, []).append((cosine, float(norms[0] / norms[1])))
    return {
        pair: {layer: _summary(np.array(values)) for layer, values in layers.items()}
        for pair, layers in rows.items()
    }


def _by_layer(encoder: Any) -> dict[str, np.ndarray]:
    """Layer -> its gradient as one vector: embeddings, layer_0, ..., top, all."""
    parts = unstack_layers({"encoder": encoder})["encoder"]
    layers = sum(name.startswith("layer_") for name in parts)
    groups: dict[int, list[np.ndarray]] = {}
    for name, tree in parts.items():
        vectors = [np.ravel(leaf) for leaf in jax.tree.leaves(tree)]
        groups.setdefault(depth(name, layers), []).extend(vectors)
    names = {-1: "embeddings", layers: "top"}
    by_layer = {names.get(d, f"layer_{d}"): np.concatenate(groups[d]) for d in sorted(groups)}
    return by_layer | {"all": np.concatenate([*by_layer.values()])}


def _summary(values: np.ndarray) -> dict[str, dict[str, float]]:
    """Means over M batches with bootstrap intervals, from (cosine, ratio) [M, 2]."""
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(values), (_DRAWS, len(values)))
    cosine, ratio = values.T
    columns = {"cosine": cosine, "norm_ratio": ratio, "conflict_rate": (cosine < 0).astype(float)}
    return {
        name: {
            "mean": float(column.mean()),
            "low": float(np.quantile(column[drawn].mean(axis=1), 0.025)),
            "high": float(np.quantile(column[drawn].mean(axis=1), 0.975)),
        }
        for name, column in columns.items()
    }
