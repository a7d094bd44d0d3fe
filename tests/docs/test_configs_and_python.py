"""The commands in the docstrings of configs/, and the Python code of the pages, run as they stand."""

import importlib.util
import re
import shutil

import numpy as np
import pytest

from tests.docs import accepted
from tests.docs.pages import CONFIGS, PAGES, Command, blocks, name_of, shell_blocks

pytestmark = pytest.mark.peers  # slow: trains each config

# (config, beginning of the command, why it does not run here)
CHECKED = [("configs/news_tfds.py", "python launch.py", "needs a network")]
BLOCKS = [(name_of(path), block) for path in CONFIGS for block in shell_blocks(path)]


@pytest.mark.parametrize(
    ("checkout", "block"), BLOCKS, indirect=["checkout"], ids=[str(block[0]) for _, block in BLOCKS]
)
def test_a_config_trains_by_the_command_of_its_docstring(checkout, block):
    """Flags alone are added to the command above them, in a run of its own."""
    for command in block:
        if any((command.page, command.text[: len(row[1])]) == row[:2] for row in CHECKED):
            assert not accepted.fault(command.words, checkout.folder), str(command)
        elif command.text.startswith("--"):
            first = next(c for page, b in BLOCKS for c in b if page == command.page and
                         c.text.startswith("python launch.py"))  # fmt: skip
            flags = command.text
            if "ag_news" not in first.text and "topic.text" in flags:  # "those of AG News need"
                flags += " --config.data.topic.train=ag_news/train.csv --config.data.topic.test=ag_news/test.csv"
            checkout.run(command, f"{first.text} --workdir=runs/added {flags}")
        else:
            checkout.run(command)
            if command.text.startswith("python launch.py"):
                run = checkout.folder / "runs" / command.page.split("/")[1].removesuffix(".py")
                assert (run / "metrics.json").is_file()


def test_every_row_of_the_table_is_about_a_command():
    commands = [command for _, block in BLOCKS for command in block]
    for page, start, _ in CHECKED:
        assert any(c.page == page and c.text.startswith(start) for c in commands)


# Packages that some code needs besides the requirements of development and of peers.
NEEDS = {"docs/bulk.md": "tests/predict/test_bulk.py runs both files, on Ray Data and Spark"}
PYTHON = [name_of(path) for path in PAGES if list(blocks(path, "python"))]


def given(page):
    """Names that a page leaves to its reader."""
    if page in ("docs/predict.md", "docs/spacy.md"):
        texts, ids = ["Tom Fry scored in Rome.", "Rain."], np.array([[2, 7, 8, 3]], np.int32)
        ones = np.ones_like(ids)
        return {"texts": texts, "pairs": [(texts[0], 1)], "input_ids": ids, "attention_mask": ones}
    if page == "docs/balance.md":
        import jax
        import jax.numpy as jnp

        losses = jnp.array([1.0, 2.0, 3.0])
        present = jnp.array([True, True, True])
        return {"losses": losses, "gram": jnp.eye(3), "key": jax.random.key(0), "present": present}
    return {}


# A config of this name in the reader's folder is found before the one that comes with the package.
SHORT = """
from mtt_jax.config import base_config


def get_config():
    config = base_config("balanced")
    config.encoder.update(layers=1, width=16, heads=2, feedforward=16)
    config.data.update(source="files", max_length=64, overlap=8, cache_dir=".cache")
    config.data.topic.update(train="topics.csv", test="topics_test.csv")
    config.data.ner.update(train="train.conll", test="test.conll")
    config.train.update(steps=2, eval_every=2, warmup=0, batch_rows=8, row_length=64)
    config.mesh.data = 1
    return config
"""


@pytest.mark.parametrize("checkout", PYTHON, indirect=True)
def test_the_python_code_of_a_page_runs_from_top_to_bottom(checkout, request, monkeypatch):
    page = request.node.callspec.params["checkout"]
    (path,) = (path for path in PAGES if name_of(path) == page)
    monkeypatch.chdir(checkout.folder)
    names = {"__name__": "pasted", **given(page)}
    for line, code in blocks(path, "python"):
        compiled = compile("\n" * (line - 1) + code, str(path), "exec")
        if page in NEEDS and not all(importlib.util.find_spec(p) for p in ("ray", "pyspark")):
            continue
        if re.match(r"# \w+\.py\n", code):  # a file, which the commands of the page start
            continue
        if "mtt_jax.train(" in code:
            (checkout.folder / "balanced.py").write_text(SHORT, encoding="utf-8")
            shutil.rmtree(checkout.folder / "runs" / "balanced", ignore_errors=True)
        else:
            checkout.provide(code)
        exec(compiled, names)
        if "def get_config" in code:
            (checkout.folder / "pasted.py").write_text(code, encoding="utf-8")
            checkout.run(
                Command(page, line, "the config, in a file of its own"),
                "mtt train --config=pasted.py",
            )

