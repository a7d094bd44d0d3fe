"""Kills runs at every file operation and at random moments, and prints what came of it.

    python tests/faults/all.py                     every operation, 30 random moments
    python tests/faults/all.py --every=10          every tenth operation

Exit status 1 if anything was lost.
"""

import argparse
import collections
import os
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))


def main():
    """Prints the table; returns the exit status."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--every", type=int, default=1, help="try each n-th operation")
    parser.add_argument("--random", type=int, default=30, help="kills at random moments")
    parser.add_argument("--workers", type=int, default=2, help="runs at a time")
    options = parser.parse_args()
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")
    begun = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["JAX_COMPILATION_CACHE_DIR"] = f"{folder}/compiled"
        return _tried(Path(folder), options, begun)


def _tried(folder, options, begun):
    from tests.faults.kills import Field, at_operations, at_random

    field = Field(folder, options.workers)
    print(f"{len(field.operations)} file operations in a run of {field.seconds:.1f} s", flush=True)
    tries = at_operations(range(0, len(field.operations), options.every))
    tries |= at_random(options.random, field.seconds)

    def tell(name, found):
        print(f"{name}: {found[1] or 'as a run never stopped'}", file=sys.stderr, flush=True)

    found = field.sweep(tries, tell)
    field.close()
    table = collections.defaultdict(lambda: [0, 0])
    wrong = []
    for name, (kills, problem) in found.items():
        when, _, index = name.partition("-")
        kind = "at random moments"
        if when != "random":
            kind = f"{when} {field.operations[int(index)].split()[0]}"
        table[kind][0] += kills
        table[kind][1] += bool(problem)
        if problem:
            operation = field.operations[int(index)] if when != "random" else ""
            wrong.append(f"{name} {operation}: {problem}")
    print("| killed | times | not as a run never stopped |\n|---|---|---|")
    for kind, (kills, problems) in sorted(table.items()):
        print(f"| {kind} | {kills} | {problems} |")
    kills, problems = (sum(column) for column in zip(*table.values(), strict=True))
    print(f"| all | {kills} | {problems} |")
    print(f"{(time.monotonic() - begun) / 60:.1f} minutes")
    print(*wrong, sep="\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
