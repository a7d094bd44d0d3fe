"""The tasks of share.py with a dev set of sixty sentences and two seeds: no difference found.

    python benchmarks/diagnose/no_difference.py

Exits with 1 if the verdict is a different one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.verdict_cases import halves, run

if __name__ == "__main__":
    config = halves("no_difference", labelled=400, dev=60)
    run("no_difference", config, seeds=2, expected="no difference found")
