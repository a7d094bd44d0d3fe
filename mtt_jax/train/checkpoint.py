"""Checkpoints: the state of a run and of its data stream, by Orbax.

Saving happens in the background. A checkpoint becomes visible in one rename, so a process killed at
any moment leaves the earlier ones intact. Restoring takes shapes and shardings, so that a
checkpoint can be restored on other devices than those that saved it. The position in the data is
saved per shard, so that the number of processes may change as well.

    checkpoints/200/state/...            arrays, in files of TensorStore
    checkpoints/200/data/...             a file per shard of the data
    checkpoints/200/metrics/metrics      scores; absent if dev was not evaluated at this step
    checkpoints/200/manifest.json        size and SHA-256 of all of these
    checkpoints/200/_CHECKPOINT_METADATA what Orbax notes: times, classes; that there is a manifest

The manifest is written by the thread that saves, into the folder that is then renamed. A kill
therefore never leaves a checkpoint without one. Only the note is not in it, since Orbax writes the
time of the rename into it afterwards; nothing that the note says is read in a resumed run.
Checkpoints of versions that wrote no manifest are restored without being compared with one; they
are told apart by the note, which does not mention a manifest.
"""

import contextlib
import dataclasses
import errno
import functools
import json
import logging
import os
import re
import shutil
import sys
import threading
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as keep_policy

from mtt_jax.atomic import WriteError
from mtt_jax.data.pipeline import Shards
from mtt_jax.devices import processes
from mtt_jax.errors import UserError
from mtt_jax.train.stop import abandon_threads
from mtt_jax.weights import manifest
from mtt_jax.weights.manifest import Damage

FOLDER = "checkpoints"
# Where damaged checkpoints are moved, in the run directory.
DAMAGED = "damaged"
_NOTE = "_CHECKPOINT_METADATA"
_TEMPORARY = ".orbax-checkpoint-tmp"
# What Orbax stores in the note of a checkpoint that has a manifest.
_MARK = {"manifest": manifest.FORMAT}
_PATIENCE = 10  # seconds for Orbax's threads to end after a save has failed


class StreamHandler(ocp.CheckpointHandler):
    """The position of a data stream: one file per shard, named and written as Grain does it."""

    def save(self, directory, args: "StreamSave") -> None:
        """Writes the shards that this process reads."""
        for file, stream in _by_file(args.stream).items():
            (directory / file).write_text(json.dumps(stream.get_state(), indent=4))

    def restore(self, directory, args: "StreamRestore") -> Any:
        """Sets the shards that this process reads to their saved positions.

        Raises:
          UserError: if a file is damaged, or was saved by a version with another data pipeline.
        """
        for file, stream in _by_file(args.stream).items():
            if not (directory / file).exists():
                raise ValueError(f"File {directory / file} does not exist.")
            try:
                state = json.loads((directory / file).read_text())
            except ValueError as error:
                raise UserError(
                    f"{directory / file}: damaged: not valid JSON. Delete {directory.parent} to "
                    "resume from the checkpoint before it."
                ) from error
            try:
                stream.set_state(state)
            except (KeyError, TypeError, ValueError) as error:
                raise UserError(
                    f"{directory / file}: this position in the data was saved by another version "
                    "of mtt_jax, so the run cannot be resumed by this one. Resume it with that "
                    "version, or start a new run in another --workdir; if this run has a model/ "
                    "already, --config.init_from starts from it."
                ) from error
            stream.start_prefetch()
        return args.stream


def _by_file(stream: Any) -> dict[str, Any]:
    """File name -> Grain iterator; `stream` is `Shards`, or one iterator over everything."""
    if not isinstance(stream, Shards):
        return {"process_0-of-1.json": stream}
    return {f"process_{i}-of-{stream.count}.json": part for i, part in stream.streams.items()}


@ocp.args.register_with_handler(StreamHandler, for_save=True)
@dataclasses.dataclass
class StreamSave(ocp.args.CheckpointArgs):
    """What to save: `Shards`, or a Grain iterator."""

    stream: Any


