"""Fresh processes: a case of a benchmark in its own process, and the time to a first answer."""

import json
import os
import subprocess
import sys
import tempfile
import time


def answer(script, case, environment=None):
    """The JSON on the last line that a script prints for `--case`, in a process of its own.

    Args:
      script: path of the benchmark.
      case: what its `--case` gets, as JSON.
      environment: variables to set in addition to ours.
    """
    done = subprocess.run(
        [sys.executable, script, "--case", json.dumps(case)],
        env={**os.environ, **(environment or {})}, stdout=subprocess.PIPE, text=True, check=True,
    )  # fmt: skip
    return json.loads(done.stdout.splitlines()[-1])


def seconds_to_first_line(code, *arguments, environment=None):
    """Seconds from the start of a Python program to the first line that it prints."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=environment, stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
        process.communicate()
        if not line or process.returncode:
            errors.seek(0)
            sys.exit(f"error: a process ended without an answer:\n{errors.read()}")
    return seconds
