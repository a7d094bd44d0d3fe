"""The files in configs/: each says how to run it, and each is a valid config."""

import ast
import io
import json
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from mtt_jax import Predictor
from mtt_jax.config.files import load_file
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskDataConfig
from mtt_jax.data.newswire.grammar import generate
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train
from tests.helpers import ROOT

FILES = sorted((ROOT / "configs").glob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_config_names_its_command_and_holds_only_fields_that_exist(path):
    text = path.read_text(encoding="utf-8")
    assert f"python launch.py --config=configs/{path.name}" in ast.get_docstring(ast.parse(text))
    config = load_file(str(path))
    if config.data.source == "files":
        for task in ("topic", "ner"):
            config.data[task].train = "given.csv"
    resolve(config)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Split -> a file of a few hundred sentences of the embedded corpus."""
    folder = tmp_path_factory.mktemp("files")
    written = {}
    for split, count in (("train", 400), ("test", 100)):
        written[split] = str(folder / f"{split}.jsonl")
        with open(written[split], "w", encoding="utf-8") as file:
            for text, topic, entities in generate(split, count):
                spans = [entity._asdict() for entity in entities]
                row = {"text": text, "label": topic, "entities": spans}
                file.write(json.dumps(row) + "\n")
    return written


def tiny(path, files):
    """A config with a small encoder of as many layers and few steps.

    One that is made for the embedded corpus reads that, one for other data a part of it.
    """
    config = load_file(str(path))
    layers = 6 if "layer_" in str(config.phases) else 1
    config.update(tokenizer={"vocab_size": 400})
    config.encoder.update(init="", layers=layers, width=8, heads=2, feedforward=16)
    config.encoder.lora_rank = min(config.encoder.lora_rank, 2)
    config.mesh.data = 1
    given = {} if config.data.source == "newswire" else files
    config.data.update(source="files" if given else "newswire", max_length=64)
    if given:
        config.data.cache_dir = str(Path(files["train"]).parent / "cache")
    config.data.overlap = 16
    for task in ("topic", "ner"):
        config.data[task].update({**TaskDataConfig().__dict__, **given})
    config.train.update(steps=2, warmup=1, batch_rows=16, row_length=64, eval_every=2)
    config.train.tensorboard = False
    for part in config.phases:
        part.update(steps=2, epochs=0.0, warmup=1)
    return resolve(config)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_config_runs_on_the_embedded_corpus(path, files, tmp_path):
    config = tiny(path, files)
    console = Console(RichConsole(file=io.StringIO(), width=120))
    final = train(config, tmp_path / "run", console)
    assert final["steps"] == 2 * max(len(config.phases), 1)
    assert set(final["test"]) == {"topic", "ner"}
    result = Predictor.load(tmp_path / "run")("Tom Fry scored in Rome.")
    assert result["topic"]["label"] in config.tasks["topic"].labels


def test_every_config_stands_in_the_table():
    table = (ROOT / "docs" / "configs.md").read_text(encoding="utf-8")
    for path in FILES:
        assert table.count(f"| [{path.name}](../configs/{path.name}) |") == 1


def test_the_default_run_draws_the_scarce_task_more_often_than_its_share():
    config = resolve(load_file(str(ROOT / "configs" / "balanced.py")))
    ner, topic = config.tasks["ner"].sampling, config.tasks["topic"].sampling
    assert ner / (ner + topic) > 2 * (1_200 / 13_200)


def test_no_page_has_a_gap():
    for page in [*(ROOT / "docs").rglob("*.md"), ROOT / "README.md"]:
        assert "@@" not in page.read_text(encoding="utf-8"), page
