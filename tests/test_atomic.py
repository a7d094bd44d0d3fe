"""Files that appear in one step, on disks that are small, full, read-only or have quotas."""

import errno
import os
import resource
import signal

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer, models

from mtt_jax import atomic
from tests.faults.disks import small_disk

BIG = 3 << 20


@pytest.fixture
def disk(tmp_path):
    with small_disk(tmp_path, megabytes=2) as disk:
        yield disk


def left(folder):
    return sorted(path.name for path in folder.iterdir() if path.name != "ballast")


def big_tokenizer(path):
    words = {f"{index:020}": index for index in range(BIG // 20)}
    Tokenizer(models.WordLevel(words, unk_token="0")).save(str(path))


WRITERS = {
    "text": lambda path: path.write_text("x" * BIG),
    "npy": lambda path: np.save(path, np.ones(BIG, np.int8)),
    "npz": lambda path: np.savez(path, a=np.ones(BIG, np.int8)),
    "safetensors": lambda path: save_file({"a": np.ones(BIG, np.int8)}, path),
    "json": big_tokenizer,
}


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_for_which_the_disk_has_no_room_is_named_and_the_old_one_stays(disk, ending):
    file = disk.path / f"file.{ending}"
    file.write_text("old")
    with pytest.raises(atomic.WriteError) as caught, atomic.replacing(file, "--out") as fresh:
        WRITERS[ending](fresh)
    assert str(caught.value) == (
        f"--out: cannot write {file}: No space left on device. Free some space and start again; "
        "nothing saved is lost."
    )
    assert file.read_text() == "old"
    assert left(disk.path) == [file.name]


@pytest.mark.parametrize("ending", WRITERS)
def test_a_folder_for_which_the_disk_has_no_room_is_named_and_the_old_one_stays(disk, ending):
    folder = disk.path / "model"
    folder.mkdir()
    (folder / "old").touch()
    with (
        pytest.raises(atomic.WriteError, match="No space left"),
        atomic.replacing_folder(folder) as f,
    ):
        WRITERS[ending](f / f"file.{ending}")
    assert left(disk.path) == ["model"]
    assert left(folder) == ["old"]


def test_a_read_only_disk_is_named(disk):
    disk.read_only()
    with pytest.raises(atomic.WriteError, match=r"file: Read-only file system\.$"):
        atomic.write(disk.path / "file", "text")
    with (
        pytest.raises(atomic.WriteError, match=r"new: Read-only file system\.$"),
        atomic.replacing_folder(disk.path / "new"),
    ):
        pass


@pytest.fixture
def limit():
    """A limit of this process that is lifted again."""
    before = {}

    def set_limit(number, value):
        before[number] = resource.getrlimit(number)
        resource.setrlimit(number, (value, before[number][1]))

    yield set_limit
    for number, limits in before.items():
        resource.setrlimit(number, limits)


@pytest.mark.parametrize("ending", WRITERS)
def test_a_file_that_is_too_large_for_a_limit_is_named(tmp_path, limit, ending):
    """NumPy does not say why a file was cut."""
    assert signal.getsignal(signal.SIGXFSZ) == signal.SIG_IGN  # Python's own
    limit(resource.RLIMIT_FSIZE, 1 << 20)
    with (
        pytest.raises(atomic.WriteError, match=r": File too large\.$"),
        atomic.replacing(tmp_path / f"file.{ending}") as fresh,
    ):
        WRITERS[ending](fresh)
    assert left(tmp_path) == []


def test_too_many_open_files_are_named(tmp_path, limit):
    lowest = os.open(os.devnull, os.O_RDONLY)  # all below it are open
    limit(resource.RLIMIT_NOFILE, lowest)
    with pytest.raises(atomic.WriteError, match=r"file: Too many open files\.$"):
        atomic.write(tmp_path / "file", "text")
    os.close(lowest)


def test_a_quota_is_explained_as_a_full_disk_is(tmp_path):
    message = str(atomic.refused(tmp_path / "file", errno.EDQUOT))
    assert "quota exceeded. Free some space and start again" in message


def test_an_error_about_another_file_is_left_as_it_is(tmp_path):
    with pytest.raises(FileNotFoundError), atomic.replacing(tmp_path / "new"):
        (tmp_path / "none").read_text()
    with pytest.raises(ZeroDivisionError), atomic.replacing_folder(tmp_path / "new"):
        print(1 / 0)
    assert left(tmp_path) == []


def test_a_folder_that_another_process_wrote_meanwhile_can_be_kept(tmp_path):
    folder = tmp_path / "cache"
    with atomic.replacing_folder(folder, keep=True) as fresh:
        (fresh / "ours").touch()
        folder.mkdir()
        (folder / "theirs").touch()
    assert left(folder) == ["theirs"]
    assert left(tmp_path) == ["cache"]


def test_only_what_killed_processes_left_is_cleared(tmp_path):
    for name in (".config-12.new.json", ".model-12.old", "config.json", ".notes-2024.txt", ".lock"):
        (tmp_path / name).touch()
    (tmp_path / ".model-12.new").mkdir()
    (tmp_path / ".model-12.new" / "part").touch()
    atomic.clear(tmp_path)
    assert left(tmp_path) == [".lock", ".notes-2024.txt", "config.json"]
