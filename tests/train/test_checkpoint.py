"""Checkpoints: state and stream resume where they were; the newest and the best are kept."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from mtt_jax.data.pipeline import open_shards, training_stream
from mtt_jax.devices.mesh import make_mesh, replicated
from mtt_jax.errors import UserError
from mtt_jax.train.checkpoint import Checkpoints, abstract, damaged, steps_in
from mtt_jax.weights import manifest
from tests.helpers import ROOT, flip_a_bit, make_config

CONFIG = make_config(train__batch_rows=2)


@pytest.fixture
def stream(examples):
    return iter(training_stream(examples, CONFIG))


@pytest.fixture
def checkpoints(tmp_path):
    opened = Checkpoints(tmp_path, keep=2)
    yield opened
    opened.close()


def state(value):
    return {"step": jnp.int32(value), "weights": jnp.full((3, 2), value, jnp.float32)}


def like():
    return abstract(state(0), replicated(make_mesh(1, 2)))


def test_state_and_stream_resume_where_they_were_saved(checkpoints, stream, examples):
    for _ in range(3):
        next(stream)
    checkpoints.save(3, state(3), stream, None)
    following = [next(stream) for _ in range(4)]
    checkpoints.wait()
    fresh = iter(training_stream(examples, CONFIG))
    back = checkpoints.restore(3, like(), fresh)
    jax.tree.map(np.testing.assert_array_equal, back, state(3))
    for ours in following:
        jax.tree.map(np.testing.assert_array_equal, ours, next(fresh))


def test_shards_saved_by_one_process_resume_in_two(checkpoints, examples):
    config = make_config(train__batch_rows=2, data__shards=2)
    whole = open_shards(examples, config)
    next(whole)
    checkpoints.save(1, state(1), whole, None)
    following = next(whole)
    checkpoints.wait()
    parts = []
    for process in range(2):
        stream = open_shards(examples, config, process, 2)
        checkpoints.restore(1, like(), stream)
        parts.append(next(stream))
    rows = jax.tree.map(lambda *rows: np.concatenate(rows), *parts)
    jax.tree.map(np.testing.assert_array_equal, rows, following)


def test_a_stream_position_of_another_version_or_damaged_cannot_be_resumed(
    checkpoints, stream, tmp_path
):
    checkpoints.save(1, state(1), stream, None)
    checkpoints.wait()
    (file,) = (tmp_path / "checkpoints" / "1" / "data").glob("process_*.json")
    of_another_pipeline = {"packed_rows": 3, "exhausted": 0, "next_in_source": 12}
    file.write_text(json.dumps(of_another_pipeline))
    manifest.write(tmp_path / "checkpoints" / "1", ("_CHECKPOINT_METADATA",))
    with pytest.raises(
        UserError, match="was saved by another version of mtt_jax, so the run cannot be resumed"
    ):
        checkpoints.restore(1, like(), stream)
    file.write_text('{"trunc')
    manifest.write(tmp_path / "checkpoints" / "1", ("_CHECKPOINT_METADATA",))
    with pytest.raises(
        UserError, match=r"damaged: not valid JSON. Delete .*/checkpoints/1 to resume"
    ):
        checkpoints.restore(1, like(), stream)


def test_the_newest_and_the_best_are_kept(checkpoints, stream):
    for step, score in enumerate([0.1, 0.9, 0.3, None, 0.4, None], start=1):
        checkpoints.save(step, state(step), stream, score)
    checkpoints.wait()
    assert sorted(checkpoints.manager.all_steps()) == [2, 5, 6]
    assert checkpoints.latest() == 6
    assert checkpoints.best() == (2, 0.9)
    np.testing.assert_array_equal(checkpoints.restore_state(2, like())["step"], 2)


def test_of_equal_scores_the_earliest_is_the_best_and_is_kept(checkpoints, stream):
    for step in range(1, 6):
        checkpoints.save(step, state(step), stream, 0.5)
    checkpoints.wait()
    assert checkpoints.best() == (1, 0.5)
    assert sorted(checkpoints.manager.all_steps()) == [1, 4, 5]


def test_the_best_by_each_task_is_kept_beside_the_best_of_all(stream, tmp_path):
    scores = [(0.5, 0.9, 0.1), (0.7, 0.8, 0.6), (0.6, 0.2, 0.8), (0.4, 0.4, 0.4), (0.3, 0.9, 0.8)]
    checkpoints = Checkpoints(tmp_path, 1, ("topic", "ner"))
    for step, (score, topic, ner) in enumerate(scores, start=1):
        by_task = {"topic": topic, "ner": ner, "unlabelled": 0.0}
        checkpoints.save(step, state(step), stream, score, by_task)
    checkpoints.save(6, state(6), stream)
    checkpoints.close()
    again = Checkpoints(tmp_path, 1, ("topic", "ner"))
    assert again.steps() == [1, 2, 3, 6]
    assert [again.best(), again.best("topic"), again.best("ner")] == [(2, 0.7), (1, 0.9), (3, 0.8)]
    again.close()


def test_without_a_score_there_is_no_best(checkpoints, stream):
    assert checkpoints.latest() is None
    checkpoints.save(1, state(1), stream, None)
    checkpoints.wait()
    assert checkpoints.best() is None


def test_a_half_written_checkpoint_after_a_kill_is_ignored(checkpoints, stream, tmp_path):
    checkpoints.save(1, state(1), stream, 0.5)
    checkpoints.wait()
    half = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    (half / "state").mkdir(parents=True)
    again = Checkpoints(tmp_path, keep=2)
    assert again.latest() == 1
    assert again.best() == (1, 0.5)
    again.close()


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_state_of_another_shape_is_refused(checkpoints, stream):
    checkpoints.save(1, state(1), stream, None)
    checkpoints.wait()
    wrong = like()
    wrong["weights"] = jax.ShapeDtypeStruct((4, 2), jnp.float32, sharding=wrong["step"].sharding)
    with pytest.raises(ValueError, match="shape"):
        checkpoints.restore_state(1, wrong)


def truncate(file):
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def zero(file):
    file.write_bytes(bytes(file.stat().st_size))


damages = pytest.mark.parametrize("damage", [truncate, zero, Path.unlink, flip_a_bit])
# Orbax's own marks: their content is read by nothing, and nothing depends on them.
MARKS = ("_CHECKPOINT_METADATA", "commit_success.txt")


@pytest.fixture(scope="module")
def saved(tmp_path_factory, examples):
    """A run directory with the checkpoints 1 and 2."""
    run = tmp_path_factory.mktemp("saved")
    opened = Checkpoints(run, keep=2)
    stream = iter(training_stream(examples, CONFIG))
    for step in (1, 2):
        opened.save(step, state(step), stream, step / 10)
    opened.close()
    return run


@pytest.fixture
def run(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "run")


def files_of(run, step):
    folder = run / "checkpoints" / str(step)
    return sorted(file for file in folder.rglob("*") if file.is_file())


def test_every_checkpoint_has_a_manifest_of_all_its_files(run):
    for step in (1, 2):
        folder = run / "checkpoints" / str(step)
        named = {folder / name for name in manifest.read(folder)}
        rest = {file.name for file in set(files_of(run, step)) - named}
        assert rest <= {"manifest.json", *MARKS}
        assert damaged(run / "checkpoints") == {}


@damages
def test_damage_of_any_file_is_named_and_the_checkpoint_before_is_resumed(damage, run, tmp_path):
    for file in files_of(run, 2):
        if file.parent.name == "2" and file.name in MARKS:
            continue
        copy = Path(shutil.copytree(run, tmp_path / "copy"))
        hurt = copy / file.relative_to(run)
        damage(hurt)
        with pytest.raises(UserError, match=re.escape(str(hurt))):
            Checkpoints(copy, keep=2)
        said = []
        opened = Checkpoints(copy, keep=2, say=said.append)
        assert opened.latest() == 1
        opened.close()
        (line,) = said
        assert line.startswith(f"Damaged: {hurt}: ")
        then = "2; resuming from the newest whole one before, step 1."
        assert line.endswith(f"Moved to {copy / 'damaged'}: {then}")
        shutil.rmtree(copy)


@damages
def test_damage_of_what_orbax_notes_for_itself_changes_nothing(damage, run, stream):
    for name in MARKS:
        file = run / "checkpoints" / "2" / name
        if file.is_file():
            damage(file)
    opened = Checkpoints(run, keep=2, say=lambda line: None)
    step = opened.latest()
    jax.tree.map(np.testing.assert_array_equal, opened.restore(step, like(), stream), state(step))
    opened.close()


def test_without_a_whole_checkpoint_the_error_names_the_files_and_what_to_do(run):
    for step in (1, 2):
        flip_a_bit(run / "checkpoints" / str(step) / "state" / "_METADATA")
    with pytest.raises(UserError, match=r"1/state/_METADATA.*No checkpoint is whole.*delete") as e:
        Checkpoints(run, keep=2, say=lambda line: None)
    assert len(str(e.value).splitlines()) == 1


def test_steps_are_done_again_if_the_best_checkpoint_is_damaged(tmp_path, stream):
    opened = Checkpoints(tmp_path, keep=4)
    for step, score in enumerate([0.1, 0.9, 0.3, 0.4], start=1):
        opened.save(step, state(step), stream, score)
    opened.close()
    flip_a_bit(tmp_path / "checkpoints" / "2" / "state" / "_METADATA")
    again = Checkpoints(tmp_path, keep=4, say=lambda line: None)
    assert again.steps() == [1]
    again.close()
    assert sorted(path.name for path in (tmp_path / "damaged").iterdir()) == ["2", "3", "4"]


def test_nothing_is_done_again_if_no_result_depends_on_what_is_damaged(tmp_path, stream):
    opened = Checkpoints(tmp_path, keep=4)
    for step, score in enumerate([0.1, 0.9, 0.3, 0.4], start=1):
        opened.save(step, state(step), stream, score)
    opened.close()
    flip_a_bit(tmp_path / "checkpoints" / "3" / "state" / "_METADATA")
    said = []
    again = Checkpoints(tmp_path, keep=4, say=said.append)
    assert again.steps() == [1, 2, 4]
    again.close()
    assert said[0].endswith(": 3; not needed.")


def test_a_checkpoint_of_a_version_without_manifests_is_restored(run, stream):
    for step in (1, 2):
        folder = run / "checkpoints" / str(step)
        (folder / "manifest.json").unlink()
        note = json.loads((folder / "_CHECKPOINT_METADATA").read_text())
        del note["custom_metadata"]
        (folder / "_CHECKPOINT_METADATA").write_text(json.dumps(note))
    opened = Checkpoints(run, keep=2)
    assert opened.latest() == 2
    np.testing.assert_array_equal(opened.restore(2, like(), stream)["step"], 2)
    opened.close()


# A run that saves again and again, in a folder that is given.
SAVING = """
import sys
from pathlib import Path
import jax.numpy as jnp
from mtt_jax.cli import guarded
from mtt_jax.train.checkpoint import Checkpoints
from mtt_jax.train.stop import end_process

