"""Topic together with sentences that have random labels, in a small encoder: separate.

    python benchmarks/diagnose/separate.py

Two hundred sentences with random labels can only be memorized, which takes up the encoder's small
capacity; their loss counts five times. Exits with 1 if the verdict is a different one.
"""

import sys
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.verdict_cases import TOPICS, config_of, data_folder, run, sentences, written

LABELLED, NOISE, DEV = 1000, 200, 1000
CLASSES = tuple(f"class{number}" for number in range(8))


def main():
    out = data_folder("separate")
    random = Random(0)
    rows = sentences(LABELLED + NOISE + 2 * DEV, seed=2)

    def noise(some):
        return [(text, random.choice(CLASSES)) for text, _ in some]

    files = {
        "noise": {"train": written(out, "noise", noise(rows[LABELLED : LABELLED + NOISE])),
                  "dev": written(out, "noise-dev", noise(rows[-DEV:]))},
        "topic": {"train": written(out, "topic", rows[:LABELLED]),
                  "dev": written(out, "topic-dev", rows[-2 * DEV : -DEV])},
    }  # fmt: skip
    labels = {"noise": CLASSES, "topic": TOPICS}
    config = config_of(
        labels,
        files,
        width=8,
        layers=1,
        weights={"noise": 5.0},
        steps=1500,
        warmup=50,
        learning_rate=5e-3,
        mixing="equal",
    )
    run("separate", config, seeds=5, expected="separate")


if __name__ == "__main__":
    main()
