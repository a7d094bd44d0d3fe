"""Training in real processes, which are stopped, killed and resumed to the same end."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
from safetensors.numpy import load_file

from tests.helpers import ROOT

TINY = [
    "--config.train.steps=30",
    "--config.train.warmup=3",
    "--config.train.eval_every=10",
    "--config.train.save_every=3",
    "--config.train.log_every=1",
    "--config.train.batch_rows=4",
    "--config.train.row_length=64",
    "--config.data.max_length=64",
    "--config.data.overlap=8",
    "--config.encoder.layers=1",
    "--config.encoder.width=16",
    "--config.encoder.heads=2",
    "--config.encoder.feedforward=16",
]


def command(*arguments, **variables):
    environment = {**os.environ, "JAX_PLATFORMS": "", **variables}
    return subprocess.Popen(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process, code=0):
    out, err = process.communicate(timeout=240)
    assert process.returncode == code, f"{out}\n{err}"
    assert "Traceback" not in err, err
    return out, err


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two small files in the layouts that configs/ag_news.py reads."""
    folder = tmp_path_factory.mktemp("files")
    topics = [
        ("2", "Rovers win", "The striker scored twice"),
        ("1", "Vote", "Parliament sat late"),
        ("3", "Shares fall", "The bank lost a tenth"),
        ("4", "Chip", "A new phone sold out"),
    ]
    rows = [f'"{a}","{b} {i}","{c} on day {i}"' for i in range(40) for a, b, c in topics]
    (folder / "topic.csv").write_text("\n".join(rows) + "\n")
    names = ["Ann Lee", "Tom Fry", "Mo Beck", "Eva Strand"]
    blocks = [
        "\n".join([*(f"{w} {t}" for w, t in zip(n.split(), ("B-PER", "I-PER"), strict=True)),
                   "visited O", f"Oslo{i} B-LOC", ". O"])
        for i in range(20) for n in names
    ]  # fmt: skip
    (folder / "ner.conll").write_text("\n\n".join(blocks) + "\n")
    return folder


@pytest.fixture(scope="module")
def arguments(files, tmp_path_factory):
    cache = tmp_path_factory.mktemp("cache")

    def of(run, door=("launch.py",)):
        return [
            *door,
            "--config=configs/ag_news.py",
            f"--workdir={run}",
            f"--config.data.cache_dir={cache}",
            f"--config.data.topic.train={files / 'topic.csv'}",
            f"--config.data.topic.test={files / 'topic.csv'}",
            f"--config.data.ner.train={files / 'ner.conll'}",
            f"--config.data.ner.test={files / 'ner.conll'}",
            *TINY,
        ]

    return of


