"""Print what a run contains, as JSON.

mtt info runs/balanced
"""

import argparse
from typing import Any

from mtt_jax.cli.options import RUN, add_no_verify, print_json
from mtt_jax.cli.options import parse_strictly as parse

HELP = "print what a run contains, as JSON"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument("run_dir", metavar="RUN", help=RUN)
    parser.add_argument(
        "--json", action="store_true", help="as other commands have it; the default"
    )
    add_no_verify(parser)


def run(options: argparse.Namespace) -> int:
    """Prints the JSON; returns the exit status."""
    from mtt_jax.data.tokenizer import vocabulary_size
    from mtt_jax.report.run_files import read_metrics
    from mtt_jax.weights import saved_model
    from mtt_jax.weights.build import count_parameters

    model = saved_model.load(options.run_dir, encoder_is_enough=True, verify=options.verify)
    final = read_metrics(model.path.parent) or {}
    about: dict[str, Any] = {
        "model": str(model.path),
        "parameters": count_parameters(model.params),
        "vocabulary": vocabulary_size(model.tokenizer),
        "max_length": model.config.data.max_length,
        "tasks": {task.name: task.describe() for task in model.tasks},
        **{key: final[key] for key in ("steps", "best_step", "seconds", "device") if key in final},
    }
    print_json(about)
    return 0
