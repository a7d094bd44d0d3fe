"""The journal of a run: what is written and shown about each step and each evaluation."""

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from mtt_jax.devices import processes
from mtt_jax.errors import UserError
from mtt_jax.scoring.evaluate import evaluate, overall_score
from mtt_jax.scoring.held_out import Perplexity, perplexities, score_of_texts
from mtt_jax.train import bad_batch, flops
from mtt_jax.train.announce import stopped_early
from mtt_jax.train.health import (
    Skips,
    Spikes,
    bad_tasks,
    skipped_line,
    skipped_steps,
    spike_line,
    what_is_bad,
)
from mtt_jax.train.phases import early_stops
from mtt_jax.train.profile import Trace
from mtt_jax.train.progress import History, ProgressLine, progress_bar
from mtt_jax.train.setup import Setup
from mtt_jax.train.step import StepMetrics, TrainState
from mtt_jax.types import Batch


class _Bad(NamedTuple):
    """A step that was skipped: its number, its metrics on the host and its batch on the mesh."""

    step: int
    metrics: StepMetrics
    batch: Batch


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
        self._pending: tuple[int, StepMetrics, Batch] | None = None
        self._skips, self._spikes = _skips_of(setup), Spikes()
        self._bad: _Bad | None = None  # the last skipped step, while no good one has followed

    def tracing(self, step: int) -> AbstractContextManager:
        """The context to run a step in."""
        return self._trace.step(step)

    @contextmanager
    def compiling(self) -> Iterator[None]:
        """Says that the step is being compiled while the block runs."""
        self._progress.compiling()
        yield
        self._progress.compiled()

    @property
    def skipping(self) -> bool:
        """Whether the last step that was reported was skipped."""
        return self._skips.in_a_row > 0

    def stepped(self, step: int, state: TrainState, metrics: StepMetrics, batch: Batch) -> None:
        """Takes a step's metrics and its batch, and reports the step before.

        Raises:
          UserError: if the step before is one skipped step more in a row than train.bad_steps.
        """
        self._trace.after(step, state)
        self._report(state)
        self._pending = step, metrics, batch

    def catch_up(self, step: int, state: TrainState) -> None:
        """Reports the last step; called before its state is evaluated or saved.

        Raises:
          UserError: as `stepped`; or if a parameter is NaN or infinite: such a state is never
            saved, so the last checkpoint stays the newest.
        """
        self._report(state)
        # A step is skipped for its loss and gradient, which are computed before its update.
        if not _all_finite(state.params):
            raise UserError(
                f"step {step}: a parameter became NaN or infinite. Checkpoints before this step "
                f"are untouched. {bad_batch.DIVERGED}"
            )

    def _report(self, state: TrainState) -> None:
        """Reports the step that is pending; `state` is that after it, or after the next one."""
        if not self._pending:
            return
        (step, on_device, batch), self._pending = self._pending, None
        metrics = jax.device_get(on_device)
        self._skips.add(bool(metrics.skipped))
        if metrics.skipped:
            self._skipped(_Bad(step, metrics, batch), state)
        else:
            self._bad = None
            for spike in self._spikes.add(metrics.losses, metrics.counts):
                self._history.jumped(step, spike.task, float(spike.loss), float(spike.median))
                self._setup.console.say(spike_line(step, spike))
        self._progress.step(step, metrics, self._history)

    def _skipped(self, bad: _Bad, state: TrainState) -> None:
        """Writes down a skipped step, and ends the run if there were too many in a row."""
        self._bad = bad
        step, metrics, most = bad.step, bad.metrics, self._setup.config.train.bad_steps
        losses = {name: float(loss) for name, loss in metrics.losses.items()}
        self._history.skipped(step, self._skips.total, bad_tasks(metrics), losses)
        if self._skips.in_a_row > most:
            raise self._too_many(bad, bad_batch.sentences_of(self._setup, state.params, bad.batch))
        self._setup.console.say(skipped_line(step, metrics, self._skips.in_a_row, most))

    def _too_many(self, bad: _Bad, sentences: Sequence[bad_batch.Sentence]) -> UserError:
        """The error that ends a run after bad steps; it leaves the last batch in a file."""
        setup, file = self._setup, self._setup.run / bad_batch.FILE
        if processes.is_main():
            bad_batch.keep(setup.run, bad.step, sentences)
        last, before = setup.checkpoints.latest(), bad.step - self._skips.in_a_row
        if not last:
            where = "There is no checkpoint yet"
        elif last == before and not any(sentence.finite for sentence in sentences):
            where = f"Checkpoint {last:,} holds these parameters, and those before it are good"
        else:
            where = f"The last good checkpoint is that of step {last:,}"
        return UserError(
            f"step {bad.step}: {what_is_bad(bad.metrics)}, and {self._skips.in_a_row:,} "
            f"step{'s' * (self._skips.in_a_row > 1)} in a row changed nothing. "
            f"{bad_batch.verdict(sentences, bad_tasks(bad.metrics))} All of them are in {file}. "
            f"{where}. {bad_batch.remedy(sentences)}"
        )

    def evaluate(self, state: TrainState) -> DevScore | None:
        """The score on dev, which is also written down; None without dev data.

        Perplexity on held-out text is written down too, and is the score if no task trains.

        Raises:
          UserError: if the last step was skipped and the model has a finite answer to no sentence
            of its batch, so that every further step would be skipped too.
        """
        setup, step, params = self._setup, int(state.step), state.model_params
        if self._bad:
            sentences = bad_batch.sentences_of(setup, state.params, self._bad.batch)
            if not any(sentence.finite for sentence in sentences):
                raise self._too_many(self._bad, sentences)
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


def _skips_of(setup: Setup) -> Skips:
    """The skipped steps of a run so far, the same in all processes."""
    done = setup.checkpoints.latest() or 0
    text = json.dumps(skipped_steps(History.read(setup.run)) if done else [])
    return Skips(json.loads(processes.texts(text)[0]), done)


def held_out(setup: Setup, params: Any) -> dict[str, Perplexity]:
    """Objective -> perplexity on held-out text; {} if nothing trains on texts without labels."""
    if not setup.sums:
        return {}
    config = setup.config
    return perplexities(setup.sums, params, setup.data.held_out, config, config.train.batch_rows)


_all_finite = jax.jit(
    lambda tree: jnp.stack([jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(tree)]).all()
)
