"""Fuzzes everything that reads what strangers wrote, for as long as there is time.

    python tests/faults/fuzz.py --seconds 40

Prints a table, and one line of JSON with the inputs tried, the refusals and the failures. The
exit status is 1 if anything failed: another exception than a refusal, an input that took longer
than --slowest, memory beyond --memory, or the end of the process itself. tests/faults/targets.py
says what is tried.

--atheris draws the same inputs guided by coverage, for one target: `pip install atheris`.
"""

import argparse
import contextlib
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("JAX_DISABLE_MOST_OPTIMIZATIONS", "1")  # one model is initialized

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

_BATCH = 200  # inputs drawn between two looks at the clock
_KIND = settings(
    max_examples=_BATCH, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False, print_blob=False,
)  # fmt: skip
# What a target that ended its process is told about by its row, as JSON.
_ROW = "row "
_SHOWN = 600  # characters of an input


class TooSlowError(BaseException):
    """An input took longer than it may; not an Exception, which a reader might catch."""


class Fuzz:
    """One target, tried.

    Attributes:
      tried: inputs so far, those drawn while a failure is made smaller among them.
      refused: of these, the ones that were refused.
      failures: where it failed -> what was raised, for which input.
      slowest: seconds of the slowest input.
    """

    def __init__(self, target, attempt, current, most):
        self._target, self._attempt, self._current, self._most = target, attempt, current, most
        self.tried = self.refused = 0
        self.slowest = 0.0
        self.failures = {}

    def run(self, seconds, number):
        """Draws inputs until the time is up; `number` is the seed of the first batch."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self._batch(number)
            number += 1

    def _one(self, value):
        self._current.write_text(repr(value)[:_SHOWN], encoding="utf-8", errors="replace")
        with tempfile.TemporaryDirectory(dir=self._current.parent) as folder:
            self.tried += 1
            begun = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, self._most)
            try:
                self.refused += bool(self._attempt(self._target, value, Path(folder)))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                self.slowest = max(self.slowest, time.perf_counter() - begun)

    def _batch(self, number):
        attempt = seed(number)(_KIND(given(self._target.inputs)(self._one)))
        try:
            attempt()
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if "/mtt_jax/" in f.filename] or frames[-1:]
            what = f"{type(error).__name__} at {Path(ours[-1].filename).name}:{ours[-1].lineno}"
            self.failures.setdefault(what, f"{str(error)[:200]} <- {self._current.read_text()}")


def _too_slow(number, frame):
    raise TooSlowError(f"took too long, in {frame.f_code.co_filename}:{frame.f_lineno}")


def _limit_memory(more):
    """Lets the process grow by so many bytes of address space; an allocation beyond that fails."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _instrumented():
    """While it is open, what is imported of the package counts its branches for atheris."""
    import atheris

    return atheris.instrument_imports(include=["mtt_jax"])


def _guided(target, attempt, options):
    """Lets atheris choose the bytes from which hypothesis draws an input; does not return."""
    import atheris

    @settings(_KIND)
    @given(target.inputs)
    def one(value):
        with tempfile.TemporaryDirectory() as folder:
            attempt(target, value, Path(folder))

    limits = [f"-max_total_time={int(options.seconds)}", f"-timeout={int(options.slowest)}"]
    atheris.Setup([sys.argv[0], *limits], one.hypothesis.fuzz_one_input)
    atheris.Fuzz()


def _child(options, scratch):
    """Fuzzes the targets from the one with the number --first; a row of JSON for each."""
    with _instrumented() if options.atheris else contextlib.nullcontext():
        from tests.faults import targets as room

    chosen = [t for t in room.targets(scratch / "model") if options.only in t.name]
    if options.atheris:
        _guided(chosen[0], room.attempt, options)
    signal.signal(signal.SIGALRM, _too_slow)
    print(_ROW + json.dumps([target.name for target in chosen]), flush=True)
    _limit_memory(int(options.memory * 2**30))
    for target in chosen[options.first :]:
        fuzz, before = Fuzz(target, room.attempt, scratch / "current", options.slowest), _peak()
        fuzz.run(options.seconds, options.seed)
        row = {
            "target": target.name, "tried": fuzz.tried, "refused": fuzz.refused,
            "failures": fuzz.failures, "slowest": round(fuzz.slowest, 2), "grown": _peak() - before,
        }  # fmt: skip
        print(_ROW + json.dumps(row), flush=True)
    return 0


def _rows(options, scratch):
    """Rows of all targets; one that ends its process is a failure, and the others go on."""
    first = 0
    while True:
        arguments = [sys.executable, __file__, *sys.argv[1:], f"--first={first}", f"--in={scratch}"]
        with subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True) as child:
            names = None
            for line in child.stdout:
                if not line.startswith(_ROW):
                    continue
                found = json.loads(line.removeprefix(_ROW))
                if names is None:
                    names = found
                else:
                    first += 1
                    yield found
        if not names or first >= len(names):
            return
        why = {f"the process ended with {child.returncode}": (scratch / "current").read_text()}
        row = {"tried": 0, "refused": 0, "slowest": 0, "grown": 0}
        yield {"target": names[first], "failures": why, **row}
        first += 1


def main():
    """Runs the fuzz; returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=40, help="per target")
    parser.add_argument("--only", default="", help="targets whose name contains this")
    parser.add_argument("--seed", type=int, default=0, help="of the first inputs; 200 share one")
    parser.add_argument("--slowest", type=float, default=20, help="seconds that an input may take")
    parser.add_argument("--memory", type=float, default=2, help="GiB that the process may grow by")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage, for one target")
    parser.add_argument("--first", type=int, default=0, help=argparse.SUPPRESS)
    parser.add_argument("--in", dest="scratch", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.scratch:
        return _child(options, Path(options.scratch))
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    scratch = Path(tempfile.mkdtemp(dir=memory))
    try:
        if options.atheris:
            return _child(options, scratch)
        return _report(_rows(options, scratch))
    finally:
        shutil.rmtree(scratch)


def _report(rows):
    """Prints a table and one line of JSON; returns the exit status."""
    done, begun = [], time.monotonic()
    print(
        "| input | tried | refused | failed | slowest, s | memory, MiB more |\n"
        "|---|---|---|---|---|---|"
    )
    for row in rows:
        done.append(row)
        numbers = (
            f"{row['tried']:,} | {row['refused']:,} | {len(row['failures'])} | {row['slowest']:.2f}"
        )
        print(f"| {row['target']} | {numbers} | {row['grown'] >> 20} |", flush=True)
    failures = {
        f"{row['target']}: {what}": why for row in done for what, why in row["failures"].items()
    }
    about = {
        "targets": len(done),
        "tried": sum(row["tried"] for row in done),
        "refused": sum(row["refused"] for row in done),
        "failed": len(failures),
        "seconds": round(time.monotonic() - begun),
        "failures": failures,
    }
    print(json.dumps(about))
    return 1 if failures or not done else 0


if __name__ == "__main__":
    sys.exit(main())
