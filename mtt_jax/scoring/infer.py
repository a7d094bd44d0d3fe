"""Decisions: what the model says of whole sentences, its windows and subwords joined."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, Window
from mtt_jax.data.pack import pack_examples
from mtt_jax.tasks.schemes import Task
from mtt_jax.types import Batch, Example, Outputs

AGGREGATIONS = ("first", "max", "average")


class Decision(NamedTuple):
    """What the model says of one example.

    Attributes:
      sentence: sentence task -> float32 [C] log-probabilities.
      words: token task -> float32 [w, C] log-probabilities; a word without a subword is O.
      embedding: float32 [D] sentence embedding.
    """

    sentence: dict[str, np.ndarray]
    words: dict[str, np.ndarray]
    embedding: np.ndarray


def make_forward(model) -> Callable[[Any, Batch], Outputs]:
    """The jitted forward pass without dropout."""
    return jax.jit(lambda params, batch: model.apply({"params": params}, batch))


def decide(
    forward: Callable[[Any, Batch], Outputs],
    params,
    examples: ExampleSet | Sequence[Example],
    config: Config,
    rows: int | Sequence[int],
    aggregation: str = "first",
    row_length: int = 0,
) -> Iterator[Decision]:
    """Runs the model over a finite set and yields a decision for each example, in order.

    Args:
      forward: of `make_forward`.
      params: the model's.
      examples: any number, of any length.
      config: tasks, lengths and slots.
      rows: B, or sizes of it to choose from, as in `pack_examples`.
      aggregation: see `add_window`.
      row_length: L; 0 for train.row_length.
    """
    tasks = config.task_list
    found = undecided(examples, tasks, config.encoder.width)
    for packed in pack_examples(
        examples,
        tasks,
        max_length=config.data.max_length,
        overlap=config.data.overlap,
        row_length=row_length or config.train.row_length,
        slots=config.slots,
        rows=rows,
    ):
        outputs = forward(params, packed.batch)
        # Not the token vectors, which are the most to bring to the host.
        logits_of, sentences = jax.tree.map(np.asarray, (outputs.logits, outputs.sentences))
        for row, slot, offset, window in packed.windows:
            here = slice(offset, offset + len(window.tokens))
            logits = {
                task.name: logits_of[task.name][row, slot if task.kind == "sentence" else here]
                for task in tasks
            }
            add_window(
                found[window.source], window, tasks, logits, sentences[row, slot],
                aggregation,
            )  # fmt: skip
    yield from found


def undecided(
    examples: ExampleSet | Sequence[Example], tasks: Sequence[Task], width: int
) -> list[Decision]:
    """Decisions to fill: nothing on the sentence yet, O with certainty for every word."""
    found = []
    for index in range(len(examples)):
        words = {}
        for task in tasks:
            if task.kind == "token":
                size = len(examples[index].starts), len(task.classes)
                words[task.name] = np.full(size, -np.inf, np.float32)
                words[task.name][:, 0] = 0.0
        sentence = {
            task.name: np.zeros(len(task.classes), np.float32)
            for task in tasks
            if task.kind == "sentence"
        }
        found.append(Decision(sentence, words, np.zeros(width, np.float32)))
    return found


def add_window(
    decision: Decision,
    window: Window,
    tasks: Sequence[Task],
    logits: dict[str, np.ndarray],
    embedding: np.ndarray,
    aggregation: str,
) -> None:
    """Enters in a decision what one window of its example says.

    A sentence task and the embedding take the mean over the windows, each in proportion to what
    it decides.

    Args:
      decision: changed in place.
      window: a window of the decision's example.
      tasks: all.
      logits: sentence task -> [C]; token task -> [n, C] over the window's positions.
      embedding: [D] of the window.
      aggregation: how a word of several subwords is decided: by its "first", which is the one that
        training labels; by the one that is surest of its class ("max"); or by the "average" of
        their probabilities.
    """
    decision.embedding[:] += window.share * embedding.astype(np.float32)
    for task in tasks:
        log_probs = _log_softmax(logits[task.name].astype(np.float32))
        if task.kind == "sentence":
            decision.sentence[task.name][:] += window.share * log_probs
        elif len(window.words):
            decision.words[task.name][window.words] = _by_word(log_probs, window, aggregation)


def _by_word(log_probs: np.ndarray, window: Window, aggregation: str) -> np.ndarray:
    """float32 [v, C] of the words that a window decides, from [n, C] of its positions."""
    starts, ends = window.starts, window.ends
    if aggregation == "first":
        return log_probs[starts]
    if aggregation == "average":
        sums = np.add.reduceat(np.exp(log_probs[: ends[-1]]), starts)
        return np.log(np.maximum(sums / (ends - starts)[:, None], 1e-30))
    sure = log_probs.max(axis=-1)
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return log_probs[[start + int(sure[start:end].argmax()) for start, end in spans]]


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    shifted = logits - logits.max(axis=-1, keepdims=True)
    return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))
