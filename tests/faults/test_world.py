"""Faults of the world: disks, directories, limits, clocks, other runs and other processes."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from mtt_jax.weights import saved_model
from tests.faults.disks import small_disk
from tests.faults.runs import ROOT, Starter, differences, environment, write_data
from tests.helpers import make_config, model_and_params, save_untrained


@pytest.fixture(scope="module")
def starter(tmp_path_factory):
    starter = Starter(tmp_path_factory.mktemp("starter"))
    yield starter
    starter.close()


@pytest.fixture(scope="module")
def flags(tmp_path_factory):
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def whole(starter, flags, tmp_path_factory):
    """A run that met no fault."""
    folder = tmp_path_factory.mktemp("whole")
    status, said = starter(train(flags, folder / "run", folder / "cache"))
    assert status == 0, said
    return folder / "run"


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path) as disk:
        yield disk


def train(flags, run, cache, *more):
    return ["train", *flags, f"--workdir={run}", f"--config.data.cache_dir={cache}", *more]


def error_of(result, status=2):
    """The one line of error of a command that printed no traceback."""
    code, said = result
    assert code == status, said
    assert "Traceback" not in said, said
    lines = [line for line in said.splitlines() if line.startswith("error: ")]
    assert len(lines) == 1, said
    assert said.endswith(f"{lines[0]}\n")
    assert "Wrote" not in said
    return lines[0]


def size(path):
    """Bytes of a file or folder on a tmpfs, which has pages of 4 kB."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    return sum(-(-file.stat().st_size // 4096) * 4096 for file in files)


# A full disk, while ...


@pytest.mark.peers  # slow: starts of a run
def test_a_full_disk_under_a_new_run_names_its_first_file(starter, flags, disk, tmp_path, whole):
    disk.fill()
    run = disk.path / "run"
    error = error_of(starter(train(flags, run, tmp_path / "cache")))
    assert error.startswith(f"error: --workdir: cannot write {run}/config.json: No space left on")
    disk.free()
    assert starter(train(flags, run, tmp_path / "cache"))[0] == 0
    assert differences(run, whole) == []


@pytest.mark.peers  # slow: starts of a run
@pytest.mark.parametrize("room", [0, 12 << 10])
def test_a_full_disk_under_the_data_cache_names_it(room, starter, flags, disk, tmp_path, whole):
    """With some room the tokenizer is written and the arrays are not."""
    disk.fill(room)
    run, cache = tmp_path / "run", disk.path / "cache"
    error = error_of(starter(train(flags, run, cache)))
    assert re.match(f"error: config.data.cache_dir: cannot write {cache}/enc.*: No space", error)
    assert [p for p in cache.rglob("*") if p.is_file()] == []
    disk.free()
    assert starter(train(flags, run, cache))[0] == 0
    assert differences(run, whole) == []


@pytest.mark.peers  # slow: starts of a run
@pytest.mark.parametrize("name", ["metrics.jsonl", "model", "mistakes.json", "report.html",
                                  "metrics.json"])  # fmt: skip
def test_a_full_disk_at_the_end_of_a_run_names_the_file(
    name, starter, flags, disk, tmp_path, whole
):
    run, cache = disk.path / "run", tmp_path / "cache"
    hook = {"below": [str(disk.path)], "matching": "mkdir run/.model-*"}
    assert starter(train(flags, run, cache), hook=hook)[0] == -9
    # The start copies metrics.jsonl, and the room of the old one is free again when that is done.
    written = ["model", "mistakes.json", "report.html", "metrics.json"]
    room = 0
    if name in written:
        after = sum(size(whole / other) for other in written[: written.index(name)])
        room = max(size(whole / "metrics.jsonl"), after)
    # A new file of events, and the cleared temporary files, are below a page.
    disk.fill(room)
    error = error_of(starter(train(flags, run, cache)))
    assert error.startswith(f"error: cannot write {run / name}: No space left on device.")
    assert not (run / "metrics.json").exists()
    assert [path.name for path in run.iterdir() if path.name.startswith(".")] == []
    disk.free()
    assert starter(train(flags, run, cache))[0] == 0
    assert differences(run, whole) == []


def test_a_full_disk_under_tensorboard_ends_its_log_and_not_the_run(disk):
    from mtt_jax.train.progress import History

    said = []
    config = make_config(train__log_to=("tensorboard",))
    run = disk.path / "run"
    run.mkdir()
    with History(run, 0, config, say=said.append) as history:
        disk.fill()
        for logger in history._loggers:
            for step in range(100):
                logger.scalars(step, {"train/loss": 1.0})
            logger.flush()
    (line,) = said
    assert "tensorboard failed and gets nothing more: [Errno 28] No space left" in line


@pytest.fixture
def run_of_a_model(tokenizer, tmp_path):
    return save_untrained(tmp_path, tokenizer)


TEXTS = "".join(f"Tom Fry left Rome on day {number} .\n" for number in range(400))


