"""The sentences of a batch that gave NaN or infinity: where they are, and what the model says."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.atomic import write
from mtt_jax.data.encode import ExampleSet, cut
from mtt_jax.data.prepare import records_of
from mtt_jax.devices import processes
from mtt_jax.devices.mesh import gather
from mtt_jax.errors import UserError
from mtt_jax.scoring.infer import infer
from mtt_jax.train.setup import Setup
from mtt_jax.types import Batch, Example

# Name of the file in the run directory, how many sentences a message names, and how much of each.
FILE, _NAMED, _CHARACTERS = "bad_batch.jsonl", 3, 60

# What to do about parameters that diverged.
DIVERGED = (
    "Lower --config.train.learning_rate, raise --config.train.warmup or set --config.train.clip, "
    "and start in a new --workdir."
)


class Sentence(NamedTuple):
    """A sentence of a batch.

    Attributes:
      place: file and line; "" if that is not known.
      text: as in the file; of a sentence that is not found there, what its subwords say.
      tasks: of which it carries a label.
      finite: whether the model, as it is, has a finite answer to it alone.
    """

    place: str
    text: str
    tasks: tuple[str, ...]
    finite: bool


def sentences_of(setup: Setup, params: Any, batch: Batch) -> list[Sentence]:
    """The sentences of a batch, in its order; all processes must call this together.

    The labeled sentences are read again to find their places, which takes as long as at the start.

    Args:
      setup: of the run.
      params: that the model answers with.
      batch: on the mesh.
    """
    whole = gather(batch._replace(hidden=None, teacher=None, teacher_masks=None))
    examples, tasks = unpacked(whole, setup)
    answers = infer(setup.forward, params, examples, setup.config, setup.config.train.batch_rows)
    finite = [answer.finite for answer in answers]
    known = _known(setup, examples) if processes.is_main() else {}
    found = []
    for example, of_tasks, sound in zip(examples, tasks, finite, strict=True):
        place, text = known.get(example.tokens.tobytes(), ("", ""))
        text = text or setup.data.tokenizer.decode(example.tokens.tolist())
        found.append(Sentence(place, text, of_tasks, sound))
    return found


def unpacked(batch: Batch, setup: Setup) -> tuple[list[Example], list[tuple[str, ...]]]:
    """The sentences of a NumPy batch as examples without labels, and the tasks that each trains."""
    examples, tasks = [], []
    none = np.zeros(0, np.int32)
    for row, segments in enumerate(batch.segments):
        for slot in range(int(segments.max())):
            here = segments == slot + 1
            tokens = batch.tokens[row][here]
            features = (
                np.zeros((len(tokens), 0)) if batch.features is None else batch.features[row][here]
            )
            examples.append(
                Example(tokens, none, none.reshape(0, 2), {}, features.astype(np.uint16))
            )
            labelled = (
                task.name
                for task in setup.config.task_list
                if batch.masks[task.name][row][slot if task.unit == "sentence" else here].any()
            )
            tasks.append(tuple(labelled))
    return examples, tasks


def _known(setup: Setup, examples: Sequence[Example]) -> dict[bytes, tuple[str, str]]:
    """Subwords as bytes -> (place, text) of the labeled sentences among some examples."""
    train = setup.data.splits["train"]
    wanted = {example.tokens.tobytes() for example in examples}
    found = dict(_indices(train, wanted, setup.config.data.max_length))
    try:
        records = records_of(setup.config)["train"]
    except UserError:  # files that were moved since the start: the subwords say enough
        return {}
    return {
        tokens: (records[index].place, records[index].text)
        for tokens, index in found.items()
        if index < len(records)
    }


def _indices(train: ExampleSet, wanted: set[bytes], max_length: int) -> list[tuple[bytes, int]]:
    """(subwords as bytes, index) of the training sentences that are wanted."""
    sizes = {len(tokens) // np.dtype(np.int32).itemsize for tokens in wanted}
    lengths = np.minimum(train.lengths()[: train.sentences], max_length)
    pairs = []
    for index in np.flatnonzero(np.isin(lengths, list(sizes))).tolist():
        tokens = np.asarray(cut(train[index], max_length).tokens, np.int32).tobytes()
        if tokens in wanted:
            pairs.append((tokens, index))
    return pairs


def verdict(sentences: Sequence[Sentence], bad: Sequence[str]) -> str:
    """What the sentences of a bad batch have to do with it, in one or two sentences.

    Args:
      sentences: of the batch.
      bad: tasks whose loss is NaN or infinite.
    """
    failed = [sentence for sentence in sentences if not sentence.finite]
    if len(failed) == len(sentences):
        return (
            f"The model's answer is NaN or infinite for all {len(sentences):,} sentences of the "
            f"batch, so the parameters have diverged. Among them: {_named(sentences)}."
        )
    if failed:
        return (
            f"The model's answer is NaN or infinite for {len(failed):,} of the "
            f"{len(sentences):,} sentences of the batch: {_named(failed)}."
        )
    sound = f"The model has finite answers to all {len(sentences):,} sentences of the batch"
    labelled = [one for one in sentences if set(one.tasks) & set(bad)]
    if not labelled:
        return f"{sound}: {_named(sentences)}."
    what = f"{len(labelled):,} with a label of {' or '.join(bad)}"
    return f"{sound}; {what}: {_named(labelled)}."


def remedy(sentences: Sequence[Sentence]) -> str:
    """What to do about a bad batch: about the parameters, the sentences, or what weighs labels."""
    failed = sum(not sentence.finite for sentence in sentences)
    if failed == len(sentences):
        return DIVERGED
    if failed:
        return f"Leave these sentences out if something is wrong with them. If not: {DIVERGED}"
    return (
        "Look at the labels of these sentences, and lower --config.tasks.NAME.class_weights and "
        "--config.tasks.NAME.weight if they are large. To skip more steps in a row, resume the run "
        "with a higher --config.train.bad_steps."
    )


def _named(sentences: Sequence[Sentence]) -> str:
    """The first few sentences, with their places."""
    shown = [
        (f"{one.place}: " if one.place else "")
        + json.dumps(one.text[:_CHARACTERS], ensure_ascii=False)
        for one in sentences[:_NAMED]
    ]
    more = len(sentences) - _NAMED
    return "; ".join(shown) + (f"; and {more:,} more" if more > 0 else "")


def keep(run: Path, step: int, sentences: Sequence[Sentence]) -> Path:
    """Writes all sentences of a bad batch into the run directory, one JSON object per line."""
    rows = [{"step": step, **one._asdict()} for one in sentences]
    file = run / FILE
    write(file, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    return file
