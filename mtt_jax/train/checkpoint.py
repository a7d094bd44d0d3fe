"""Checkpoints: the state of a run and of its data stream, by Orbax.

Saving happens in the background. A checkpoint becomes visible in one rename, so a process killed at
any moment leaves the earlier ones intact. Restoring takes shapes and shardings, so that a
checkpoint can be restored on other devices than those that saved it. The position in the data is
saved per shard, so that the number of processes may change as well.
"""

import dataclasses
import functools
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy as keep_policy

from mtt_jax.data.pipeline import Shards
from mtt_jax.errors import UserError


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

    def __init__(self, run: Path, keep: int, tasks: Sequence[str] = ()):
        """Opens or creates the folder.

        Args:
          run: the run directory.
          keep: how many of the newest checkpoints are kept, in addition to the best one.
          tasks: those of which the checkpoint with their own best score is kept too.
        """
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
        self.manager = ocp.CheckpointManager(
            (run / "checkpoints").resolve(),
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
        """
        kept = {name: value for name, value in (by_task or {}).items() if name in self._tasks}
        metrics = {"score": score, "age": step, **({"by_task": kept} if kept else {})}
        self.manager.save(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardSave(state),
                data=StreamSave(stream),
            ),
            metrics=None if score is None else metrics,
        )

    def restore(self, step: int, like: Any, stream: Any) -> Any:
        """The state of a step, sharded as `like` says; also sets the stream to its saved position.

        Args:
          step: a saved one.
          like: the state's tree of `jax.ShapeDtypeStruct` with shardings.
          stream: `Shards` or a Grain iterator, of the same pipeline.
        """
        restored = self.manager.restore(
            step,
            args=ocp.args.Composite(
                state=ocp.args.StandardRestore(like),
                data=StreamRestore(stream),
            ),
        )
        return restored["state"]

    def restore_state(self, step: int, like: Any) -> Any:
        """The state of a step, without the stream."""
        args = ocp.args.Composite(state=ocp.args.StandardRestore(like))
        return self.manager.restore(step, args=args)["state"]

    def steps(self) -> list[int]:
        """The saved steps, in order."""
        return sorted(self.manager.all_steps())

    def parameters(self, step: int) -> Any:
        """The parameters of a step, on the default device."""
        args = ocp.args.Composite(state=ocp.args.StandardRestore())
        return self.manager.restore(step, args=args)["state"]["params"]

    def wait(self) -> None:
        """Blocks until everything saved is on disk."""
        self.manager.wait_until_finished()

    def close(self) -> None:
        """Waits, then ends Orbax's threads."""
        self.wait()
        self.manager.close()


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
