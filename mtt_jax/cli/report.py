"""Write the report of a run anew, or compare several runs side by side.

mtt report runs/balanced
mtt report runs/balanced runs/pcgrad --out=compare.html
mtt report runs/balanced runs/pcgrad --json

One run's report goes to report.html in its directory, also while it is training or after it was
stopped. That of several runs goes to compare.html in the current directory.
"""

import argparse
import sys
from pathlib import Path

from mtt_jax import atomic
from mtt_jax.cli.options import parse_strictly as parse
from mtt_jax.cli.options import print_json
from mtt_jax.untrusted.folder import user_path

HELP = "write a run's report.html anew, or compare several runs on one page"

__all__ = ["HELP", "add_arguments", "parse", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Adds the command's arguments."""
    parser.add_argument(
        "runs", metavar="RUN", nargs="+", help="run directory, such as runs/balanced"
    )
    parser.add_argument(
        "--out", help="page to write; RUN/report.html by default, compare.html for several runs"
    )
    parser.add_argument(
        "--json",
        action="store_true",
        help="print the figures of all runs as JSON; without --out no page is written",
    )


def run(options: argparse.Namespace) -> int:
    """Writes the page or prints the figures; returns the exit status."""
    from mtt_jax.report import compare, run_page
    from mtt_jax.report.run_files import read_run

    runs = [read_run(user_path(name)) for name in options.runs]
    if options.json:
        print_json(compare.compare(runs))
        if not options.out:
            return 0
    if len(runs) == 1:
        page, default = run_page.render(runs[0]), user_path(options.runs[0]) / "report.html"
    else:
        page, default = compare.render(runs), Path("compare.html")
    file = user_path(options.out, "--out") if options.out else default
    atomic.write(file, page, "--out")
    print(f"Wrote {file}.", file=sys.stderr if options.json else sys.stdout)
    return 0
