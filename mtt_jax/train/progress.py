"""The progress of a run: metrics.jsonl, loggers, the progress bar and progress lines."""

import json
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from rich.console import Console as RichConsole
from rich.progress import Progress, ProgressColumn, Task
from rich.text import Text

from mtt_jax import atomic
from mtt_jax.config.schema import Config
from mtt_jax.report.as_json import finite
from mtt_jax.report.console import Console, duration
from mtt_jax.report.run_files import read_history
from mtt_jax.scoring.held_out import Perplexity
from mtt_jax.tasks import Score
from mtt_jax.train import flops
from mtt_jax.train.loggers import open_loggers
from mtt_jax.train.optim import make_schedule
from mtt_jax.train.phases import Phase
from mtt_jax.train.step import StepMetrics

# Seconds after which a console that is not a terminal gets a line, if nothing else was printed.
_SILENCE = 60.0
# Groups of numbers in a row of metrics.jsonl that loggers get.
_DRAWN = ("losses", "scores", "weights", "perplexity")
# Characters of the bar.
_BAR = 12


class History:
    """metrics.jsonl of a run, and the loggers that get the same numbers.

    A line is on disk as soon as it is added. A run that is resumed from step N drops the lines
    after N, since it is about to write them again.
    """

    def __init__(
        self,
        run: Path,
        step: int,
        config: Config,
        writes: bool = True,
        started: float | None = None,
        say: Callable[[str], None] = print,
    ):
        """Opens the file and the loggers.

        Args:
          run: the run directory.
          step: steps done.
          config: the run's.
          writes: whether anything is written; false for all processes but one.
          started: when the seconds of a line are counted from; None for lines without them.
          say: tells the user that a logger failed.

        Raises:
          UserError: if a logger cannot be started.
        """
        self._started = started
        self._path = run / "metrics.jsonl" if writes else Path(os.devnull)
        before = self.read(run) if writes else []
        self._tested = any(row["kind"] == "test" and step for row in before)
        logged = max((row["step"] for row in before), default=0)
        self._loggers = open_loggers(run, step, logged, config, say) if writes else []
        if writes:
            self._drop_after(before, step)
        with atomic.explained(self._path):
            self._file = self._path.open("a", encoding="utf-8")

    def _drop_after(self, rows: Sequence[dict], step: int) -> None:
        kept = [row for row in rows if step and row["step"] <= step]
        atomic.write(self._path, "".join(_line(row) for row in kept))

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_) -> None:
        with suppress(OSError):  # after an error, which has been raised when the line was written
            self._file.close()
        for logger in self._loggers:
            logger.close()

    @staticmethod
    def read(run: Path) -> list[dict]:
        """The rows of a run's metrics.jsonl, except for a last line that a kill cut off."""
        return read_history(run)

    @staticmethod
    def seconds(run: Path) -> float:
        """Seconds that earlier starts of a run worked on it, up to their last line."""
        return max((row.get("seconds", 0.0) for row in History.read(run)), default=0.0)

    def trained(self, step: int, row: dict) -> None:
        """Adds a line about training."""
        self._add({"kind": "train", "step": step, **row})

    def evaluated(
        self, step: int, score: float, scores: Mapping[str, Score], of_phase: float | None = None
    ) -> None:
        """Adds a line about an evaluation on dev.

        Args:
          step: steps done.
          score: that chooses the best checkpoint.
          scores: of the tasks.
          of_phase: that patience goes by, if it is another one.
        """
        headlines = {name: result.headline for name, result in scores.items()}
        plain = {name: result.as_json() for name, result in scores.items()}
        other = {} if of_phase in (None, score) else {"phase_score": of_phase}
        row = {"kind": "dev", "step": step, "score": score, **other, "scores": headlines}
        self._add({**row, **plain})

    def held_out(self, step: int, texts: Mapping[str, Perplexity]) -> None:
        """Adds a line about held-out text."""
        values = {name: found.value for name, found in texts.items()}
        plain = {name: found.as_json() for name, found in texts.items()}
        self._add({"kind": "held_out", "step": step, "perplexity": values, **plain})

    def skipped(
        self, step: int, total: int, tasks: Sequence[str], losses: Mapping[str, float]
    ) -> None:
        """Adds a line about a step that was skipped; a loss that is NaN or infinite is null.

        Args:
          step: which.
          total: skipped steps of the run so far.
          tasks: those whose loss is NaN or infinite.
          losses: of all tasks that train.
        """
        row = {"kind": "skipped", "step": step, "total": total, "tasks": list(tasks)}
        self._add({**row, "losses": finite(losses)})

    def jumped(self, step: int, task: str, loss: float, median: float) -> None:
        """Adds a line about a loss that jumped above the median of the steps before."""
        row = {"kind": "spike", "step": step, "task": task}
        self._add({**row, "loss": loss, "median": median})

    def tested(self, step: int, best: int, scores: Mapping[str, Score]) -> None:
        """Adds the line about test, and has the loggers take its figures.

        Does nothing if an earlier start of the run has added it, so that no logger gets it twice.

        Args:
          step: the run's last.
          best: the step of the checkpoint that was scored.
          scores: of the tasks.
        """
        if self._tested:
            return
        self._tested = True
        headlines = {name: result.headline for name, result in scores.items()}
        plain = {name: result.as_json() for name, result in scores.items()}
        self._write({"kind": "test", "step": step, "best_step": best, "scores": headlines, **plain})
        values = {f"test/scores/{name}": value for name, value in headlines.items()}
        for name, result in scores.items():
            values |= {f"test/{name}/{figure.name}": figure.value for figure in result.figures}
        for logger in self._loggers:
            logger.final(step, values)

    def _write(self, row: dict) -> None:
        if self._started is not None:
            row = {**row, "seconds": round(time.time() - self._started, 1)}
        with atomic.explained(self._path):
            self._file.write(_line(row))
            self._file.flush()

    def _add(self, row: dict) -> None:
        self._write(row)
        values = {f"{row['kind']}/{name}": value for name, value in _scalars(row)}
        for logger in self._loggers:
            logger.scalars(row["step"], values)

    def flush(self) -> None:
        """Has the loggers write or send what they got."""
        for logger in self._loggers:
            logger.flush()


