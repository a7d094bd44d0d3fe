"""What tests share: sentences and their records, a tiny model and its batches, files and pages."""

import dataclasses
import functools
import json
from html.parser import HTMLParser
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.config import default_config
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import DataConfig, EncoderConfig, TaskDataConfig
from mtt_jax.data import readers
from mtt_jax.data.encode import Reading, encode_records
from mtt_jax.data.pack import pack_examples
from mtt_jax.data.tokenizer import vocabulary_size
from mtt_jax.devices.mesh import make_mesh, of_state, place, place_batch, replicated
from mtt_jax.errors import UserError
from mtt_jax.scoring.infer import make_forward
from mtt_jax.tasks import KINDS
from mtt_jax.tasks.score import (
    Bin,
    Calibration,
    Ceiling,
    Confusion,
    Figure,
    Reliability,
    Row,
    Score,
)
from mtt_jax.train.gradient import make_balancer, make_gradient
from mtt_jax.train.optim import make_optimizers
from mtt_jax.train.phases import plan
from mtt_jax.train.step import TrainState, make_step
from mtt_jax.types import Record, Span
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import build_model, init_params

ROOT = Path(__file__).resolve().parents[1]

SENTENCES = [
    (
        "Tom Fry of Acme United scored in Rome .",
        "sports",
        [(0, 2, "PER"), (3, 5, "ORG"), (7, 8, "LOC")],
    ),
    ("The minister resigned on Monday .", "politics", []),
    ("Ann Lee joined Beta Bank in Oslo .", "others", [(0, 2, "PER"), (3, 5, "ORG"), (6, 7, "LOC")]),
    ("Parliament passed the Tax Act .", "politics", [(3, 5, "MISC")]),
    ("Rovers beat City again .", "sports", [(0, 1, "ORG"), (2, 3, "ORG")]),
    ("Shares fell .", "others", []),
]  # fmt: skip


def record(text, topic=None, entities=None, pos=None, **labels):
    """A record whose words are separated by single spaces; None leaves a task without a label.

    `entities` are those of the task ner, in words; `pos` has a tag for each word, "" for none;
    `labels` are those of further tasks, as a record holds them.
    """
    words = spaced(text)
    if topic is not None:
        labels["topic"] = topic
    if entities is not None:
        labels["ner"] = tuple(
            Span(words[start][0], words[end - 1][1], label) for start, end, label in entities
        )
    if pos is not None:
        labels["pos"] = tuple(Span(*word, tag) for word, tag in zip(words, pos, strict=True) if tag)
    return Record(text, labels)


def spaced(text):
    """(start, end) of the words of a text that are separated by single spaces."""
    words, offset = [], 0
    for word in text.split():
        words.append((offset, offset + len(word)))
        offset += len(word) + 1
    return words


def entities(record, task="ner"):
    """(text, label) of each span that a record holds for a task; None without a label."""
    if task not in record.labels:
        return None
    return [(record.text[start:end], label) for start, end, label in record.labels[task]]


def make_config(**overrides):
    """A tiny config; `encoder__layers=1` sets config.encoder.layers."""
    return resolve(make_config_dict(**overrides))


def make_config_dict(**overrides):
    """The same as a config file returns it."""
    config = default_config()
    config.encoder.update(layers=2, width=16, heads=2, feedforward=32, max_positions=64)
    config.encoder.update(dropout=0.0)
    config.tasks.topic.dropout = config.tasks.ner.dropout = 0.0
    config.data.max_length, config.data.overlap = 32, 8
    config.train.update(row_length=48, batch_rows=8, steps=4, warmup=0, learning_rate=1e-2)
    config.tokenizer.vocab_size = 200
    for path, value in overrides.items():
        *groups, name = path.split("__")
        node = config
        for group in groups:
            node = node[group]
        node[name] = value
    return config


# Files


def written(folder, name, text, encoding="utf-8"):
    """A file with a text, its line ends unchanged."""
    file = folder / name
    file.write_bytes(text.encode(encoding))
    return file


def flip_a_bit(file):
    """Flips a bit in the middle of a file."""
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def write_days(file, count):
    """Writes a JSONL file of sentences, each with a topic and one person."""
    with file.open("w") as stream:
        for i in range(count):
            name = ("Ann", "Tom", "Mo", "Eva")[i % 4]
            row = {
                "text": f"{name} had a {('good', 'bad')[i % 2]} day {i}",
                "label": ("sports", "politics", "others")[i % 3],
                "entities": [{"start": 0, "end": len(name), "label": "PER"}],
            }
            stream.write(json.dumps(row) + "\n")


@functools.cache
def _tasks():
    return {task.name: task for task in four_task_config().task_list}


def read(file, task="topic", encoding="utf-8", clean=True, **fields):
    """A task's records and the notes on its file; `fields` are those of config.data.TASK."""
    data = DataConfig(encoding=encoding, clean=clean)
    flag = f"--config.data.{task}.train"
    return readers.read_file(str(file), _tasks()[task], data, TaskDataConfig(**fields), flag)


