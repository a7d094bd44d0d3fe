"""docs/troubleshooting.md: every message on the page is what a command prints, word for word.

A case makes the mistake and returns what was printed. Its name is the beginning of its message on
the page, so a message without a case, or a case without a message, fails.
"""

import contextlib
import io
import json
import os
import re
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from unittest.mock import patch

import pytest

from mtt_jax.cli import main
from mtt_jax.devices import memory
from tests.helpers import ROOT, save_untrained

PAGE = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
MESSAGES = re.findall(r"^```text\n(.*?)\n```$", PAGE, re.M | re.S)

FAST, SLOW = {}, {}


def case(begins, slow=False):
    """Registers a function that makes a mistake and returns what is printed."""

    def add(function):
        cases = SLOW if slow else FAST
        assert begins not in cases
        cases[begins] = function
        return function

    return add


@pytest.fixture(scope="module")
def run(tokenizer, tmp_path_factory):
    """A run directory with an untrained model, to predict with and to export."""
    return save_untrained(tmp_path_factory.mktemp("run"), tokenizer)


@pytest.fixture
def here(run, tmp_path, monkeypatch):
    """A working directory with good files and the run runs/balanced."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(run, "runs/balanced")
    write("topics.csv", TOPICS)
    write("train.conll", ENTITIES)
    write("news.txt", "Ann left Oslo.\nRovers beat City.\n")
    return tmp_path


def test_every_message_on_the_page_has_one_case_and_every_case_a_message():
    """Together with the two tests below: all messages are as printed."""
    found = [[name for name in {**FAST, **SLOW} if m.startswith(name)] for m in MESSAGES]
    assert [names for names in found if len(names) != 1] == []
    assert sorted(name for (name,) in found) == sorted([*FAST, *SLOW])


@pytest.mark.parametrize("begins", FAST)
def test_the_message_on_the_page_is_what_is_printed(begins, here):
    assert FAST[begins]() == on_page(begins)


@pytest.mark.peers  # slow: these train a model, or start processes that import JAX
@pytest.mark.parametrize("begins", SLOW)
def test_the_message_on_the_page_is_what_is_printed_after_longer_work(begins, here):
    assert SLOW[begins]() == on_page(begins)


def on_page(begins):
    (message,) = [message for message in MESSAGES if message.startswith(begins)]
    return message


# What users do

TOPICS = "text,topic\n" + "".join(
    f"Rovers win game {i}.,sports\nThe mayor speaks on day {i}.,politics\n" for i in range(20)
)
ENTITIES = "".join(f"Ann B-PER\nleft O\nOslo B-LOC\n{i} O\n\n" for i in range(20))


def write(name, text):
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_bytes(text if isinstance(text, bytes) else text.encode())


def rows(*items):
    return "".join(json.dumps(item, ensure_ascii=False) + "\n" for item in items)


def entity(start, end, label):
    return {"start": start, "end": end, "label": label}


def mtt(*arguments):
    """What a command prints on standard error, from the error on."""
    printed = io.StringIO()
    with contextlib.redirect_stderr(printed), contextlib.redirect_stdout(io.StringIO()):
        assert main(list(arguments)) == 2
    return from_error(printed.getvalue())


def python(*arguments, **environment):
    """The same of a process."""
    done = subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT), **environment},
    )
    assert done.returncode == 2, done.stderr
    return from_error(done.stderr)


def from_error(printed):
    return printed[printed.index("error: ") :].rstrip("\n")


def train(*flags):
    """Training on topics.csv and train.conll, or on what the flags name instead."""
    return mtt(*NEWS, *flags)


NEWS = (
    "train", "--config=news_files", "--config.data.cache_dir=cache",
    "--config.data.topic.train=topics.csv", "--config.data.ner.train=train.conll",
)  # fmt: skip


def train_topics(text, name="topics.csv", *flags):
    write(name, text)
    return train(f"--config.data.topic.train={name}", *flags)


def train_entities(text, name="train.conll", *flags):
    write(name, text)
    return train(f"--config.data.ner.train={name}", *flags)


# Installing


@case("error: mtt_jax needs Python 3.11")
def an_old_python():
    start = f"import runpy; runpy.run_path({str(ROOT / 'launch.py')!r})"
    return python("-S", "-c", f"import sys; sys.version_info = (3, 10, 13); {start}")


@case("error: no module named 'absl'")
def no_packages():
    return python("-S", str(ROOT / "launch.py"))


@case("error: onnxruntime is not installed")
def no_onnxruntime():
    with patch.dict(sys.modules, {"onnxruntime": None}):
        return mtt("predict", "runs/balanced", "news.txt", "--engine=onnx")


@case("error: JAX_PLATFORMS=cuda", slow=True)
def no_gpu():
    if Path("/dev/nvidiactl").exists():
        pytest.skip("this machine has a GPU")
    return python("-m", "mtt_jax", "train", "--config=balanced", JAX_PLATFORMS="cuda")


# Configs and flags


@case("error: --config: balancd")
def a_misspelled_config():
    return mtt("train", "--config=balancd")


@case("error: --config.train.step:")
def a_misspelled_field():
    return mtt("train", "--config=balanced", "--config.train.step=500")


@case("error: --config.tasks.sentiment:")
def an_undeclared_task():
    return mtt("train", "--config=balanced", "--config.tasks.sentiment.kind=classes")


@case("error: --lr: no such option")
def a_flag_of_another_tool():
    return mtt("train", "--config=balanced", "--lr=3e-5")


@case("error: config.data.topic.train: data.source=newswire")
def files_for_the_embedded_corpus():
    return mtt("train", "--config=balanced", "--config.data.topic.train=topics.csv")


@case("error: config.data.ner.train: data.source=files needs")
def a_task_without_a_file():
    return mtt("train", "--config=news_files", "--config.data.topic.train=topics.csv")


@case("error: config.train.row_length:")
def long_texts_in_short_rows():
    return train("--config.data.max_length=256")


@case("error: config.encoder.init: bert-base-cased", slow=True)
def a_hub_that_cannot_be_reached():
    printed = python(
        "-m", "mtt_jax", "train", "--config=pretrained", "--config.data.topic.train=topics.csv",
        "--config.data.ner.train=train.conll", "--config.encoder.init=bert-base-cased",
        HF_HUB_OFFLINE="1",
    )  # fmt: skip
    return re.sub(r" from here \(.*?\)\. Where", " from here (...). Where", printed)


@case("error: bert: contains pytorch_model.bin")
def a_pickle():
    write("bert/config.json", json.dumps(BERT))
    write("bert/pytorch_model.bin", b"x")
    write("bert/vocab.txt", "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\nann\n")
    return train("--config.encoder.init=bert")


BERT = {
    "model_type": "bert", "vocab_size": 6, "hidden_size": 8, "num_hidden_layers": 1,
    "num_attention_heads": 2, "intermediate_size": 8, "max_position_embeddings": 512,
    "type_vocab_size": 2, "hidden_act": "gelu", "layer_norm_eps": 1e-12,
}  # fmt: skip


# Data files


@case("error: topics.jsonl: no line has the key")
def an_unusual_key():
    return train_topics(
        rows({"text": "Rovers win.", "desk": "sports"}, {"text": "He spoke.", "desk": "politics"}),
        "topics.jsonl",
    )


@case("error: topics.tsv, line 1: there are 3 columns")
def columns_without_names():
    return train_topics("17\tRovers win.\tsports\n18\tHe speaks.\tpolitics\n", "topics.tsv")


@case("error: topics.csv, line 2: 3 columns")
def a_comma_without_quotes():
    return train_topics("text,topic\nRovers win, and sing.,sports\n")


@case("error: topics.csv, line 3: byte 2")
def two_encodings():
    return train_topics("text,topic\nCafé,sports\n".encode() + "Zürich,politics\n".encode("cp1252"))


@case("error: train.conll, line 2: 'left' is alone")
def a_word_without_a_tag():
    return train_entities("Ann B-PER\nleft\nOslo B-LOC\n")


@case("error: train.jsonl, line 2: entity LOC at 0:6")
def an_entity_outside_its_text():
    return train_entities(
        rows(
            {"text": "Ann left.", "entities": [entity(0, 3, "PER")]},
            {"text": "Oslo.", "entities": [entity(0, 6, "LOC")]},
        ),
        "train.jsonl",
    )


@case("error: train.jsonl, line 1: the offsets of entities seem to count UTF-16")
def offsets_of_javascript():
    found = [entity(5, 8, "PER"), entity(14, 18, "LOC")]
    return train_entities(
        rows(*({"text": f"🎉🎉 Ann left Oslo {i}.", "entities": found} for i in range(5))),
        "train.jsonl",
    )


@case("error: train.jsonl, line 1: entity LOC at 8:12 overlaps")
def overlapping_entities():
    found = [entity(0, 12, "ORG"), entity(8, 12, "LOC")]
    return train_entities(rows({"text": "Bank of Oslo fell.", "entities": found}), "train.jsonl")


@case("error: train.jsonl, line 1: 'ner_tags' holds numbers")
def tags_as_numbers():
    item = {"tokens": ["Ann", "left", "Oslo"], "ner_tags": [1, 0, 5]}
    return train_entities(rows(item), "train.jsonl")


@case("error: train.jsonl, line 1: 'ner_tags' holds -100")
def a_tokenized_data_set():
    item = {"tokens": ["Ann", "left", "Oslo"], "ner_tags": [1, 0, -100]}
    return train_entities(rows(item), "train.jsonl")


# Labels


@case("error: topics.csv, line 2: 'Sports' (20 times)")
def a_label_that_the_task_lacks():
    labels = "--config.tasks.topic.labels=sports,politics"
    return train_topics(TOPICS.replace("sports", "Sports"), "topics.csv", labels)


@case("error: config.tasks.topic.labels: not in the training data")
def a_label_only_in_dev():
    write("dev.csv", "text,topic\nRovers win.,sports\nA storm is near.,weather\n")
    return train("--config.data.topic.dev=dev.csv")


@case("error: config.data.topic.label: 250 different labels")
def ids_for_labels():
    return train_topics("text,topic\n" + "".join(f"Game {i}.,id{i}\n" for i in range(250)))


# Training


@case("error: step 7: the loss is nan", slow=True)
def a_loss_that_is_not_finite():
    printed = train(
        *TINY, "--workdir=runs/steep", "--config.train.steps=30", "--config.train.log_every=1",
        "--config.train.learning_rate=1e30", "--config.train.warmup=0", "--config.train.clip=0",
    )  # fmt: skip
    # Which task's loss overflows first depends on the machine.
    return re.sub(r"\(\w+ [\w.+-]+, \w+ [\w.+-]+\)", "(ner nan, topic 0)", printed)


TINY = (
    "--config.encoder.layers=1", "--config.encoder.width=12", "--config.encoder.heads=2",
    "--config.encoder.feedforward=12", "--config.data.max_length=16", "--config.data.overlap=4",
    "--config.train.row_length=16", "--config.train.batch_rows=2", 
    "--config.tokenizer.vocab_size=200",
    "--config.train.log_to=", "--config.train.save_every=2",
)  # fmt: skip


# Resuming


@case("error: --workdir: runs/first holds a run with another config", slow=True)
def a_directory_of_another_config():
    stopped_run()
    return train(*TINY, "--workdir=runs/first", "--config.train.steps=500")


@case("error: runs/first: the content of config.data.topic.train", slow=True)
def data_that_has_changed():
    stopped_run()
    return train_topics(f"{TOPICS}It rains.,politics\n", "topics.csv", *FIRST)


@case("error: runs/first: this run has no model yet", slow=True)
def a_run_that_is_not_finished():
    stopped_run()
    return mtt("predict", "runs/first", "news.txt")


FIRST = (*TINY, "--workdir=runs/first", "--config.train.steps=4")


def stopped_run():
    """The run runs/first, as a kill after its last checkpoint leaves it; trained once."""
    kept = Path.cwd().parent / "stopped"
    if not kept.exists():
        assert main([*NEWS, "--quiet", *FIRST]) == 0
        shutil.rmtree("runs/first/model")
        Path("runs/first/metrics.json").unlink()
        shutil.copytree("runs/first", kept)
    elif not Path("runs/first").exists():
        shutil.copytree(kept, "runs/first")


# Prediction


@case("error: reviews.jsonl, line 1: the key 'text' is missing")
def a_text_under_another_key():
    write("reviews.jsonl", rows({"id": 1, "opinion": "Good."}))
    return mtt("predict", "runs/balanced", "reviews.jsonl")


@case("error: --output: results.jsonl, line 1 is not")
def the_output_of_another_input():
    write("results.jsonl", rows({"text": "Rain tomorrow.", "topic": None, "ner": []}))
    return mtt("predict", "runs/balanced", "news.txt", "--output=results.jsonl")


# Export and serving


@case("error: --to=hf: this encoder reads word features")
def word_features_for_transformers():
    return mtt("export", "runs/balanced", "hf", "--to=hf")


@case("error: --port: cannot use 127.0.0.1:8000")
def a_port_in_use():
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        printed = mtt("serve", "runs/balanced", f"--port={port}")
    return printed.replace(f":{port}:", ":8000:")


# Memory


@case("error: config.train.batch_rows: 100,000,000 rows")
def a_batch_that_cannot_fit():
    printed = train("--config.train.batch_rows=100000000", "--workdir=runs/wide")
    return printed.replace(f"there are {memory.size(memory.of_machine())}.", "there are 16.0 GB.")
