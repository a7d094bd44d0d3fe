"""The tasks of share.py with a dev set of sixty sentences and two seeds: no difference found.

    python benchmarks/diagnose/no_difference.py

Ends with 1 where the verdict is another.
"""

from cases import halves, run

if __name__ == "__main__":
    config = halves("no_difference", labelled=400, dev=60)
    run("no_difference", config, seeds=2, expected="no difference found")
