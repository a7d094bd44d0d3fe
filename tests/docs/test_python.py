"""The Python code of the pages runs from top to bottom, and commands within the text are right."""

import importlib
import re
import shutil

import numpy as np
import pytest

from tests.docs import accepted
from tests.docs.checkout import MINILM
from tests.docs.pages import PAGES, Command, blocks, name_of, spans

pytestmark = pytest.mark.peers  # slow: trains and predicts, with what the pages are about

PYTHON = [name_of(path) for path in PAGES if list(blocks(path, "python"))]
SPANS = {name_of(path): list(spans(path)) for path in PAGES}


def given(page):
    """Names that a page leaves to its reader; spaCy finds the component of an installed package."""
    if page in ("README.md", "docs/spacy.md"):
        importlib.import_module("mtt_jax.predict.spacy")
    if page in ("docs/predict.md", "docs/spacy.md"):
        texts, ids = ["Tom Fry scored in Rome.", "Rain."], np.array([[2, 7, 8, 3]], np.int32)
        ones = np.ones_like(ids)
        return {"texts": texts, "pairs": [(texts[0], 1)], "input_ids": ids, "attention_mask": ones}
    if page == "README.md":
        import apache_beam as beam

        return {"texts": beam.Pipeline() | beam.Create(["Tom Fry scored in Rome."])}
    if page == "docs/coming_from.md":
        return {"name": MINILM, "text": "Tom Fry scored in Rome."}
    if page == "docs/balance.md":
        import jax
        import jax.numpy as jnp

        losses = jnp.array([1.0, 2.0, 3.0])
        present = jnp.array([True, True, True])
        return {"losses": losses, "gram": jnp.eye(3), "key": jax.random.key(0), "present": present}
    return {}


# (page, beginning of the code, why it is not run).
NOT_RUN = [
    ("docs/coming_from.md", 'nlp = spacy.load("en_core_web_sm"', "needs a download"),
    ("docs/coming_from.md", "model = AutoModelForTokenClassification", "code of transformers"),
    ("docs/coming_from.md", "embedding = TransformerEmbeddings", "code of Flair"),
]


def is_run(page, code):
    return not any(page == where and code.startswith(begins) for where, begins, _ in NOT_RUN)


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


def test_every_row_of_the_table_is_about_code_of_its_page():
    found = [(name_of(path), code) for path in PAGES for _, code in blocks(path, "python")]
    assert sum(not is_run(*one) for one in found) == len(NOT_RUN)


@pytest.mark.parametrize("checkout", PYTHON, indirect=True)
def test_the_python_code_of_a_page_runs_from_top_to_bottom(checkout, request, monkeypatch):
    page = request.node.callspec.params["checkout"]
    (path,) = (path for path in PAGES if name_of(path) == page)
    monkeypatch.chdir(checkout.folder)
    names = {"__name__": "pasted", **given(page)}
    for line, code in blocks(path, "python"):
        if not is_run(page, code):
            continue
        compiled = compile("\n" * (line - 1) + code, str(path), "exec")
        if re.match(r"# \w+\.py\n", code):  # a file; commands of the page, or test_bulk.py, run it
            continue
        if "mtt_jax.train(" in code:
            (checkout.folder / "balanced.py").write_text(SHORT, encoding="utf-8")
            shutil.rmtree(checkout.folder / "runs" / "balanced", ignore_errors=True)
            checkout.provide("--config=pretrained" if "pretrained" in code else "")
        else:
            checkout.provide(code)
        exec(compiled, names)
        if "def get_config" in code:
            (checkout.folder / "pasted.py").write_text(code, encoding="utf-8")
            checkout.run(
                Command(page, line, "the config, in a file of its own"),
                f"mtt train --config=pasted.py --workdir=runs/pasted-{line}",
            )


@pytest.mark.parametrize("checkout", [page for page in SPANS if SPANS[page]], indirect=True)
def test_commands_within_the_text_name_flags_and_files_that_exist(checkout, request):
    faults = []
    for command in SPANS[request.node.callspec.params["checkout"]]:
        checkout.provide(command.text)
        fault = accepted.fault(command.words, checkout.folder)
        faults += [f"{command}: {command.text}: {fault}"] * bool(fault)
    assert not faults, "\n".join(faults)
