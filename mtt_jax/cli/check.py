"""Check labelled data before training on it, or with a trained model.

    mtt check --config=news_files --config.data.ner.train=train.conll
    mtt check --run=runs/news_files
    mtt check --run=runs/news_files --split=test

The exit status is 1 if there are errors, and 0 if there are only warnings. With --run the labels
that the model finds least likely are written as well, the least likely first, and the mistakes on
a split beside the right answers. Training sentences are judged by models that were not trained on
them: one is trained for each fold, which takes --folds times as long as the run.
"""

import argparse
import json
from pathlib import Path

from mtt_jax.cli.options import parse_strictly
from mtt_jax.config.files import Override, find_file, from_json, load_config, split_overrides
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError

HELP = "check labelled data, before training on it or with a trained model"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("--config", help="config file whose data to check, or a shipped one's name")
    parser.add_argument("--run", help="finished run whose data to check, with its model")
    parser.add_argument(
        "--split", choices=("train", "dev", "test"), default="train",
        help="what the model of --run judges, train by default",
    )  # fmt: skip
    parser.add_argument(
        "--folds", type=int, default=3, help="models to train for --split=train, 3 by default"
    )
    parser.add_argument(
        "--out", help="folder for check.html, check.json and what --run finds; none by default, "
        "RUN/check with --run"
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the check as JSON")


def parse(parser: argparse.ArgumentParser, arguments: list[str]) -> argparse.Namespace:
    """Parses the arguments; fields of the config become `options.overrides`.

    Raises:
      UserError: for an option that does not exist, and unless there is a config or a run.
    """
    overrides, rest = split_overrides(arguments)
    options = parse_strictly(parser, rest)
    options.overrides = overrides
    if bool(options.config) == bool(options.run):
        raise UserError("name the data to check with either --config=NAME or --run=DIR.")
    if options.run and overrides:
        raise UserError(f"--{overrides[0][0]}: a finished run keeps its config; use --config.")
    if options.folds < 2:
        raise UserError(f"--folds: {options.folds} is too few; use at least 2.")
    return options


def run(options: argparse.Namespace) -> int:
    """Checks; returns the exit status, 1 if there are errors."""
    config = _config(options.config, options.overrides, options.run)
    # Only now: JAX takes a second to import, and a mistake above should not wait for it.
    from mtt_jax.check.examine import examine
    from mtt_jax.check.page import render
    from mtt_jax.check.show import show
    from mtt_jax.check.suspects import suspects_of, write_suspects
    from mtt_jax.devices import startup
    from mtt_jax.report.console import Console, silent
    from mtt_jax.weights import pretrained

    startup.prepare()
    console = silent() if options.json else Console()
    examined = examine(pretrained.complete(config))
    show(examined, console)
    out = options.out or (f"{options.run}/check" if options.run else "")
    suspects = []
    if options.run:
        suspects = suspects_of(
            Path(options.run), examined.records, options.split, options.folds, Path(out), console
        )
        write_suspects(suspects, options.split, Path(out), console)
    if out:
        folder = Path(out).expanduser()
        name = options.run or find_file(options.config).stem
        _write(folder / "check.json", json.dumps(examined.as_json(), indent=2, ensure_ascii=False))
        _write(folder / "check.html", render(Path(name).name, examined, suspects))
        console.say(f"Wrote {folder}/: check.html, check.json.")
    if options.json:
        print(json.dumps(examined.as_json(), indent=2, ensure_ascii=False))
    return 1 if examined.errors else 0


def _config(name: str | None, overrides: list[Override], run_dir: str | None) -> Config:
    """The config of a file, or of a run."""
    if name:
        return load_config(name, overrides)
    file = Path(run_dir or "").expanduser() / "config.json"
    if not file.is_file():
        raise UserError(f"--run: {run_dir} holds no run: config.json is missing.")
    return from_json(file.read_text(encoding="utf-8"), str(file))


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        fresh = file.with_name(f".{file.name}.new")
        fresh.write_text(text + "\n", encoding="utf-8")
        fresh.replace(file)
    except OSError as error:
        raise UserError(f"--out: cannot write {file}: {error.strerror}.") from None
