"""Mistakes: the sentences of a split that a model gets most wrong, for a person to read.

A sentence is the worse, the less likely the model finds the least likely part of its label
(`Task.likelihood`): the mistakes that the model is most sure of, and wrong labels, come first.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from mtt_jax.data.encode import ExampleSet
from mtt_jax.scoring.infer import Inference
from mtt_jax.tasks import Task

# How many sentences of a task are kept, and how many characters of each.
MOST, _CHARACTERS = 20, 600
# How much of a longer text is shown in front of the first difference.
_BEFORE = 150


def answered(task: Task, examples: ExampleSet) -> list[int]:
    """Indices of the examples that carry a label of a task and get an answer.

    No task per sentence answers for a text without a word.
    """
    labelled = np.flatnonzero(examples.labelled(task)).tolist()
    if task.unit == "word":
        return labelled
    return [index for index in labelled if len(examples[index].words)]


def worst(
    task: Task, inferences: Sequence[Inference], examples: ExampleSet, most: int = MOST
) -> list[dict[str, Any]]:
    """The sentences that a task gets most wrong, the worst first.

    Args:
      task: with what was chosen on dev.
      inferences: one for each example, all finite.
      examples: the split, with its texts.
      most: how many to return.

    Returns:
      {"text", "given", "found", "probability", "loss"} of each: the label and the answer in the
      form of a result, the probability of the least likely part of the label, and the mean
      cross-entropy per label. A long text is cut around the first difference, and has "cut": true.
      [] if the split keeps no texts.
    """
    wrong = []
    for index in answered(task, examples):
        example, log_probs = examples[index], inferences[index].log_probs[task.name]
        gold = example.labels[task.name]
        counts = task.count(gold, task.answer(log_probs), example.words)
        right, given, said = task.tallies(counts)
        if (right != given).any() or (right != said).any():
            wrong.append((task.likelihood(gold, log_probs), index))
    chosen = sorted(wrong)[:most]
    return [
        _mistake(task, likelihood, inferences[index], examples, index, text)
        for likelihood, index in chosen
        if (text := examples.text(index)) is not None
    ]


def _mistake(
    task: Task,
    likelihood: float,
    inference: Inference,
    examples: ExampleSet,
    index: int,
    text: str,
) -> dict[str, Any]:
    example, log_probs = examples[index], inference.log_probs[task.name]
    gold = example.labels[task.name]
    words = [(int(start), int(end)) for start, end in example.words]
    loss, units = task.cross_entropy(gold, log_probs)
    given = task.given(gold, text, example.words)
    found = task.as_json(task.answer(log_probs), log_probs, text, words)
    begin = _first_shown(text, given, found)
    shown = text[begin : begin + _CHARACTERS]
    return {
        "text": shown,
        "given": _within(given, begin, begin + len(shown)),
        "found": _within(found, begin, begin + len(shown)),
        "probability": round(float(np.exp(likelihood)), 6),
        "loss": round(loss / max(units, 1), 4),
        **({"cut": True} if len(shown) < len(text) else {}),
    }


def _first_shown(text: str, given: Any, found: Any) -> int:
    """Where the part of a text begins that is shown: at a space, in front of a difference."""
    if len(text) <= _CHARACTERS:
        return 0
    places = set(_places(given)) ^ set(_places(found))
    start = max(min((start for start, _, _ in places), default=0) - _BEFORE, 0)
    return text.rfind(" ", 0, start + 1) + 1 if start else 0


def _places(answer: Any) -> Iterator[tuple[int, int, str | None]]:
    """(start, end, label) of the spans of a result."""
    if isinstance(answer, list):
        yield from ((span["start"], span["end"], span["label"]) for span in answer)


def _within(answer: Any, begin: int, end: int) -> Any:
    """A result for a part of its text, with offsets into it."""
    if not isinstance(answer, list):
        return answer
    return [
        {**span, "start": span["start"] - begin, "end": min(span["end"], end) - begin}
        for span in answer
        if begin <= span["start"] < end
    ]
