"""The run in one process: any number of tasks, one file for all of them."""

import io
import json

import pytest
from rich.console import Console as RichConsole

from mtt_jax import Predictor
from mtt_jax.config import TaskConfig, default_config
from mtt_jax.console import Console
from mtt_jax.resolve import resolve
from mtt_jax.train.loop import train

TASKS = {
    "topic": TaskConfig(kind="sentence", labels=("sports", "others")),
    "tone": TaskConfig(kind="sentence", labels=("good", "bad")),
    "people": TaskConfig(kind="token", labels=("O", "PER"), scheme="iob2"),
    "places": TaskConfig(kind="token", labels=("O", "LOC")),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run of two sentence tasks and two token tasks on one JSONL file."""
    folder = tmp_path_factory.mktemp("four")
    with (folder / "data.jsonl").open("w") as file:
        for i in range(120):
            name, tone = ("Ann", "Tom", "Mo")[i % 3], ("good", "bad")[i % 2]
            text = f"{name} had a {tone} day {i} in Oslo"
            row = {
                "text": text,
                "topic": ("sports", "others")[i // 60],
                "tone": tone,
                "people": [{"start": 0, "end": len(name), "label": "PER"}],
                "places": [{"start": len(text) - 4, "end": len(text), "label": "LOC"}],
            }
            file.write(json.dumps(row) + "\n")
    config = default_config(TASKS)
    config.data.source, config.data.cache_dir = "files", str(folder / "cache")
    for name in TASKS:
        config.data[name].update(label=name, train=str(folder / "data.jsonl"))
    config.encoder.update(layers=1, width=32, heads=2, feedforward=32)
    config.train.update(steps=40, warmup=5, eval_every=40, batch_rows=8, learning_rate=5e-3)
    terminal = io.StringIO()
    console = Console(RichConsole(file=terminal, width=120))
    final = train(resolve(config), folder / "run", console)
    return folder / "run", final, terminal.getvalue()


def test_every_task_is_learned_and_scored(run):
    _, final, _ = run
    assert set(final["dev"]) == set(TASKS)
    assert final["dev"]["tone"]["accuracy"] == 1
    assert final["dev"]["people"]["f1"] == final["dev"]["places"]["f1"] == 1


def test_without_test_data_the_table_shows_dev(run):
    _, final, printed = run
    assert "test" not in final
    assert "dev scores" in printed


def test_what_is_about_to_be_trained_on_what_is_said_at_the_start(run):
    _, _, printed = run
    assert "parameters;" in printed
    assert "with topic" in printed
    assert "held out as dev" in printed


def test_the_predictor_answers_every_task_by_its_name(run):
    folder, _, _ = run
    result = Predictor.load(folder)("Mo had a bad day 7 in Oslo")
    assert result["tone"]["label"] == "bad"
    assert [entity["text"] for entity in result["people"]] == ["Mo"]
    assert [entity["text"] for entity in result["places"]] == ["Oslo"]
