"""Inference: what the model says about whole sentences, with windows and subwords joined."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, Window
from mtt_jax.data.pack import pack_examples
from mtt_jax.tasks import Task
from mtt_jax.types import Batch, Example, Outputs

AGGREGATIONS = ("first", "max", "average")
NOT_FINITE = "the model's answer is NaN or infinite; leave the text out, or use another model."


class Inference(NamedTuple):
    """What the model says about one example.

    Attributes:
      log_probs: task -> float32 [C] for a task per sentence, [w, C] for one per word, as
        `Task.normalize` returns them; the task applies its temperature when it reads them.
      embedding: float32 [D] sentence embedding.
      finite: whether the model gave numbers. If it gave NaN or infinity for this example even when
        read alone, the other values are meaningless; `NOT_FINITE` says so to a user.
    """

    log_probs: dict[str, np.ndarray]
    embedding: np.ndarray
    finite: bool = True


def make_forward(model: Any) -> Callable[[Any, Batch], Outputs]:
    """The jitted forward pass without dropout."""
    return jax.jit(lambda params, batch: model.apply({"params": params}, batch))


def infer(
    forward: Callable[[Any, Batch], Outputs],
    params: Any,
    examples: ExampleSet | Sequence[Example],
    config: Config,
    rows: int | Sequence[int],
    aggregation: str = "first",
    row_length: int = 0,
    tasks: Sequence[Task] | None = None,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Inference]:
    """Runs the model over a finite set and yields what it says about each example, in order.

    Args:
      forward: as returned by `make_forward`.
      params: of the model.
      examples: any number, of any length.
      config: tasks, lengths and slots.
      rows: B, or several sizes to choose from, as in `pack_examples`.
      aggregation: see `add_window`.
      row_length: L; 0 for train.row_length.
      tasks: with what was chosen on dev; those of the config by default.
      progress: called with the number of examples that the model has begun to read.
    """
    tasks = tasks or config.task_list
    length = row_length or config.train.row_length
    run = partial(_infer, forward, params, config, rows, aggregation, length, tasks, progress)
    yield from each_finite(run(examples, config.slots), examples, lambda some: run(some, 1))


def _infer(
    forward: Callable[[Any, Batch], Outputs],
    params: Any,
    config: Config,
    rows: int | Sequence[int],
    aggregation: str,
    row_length: int,
    tasks: Sequence[Task],
    progress: Callable[[int], None] | None,
    examples: ExampleSet | Sequence[Example],
    slots: int,
) -> list[Inference]:
    """`infer` with at most `slots` windows per row; whatever shares a row with a NaN becomes one.

    0 x NaN is NaN, so that masked attention keeps neighbors apart only while all are finite.
    """
    found = empty_inferences(examples, tasks, config.encoder.width)
    begun: set[int] = set()
    for packed in pack_examples(
        examples,
        tasks,
        max_length=config.data.max_length,
        overlap=config.data.overlap,
        row_length=row_length,
        slots=slots,
        rows=rows,
    ):
        outputs = forward(params, packed.batch)
        # Without the token vectors, the largest output to copy to the host.
        logits_of, sentences = jax.tree.map(np.asarray, (outputs.logits, outputs.sentences))
        sound = all_finite([*logits_of.values(), sentences])
        for row, slot, offset, window in packed.windows:
            here = slice(offset, offset + len(window.tokens))
            logits = {
                task.name: logits_of[task.name][row, slot if task.unit == "sentence" else here]
                for task in tasks
            }
            embedding = sentences[row, slot]
            if sound or all_finite([*logits.values(), embedding]):
                add_window(found[window.source], window, tasks, logits, embedding, aggregation)
            else:
                found[window.source] = found[window.source]._replace(finite=False)
        begun.update(window.source for *_, window in packed.windows)
        if progress:
            progress(len(begun))
    return found


def all_finite(arrays: Iterable[np.ndarray]) -> bool:
    """Whether no element of the arrays is NaN or infinite."""
    return all(np.isfinite(array).all() for array in arrays)


def each_finite(
    found: list[Inference],
    examples: ExampleSet | Sequence[Example],
    again: Callable[[list[Example]], list[Inference]],
) -> list[Inference]:
    """The inferences, those that are not finite replaced by what the model says to them alone.

    Args:
      found: one for each example.
      examples: what was read.
      again: reads some examples so that none can change another's answer.
    """
    failed = [index for index, inference in enumerate(found) if not inference.finite]
    if failed:
        alone = again([examples[index] for index in failed])
        for index, inference in zip(failed, alone, strict=True):
            found[index] = inference
    return found


def empty_inferences(
    examples: ExampleSet | Sequence[Example], tasks: Sequence[Task], width: int
) -> list[Inference]:
    """Inferences to add windows to, with 0 everywhere."""
    found = []
    for index in range(len(examples)):
        axes = {"sentence": (), "word": (len(examples[index].starts),)}
        log_probs = {
            task.name: np.zeros((*axes[task.unit], len(task.classes)), np.float32) for task in tasks
        }
        found.append(Inference(log_probs, np.zeros(width, np.float32)))
    return found


def add_window(
    inference: Inference,
    window: Window,
    tasks: Sequence[Task],
    logits: dict[str, np.ndarray],
    embedding: np.ndarray,
    aggregation: str,
) -> None:
    """Adds what the model says about one window of an example.

    For the whole sentence the mean over the windows is taken, each weighted by its share.

    Args:
      inference: of the window's example; changed in place.
      window: a window of the example.
      tasks: all.
      logits: [C] for a task per sentence; [n, C] over the window's positions for one per word.
      embedding: [D] of the window.
      aggregation: how a word of several subwords is decided: by the "first", which is the one that
        carries the label in training; by the most confident one ("max"); or by the "average" of
        their probabilities.
    """
    inference.embedding[:] += window.share * embedding.astype(np.float32)
    for task in tasks:
        log_probs = task.normalize(logits[task.name].astype(np.float32))
        if task.unit == "sentence":
            inference.log_probs[task.name][:] += window.share * log_probs
        elif len(window.words):
            by_word = _by_word(log_probs, window, aggregation)
            inference.log_probs[task.name][window.words] = by_word


def _by_word(log_probs: np.ndarray, window: Window, aggregation: str) -> np.ndarray:
    """float32 [v, C] of the words that a window decides, from [n, C] of its positions."""
    starts, ends = window.starts, window.ends
    if aggregation == "first":
        return log_probs[starts]
    if aggregation == "average":
        sums = np.add.reduceat(np.exp(log_probs[: ends[-1]]), starts)
        return np.log(np.maximum(sums / (ends - starts)[:, None], 1e-30))
    confidence = log_probs.max(axis=-1)
    spans = zip(starts.tolist(), ends.tolist(), strict=True)
    return log_probs[[start + int(confidence[start:end].argmax()) for start, end in spans]]
