"""The shell: `python -m mtt_jax COMMAND`."""

import argparse
import json
import sys

from mtt_jax import __version__
from mtt_jax.errors import UserError


def main(arguments: list[str] | None = None) -> int:
    """Runs a command; returns the exit status: 0, or 2 after a mistake of the user's."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        return options.run(options)
    except UserError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    except BrokenPipeError:
        return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m mtt_jax", description=__doc__)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    evaluate = commands.add_parser("evaluate", help="score a finished run on its own splits")
    evaluate.add_argument("run_dir", metavar="RUN", help="run directory, such as runs/balanced")
    evaluate.add_argument("--split", choices=("dev", "test"), default="test")
    evaluate.add_argument("--json", action="store_true", help="print the scores as JSON")
    evaluate.set_defaults(run=_evaluate)

    fields = commands.add_parser("fields", help="print the page of all config fields")
    fields.set_defaults(run=_fields)
    return parser


def _evaluate(options: argparse.Namespace) -> int:
    from mtt_jax import backend, saved_model
    from mtt_jax.build import build_model
    from mtt_jax.console import Console
    from mtt_jax.data.prepare import prepare
    from mtt_jax.evaluate import evaluate, make_forward

    backend.prepare()
    model = saved_model.load(options.run_dir)
    data = prepare(model.config, given_tokenizer=model.tokenizer)
    examples = data.splits[options.split]
    if not len(examples):
        raise UserError(f"{options.run_dir}: its config names no {options.split} data.")
    forward = make_forward(build_model(model.config, model.tokenizer.get_vocab_size()))
    scores = evaluate(forward, model.params, examples, model.config)
    if options.json:
        print(json.dumps({options.split: scores}, indent=2, ensure_ascii=False))
    else:
        Console().scores(model.config, {options.split: scores})
    return 0


def _fields(options: argparse.Namespace) -> int:
    from mtt_jax.config_files import document

    print(document(), end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
