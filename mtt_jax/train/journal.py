"""The journal of a run: what is written and shown about each step and each evaluation."""

import math
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mtt_jax.devices import processes
from mtt_jax.errors import UserError
from mtt_jax.scoring.evaluate import evaluate, overall_score
from mtt_jax.scoring.held_out import Perplexity, perplexities, score_of_texts
from mtt_jax.train import flops
from mtt_jax.train.announce import stopped_early
from mtt_jax.train.phases import early_stops
from mtt_jax.train.profile import Trace
from mtt_jax.train.progress import History, ProgressLine, progress_bar
from mtt_jax.train.setup import Setup
from mtt_jax.train.step import StepMetrics, TrainState

_DIVERGED = (
    "Checkpoints before this step are untouched. Lower --config.train.learning_rate, raise "
    "--config.train.warmup or set --config.train.clip, and start in a new --workdir."
)


class DevScore(NamedTuple):
    """An evaluation on dev.

    Attributes:
      score: the one that chooses the best checkpoint.
      by_task: task -> headline score.
      of_phase: the one that patience goes by: `score`, or in a phase that trains on texts without
        labels alone that of its perplexity.
    """

    score: float
    by_task: dict[str, float]
    of_phase: float


def open_history(setup: Setup) -> History:
    """The history of a run, which continues at its newest checkpoint.

    Raises:
      UserError: if a logger cannot be started.
    """
    first, main, say = setup.checkpoints.latest() or 0, processes.is_main(), setup.console.say
    return processes.together(
        lambda: History(setup.run, first, setup.config, main, setup.started, say)
    )


@contextmanager
def open_journal(setup: Setup, first: int, history: History) -> Iterator["Journal"]:
    """The journal of a run of which `first` steps are done."""
    config = setup.config
    each = flops.peak(setup.mesh.devices.flat[0].device_kind, config.encoder.dtype)
    peak = each * setup.mesh.size if each else None
    with (
        progress_bar(setup.console, config, setup.phases, first, peak) as progress,
        Trace(setup.run, config.train.profile) as trace,
    ):
        yield Journal(setup, history, progress, trace)


class Journal:
    """Checks what comes out of the steps, and passes it on to files and the console.

    The metrics of a step are read one step late, while the devices work on the next one.
    """

    def __init__(self, setup: Setup, history: History, progress: ProgressLine, trace: Trace):
        self._setup, self._history, self._progress, self._trace = setup, history, progress, trace
        self._pending: tuple[int, StepMetrics] | None = None

    def tracing(self, step: int) -> AbstractContextManager:
        """The context to run a step in."""
        return self._trace.step(step)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Says that the step is being compiled while the block runs."""
        self._progress.compiling()
        yield
        self._progress.compiled()

    def stepped(self, step: int, state: TrainState, metrics: StepMetrics) -> None:
        """Takes a step's metrics, and reports those of the step before.

        Raises:
          UserError: if the loss of the step before is NaN or infinite.
        """
        self._trace.after(step, state)
        self._report()
        self._pending = step, metrics

    def catch_up(self, step: int, state: TrainState) -> None:
        """Reports the last step; called before its state is evaluated or saved.

        Raises:
          UserError: if its loss or a parameter is NaN or infinite: such a state is never saved, so
            the last checkpoint stays the newest.
        """
        self._report()
        # The loss of a step is computed before its update.
        if not _all_finite(state.params):
            raise UserError(f"step {step}: a parameter became NaN or infinite. {_DIVERGED}")

    def _report(self) -> None:
        if self._pending:
            (step, metrics), self._pending = self._pending, None
            metrics = jax.device_get(metrics)
            if not math.isfinite(metrics.loss):
                parts = ", ".join(f"{name} {value:.3g}" for name, value in metrics.losses.items())
                raise UserError(f"step {step}: the loss is {metrics.loss} ({parts}). {_DIVERGED}")
            self._progress.step(step, metrics, self._history)

    def evaluate(self, state: TrainState) -> DevScore | None:
        """The score on dev, which is also written down; None without dev data.

        Perplexity on held-out text is written down too, and is the score if no task trains.
        """
        setup, step, params = self._setup, int(state.step), state.model_params
        config, dev, rows = setup.config, setup.data.splits["dev"], setup.config.train.batch_rows
        if not len(dev) and not setup.sums:
            return None
        self._progress.evaluating()
        texts = held_out(setup, params)
        if texts:
            self._history.held_out(step, texts)
        if not len(dev) and (config.task_list or not texts):
            self._progress.evaluated(step, None, {}, texts)
            return None
        scores = (
            evaluate(setup.forward, params, dev, config, rows, fit=True).scores
            if config.task_list
            else {}
        )
        score = of_phase = overall_score(scores, config, texts)
        phase = next((p for p in setup.phases if step <= p.end), setup.phases[-1])
        if texts and not any(task.name in phase.config.active for task in config.task_list):
            of_phase = score_of_texts(texts)
        self._history.evaluated(step, score, scores, of_phase)
        self._progress.evaluated(step, score, scores, texts)
        by_task = {name: result.headline for name, result in scores.items()}
        return DevScore(score, by_task, of_phase)

    def planned(self, setup: Setup) -> None:
        """Takes the phases after an evaluation, and says so if it ended one early."""
        before = len(early_stops(self._setup.phases, self._setup.scored))
        for stop in early_stops(setup.phases, setup.scored)[before:]:
            setup.console.say(stopped_early(stop, setup.config))
            self._progress.planned(setup.phases)
        self._setup = setup

    def flush(self) -> None:
        """Hands everything to the operating system."""
        self._history.flush()


def held_out(setup: Setup, params: Any) -> dict[str, Perplexity]:
    """Objective -> perplexity on held-out text; {} if nothing trains on texts without labels."""
    if not setup.sums:
        return {}
    config = setup.config
    return perplexities(setup.sums, params, setup.data.held_out, config, config.train.batch_rows)


_all_finite = jax.jit(
    lambda tree: jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
)
