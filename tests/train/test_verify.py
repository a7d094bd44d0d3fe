"""A run whose newest checkpoint is damaged ends with the parameters of one never damaged."""

import io
import json
import re
import shutil
from pathlib import Path

import pytest
from rich.console import Console as RichConsole

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train
from mtt_jax.train.verify import verify
from tests.train.test_checkpoint import flip_a_bit, truncate, zero

DAMAGES = (truncate, zero, Path.unlink, flip_a_bit)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """(config, run directory) of a run with the checkpoints 2, 4 and 6; 4 or 6 may be the best."""
    folder = tmp_path_factory.mktemp("finished")
    lines = [
        json.dumps({"text": f"a {tone} day {i}", "label": tone}) + "\n"
        for i in range(40)
        for tone in ("good", "bad")
    ]
    (folder / "data.jsonl").write_text("".join(lines))
    config = default_config({"tone": TaskConfig(kind="classes", labels=("good", "bad"))})
    config.data.source, config.data.cache_dir = "files", str(folder / "cache")
    config.data.tone.update(train=str(folder / "data.jsonl"))
    config.data.max_length, config.data.overlap, config.train.row_length = 32, 8, 32
    config.encoder.update(layers=1, width=16, heads=2, feedforward=16)
    config.train.update(steps=6, warmup=1, eval_every=2, batch_rows=2, keep=3)
    resolved = resolve(config)
    trained(resolved, folder / "run")
    return resolved, folder / "run"


def trained(config, run):
    """What a run prints."""
    text = io.StringIO()
    train(config, run, Console(RichConsole(file=text, width=1000)))
    return text.getvalue()


def unfinished(finished, folder):
    """A copy of the run as it was before its model was written."""
    run = Path(shutil.copytree(finished, folder / "run"))
    shutil.rmtree(run / "model")
    (run / "metrics.json").unlink()
    return run


def parameters(run):
    return (run / "model" / "model.safetensors").read_bytes()


def resumes_with_the_same_parameters(config, finished, folder, name, damage):
    run = unfinished(finished, folder)
    file = run / "checkpoints" / "6" / name
    damage(file)
    printed = trained(config, run)
    assert parameters(run) == parameters(finished), file
    assert verify(run).damages == (), file
    return printed


@pytest.mark.peers  # slow: three runs
def test_a_run_goes_back_to_the_whole_checkpoint_before_and_ends_the_same(finished, tmp_path):
    config, run = finished
    array = next((run / "checkpoints" / "6" / "state" / "ocdbt.process_0" / "d").iterdir())
    name = array.relative_to(run / "checkpoints" / "6")
    printed = resumes_with_the_same_parameters(config, run, tmp_path, name, flip_a_bit)
    assert re.search(r"Damaged: \S+: its content is not .* resuming from the newest whole", printed)
    assert re.search(r"Resuming \S+ from step 4\.", printed)


@pytest.mark.peers  # slow: a run resumed for each file of a checkpoint, damaged in four ways
@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_of_any_file_of_the_newest_checkpoint_ends_in_the_same_parameters(
    damage, finished, tmp_path
):
    config, run = finished
    step = run / "checkpoints" / "6"
    for number, file in enumerate(sorted(f for f in step.rglob("*") if f.is_file())):
        folder = tmp_path / str(number)
        folder.mkdir()
        resumes_with_the_same_parameters(config, run, folder, file.relative_to(step), damage)
        shutil.rmtree(folder)


def test_a_finished_run_whose_metrics_are_damaged_is_not_trained_again(finished, tmp_path):
    config, run = finished
    copy = Path(shutil.copytree(run, tmp_path / "run"))
    for content in ("{}", "null", "[1]", '{"best_step": 6'):
        (copy / "metrics.json").write_text(content)
        with pytest.raises(UserError, match=r"metrics\.json: is damaged .* or delete it, and the"):
            trained(config, copy)
    (copy / "metrics.json").unlink()
    trained(config, copy)
    assert parameters(copy) == parameters(run)
    assert read(copy) == read(run)


def read(run):
    final = json.loads((run / "metrics.json").read_text())
    return {name: value for name, value in final.items() if name != "seconds"}


@pytest.mark.parametrize("content", ["", "null", "[]", "{}", '{"version": 1, "files": 3}'])
def test_damaged_notes_about_the_data_are_refused(content, finished, tmp_path):
    config, run = finished
    copy = unfinished(run, tmp_path)
    (copy / "data.json").write_text(content)
    with pytest.raises(UserError, match=r"data\.json: damaged\. Restore it from a copy; or delete"):
        trained(config, copy)
    assert [damage.file.name for damage in verify(copy).damages] == ["data.json"]