@pytest.mark.parametrize(
    "ending",
    ["jsonl", *(pytest.param(e, marks=pytest.mark.peers) for e in ("csv", "conll", "parquet"))],
)
def test_a_full_disk_under_the_output_of_predict(ending, run_of_a_model, starter, disk, tmp_path):
    texts, output = tmp_path / "texts.txt", disk.path / f"out.{ending}"
    texts.write_text(TEXTS)
    if ending == "parquet":
        pa = pytest.importorskip("pyarrow.parquet")
        import pyarrow

        texts = tmp_path / "texts.parquet"
        pa.write_table(pyarrow.table({"text": TEXTS.splitlines()}), texts)
    command = ["predict", str(run_of_a_model), str(texts), f"--output={output}"]
    command += [f"--format={ending}"]
    disk.fill(8192)
    error = error_of(starter(command))
    assert re.match(rf"error: --output: cannot write {disk.path}/out.*: No space left", error)
    if ending != "jsonl":  # whose lines are resumed
        assert not output.exists()
    disk.free()
    status, said = starter(command)
    assert status == 0, said
    if ending != "parquet":
        whole = tmp_path / f"whole.{ending}"
        assert starter([*command[:3], f"--output={whole}", command[-1]])[0] == 0
        if ending != "jsonl":
            assert output.read_text() == whole.read_text()
            return
        # Batches of a resumed prediction begin elsewhere, which changes scores by rounding.
        ours, theirs = ([json.loads(line)["text"] for line in f.open()] for f in (output, whole))
        assert ours == theirs


def test_a_full_disk_under_the_output_of_convert_and_export(
    run_of_a_model, starter, disk, tmp_path
):
    rows = tmp_path / "rows.jsonl"
    rows.write_text(
        "".join(json.dumps({"text": "Rome .", "label": "a"}) + "\n" for _ in range(500))
    )
    disk.fill(4096)
    output = disk.path / "out.jsonl"
    error = error_of(starter(["convert", str(rows), str(output)]))
    assert error.startswith(f"error: cannot write {output}: No space left on device.")
    folder = disk.path / "exported"
    error = error_of(starter(["export", str(run_of_a_model), str(folder), "--to=stablehlo"]))
    assert error.startswith(f"error: cannot write {folder}: No space left on device.")
    assert [path.name for path in disk.path.iterdir()] == ["ballast"]


def test_a_model_that_does_not_fit_leaves_the_one_before(disk, tokenizer):
    config = make_config()
    _, params = model_and_params(config, tokenizer)
    folder = disk.path / "model"
    saved_model.save(folder, config, params, tokenizer, "first")
    disk.fill(4096)
    with pytest.raises(saved_model.UserError, match=f"cannot write {folder}: No space left"):
        saved_model.save(folder, config, params, tokenizer, "second")
    assert (folder / "README.md").read_text() == "first"
    assert sorted(path.name for path in disk.path.iterdir()) == ["ballast", "model"]


@pytest.mark.peers  # slow: starts of a run
def test_a_read_only_disk_is_one_line_and_a_finished_run_on_it_is_shown(
    starter, flags, disk, tmp_path, whole
):
    run = disk.path / "run"
    shutil.copytree(whole, run)
    (run / "metrics.json").unlink()
    disk.read_only()
    error = error_of(starter(train(flags, run, tmp_path / "cache")))
    assert error == f"error: --workdir: cannot write {run}: Read-only file system."
    disk.read_only(False)
    shutil.copy(whole / "metrics.json", run)
    disk.read_only()
    config = json.loads((run / "config.json").read_text())
    cache = config["data"]["cache_dir"]
    status, said = starter(train(flags, run, cache))
    assert (status, "is finished: 4 steps" in said) == (0, True), said


# The run directory


@pytest.mark.peers  # slow: starts of a run
@pytest.mark.parametrize("change", ["removed", "renamed", "replaced by a file"])
def test_a_directory_that_goes_while_a_run_writes_ends_it_with_one_line(
    change, starter, flags, tmp_path
):
    """The run is stopped at an operation while that happens."""
    run, cache = tmp_path / "run", tmp_path / "cache"
    hook = {"below": [str(run)], "matching": "rename checkpoints/2", "after": True,
            "number": signal.SIGSTOP}  # fmt: skip

    def go(process):
        while stopped(process) is False:
            time.sleep(0.01)
        if change == "removed":
            shutil.rmtree(run)
        else:
            run.rename(tmp_path / "elsewhere")
        if change == "replaced by a file":
            run.touch()
        os.kill(process, signal.SIGCONT)

    result = starter(train(flags, run, cache, "--config.train.steps=400"), hook=hook, meanwhile=go)
    error = error_of(result)
    assert error.startswith(f"error: {run}: was removed, renamed or replaced while the run was")
    assert run.is_file() if change == "replaced by a file" else not run.exists()


def stopped(process):
    """Whether a process has been stopped by a signal."""
    with open(f"/proc/{process}/stat") as file:
        return file.read().rpartition(")")[2].split()[0] in "TZ"


