"""Suspects: the labels that a model finds least likely, and its mistakes.

A model finds what it was trained on likely, right or wrong. So the training sentences are divided
into folds, and each fold is judged by a model that was trained on the others (confident learning,
Northcutt et al. 2021, arXiv:1911.00068). Dev and test are judged by the run's own model.
"""

import dataclasses
import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mtt_jax.config.schema import Config
from mtt_jax.data.encode import ExampleSet, encode_records
from mtt_jax.data.prepare import Prepared
from mtt_jax.errors import UserError
from mtt_jax.predict.engines import load_for, open_engine
from mtt_jax.report.console import Console
from mtt_jax.scoring.infer import Inference
from mtt_jax.tasks import Task
from mtt_jax.train.loop import train
from mtt_jax.train.run_directory import write
from mtt_jax.types import Record, Span
from mtt_jax.weights.saved_model import SavedModel


class Suspect(NamedTuple):
    """A labelled sentence with what a model says about it.

    Attributes:
      task: whose label.
      place: where the sentence is.
      text: the sentence.
      given: its label, as JSON holds it.
      found: the model's answer, as a result holds it.
      probability: of the least likely part of the given label.
      wrong: whether label and answer differ.
    """

    task: str
    place: str
    text: str
    given: Any
    found: Any
    probability: float
    wrong: bool

    def as_json(self) -> dict[str, Any]:
        """A line of the file to look through."""
        return self._asdict()


def suspects_of(
    run: Path,
    splits: Mapping[str, Sequence[Record]],
    split: str,
    folds: int,
    out: Path,
    console: Console,
) -> list[Suspect]:
    """What a run's model says about the labels of a split, the least likely first.

    Args:
      run: a finished run.
      splits: the records of its data.
      split: which of them; "train" is judged by models that were not trained on it.
      folds: how many of those are trained.
      out: folder for their runs.
      console: where the user sees progress.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after SIGTERM or Ctrl-C; the same call goes on.
    """
    if not splits[split]:
        raise UserError(f"--split: {run} has no {split} sentences.")
    model = load_for("jax", run)
    if split != "train":
        return judge(splits[split], model)
    return cross_validate(splits["train"], splits["dev"], model, folds, out, console)


def write_suspects(suspects: Sequence[Suspect], split: str, out: Path, console: Console) -> None:
    """Writes suspects-SPLIT.jsonl, the least likely first, and mistakes-SPLIT.jsonl."""
    wrong = [suspect for suspect in suspects if suspect.wrong]
    for name, part in (("suspects", suspects), ("mistakes", wrong)):
        out.mkdir(parents=True, exist_ok=True)
        file = out / f"{name}-{split}.jsonl"
        lines = [json.dumps(suspect.as_json(), ensure_ascii=False) + "\n" for suspect in part]
        write(file, "".join(lines))
        console.say(f"Wrote {file}: {len(part):,} labels.")


def judge(records: Sequence[Record], model: SavedModel) -> list[Suspect]:
    """What a model says about labelled sentences, the least likely labels first.

    Args:
      records: that the model was not trained on.
      model: a saved model.
    """
    examples = encode_records(records, model.tokenizer, model.tasks, model.config.data.clean)
    return ranked(_judged(records, examples, _inferences(examples, model), model.tasks))


def cross_validate(
    records: Sequence[Record],
    dev: Sequence[Record],
    model: SavedModel,
    folds: int,
    out: Path,
    console: Console,
) -> list[Suspect]:
    """What models say about the sentences that they were not trained on, least likely first.

    Args:
      records: all training sentences.
      dev: sentences to choose each model's checkpoint on.
      model: of the run whose config and tokenizer the folds use.
      folds: how many models are trained, at least 2.
      out: folder for their runs; what is finished there is not trained again.
      console: where the user sees progress.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after SIGTERM or Ctrl-C, once everything is saved.
    """
    config = _without_files(model.config)
    fold_of = np.array([_fold(record.text, folds) for record in records])
    held = encode_records(dev, model.tokenizer, config.task_list, config.data.clean)
    found: list[Suspect] = []
    for fold in range(folds):
        console.say(f"Fold {fold + 1} of {folds}:")
        rest = [record for record, place in zip(records, fold_of, strict=True) if place != fold]
        part = [record for record, place in zip(records, fold_of, strict=True) if place == fold]
        encoded = encode_records(rest, model.tokenizer, config.task_list, config.data.clean)
        nothing = encode_records([], model.tokenizer, config.task_list, config.data.clean)
        data = Prepared(model.tokenizer, {"train": encoded, "dev": held, "test": nothing}, ())
        run = out / f"fold-{fold + 1}-of-{folds}-{_digest(records)}"
        train(config, run, console, data)
        found += judge(part, load_for("jax", run))
    return ranked(found)


def ranked(suspects: Sequence[Suspect]) -> list[Suspect]:
    """The least likely labels first."""
    return sorted(suspects, key=lambda suspect: suspect.probability)


def _fold(text: str, folds: int) -> int:
    """The fold of a text, the same for duplicates, so that none is judged by its own copy."""
    digest = hashlib.sha256(f"fold {text}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") % folds


def _digest(records: Sequence[Record]) -> str:
    """A short checksum, so that a fold is not taken for one of other data."""
    content = repr([(record.text, sorted(record.labels.items())) for record in records])
    return hashlib.sha256(content.encode("utf-8", "replace")).hexdigest()[:8]


def _without_files(config: Config) -> Config:
    """The config of a fold's run, whose sentences are given to it."""
    plain = {
        name: dataclasses.replace(
            task, data=dataclasses.replace(task.data, limit=0, synthetic=0.0, newswire=0)
        )
        for name, task in config.tasks.items()
    }
    return dataclasses.replace(config, tasks=plain)


def _inferences(examples: ExampleSet, model: SavedModel) -> list[Inference]:
    return open_engine("jax", model)([examples[i] for i in range(len(examples))], "first")


def _judged(
    records: Sequence[Record],
    examples: ExampleSet,
    inferences: Sequence[Inference],
    tasks: Sequence[Task],
) -> list[Suspect]:
    """A suspect for every label."""
    found = []
    for index, (record, inference) in enumerate(zip(records, inferences, strict=True)):
        example = examples[index]
        for task in tasks:
            if task.name not in example.labels:
                continue
            gold, log_probs = example.labels[task.name], inference.log_probs[task.name]
            answer = task.answer(log_probs)
            right, given, said = task.tallies(task.count(gold, answer, example.words))
            words = [(int(start), int(end)) for start, end in example.words]
            found.append(
                Suspect(
                    task.name,
                    record.place,
                    record.text,
                    _as_json(record.labels[task.name], record.text),
                    task.as_json(answer, log_probs, record.text, words),
                    round(float(np.exp(task.likelihood(gold, log_probs))), 6),
                    bool((right != given).any() or (right != said).any()),
                )
            )
    return found


def _as_json(label: Any, text: str) -> Any:
    """A label by name, with the text of its spans."""
    if isinstance(label, Span):
        return {"text": text[label.start : label.end], **label._asdict()}
    if isinstance(label, (tuple, list, set, frozenset)):
        return [_as_json(part, text) for part in label]
    return label