def _line(row: dict) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _scalars(row: dict) -> Iterator[tuple[str, float]]:
    """The numbers of a row that loggers get, with their names."""
    for name, value in row.items():
        if isinstance(value, (int, float)) and name not in ("step", "seconds"):
            yield name, value
        elif isinstance(value, dict) and name in _DRAWN:
            yield from (
                (f"{name}/{task}", number) for task, number in value.items() if number is not None
            )


def speed(rate: float, fill: float, used: float | None) -> tuple[str, ...]:
    """The speed as the bar shows it: `9,000 tokens/s`, `2% padding`, `41% MFU`.

    Args:
      rate: subwords per second.
      fill: share of positions that hold a subword.
      used: model FLOP utilization; None if it is unknown.
    """
    utilization = () if used is None else (f"{used:.0%} MFU",)
    return f"{rate:,.0f} tokens/s", f"{1 - fill:.0%} padding", *utilization


def bar_line(
    width: int,
    step: int,
    total: int,
    status: Sequence[str],
    speeds: Sequence[str],
    elapsed: float,
    left: float | None,
    ends: str = "━─",
) -> str:
    """The progress bar in one line of at most `width` characters.

    Step, total and time left stay as long as they fit. If the line is too long, parts are dropped
    in this order: utilization, padding, elapsed time, speed, the bar, the details of the status,
    the status.

    Args:
      width: columns of the terminal.
      step: steps done.
      total: steps of the run.
      status: what happens, in several lengths, longest first.
      speeds: as `speed` gives them.
      elapsed: seconds since the start.
      left: seconds to the end; None if unknown.
      ends: the characters of the part that is done, and of the rest.
    """
    count = f"step {step:,}/{total:,}"
    time_left = f"{_clock_time(left)} left"
    done = round(_BAR * step / max(total, 1))
    bar = ends[0] * done + ends[1] * (_BAR - done)
    fast = [(*speeds[:n], _clock_time(elapsed)) for n in range(len(speeds), 0, -1)]
    candidates = [
        *([count, bar, *status[:1], *tail, time_left] for tail in fast),
        *([count, bar, *status[:1], *speeds[:n], time_left] for n in (1, 0)),
        *([count, *shorter, time_left] for shorter in ([bar, s] for s in status[1:])),
        *([count, shorter, time_left] for shorter in status),
        [count, time_left],
    ]
    lines = ("  ".join(candidate) for candidate in candidates)
    return next((line for line in lines if len(line) <= width), count[:width])


