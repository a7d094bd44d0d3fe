"""From a config to a model: the set-up that training, evaluation and prediction share."""

import dataclasses

import jax
import jax.numpy as jnp
from flax.core import FrozenDict

from mtt_jax.config.schema import Config
from mtt_jax.model.multitask import HeadSpec, MultiTask
from mtt_jax.types import Batch


def build_model(
    config: Config, vocab_size: int, slots: int | None = None, attention: str | None = None
) -> MultiTask:
    """The model of a config.

    Args:
      config: the run's.
      vocab_size: subwords of the tokenizer.
      slots: S, where it is not the config's; no parameter depends on it.
      attention: the way of computing it, where it is not the config's; none either.
    """
    fields = dataclasses.asdict(config.encoder)
    del fields["init"]  # where it started says nothing about what it is
    fields["attention"] = _way(attention or config.encoder.attention)
    fields["dtype"], fields["products"] = _types(config.encoder.dtype)
    specs = {
        task.name: HeadSpec(
            task.kind,
            len(task.classes),
            config.tasks[task.name].hidden,
            config.tasks[task.name].dropout,
        )
        for task in config.task_list
    }
    return MultiTask(
        FrozenDict({**fields, "vocab_size": vocab_size, "slots": slots or config.slots}),
        FrozenDict(specs),
    )


def _way(attention: str) -> str:
    """The way of computing attention here; a model that a GPU trained opens on a CPU as well."""
    backend = jax.default_backend()
    if attention != "auto" and (attention != "cudnn" or backend == "gpu"):
        return attention
    # Blocks follow one another, which would idle all devices but one.
    return "blocked" if backend == "cpu" and jax.device_count() == 1 else "plain"


def _types(dtype: str) -> tuple[str, str]:
    """(type of activations, type in which matrices multiply); model/matmul.py says why."""
    return ("float32" if jax.default_backend() == "cpu" else dtype), dtype


def init_params(model: MultiTask, key: jax.Array, row_length: int) -> dict:
    """Fresh parameters, float32; traceable, so that `eval_shape` and `jit` can wrap it."""
    empty = jnp.zeros((1, row_length), jnp.int32)
    return model.init(key, Batch(empty, empty, empty, {}, {}))["params"]


def count_parameters(params) -> int:
    """How many numbers a tree of parameters holds."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
