"""The shell: `python -m mtt_jax COMMAND`."""

import argparse
import json
import sys
from pathlib import Path

from mtt_jax import __version__
from mtt_jax.config.schema import BACKENDS
from mtt_jax.errors import UserError
from mtt_jax.train.stop import InterruptedRunError, end_on_ctrl_c

_BACKEND = "what runs the model; docs/predict.md compares them"


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0, or 2 after a mistake of the user's."""
    parser = _parser()
    options, rest = parser.parse_known_args(arguments)
    try:
        if options.run is _predict:
            # argparse takes files behind an option for strangers.
            options.files += [word for word in rest if word == "-" or not word.startswith("-")]
            rest = [word for word in rest if word.startswith("-") and word != "-"]
        if rest and not getattr(options, "takes_rest", False):
            parser.error(f"unrecognized arguments: {' '.join(rest)}")
        options.rest = rest
        return options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except InterruptedRunError as stop:
        print(f"{stop}.", file=sys.stderr)
        return stop.code
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mtt_jax", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    evaluate = commands.add_parser(
        "evaluate",
        help="score a finished run on its own splits, or on other files",
        epilog="Other files by task: --topic=FILE --ner=FILE, in the layout of the run's config; "
        "for another one add fields such as --config.data.topic.text=2.",
    )
    evaluate.add_argument("run_dir", metavar="RUN", help="run directory, such as runs/balanced")
    evaluate.add_argument("--split", choices=("dev", "test"), default="test")
    evaluate.add_argument("--backend", choices=BACKENDS, default="jax", help=_BACKEND)
    evaluate.add_argument("--json", action="store_true", help="print the scores as JSON")
    evaluate.set_defaults(run=_evaluate, takes_rest=True)

    predict = commands.add_parser("predict", help="predict for lines of text or JSONL")
    predict.add_argument("run_dir", metavar="RUN", help="run or model directory")
    inputs = "text, a sentence a line, or .jsonl; standard input without any"
    predict.add_argument("files", metavar="FILE", nargs="*", help=inputs)
    predict.add_argument("--output", default="-", help="file to write, or go on with")
    predict.add_argument("--format", choices=("jsonl", "displacy", "csv", "conll"), default="jsonl")
    predict.add_argument("--text-key", default="text", help="where the text is in JSONL")
    predict.add_argument("--backend", choices=BACKENDS, default="jax", help=_BACKEND)
    predict.add_argument(
        "--aggregation",
        choices=("first", "max", "average"),
        default="first",
        help="which subwords decide a word",
    )
    predict.add_argument("--strict", action="store_true", help="end at the first broken line")
    predict.set_defaults(run=_predict)

    export = commands.add_parser("export", help="write a run's model in another tool's format")
    export.add_argument("run_dir", metavar="RUN", help="run or model directory")
    export.add_argument("folder", metavar="DIR", help="folder to make")
    export.add_argument(
        "--to",
        choices=("hf", "onnx", "stablehlo"),
        required=True,
        help="hf: transformers, sentence-transformers; onnx: ONNX Runtime; stablehlo: jax.export",
    )
    export.add_argument("--tasks", default="", help="heads to write, as topic,ner (hf)")
    export.add_argument("--int8", action="store_true", help="matrices as 8-bit integers (onnx)")
    export.set_defaults(run=_export)

    diagnose = commands.add_parser(
        "diagnose",
        help="one model or several, frozen or not: train each and compare on dev",
        epilog="Fields of the config: --config.train.steps=200. Stopped, the same command goes on.",
    )
    diagnose.add_argument("--config", required=True, help="config file of the run to decide on")
    diagnose.add_argument("--out", help="folder to make; runs/diagnose-NAME by default")
    diagnose.add_argument("--seeds", type=int, default=5, help="runs of each kind (5)")
    diagnose.add_argument(
        "--balancers", default="", help="values of train.balance to compare, as pcgrad,famo"
    )
    diagnose.set_defaults(run=_diagnose, takes_rest=True)

    info = commands.add_parser("info", help="say what a run holds, as JSON")
    info.add_argument("run_dir", metavar="RUN", help="run or model directory")
    info.set_defaults(run=_info)

    fields = commands.add_parser("fields", help="print the page of all config fields")
    fields.set_defaults(run=_fields)
    return parser


