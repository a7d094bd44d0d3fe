"""Score a finished run on its own splits, or on other files.

mtt evaluate runs/balanced
mtt evaluate runs/balanced --ner=other.conll
mtt evaluate runs/balanced --precision=0.95 --save
"""

import argparse
from collections.abc import Mapping, Sequence, Sized
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from mtt_jax.cli.habits import advice
from mtt_jax.cli.options import (
    RUN,
    add_engine,
    add_json,
    add_no_verify,
    add_quiet,
    console_of,
    parse_strictly,
    print_json,
    split_unknown,
)
from mtt_jax.config.files import override, split_overrides, to_plain
from mtt_jax.errors import UserError, did_you_mean

if TYPE_CHECKING:
    from mtt_jax.data.encode import ExampleSet
    from mtt_jax.report.console import Console
    from mtt_jax.scoring.infer import Inference
    from mtt_jax.weights.saved_model import SavedModel

HELP = "score a finished run on its own splits, or on other files"
EPILOG = (
    "Other files by task: --topic=FILE --ner=FILE, in the layout of the run's config;\n"
    "for another layout add fields such as --config.data.topic.text=2."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help=RUN)
    parser.add_argument("--split", choices=("dev", "test"), default="test")
    add_engine(parser)
    parser.add_argument(
        "--precision",
        type=float,
        metavar="P",
        help="choose a threshold per label on dev that reaches this precision with the highest "
        "recall, and show what it gives; 0 chooses as training does",
    )
    parser.add_argument(
        "--save",
        action="store_true",
        help="store what --precision chooses in the model: below its threshold nothing is answered",
    )
    add_quiet(parser)
    add_json(parser, "the scores")
    add_no_verify(parser)


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parses arguments; files by task and overrides are kept for `run`, which knows the tasks.

    Raises:
      UserError: for an override of anything but the layout of files.
    """
    overrides, rest = split_overrides(arguments)
    for flag, _ in overrides:
        if not flag.startswith("config.data."):
            raise UserError(
                f"--{flag}: a trained model keeps its config; only --config.data... can be given, "
                "to describe other files."
            )
    files, rest = split_unknown(parser, rest)
    options = parse_strictly(parser, rest)
    _check_precision(options.precision, options.save)
    options.overrides, options.files = overrides, files
    return options


def _check_precision(precision: float | None, save: bool) -> None:
    """Checks --precision and --save.

    Raises:
      UserError: saying what to write.
    """
    if precision is None:
        if save:
            raise UserError(
                "--save: stores the thresholds that --precision chooses; add --precision=0.95, or "
                "--precision=0 for those of training."
            )
    elif not 0 <= precision <= 1:
        example = precision / 100 if 1 < precision <= 100 else 0.95
        raise UserError(
            f"--precision: {precision:g} is not between 0 and 1; write --precision={example:g}."
        )


class _Read(NamedTuple):
    """What is scored, and what thresholds are chosen on.

    Attributes:
      split: what the tables call the examples.
      examples: that are scored.
      dev: for --precision; None without.
      notes: what the readers of other files have to say.
    """

    split: str
    examples: "ExampleSet"
    dev: "ExampleSet | None"
    notes: Sequence[str] = ()


def run(options: argparse.Namespace) -> int:
    """Prints the scores; returns the exit status."""
    from mtt_jax.predict.engines import load_for, open_engine
    from mtt_jax.scoring.evaluate import score_inferences

    notes_to = console_of(options.quiet, to_stderr=True)
    tables_to = console_of(options.quiet or options.json, to_stderr=False)
    model = load_for(options.engine, options.run_dir, options.verify)
    files = _files(options.files, list(model.config.tasks))
    read = _read(options, model, files)
    for note in read.notes:
        notes_to.say(note)
    engine = open_engine(options.engine, model)

    def infer(some: "ExampleSet") -> "Sequence[Inference]":
        with notes_to.counting("texts", len(some)) as progress:
            return engine([some[i] for i in range(len(some))], "first", progress)

    inferences = infer(read.examples)
    scores = score_inferences(inferences, read.examples, model.tasks, calibrated=True)
    if not scores:
        raise UserError(f"{read.split}: no sentence carries a label; nothing to score.")
    for task in model.tasks:
        if task.name not in scores and (not files or task.name in files):
            notes_to.say(f"{task.name}: no {read.split} sentence carries its label.")
    shown: dict[str, Any] = {read.split: {name: score.as_json() for name, score in scores.items()}}
    tables_to.scores({read.split: scores}, read.split)
    if read.dev is not None:
        seen = {read.split: (inferences, read.examples)}
        if read.examples is not read.dev:
            seen = {"dev": (infer(read.dev), read.dev), **seen}
        shown["precision"] = _choose(options, model, seen, tables_to, notes_to)
    if options.json:
        print_json(shown)
    return 0


def _read(options: argparse.Namespace, model: "SavedModel", files: Mapping[str, str]) -> _Read:
    """Reads what is to be scored: other files, or a split of the run's own data.

    Raises:
      UserError: if the run has no such split, for --precision without dev data, for overrides
        without files, and as the readers do.
    """
    from mtt_jax.data.prepare import prepare

    if options.overrides and not files:
        raise UserError(
            f"--{options.overrides[0][0]}: describes other files; give one: --TASK=FILE."
        )
    given = _read_files(options.overrides, model, files) if files else None
    if given and options.precision is None:
        return given
    splits = prepare(model.config, given_tokenizer=model.tokenizer).splits
    if not given:
        _need_examples(options.run_dir, options.split, splits, list(model.config.tasks))
        given = _Read(options.split, splits[options.split], None)
    if options.precision is None:
        return given
    if not len(splits["dev"]):
        raise UserError(
            f"--precision: chooses thresholds on dev, and {options.run_dir} has no dev data."
        )
    return given._replace(dev=splits["dev"])


def _read_files(
    overrides: Sequence[tuple[str, str]], model: "SavedModel", files: Mapping[str, str]
) -> _Read:
    """Reads other files, in the layout of the run's config and the overrides."""
    from ml_collections import ConfigDict

    from mtt_jax.config.resolve import resolve
    from mtt_jax.data.encode import encode_records, reading_of
    from mtt_jax.data.sources import read_named
    from mtt_jax.data.splits import SPLITS

    names = ", ".join(files.values())
    layout = ConfigDict(to_plain(model.config))
    override(layout, overrides)
    records, notes = read_named(resolve(layout), files)
    examples = encode_records(records, model.tokenizer, model.tasks, reading_of(model.config))
    # A file called dev is not the run's own split.
    return _Read(f"./{names}" if names in SPLITS else names, examples, None, notes)


