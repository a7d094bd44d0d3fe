"""Numbers gone bad: a step with NaN or infinity changes nothing, and too many end the run."""

import io
import json
import shutil

import jax
import numpy as np
import pytest
from optax import ScaleByScheduleState as Schedule
from rich.console import Console as RichConsole

from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import (
    BALANCERS,
    BALANCERS_BY_GRADIENT,
    TaskConfig,
    default_config,
    phase,
)
from mtt_jax.devices.mesh import place, place_batch, replicated
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.report.run_files import read_run
from mtt_jax.report.run_page import render
from mtt_jax.train.health import Skips, Spike, Spikes
from mtt_jax.train.loop import train
from tests.helpers import Run, batch_of

# A loss of about 1 times this weight of its class is infinite in float32.
RARE = {"tone": {"rare": 3e38}}


def poisoned(batch, task="topic"):
    """A batch with an infinite mask at one label of a task, so that loss and gradient are too."""
    mask = batch.masks[task].copy()
    mask[np.nonzero(mask)[0][0], np.nonzero(mask)[1][0]] = np.inf
    return batch._replace(masks={**batch.masks, task: mask})


def steps(run, batches):
    """(state on the host, metrics) after each of some steps, from a fresh state."""
    state, key, after = run.state(), place(jax.random.key(0), replicated(run.mesh)), []
    for batch in batches:
        state, metrics = run.step(state, place_batch(batch, run.mesh), key)
        after.append(jax.device_get((state, metrics)))
    return after


def without_counts(state):
    """A state without the counts of steps, which go on when a step is skipped."""
    return jax.tree.map(
        lambda node: () if isinstance(node, Schedule) else node,
        state._replace(step=()),
        is_leaf=lambda node: isinstance(node, Schedule),
    )


def assert_only_the_good_steps_count(run, batch):
    """A bad step after a good one changes nothing, and the run learns on after it."""
    (one, good), (two, bad), (three, last) = steps(run, [batch, poisoned(batch), batch])
    assert (bool(good.skipped), bool(bad.skipped), bool(last.skipped)) == (False, True, False)
    assert [int(state.step) for state in (one, two, three)] == [1, 2, 3]
    assert not np.isfinite(bad.loss) or not np.isfinite(bad.gradient_norm)
    jax.tree.map(np.testing.assert_array_equal, without_counts(one), without_counts(two))
    moved = jax.tree.map(lambda a, b: bool(np.any(a != b)), two.params, three.params)
    assert any(jax.tree.leaves(moved))
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(three.params))


def test_a_step_with_an_infinite_loss_changes_nothing_but_the_counts(tokenizer, examples):
    """With the average of the parameters and gradient accumulation, whose parts are added up."""
    run = Run(tokenizer, train__ema=0.9, train__accumulate=2, train__clip=0.0)
    assert_only_the_good_steps_count(run, batch_of(examples, run.config).batch)


@pytest.mark.peers  # slow: compiles a step per method
@pytest.mark.parametrize(
    ("balance", "on"),
    [(name, "parameters") for name in BALANCERS]
    + [(name, "features") for name in BALANCERS_BY_GRADIENT],
)
def test_a_bad_step_changes_no_balancer(tokenizer, examples, balance, on):
    run = Run(tokenizer, train__balance=balance, train__balance_on=on)
    assert_only_the_good_steps_count(run, batch_of(examples, run.config).batch)


def test_a_gradient_that_overflows_under_a_finite_loss_is_skipped_and_counted(tokenizer, examples):
    """The learning rate follows the steps, or the next phase would begin with that of this one."""
    run = Run(tokenizer, tasks__topic__weight=3e37, train__clip=0.0)
    batch = batch_of(examples, run.config).batch
    ((state, metrics),) = steps(run, [batch])
    assert np.isfinite(metrics.loss)
    assert not np.isfinite(metrics.gradient_norm)
    assert metrics.skipped
    jax.tree.map(np.testing.assert_array_equal, state.params, jax.device_get(run.params))
    schedule = next(part for part in state.opt_state if isinstance(part, Schedule))
    assert int(schedule.count) == int(state.step) == 1


# The counts, and jumps of a loss


