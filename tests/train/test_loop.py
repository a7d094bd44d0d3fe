"""A run from start to finish in one process: several tasks, phases, resuming."""

import dataclasses
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
from mtt_jax.tasks import Score
from mtt_jax.train.checkpoint import Checkpoints
from mtt_jax.train.loop import train
from mtt_jax.weights import saved_model
from tests.helpers import assert_trees_equal

TASKS = {
    "tone": TaskConfig(kind="classes", labels=("good", "bad")),
    "about": TaskConfig(kind="multilabel", labels=("praise", "ann")),
    "people": TaskConfig(kind="entities", labels=("O", "PER"), scheme="iob2"),
    "forms": TaskConfig(kind="tags", labels=("number", "name", "other")),
}


def row_of(number):
    """A sentence with a label of each task; every fifth has none of the task about."""
    name, tone = ("Ann", "Tom", "Mo")[number % 3], ("good", "bad")[number % 2]
    words = [name, "had", "a", tone, "day", str(number), "in", "Oslo"]
    about = [*(["praise"] if tone == "good" else []), *(["ann"] if name == "Ann" else [])]
    return {
        "text": " ".join(words),
        "tokens": words,
        "tone": tone,
        "about": about if number % 5 else None,
        "people": [{"start": 0, "end": len(name), "label": "PER"}],
        "forms": ["number" if w.isdigit() else "name" if w.istitle() else "other" for w in words],
    }


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """(folder, metrics, what was printed) of a run of four kinds of tasks on one JSONL file."""
    folder = tmp_path_factory.mktemp("four")
    with (folder / "data.jsonl").open("w") as file:
        file.writelines(json.dumps(row_of(number)) + "\n" for number in range(120))
    config = default_config(TASKS)
    config.data.source, config.data.cache_dir = "files", str(folder / "cache")
    for name in TASKS:
        config.data[name].update(label=name, train=str(folder / "data.jsonl"))
    config.data.max_length, config.data.overlap, config.train.row_length = 64, 16, 64
    config.encoder.update(layers=1, width=32, heads=2, feedforward=32)
    config.train.update(steps=100, warmup=5, eval_every=100, batch_rows=8, learning_rate=1e-2)
    terminal = io.StringIO()
    console = Console(RichConsole(file=terminal, width=160))
    final = train(resolve(config), folder / "run", console)
    return folder / "run", final, terminal.getvalue()


def test_every_kind_of_task_is_learned_and_scored(run):
    _, final, _ = run
    scores = {task: Score.from_json(plain) for task, plain in final["dev"].items()}
    assert set(scores) == set(TASKS)
    assert {task: score.headline for task, score in scores.items()} == dict.fromkeys(TASKS, 1.0)


def test_thresholds_chosen_on_dev_are_saved_with_the_model(run):
    model = saved_model.load(run[0])
    (about,) = (task for task in model.tasks if task.name == "about")
    assert len(about.thresholds) == 2


def test_an_evaluation_names_the_headline_of_each_task(run):
    (line,) = (line for line in run[2].splitlines() if line.startswith("step 100: dev "))
    for shown in (
        "tone macro F1 1.000", "about micro F1 1.000", "people entity F1 1.000",
        "forms accuracy 1.000", "score 1.0000",
    ):  # fmt: skip
        assert shown in line


def test_without_test_data_the_scores_of_dev_are_shown(run):
    _, final, printed = run
    assert "test" not in final
    assert "dev scores" in printed


def test_the_start_says_what_trains_and_on_what(run):
    _, _, printed = run
    assert "parameters;" in printed
    assert "with about" in printed
    assert "held out as dev" in printed


def test_the_predictor_answers_each_task_under_its_name(run):
    folder, _, _ = run
    result = Predictor.load(folder)("Mo had a bad day 7 in Oslo")
    assert result["tone"]["label"] == "bad"
    assert result["about"]["labels"] == []
    assert [entity["text"] for entity in result["people"]] == ["Mo"]
    assert [word["text"] for word in result["forms"] if word["label"] == "number"] == ["7"]


# Phases


def console():
    return Console(RichConsole(file=io.StringIO(), width=120))


