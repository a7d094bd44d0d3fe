"""Health: steps that are skipped because a number is NaN or infinite, and losses that jump."""

import math
import statistics
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

from mtt_jax.train.step import StepMetrics

# Losses of a task that a jump is measured by, and how many there must be.
_WINDOW, _LEAST = 100, 20
# A jump is this many times the typical distance from the median, and at least so much in all.
_TIMES, _ABSOLUTE = 10.0, 0.5


class Spike(NamedTuple):
    """A loss far above what it was.

    Attributes:
      task: whose loss.
      loss: of the step.
      median: of the steps before it.
    """

    task: str
    loss: float
    median: float


class Skips:
    """Counts the steps that were skipped.

    The state of a run does not hold these counts. A run that is resumed reads them from its
    metrics.jsonl, so that it stops where it would have stopped.

    Attributes:
      total: in the whole run.
      in_a_row: up to the last step; 0 if that was a good one.
    """

    def __init__(self, skipped: Iterable[int] = (), done: int = 0):
        """Continues after `done` steps.

        Args:
          skipped: steps of the run that were skipped.
          done: steps that the run has done.
        """
        steps = {step for step in skipped if step <= done}
        self.total, self.in_a_row = len(steps), 0
        while done - self.in_a_row in steps:
            self.in_a_row += 1

    def add(self, skipped: bool) -> None:
        """Counts a step."""
        self.total += skipped
        self.in_a_row = self.in_a_row + 1 if skipped else 0


class Spikes:
    """Finds losses that jump.

    A task's loss is a spike if it lies above the median of the task's last 100 losses by more than
    10 times their median distance from it, and by more than 0.5. Medians do not follow the spikes
    themselves, as a mean would; the distance takes the noise of small batches into account, and the
    0.5 (nats per label) keeps a loss near 0 quiet. The first 20 losses of a task, and the 20 after
    a spike, are only added to the window. A run that is resumed begins with an empty window.
    """

    def __init__(self) -> None:
        self._losses: dict[str, deque[float]] = {}
        self._quiet: dict[str, int] = {}

    def add(self, losses: Mapping[str, float], counts: Mapping[str, float]) -> list[Spike]:
        """Adds the losses of a step, and returns those that are spikes.

        Args:
          losses: task -> mean loss, finite.
          counts: task -> labels in the batch; a task without any has no loss here.
        """
        found = []
        for task, loss in losses.items():
            if not counts.get(task):
                continue
            window = self._losses.setdefault(task, deque(maxlen=_WINDOW))
            quiet = self._quiet.get(task, _LEAST)
            self._quiet[task] = max(quiet - 1, 0)
            if not quiet:
                median = statistics.median(window)
                typical = statistics.median(abs(value - median) for value in window)
                if loss - median > max(_TIMES * typical, _ABSOLUTE):
                    found.append(Spike(task, loss, median))
                    self._quiet[task] = _LEAST
            window.append(loss)
        return found


def bad_tasks(metrics: StepMetrics) -> list[str]:
    """The tasks whose loss is NaN or infinite; none if only a gradient is."""
    return [name for name, loss in metrics.losses.items() if not math.isfinite(loss)]


def what_is_bad(metrics: StepMetrics) -> str:
    """What a step was skipped for: `the loss is nan (topic nan, ner 0.31)`.

    Args:
      metrics: of a skipped step, on the host.
    """
    losses = ", ".join(f"{name} {value:.3g}" for name, value in metrics.losses.items())
    if not math.isfinite(metrics.loss):
        return f"the loss is {metrics.loss} ({losses})"
    return f"the gradient is NaN or infinite, though the losses are finite ({losses})"


def skipped_line(step: int, metrics: StepMetrics, in_a_row: int, most: int) -> str:
    """The line about a step that was skipped.

    Args:
      step: which.
      metrics: of the step, on the host.
      in_a_row: skipped steps up to this one.
      most: how many may be skipped in a row.
    """
    return (
        f"step {step:,}: skipped, since {what_is_bad(metrics)}; {in_a_row:,} in a row, and one "
        f"after {most:,} ends the run."
    )


def spike_line(step: int, spike: Spike) -> str:
    """The line about a spike."""
    return (
        f"step {step:,}: the loss of {spike.task} jumped to {spike.loss:.3g}; the median of the "
        f"steps before is {spike.median:.3g}."
    )


def skipped_steps(history: Sequence[Mapping[str, Any]]) -> list[int]:
    """The steps that were skipped, from the rows of metrics.jsonl."""
    return [row["step"] for row in history if row["kind"] == "skipped"]
