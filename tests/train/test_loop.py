"""The run in one process: any number of tasks, one file for all of them."""

import dataclasses
import gzip
import io
import json
import shutil

import jax
import numpy as np
import orbax.checkpoint as ocp
import pytest
from flax.traverse_util import flatten_dict
from rich.console import Console as RichConsole

from mtt_jax import Predictor
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import TaskConfig, default_config, phase
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.train.checkpoint import Checkpoints
from mtt_jax.train.loop import train
from mtt_jax.train.profile import Trace

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
    config.data.max_length, config.data.overlap, config.train.row_length = 64, 16, 64
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


# Phases


def console():
    return Console(RichConsole(file=io.StringIO(), width=120))


@pytest.fixture(scope="module")
def phased(run, tmp_path_factory):
    """(config, run directory, metrics) of two phases on one device, the second of heads alone."""
    config = default_config({name: TASKS[name] for name in ("tone", "people")})
    config.data.source, config.data.cache_dir = "files", str(run[0].parent / "cache")
    for name in ("tone", "people"):
        config.data[name].update(label=name, train=str(run[0].parent / "data.jsonl"))
    config.encoder.update(layers=1, width=16, heads=2, feedforward=32)
    config.mesh.data = 1
    config.train.update(batch_rows=8, learning_rate=1e-2, save_every=3, keep=20, tensorboard=False)
    config.phases = (
        phase("tone", steps=10, tasks=("tone",), warmup=2),
        phase(
            "people",
            epochs=30.0,
            tasks=("people",),
            trainable=("heads/.*",),
            learning_rate=0.1,
            warmup=0,
        ),
    )
    config = resolve(config)
    folder = tmp_path_factory.mktemp("phased") / "run"
    return config, folder, train(config, folder, console())


def parameters(folder, step):
    checkpoints = Checkpoints(folder, 20)
    args = ocp.args.Composite(state=ocp.args.StandardRestore())
    state = checkpoints.manager.restore(step, args=args)["state"]
    checkpoints.close()
    return flatten_dict(jax.device_get(state["params"]), sep="/")


def test_each_phase_is_reported_with_the_scores_before_and_after_it(phased):
    _, folder, final = phased
    tone, people = final["phases"]
    assert (tone["name"], tone["start"], tone["end"], tone["tasks"]) == ("tone", 0, 10, ["tone"])
    assert (people["start"], people["end"], people["tasks"]) == (10, final["steps"], ["people"])
    assert tone["after"] == people["before"]
    # The encoder and the other head stood still, so that nothing was forgotten.
    assert people["after"]["tone"] == people["before"]["tone"]
    assert people["after"]["people"] > people["before"]["people"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What each phase did to F1 on dev" in page
    assert f"{people['after']['people']:.4f}" in page


def test_what_stands_still_in_a_phase_is_bit_for_bit_what_it_was(phased):
    _, folder, final = phased
    before, after = parameters(folder, 10), parameters(folder, final["steps"])
    assert before.keys() == after.keys()
    for name, leaf in before.items():
        assert np.array_equal(leaf, after[name]) == (not name.startswith("heads/people")), name


@pytest.mark.parametrize("step", [6, 10, 12])
def test_a_run_goes_on_within_a_phase_and_at_the_edge_of_two_as_if_never_stopped(
    phased, tmp_path, step
):
    config, folder, final = phased
    again = tmp_path / "run"
    shutil.copytree(folder, again)
    for file in (again / "checkpoints").iterdir():
        if file.name.isdigit() and int(file.name) > step:
            shutil.rmtree(file)
    (again / "metrics.json").unlink()
    shutil.rmtree(again / "model")
    repeated = train(config, again, console())
    assert repeated["phases"] == final["phases"]
    ours, theirs = ((f / "model" / "model.safetensors").read_bytes() for f in (again, folder))
    assert ours == theirs


def test_parameters_that_are_no_numbers_are_never_saved(phased, tmp_path):
    """At the last step no later loss would show what the update has done."""
    config = phased[0]
    training = dataclasses.replace(config.train, steps=1, warmup=0, learning_rate=1e39, clip=0.0)
    config = dataclasses.replace(config, phases=(), train=training)
    with pytest.raises(UserError) as caught:
        train(config, tmp_path / "run", console())
    assert str(caught.value).startswith(
        "step 1: a parameter is no number any more. Checkpoints before this step"
    )
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run" / "checkpoints" / "1").exists()


# Profile


@pytest.mark.parametrize("steps", ["2:3", "3:900"])
def test_a_trace_of_some_steps_is_left_for_tensorboard_and_perfetto(phased, tmp_path, steps):
    config = phased[0]
    config = dataclasses.replace(
        config,
        phases=(),
        train=dataclasses.replace(config.train, steps=4, warmup=0, eval_every=4, profile=steps),
    )
    train(config, tmp_path / "run", console())
    (trace,) = (tmp_path / "run" / "profile").rglob("*.xplane.pb")
    assert b"train" in trace.read_bytes()
    (timeline,) = (tmp_path / "run" / "profile").rglob("perfetto_trace.json.gz")
    events = json.loads(gzip.decompress(timeline.read_bytes()))["traceEvents"]
    first, last = map(int, steps.split(":"))
    traced = {int(e["args"]["step_num"]) for e in events if "step_num" in e.get("args", {})}
    assert traced == set(range(first, min(last, 4) + 1))


def test_a_trace_is_closed_where_the_run_breaks_off_within_it(tmp_path):
    with pytest.raises(KeyboardInterrupt), Trace(tmp_path, "1:5") as trace, trace.step(1):
        raise KeyboardInterrupt
    assert list((tmp_path / "profile").rglob("*.xplane.pb"))
    with Trace(tmp_path / "again", "1:1") as trace:  # a second one can start
        with trace.step(1):
            pass
        trace.after(1, ())
        assert list((tmp_path / "again").rglob("*.xplane.pb"))