def test_a_resumed_run_continues_the_count_of_skipped_steps():
    skips = Skips([3, 8, 9, 12], done=9)
    assert (skips.total, skips.in_a_row) == (3, 2)
    skips.add(True)
    assert (skips.total, skips.in_a_row) == (4, 3)
    skips.add(False)
    assert (skips.total, skips.in_a_row) == (4, 0)
    assert Skips([3, 8], done=9).in_a_row == 0
    assert Skips().total == 0


def jumps(losses, counts=None):
    spikes, found = Spikes(), []
    for index, loss in enumerate(losses):
        found += [(index, spike) for spike in spikes.add({"topic": loss}, counts or {"topic": 4.0})]
    return found


def test_a_loss_that_jumps_is_reported_once_with_the_median_before_it():
    noisy = [1.0 + 0.05 * (-1) ** step for step in range(50)]
    assert jumps([*noisy, 4.0, 5.0, 4.0, *noisy]) == [(50, Spike("topic", 4.0, 1.0))]


def test_losses_that_fall_that_are_noisy_or_near_zero_are_no_jumps():
    rng = np.random.default_rng(0)
    falling = 3.0 * np.exp(-np.arange(300) / 50)
    noisy = falling * rng.lognormal(0.0, 0.4, 300)
    near_zero = rng.exponential(0.01, 500)
    assert not jumps(noisy.tolist())
    assert not jumps(near_zero.tolist())


def test_the_first_losses_and_batches_without_a_label_are_no_jumps():
    assert not jumps([0.1] * 10 + [9.0])
    assert not jumps([0.1] * 30 + [9.0], counts={"topic": 0.0})


# Whole runs


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """A file of 200 sentences, 4 of them with the label rare; (folder, its configuration)."""
    folder = tmp_path_factory.mktemp("bad")
    rows = [
        {"text": f"Ann had a {('good', 'bad')[i % 2]} day {i}", "tone": ("good", "bad")[i % 2]}
        for i in range(200)
    ]
    for i in (40, 90, 130, 170):
        rows[i] = {"text": f"The oddest of days {i}", "tone": "rare"}
    (folder / "data.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "dev.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows[:20]))
    return folder


def config_of(data, weights=None, **train_fields):
    """A run of the task tone, and of one for each further name of `weights`.

    Args:
      data: the folder.
      weights: task -> its class weights; all read the same labels.
      train_fields: those of config.train.
    """
    labels, weights = ("good", "bad", "rare"), {"tone": {}, **(weights or {})}
    config = default_config(
        {
            name: TaskConfig(kind="classes", labels=labels, class_weights=of_classes)
            for name, of_classes in weights.items()
        }
    )
    config.data.source, config.data.cache_dir = "files", str(data / "cache")
    for name in weights:
        config.data[name].update(
            label="tone", train=str(data / "data.jsonl"), dev=str(data / "dev.jsonl")
        )
    config.data.max_length, config.data.overlap, config.train.row_length = 64, 16, 64
    config.encoder.update(layers=1, width=16, heads=2, feedforward=16)
    config.train.update(
        steps=60, warmup=1, eval_every=60, save_every=5, log_every=1, batch_rows=1, log_to=()
    )
    config.train.update(train_fields)
    return config


def trained(config, run):
    """(content of metrics.json, what was printed)."""
    text = io.StringIO()
    return train(resolve(config), run, Console(RichConsole(file=text, width=300))), text.getvalue()