def _evaluate(options: argparse.Namespace) -> int:
    from ml_collections import ConfigDict

    from mtt_jax.config import files as config_files
    from mtt_jax.data.encode import encode_records
    from mtt_jax.data.prepare import prepare
    from mtt_jax.data.sources import read_named
    from mtt_jax.predict.engines import load_for, open_backend
    from mtt_jax.report.console import Console
    from mtt_jax.scoring.evaluate import scores_of

    model = load_for(options.backend, options.run_dir)
    fields, rest = _fields_of(options.rest)
    files = _named_files(rest, list(model.config.tasks))
    if fields and not files:
        raise UserError(f"{fields[0][0]}: says how to read other files; name one: --TASK=FILE.")
    split = options.split
    if files:
        split = ", ".join(files.values())
        layout = ConfigDict(json.loads(config_files.to_json(model.config)))
        records, notes = read_named(config_files.override(layout, fields), files)
        for note in notes:
            print(note, file=sys.stderr)
        examples = encode_records(records, model.tokenizer, model.config.task_list)
    else:
        data = prepare(model.config, given_tokenizer=model.tokenizer)
        examples = data.splits[options.split]
    if not len(examples):
        raise UserError(f"{options.run_dir}: its config names no {options.split} data.")
    decide = open_backend(options.backend, model)
    decisions = decide([examples[i] for i in range(len(examples))], "first")
    scores = scores_of(decisions, examples, model.config)
    if not scores:
        raise UserError(f"{split}: no sentence carries a label; nothing to score.")
    if options.json:
        print(json.dumps({split: scores}, indent=2, ensure_ascii=False))
    else:
        Console().scores(model.config, {split: scores}, split)
    return 0


def _fields_of(arguments: list[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """([(flag, value)] of the --config.a.b=value among some arguments, the others)."""
    fields = [a.partition("=")[::2] for a in arguments if a.startswith("--config.")]
    return fields, [a for a in arguments if not a.startswith("--config.")]


def _named_files(arguments: list[str], tasks: list[str]) -> dict[str, str]:
    """Task -> file, from `--topic=FILE` or `--topic FILE`.

    Raises:
      UserError: for a name that is no task, or one without a file.
    """
    files, rest = {}, list(arguments)
    while rest:
        name, equals, value = rest.pop(0).partition("=")
        task = name.removeprefix("--")
        if not name.startswith("--") or task not in tasks:
            known = ", ".join(f"--{task}=FILE" for task in tasks)
            raise UserError(f"{name}: no such option; this run has {known}.")
        if not equals:
            value = rest.pop(0) if rest else ""
        if not value:
            raise UserError(f"{name}: needs a file, as in {name}=FILE.")
        files[task] = value
    return files


def _predict(options: argparse.Namespace) -> int:
    from rich.console import Console as RichConsole
    from rich.progress import MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from mtt_jax.predict.predictor import Predictor
    from mtt_jax.predict.stream import predict_lines

    predictor = Predictor.load(options.run_dir, options.backend, options.aggregation)
    terminal = RichConsole(stderr=True)
    columns = TextColumn("texts"), MofNCompleteColumn(), TimeElapsedColumn()
    with Progress(*columns, console=terminal, disable=not terminal.is_terminal) as bar:
        task = bar.add_task("texts", total=None)
        broken = predict_lines(
            predictor,
            options.files or ["-"],
            options.output,
            options.format,
            options.text_key,
            options.strict,
            lambda done: bar.update(task, completed=done),
        )
    if broken:
        print(f"{broken:,} broken lines.", file=sys.stderr)
    return 1 if broken else 0


def _export(options: argparse.Namespace) -> int:
    from mtt_jax.config.resolve import parse_names
    from mtt_jax.predict.export import export

    tasks = parse_names(options.tasks)
    for file in export(options.run_dir, options.to, options.folder, tasks, options.int8):
        print(file)
    return 0


def _diagnose(options: argparse.Namespace) -> int:
    from mtt_jax.config import files as config_files
    from mtt_jax.config.resolve import parse_names
    from mtt_jax.report.console import Console

    fields, rest = _fields_of(options.rest)
    if rest:
        raise UserError(f"{rest[0]}: no such option; see python -m mtt_jax diagnose --help.")
    config = config_files.override(config_files.load_file(options.config), fields)
    # Only now: JAX takes a second to import, and a mistake above needs none of it.
    from mtt_jax.devices import startup
    from mtt_jax.diagnose.study import diagnose

    startup.prepare()
    out = options.out or f"runs/diagnose-{Path(options.config).stem}"
    diagnose(config, out, options.seeds, parse_names(options.balancers), Console())
    return 0


def _info(options: argparse.Namespace) -> int:
    from mtt_jax.weights import saved_model
    from mtt_jax.weights.build import count_parameters

    model = saved_model.load(options.run_dir)
    tasks = {
        task.name: {"kind": task.kind, "labels": list(task.labels), "scheme": task.scheme}
        for task in model.config.task_list
    }
    final = saved_model.read_json(model.path.parent / "metrics.json") or {}
    about = {
        "model": str(model.path),
        "parameters": count_parameters(model.params),
        "vocabulary": model.tokenizer.get_vocab_size(),
        "max_length": model.config.data.max_length,
        "tasks": tasks,
        **{key: final[key] for key in ("steps", "best_step", "seconds", "device") if key in final},
    }
    print(json.dumps(about, indent=2, ensure_ascii=False))
    return 0


def _fields(options: argparse.Namespace) -> int:
    from mtt_jax.config.files import document

    print(document(), end="")
    return 0


if __name__ == "__main__":
    end_on_ctrl_c()
    sys.exit(main())
