"""Parts of a benchmark: each is a process of its own, with a limit on its time.

A part answers with a line of JSON. It may print several, each with all that is known so far: of a
part that fails or takes too long, the last one counts.
"""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time
from typing import NamedTuple


class Part(NamedTuple):
    """A command and the time that it may take.

    Attributes:
      name: for the reader.
      command: program and arguments.
      limit: seconds after which it is killed.
      least: seconds without which it is not worth starting.
      environment: variables to set in addition to ours.
      instead_of: name of a part; this one runs only if that one gave no answer.
      leaves: seconds to leave for the parts after it.
    """

    name: str
    command: tuple[str, ...]
    limit: float
    least: float
    environment: dict[str, str]
    instead_of: str = ""
    leaves: float = 0


class Outcome(NamedTuple):
    """How a part ended.

    Attributes:
      status: "done", "failed", "out of time", "left out" or "not needed".
      seconds: that it took.
      found: its last answer; {} if it gave none.
      why: of a part that was not done, the last line of its output, or why it was left out.
    """

    status: str
    seconds: float
    found: dict
    why: str


def run_parts(parts, seconds, tell=print):
    """Runs parts one after another, whatever becomes of each.

    Args:
      parts: in order of their value.
      seconds: for all of them.
      tell: takes a line about each part.

    Returns:
      Name -> Outcome.
    """
    end, found = time.monotonic() + seconds, {}
    for part in parts:
        if part.instead_of and found[part.instead_of].status == "done":
            found[part.name] = Outcome("not needed", 0.0, {}, f"{part.instead_of} was done")
            continue
        left = end - time.monotonic() - part.leaves
        if left < part.least:
            why = f"needs {part.least:.0f} s, {max(left, 0):.0f} s are left"
            found[part.name] = Outcome("left out", 0.0, {}, why)
        else:
            found[part.name] = run_part(part, min(left, part.limit))
        tell(line_of(part.name, found[part.name]))
    return found


def run_part(part, limit):
    """Runs a part for at most `limit` seconds."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as output:
        process = subprocess.Popen(
            part.command, env={**os.environ, **part.environment}, stdout=output,
            stderr=subprocess.STDOUT, start_new_session=True,
        )  # fmt: skip
        status = "done"
        try:
            if process.wait(limit):
                status = "failed"
        except subprocess.TimeoutExpired:
            status = "out of time"
        finally:
            _end(process)
        seconds = time.monotonic() - start
        output.seek(0)
        lines = [line.strip() for line in output if line.strip()]
    found = _last_answer(lines)
    if status == "done" and not found:
        status = "failed"
    last = lines[-1][:300] if lines else "it printed nothing"
    why = "" if status == "done" else last
    if status == "out of time":
        why = f"killed after {limit:.0f} s; last line: {last}"
    return Outcome(status, round(seconds, 1), found, why)


def _end(process):
    """Kills what is left of a part: its process, and the compilers that it started."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _last_answer(lines):
    for line in reversed(lines):
        if line.startswith("{"):
            try:
                return json.loads(line)
            except ValueError:  # cut short when the part was killed
                continue
    return {}


def line_of(name, outcome):
    """What the reader sees of a part."""
    why = f": {outcome.why}" if outcome.why else ""
    return f"{name}: {outcome.status}, {outcome.seconds:.0f} s{why}"
