"""The tasks of share.py with a dev set of sixty sentences and two seeds: no difference found.

python benchmarks/diagnose/no_difference.py
"""

from cases import ROOT, TOPICS, config_of, run, sentences, written

LABELLED, DEV = 400, 60


def main():
    out = ROOT / "runs" / "diagnose-data" / "no_difference"
    rows = sentences(2 * LABELLED + 2 * DEV, seed=1)
    dev = rows[2 * LABELLED :]
    files = {
        "first": {"train": written(out, "first", rows[:LABELLED]),
                  "dev": written(out, "first-dev", dev[:DEV])},
        "second": {"train": written(out, "second", rows[LABELLED : 2 * LABELLED]),
                   "dev": written(out, "second-dev", dev[DEV:])},
    }  # fmt: skip
    labels = dict.fromkeys(files, TOPICS)
    config = config_of(labels, files, width=32, layers=2, steps=400, warmup=20, learning_rate=3e-3)
    run("no_difference", config, seeds=2, expected="no difference found")


if __name__ == "__main__":
    main()
