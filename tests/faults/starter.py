"""Starts runs quickly: a process that has imported everything forks one for each run.

Lines of JSON come in: {"argv", "output", "hook"}. For each, {"process"} goes out as soon as it
runs, and {"status"} once it has ended, negative for the signal that ended it. The forked process
runs the command and ends as any other. No JAX backend is started before the fork.
"""

import json
import os
import sys
import warnings

import mtt_jax.train.loop  # noqa: F401
from mtt_jax.cli import main
from mtt_jax.train.stop import end_on_ctrl_c
from tests.faults import hook


def _run(request):
    file = os.open(request["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.setpgid(0, 0)
    if request.get("hook"):
        hook.install(**request["hook"])
    end_on_ctrl_c()
    return main(request["argv"])


def serve():
    """Answers requests until the input ends."""
    warnings.filterwarnings("ignore", message=r".*os\.fork\(\)")
    print("ready", flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        process = os.fork()
        if not process:
            sys.exit(_run(request))
        print(json.dumps({"process": process}), flush=True)
        _, status = os.waitpid(process, 0)
        print(json.dumps({"status": os.waitstatus_to_exitcode(status)}), flush=True)


if __name__ == "__main__":
    serve()