@pytest.mark.peers  # slow: starts of a run
def test_a_second_run_on_a_directory_is_refused_before_it_writes_anything(
    starter, flags, whole, tmp_path
):
    run, cache = tmp_path / "run", tmp_path / "cache"
    hook = {"below": [str(run)], "matching": "rename checkpoints/2", "number": signal.SIGSTOP}
    refused = []

    def second(process):
        while stopped(process) is False:
            time.sleep(0.01)
        before = sorted(run.rglob("*"))
        done = subprocess.run(
            [sys.executable, "launch.py", *train(flags, run, cache)[1:]],
            cwd=ROOT, env=environment(), capture_output=True, text=True,
        )  # fmt: skip
        refused.append((done.returncode, done.stdout + done.stderr, process))
        assert sorted(run.rglob("*")) == before
        readers = ["report", str(run), f"--out={tmp_path / 'report.html'}"]
        subprocess.run([sys.executable, "-m", "mtt_jax", *readers], cwd=ROOT, check=True)
        os.kill(process, signal.SIGCONT)

    status, said = starter(train(flags, run, cache), hook=hook, meanwhile=second)
    assert status == 0, said
    ((code, printed, process),) = refused
    error = error_of((code, printed))
    assert f"--workdir: {run} is in use by process {process} on " in error
    assert differences(run, whole) == []


@pytest.mark.peers  # slow: starts of a run
def test_data_that_changed_between_a_stop_and_the_next_start_are_refused(starter, tmp_path):
    flags = write_data(tmp_path)
    run, cache = tmp_path / "run", tmp_path / "cache"
    hook = {"below": [str(run)], "matching": "rename checkpoints/4"}
    assert starter(train(flags, run, cache), hook=hook)[0] == -9
    file = tmp_path / "data.jsonl"
    before = file.read_text()
    file.write_text(before.replace("good day 4", "fine day 4"))
    error = error_of(starter(train(flags, run, cache)))
    assert "has changed since the run started, so the run cannot be resumed" in error
    file.write_text(before)
    assert starter(train(flags, run, cache))[0] == 0


# The machine


@pytest.mark.peers  # slow: starts of a run
def test_a_clock_that_was_set_back_changes_nothing_but_the_seconds(starter, flags, whole, tmp_path):
    """As if the first start had been in a week: its files and its last line are from then."""
    run, cache = tmp_path / "run", tmp_path / "cache"
    hook = {"below": [str(run)], "matching": "rename checkpoints/4"}
    assert starter(train(flags, run, cache), hook=hook)[0] == -9
    week = time.time() + 7 * 86400
    for path in [*run.rglob("*"), *cache.rglob("*")]:
        os.utime(path, (week, week))
    status, said = starter(train(flags, run, cache))
    assert status == 0, said
    assert differences(run, whole) == []
    assert json.loads((run / "metrics.json").read_text())["seconds"] >= 0


# Several processes


def start_two(flags, run, cache, port):
    address = [f"--coordinator=127.0.0.1:{port}", "--processes=2"]
    return [
        subprocess.Popen(
            [sys.executable, "launch.py", *train(flags, run, cache)[1:], *address,
             f"--process={index}", "--config.data.shards=2"],
            cwd=ROOT, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )
        for index in range(2)
    ]  # fmt: skip


@pytest.mark.peers  # slow: two processes, twice
@pytest.mark.parametrize("victim", [0, 1])
def test_a_run_of_two_processes_of_which_one_dies_ends_and_resumes(victim, flags, tmp_path):
    from tests.devices.test_processes import free_port

    run, cache = tmp_path / "run", tmp_path / "cache"
    many = [*flags, "--config.train.steps=200"]
    started = start_two(many, run, cache, free_port())
    try:
        while not (run / "checkpoints" / "2").is_dir():
            assert all(process.poll() is None for process in started)
            time.sleep(0.05)
        started[victim].kill()
        _, err = started[1 - victim].communicate(timeout=60)
        assert started[1 - victim].returncode not in (0, None)
        assert "has died" in err or "another task died" in err
        started[victim].communicate()
        started = start_two(many, run, cache, free_port())
        out = started[0].communicate(timeout=240)[0]
        assert re.search(r"Resuming .* from step \d+", out)
        assert [process.wait(240) for process in started] == [0, 0]
    finally:
        for process in started:
            process.kill()


@pytest.mark.peers  # slow: it waits for a coordinator that is not there
def test_an_unreachable_coordinator_is_one_line_within_a_minute(flags, tmp_path):
    from tests.devices.test_processes import free_port

    _, process = start_two(flags, tmp_path / "run", tmp_path / "cache", free_port())
    _.kill()
    _.communicate()
    out, err = process.communicate(timeout=120)
    error = error_of((process.returncode, out + err))
    assert "not all processes found each other within 50 seconds" in error


def test_a_full_disk_under_standard_output_is_one_line(disk):
    disk.fill()
    with (disk.path / "fields").open("w") as output:
        done = subprocess.run(
            [sys.executable, "-m", "mtt_jax", "fields"],
            cwd=ROOT, env=environment(), stdout=output, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
    assert (done.returncode, done.stderr) == (
        2, "error: standard output: No space left on device.\n"
    )  # fmt: skip
