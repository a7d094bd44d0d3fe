"""Tiny runs for the tests of faults: their files, how they are started, and what they came to."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import orbax.checkpoint as ocp

from tests.helpers import ROOT, write_days

TINY = [
    "--config=balanced",
    "--config.data.source=files",
    "--config.train.steps=4",
    "--config.train.warmup=1",
    "--config.train.eval_every=4",
    "--config.train.save_every=2",
    "--config.train.log_every=1",
    "--config.train.keep=1",
    "--config.train.ema=0.9",
    "--config.train.balance=dwa",
    "--config.train.batch_rows=4",
    "--config.train.row_length=32",
    "--config.data.max_length=32",
    "--config.data.overlap=8",
    "--config.tokenizer.vocab_size=200",
    "--config.encoder.layers=1",
    "--config.encoder.width=16",
    "--config.encoder.heads=2",
    "--config.encoder.feedforward=16",
]


def write_data(folder):
    """Writes a file with both labels of 60 sentences; returns the flags of a run on it."""
    file = folder / "data.jsonl"
    write_days(file, 60)
    return [
        *TINY,
        f"--config.data.topic.train={file}",
        f"--config.data.ner.train={file}",
    ]


def environment(**variables):
    """For a process that runs the command line on the CPU."""
    return {**os.environ, "JAX_PLATFORMS": "cpu", "PYTHONPATH": str(ROOT), **variables}


def signal_at_import(module, number):
    """Variables for a process that gets a signal when it is about to import a module."""
    return {
        "PYTHONPATH": str(ROOT / "tests" / "faults" / "startup"),
        "MTT_TEST_FAULT": json.dumps({"module": module, "number": number}),
    }


class Starter:
    """Runs commands one after another in processes that are forked ready to work."""

    def __init__(self, folder):
        """Starts the process that forks; `folder` gets what the commands print."""
        self._output = folder / f"output-{id(self)}"
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.starter"],
            cwd=ROOT, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._process.stdout.readline() == "ready\n"

    def __call__(self, argv, hook=None, kill_after=None, meanwhile=None):
        """(exit status, what it printed) of a command.

        Args:
          argv: of `mtt`.
          hook: options of `hook.install`.
          kill_after: seconds after which it is killed.
          meanwhile: called with the number of its process, while it runs.
        """
        request = {"argv": argv, "output": str(self._output), "hook": hook}
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        process = json.loads(self._process.stdout.readline())["process"]
        if meanwhile:
            meanwhile(process)
        if kill_after is not None:
            time.sleep(kill_after)
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        status = json.loads(self._process.stdout.readline())["status"]
        return status, self._output.read_text()

    def close(self):
        """Ends the process that forks."""
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()


def saved_steps(run, newest=False):
    """Step -> (state as a flat dict of arrays, position in the data) of a run's checkpoints.

    One that cannot be read is an error. With `newest` only the newest: an older one may be half
    removed.
    """
    found = {}
    steps = [int(f.name) for f in (run / "checkpoints").glob("*") if f.name.isdecimal()]
    for step in sorted(steps)[-1 if newest else 0 :]:
        folder = run / "checkpoints" / str(step)
        state = ocp.StandardCheckpointer().restore((folder / "state").resolve())
        stream = {f.name: f.read_text() for f in sorted((folder / "data").glob("*.json"))}
        found[int(folder.name)] = (_flat(state), stream)
    return found


def _flat(tree, prefix=""):
    if isinstance(tree, dict):
        parts = tree.items()
    elif isinstance(tree, (list, tuple)):
        parts = enumerate(tree)
    else:
        return {} if tree is None else {prefix: np.asarray(tree)}
    return {name: leaf for key, inner in parts for name, leaf in
            _flat(inner, f"{prefix}/{key}").items()}  # fmt: skip


def same_step(ours, theirs):
    """Whether two checkpoints hold the same, bit for bit."""
    (state, stream), (other_state, other_stream) = ours, theirs
    return (
        stream == other_stream
        and state.keys() == other_state.keys()
        and all(
            state[name].dtype == leaf.dtype and state[name].tobytes() == leaf.tobytes()
            for name, leaf in other_state.items()
        )
    )


def differences(run, whole):
    """What of a run's results differs from those of a run that was never stopped; [] if nothing.

    Args:
      run: the run directory.
      whole: that of the other.
    """
    found = []
    steps, others = (saved_steps(folder, newest=True) for folder in (run, whole))
    if not steps or max(steps) != max(others):
        return [f"checkpoints {sorted(steps)}, not {sorted(others)}"]
    if not same_step(steps[max(steps)], others[max(others)]):
        found.append("the last checkpoint")
    for name in ("model.safetensors", "fitted.json", "tokenizer.json"):
        ours, theirs = run / "model" / name, whole / "model" / name
        if ours.exists() != theirs.exists() or (
            theirs.exists() and ours.read_bytes() != theirs.read_bytes()
        ):
            found.append(f"model/{name}")
    for name in ("metrics.json", "metrics.jsonl"):
        if _figures(run / name) != _figures(whole / name):
            found.append(name)
    return found


_TIMES = ("seconds", "tokens_per_second", "mfu", "device")


def _figures(file):
    """The content of a file of JSON or JSON lines, without what depends on the machine's speed."""
    text = file.read_text()
    values = [json.loads(text)] if file.suffix == ".json" else map(json.loads, text.splitlines())
    return [{key: value for key, value in one.items() if key not in _TIMES} for one in values]
