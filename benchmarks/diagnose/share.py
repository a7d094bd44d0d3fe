"""Two tasks with the same labels on different halves of a small data set: share.

python benchmarks/diagnose/share.py
"""

from cases import ROOT, TOPICS, config_of, run, sentences, written

LABELLED, DEV = 400, 1000


def main():
    out = ROOT / "runs" / "diagnose-data" / "share"
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
    run("share", config, seeds=5, expected="share")


if __name__ == "__main__":
    main()