@ocp.args.register_with_handler(StreamHandler, for_restore=True)
@dataclasses.dataclass
class StreamRestore(ocp.args.CheckpointArgs):
    """What to set to its saved position: `Shards`, or a Grain iterator."""

    stream: Any


class Checkpoints:
    """The checkpoints/ folder of a run.

    Attributes:
      manager: Orbax's `CheckpointManager`.
    """

    def __init__(
        self,
        run: Path,
        keep: int,
        tasks: Sequence[str] = (),
        say: Callable[[str], None] | None = None,
    ):
        """Opens or creates the folder, after comparing its checkpoints with their manifests.

        Args:
          run: the run directory.
          keep: how many of the newest checkpoints are kept, in addition to the best one.
          tasks: those of which the checkpoint with their own best score is kept too.
          say: told what is done about damaged checkpoints, see `set_aside`; None if nothing may be
            changed.

        Raises:
          UserError: naming the damaged files, if the run cannot be resumed without them.
        """
        self._folder = (run / FOLDER).resolve()

        def examine() -> None:
            found = damaged(self._folder)
            if found and say:
                set_aside(self._folder, found, tasks, say)
            elif found:
                step = min(found)
                raise UserError(f"{manifest.listed(found[step])}. {_advice(self._folder, step)}")

        processes.together(lambda: examine() if processes.is_main() else None)
        self._examined = frozenset(steps_in(self._folder))
        self._saving: int | None = None
        self._failed = False
        _hush_orbax()
        policy = keep_policy.AnyPreservationPolicy(
            [
                keep_policy.LatestN(keep),
                *(
                    keep_policy.BestN(
                        get_metric_fn=functools.partial(_score_and_age, task=task),
                        n=1,
                        keep_checkpoints_without_metrics=False,
                    )
                    for task in ("", *tasks)
                ),
            ]
        )
        self._tasks = frozenset(tasks)
        with self._readable(max(self._examined, default=0)):
            self.manager = ocp.CheckpointManager(
                self._folder,
                item_names=("state", "data"),
                item_handlers={
                    "state": ocp.StandardCheckpointHandler(),
                    "data": StreamHandler(),
                },
                options=ocp.CheckpointManagerOptions(
                    preservation_policy=policy,
                    best_fn=lambda metrics: metrics["score"],  # else Orbax keeps no metrics
                    enable_async_checkpointing=True,
                    cleanup_tmp_directories=True,
                    async_options=ocp.AsyncOptions(
                        post_finalization_callback=self._write_manifest,
                        # Else the threads that write wait ten minutes for a folder that cannot be
                        # created, as on a full disk.
                        create_directories_asynchronously=False,
                    ),
                ),
            )

    def latest(self) -> int | None:
        """The newest saved step; None if there is none."""
        return self.manager.latest_step()

    def best(self, task: str = "") -> tuple[int, float] | None:
        """(step, score) of the best checkpoint, of equal ones the earliest; None without scores.

        Args:
          task: by whose score, one of the tasks that this was opened with; by default the score of
            the run.
        """
        scored = [
            _score_and_age(metrics, task)
            for step in self.manager.all_steps()
            if (metrics := self.manager.metrics(step)) and "score" in metrics
        ]
        return (-int(max(scored)[1]), max(scored)[0]) if scored else None

    def save(
        self,
        step: int,
        state: Any,
        stream: Any,
        score: float | None = None,
        by_task: Mapping[str, float] | None = None,
    ) -> None:
        """Starts to save; returns once the state has been copied and may be donated.

        Args:
          step: steps done.
          state: after that step.
          stream: `Shards` or a Grain iterator.
          score: of the run on dev, if it was just evaluated.
          by_task: likewise task -> its own score.

        Raises:
          UserError: if this checkpoint or the one before cannot be written, as on a full disk.
        """
        kept = {name: value for name, value in (by_task or {}).items() if name in self._tasks}
        metrics = {"score": score, "age": step, **({"by_task": kept} if kept else {})}
        self.wait()
        self._saving = step
        with self._writable():
            self.manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state),
                    data=StreamSave(stream),
                ),
                metrics=None if score is None else metrics,
                custom_metadata=_MARK,
            )

    def _write_manifest(self) -> None:
        """Called by the thread that saves, once all else is written."""
        written = self._folder / f"{self._saving}{_TEMPORARY}"
        manifest.write(written if written.is_dir() else self._folder / f"{self._saving}", (_NOTE,))

    def check(self) -> None:
        """Ends the run if the last save has failed in the meantime; takes no time otherwise.

        Raises:
          UserError: as `save`.
        """
        if self._saving is not None and not self.manager.is_saving_in_progress():
            self.wait()

    @contextlib.contextmanager
    def _writable(self) -> Iterator[None]:
        """Turns what a full disk or a folder without permission raises into one line."""
        try:
            yield
        except Exception as error:
            self._failed = True
            number, cause = _cause(error)
            if not number:
                raise
            full = number in (errno.ENOSPC, errno.EDQUOT)
            remedy = (
                "Free some space (df and df -i show what is used up)" if full else "Correct this"
            )
            last = max((s for s in steps_in(self._folder) if s != self._saving), default=None)
            then = (
                f"the last whole checkpoint is {self._folder / str(last)}, and the same command "
                "resumes from there"
                if last
                else "there is no checkpoint yet, and the same command starts over"
            )
            raise UserError(
                f"step {self._saving}: the checkpoint cannot be written: {cause}. {remedy}; {then}."
            ) from None

    @contextlib.contextmanager
    def _readable(self, step: int) -> Iterator[None]:
        """Turns what Orbax raises for a checkpoint that it cannot read into one line."""
        try:
            yield
        except UserError:
            raise
        except Exception as error:
            folder = self._folder / str(step)
            if not step or not folder.is_dir():
                raise
            said = str(error).strip().partition("\n")[0][:300].rstrip(".")
            raise UserError(
                f"{folder}: cannot be restored: {said or type(error).__name__}. "
                f"{_advice(self._folder, step)}"
            ) from error

    def _intact(self, step: int) -> None:
        """Compares a checkpoint with its manifest, unless this was done when it was opened.

        Raises:
          UserError: naming the damaged files.
        """
        found = [] if step in self._examined else _damages(self._folder / str(step))
        if found:
            raise UserError(f"{manifest.listed(found)}. {_advice(self._folder, step)}")

    def restore(self, step: int, like: Any, stream: Any) -> Any:
        """The state of a step, sharded as `like` says; also sets the stream to its saved position.

        Args:
          step: a saved one.
          like: the state's tree of `jax.ShapeDtypeStruct` with shardings.
          stream: `Shards` or a Grain iterator, of the same pipeline.

        Raises:
          UserError: naming the damaged files, or saying why the checkpoint does not fit.
        """
        self._intact(step)
        with self._readable(step):
            restored = self.manager.restore(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardRestore(like),
                    data=StreamRestore(stream),
                ),
            )
        return restored["state"]

    def restore_state(self, step: int, like: Any) -> Any:
        """The state of a step, without the stream; raises as `restore`."""
        self._intact(step)
        args = ocp.args.Composite(state=ocp.args.StandardRestore(like))
        with self._readable(step):
            return self.manager.restore(step, args=args)["state"]

    def steps(self) -> list[int]:
        """The saved steps, in order."""
        return sorted(self.manager.all_steps())

    def parameters(self, step: int) -> Any:
        """The parameters of a step, on the default device; raises as `restore`."""
        self._intact(step)
        args = ocp.args.Composite(state=ocp.args.StandardRestore())
        with self._readable(step):
            return self.manager.restore(step, args=args)["state"]["params"]

    def wait(self) -> None:
        """Blocks until everything saved is on disk; raises as `save`."""
        if self._saving is None or self._failed:
            return
        with self._writable():
            self.manager.wait_until_finished()
        self._saving = None

    def close(self) -> None:
        """Waits, then ends Orbax's threads; raises as `save`.

        After a save that failed it returns within seconds, even if a thread of Orbax's does not.
        """
        try:
            self.wait()
        finally:
            if not self._failed:
                self.manager.close()
            else:
                closing = threading.Thread(target=self._abandon, name="closing", daemon=True)
                closing.start()
                closing.join(_PATIENCE)
                if closing.is_alive():
                    abandon_threads()

    def _abandon(self) -> None:
        with contextlib.suppress(Exception):  # what failed has been said
            self.manager.close()


