"""Long run: memory and open files over an hour of training and an hour of prediction.

    python benchmarks/long_run.py                                # two hours
    python benchmarks/long_run.py --training=300 --prediction=300

Training is the real command on a small model and its embedded corpus, in a process of its own that
saves, evaluates and logs often, so that whatever a save or an evaluation leaves behind adds up.
Prediction is a `Predictor` that answers requests of many sizes, one to 200 texts of one to 100
words. After the given seconds the run is asked to stop with SIGTERM, as on a cluster. Memory
(resident, in MiB), file handles and threads are read from /proc every --every seconds (Linux).

The start is the first reading after a quarter of the time, since compilation and caches come
before; the middle is at half of what is left. The last line is JSON: for training and prediction
these three readings, the most handles since the start, the median memory of the first and of the
last quarter of what was read since then, and `growth`, by how many MiB an hour it has grown between
these two.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import NamedTuple

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

ROOT = Path(__file__).resolve().parents[1]
_SMALL = (
    "--config.encoder.layers=2", "--config.encoder.width=64", "--config.encoder.heads=4",
    "--config.encoder.feedforward=128", "--config.train.batch_rows=8",
    "--config.train.save_every=50", "--config.train.eval_every=500", "--config.train.log_every=5",
    "--config.train.keep=2",
)  # fmt: skip

_WORDS = (
    "Ann", "Lee", "of", "Acme", "United", "scored", "twice", "in", "Oslo", "while", "shares",
    "fell", "and", "talks", "began",
)  # fmt: skip


class Reading(NamedTuple):
    """What a process holds.

    Attributes:
      seconds: since its start.
      mebibytes: resident memory.
      handles: open files, pipes and sockets.
      threads: how many.
    """

    seconds: float
    mebibytes: float
    handles: int
    threads: int


def main():
    options = parse()
    if options.predict:
        predict(Path(options.predict), options.prediction)
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        found = {}
        if options.training:
            steps = f"--config.train.steps={10**7}"
            found["training"] = watched(train(folder / "run", steps), options.training, options)
        if options.prediction:
            finish(train(folder / "short", "--config.train.steps=60"))
            again = [
                __file__,
                f"--predict={folder / 'short'}",
                f"--prediction={options.prediction}",
            ]
            process = started(*again)
            found["prediction"] = watched(process, options.prediction, options)
    print(json.dumps(found))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--training", type=float, default=3600.0, help="seconds")
    parser.add_argument("--prediction", type=float, default=3600.0, help="seconds")
    parser.add_argument("--every", type=float, default=1.0, help="seconds between readings")
    parser.add_argument("--predict", default="", help=argparse.SUPPRESS)
    return parser.parse_args()


def started(*arguments):
    """A Python process that runs in the repository."""
    return subprocess.Popen([sys.executable, *arguments], cwd=ROOT, stdout=subprocess.DEVNULL)


def train(run, steps):
    """The real command, on the small model."""
    return started("launch.py", "--config=configs/balanced.py", f"--workdir={run}", *_SMALL, steps)


def finish(process):
    """Waits for a process that must end well."""
    if process.wait():
        sys.exit(f"{process.args} ended with status {process.returncode}")


def watched(process, seconds, options):
    """Reads a process's figures until its time is over, and then asks it to stop."""
    begun, readings = time.monotonic(), []
    while process.poll() is None and time.monotonic() - begun < seconds:
        readings.append(reading(process.pid, time.monotonic() - begun))
        time.sleep(options.every)
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    code = process.wait()
    if code not in (0, 128 + signal.SIGTERM, -signal.SIGTERM):
        sys.exit(f"{process.args} ended with status {code}")
    return summary(readings, seconds)


def reading(pid, seconds):
    """The figures of a process now, from /proc."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    fields = dict(line.split(":", 1) for line in status.splitlines())
    kibibytes = int(fields["VmRSS"].split()[0])
    handles = len(os.listdir(f"/proc/{pid}/fd"))
    return Reading(round(seconds, 1), round(kibibytes / 1024, 1), handles, int(fields["Threads"]))


def summary(readings, seconds):
    """Start, middle and end of the readings, and the growth of memory between them."""
    settled = [one for one in readings if one.seconds >= seconds / 4]
    size = max(len(settled) // 4, 1)
    first, last = settled[:size], settled[-size:]
    hours = (median(r.seconds for r in last) - median(r.seconds for r in first)) / 3600
    grown = median(r.mebibytes for r in last) - median(r.mebibytes for r in first)
    chosen = {"start": settled[0], "middle": settled[len(settled) // 2], "end": settled[-1]}
    return {
        **{name: one._asdict() for name, one in chosen.items()},
        "most_handles": max(one.handles for one in settled),
        "first_quarter": median(r.mebibytes for r in first),
        "last_quarter": median(r.mebibytes for r in last),
        "growth": round(grown / hours, 1) if hours else 0.0,
    }


def predict(run, seconds):
    """Answers requests of many sizes until the time is over."""
    from mtt_jax import Predictor

    rng, end = random.Random(0), time.monotonic() + seconds
    predictor = Predictor.load(run)
    while time.monotonic() < end:
        count = rng.choice((1, 1, 1, 2, 5, 20, 200))
        texts = [" ".join(rng.choices(_WORDS, k=rng.randint(1, 100))) for _ in range(count)]
        answers = predictor(texts)
        assert len(answers) == count


if __name__ == "__main__":
    main()
