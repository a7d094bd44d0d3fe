"""Fuzzes everything that reads what strangers wrote, for as long as there is time.

    python tests/faults/fuzz.py --seconds 40

Prints a table, and one line of JSON with the inputs tried, the refusals and the failures. The
exit status is 1 if anything failed: another exception than a refusal, an input that took longer
than --slowest, or memory beyond --memory. tests/faults/targets.py says what is tried.

--atheris draws the same inputs guided by coverage, for one target: `pip install atheris`.
"""

import argparse
import collections
import json
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
os.environ.setdefault("JAX_PLATFORMS", "cpu")

from hypothesis import HealthCheck, Phase, given, seed, settings  # noqa: E402

from tests.faults import targets as room  # noqa: E402

_BATCH = 200  # inputs drawn between two looks at the clock
_KIND = settings(
    max_examples=_BATCH, database=None, deadline=None, suppress_health_check=list(HealthCheck),
    phases=(Phase.generate, Phase.shrink), report_multiple_bugs=False, print_blob=False,
)  # fmt: skip


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

    def __init__(self, target, slowest):
        self.target, self._most = target, slowest
        self.tried = self.refused = 0
        self.slowest = 0.0
        self.failures = {}
        self.messages = collections.Counter()

    def one(self, value):
        """Tries one input."""
        with tempfile.TemporaryDirectory(dir=room_of_folders()) as folder:
            self.tried += 1
            begun = time.perf_counter()
            signal.setitimer(signal.ITIMER_REAL, self._most)
            try:
                message = room.attempt(self.target, value, Path(folder))
            finally:
                signal.setitimer(signal.ITIMER_REAL, 0)
                self.slowest = max(self.slowest, time.perf_counter() - begun)
            self.refused += bool(message)
            self.messages[message.replace(folder, "")[:60]] += 1

    def run(self, seconds, first_seed):
        """Draws inputs until the time is up."""
        end, number = time.monotonic() + seconds, first_seed
        while time.monotonic() < end:
            self._batch(number)
            number += 1

    def _batch(self, number):
        last = []

        @seed(number)
        @_KIND
        @given(self.target.inputs)
        def attempt(value):
            last[:] = [value]
            if os.environ.get("DUMP"):
                open(os.environ["DUMP"], "w").write(repr(value))
            self.one(value)

        try:
            attempt()
        except BaseException as error:
            if isinstance(error, KeyboardInterrupt):
                raise
            frames = traceback.extract_tb(error.__traceback__)
            ours = [f for f in frames if "/mtt_jax/" in f.filename] or frames[-1:]
            where = f"{Path(ours[-1].filename).name}:{ours[-1].lineno}"
            what = f"{type(error).__name__} at {where}"
            if what not in self.failures:
                self.failures[what] = f"{str(error)[:200]} <- {str(last)[:600]}"
                print(f"  {self.target.name}: {what}: {self.failures[what]}", file=sys.stderr)


def room_of_folders():
    """Where inputs are written: memory, if this machine has a folder of it."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def _too_slow(number, frame):
    raise TooSlowError(f"took too long, in {frame.f_code.co_filename}:{frame.f_lineno}")


def _limit_memory(more):
    """Lets the process grow by so many bytes of address space; an allocation beyond that fails."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + more
    resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10


def _guided(target, options):
    """Lets atheris choose the bytes from which hypothesis draws an input; does not return."""
    import atheris

    @settings(_KIND)
    @given(target.inputs)
    def attempt(value):
        with tempfile.TemporaryDirectory(dir=room_of_folders()) as folder:
            room.attempt(target, value, Path(folder))

    atheris.instrument_all()
    atheris.Setup(
        [
            sys.argv[0],
            f"-max_total_time={int(options.seconds)}",
            f"-timeout={int(options.slowest)}",
        ],
        attempt.hypothesis.fuzz_one_input,
    )
    atheris.Fuzz()


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
    parser.add_argument("--messages", action="store_true", help="print the commonest refusals")
    parser.add_argument("--atheris", action="store_true", help="guided by coverage, for one target")
    options = parser.parse_args()
    signal.signal(signal.SIGALRM, _too_slow)
    scratch = Path(tempfile.mkdtemp())
    try:
        chosen = [t for t in room.targets(scratch) if options.only in t.name]
        if options.atheris:
            _guided(chosen[0], options)
        _limit_memory(int(options.memory * 2**30))
        done = [_tried(target, options) for target in chosen]
    finally:
        shutil.rmtree(scratch)
    failures = {
        f"{fuzz.target.name}: {what}": why for fuzz in done for what, why in fuzz.failures.items()
    }
    print(
        json.dumps(
            {
                "targets": len(done),
                "tried": sum(fuzz.tried for fuzz in done),
                "refused": sum(fuzz.refused for fuzz in done),
                "failed": len(failures),
                "failures": failures,
                "peak_bytes": _peak(),
            }
        )
    )
    return 1 if failures else 0


def _tried(target, options):
    """One target, with its row of the table."""
    fuzz, before = Fuzz(target, options.slowest), _peak()
    fuzz.run(options.seconds, options.seed)
    grown = (_peak() - before) >> 20
    print(
        f"{target.name:24} {fuzz.tried:8,} tried {fuzz.refused:8,} refused {len(fuzz.failures):3} failed"
        f" {fuzz.slowest:6.2f} s the slowest {grown:5} MiB more",
        flush=True,
    )  # fmt: skip
    if options.messages:
        for message, count in fuzz.messages.most_common(12):
            print(f"    {count:6} {message}")
    return fuzz


if __name__ == "__main__":
    sys.exit(main())
