"""Disks that are small, full or read-only, for tests of them."""

import contextlib
import os
import subprocess

import pytest


class Disk:
    """A tmpfs that a test may fill.

    Attributes:
      path: where it is mounted.
    """

    def __init__(self, path, megabytes=64):
        """Mounts it; the test is skipped if that is not allowed."""
        self.path = path
        path.mkdir()
        self._mount("-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(path))

    def _mount(self, *arguments):
        try:
            subprocess.run(["mount", *arguments], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no tmpfs can be mounted: {error}")

    def fill(self, left=0):
        """Fills it but for some bytes."""
        self.free()
        with (self.path / "ballast").open("wb", buffering=0) as file:
            with contextlib.suppress(OSError):
                while file.write(bytes(1 << 16)):
                    pass
            os.ftruncate(file.fileno(), max(file.tell() - left, 0))

    def free(self):
        """Frees what `fill` filled."""
        (self.path / "ballast").unlink(missing_ok=True)

    def read_only(self, yes=True):
        """Makes it read-only, also for root, or writable again."""
        self._mount("-o", f"remount,{'ro' if yes else 'rw'}", str(self.path))

    def close(self):
        """Unmounts it."""
        subprocess.run(["umount", "-l", str(self.path)], check=True)


@contextlib.contextmanager
def small_disk(folder, megabytes=64):
    """A disk in a folder while the block runs."""
    disk = Disk(folder / "disk", megabytes)
    try:
        yield disk
    finally:
        disk.close()