def steps_in(folder: Path) -> list[int]:
    """The steps of the checkpoints in a folder, in order; unfinished ones have other names."""
    if not folder.is_dir():
        return []
    return sorted(int(path.name) for path in folder.iterdir() if re.fullmatch(r"\d+", path.name))


def damaged(folder: Path) -> dict[int, list[Damage]]:
    """Step -> its damaged files, for the checkpoints in a folder that are not as written."""
    found = {step: _damages(folder / str(step)) for step in steps_in(folder)}
    return {step: damages for step, damages in found.items() if damages}


def _damages(folder: Path) -> list[Damage]:
    """The damaged files of a checkpoint; none of a version that wrote no manifests."""
    found = manifest.damages(folder, left_out=(_NOTE,))
    file = folder / _NOTE
    try:
        note = json.loads(file.read_text(encoding="utf-8"))
        marked = note["custom_metadata"] == _MARK if "custom_metadata" in note else False
    except FileNotFoundError:
        return [*(found or []), Damage(file, "missing")] if found is not None else []
    except (OSError, ValueError, TypeError, RecursionError):
        return [*(found or []), Damage(file, "is not what was written: not JSON")]
    if found is None:
        return [Damage(folder / manifest.FILE, "missing")] if marked else []
    return found if marked else [*found, Damage(file, "is not what was written")]


