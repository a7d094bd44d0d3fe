"""From a config to a model."""

import dataclasses

import jax
import jax.numpy as jnp
from flax.core import FrozenDict

from mtt_jax.config.schema import Config, EncoderConfig
from mtt_jax.model.multitask import MultiTask
from mtt_jax.model.spec import EncoderSpec, HeadSpec
from mtt_jax.types import Batch


def build_model(
    config: Config, vocab_size: int, slots: int | None = None, attention: str | None = None
) -> MultiTask:
    """The model of a config.

    Args:
      config: the run's.
      vocab_size: subwords of the tokenizer.
      slots: S, if it differs from the config's; no parameter depends on it.
      attention: its implementation, if it differs from the config's; no parameter depends on it.
    """
    heads = {
        task.name: HeadSpec(
            task.unit,
            len(task.classes),
            config.tasks[task.name].hidden,
            config.tasks[task.name].dropout,
        )
        for task in config.task_list
    }
    encoder = encoder_spec(config.encoder, vocab_size, slots or config.slots, attention)
    return MultiTask(encoder, FrozenDict(heads))


def encoder_spec(
    encoder: EncoderConfig, vocab_size: int, slots: int, attention: str | None = None
) -> EncoderSpec:
    """The spec of a config's encoder on this machine; for the arguments see `build_model`."""
    fields = dataclasses.asdict(encoder)
    del fields["init"]  # where its parameters come from is not part of what it is
    fields["attention"] = _attention_here(attention or encoder.attention)
    fields["dtype"], fields["matmul_dtype"] = _dtypes_here(encoder.dtype)
    return EncoderSpec(**fields, vocab_size=vocab_size, slots=slots)


def _attention_here(attention: str) -> str:
    """The implementation to use here; a model trained on a GPU must also run on a CPU."""
    backend = jax.default_backend()
    if attention != "auto" and (attention != "cudnn" or backend == "gpu"):
        return attention
    # Blocks run one after another, which would leave all devices but one idle.
    return "blocked" if backend == "cpu" and jax.device_count() == 1 else "plain"


def _dtypes_here(dtype: str) -> tuple[str, str]:
    """(dtype of activations, dtype of matmuls); model/matmul.py says why they differ on a CPU."""
    return ("float32" if jax.default_backend() == "cpu" else dtype), dtype


def init_params(model: MultiTask, key: jax.Array, row_length: int) -> dict:
    """Fresh parameters, float32; can be traced, by `jax.eval_shape` and `jax.jit`."""
    empty = jnp.zeros((1, row_length), jnp.int32)
    return model.init(key, Batch(empty, empty, empty, {}, {}))["params"]


def count_parameters(params) -> int:
    """The number of elements in a tree of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
