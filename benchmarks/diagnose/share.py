"""Two tasks with the same labels on different halves of a small data set: share.

    python benchmarks/diagnose/share.py

Ends with 1 where the verdict is another.
"""

from cases import halves, run

if __name__ == "__main__":
    run("share", halves("share", labelled=400, dev=1000), seeds=5, expected="share")