@pytest.fixture(scope="module")
def phased(run, tmp_path_factory):
    """(config, run directory, metrics) of two phases on one device; the second trains one head."""
    config = default_config({name: TASKS[name] for name in ("tone", "people")})
    config.data.source, config.data.cache_dir = "files", str(run[0].parent / "cache")
    for name in ("tone", "people"):
        config.data[name].update(label=name, train=str(run[0].parent / "data.jsonl"))
    config.encoder.update(layers=1, width=16, heads=2, feedforward=32)
    config.mesh.data = 1
    config.train.update(batch_rows=8, learning_rate=1e-2, save_every=3, keep=20, log_to=())
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
    # The encoder and the other head were frozen, so nothing was forgotten.
    assert people["after"]["tone"] == people["before"]["tone"]
    assert people["after"]["people"] > people["before"]["people"]
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert "What each phase did" in page
    assert "Forgotten" not in page
    assert f"{people['after']['people']:.4f}" in page


def test_parameters_that_are_frozen_in_a_phase_stay_bit_for_bit(phased):
    _, folder, final = phased
    before, after = parameters(folder, 10), parameters(folder, final["steps"])
    assert before.keys() == after.keys()
    for name, leaf in before.items():
        assert np.array_equal(leaf, after[name]) == (not name.startswith("heads/people")), name


def stopped_at(step, finished, run):
    """A copy of a finished run as it was when it stopped at a step."""
    shutil.copytree(finished, run)
    for checkpoint in (run / "checkpoints").iterdir():
        if checkpoint.name.isdigit() and int(checkpoint.name) > step:
            shutil.rmtree(checkpoint)
    (run / "metrics.json").unlink()
    for model in run.glob("model*"):
        shutil.rmtree(model)
    return run


@pytest.mark.parametrize("step", [6, 10, 12])
@pytest.mark.peers  # slow: several runs
def test_a_run_resumed_within_a_phase_or_between_two_gives_the_same_model(phased, tmp_path, step):
    config, folder, final = phased
    again = stopped_at(step, folder, tmp_path / "run")
    repeated = train(config, again, console())
    assert repeated["phases"] == final["phases"]
    ours, theirs = ((f / "model" / "model.safetensors").read_bytes() for f in (again, folder))
    assert ours == theirs


def test_parameters_that_are_nan_or_infinite_are_never_saved(phased, tmp_path):
    """After the last step no later loss would show what its update has done."""
    config = phased[0]
    training = dataclasses.replace(config.train, steps=1, warmup=0, learning_rate=1e39, clip=0.0)
    config = dataclasses.replace(config, phases=(), train=training)
    with pytest.raises(UserError) as caught:
        train(config, tmp_path / "run", console())
    assert str(caught.value).startswith(
        "step 1: a parameter became NaN or infinite. Checkpoints before this step"
    )
    assert not (tmp_path / "run" / "metrics.json").exists()
    assert not (tmp_path / "run" / "checkpoints" / "1").exists()


# The average of the parameters, early stopping, and the best checkpoint by each task


@pytest.fixture(scope="module")
def steady(run, tmp_path_factory):
    """(config, run directory, metrics, what was printed) of two phases; the first stops early.

    Its learning rate is so low that no score gets better.
    """
    config = default_config({name: TASKS[name] for name in ("tone", "people")})
    config.data.source, config.data.cache_dir = "files", str(run[0].parent / "cache")
    for name in ("tone", "people"):
        config.data[name].update(label=name, train=str(run[0].parent / "data.jsonl"))
    config.data.max_length, config.data.overlap, config.train.row_length = 64, 16, 64
    config.encoder.update(layers=1, width=8, heads=2, feedforward=8, lora_rank=2)
    config.train.update(eval_every=4, save_every=2, keep=20, batch_rows=8, warmup=0, log_to=())
    config.train.update(ema=0.8, patience=2, best_by_task=True, head_rate=2.0)
    config.phases = (
        phase("still", steps=40, learning_rate=1e-9),
        phase("tone", steps=8, tasks=("tone",), trainable=("heads/.*",), learning_rate=0.1),
    )
    config = resolve(config)
    folder = tmp_path_factory.mktemp("steady") / "run"
    terminal = io.StringIO()
    final = train(config, folder, Console(RichConsole(file=terminal, width=200)))
    return config, folder, final, terminal.getvalue()