def _choose(
    options: argparse.Namespace,
    model: "SavedModel",
    seen: "Mapping[str, tuple[Sequence[Inference], ExampleSet]]",
    tables_to: "Console",
    notes_to: "Console",
) -> dict[str, Any]:
    """Chooses thresholds for --precision, shows and with --save stores them; returns them as JSON.

    Args:
      options: of the command.
      model: whose thresholds are chosen.
      seen: split -> (inferences, examples), dev first.
      tables_to: where tables go.
      notes_to: where notes go.

    Raises:
      UserError: if they cannot be written, or a run is writing into the directory.
    """
    from mtt_jax.scoring.evaluate import choose_thresholds

    tasks, found = choose_thresholds(model.tasks, seen, options.precision)
    tables_to.thresholds(options.precision, found)
    if options.save:
        notes_to.say(f"Wrote {_save(model.path, tasks)}.")
    chosen: dict[str, Any] = {"target": options.precision}
    for task, labels in found.items():
        chosen[task] = {label: one.as_json() for label, one in labels.items()}
    return chosen


def _save(folder: Path, tasks: Sequence[Any]) -> Path:
    """Stores what tasks chose in their model directory; returns the file.

    Raises:
      UserError: if it cannot be written, or another process writes into the run.
    """
    from mtt_jax.train.lock import guard, locked
    from mtt_jax.weights.saved_model import FITTED, write_fitted

    with locked(guard(folder)):
        write_fitted(folder, tasks)
    return folder / FITTED


def _need_examples(run: str, split: str, splits: Mapping[str, Sized], tasks: list[str]) -> None:
    """Checks that the run has a split.

    Raises:
      UserError: saying which splits it has, and how other files are given.
    """
    if len(splits[split]):
        return
    has = [name for name in ("dev", "test") if len(splits[name])]
    names = split if has else "dev and no test"
    other = f"score its {has[0]} data with --split={has[0]}, or " if has else ""
    raise UserError(
        f"{run}: its config names no {names} data; {other}give a file by task, as in "
        f"mtt evaluate {run} --{tasks[0]}=FILE"
    )


def _files(arguments: list[str], tasks: list[str]) -> dict[str, str]:
    """Task -> file, from `--topic=FILE` or `--topic FILE`.

    Raises:
      UserError: for a name that is not a task, or one without a file.
    """
    files, rest = {}, list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        task = name.removeprefix("--")
        if not name.startswith("--") or task not in tasks:
            known = ", ".join(f"--{task}=FILE" for task in tasks)
            nearest = did_you_mean(task, tasks).replace("'", "'--", 1)
            said = nearest or advice(name, "evaluate")
            raise UserError(f"{name}: no such option; this run has {known}.{said}")
        if not equals:
            value = rest.pop(0) if rest else ""
        if not value:
            raise UserError(f"{name}: needs a file, as in {name}=FILE.")
        files[task] = value
    return files