def complaint(file, task="topic", **options):
    """The error message for a file that cannot be read."""
    with pytest.raises(UserError) as error:
        read(file, task, **options)
    return str(error.value)


def read_unnamed(file, kind="entities", **fields):
    """The records of a task whose labels are those of the file."""
    flag = "--config.data.x.train"
    return readers.read_file(
        str(file), KINDS[kind]("x", ()), DataConfig(), TaskDataConfig(**fields), flag
    )


def labelled(folder, text, *spans):
    """A JSONL file whose second line has a text with entities."""
    rows = [
        {"text": "Rome won.", "entities": [{"start": 0, "end": 4, "label": "LOC"}]},
        {"text": text, "entities": [dict(zip(("start", "end", "label"), s, strict=True))
                                    for s in spans]},
    ]  # fmt: skip
    return written(folder, "a.jsonl", "".join(json.dumps(row) + "\n" for row in rows))


# Models


def encoded(records, tokenizer, tasks):
    """Records as a run with the default config encodes them."""
    reading = Reading(cleaning=True, features=EncoderConfig().word_features)
    return encode_records(records, tokenizer, tasks, reading)


def batch_of(examples, config, rows=8):
    """All examples packed into one batch."""
    (packed,) = pack_examples(
        examples,
        config.task_list,
        max_length=config.data.max_length,
        overlap=config.data.overlap,
        row_length=config.train.row_length,
        slots=config.slots,
        rows=rows,
    )
    return packed


def model_and_params(config, tokenizer):
    model = build_model(config, vocabulary_size(tokenizer))
    return model, init_params(model, jax.random.key(1))


@functools.cache
def forward_of(model):
    """The jitted forward pass, compiled once per model."""
    return make_forward(model)


def save_untrained(folder, tokenizer):
    """Makes a run directory with the smallest useful model, for predictions."""
    config = make_config()
    _, params = model_and_params(config, tokenizer)
    # Larger than at the start of training, so that an untrained model finds entities at all.
    params["heads"]["ner"]["logits"]["kernel"] *= 100
    saved_model.save(folder / "model", config, params, tokenizer, "")
    return folder


def assert_trees_equal(ours, theirs):
    """Bit for bit."""
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)


def strict_f1(gold, found):
    """F1 of entities, each right if start, end and type are; counted here without any of ours.

    Args:
      gold: (start, end, type) of the entities of each text.
      found: results of a predictor for each text.
    """
    answers = [{(e["start"], e["end"], e["label"]) for e in entities} for entities in found]
    right = sum(len(set(ours) & theirs) for ours, theirs in zip(gold, answers, strict=True))
    total = sum(map(len, gold)) + sum(map(len, answers))
    return 2 * right / total if total else 0.0


# Training


def only_phase(config, params):
    """The phase of a config without phases."""
    (phase,) = plan(config, None, params)
    return phase


class Run:
    """A model with its training step, on one device; of one layer, which compiles quickly."""

    def __init__(self, tokenizer, **overrides):
        self.config = make_config(**{"encoder__layers": 1, **overrides})
        self.model, self.params = model_and_params(self.config, tokenizer)
        self.mesh = make_mesh(1, self.config.train.batch_rows, self.config.train.accumulate)
        phase = only_phase(self.config, self.params)
        (self.optimizer,) = make_optimizers(self.config, [phase], self.params)
        self.step = make_step(self.model, self.optimizer, self.config, self.mesh, phase.frozen)

    def state(self):
        """A fresh state, placed as the step returns it; otherwise the step would recompile."""
        params = jax.tree.map(jnp.copy, self.params)  # the step donates its argument
        balance = make_balancer(self.config).init(len(self.config.tasks))
        state = TrainState(jnp.int32(0), params, self.optimizer.init(params), balance)
        return place(state, of_state(state, self.mesh))

    def __call__(self, batch, steps=1):
        """(state, metrics of the last step) after training on one batch again and again."""
        state, key = self.state(), place(jax.random.key(0), replicated(self.mesh))
        for _ in range(steps):
            state, metrics = self.step(state, place_batch(batch, self.mesh), key)
        return state, jax.device_get(metrics)

    @functools.cached_property
    def gradient(self):
        """The gradient before clipping, compiled once for batches of one shape."""
        frozen = jax.tree.map(lambda _: False, self.params)
        return jax.jit(make_gradient(self.model, self.config, frozen))


def balanced(run, batch):
    """((losses, weights, state), gradients) of a batch, before clipping."""
    counts = {name: mask.sum() for name, mask in batch.masks.items()}
    state = make_balancer(run.config).init(len(run.config.tasks))
    return run.gradient(run.params, batch, counts, jax.random.key(0), state)


def without(batch, task):
    """A batch without the labels of a task."""
    return batch._replace(masks={**batch.masks, task: np.zeros_like(batch.masks[task])})


# Reports