@pytest.mark.peers  # slow: the run saves twenty times
def test_patience_ends_a_phase_and_the_next_one_follows_at_once(steady):
    _, folder, final, printed = steady
    assert "step 12: no better score in 2 evaluations since step 4 (" in next(
        line for line in printed.splitlines() if "no better score" in line
    )
    assert "; phase still ends here, 28 steps early." in printed
    assert [(p["name"], p["start"], p["end"]) for p in final["phases"]] == [
        ("still", 0, 12), ("tone", 12, 20),
    ]  # fmt: skip
    assert final["steps"] == 20
    (stop,) = final["stopped_early"]
    assert (stop["phase"], stop["step"], stop["planned"], stop["best_step"]) == ("still", 12, 40, 4)
    assert "Stopped early: still ended at step 12 of 40" in (folder / "report.html").read_text()
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows if row["kind"] == "dev"] == [0, 4, 8, 12, 16, 20]


@pytest.mark.peers  # slow: the run saves twenty times
def test_the_average_is_what_is_evaluated_and_saved(steady):
    config, folder, final, _ = steady
    assert final["phases"][1]["after"]["people"] == final["phases"][1]["before"]["people"]
    checkpoints = Checkpoints(folder, 20)
    args = ocp.args.Composite(state=ocp.args.StandardRestore())
    best = final["best_step"]
    state = checkpoints.manager.restore(best, args=args)["state"]
    checkpoints.close()
    average = state["opt_state"][-1]["params"]["heads"]
    saved = saved_model.load(folder).params["heads"]
    for name in ("tone", "people"):
        np.testing.assert_array_equal(
            saved[name]["logits"]["kernel"], average[name]["logits"]["kernel"]
        )
    if best > 12:
        raw = state["params"]["heads"]["tone"]["logits"]["kernel"]
        assert np.any(raw != average["tone"]["logits"]["kernel"])
    assert "averaged with decay 0.8" in (folder / "model" / "README.md").read_text()


@pytest.mark.peers  # slow: the run saves twenty times
def test_each_task_has_a_model_of_its_own_best_checkpoint(steady):
    _, folder, final, printed = steady
    rows = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    scores = {row["step"]: row["scores"] for row in rows if row["kind"] == "dev" and row["step"]}
    for task in ("tone", "people"):
        step = max(scores, key=lambda step, task=task: (scores[step][task], -step))
        best = final["best_by_task"][task]
        assert best["step"] == step
        assert Score.from_json(best["dev"]).headline == scores[step][task]
        assert f"{task}: best at step {step}, dev" in printed
        model = folder / f"model-{task}"
        assert f"by the score of the task {task};" in (model / "README.md").read_text()
        assert set(Predictor.load(model)("Mo had a bad day 7 in Oslo")) == {
            "text",
            "tone",
            "people",
        }
    assert "Best checkpoint by each task" in (folder / "report.html").read_text()
    with pytest.raises(UserError, match="has model-people, model-tone and model"):
        saved_model.load(folder / "model-tune")


@pytest.mark.peers  # slow: the run saves twenty times
@pytest.mark.parametrize("step", [6, 12, 14, 20])
def test_a_resumed_run_has_the_same_average_early_stop_and_best_models(steady, tmp_path, step):
    """From before the early stop, at it, after it, and with nothing left to train."""
    config, folder, final, _ = steady
    again = stopped_at(step, folder, tmp_path / "run")
    models = ("model", "model-tone", "model-people")
    repeated = train(config, again, console())
    for key in ("phases", "stopped_early", "best_by_task", "best_step", "steps", "dev"):
        assert repeated[key] == final[key]
    for name in models:
        ours, theirs = ((f / name / "model.safetensors").read_bytes() for f in (again, folder))
        assert ours == theirs


