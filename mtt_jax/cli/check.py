"""Check labeled data before training on it, or with a trained model.

    mtt check --config=news_files --config.data.ner.train=train.conll
    mtt check --run=runs/news_files
    mtt check --run=runs/news_files --split=test

The exit status is 1 if there are errors, and 0 if there are only warnings. With --run the labels
that the model finds least likely are written as well, the least likely first, and the mistakes on
a split beside the right answers. Training sentences are judged by models that were not trained on
them: one is trained for each fold, which takes --folds times as long as the run.
"""

import argparse
from pathlib import Path

from mtt_jax import atomic
from mtt_jax.cli.options import add_json, add_no_verify, add_quiet, console_of, parse_strictly
from mtt_jax.config.files import (
    Override,
    find_file,
    load_config,
    override,
    split_overrides,
    to_plain,
)
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError
from mtt_jax.report.as_json import dumped
from mtt_jax.untrusted.folder import user_path

# Models that are trained for --split=train.
_FOLDS = 3

HELP = "check labeled data, before training on it or with a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--config", help="config file whose data to check, or a shipped one's name")
    parser.add_argument("--run", help="finished run whose data to check, with its model")
    parser.add_argument(
        "--split", choices=("train", "dev", "test"),
        help="what the model of --run judges, train by default",
    )  # fmt: skip
    add_quiet(parser)
    parser.add_argument("--folds", type=int, help="models to train for --split=train, 3 by default")
    parser.add_argument(
        "--out", help="folder for check.html, check.json and what --run finds; none by default, "
        "RUN/check with --run"
    )  # fmt: skip
    add_no_verify(parser)
    add_json(parser, "the check")


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parses the arguments; the config that they name becomes `options.loaded`.

    Raises:
      UserError: for an option that does not exist or does not fit the others, and for a mistake in
        the config.
    """
    overrides, rest = split_overrides(arguments)
    options = parse_strictly(parser, rest)
    options.overrides = overrides
    if bool(options.config) == bool(options.run):
        raise UserError("name the data to check with either --config=NAME or --run=DIR.")
    if options.config and (options.split or options.folds is not None):
        name = "split" if options.split else "folds"
        raise UserError(f"--{name}: says what a model judges; name its run with --run=DIR.")
    if options.config and not options.verify:
        raise UserError("--no-verify: is about a model; name its run with --run=DIR.")
    kept = [flag for flag, _ in overrides if not flag.startswith("config.data.")]
    if options.run and kept:
        raise UserError(
            f"--{kept[0]}: a finished run keeps its config, except for where its data is now, as "
            "in --config.data.TASK.train=FILE."
        )
    options.split = options.split or "train"
    options.folds = _FOLDS if options.folds is None else options.folds
    if options.folds < 2:
        raise UserError(f"--folds: {options.folds} is too few; use at least 2.")
    # Before JAX is imported, which takes a second.
    options.loaded = load_config(options.config, overrides) if options.config else None
    return options


def run(options: argparse.Namespace) -> int:
    """Checks; returns the exit status, 1 if there are errors."""
    from mtt_jax.check.examine import examine
    from mtt_jax.check.page import render
    from mtt_jax.check.show import show, show_suspects
    from mtt_jax.check.suspects import suspects_of, write_suspects
    from mtt_jax.devices import startup
    from mtt_jax.predict.engines import load_for
    from mtt_jax.weights.initial import complete

    startup.prepare()
    model = load_for("jax", options.run, verify=options.verify) if options.run else None
    if model:
        examined = examine(_moved(model.config, options.overrides), model.tokenizer)
    else:
        examined = examine(complete(_with_labels(options.loaded)))
    console = console_of(options.quiet, options.json)
    show(examined, console)
    out = user_path(options.out or f"{options.run}/check", "--out")
    suspects = []
    if model:
        suspects = suspects_of(model, examined.records, options.split, options.folds, out, console)
        write_suspects(suspects, options.split, out, console)
        show_suspects(suspects, options.split, console)
    as_json = dumped(examined.as_json())
    if model or options.out:
        name = options.run or find_file(options.config).stem
        _write(out / "check.json", as_json)
        _write(out / "check.html", render(Path(name).name, examined, suspects))
        console.say(f"Wrote {out}/: check.html, check.json.")
    if options.json:
        print(as_json)
    return 1 if examined.errors else 0


def _with_labels(config: Config) -> Config:
    """The config without what trains on texts without labels.

    Raises:
      UserError: if nothing is left.
    """
    from mtt_jax.config.resolve import answering

    if not config.task_list:
        raise UserError("config.tasks: no task has labels; there is nothing to check.")
    return answering(config)


def _moved(config: Config, overrides: list[Override]) -> Config:
    """The config of a run with its data where it is now."""
    from ml_collections import ConfigDict

    from mtt_jax.config.resolve import resolve

    raw = ConfigDict(to_plain(config))
    override(raw, overrides)
    return resolve(raw)


def _write(file: Path, text: str) -> None:
    with atomic.explained(file.parent, "--out", file):
        file.parent.mkdir(parents=True, exist_ok=True)
    atomic.write(file, text + "\n", "--out")