def set_aside(
    folder: Path,
    found: Mapping[int, list[Damage]],
    tasks: Sequence[str],
    say: Callable[[str], None],
) -> None:
    """Moves damaged checkpoints out of the way, so that a run resumes from whole ones.

    If one of them is the newest or the best, its steps are done again: the run goes back to the
    newest whole checkpoint before it, and ends with the same parameters as if nothing had been
    damaged.

    Args:
      folder: of the checkpoints.
      found: as returned by `damaged`.
      tasks: those of which the best checkpoint is kept too.
      say: told in one line what was damaged, and where the run goes on.

    Raises:
      UserError: if there is no whole checkpoint to go back to.
    """
    steps = steps_in(folder)
    needed = [step for step in found if _is_needed(folder, step, found, tasks)]
    first = min(needed, default=None)
    last = max((s for s in steps if s not in found and (first is None or s < first)), default=None)
    if last is None:
        assert first is not None
        others = [step for step in steps if step not in found]
        files = [damage for step in found for damage in found[step]]
        raise UserError(f"{manifest.listed(files)}. {_no_way_back(folder, first, others)}")
    moved = [step for step in steps if step in found or (first is not None and step > first)]
    place = folder.parent / DAMAGED
    place.mkdir(exist_ok=True)
    for step in moved:
        shutil.rmtree(place / str(step), ignore_errors=True)
        (folder / str(step)).replace(place / str(step))
    files = [damage for step in found for damage in found[step]]
    then = f"resuming from the newest whole one before, step {last}" if needed else "not needed"
    named = ", ".join(map(str, moved))
    say(f"Damaged: {manifest.listed(files)}. Moved to {place}: {named}; {then}.")


