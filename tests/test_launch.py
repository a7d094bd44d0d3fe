"""The command line, for real: processes that train, are stopped or killed, and go on."""

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
    """Two small files in the layouts that configs/news_files.py reads."""
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

    def of(run):
        return [
            "launch.py",
            "--config=configs/news_files.py",
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
def unbroken(arguments, tmp_path_factory):
    """A run that was never stopped, and what it printed."""
    run = tmp_path_factory.mktemp("runs") / "unbroken"
    out, _ = finish(command(*arguments(run)))
    return run, out


def losses(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return {row["step"]: row["losses"] for row in rows if row["kind"] == "train"}


def same_outcome(run, other):
    ours, theirs = (load_file(r / "model" / "model.safetensors") for r in (run, other))
    assert ours.keys() == theirs.keys()
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert losses(run) == losses(other)
    first, second = (json.loads((r / "metrics.json").read_text()) for r in (run, other))
    assert first["test"] == second["test"]
    assert first["best_step"] == second["best_step"]


def test_a_run_leaves_everything_that_its_directory_promises(unbroken):
    run, out = unbroken
    assert "CPU" in out.splitlines()[0] or "x " in out.splitlines()[0]
    assert "test scores" in out
    present = {path.name for path in run.iterdir()}
    assert present >= {"config.json", "checkpoints", "model", "metrics.jsonl", "metrics.json",
                       "report.html", "tensorboard"}  # fmt: skip
    assert {p.name for p in (run / "model").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "README.md"
    }  # fmt: skip
    final = json.loads((run / "metrics.json").read_text())
    assert 0 <= final["test"]["topic"]["accuracy"] <= 1
    assert set(final["test"]["ner"]["per_entity"]) == {"PER", "ORG", "LOC", "MISC"}
    assert sorted(losses(run)) == list(range(1, 31))
    assert next((run / "tensorboard").glob("events.*")).stat().st_size > 100


def test_a_finished_run_says_that_it_is_finished_and_changes_nothing(unbroken, arguments):
    run, _ = unbroken
    before = (run / "metrics.json").stat().st_mtime_ns
    out, _ = finish(command(*arguments(run)))
    assert "is finished: 30 steps" in out
    assert (run / "metrics.json").stat().st_mtime_ns == before


def test_killed_at_random_moments_a_run_ends_as_one_never_stopped(unbroken, arguments, tmp_path):
    run = tmp_path / "killed"
    kills, deadline = 0, time.monotonic() + 200
    rng = np.random.default_rng(0)
    while kills < 5 and time.monotonic() < deadline:
        process = command(*arguments(run))
        target = len(losses(run)) if (run / "metrics.jsonl").is_file() else 0
        while process.poll() is None:
            done = (run / "metrics.jsonl").is_file() and len(losses(run)) > target
            if done:
                time.sleep(float(rng.uniform(0, 0.02)))
                process.send_signal(signal.SIGKILL)
                break
            time.sleep(0.005)
        process.communicate()
        kills += process.returncode == -signal.SIGKILL
    assert kills == 5
    out, _ = finish(command(*arguments(run)))
    assert re.search(r"Continuing .* from step \d+|is finished", out)
    same_outcome(run, unbroken[0])


def test_asked_to_stop_a_run_saves_itself_and_goes_on_to_the_same_end(
    unbroken, arguments, tmp_path
):
    """By SIGTERM, and by Ctrl-C after it has gone on."""
    run, metrics, before = tmp_path / "stopped", tmp_path / "stopped" / "metrics.jsonl", 0
    for number in (signal.SIGTERM, signal.SIGINT):
        seen = metrics.stat().st_size if metrics.is_file() else 0
        process = command(*arguments(run))
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
    same_outcome(run, unbroken[0])


def test_evaluate_gives_the_scores_of_the_run_again(unbroken):
    run, _ = unbroken
    out, _ = finish(command("-m", "mtt_jax", "evaluate", str(run), "--json"))
    again = json.loads(out)["test"]
    final = json.loads((run / "metrics.json").read_text())["test"]
    assert again["topic"]["confusion"] == final["topic"]["confusion"]
    assert again["ner"]["confusion"] == final["ner"]["confusion"]


def test_evaluate_says_what_another_backend_scores(unbroken):
    run, _ = unbroken
    found = {}
    for backend in ("jax", "jax-bfloat16"):
        flags = ["mtt_jax", "evaluate", str(run), "--json", f"--backend={backend}"]
        out, _ = finish(command("-m", *flags))
        found[backend] = json.loads(out)["test"]
    exact, rough = found.values()
    assert exact["topic"]["loss"] == pytest.approx(rough["topic"]["loss"], abs=0.01)
    assert exact["topic"]["loss"] != rough["topic"]["loss"]


def test_evaluate_scores_other_files_of_either_task_alone(unbroken, files):
    run, _ = unbroken
    out, err = finish(
        command("-m", "mtt_jax", "evaluate", str(run), f"--ner={files / 'ner.conll'}", "--json")
    )
    (scores,) = json.loads(out).values()
    assert list(scores) == ["ner"]
    assert scores["ner"]["count"] == 80
    assert "tags in scheme iob2" in err
    assert list(json.loads(out)) == [str(files / "ner.conll")]
    _, err = finish(command("-m", "mtt_jax", "evaluate", str(run), "--nre=x"), code=2)
    assert err.startswith("error: --nre: no such option; this run has --topic=FILE, --ner=FILE")


def test_evaluate_reads_files_of_another_layout(unbroken, tmp_path):
    run, _ = unbroken
    other = tmp_path / "other.tsv"
    other.write_text("Sport\tRovers win again\nWorld\tParliament sat late\n")
    arguments = ["-m", "mtt_jax", "evaluate", str(run), f"--topic={other}", "--json"]
    _, err = finish(command(*arguments), code=2)
    assert "--config.data.topic.text=" in err
    fields = ["text=2", "label=1", "label_map=Sport=sports, World=politics"]
    fields = [f"--config.data.topic.{field}" for field in fields]
    out, _ = finish(command(*arguments, *fields))
    assert json.loads(out)[str(other)]["topic"]["count"] == 2
    unlabelled = tmp_path / "none.jsonl"
    unlabelled.write_text('{"text": "Rovers win again"}\n')
    arguments[4] = f"--topic={unlabelled}"
    _, err = finish(command(*arguments, "--config.data.topic.text=text"), code=2)
    assert "no sentence carries a label" in err


def test_another_config_in_the_same_directory_is_refused(unbroken, arguments):
    run, _ = unbroken
    _, err = finish(command(*arguments(run), "--config.seed=7"), code=2)
    assert "seed: 7 here, 0 there" in err
    assert "--workdir" in err


def test_a_new_run_starts_from_the_encoder_of_another(unbroken, arguments, tmp_path):
    """In a process that optimises what it compiles, as a user's does."""
    out, _ = finish(
        command(
            *arguments(tmp_path / "next"),
            f"--config.init_from={unbroken[0]}",
            "--config.init_parts=encoder",
            "--config.train.freeze=('encoder/.*',)",
            "--config.train.steps=3",
            JAX_DISABLE_MOST_OPTIMIZATIONS="0",
        )
    )
    assert "test scores" in out
    ours, theirs = (
        load_file(r / "model" / "model.safetensors") for r in (tmp_path / "next", unbroken[0])
    )
    for name in ours:
        if name.startswith("encoder."):
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)
    assert any(np.any(ours[name] != theirs[name]) for name in ours if name.startswith("heads."))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--config is missing"),
        (["--config=configs/balancd.py"], "Did you mean 'configs/balanced.py'?"),
        (["--config=configs/balanced.py", "--config.train.stpes=3"], "Did you mean 'steps'?"),
        (["--config=configs/balanced.py", "--config.train.steps=many"], "a whole number"),
        (["--config=configs/balanced.py", "--config.train.steps=0"], "at least 1"),
        (["--config=configs/balanced.py", "--config.encoder.heads=3"], "do not divide"),
        (["--config=configs/balanced.py", "--wrokdir=x"], "Did you mean 'workdir'?"),
        (["--config=configs/balanced.py", "extra"], "unexpected argument 'extra'"),
        (["--config=configs/news_files.py"], "--config.data.topic.train="),
    ],
)
def test_a_mistake_on_the_command_line_is_one_clear_line(flags, message, tmp_path):
    _, err = finish(command("launch.py", *flags), code=2)
    assert err.startswith("error: ")
    assert message in err


def test_a_loss_that_is_no_number_ends_the_run_and_keeps_what_was_saved(arguments, tmp_path):
    run = tmp_path / "nan"
    _, err = finish(
        command(*arguments(run), "--config.train.learning_rate=1e30", "--config.train.clip=0"),
        code=2,
    )
    assert re.search(r"error: step \d+: the loss is (nan|inf)", err)
    assert "--config.train.learning_rate" in err
    assert not (run / "metrics.json").exists()


@pytest.mark.parametrize("delay", [0.5, 4.0])
def test_ctrl_c_at_any_moment_ends_without_a_traceback(delay, arguments, tmp_path):
    process = command(*arguments(tmp_path / "early"), "--config.train.steps=2000")
    time.sleep(delay)
    process.send_signal(signal.SIGINT)
    _, err = finish(process, code=130)
    assert err.startswith("stopped")


def test_help_lists_the_fields():
    out, _ = finish(command("launch.py", "--config=configs/balanced.py", "--help"))
    assert "config.encoder.layers" in out
    assert "transformer layers" in out
