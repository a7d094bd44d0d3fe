"""What freezing saves: the time of a training step with a frozen encoder, relative to a full one.

    python benchmarks/frozen.py --layers=6 --width=384

Both steps run in one process, in interleaved rounds, on the same generated batch, with an encoder
of the given size (by default that of all-MiniLM-L6-v2). The last line is JSON: `peer` is the full
step's median in seconds, `ours` the frozen one's, `ratio` ours divided by peer.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.rounds import median_seconds
from benchmarks.common.steps import size_flags, step_of_size
from mtt_jax.devices import startup


def main():
    options = size_flags(__doc__).parse_args()
    startup.prepare()
    steps = {
        "full": step_of_size(options, np.random.default_rng(0)),
        "frozen": step_of_size(options, np.random.default_rng(0), freeze=("encoder/.*",)),
    }
    medians = median_seconds(steps, options.rounds)
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.3f} s")
    ours, peer = medians["frozen"], medians["full"]
    print(json.dumps({"ours": ours, "peer": peer, "ratio": ours / peer}))


if __name__ == "__main__":
    main()
