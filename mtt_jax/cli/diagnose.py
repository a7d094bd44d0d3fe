"""One model or several, frozen or not, balanced or not: train each and compare on dev.

    mtt diagnose --config=balanced --balancers=pcgrad

Fields of the config: --config.train.steps=200. If it is stopped, the same command resumes it.
"""

import argparse

from mtt_jax.cli.options import add_config, add_json, add_quiet, console_of, print_json
from mtt_jax.cli.options import parse_with_config as parse
from mtt_jax.config.files import find_file, load_config
from mtt_jax.config.values import parse_names

HELP = "one model or several, frozen or not? train each and compare them on dev"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    add_config(parser, "the run to decide on")
    add_quiet(parser)
    add_json(parser, "the content of report.json")
    parser.add_argument("--out", help="folder to create; runs/diagnose-NAME by default")
    parser.add_argument("--seeds", type=int, default=5, help="runs per option, 5 by default")
    parser.add_argument(
        "--balancers", default="", help="values of train.balance to compare, such as pcgrad,famo"
    )


def run(options: argparse.Namespace) -> int:
    """Trains, compares and prints the verdict; returns the exit status."""
    config = load_config(options.config, options.overrides)
    # Only now: JAX takes a second to import, and a mistake above should not wait for it.
    from mtt_jax.devices import startup
    from mtt_jax.diagnose.study import diagnose

    startup.prepare()
    out = options.out or f"runs/diagnose-{find_file(options.config).stem}"
    balancers = parse_names(options.balancers)
    report = diagnose(
        config, out, options.seeds, balancers, console_of(options.quiet, options.json)
    )
    if options.json:
        print_json(report)
    return 0
