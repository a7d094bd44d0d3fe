"""The files in configs/: each says how to run it, and each is a valid config."""

import ast
from pathlib import Path

import pytest

from mtt_jax.config_files import load_file
from mtt_jax.resolve import resolve

ROOT = Path(__file__).resolve().parents[1]
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


def test_the_default_run_draws_the_scarce_task_more_often_than_its_share():
    config = resolve(load_file(str(ROOT / "configs" / "balanced.py")))
    ner, topic = config.tasks["ner"].sampling, config.tasks["topic"].sampling
    assert ner / (ner + topic) > 2 * (1_200 / 13_200)
