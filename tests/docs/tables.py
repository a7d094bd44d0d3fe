"""What is special about some commands of the pages, and how a block of commands is run."""

import os
import shutil
from pathlib import Path

import pytest

from tests.docs import accepted
from tests.docs.pages import Command
from tests.docs.warm import flags_of

# (page, beginning of the command, why it does not run here): `accepted.py` checks these.
CHECKED = [
    ("README.md", "pip install -r requirements-dev.txt && python -m pytest", "the whole suite"),
    ("README.md", "pip install -r requirements.txt && python launch.py",
     "the same as after git clone, which runs"),
    ("README.md", "git clone", "the checkout is that of the test"),
    ("README.md", "mtt diagnose", "the same command as in docs/diagnose.md, which runs"),
    ("CONTRIBUTING.md", "sphinx-build", "tests/docs/test_site.py builds the site"),
    ("CONTRIBUTING.md", "python -m venv", "the environment is that of the test"),
    ("CONTRIBUTING.md", "pip install -r requirements-dev.txt && python -m pytest", "the suite"),
    ("CONTRIBUTING.md", "python -m pytest", "tests of this suite"),
    ("CONTRIBUTING.md", "ruff ", ".ci/run runs it"),
    ("CONTRIBUTING.md", "mypy", ".ci/run runs it"),
    ("configs/news_tfds.py", "python launch.py", "needs a network"),
    ("docs/beam.md", "python pipeline.py /models", "needs a cluster"),
    ("docs/beam.md", "taskset -c 0 python benchmarks/predict.py", "takes minutes"),
    ("docs/dependencies.md", "python docs/licences.py",
     "needs the packages of every file with requirements"),
    ("docs/distributed.md", "python launch.py --config=configs/balanced.py --coordinator",
     "needs two machines; tests/devices/test_processes.py runs two processes on one"),
    ("docs/distributed.md", "srun", "needs a cluster with Slurm"),
    ("docs/guide.md", "mtt diagnose", "the same command as in docs/diagnose.md, which runs"),
    ("docs/loggers.md", "wandb sync", "needs a network and an account"),
    ("docs/loggers.md", "mlflow ui", "a server of MLflow, not of ours"),
    ("docs/reliability.md", "python benchmarks/long_run.py", "takes ten minutes"),
    ("docs/reliability.md", "python tests/faults/fuzz.py", "takes minutes"),
    ("docs/results.md", "python benchmarks/ablation.py", "takes an hour"),
    ("docs/results.md", "python benchmarks/student.py", "takes minutes"),
]  # fmt: skip

_FILES = (
    "--config.data.ner.train=train.conll --config.data.ner.dev=dev.conll "
    "--config.data.ner.test=test.conll"
)
_AG_NEWS = "--config.data.topic.train=ag_news/train.csv --config.data.topic.test=ag_news/test.csv"
_NEWS = (
    "mtt train --config=four_tasks --config.data.topic.train=news.jsonl "
    "--config.data.ner.train=news.jsonl"
)
# (page, beginning of flags that it shows alone) -> a command that they can be added to.
ADDED_TO = {
    ("configs/ag_news.py", "--config.tasks.topic.labels"):
    f"mtt train --config=ag_news --workdir=runs/three {_AG_NEWS} {_FILES}",
    ("configs/pretrained.py", "--config.data.topic.text"):
    f"mtt train --config=pretrained --workdir=runs/ag_news {_AG_NEWS} {_FILES}",
    ("docs/tasks.md", "--config.data.subjects.separator"):
    f"{_NEWS} --config.data.subjects.train=subjects.csv --config.data.subjects.label=labels "
    "--config.data.pos.train=news.jsonl --workdir=runs/separated",
    ("docs/tasks.md", "--config.data.comments.label"):
    "mtt train --config=comments.py --config.data.comments.train=comments.csv",
    ("docs/tasks.md", "--config.data.pos.train"):
    f"{_NEWS} --config.data.subjects.train=news.jsonl --workdir=runs/columns",
    ("docs/unlabelled.md", "--config.init_from"):
    "mtt train --config=balanced --workdir=runs/started",
}  # fmt: skip

# Pages whose commands find several devices.
_DEVICES = {"docs/distributed.md": 8}


def row_of(table, command):
    """The (page, beginning, ...) in a table that is about a command, or None."""
    for row in table:
        if command.page == row[0] and command.text.startswith(row[1]):
            return row
    return None


def each_block(blocks):
    """Parametrizes a test with blocks of commands, each with the `checkout` of its page."""
    return pytest.mark.parametrize(
        ("checkout", "block"), [(block[0].page, block) for block in blocks], indirect=["checkout"],
        ids=[str(block[0]) for block in blocks], scope="module",  # or each would get a checkout
    )  # fmt: skip


def run_block(checkout, block):
    """Runs the commands of a block in order, or checks those that cannot run here.

    Raises:
      AssertionError or a failure of pytest: naming page, line and command.
    """
    for command in block:
        if row_of(CHECKED, command):
            check(checkout, command)
            if command.words[:2] == ["git", "clone"]:  # a clone has no runs
                shutil.rmtree(checkout.folder / "runs", ignore_errors=True)
            continue
        count = _DEVICES.get(command.page, 1)
        flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={count}"
        added = row_of(ADDED_TO, command)
        text = f"{ADDED_TO[added]} {command.text}" if added else command.text
        files = list(written(Command(command.page, command.line, text).words))
        for file in files:  # a run that is finished would only say so
            assert not file.endswith("metrics.json") or not (checkout.folder / file).exists(), (
                f"{command}: {text}: a command above wrote {file}; add --workdir"
            )
        checkout.run(command, text, XLA_FLAGS=flags)
        for file in files:
            assert (checkout.folder / file).exists(), f"{command}: {text}: no {file}"


def check(checkout, command):
    """Checks the flags and files of a command without running it."""
    checkout.provide(command.text)
    text = command.text
    for name, value in checkout.variables.items():
        text = text.replace(f"${name}", value)
    for part in text.split(" && "):
        words = Command(command.page, command.line, part).words
        fault = accepted.fault(words, checkout.folder)
        assert not fault, f"{command}: {command.text}: {fault}"
        for word in words:
            if word.startswith("runs/") and "*" in word:
                assert list(checkout.folder.glob(word)), f"{command}: {word}: no such file"


def written(words):
    """What a command leaves behind, as far as its flags say so."""
    flags = flags_of(words)
    trains = "launch.py" in words or "train" in words or "distill" in words
    if trains and "--dry-run" not in words:
        name = Path(flags["config"]).stem + "-distilled" * ("distill" in words)
        yield f"{flags.get('workdir', f'runs/{name}')}/metrics.json"
        yield f"{flags.get('workdir', f'runs/{name}')}/report.html"
    for flag in ("out", "output"):
        if flag in flags:
            yield flags[flag]
    if "export" in words:
        yield words[words.index("export") + 2]
