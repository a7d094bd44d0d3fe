"""A `python` that starts at once: a process that has imported the package forks for each command.

    python warm.py serve SOCKET          imports everything, then answers on a socket
    python warm.py run SOCKET ARGUMENTS  what `python ARGUMENTS` would do, in a fork of it

Each fork has the arguments, folder, environment, input and output of the `run` that asked for it,
which gets its exit status. So a command of the docs runs as a process of its own, with signals and
pipes, and without three seconds of imports. Programs other than the package and launch.py run in
a new Python.

Training is cut short by flags that are added to the command; see `shortened`.
"""

import array
import contextlib
import json
import os
import runpy
import select
import signal
import socket
import sys
import traceback

# Added to commands that train, unless they set the same field.
SHORT = {
    "train.warmup": "0",
    "train.batch_rows": "8",
    "train.row_length": "64",
    "data.max_length": "64",
    "data.overlap": "8",
    "data.cache_dir": "~/.cache/mtt_jax",
}
TINY = {
    "encoder.layers": "1",
    "encoder.width": "16",
    "encoder.heads": "2",
    "encoder.feedforward": "16",
}
STEPS = 2
# Sentences of the embedded corpus: with topics, with entities, and of dev and test.
CORPUS = {"_TRAIN_TOPIC": 240, "_TRAIN_NER": 120, "_DEV": 60, "_TEST": 60}


def run(path, arguments):
    """Asks a server to run Python with some arguments; returns the exit status."""
    asking = socket.socket(socket.AF_UNIX)
    asking.connect(path)
    request = json.dumps([arguments, os.getcwd(), dict(os.environ)]).encode()
    files = array.array("i", [0, 1, 2]).tobytes()
    asking.sendmsg([len(request).to_bytes(4, "big")],
                   [(socket.SOL_SOCKET, socket.SCM_RIGHTS, files)])  # fmt: skip
    asking.sendall(request)
    answers = asking.makefile("r")
    child = int(answers.readline())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda number, frame: os.kill(child, number))
    return int(answers.readline())


def serve(path):
    """Imports the package and answers until its input is closed."""
    import tensorboardX  # noqa: F401

    from mtt_jax.cli import train  # noqa: F401
    from mtt_jax.data.newswire import builder
    from mtt_jax.predict import columns, predictor, stream  # noqa: F401
    from mtt_jax.report import charts
    from mtt_jax.train import dry_run, loop  # noqa: F401

    charts.scripts()
    vars(builder).update(CORPUS)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen()
    print("ready", flush=True)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while sys.stdin not in select.select([listener, sys.stdin], [], [])[0]:
        asking, _ = listener.accept()
        if os.fork() == 0:
            listener.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _answer(asking)
        asking.close()


def _answer(asking):
    """Runs one command in a fork of this one, and says how it ended."""
    head, ancillary, _, _ = asking.recvmsg(4, socket.CMSG_SPACE(12))
    files = array.array("i", ancillary[0][2])
    size, request = int.from_bytes(head, "big"), b""
    while len(request) < size:
        request += asking.recv(size - len(request))
    arguments, folder, environment = json.loads(request)
    child = os.fork()
    if child == 0:
        asking.close()
        for number, file in enumerate(files):
            os.dup2(file, number)
            os.close(file)
        os.chdir(folder)
        os.environ.clear()
        os.environ.update(environment)
        _run(arguments)
    for file in files:
        os.close(file)
    asking.sendall(f"{child}\n".encode())
    _, status = os.waitpid(child, 0)
    asking.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
    os._exit(0)


def _run(arguments):
    """What `python ARGUMENTS` does; ends the process."""
    ours = arguments[:2] == ["-m", "mtt_jax"] or arguments[:1] == ["launch.py"]
    if not ours:
        os.execv(sys.executable, [sys.executable, *arguments])
    status = 0
    try:
        if arguments[0] == "launch.py":
            sys.argv = shortened(arguments)
            sys.path.insert(0, os.getcwd())
            runpy.run_path("launch.py", run_name="__main__")
        else:
            sys.argv = ["mtt", *shortened(arguments[2:])]
            runpy.run_module("mtt_jax", run_name="__main__", alter_sys=True)
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else 0 if end.code is None else 1
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
    except BaseException:
        traceback.print_exc()
        status = 1
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(BrokenPipeError):
            stream.flush()
    os._exit(status)


def flags_of(words):
    """Name -> value of the flags of a command; "" for one without a value."""
    return dict(word[2:].partition("=")[::2] for word in words if word[:2] == "--")


def shortened(arguments):
    """The arguments of launch.py or of a command of `mtt`, which then trains only a few steps."""
    if arguments[:1] == ["serve"]:
        return [*arguments, f"--port={os.environ['PORT']}"]
    if not arguments or arguments[0] not in ("launch.py", "train", "distill", "diagnose"):
        return arguments
    from mtt_jax.config.files import load_file

    given = flags_of(arguments)
    if "config" not in given or "help" in given:
        return arguments
    config = load_file(given["config"])
    flags = dict(SHORT)
    if not (given.get("config.encoder.init") or config.encoder.init):
        flags |= TINY
    flags = {name: value for name, value in flags.items() if f"config.{name}" not in given}
    # A trace of some steps needs these steps.
    last = given.get("config.train.profile", "").partition(":")[2]
    flags["train.steps"] = flags["train.eval_every"] = last or str(STEPS)
    for index in range(len(config.phases)):
        flags |= {f"phases[{index}].steps": str(STEPS), f"phases[{index}].epochs": "0",
                  f"phases[{index}].warmup": "0"}  # fmt: skip
    if arguments[0] == "diagnose":
        arguments = [*arguments, "--seeds=2"]
    return [*arguments, *(f"--config.{name}={value}" for name, value in flags.items())]


if __name__ == "__main__":
    task, path, *rest = sys.argv[1:]
    sys.exit(serve(path) if task == "serve" else run(path, rest))
