"""From a config to a model."""

import dataclasses
from functools import cache, partial
from importlib.util import find_spec

import jax
import jax.numpy as jnp
from flax.core import FrozenDict

from mtt_jax.config.schema import Config, EncoderConfig
from mtt_jax.data.features import FEATURES
from mtt_jax.model.attention import fits
from mtt_jax.model.multitask import MultiTask
from mtt_jax.model.spec import EncoderSpec, HeadSpec
from mtt_jax.types import Batch


def build_model(
    config: Config,
    vocab_size: int,
    slots: int | None = None,
    attention: str | None = None,
    training: bool = False,
) -> MultiTask:
    """The model of a config.

    Args:
      config: the run's.
      vocab_size: subwords of the tokenizer.
      slots: S, if it differs from the config's; no parameter depends on it.
      attention: its implementation, if it differs from the config's; no parameter depends on it.
      training: with the heads of what trains and answers nothing, which no saved model has.
    """
    heads = {
        task.name: HeadSpec(
            task.unit,
            len(task.classes) or vocab_size,
            config.tasks[task.name].hidden,
            config.tasks[task.name].dropout,
        )
        for task in (config.objectives if training else config.task_list)
    }
    encoder = encoder_spec(config.encoder, vocab_size, slots or config.slots, attention)
    return MultiTask(encoder, FrozenDict(heads))


def encoder_spec(
    encoder: EncoderConfig, vocab_size: int, slots: int, attention: str | None = None
) -> EncoderSpec:
    """The spec of a config's encoder on this machine; for the arguments see `build_model`."""
    fields = dataclasses.asdict(encoder)
    del fields["init"]  # where its parameters come from is not part of what it is
    fields["attention"] = _attention_here(attention or encoder.attention, encoder)
    fields["word_features"] = tuple(
        (name, FEATURES[name].rows, FEATURES[name].tells) for name in encoder.word_features
    )
    fields["dtype"], fields["matmul_dtype"] = _dtypes_here(encoder.dtype)
    return EncoderSpec(**fields, vocab_size=vocab_size, slots=slots)


def attention_of(config: Config) -> str:
    """The implementation of attention with which this machine trains a config."""
    encoder, length = config.encoder, config.train.row_length
    attention = _attention_here(encoder.attention, encoder)
    fitting = fits(length, encoder.width // encoder.heads, encoder.dtype)
    return "plain" if attention == "fused" and not fitting else attention


def _attention_here(attention: str, encoder: EncoderConfig) -> str:
    """The implementation to use here; a model trained on a GPU must also run on a CPU."""
    if attention in ("plain", "blocked"):
        return attention  # without starting the devices
    backend, devices = jax.default_backend(), jax.device_count()
    if attention == "cudnn" and backend == "gpu":
        return attention
    # Row lengths differ from call to call: `attend` checks them. XLA does not divide a kernel of
    # ours over devices, and plain attention it does.
    width = encoder.width // encoder.heads
    if devices == 1 and _runs_fused() and fits(0, width, encoder.dtype):
        return "fused"
    # Blocks run one after another, which would leave all devices but one idle.
    return "blocked" if backend == "cpu" and devices == 1 else "plain"


def _runs_fused() -> bool:
    """Whether this is an NVIDIA GPU with bfloat16 matmuls, and a JAX with Triton's backend."""
    if jax.default_backend() != "gpu":
        return False
    # "9.0" for an H100, "gfx942" for a GPU of AMD's
    major, _, minor = getattr(jax.devices()[0], "compute_capability", "").partition(".")
    recent = major.isdigit() and minor.isdigit() and int(major) >= 8
    return recent and find_spec("jax.experimental.pallas.triton") is not None


def _dtypes_here(dtype: str) -> tuple[str, str]:
    """(dtype of activations, dtype of matmuls); model/matmul.py says why they differ on a CPU."""
    if dtype == "float32":
        return dtype, dtype
    return ("float32" if jax.default_backend() == "cpu" else dtype), dtype


def init_params(model: MultiTask, key: jax.Array) -> dict:
    """Fresh parameters, float32; JAX traces them once per model, for their shapes and values."""
    # No parameter depends on the implementation of attention, and this one runs on every device.
    encoder = dataclasses.replace(model.encoder_spec, attention="plain")
    return _init_params(model.clone(encoder_spec=encoder), key)


@partial(jax.jit, static_argnums=0)
def _init_params(model: MultiTask, key: jax.Array) -> dict:
    empty = jnp.zeros((1, 1), jnp.int32)  # nor does any depend on the length of the rows
    count = len(model.encoder_spec.word_features)
    features = jnp.zeros((1, 1, count), jnp.int32) if count else None
    hidden = {
        name: jnp.zeros((1, 1, 2), jnp.int32)
        for name, spec in model.head_specs.items()
        if spec.unit == "masked"
    }
    return model.init(key, Batch(empty, empty, empty, hidden, {}, features))["params"]


@cache
def param_shapes(model: MultiTask) -> dict:
    """The parameters as a tree of `jax.ShapeDtypeStruct`; kept, so nobody may change it."""
    # The key is made while tracing; made before, it would start the devices.
    return jax.eval_shape(lambda: init_params(model, jax.random.key(0)))


def count_parameters(params) -> int:
    """The number of elements in a tree of parameters."""
    return sum(leaf.size for leaf in jax.tree.leaves(params))