# Labels that the config leaves to the data


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """(config without labels, folder, what was printed) of a finished run on one JSONL file."""
    folder = tmp_path_factory.mktemp("found")
    rows = [row_of(number) for number in range(60)]
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = default_config(
        {name: dataclasses.replace(task, labels=()) for name, task in TASKS.items()}
    )
    config.data.source, config.data.cache_dir = "files", str(folder / "cache")
    for name in TASKS:
        config.data[name].update(label=name, train=str(folder / "data.jsonl"))
    config.data.max_length, config.data.overlap, config.train.row_length = 64, 16, 64
    config.encoder.update(layers=1, width=8, heads=2, feedforward=8)
    config.train.update(steps=4, warmup=1, eval_every=2, save_every=1, batch_rows=8)
    return config, folder, started(config, folder / "run")


def started(config, run):
    """What a start prints."""
    terminal = io.StringIO()
    train(resolve(config), run, Console(RichConsole(file=terminal, width=200)))
    return terminal.getvalue()


LABELS = {
    "tone": ("bad", "good"),
    "about": ("praise", "ann"),
    "people": ("O", "PER"),
    "forms": ("other", "name", "number"),
}


@pytest.mark.peers  # slow: a run
def test_a_run_says_and_keeps_the_labels_that_it_found(found):
    _, folder, printed = found
    assert "forms: 3 labels, from the data: other, name, number." in printed
    for part in ("run", "run/model"):
        stored = json.loads((folder / part / "config.json").read_text())
        assert {name: tuple(task["labels"]) for name, task in stored["tasks"].items()} == LABELS
    result = Predictor.load(folder / "run")("Mo had a bad day 7 in Oslo")
    assert result["tone"]["label"] in LABELS["tone"]


@pytest.mark.peers  # slow: a run
def test_a_run_that_found_its_labels_is_resumed_without_naming_them(found, tmp_path):
    config, folder, _ = found
    run = tmp_path / "run"
    shutil.copytree(folder / "run", run)
    for name in ("metrics.json", "model", "checkpoints/4"):
        path = run / name
        shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    assert f"Resuming {run} from step " in started(config, run)
    ours, theirs = (saved_model.load(other).params for other in (run, folder / "run"))
    assert_trees_equal(ours, theirs)


@pytest.mark.peers  # slow: a run
def test_a_finished_run_needs_no_data_to_say_that_it_is_finished(found, tmp_path):
    config, folder, _ = found
    config = config.copy_and_resolve_references()
    for name in TASKS:
        config.data[name].train = str(folder / "data.jsonl")
    shutil.copytree(folder / "run", tmp_path / "run")
    file, aside = folder / "data.jsonl", folder / "aside.jsonl"
    file.rename(aside)
    try:
        assert "is finished: 4 steps" in started(config, tmp_path / "run")
    finally:
        aside.rename(file)


@pytest.mark.peers  # slow: two runs
def test_a_run_that_starts_from_the_heads_of_another_takes_its_labels(found, tmp_path):
    config, folder, _ = found
    config = config.copy_and_resolve_references()
    # Here "good" is the more frequent one; the head that is taken over has it second.
    rows = [row_of(number) for number in (*range(60), 1, 3, 5, 7, 61, 63)]
    rows = [{**row, "tone": "good"} if row["tone"] == "bad" and i > 50 else row
            for i, row in enumerate(rows)]  # fmt: skip
    (tmp_path / "more.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    for name in TASKS:
        config.data[name].train = str(tmp_path / "more.jsonl")
    config.tokenizer.file = str(folder / "run" / "model" / "tokenizer.json")
    config.init_from = str(folder / "run")
    started(config, tmp_path / "all")
    stored = json.loads((tmp_path / "all" / "config.json").read_text())
    assert stored["tasks"]["tone"]["labels"] == ["bad", "good"]
    config.init_parts = "encoder"
    started(config, tmp_path / "encoder")
    stored = json.loads((tmp_path / "encoder" / "config.json").read_text())
    assert stored["tasks"]["tone"]["labels"] == ["good", "bad"]
    config.init_parts, config.tasks.tone.labels = "all", ("good", "bad")
    with pytest.raises(UserError, match="is in another order there; use "
                                        "--config.tasks.tone.labels=bad,good, or"):  # fmt: skip
        started(config, tmp_path / "other")