def _clock_time(seconds: float | None) -> str:
    """Seconds as `1:02:03`; `-:--:--` if unknown."""
    if seconds is None:
        return "-:--:--"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}"


class _Line(ProgressColumn):
    """The whole bar as one column, so that we decide what a narrow terminal drops."""

    max_refresh = None

    def __init__(self, console: RichConsole):
        super().__init__()
        self._console = console

    def render(self, task: Task) -> Text:
        """The line, for the terminal as wide as it is now."""
        about = task.fields
        ends = "━─" if self._console.encoding.startswith("utf") else "#-"
        line = bar_line(
            self._console.width - 1, int(task.completed), int(task.total or 0), about["status"],
            about["speeds"], task.elapsed or 0.0, about["left"], ends,
        )  # fmt: skip
        return Text(line, no_wrap=True, overflow="crop")


def headlines(scores: Mapping[str, Score]) -> str:
    """The headline scores in words: `macro F1 topic 0.912, tone 0.950`.

    If the tasks' headlines have different titles, each is named: `topic macro F1 0.912, ner entity
    F1 0.843`.
    """
    # What follows a comma in a title, as in "entity F1, strict", is for tables.
    titles = {name: score.figures[0].title.partition(",")[0] for name, score in scores.items()}
    if len(set(titles.values())) == 1:
        shown = ", ".join(f"{name} {score.headline:.3f}" for name, score in scores.items())
        return f"{next(iter(titles.values()))} {shown}"
    return ", ".join(
        f"{name} {titles[name]} {score.headline:.3f}" for name, score in scores.items()
    )