ROW = Row(0.5, 0.25, 1 / 3, 1234)
TOPIC = Score(
    figures=(Figure("macro_f1", "macro F1", 0.7), Figure("accuracy", "accuracy", 0.75)),
    sentences=4,
    rows={"sports": ROW, "<b>": ROW},
    totals={"accuracy 0.750": Row(None, None, 0.7)},
    confusion=Confusion(("sports", "<b>"), ((2, 1), (0, 1))),
    ceiling=None,
    loss=0.5,
).as_json()
NER = Score(
    figures=(
        Figure("f1", "entity F1, strict", 1 / 3),
        Figure("precision", "entity precision, strict", 0.5),
        Figure("recall", "entity recall, strict", 0.25),
    ),
    sentences=4,
    rows={"PER": ROW},
    totals={"strict, overall": Row(0.5, 0.25, 1 / 3)},
    confusion=Confusion(("PER", "(none)"), ((0, 0), (0, 0))),
    ceiling=Ceiling("io", 0.9876),
    loss=0.25,
).as_json()
FINAL = {"best_step": 3, "steps": 4, "parameters": 5678, "seconds": 61.2, "device": "CPU, 2 cores"}


class Elements(HTMLParser):
    """A page as a browser parses it.

    Attributes:
      counts: tag -> how often it occurs.
      open: tags that are not closed; [] for a well-formed page.
      fetched: what a browser would load.
      headings: texts of h1 to h3.
      text: what a reader sees, without scripts and styles.
      rows: the cells of each row of all tables.
      charts: caption -> Vega-Lite specification.
    """

    VOID = ("meta", "br")

    def __init__(self, page):
        super().__init__()
        self.counts, self.open, self.fetched = {}, [], []
        self.headings, self.text, self.rows, self.charts = [], "", [], {}
        self._caption = ""
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.fetched += [
            value for name, value in attrs if name in ("src", "href") and value[0] != "#"
        ]
        if tag not in self.VOID:
            self.open.append(tag)
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")
        elif tag in ("h1", "h2", "h3"):
            self.headings.append("")
        elif tag == "figcaption":
            self._caption = ""

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        within = self.open[-1] if self.open else ""
        if within == "script":
            if "figure" in self.open:
                self.charts[self._caption] = json.loads(data)
            return
        if within == "style":
            return
        self.text += data
        if within in ("td", "th"):
            self.rows[-1][-1] += data
        elif within in ("h1", "h2", "h3"):
            self.headings[-1] += data
        elif within == "figcaption":
            self._caption += data


# Tasks of all four kinds

FOUR_KINDS = {
    "tasks__subjects": {"kind": "multilabel", "labels": ("money", "law", "people"), "dropout": 0.0},
    "tasks__pos": {"kind": "tags", "labels": ("NOUN", "VERB", "OTHER"), "dropout": 0.0},
    "train__score": "topic=1, ner=1, subjects=1, pos=1",
}
SUBJECTS = [("people",), ("law", "people"), ("money", "people"), ("law",), (), ("money",)]


def four_task_config(**overrides):
    """`make_config` with a task of each kind: topic, ner, subjects and pos."""
    return make_config(**FOUR_KINDS | overrides)


def four_task_records():
    """The records of SENTENCES with labels of all four tasks."""
    verbs = {"scored", "resigned", "joined", "passed", "beat", "fell"}
    return [
        record(
            *sentence,
            subjects=subjects,
            pos=tuple(
                "VERB" if word in verbs else "NOUN" if word.istitle() else "OTHER"
                for word in sentence[0].split()
            ),
        )
        for sentence, subjects in zip(SENTENCES, SUBJECTS, strict=True)
    ]


def save_four_tasks(folder, tokenizer, thresholds=(), **overrides):
    """A run directory like that of `save_untrained`, with tasks of all four kinds.

    `thresholds` are those of the multilabel task, as if chosen on dev.
    """
    config = four_task_config(**overrides)
    _, params = model_and_params(config, tokenizer)
    # Larger than at the start of training, so that answers differ from text to text.
    for head in params["heads"].values():
        head["logits"]["kernel"] *= 100
    tasks = [
        dataclasses.replace(task, thresholds=thresholds) if task.name == "subjects" else task
        for task in config.task_list
    ]
    saved_model.save(folder / "model", config, params, tokenizer, "", tasks)
    return folder


SUBJECTS_SCORE = Score(
    figures=(
        Figure("micro_f1", "micro F1", 0.625),
        Figure("macro_f1", "macro F1", 0.5),
        Figure("exact_match", "whole sets right", 0.375),
    ),
    sentences=8,
    rows={"money": Row(0.5, 1.0, 2 / 3, 4), "law": Row(0.25, 0.5, 1 / 3, 2)},
    totals={"micro, all labels": Row(0.5, 0.75, 0.625)},
    confusion=None,
    ceiling=None,
    loss=0.5,
).as_json()
POS_SCORE = {**TOPIC, "headline": "accuracy"}
CALIBRATION = Calibration(
    1.5,
    Reliability(0.125, (Bin(3, 0.5, 0.25), Bin(1, 0.875, 1.0))),
    Reliability(0.0625, (Bin(4, 0.5, 0.5),)),
)
CALIBRATED = Score.from_json(TOPIC)._replace(calibration=CALIBRATION).as_json()