@pytest.fixture(scope="module")
def uninterrupted(arguments, tmp_path_factory):
    """A run that was never stopped, and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "uninterrupted"
    out, _ = finish(command(*arguments(run)))
    return run, out


def losses(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["losses"] for row in rows if row["kind"] == "train"}


def assert_same_outcome(run, other):
    """The same model, losses and scores, bit for bit."""
    ours, theirs = (load_file(r / "model" / "model.safetensors") for r in (run, other))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert losses(run) == losses(other)
    first, second = (json.loads((r / "metrics.json").read_text()) for r in (run, other))
    assert first["test"] == second["test"]
    assert first["best_step"] == second["best_step"]


def test_the_run_directory_holds_everything_that_the_docs_name(uninterrupted):
    run, out = uninterrupted
    first = next(line for line in out.splitlines() if line.startswith("Running on"))
    assert "CPU" in first or "x " in first
    assert "test scores" in out
    present = {path.name for path in run.iterdir()}
    assert present >= {"config.json", "checkpoints", "model", "metrics.jsonl", "metrics.json",
                       "report.html", "tensorboard"}  # fmt: skip
    assert {p.name for p in (run / "model").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "README.md", "fitted.json",
        "manifest.json",
    }  # fmt: skip
    final = json.loads((run / "metrics.json").read_text())
    assert 0 <= final["test"]["topic"]["accuracy"] <= 1
    assert set(final["test"]["ner"]["per_entity"]) == {"PER", "LOC"}  # those of the files
    assert sorted(losses(run)) == list(range(1, 31))
    assert next((run / "tensorboard").glob("events.*")).stat().st_size > 100


def test_a_finished_run_says_that_it_is_finished_and_changes_nothing(uninterrupted, arguments):
    run, _ = uninterrupted
    before = (run / "metrics.json").stat().st_mtime_ns
    out, _ = finish(command(*arguments(run)))
    assert "is finished: 30 steps" in out
    assert (run / "metrics.json").stat().st_mtime_ns == before


@pytest.mark.peers  # slow: another run
def test_the_same_seed_gives_the_same_bytes_in_another_process(uninterrupted, arguments, tmp_path):
    """With the threads that read and pack batches ahead, as in every run."""
    again = tmp_path / "again"
    finish(command(*arguments(again)))
    ours, theirs = (
        (run / "model" / "model.safetensors").read_bytes() for run in (again, uninterrupted[0])
    )
    assert ours == theirs
    assert_same_outcome(again, uninterrupted[0])


@pytest.mark.peers  # slow: a run that is started again and again
def test_a_run_killed_at_random_and_resumed_ends_as_one_never_stopped(
    uninterrupted, arguments, tmp_path
):
    run = tmp_path / "killed"
    kills, deadline = 0, time.monotonic() + 200
    rng = np.random.default_rng(0)
    while kills < 5 and time.monotonic() < deadline:
        process = command(*arguments(run))
        target = len(losses(run)) if (run / "metrics.jsonl").is_file() else 0
        while process.poll() is None:
            done = (run / "metrics.jsonl").is_file() and len(losses(run)) > target
            # Some of the kills come after a checkpoint is complete.
            done &= kills < 3 or any(p.name.isdecimal() for p in (run / "checkpoints").glob("*"))
            if done:
                time.sleep(float(rng.uniform(0, 0.02)))
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 5
    out, _ = finish(command(*arguments(run)))
    assert re.search(r"Resuming .* from step \d+|is finished", out)
    assert_same_outcome(run, uninterrupted[0])


@pytest.mark.peers  # slow: three starts of a run
def test_a_killed_run_with_an_average_and_patience_ends_at_the_same_step(arguments, tmp_path):
    """The learning rate is so low that no score gets better: patience ends the run at step 8."""
    flags = [
        "--config.train.ema=0.9", "--config.train.patience=1", "--config.train.eval_every=4",
        "--config.train.learning_rate=1e-9",
    ]  # fmt: skip
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    out, _ = finish(command(*arguments(whole), *flags))
    assert "step 8: no better score in 1 evaluation since step 4 (" in out
    process = command(*arguments(killed), *flags)
    while process.poll() is None:
        if (killed / "checkpoints").is_dir() and any(
            path.name.isdecimal() for path in (killed / "checkpoints").iterdir()
        ):
            process.send_signal(signal.SIGKILL)
            break
        time.sleep(0.002)
    process.communicate()
    assert process.returncode == -signal.SIGKILL
    out, _ = finish(command(*arguments(killed), *flags))
    assert re.search(r"Resuming .* from step \d", out)
    assert_same_outcome(killed, whole)
    final = json.loads((killed / "metrics.json").read_text())
    assert final["steps"] == 8
    assert (
        final["stopped_early"] == json.loads((whole / "metrics.json").read_text())["stopped_early"]
    )
    assert final["stopped_early"][0]["planned"] == 30


@pytest.mark.peers  # slow: several runs
def test_a_run_stopped_by_a_signal_saves_a_checkpoint_and_is_resumed_to_the_same_end(
    uninterrupted, arguments, tmp_path
):
    """By SIGTERM, and by Ctrl-C after it was resumed; `mtt train` resumes what launch.py began."""
    run, metrics, before = tmp_path / "stopped", tmp_path / "stopped" / "metrics.jsonl", 0
    doors = {signal.SIGTERM: ("launch.py",), signal.SIGINT: ("-m", "mtt_jax", "train")}
    for number, door in doors.items():
        seen = metrics.stat().st_size if metrics.is_file() else 0
        process = command(*arguments(run, door))
        while process.poll() is None and not (metrics.is_file() and metrics.stat().st_size > seen):
            time.sleep(0.005)
        process.send_signal(number)
        out, err = finish(process, code=128 + number)
        assert not before or f"from step {before}" in out
        step = int(re.search(r"stopped at step (\d+)", err)[1])
        assert step > before
        assert (run / "checkpoints" / str(step)).is_dir()
        before = step
    out, _ = finish(command(*arguments(run)))
    assert f"from step {before}" in out
    assert_same_outcome(run, uninterrupted[0])


@pytest.mark.peers  # slow: it waits for a compilation to be under way
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_run_is_stopped_at_once_while_it_compiles(number, arguments, tmp_path):
    big = ["--config.encoder.layers=24", f"--config.encoder.width={48 + 16 * number.value}"]
    process = command(*arguments(tmp_path / "run"), *big)
    lines = iter(process.stdout.readline, "")
    assert any(line.startswith("Compiling the training step.") for line in lines)
    process.send_signal(number)
    _, err = finish(process, code=128 + number)
    assert err.endswith("stopped before the first checkpoint; the same command starts over.\n")
    assert not (tmp_path / "run" / "metrics.json").exists()


def test_a_batch_that_cannot_fit_is_refused_before_the_data_are_read(arguments, tmp_path):
    run = tmp_path / "run"
    process = command(*arguments(run), "--config.train.batch_rows=100000000")
    _, err = finish(process, code=2)
    assert err.startswith("error: config.train.batch_rows: 100,000,000 rows of 64 subwords need ")
    assert err.count("\n") == 1
    assert not (run / "data.json").exists()


@pytest.mark.peers  # slow: three starts of a run
def test_seconds_count_every_start_of_a_run_and_published_pages_hold_no_folder(
    files, arguments, tmp_path
):
    run = tmp_path / "run"
    process = command(*arguments(run))
    metrics = run / "metrics.jsonl"
    while process.poll() is None and not (metrics.is_file() and metrics.stat().st_size):
        time.sleep(0.005)
    process.send_signal(signal.SIGTERM)
    finish(process, code=128 + signal.SIGTERM)
    kept = metrics.read_text().splitlines()
    # As if the first start had taken an hour.
    hour = [json.dumps({**json.loads(line), "seconds": 3600.0}) for line in kept]
    metrics.write_text("\n".join(hour) + "\n")
    finish(command(*arguments(run)))
    assert 3600 < json.loads((run / "metrics.json").read_text())["seconds"] < 4200
    for page in (run / "model" / "README.md", run / "report.html"):
        text = page.read_text()
        assert str(files) not in text
        assert str(tmp_path) not in text
    assert "topic.csv" in (run / "report.html").read_text()


def test_evaluate_gives_the_scores_of_the_run(uninterrupted):
    run, _ = uninterrupted
    out, _ = finish(command("-m", "mtt_jax", "evaluate", str(run), "--json"))
    again = json.loads(out)["test"]
    final = json.loads((run / "metrics.json").read_text())["test"]
    for task in ("topic", "ner"):
        assert again[task]["confusion"] == final[task]["confusion"]
        assert again[task]["headline"] == final[task]["headline"]


@pytest.mark.peers  # slow: a process
def test_evaluate_scores_another_engine(uninterrupted):
    run, _ = uninterrupted
    found = {}
    for engine in ("jax", "jax-bfloat16"):
        flags = ["mtt_jax", "evaluate", str(run), "--json", f"--engine={engine}"]
        out, _ = finish(command("-m", *flags))
        found[engine] = json.loads(out)["test"]
    exact, rough = found.values()
    assert exact["topic"]["loss"] == pytest.approx(rough["topic"]["loss"], abs=0.01)
    assert exact["topic"]["loss"] != rough["topic"]["loss"]


def test_another_config_in_the_same_directory_is_refused(uninterrupted, arguments):
    run, _ = uninterrupted
    _, err = finish(command(*arguments(run), "--config.seed=7"), code=2)
    assert "seed: 7 here, 0 there" in err
    assert "--workdir" in err


@pytest.mark.peers  # slow: two runs
def test_a_run_with_init_from_starts_from_the_encoder_of_another_and_can_freeze_it(
    uninterrupted, arguments, tmp_path
):
    """In a process that optimizes what it compiles, as a user's does."""
    out, _ = finish(
        command(
            *arguments(tmp_path / "next"),
            f"--config.init_from={uninterrupted[0]}",
            "--config.init_parts=encoder",
            "--config.train.freeze=('encoder/.*',)",
            "--config.train.steps=3",
            JAX_DISABLE_MOST_OPTIMIZATIONS="0",
        )
    )
    assert "test scores" in out
    ours, theirs = (
        load_file(r / "model" / "model.safetensors") for r in (tmp_path / "next", uninterrupted[0])
    )
    for name in ours:
        if name.startswith("encoder."):
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert any(np.any(ours[name] != theirs[name]) for name in ours if name.startswith("heads."))


@pytest.mark.peers  # slow: a process
def test_a_loss_that_is_nan_or_infinite_ends_the_run_and_keeps_its_checkpoints(arguments, tmp_path):
    run = tmp_path / "nan"
    _, err = finish(
        command(*arguments(run), "--config.train.learning_rate=1e30", "--config.train.clip=0"),
        code=2,
    )
    assert re.search(r"error: step \d+: the loss is (nan|inf) .* 6 steps in a row", err)
    assert "so the parameters have diverged" in err
    assert "--config.train.learning_rate" in err
    assert (run / "bad_batch.jsonl").is_file()
    assert not (run / "metrics.json").exists()
