"""The predictor: texts in, answers with character offsets out."""

import os
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple, overload

import numpy as np

from mtt_jax.data.encode import encode_texts, reading_of
from mtt_jax.errors import UserError, one_of
from mtt_jax.predict.engines import load_for, open_engine
from mtt_jax.predict.result import Result, Results
from mtt_jax.scoring.infer import AGGREGATIONS, NOT_FINITE, Inference, empty_inferences
from mtt_jax.tasks import Task
from mtt_jax.types import Example
from mtt_jax.weights.saved_model import SavedModel


class Prediction(NamedTuple):
    """A result with the words of its text.

    Attributes:
      result: as the predictor returns it; that of a text without words if there is a fault.
      words: (start, end) character offsets.
      fault: why the model has no answer, or "".
    """

    result: Result
    words: tuple[tuple[int, int], ...]
    fault: str = ""


class Predictor:
    """A model that reads texts.

        predictor = Predictor.load("runs/balanced")
        predictor("Tom works at Microsoft in Seattle.")

    Attributes:
      config: the run's config.
      tasks: the questions that it answers.
    """

    def __init__(
        self,
        model: SavedModel,
        engine: str = "jax",
        aggregation: str = "first",
        backend: str | None = None,
    ):
        """Takes what `saved_model.load` returned; for the other arguments see `load`."""
        one_of("aggregation", aggregation, AGGREGATIONS)
        self.config = model.config
        self.tasks = model.tasks
        self._tokenizer = model.tokenizer
        self._engine = open_engine(backend or engine, model)
        self._aggregation = aggregation
        self._process = os.getpid()
        self._labels = {task.name: task.answer_labels for task in self.tasks}

    @classmethod
    def load(
        cls,
        path: str | Path,
        engine: str = "jax",
        aggregation: str = "first",
        backend: str | None = None,
        verify: bool = True,
    ) -> "Predictor":
        """Reads a run, a model directory or what `export --to=onnx` wrote.

        Args:
          path: the directory.
          engine: "jax", or "onnx" for ONNX Runtime, which needs requirements-onnx.txt; a model
            that was not exported is converted at the first load. "jax-bfloat16" and "onnx-int8"
            run the matmuls in these dtypes, whatever the model was trained in: faster, but
            the answers differ slightly.
          aggregation: how a word of several subwords is decided: by its "first", which is the one
            that carries the label in training; by the most confident one ("max"); or by their
            "average".
          backend: the old name of `engine`.
          verify: refuses a model whose files are not those that were written; False loads it as it
            is. For 90 MB it takes about 0.2 s.

        Raises:
          UserError: if there is no model, or a file of it is missing, damaged or changed.
        """
        engine = backend or engine
        return cls(load_for(engine, path, verify), engine, aggregation)

    @overload
    def __call__(self, texts: str) -> Result: ...

    @overload
    def __call__(self, texts: list[str] | tuple[str, ...]) -> Results: ...

    def __call__(self, texts: Any) -> Any:
        """Predicts for a text or a list of texts.

        Returns:
          A result, or a list of results in the order of the texts: {"text": ..., TASK: ANSWER}.
          They are a dict and a list, which a notebook shows with their spans in color.
          The answer of a task of kind classes is {"label", "score", "scores"}, of multilabel
          {"labels", "scores"}, of entities and tags a list of {"text", "label", "start", "end",
          "score"}. Offsets are characters of the text as given. A text without a word, such as an
          empty one, gets None from tasks per sentence and [] from tasks per word.

        Raises:
          UserError: if anything but texts is given.
        """
        single = isinstance(texts, str)
        results = Results(self.pipe([texts] if single else _several(texts)))
        return results[0] if single else results

    def pipe(
        self, texts: Iterable[Any], batch_size: int = 256, as_tuples: bool = False
    ) -> Iterator[Any]:
        """Yields results in the order of the texts, reading no further ahead than a batch.

        Args:
          texts: any number of them; pairs of (text, anything) if `as_tuples` is true.
          batch_size: texts that are read and packed together.
          as_tuples: yields (result, anything), to keep what belongs to a text with its result.

        Raises:
          UserError: naming the position of an item that is not a text, or for which the model has
            no answer.
        """
        pairs = self.predictions(texts, batch_size, as_tuples)
        for place, (prediction, context) in enumerate(pairs):
            if prediction.fault:
                raise UserError(f"text {place}: {prediction.fault}")
            yield (prediction.result, context) if as_tuples else prediction.result

    def predictions(
        self, texts: Iterable[Any], batch_size: int = 256, as_tuples: bool = False
    ) -> Iterator[tuple[Prediction, Any]]:
        """Yields (prediction, anything) as `pipe` does, with the words of each text.

        Args:
          texts: as for `pipe`; without `as_tuples` the second item is None.
          batch_size: as for `pipe`.
          as_tuples: as for `pipe`.
        """
        if batch_size < 1:
            raise UserError(f"batch_size: {batch_size} is too small; must be at least 1.")
        place, source = 0, iter(_several(texts))
        while batch := list(islice(source, batch_size)):
            plain = (
                [_first(item, place + i) for i, item in enumerate(batch)] if as_tuples else batch
            )
            examples = self.read(_texts(plain, place))
            predictions = self.answers(plain, examples, self.infer(examples))
            for given, prediction in zip(batch, predictions, strict=True):
                yield prediction, given[1] if as_tuples else None
            place += len(batch)

    def encode(self, texts: Iterable[str], normalize: bool = False) -> np.ndarray:
        """Sentence embeddings, float32 [n, D]; of unit length if `normalize` is true.

        A text longer than the model reads gets the mean of its windows, one without a word zeros.

        Raises:
          UserError: naming the position of an item that is not a text, or for which the model has
            no answer.
        """
        examples = self.read(_texts(list(_several(texts)), 0))
        found = self.infer(examples)
        for place, inference in enumerate(found):
            if not inference.finite:
                raise UserError(f"text {place}: {NOT_FINITE}")
        vectors = self.embeddings(examples, found)
        if normalize:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
        return vectors

    # The steps of a prediction, for a program that runs them in threads of its own, as serve/ does.
    # Only `infer` and `warm_up` run the model.

    @property
    def batch_tokens(self) -> int:
        """Subwords that fill a batch of the engine."""
        return self._engine.batch_tokens

    def warm_up(self) -> Iterator[None]:
        """Compiles all that predictions need, yielding after each shape, so that none waits."""
        self._refuse_fork()
        yield from self._engine.warm_up()

    def read(self, texts: Sequence[str]) -> list[Example]:
        """What the model reads of each text; `tokens` has a subword each, special ones included."""
        encoded = encode_texts(self._tokenizer, texts, reading_of(self.config))
        return [Example(*found[:3], {}, found.features) for found in encoded]

    def infer(self, examples: Sequence[Example]) -> list[Inference]:
        """What the model says about each example, packed together.

        Raises:
          UserError: in a process that was forked after the model was loaded.
        """
        self._refuse_fork()
        return self._engine(examples, self._aggregation)

    def embeddings(self, examples: Sequence[Example], found: Sequence[Inference]) -> np.ndarray:
        """Sentence embeddings, float32 [n, D]; zeros for a text without a word.

        Args:
          examples: as `read` returned them.
          found: as `infer` returned them.
        """
        vectors = np.zeros((len(examples), self.config.encoder.width), np.float32)
        for vector, example, inference in zip(vectors, examples, found, strict=True):
            if len(example.words):
                vector[:] = inference.embedding
        return vectors

    def answers(
        self,
        texts: Sequence[str],
        examples: Sequence[Example],
        found: Sequence[Inference],
        tasks: Sequence[Task] | None = None,
    ) -> list[Prediction]:
        """A prediction for each text.

        Args:
          texts: as given to `read`.
          examples: as `read` returned them.
          found: as `infer` returned them.
          tasks: in place of the model's, such as its tasks with other thresholds.
        """
        sound = [index for index, inference in enumerate(found) if inference.finite]
        words = {index: tuple(map(tuple, examples[index].words.tolist())) for index in sound}
        results = {index: Result({"text": texts[index]}, self._labels) for index in sound}
        for task in tasks or self.tasks:
            # A text without words has no answer per sentence; per word the answer is [] anyway.
            asked = [index for index in sound if task.unit == "word" or words[index]]
            answers = task.results(
                [found[index].log_probs[task.name] for index in asked],
                [texts[index] for index in asked],
                [words[index] for index in asked],
            )
            by_index = dict(zip(asked, answers, strict=True))
            for index in sound:
                results[index][task.name] = by_index.get(index)
        return [
            Prediction(results[index], words[index]) if index in results else self._fault(text)
            for index, text in enumerate(texts)
        ]

    def _refuse_fork(self) -> None:
        if self._process != os.getpid():
            raise UserError(
                "this process was forked after the model was loaded, and the model would hang in "
                "it: load the model in each worker. Start workers with "
                "multiprocessing.get_context('spawn'), and gunicorn without --preload."
            )

    def _fault(self, text: str) -> Prediction:
        """The prediction for a text to which the model has no finite answer."""
        none = np.zeros(0, np.int32)
        empty = Example(none, none, none.reshape(0, 2), {}, none.reshape(0, 0))
        nothing = empty_inferences([empty], self.tasks, self.config.encoder.width)
        (prediction,) = self.answers([text], [empty], nothing)
        return prediction._replace(fault=NOT_FINITE)


def _several(texts: Any) -> Iterable[Any]:
    """A collection of texts, unchanged.

    Raises:
      UserError: for a single text, which would be read character by character, and for anything
        that is not iterable.
    """
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise UserError(
            f"expected a list of texts or another iterable, got {type(texts).__name__}."
        )
    return texts


def _first(pair: Any, place: int) -> Any:
    """The text of a pair."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise UserError(f"text {place}: expected a pair (text, anything), because of as_tuples.")
    return pair[0]


def _texts(texts: Sequence[Any], first: int) -> list[str]:
    """The texts as a list, each checked; `first` is the position of the first."""
    for index, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            raise UserError(f"text {index}: expected a str, got {type(text).__name__}.")
    return list(texts)
