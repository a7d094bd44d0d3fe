"""Two tasks with the same labels on different halves of a small data set: share.

    python benchmarks/diagnose/share.py

Exits with 1 if the verdict is a different one.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from benchmarks.common.verdict_cases import halves, run

if __name__ == "__main__":
    run("share", halves("share", labelled=400, dev=1000), seeds=5, expected="share")
