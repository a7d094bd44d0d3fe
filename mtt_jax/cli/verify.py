"""Check that runs and models are whole, by the manifests that were written with them.

    mtt verify runs/balanced
    mtt verify runs/balanced/model --accept

Every checkpoint and every model carries a manifest with the size and the SHA-256 of its files.
Each damaged file is printed on a line. Training, prediction and all else that loads a model compare
it with its manifest as well, and refuse it if it does not match.
"""

import argparse

from mtt_jax.cli.options import add_json, add_quiet, console_of, print_json
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.untrusted.folder import user_path

HELP = "check that runs and models are whole"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="run or model directory, such as runs/balanced"
    )
    parser.add_argument(
        "--accept",
        action="store_true",
        help="take models that were changed on purpose as they are from now on, if they can be "
        "loaded: writes their manifests anew",
    )
    add_quiet(parser)
    add_json(parser, "what was found")


def run(options: argparse.Namespace) -> int:
    """Prints what is damaged; returns the exit status, 1 if anything is."""
    from mtt_jax.devices import startup
    from mtt_jax.train.verify import accept, summary, verify

    startup.prepare()
    console = console_of(options.quiet, options.json)
    paths = [user_path(name) for name in options.runs]
    if options.accept:
        for path in paths:
            for change in accept(path):
                console.say(f"Accepted {change.file}.")
    found = [verify(path) for path in paths]
    for one in found:
        for damage in one.damages:
            console.say(f"{damage}.")
        console.say(summary(one))
    if options.json:
        print_json({"runs": [one.as_json() for one in found]})
    return 1 if any(one.damages for one in found) else 0
