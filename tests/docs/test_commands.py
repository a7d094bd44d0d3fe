"""Every command of the pages runs as a reader would paste it.

A block for a shell is a test: its commands run in order, in a folder that stands for the reader's
checkout (`checkout.py`), and each has to exit with 0. What cannot run here is in `CHECKED`, and its
flags and files are checked (`accepted.py`). Training is cut short, see `warm.py`.
"""

import re

import pytest

from tests.docs import accepted
from tests.docs.pages import PAGES, name_of, shell_blocks, spans

pytestmark = pytest.mark.peers  # slow: runs every command of the documentation

# (page, beginning of the command, why it does not run here)
CHECKED = [
    ("README.md", "pip install -r requirements-dev.txt && python -m pytest", "the whole suite"),
    ("CONTRIBUTING.md", "python -m venv", "the environment is that of the test"),
    ("CONTRIBUTING.md", "pip install -r requirements-dev.txt && python -m pytest", "the suite"),
    ("CONTRIBUTING.md", "python -m pytest", "tests of this suite"),
    ("CONTRIBUTING.md", "ruff ", ".ci/run runs it"),
    ("CONTRIBUTING.md", "mypy", ".ci/run runs it"),
    ("docs/beam.md", "python pipeline.py /models", "needs a cluster"),
    ("docs/beam.md", "taskset -c 0 python benchmarks/predict.py", "takes minutes"),
    ("docs/distributed.md", "python launch.py --config=configs/balanced.py --coordinator",
     "needs two machines; tests/devices/test_processes.py runs two processes on one"),
    ("docs/distributed.md", "srun", "needs a cluster with Slurm"),
    ("docs/loggers.md", "wandb sync", "needs a network and an account"),
    ("docs/loggers.md", "mlflow ui", "needs MLflow with its web page, which is large"),
    ("docs/results.md", "python benchmarks/ablation.py", "takes an hour"),
    ("docs/results.md", "python benchmarks/student.py", "takes minutes"),
]  # fmt: skip
# Flags that a page shows alone -> a command that they can be added to.
ADDED_TO = {
    ("docs/tasks.md", "--config.data.subjects.separator"): "mtt train --config=four_tasks "
    "--config.data.topic.train=news.jsonl --config.data.subjects.train=subjects.csv "
    "--config.data.subjects.label=labels --config.data.ner.train=news.jsonl "
    "--config.data.pos.train=news.jsonl",
    ("docs/tasks.md", "--config.data.comments.label"): "mtt train --config=comments.py "
    "--config.data.comments.train=comments.csv",
    ("docs/tasks.md", "--config.data.pos.train"): "mtt train --config=four_tasks "
    "--config.data.topic.train=news.jsonl --config.data.subjects.train=news.jsonl "
    "--config.data.ner.train=news.jsonl",
    ("docs/unlabelled.md", "--config.init_from"): "mtt train --config=balanced "
    "--workdir=runs/started",
}
# Pages whose commands run on several devices.
DEVICES = {"docs/distributed.md": 8}

BLOCKS = [(name_of(path), block) for path in PAGES for block in shell_blocks(path)]


def row_of(table, command):
    """The (page, beginning) in a table that a command is in, or None."""
    for row in table:
        if command.page == row[0] and command.text.startswith(row[1]):
            return row
    return None


@pytest.mark.parametrize(
    ("checkout", "block"), BLOCKS, indirect=["checkout"], ids=[str(block[0]) for _, block in BLOCKS]
)
def test_every_command_of_a_block_runs(checkout, block):
    for command in block:
        if row_of(CHECKED, command):
            checkout.provide(command.text)
            for part in re.split(r" && ", command.text):
                words = type(command)(command.page, command.line, part).words
                assert not accepted.fault(words, checkout.folder), str(command)
            continue
        variables = {}
        if command.page in DEVICES:
            count = DEVICES[command.page]
            variables["XLA_FLAGS"] = f"--xla_force_host_platform_device_count={count}"
        added = row_of(ADDED_TO, command)
        text = f"{ADDED_TO[added]} {command.text}" if added else None
        checkout.run(command, text, **variables)


def test_every_row_of_the_tables_is_about_a_command_of_its_page():
    commands = [command for _, block in BLOCKS for command in block]
    for row in [*CHECKED, *ADDED_TO]:
        assert any(row_of([row], command) for command in commands), row


SPANS = {name_of(path): list(spans(path)) for path in PAGES}


@pytest.mark.parametrize("checkout", [page for page in SPANS if SPANS[page]], indirect=True)
def test_commands_within_the_text_name_flags_and_files_that_exist(checkout, request):
    page = request.node.callspec.params["checkout"]
    faults = []
    for command in SPANS[page]:
        checkout.provide(command.text)
        fault = accepted.fault(command.words, checkout.folder)
        faults += [f"{command}: {command.text}: {fault}"] * bool(fault)
    assert not faults, "\n".join(faults)


def test_no_command_has_a_placeholder():
    for _, block in BLOCKS:
        for command in block:
            assert "..." not in command.text.partition("#")[0], command
