"""Distributed runs: several processes on this machine compute what one process computes."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest
from safetensors.numpy import load_file

from mtt_jax.devices import processes
from mtt_jax.errors import UserError
from mtt_jax.train.setup import with_shards
from tests.helpers import ROOT, make_config, write_days

TINY = [
    "--config.train.steps=6",
    "--config.train.warmup=2",
    "--config.train.eval_every=3",
    "--config.train.save_every=3",
    "--config.train.log_every=1",
    "--config.train.keep=10",
    "--config.train.batch_rows=8",
    "--config.train.row_length=32",
    "--config.train.log_to=",
    "--config.data.max_length=32",
    "--config.data.overlap=8",
    "--config.data.shards=4",
    "--config.tokenizer.vocab_size=200",
    "--config.encoder.layers=1",
    "--config.encoder.width=32",
    "--config.encoder.heads=2",
    "--config.encoder.feedforward=64",
]


def start(arguments, devices=1):
    environment = {
        **os.environ,
        "JAX_PLATFORMS": "cpu",
        "JAX_NUM_CPU_DEVICES": str(devices),
    }
    return subprocess.Popen(
        [sys.executable, "launch.py", *arguments],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def free_port():
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return found.getsockname()[1]


def start_all(processes, arguments, devices=1):
    address = f"--coordinator=127.0.0.1:{free_port()}"
    flags = [[address, f"--processes={processes}", f"--process={i}"] for i in range(processes)]
    if processes == 1:
        flags = [[]]
    return [start([*arguments, *extra], devices) for extra in flags]


def run_in(processes, arguments, devices=1):
    """Starts all processes, waits for them and returns what each printed."""
    return finish(start_all(processes, arguments, devices))


def finish(started, code=0):
    try:
        printed = [process.communicate(timeout=240) for process in started]
    finally:
        for process in started:
            process.kill()
    for process, (out, err) in zip(started, printed, strict=True):
        assert process.returncode == code, f"{out}\n{err}"
        assert "Traceback" not in err, err
    return printed


@pytest.fixture(scope="module")
def arguments(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    write_days(folder / "data.jsonl", 80)

    def of(run):
        return [
            "--config=configs/balanced.py",
            f"--workdir={run}",
            "--config.data.source=files",
            f"--config.data.cache_dir={folder / 'cache'}",
            f"--config.data.topic.train={folder / 'data.jsonl'}",
            f"--config.data.ner.train={folder / 'data.jsonl'}",
            *TINY,
        ]

    return of


@pytest.fixture(scope="module")
def alone(arguments, tmp_path_factory):
    """Run of one process on one device."""
    run = tmp_path_factory.mktemp("alone") / "run"
    run_in(1, arguments(run))
    return run


@pytest.fixture(scope="module")
def two(alone, arguments, tmp_path_factory):
    """Run of two processes with two devices each, and sharded parameters."""
    run = tmp_path_factory.mktemp("two") / "run"
    printed = run_in(2, [*arguments(run), "--config.mesh.fsdp=4"], devices=2)
    return run, printed


def losses(run):
    rows = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [row["loss"] for row in rows if row["kind"] == "train"]


def assert_same_numbers(run, other):
    assert len(losses(run)) == 6
    np.testing.assert_allclose(losses(run), losses(other), rtol=1e-5)
    ours, theirs = (json.loads((r / "metrics.json").read_text()) for r in (run, other))
    for task, scores in ours["dev"].items():
        np.testing.assert_allclose(scores["loss"], theirs["dev"][task]["loss"], rtol=1e-4)
    first, second = (load_file(r / "model" / "model.safetensors") for r in (run, other))
    assert {n: leaf.shape for n, leaf in first.items()} == {
        n: leaf.shape for n, leaf in second.items()
    }


@pytest.mark.peers  # slow: two processes share the cores
def test_two_processes_with_sharded_parameters_give_the_numbers_of_one(two, alone):
    run, _ = two
    assert_same_numbers(run, alone)


@pytest.mark.peers  # slow: two processes share the cores
def test_only_process_0_prints_and_writes(two):
    run, [(out, _), (silence, _)] = two
    assert "CPU" in out
    assert "4 devices, 2 processes" in out
    # Gloo's threads print these, in fragments and into each other's lines.
    pieces = (
        r"\[Gloo\] Rank|is connected to|peer ranks\.|Expected number of connected peer ranks is :"
    )
    assert re.sub(rf"{pieces}|[\d\s]", "", silence) == ""
    assert {path.name for path in (run / "model").iterdir()} == {
        "config.json", "model.safetensors", "tokenizer.json", "README.md", "fitted.json",
        "manifest.json",
    }  # fmt: skip


@pytest.mark.peers  # slow: three more starts of a run
def test_hidden_words_and_teachers_are_the_same_in_two_processes(alone, arguments, tmp_path):
    flags = ["--config.train.mlm=0.5", f"--config.distill.teachers={alone}"]
    run_in(1, [*arguments(tmp_path / "one"), *flags])
    run_in(2, [*arguments(tmp_path / "two"), *flags, "--config.mesh.fsdp=4"], devices=2)
    assert_same_numbers(tmp_path / "two", tmp_path / "one")
    found = [json.loads((tmp_path / run / "metrics.json").read_text()) for run in ("one", "two")]
    assert found[0]["distill"]["filled"] == found[1]["distill"]["filled"]
    held_out = [run["held_out"]["mlm"]["perplexity"] for run in found]
    np.testing.assert_allclose(*held_out, rtol=1e-4)


@pytest.mark.peers  # slow: four processes share the cores
def test_four_processes_give_the_numbers_of_one(alone, arguments, tmp_path):
    run_in(4, arguments(tmp_path / "run"))
    assert_same_numbers(tmp_path / "run", alone)


@pytest.mark.peers  # slow: two processes share the cores
def test_resume_in_one_process_from_a_checkpoint_of_two(two, alone, arguments, tmp_path):
    run = tmp_path / "run"
    shutil.copytree(two[0], run)
    shutil.rmtree(run / "checkpoints" / "6")
    shutil.rmtree(run / "model")
    (run / "metrics.json").unlink()
    [(out, _)] = run_in(1, [*arguments(run), "--config.mesh.fsdp=2"], devices=2)
    assert "from step 3" in out
    assert_same_numbers(run, alone)


@pytest.mark.peers  # slow: two processes share the cores
def test_signal_to_one_process_stops_all_at_the_same_saved_step(alone, arguments, tmp_path):
    run = tmp_path / "run"
    started = start_all(2, [*arguments(run), "--config.train.steps=5000"])
    while all(process.poll() is None for process in started) and not (
        (run / "checkpoints" / "3").is_dir()
    ):
        time.sleep(0.05)
    started[1].send_signal(signal.SIGTERM)
    printed = finish(started, code=128 + signal.SIGTERM)
    (step,) = {re.search(r"stopped at step (\d+);", err)[1] for _, err in printed}
    assert (run / "checkpoints" / step).is_dir()


@pytest.mark.peers  # slow: two processes share the cores
def test_error_in_one_process_ends_all_with_its_message(alone, arguments):
    """Only process 0 reads the run directory."""
    printed = finish(start_all(2, [*arguments(alone), "--config.seed=7"]), code=2)
    assert all("seed: 7 here, 0 there" in err for _, err in printed)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a:1", 2, None, False), "--process: missing; a distributed run needs"),
        ((None, 2, 0, False), "--coordinator: missing"),
        ((None, None, 0, False), "--coordinator: missing"),
        (("a:1", None, 0, False), "--processes: missing"),
        (("a", 2, 0, False), "--coordinator: expected HOST:PORT, got 'a'"),
        (("a:x", 2, 0, False), "--coordinator: expected HOST:PORT, got 'a:x'"),
        (("no.invalid:1", 2, 1, False), "--coordinator: no.invalid:1: no such host"),
        (("localhost:70000", 2, 1, False), "--coordinator: expected HOST:PORT, got 'localhost:7"),
        (("a:1", 0, 0, False), "--processes: 0 is too small"),
        (("a:1", 2, 2, False), "--process: expected 0 to 1, got 2"),
        (
            ("a:1", 2, 0, True),
            "--distributed: detects coordinator, processes and process; give either",
        ),
    ],
)
def test_missing_or_invalid_flags_of_a_distributed_run_are_refused(given, message):
    with pytest.raises(UserError) as caught:
        processes.start(*given)
    assert str(caught.value).startswith(message)


def test_distributed_without_a_cluster_names_the_flags_to_give(arguments, tmp_path):
    ((_, err),) = finish([start([*arguments(tmp_path / "run"), "--distributed"])], code=2)
    assert err.startswith("error: --distributed: no cluster detected")
    assert "--coordinator=HOST:PORT" in err
    assert len(err.splitlines()) == 1


def test_processes_that_do_not_divide_the_data_shards_are_refused(monkeypatch):
    monkeypatch.setattr(jax, "process_count", lambda: 3)
    with pytest.raises(UserError, match="3 processes do not divide 4 shards evenly; use a multi"):
        with_shards(make_config(data__shards=4))
    assert with_shards(make_config(train__batch_rows=6)).data.shards == 3
    with pytest.raises(UserError, match="3 shards do not divide train.batch_rows, 8"):
        with_shards(make_config())