def _is_needed(
    folder: Path, step: int, found: Mapping[int, list[Damage]], tasks: Sequence[str]
) -> bool:
    """Whether a damaged checkpoint is the newest one, or may be the best by any score."""
    if step == max(steps_in(folder)):
        return True
    scores = folder / str(step) / "metrics" / "metrics"
    if any(damage.file == scores for damage in found[step]):
        return True
    known = {}
    for other in steps_in(folder):
        with contextlib.suppress(OSError, ValueError):
            file = folder / str(other) / "metrics" / "metrics"
            known[other] = json.loads(file.read_text(encoding="utf-8"))
    if step not in known:
        return False
    try:
        return any(
            max(known, key=lambda s: _score_and_age(known[s], task)) == step
            for task in ("", *tasks)
        )
    except (KeyError, TypeError):
        return True


def _no_way_back(folder: Path, step: int, others: Sequence[int]) -> str:
    """What to do about a damaged checkpoint if none before it is whole.

    Args:
      folder: of the checkpoints.
      step: of the damaged one.
      others: steps of whole ones, all of which are later.
    """
    over = f"delete {folder} to train from the beginning with the same command"
    if not others:
        return f"No checkpoint is whole. Restore the files from a copy, or {over}."
    return (
        f"It may be the best checkpoint, and none before it is whole. Restore the files from a "
        f"copy; or {over}; or delete {folder / str(step)} to resume from step {max(others)}, with "
        "the best of the remaining checkpoints as the result."
    )


def _advice(folder: Path, step: int) -> str:
    """What to do about a checkpoint that cannot be used, for one who may not change the run."""
    return (
        f"Restore {folder / str(step)} from a copy, or delete it to continue without it; "
        f"mtt verify {folder.parent} names every damaged file."
    )


def _cause(error: BaseException) -> tuple[int, str]:
    """(the system's number, the file and what is wrong with it); (0, "") for any other error.

    The manifest is written by ours, everything else by Orbax and TensorStore.

    TensorStore's errors are texts that hold the number: [os_error_code='28'].
    """
    if isinstance(error, WriteError):
        return error.number, f"{error.path}: {os.strerror(error.number)}"
    if isinstance(error, OSError) and error.errno:
        return error.errno, f"{error.filename or 'a file'}: {error.strerror}"
    numbers = re.findall(r"os_error_code='(\d+)'", str(error))
    if not numbers:
        return 0, ""
    files = re.findall(r'"(/[^"]*)"', str(error))
    return int(numbers[-1]), f"{files[-1] if files else 'a file'}: {os.strerror(int(numbers[-1]))}"


def _hush_orbax() -> None:
    """Keeps Orbax from printing the tracebacks of what it also raises."""
    for name in ("absl", "asyncio"):
        logging.getLogger(name).addFilter(_not_of_orbax)
    if sys.unraisablehook is not _hook:
        _hooks.append(sys.unraisablehook)
        sys.unraisablehook = _hook


def _not_of_orbax(record: logging.LogRecord) -> bool:
    trace = traceback.extract_tb(record.exc_info[2]) if record.exc_info else []
    return not any("orbax" in name for name in (record.pathname, *(f.filename for f in trace)))


def _hook(unraisable: Any) -> None:
    """Drops what TensorStore prints if a write of several fails: that nobody awaits the others."""
    if str(unraisable.exc_value) != "Event loop is closed":
        _hooks[-1](unraisable)


_hooks: list[Callable[[Any], Any]] = []


def _score_and_age(metrics: dict, task: str = "") -> tuple[float, float]:
    """Sorts by the score of the run or of a task; of equal ones the earlier is the better."""
    return metrics["by_task"][task] if task else metrics["score"], -metrics["age"]


def abstract(state: Any, shardings: Any) -> Any:
    """Shapes and dtypes of a state, with one sharding for all leaves or a tree of shardings."""
    if isinstance(shardings, jax.sharding.Sharding):
        shardings = jax.tree.map(lambda _: shardings, state)
    return jax.tree.map(
        lambda leaf, sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        state,
        shardings,
    )
