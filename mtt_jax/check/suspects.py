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

from mtt_jax.atomic import explained, write
from mtt_jax.config.files import to_json
from mtt_jax.config.schema import Config, DistillConfig
from mtt_jax.data.check.duplicates import plain
from mtt_jax.data.check.findings import number
from mtt_jax.data.encode import ExampleSet, encode_records, reading_of
from mtt_jax.data.prepare import Prepared
from mtt_jax.errors import UserError
from mtt_jax.predict.engines import load_for, open_engine
from mtt_jax.report.console import Console, silent
from mtt_jax.scoring.infer import Inference
from mtt_jax.tasks import Task
from mtt_jax.train.loop import train
from mtt_jax.types import Record, Span
from mtt_jax.weights.saved_model import SavedModel


class Suspect(NamedTuple):
    """A labeled sentence with what a model says about it.

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
    model: SavedModel,
    splits: Mapping[str, Sequence[Record]],
    split: str,
    folds: int,
    out: Path,
    console: Console,
) -> list[Suspect]:
    """What a run's model says about the labels of a split, the least likely first.

    Args:
      model: of a finished run.
      splits: the records of its data.
      split: which of them; "train" is judged by models that were not trained on it, and takes in
        the dev share that was held out of it.
      folds: how many of those are trained.
      out: folder for their runs.
      console: where the user sees progress.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after SIGTERM or Ctrl-C; the same call resumes.
    """
    names = [task.name for task in model.tasks]
    labelled = {
        name: [record for record in records if any(task in record.labels for task in names)]
        for name, records in splits.items()
    }
    if not labelled[split]:
        others = ", ".join(name for name, records in labelled.items() if records)
        raise UserError(f"--split: the data has no {split} sentences; it has {others or 'none'}.")
    if split != "train":
        return judge(labelled[split], model, console)
    found = cross_validate(labelled["train"], labelled["dev"], model, folds, out, console)
    # A dev share is from the same files, and the run's model was not trained on it.
    config = model.config
    from_train = {name for name, task in config.tasks.items() if not task.data.dev}
    if config.data.source != "files" or not from_train:
        return found
    held_out = [one for one in judge(labelled["dev"], model, console) if one.task in from_train]
    return ranked([*found, *held_out])


def write_suspects(suspects: Sequence[Suspect], split: str, out: Path, console: Console) -> None:
    """Writes suspects-SPLIT-TASK.jsonl, the least likely first, and mistakes-SPLIT-TASK.jsonl.

    Args:
      suspects: the least likely labels first.
      split: that they are from.
      out: folder for the files, created if missing.
      console: told of each file.

    Raises:
      UserError: if a file cannot be written.
    """
    for task in dict.fromkeys(suspect.task for suspect in suspects):
        own = [suspect for suspect in suspects if suspect.task == task]
        wrong = [suspect for suspect in own if suspect.wrong]
        for name, part in (("suspects", own), ("mistakes", wrong)):
            lines = [json.dumps(suspect.as_json(), ensure_ascii=False) + "\n" for suspect in part]
            file = out / f"{name}-{split}-{task}.jsonl"
            with explained(out, "--out"):
                out.mkdir(parents=True, exist_ok=True)
            write(file, "".join(lines), "--out")
            console.say(f"Wrote {file}: {number(len(part), 'sentence', 'sentences')}.")


def judge(
    records: Sequence[Record], model: SavedModel, console: Console | None = None
) -> list[Suspect]:
    """What a model says about labeled sentences, the least likely labels first.

    Args:
      records: that the model was not trained on.
      model: a saved model.
      console: where the user sees progress; None for nowhere.
    """
    examples = encode_records(records, model.tokenizer, model.tasks, reading_of(model.config))
    return ranked(_judged(records, examples, _inferences(examples, model, console), model.tasks))


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
    fold_of = np.array([fold_of_text(record.text, folds) for record in records])
    if len(set(fold_of.tolist())) < folds:
        raise UserError(
            f"--folds: {number(len(records), 'training sentence', 'training sentences')} cannot be "
            f"divided into {folds} folds; give fewer, or more data."
        )
    held = encode_records(dev, model.tokenizer, config.task_list, reading_of(config))
    digest = _digest(config, records, dev)
    found: list[Suspect] = []
    for fold in range(folds):
        rest = [record for record, place in zip(records, fold_of, strict=True) if place != fold]
        part = [record for record, place in zip(records, fold_of, strict=True) if place == fold]
        encoded = encode_records(rest, model.tokenizer, config.task_list, reading_of(config))
        nothing = encode_records([], model.tokenizer, config.task_list, reading_of(config))
        data = Prepared(model.tokenizer, {"train": encoded, "dev": held, "test": nothing}, ())
        run = out / f"fold-{fold + 1}-of-{folds}-{digest}"
        if not (run / "metrics.json").is_file():
            console.say(f"Fold {fold + 1} of {folds}: a model that is not trained on it.")
            train(config, run, console, data)
        found += judge(part, load_for("jax", run), console)
    return ranked(found)


def ranked(suspects: Sequence[Suspect]) -> list[Suspect]:
    """The least likely labels first."""
    return sorted(suspects, key=lambda suspect: suspect.probability)


def fold_of_text(text: str, folds: int) -> int:
    """The fold of a text, the same for duplicates, so that none is judged by its own copy."""
    digest = hashlib.sha256(f"fold {plain(text)}".encode("utf-8", "replace")).digest()
    return int.from_bytes(digest[:8], "big") % folds


def _digest(config: Config, *splits: Sequence[Record]) -> str:
    """A short checksum, so that a fold is not taken for one of other data or another model."""
    content = [
        [(record.text, sorted(record.labels.items())) for record in records] for records in splits
    ]
    plain = repr((to_json(config), content))
    return hashlib.sha256(plain.encode("utf-8", "replace")).hexdigest()[:8]


def _without_files(config: Config) -> Config:
    """The config of a fold's run, whose sentences are given to it; it has no teachers."""
    tasks = {
        name: dataclasses.replace(
            task, data=dataclasses.replace(task.data, limit=0, synthetic=0.0, newswire=0)
        )
        for name, task in config.tasks.items()
    }
    return dataclasses.replace(config, tasks=tasks, distill=DistillConfig())


def _inferences(
    examples: ExampleSet, model: SavedModel, console: Console | None
) -> list[Inference]:
    engine, some = open_engine("jax", model), [examples[i] for i in range(len(examples))]
    with (console or silent()).counting("texts", len(some)) as progress:
        return engine(some, "first", progress)


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