class Stream:
    get_state, start_prefetch = (lambda self: {"position": 1}), (lambda self: None)

def run():
    checkpoints = Checkpoints(Path(sys.argv[1]), keep=99)
    try:
        for step in range(1 + (checkpoints.latest() or 0), 31):
            state = {name: jnp.arange(9) * step for name in "abc"}
            checkpoints.save(step, state, Stream(), 0.5)
            while checkpoints._saving and checkpoints.manager.is_saving_in_progress():
                pass
            checkpoints.check()
    finally:
        checkpoints.close()
    return 0

end_process(guarded(run))
"""


def saves(folder):
    """(exit status, last line on standard error) of a process that saves 30 checkpoints."""
    done = subprocess.run(
        [sys.executable, "-c", SAVING, str(folder)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    return done.returncode, done.stderr.splitlines()


@pytest.fixture
def small_disk(tmp_path):
    """A function that mounts a file system with so many inodes; it may be called again."""
    disk = tmp_path / "disk"
    disk.mkdir()

    def mount(inodes):
        option = "remount," if os.path.ismount(disk) else ""
        command = ["mount", "-t", "tmpfs", "-o", f"{option}size=20m,nr_inodes={inodes}"]
        if subprocess.run([*command, "tmpfs", disk], capture_output=True).returncode:
            pytest.skip("only root may mount a file system")
        return disk

    yield mount
    subprocess.run(["umount", disk], capture_output=True)


@pytest.mark.peers  # slow: real processes
def test_a_full_disk_ends_the_process_with_one_line_and_it_resumes_once_there_is_space(small_disk):
    disk = small_disk(70)
    code, lines = saves(disk)
    assert code == 2
    (line,) = lines
    last = max(steps_in(disk / "checkpoints"))
    assert line.startswith(f"error: step {last + 1}: the checkpoint cannot be written: {disk}/")
    assert "No space left on device. Free some space" in line
    assert line.endswith(
        f"the last whole checkpoint is {disk}/checkpoints/{last}, and the same command resumes "
        "from there."
    )
    small_disk(5000)
    assert saves(disk) == (0, [])
    assert steps_in(disk / "checkpoints") == list(range(1, 31))
    assert damaged(disk / "checkpoints") == {}


@pytest.mark.peers  # slow: a process for each file of a checkpoint
@pytest.mark.parametrize("free", range(1, 36))
def test_a_disk_that_is_full_at_any_file_ends_the_process_with_one_line(free, small_disk):
    code, lines = saves(small_disk(2 + free))
    assert code == 2
    (line,) = lines
    assert re.match(r"error: step \d+: the checkpoint cannot be written: ", line)
    assert "No space left on device" in line


def test_a_file_that_may_not_grow_ends_the_process_with_one_line(tmp_path):
    limited = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))\n"
    done = subprocess.run(
        [sys.executable, "-c", limited + SAVING, str(tmp_path)],
        cwd=ROOT, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    (line,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "File too large. Correct this; there is no checkpoint yet, and the same" in line


def test_threads_that_hang_after_an_error_do_not_keep_the_process_alive():
    program = (
        "import threading\n"
        "from mtt_jax.train.stop import abandon_threads, end_process\n"
        "threading.Thread(target=threading.Event().wait).start()\n"
        "abandon_threads(); print('said'); end_process(2)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120
    )
    assert (done.returncode, done.stdout) == (2, "said\n")
