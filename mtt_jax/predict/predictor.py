"""The predictor: texts in, labels and entities with character offsets out."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any, overload

import numpy as np

from mtt_jax.data.encode import encode_text
from mtt_jax.data.words import split_words
from mtt_jax.errors import UserError, one_of
from mtt_jax.predict.engines import load_for, open_backend
from mtt_jax.scoring.infer import AGGREGATIONS, Decision
from mtt_jax.tasks.decode import decode_spans
from mtt_jax.tasks.schemes import Task, split_tag
from mtt_jax.types import Example
from mtt_jax.weights.saved_model import SavedModel


class Predictor:
    """A model that reads texts.

        predictor = Predictor.load("runs/balanced")
        predictor("Tom works at Microsoft in Seattle.")

    Attributes:
      config: the run's config.
    """

    def __init__(self, model: SavedModel, backend: str = "jax", aggregation: str = "first"):
        """Takes what `saved_model.load` read; for the rest see `load`."""
        one_of("aggregation", aggregation, AGGREGATIONS)
        self.config = model.config
        self._tokenizer = model.tokenizer
        self._backend = open_backend(backend, model)
        self._aggregation = aggregation

    @classmethod
    def load(
        cls, path: str | Path, backend: str = "jax", aggregation: str = "first"
    ) -> "Predictor":
        """Reads a run, a model directory or what `export --to=onnx` wrote.

        Args:
          path: the directory.
          backend: "jax", or "onnx" for ONNX Runtime, which needs requirements-onnx.txt; a model
            that was not exported is converted at the first load. "jax-bfloat16" and "onnx-int8"
            multiply in these types, whatever the model trained in: faster, and not quite the same.
          aggregation: how a word of several subwords is decided: by its "first", which is the
            one that training labels; by the one that is surest ("max"); or by their "average".

        Raises:
          UserError: where there is none, or a file of it is missing or damaged.
        """
        return cls(load_for(backend, path), backend, aggregation)

    @overload
    def __call__(self, texts: str) -> dict[str, Any]: ...

    @overload
    def __call__(self, texts: list[str] | tuple[str, ...]) -> list[dict[str, Any]]: ...

    def __call__(self, texts):
        """Predicts for a text or a list of texts.

        Returns:
          A result, or a list of results in the order of the texts:
          {"text": ..., SENTENCE_TASK: {"label", "score", "scores"}, "entities": [{"text",
          "label", "start", "end", "score"}]}. Offsets are characters of the text as given, and
          a token task that is not the only one has its entities under its own name.

        Raises:
          UserError: where something else than texts is given.
        """
        single = isinstance(texts, str)
        results = list(self.pipe([texts] if single else _several(texts)))
        return results[0] if single else results

    def pipe(
        self, texts: Iterable[Any], batch_size: int = 256, as_tuples: bool = False
    ) -> Iterator[Any]:
        """Yields results in the order of the texts, reading no further ahead than a batch.

        Args:
          texts: of any number; pairs of (text, anything) where `as_tuples` is true.
          batch_size: texts that are read and packed together.
          as_tuples: yields (result, anything), to keep what belongs to a text beside it.

        Raises:
          UserError: naming the place of what is no text.
        """
        if batch_size < 1:
            raise UserError(f"batch_size: {batch_size} is too small; at least 1.")
        place, source = 0, iter(_several(texts))
        while batch := list(islice(source, batch_size)):
            plain = (
                [_first(item, place + i) for i, item in enumerate(batch)] if as_tuples else batch
            )
            words, decisions = self._decide(_texts(plain, place))
            for given, text, spans, decision in zip(batch, plain, words, decisions, strict=True):
                result = self._result(text, spans, decision)
                yield (result, given[1]) if as_tuples else result
            place += len(batch)

    def encode(self, texts: Iterable[str], normalize: bool = False) -> np.ndarray:
        """Sentence embeddings, float32 [n, D]; of length 1 where `normalize` is true.

        A text longer than the model reads gets the mean of its windows.

        Raises:
          UserError: naming the place of what is no text.
        """
        texts = _texts(list(_several(texts)), 0)
        _, decisions = self._decide(texts)
        width = self.config.encoder.width
        vectors = np.stack([d.embedding for d in decisions]) if texts else np.zeros((0, width), "f")
        if normalize:
            vectors /= np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)
        return vectors

    def _decide(self, texts: list[str]) -> tuple[list[Any], list[Decision]]:
        """The words of each text, and what the model decides on it."""
        # Half of a surrogate pair has no bytes for the tokenizer; a "?" stands in, at its place.
        texts = [text.encode("utf-8", "replace").decode("utf-8") for text in texts]
        words = [split_words(text) for text in texts]
        examples = [
            Example(tokens, starts, {}, {})
            for tokens, starts in encode_text(self._tokenizer, texts, words)
        ]
        return words, self._backend(examples, self._aggregation)

    def _result(self, text: str, words, decision: Decision) -> dict[str, Any]:
        result: dict[str, Any] = {"text": text}
        tasks = self.config.task_list
        token_tasks = [task for task in tasks if task.kind == "token"]
        for task in tasks:
            if task.kind == "sentence":
                result[task.name] = _topic(task, decision.sentence[task.name])
            else:
                key = "entities" if len(token_tasks) == 1 else task.name
                result[key] = _entities(task, decision.words[task.name], text, words)
        return result


def _several(texts: Any) -> Iterable[Any]:
    """What holds several texts, as it is.

    Raises:
      UserError: for a single text, which would be read sign by sign, and for what holds none.
    """
    if isinstance(texts, (str, bytes)) or not isinstance(texts, Iterable):
        raise UserError(f"expected a list of texts or the like, got {type(texts).__name__}.")
    return texts


def _first(pair: Any, place: int) -> Any:
    """The text of a pair."""
    if not isinstance(pair, (tuple, list)) or len(pair) != 2:
        raise UserError(f"text {place}: expected a pair (text, anything), as as_tuples says.")
    return pair[0]


def _texts(texts: Sequence[Any], first: int) -> list[str]:
    """The texts as a list, each checked; `first` is the place of the first."""
    for index, text in enumerate(texts, start=first):
        if not isinstance(text, str):
            raise UserError(f"text {index}: expected a str, got {type(text).__name__}.")
    return list(texts)


def _topic(task: Task, log_probs: np.ndarray) -> dict[str, Any]:
    """{"label", "score", "scores"} of a sentence; scores sum to 1."""
    probs = np.exp(log_probs - log_probs.max())
    scores = {n: float(p) for n, p in zip(task.labels, probs / probs.sum(), strict=True)}
    label = max(scores, key=lambda name: scores[name])
    return {"label": label, "score": scores[label], "scores": scores}


def _entities(task: Task, log_probs: np.ndarray, text: str, words) -> list[dict[str, Any]]:
    """Entities with character offsets; the score is the least certain word's probability."""
    found = []
    iob2 = task.scheme == "iob2"
    kinds = [split_tag(name)[1] if iob2 else name for name in task.classes]
    for span in decode_spans(log_probs, task):
        start, end = words[span.start][0], words[span.end - 1][1]
        columns = [i for i, kind in enumerate(kinds) if kind == span.label]
        certainty = np.exp(log_probs[span.start : span.end, columns]).sum(axis=-1).min()
        found.append(
            {
                "text": text[start:end],
                "label": span.label,
                "start": start,
                "end": end,
                "score": float(min(certainty, 1.0)),
            }
        )
    return found
