"""What freezing saves: a training step with the encoder frozen beside a full one.

    python benchmarks/frozen.py --layers=6 --width=384

Both steps are taken by turns in one process, on the same generated batch, with the encoder's size
given (that of all-MiniLM-L6-v2 by default). The last line is JSON: `peer` is the full step's
median in seconds, `ours` the frozen one's, `ratio` ours by peer.
"""

import json
import sys
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from balancing import parse, prepared
from steps import by_turns

from mtt_jax.devices import startup


def main():
    options = parse(__doc__)
    startup.prepare()
    steps = {
        "full": prepared(options, np.random.default_rng(0)),
        "frozen": prepared(options, np.random.default_rng(0), freeze=("encoder/.*",)),
    }
    medians = by_turns(steps, options.rounds)
    for name, seconds in medians.items():
        print(f"{name}: {seconds:.3f} s")
    ours, peer = medians["frozen"], medians["full"]
    print(json.dumps({"ours": ours, "peer": peer, "ratio": ours / peer}))


if __name__ == "__main__":
    main()