@contextmanager
def progress_bar(
    console: Console,
    config: Config,
    phases: Sequence[Phase],
    first: int,
    peak: float | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Iterator["ProgressLine"]:
    """The progress over a run's steps, `first` of which are done.

    Args:
      console: a terminal gets a bar; any other console a line per minute.
      config: the run's.
      phases: the run's.
      first: steps done.
      peak: FLOP/s of all devices together; None if it is unknown.
      clock: seconds from any start.
    """
    line = _Line(console.rich)
    with Progress(line, console=console.rich, disable=not console.rich.is_terminal) as bar:
        yield ProgressLine(console, bar, config, phases, first, peak, clock)


class _Window:
    """Steps and tokens since a moment."""

    def __init__(self, now: float):
        self.since, self.steps, self.tokens = now, 0, 0

    def add(self, tokens: int) -> None:
        """Counts a step."""
        self.steps += 1
        self.tokens += tokens

    def seconds(self, now: float) -> float:
        """Time since the window began, never 0."""
        return max(now - self.since, 1e-9)


class ProgressLine:
    """Turns the metrics of steps into the bar's text, console lines and the history's lines."""

    def __init__(
        self,
        console: Console,
        bar: Progress,
        config: Config,
        phases: Sequence[Phase],
        first: int,
        peak: float | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ):
        self._console, self._bar, self._config = console, bar, config
        self._peak, self._clock = peak, clock
        self._schedule, self._total = make_schedule(phases), phases[-1].end
        self._task = bar.add_task(
            "train", total=self._total, completed=first, status=("starting",), speeds=(), left=None
        )
        self._speeds: tuple[str, ...] = ()
        self._pace: float | None = None  # seconds per step
        self._restart()

    def _restart(self) -> None:
        now = self._clock()
        self._logged = _Window(now)  # since the last line of metrics.jsonl
        self._shown = _Window(now)  # since the last line on the console
        self._paced = _Window(now)

    def planned(self, phases: Sequence[Phase]) -> None:
        """Takes the phases after one has ended early."""
        self._schedule, self._total = make_schedule(phases), phases[-1].end
        self._bar.update(self._task, total=self._total)

    def compiling(self) -> None:
        """Says that the training step is being compiled, which may take minutes."""
        self._bar.update(self._task, status=("compiling the training step", "compiling"))
        if not self._console.rich.is_terminal:
            self._console.say("Compiling the training step.")

    def compiled(self) -> None:
        """The step is compiled; only from now on time counts as training."""
        self._bar.update(self._task, status=("first step",))
        self._restart()

    def evaluating(self) -> None:
        """Says that dev is being scored."""
        self._bar.update(self._task, status=("evaluating on dev", "evaluating"))

    def step(self, step: int, metrics: StepMetrics, history: History) -> None:
        """Counts a step; every `log_every` steps a line is added to metrics.jsonl.

        A skipped step has no such line: its numbers are not those of the run.
        """
        now = self._clock()
        self._logged.add(int(metrics.tokens))
        self._shown.add(int(metrics.tokens))
        self._paced.add(int(metrics.tokens))
        self._pace = self._paced.seconds(now) / self._paced.steps
        losses = {name: float(value) for name, value in metrics.losses.items()}
        logging = step % self._config.train.log_every == 0 or step == self._total
        if logging and not metrics.skipped:
            self._log(now, step, metrics, losses, history)
        shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._bar.update(
            self._task,
            completed=step,
            status=(f"loss {shown}", f"loss {float(metrics.loss):.3f}"),
            speeds=self._speeds,
            left=(self._total - step) * self._pace,
        )
        if not self._console.rich.is_terminal and now - self._shown.since >= _SILENCE:
            self._say(now, step, losses)

    def _log(
        self, now: float, step: int, metrics: StepMetrics, losses: dict, history: History
    ) -> None:
        window, train = self._logged, self._config.train
        rate = window.tokens / window.seconds(now)
        fill = window.tokens / (window.steps * train.batch_rows * train.row_length)
        used = flops.utilisation(self._config.encoder, train.row_length, rate, self._peak)
        history.trained(
            step,
            {
                "loss": float(metrics.loss),
                "losses": losses,
                "learning_rate": float(self._schedule(step - 1)),
                "gradient_norm": float(metrics.gradient_norm),
                "weights": {name: float(value) for name, value in metrics.weights.items()},
                "tokens_per_second": round(rate),
                "fill": fill,
                **({} if used is None else {"utilisation": used}),
            },
        )
        self._speeds = speed(rate, fill, used)
        self._logged = _Window(now)

    def _say(self, now: float, step: int, losses: dict) -> None:
        window = self._shown
        seconds = window.seconds(now)
        left = (self._total - step) * seconds / window.steps
        shown = ", ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._console.say(
            f"step {step:,} of {self._total:,}: loss {shown}; {window.tokens / seconds:,.0f} "
            f"tokens/s; about {duration(left)} left"
        )
        self._shown = _Window(now)

    def evaluated(
        self,
        step: int,
        score: float | None,
        scores: Mapping[str, Score],
        texts: Mapping[str, Perplexity] | None = None,
    ) -> None:
        """Prints an evaluation above the bar; its time does not count as training."""
        parts = [f"dev {headlines(scores)}"] if scores else []
        parts += [] if score is None else [f"score {score:.4f}"]
        parts += [
            f"{name} perplexity {found.value:,.1f} on held-out text"
            for name, found in (texts or {}).items()
        ]
        self._console.say(f"step {step}: {'; '.join(parts) or 'no dev data to be scored on'}")
        self._restart()
