"""The model as one graph for other runtimes: ONNX and StableHLO.

Inputs, int32 [B, L] with any batch size B and length L:

    input_ids         subword ids with [CLS] and [SEP]
    attention_mask    1 for a subword, 0 for padding
    word_features     [B, L, F] ids as data/features.py computes them, for a model that reads them

Outputs, float32: the logits of each task under its name, [B, C] for a task per sentence and
[B, L, C] for one per word; and sentence_embedding [B, D]. Logits are the model's own: whoever reads
them divides them by the task's temperature in fitted.json, so that it can change without a new
export.
"""

import contextlib
import dataclasses
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mtt_jax import atomic
from mtt_jax.config.schema import Config
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.devices import startup
from mtt_jax.errors import UserError
from mtt_jax.types import Batch
from mtt_jax.untrusted.folder import file_in
from mtt_jax.weights.build import build_model
from mtt_jax.weights.saved_model import SavedModel

EMBEDDING = "sentence_embedding"
FILE, INT8_FILE = "model.onnx", "model.int8.onnx"


def output_names(config: Config) -> list[str]:
    """The names of the outputs, in their order."""
    return [*(task.name for task in config.task_list), EMBEDDING]


def input_names(config: Config) -> list[str]:
    """The names of the inputs, in their order."""
    return ["input_ids", "attention_mask", *["word_features"] * bool(config.encoder.word_features)]


def plain_forward(model: SavedModel) -> Callable[..., tuple[Any, ...]]:
    """The function (input_ids, attention_mask[, word_features]) -> outputs, a sentence per row.

    In float32 whatever dtype the model was trained in: few runtimes support bfloat16 on a CPU.
    """
    tasks = model.config.task_list
    encoder = dataclasses.replace(model.config.encoder, dtype="float32")
    config = dataclasses.replace(model.config, encoder=encoder)
    module = build_model(config, vocabulary_size(model.tokenizer), slots=1, attention="plain")
    params = jax.tree.map(jnp.asarray, model.params)

    def forward(input_ids, attention_mask, word_features=None):
        # Counted, not numbered by column, so that padding may be on either side.
        positions = (jnp.cumsum(attention_mask, axis=1) - attention_mask) * attention_mask
        batch = Batch(input_ids, attention_mask, positions, {}, {}, word_features)
        outputs: Any = module.apply({"params": params}, batch)
        logits = (
            outputs.logits[task.name][:, 0]
            if task.unit == "sentence"
            else outputs.logits[task.name]
            for task in tasks
        )
        return (*logits, outputs.sentences[:, 0].astype(jnp.float32))

    return forward


def _free_shapes(config: Config) -> list[jax.ShapeDtypeStruct]:
    """Of the inputs, with any batch size and length."""
    shape = jax.export.symbolic_shape("B, L")
    count = len(config.encoder.word_features)
    shapes = [shape, shape, *[(*shape, count)] * bool(count)]
    return [jax.ShapeDtypeStruct(shape, jnp.int32) for shape in shapes]


def to_stablehlo(model: SavedModel) -> bytes:
    """The graph as `jax.export.deserialize` reads it, for CPU, CUDA and TPU.

    The parameters are part of it. https://docs.jax.dev/en/latest/export/export.html
    """
    startup.prepare()
    startup.start_devices()
    exported = jax.export.export(jax.jit(_named(model)), platforms=("cpu", "cuda", "tpu"))(
        *_free_shapes(model.config)
    )
    return bytes(exported.serialize())


def _named(model: SavedModel) -> Callable[..., dict[str, Any]]:
    forward, names = plain_forward(model), output_names(model.config)
    return lambda *inputs: dict(zip(names, forward(*inputs), strict=True))


def write_onnx(model: SavedModel, file: Path, int8: bool = False) -> None:
    """Writes the graph as one ONNX file.

    Args:
      model: whose parameters become part of the graph.
      file: to write.
      int8: stores the matrices as 8-bit integers and runs the matmuls in them, with scales of the
        activations computed at run time (dynamic quantization).

    Raises:
      UserError: if jax2onnx is not installed.
    """
    try:
        import onnx
        from jax2onnx import to_onnx
    except ImportError:
        raise _missing("jax2onnx") from None
    startup.prepare()
    startup.start_devices()
    with _quiet():
        proto: Any = to_onnx(
            plain_forward(model),
            _free_shapes(model.config),
            model_name="mtt_jax",
            input_names=input_names(model.config),
            output_names=output_names(model.config),
        )
    whole = file.with_suffix(".float32.onnx") if int8 else file
    onnx.save(proto, whole)
    if int8:
        try:
            _quantize(whole, file)
        finally:
            whole.unlink()


def _quantize(whole: Path, file: Path) -> None:
    """Rewrites a graph with its float32 matrices as 8-bit integers."""
    try:
        from onnxruntime.quantization import QuantType, quantize_dynamic
    except ImportError:
        raise _missing("onnxruntime") from None
    try:
        with _quiet():
            quantize_dynamic(whole, file, weight_type=QuantType.QInt8)
    except OSError:
        raise
    except Exception as error:  # onnx raises a type of its own for each fault
        raise _damaged(whole, error) from None


def onnx_session(model: SavedModel, int8: bool = False) -> Any:
    """ONNX Runtime on the model's graph, which is written next to the model if it does not exist.

    Args:
      model: with its parameters, or from a folder with an exported graph.
      int8: as for `write_onnx`.

    Raises:
      UserError: if a package is missing or the graph is damaged.
    """
    try:
        import onnxruntime
    except ImportError:
        raise _missing("onnxruntime") from None
    file = model.path / (INT8_FILE if int8 else FILE)
    if not file_in(model.path, file.name):
        whole = file_in(model.path, FILE)
        try:
            with atomic.replacing(file) as fresh:
                if whole:
                    _quantize(whole, fresh)
                else:
                    write_onnx(model, fresh, int8)
        except atomic.WriteError as error:
            raise UserError(
                f"{error} Or export it to another folder: mtt export {model.path} DIR --to=onnx"
                + (" --int8, and use the engine onnx" if int8 else "")
            ) from None
    try:
        return onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime raises a type of its own for each fault
        raise _damaged(file, error) from None


def run_onnx(
    session: Any, names: list[str], inputs: Mapping[str, np.ndarray], folder: Path
) -> list[Any]:
    """The outputs with these names for a batch.

    Args:
      session: of ONNX Runtime.
      names: of the outputs.
      inputs: name -> int32 array.
      folder: of the graph, for the message.

    Raises:
      UserError: if ONNX Runtime fails, as for a graph that was exported with another tokenizer.
    """
    try:
        return session.run(names, dict(inputs))
    except Exception as error:  # ONNX Runtime raises a type of its own for each fault
        reason = " ".join(str(error).split())[:160]
        raise UserError(
            f"{folder}: ONNX Runtime cannot run its graph: {reason}. Export the run again."
        ) from None


def _damaged(file: Path, error: Exception) -> UserError:
    reason = " ".join(str(error).split())[:160]
    return UserError(f"{file}: not a graph that ONNX Runtime can read: {reason}")


def _missing(package: str) -> UserError:
    return UserError(f"{package} is not installed: pip install -r requirements-onnx.txt")


@contextlib.contextmanager
def _quiet():
    """Keeps the converters' messages about shapes and operators off the terminal."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        yield
    finally:
        logging.disable(before)