def rows_of(run):
    """The rows of metrics.jsonl; NaN is no JSON."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line, parse_constant=pytest.fail) for line in lines]


@pytest.fixture(scope="module")
def survived(data, tmp_path_factory):
    """A run some of whose batches have an infinite loss, on two devices.

    Returns (run, error of the first start, sentences in its file, metrics.json, what was printed):
    the first start may skip no step, and the second, which resumes it, ten in a row.
    """
    run = tmp_path_factory.mktemp("survived") / "run"
    with pytest.raises(UserError) as caught:
        trained(config_of(data, RARE, bad_steps=0, batch_rows=2), run)
    lines = (run / "bad_batch.jsonl").read_text(encoding="utf-8").splitlines()
    sentences = [json.loads(line) for line in lines]
    assert not (run / "metrics.json").exists()
    final, printed = trained(config_of(data, RARE, bad_steps=10, batch_rows=2), run)
    return run, str(caught.value), sentences, final, printed


def test_a_run_goes_on_past_bad_batches_and_says_so_everywhere(survived):
    run, _, _, final, printed = survived
    bad = [row for row in rows_of(run) if row["kind"] == "skipped"]
    assert 0 < len(bad) < 50
    assert final["skipped_steps"] == len(bad) == bad[-1]["total"]
    assert all((row["tasks"], row["losses"]) == (["tone"], {"tone": None}) for row in bad)
    lines = [line for line in printed.splitlines() if "skipped, since the loss is inf" in line]
    assert [line.split(":")[0] for line in lines] == [f"step {row['step']}" for row in bad]
    good = {row["step"] for row in rows_of(run) if row["kind"] == "train"}
    assert good == set(range(1, 61)) - {row["step"] for row in bad}
    assert f"{len(bad)} steps skipped, since the loss of tone or the gradient was" in render(
        read_run(run)
    )


def test_too_many_bad_steps_in_a_row_end_the_run_with_task_and_sentences(survived, data):
    _, message, sentences, _, _ = survived
    assert ": the loss is inf (tone inf), and 1 step in a row changed nothing. " in message
    assert f"The model has finite answers to all {len(sentences)} sentences of the" in message
    assert "with a label of tone" in message
    assert "lower --config.tasks.NAME.class_weights" in message
    assert len(message.splitlines()) == 1
    lines = (data / "data.jsonl").read_text().splitlines()
    for sentence in sentences:
        number = int(sentence["place"].rpartition(", line ")[2])
        assert sentence["text"] == json.loads(lines[number - 1])["text"]
        assert sentence["finite"]
    assert any(sentence["text"].startswith("The oddest") for sentence in sentences)


@pytest.mark.peers  # slow: two runs
@pytest.mark.parametrize(("most", "eval_every"), [(3, 60), (50, 10)])
def test_parameters_that_diverged_end_the_run_and_no_checkpoint_holds_them(
    data, tmp_path, most, eval_every
):
    """After bad steps in a row, or before the first evaluation of what they left."""
    schedule = {"learning_rate": 1e30, "clip": 0.0, "save_every": 4, "weight_decay": 0.0}
    config = config_of(data, bad_steps=most, eval_every=eval_every, **schedule)
    run = tmp_path / "run"
    with pytest.raises(UserError, match="so the parameters have diverged") as caught:
        trained(config, run)
    assert "Lower --config.train.learning_rate" in str(caught.value)
    assert "There is no checkpoint yet" in str(caught.value)
    assert not [d for d in (run / "checkpoints").iterdir() if d.name.isdigit()]


@pytest.mark.peers  # slow: three runs with phases
def test_bad_steps_of_phases_masked_words_and_distillation(data, survived, tmp_path):
    """A run resumed in the middle ends in the same bytes as one that was never stopped."""
    # Of a task that the teacher has not: such a weight makes its answers infinite everywhere.
    rare = {"mood": RARE["tone"]}
    config = config_of(data, rare, bad_steps=20, mlm=0.5, ema=0.9, keep=30)
    config.distill.teachers = str(survived[0])
    config.distill.gold = 0.5
    config.phases = (phase("first", steps=20), phase("second", steps=20, warmup=2))
    once, again = tmp_path / "once", tmp_path / "again"
    final, _ = trained(config, once)
    assert 0 < final["skipped_steps"] < 40
    shutil.copytree(once, again)
    (again / "metrics.json").unlink()
    shutil.rmtree(again / "model")
    bad = {row["step"] for row in rows_of(once) if row["kind"] == "skipped"}
    first = next(step for step in (5, 10, 15, 20) if step not in bad)
    for checkpoint in (again / "checkpoints").iterdir():
        if checkpoint.name.isdigit() and int(checkpoint.name) > first:
            shutil.rmtree(checkpoint)
    resumed, _ = trained(config, again)
    assert resumed["skipped_steps"] == final["skipped_steps"]
    ours, theirs = ((r / "model" / "model.safetensors").read_bytes() for r in (once, again))
    assert ours == theirs
