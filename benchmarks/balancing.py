"""What balancing costs: the time of a training step with each method beside the plain one.

    python benchmarks/balancing.py --methods pcgrad uncertainty --layers=6 --width=384

All steps are taken by turns in one process, on the same generated batch, with the encoder's size
given (that of all-MiniLM-L6-v2 by default). The last line is JSON: `peer` is the plain step's
median in seconds, `ours` the methods', `ratio` ours by peer, so that 1 means free.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from steps import by_turns, config_of, repeated

from mtt_jax.config.schema import BALANCERS_BY_GRADIENT
from mtt_jax.devices import startup


def main():
    options = parse(__doc__)
    startup.prepare()
    rng = np.random.default_rng(0)
    steps = {"plain": prepared(options, rng)}
    for name in options.methods:
        steps[name] = prepared(options, rng, balance=name)
        if name in BALANCERS_BY_GRADIENT:
            features = {"balance": name, "balance_on": "features"}
            steps[f"{name}, features"] = prepared(options, rng, **features)
    medians = by_turns(steps, options.rounds)
    plain = medians.pop("plain")
    print(f"plain: {plain:.3f} s")
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.3f} s, {seconds / plain:.2f} times plain")
    ratio = {name: seconds / plain for name, seconds in medians.items()}
    print(json.dumps({"ours": medians, "peer": plain, "ratio": ratio}))


def parse(about):
    parser = argparse.ArgumentParser(description=about.splitlines()[0])
    parser.add_argument("--methods", nargs="+", default=["pcgrad", "uncertainty"])
    parser.add_argument("--layers", type=int, default=6)
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--heads", type=int, default=12)
    parser.add_argument("--rows", type=int, default=16)
    parser.add_argument("--length", type=int, default=128)
    parser.add_argument("--rounds", type=int, default=10)
    return parser.parse_args()


def prepared(options, rng, **train):
    """A function that takes one step, compiled."""
    encoder = {
        "layers": options.layers, "width": options.width, "heads": options.heads,
        "feedforward": 4 * options.width,
    }  # fmt: skip
    rows = {"batch_rows": options.rows, "row_length": options.length}
    return repeated(config_of(encoder, {**rows, **train}), rng)


if __name__ == "__main__":
    main()
