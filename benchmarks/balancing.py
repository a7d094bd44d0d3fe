"""What balancing costs: the time of a training step with each method, relative to a plain one.

    python benchmarks/balancing.py --methods pcgrad uncertainty --layers=6 --width=384

All steps run in one process, in interleaved rounds, on the same generated batch, with an encoder of
the given size (by default that of all-MiniLM-L6-v2). The last line is JSON: `peer` is the plain
step's median in seconds, `ours` the methods', `ratio` ours divided by peer, so 1 means no cost.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.rounds import median_seconds
from benchmarks.common.steps import size_flags, step_of_size
from mtt_jax.config.schema import BALANCERS_BY_GRADIENT
from mtt_jax.devices import startup


def main():
    parser = size_flags(__doc__)
    parser.add_argument("--methods", nargs="+", default=["pcgrad", "uncertainty"])
    options = parser.parse_args()
    startup.prepare()
    rng = np.random.default_rng(0)
    steps = {"plain": step_of_size(options, rng)}
    for name in options.methods:
        steps[name] = step_of_size(options, rng, balance=name)
        if name in BALANCERS_BY_GRADIENT:
            features = {"balance": name, "balance_on": "features"}
            steps[f"{name}, features"] = step_of_size(options, rng, **features)
    medians = median_seconds(steps, options.rounds)
    plain = medians.pop("plain")
    print(f"plain: {plain:.3f} s")
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.3f} s, {seconds / plain:.2f} times plain")
    ratio = {name: seconds / plain for name, seconds in medians.items()}
    print(json.dumps({"ours": medians, "peer": plain, "ratio": ratio}))


if __name__ == "__main__":
    main()
