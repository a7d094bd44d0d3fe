"""What skipping costs: the time of a training step that can be skipped, relative to one that can't.

    python benchmarks/skipping.py
    python benchmarks/skipping.py --layers=2 --width=128 --heads=4

A step with a NaN or infinite loss or gradient leaves the state as it was (mtt_jax/train/step.py).
Both steps run in one process, in interleaved rounds, on the same generated batch, with an encoder
of the given size (by default that of all-MiniLM-L6-v2). The last line is JSON: `peer` is the median
in seconds of the step that always changes the state, `ours` that of the real one, `ratio` ours
divided by peer, so 1 means no cost.
"""

import json
import sys
from pathlib import Path
from unittest import mock

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.rounds import median_seconds
from benchmarks.common.steps import size_flags, step_of_size
from mtt_jax.devices import startup
from mtt_jax.train import step


def main():
    options = size_flags(__doc__).parse_args()
    startup.prepare()
    steps = {"ours": step_of_size(options, np.random.default_rng(0))}
    with mock.patch.object(step, "_chosen", lambda sound, fresh, before: fresh):
        steps["peer"] = step_of_size(options, np.random.default_rng(0))
    medians = median_seconds(steps, options.rounds)
    ratio = medians["ours"] / medians["peer"]
    print(f"{medians['ours']:.4f} s, {medians['peer']:.4f} s if no step is skipped")
    print(json.dumps({**medians, "ratio": ratio}))


if __name__ == "__main__":
    main()
