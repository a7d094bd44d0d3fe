"""Prediction on Apache Beam: one transform that Dataflow, Flink, Spark or a laptop runs.

with beam.Pipeline() as pipeline:
    results, errors = (
        pipeline | beam.io.ReadFromText("news.txt") | Predict("runs/balanced")
    )
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

from mtt_jax.data.inputs import is_cut
from mtt_jax.errors import UserError, one_of
from mtt_jax.predict.predictor import Predictor
from mtt_jax.scoring.infer import AGGREGATIONS
from mtt_jax.weights import saved_model

# An optional package: without it the module can be imported, but no transform can be created.
_BEAM = importlib.util.find_spec("apache_beam") is not None
beam: Any = importlib.import_module("apache_beam") if _BEAM else None
_PTransform: Any = beam.PTransform if _BEAM else object
_DoFn: Any = beam.DoFn if _BEAM else object

_FILES = {
    "jax": "model.safetensors",
    "jax-bfloat16": "model.safetensors",
    "onnx": "model.onnx",
}

RESULTS = "results"
ERRORS = "errors"


class Predict(_PTransform):
    """Texts to results: a PTransform over strings, or over dicts with a text.

        results, errors = texts | Predict("runs/balanced")

    A result is what `Predictor` returns for the text; the other keys of a dict are kept next to it.
    An element without a text, or with a key that the result uses, goes to the output "errors" as
    {"element": the element, "error": the reason}. Windows and timestamps are those of the elements.

    The model is loaded once per worker process, from the same path there.
    """

    def __init__(
        self,
        model_dir: str | Path,
        engine: str = "jax",
        text_key: str = "text",
        batch_size: int = 256,
        aggregation: str = "first",
        backend: str | None = None,
    ):
        """Checks everything that can be checked before the pipeline runs.

        Args:
          model_dir: run or model directory; for engine="onnx" what `export --to=onnx` wrote.
          engine: "jax", "jax-bfloat16" or "onnx", as in `Predictor.load`.
          text_key: where the text is in a dict.
          batch_size: texts that are packed together; fewer at the end of a bundle or a window.
          aggregation: as in `Predictor.load`.
          backend: the old name of `engine`.

        Raises:
          UserError: if apache-beam is missing, there is no model, or an argument is invalid.
        """
        if not _BEAM:
            raise UserError("apache-beam is not installed: pip install -r requirements-beam.txt")
        super().__init__()
        engine = backend or engine
        one_of("engine", engine, _FILES)
        one_of("aggregation", aggregation, AGGREGATIONS)
        if batch_size < 1:
            raise UserError(f"batch_size: {batch_size} is too small; must be at least 1.")
        folder = saved_model.find(model_dir).absolute()
        if not (folder / _FILES[engine]).is_file():
            # Not left to the workers, several of which would write the same file.
            raise UserError(
                f"{model_dir}: no {_FILES[engine]} for engine={engine!r}; name the run itself for "
                "jax, and for onnx the DIR of: mtt export RUN DIR --to=onnx"
            )
        self._model = (str(folder), engine, aggregation)
        self._text_key, self._batch_size = text_key, batch_size

    def expand(self, elements):
        """Batches of elements to the tagged outputs "results", the main one, and "errors"."""
        return (
            elements
            | "Keep timestamps" >> beam.ParDo(_WithTimestamp())
            | "Batch" >> beam.BatchElements(self._batch_size, self._batch_size)
            | "Predict"
            >> beam.ParDo(_PredictBatch(self._model, self._text_key)).with_outputs(
                ERRORS, main=RESULTS
            )
        )


class _WithTimestamp(_DoFn):
    """Pairs an element with its timestamp, since a batch has only one timestamp."""

    def process(self, element, timestamp=beam.DoFn.TimestampParam if _BEAM else None):
        yield element, timestamp


class _PredictBatch(_DoFn):
    """Lists of (element, timestamp) to results and errors."""

    def __init__(self, model: tuple[str, str, str], text_key: str):
        from apache_beam.utils.shared import Shared

        self._model, self._text_key, self._shared = model, text_key, Shared()

    def setup(self):
        """Takes the predictor of the process, which the first of its threads loads."""
        self._predictor = self._shared.acquire(lambda: Predictor.load(*self._model))

    def process(self, batch):
        """Yields each element's output, with its timestamp."""
        texts, sound = [], []
        for element, when in batch:
            try:
                texts.append(text_of(element, self._text_key))
                sound.append((element, when))
            except UserError as error:
                yield _refused(element, when, error)
        pairs = self._predictor.predictions(texts)
        for (prediction, _), (element, when) in zip(pairs, sound, strict=True):
            try:
                if prediction.fault:
                    raise UserError(prediction.fault)
                output = beside(prediction.result, element, self._text_key)
                yield beam.window.TimestampedValue(output, when)
            except UserError as error:
                yield _refused(element, when, error)


def _refused(element: Any, when: Any, error: UserError) -> Any:
    row = {"element": element, "error": str(error)}
    return beam.pvalue.TaggedOutput(ERRORS, beam.window.TimestampedValue(row, when))


def text_of(element: Any, text_key: str) -> str:
    """The text of an element.

    Raises:
      UserError: if it has none, or one that cannot be written as UTF-8.
    """
    if not isinstance(element, (str, dict)):
        raise UserError(f"expected a text or a dict with one, got {type(element).__name__}.")
    text = element.get(text_key) if isinstance(element, dict) else element
    if not isinstance(text, str):
        raise UserError(f"no text under the key {text_key!r}; name another key with text_key.")
    if is_cut(text):
        raise UserError("half of a surrogate pair; the text was cut inside a character.")
    return text


def beside(result: dict[str, Any], element: str | dict, text_key: str) -> dict[str, Any]:
    """The result, followed by the other keys of an element that is a dict.

    Raises:
      UserError: if both have the same key, since one value would be lost.
    """
    if isinstance(element, str):
        return dict(result)  # which Beam's coders know
    rest = {key: value for key, value in element.items() if key != text_key}
    for key in rest:
        if key in result:
            raise UserError(f"the result has a key {key!r} too; rename it in the element.")
    return {**result, **rest}
