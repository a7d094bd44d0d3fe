"""The course of a run: the progress bar, metrics.jsonl and TensorBoard events."""

import json
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from tensorboardX import SummaryWriter

from mtt_jax.config.schema import Config
from mtt_jax.report.console import Console
from mtt_jax.scoring.evaluate import main_score
from mtt_jax.train import flops
from mtt_jax.train.optim import make_schedule
from mtt_jax.train.phases import Phase
from mtt_jax.train.step import StepMetrics


class History:
    """metrics.jsonl and TensorBoard events of a run.

    A run that goes on from step N drops the lines behind N, which it is about to write again.
    """

    def __init__(self, run: Path, step: int, config: Config, writes: bool = True):
        """Opens the files; without `writes`, as in all processes but one, nothing is written."""
        self._path = run / "metrics.jsonl" if writes else Path(os.devnull)
        if writes:
            self._drop_behind(run, step)
        self._file = self._path.open("a", encoding="utf-8")
        self._events = (
            SummaryWriter(str(run / "tensorboard"), purge_step=step + 1 if step else None)
            if config.train.tensorboard and writes
            else None
        )

    def _drop_behind(self, run: Path, step: int) -> None:
        kept = [row for row in self.read(run) if step and row["step"] <= step]
        fresh = self._path.with_name(".metrics.jsonl.new")
        fresh.write_text("".join(_line(row) for row in kept), encoding="utf-8")
        fresh.replace(self._path)

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *_) -> None:
        self._file.close()
        if self._events:
            self._events.close()

    @staticmethod
    def read(run: Path) -> list[dict]:
        """The rows of a run's metrics.jsonl; a last line that a kill cut off is left out."""
        path = run / "metrics.jsonl"
        if not path.is_file():
            return []
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        return [json.loads(line) for line in lines if line.endswith("}\n")]

    def trained(self, step: int, row: dict) -> None:
        """Adds a line of training."""
        self._add({"kind": "train", "step": step, **row})

    def evaluated(self, step: int, score: float, scores: dict[str, dict]) -> None:
        """Adds a line of evaluation on dev."""
        plain = {name: main_score(result) for name, result in scores.items()}
        self._add({"kind": "dev", "step": step, "score": score, "scores": plain, **scores})

    def _add(self, row: dict) -> None:
        self._file.write(_line(row))
        if self._events:
            for name, value in _scalars(row):
                self._events.add_scalar(f"{row['kind']}/{name}", value, row["step"])

    def flush(self) -> None:
        """Hands everything to the system, so that it survives the process."""
        self._file.flush()
        if self._events:
            self._events.flush()


def _line(row: dict) -> str:
    return json.dumps(row, ensure_ascii=False) + "\n"


def _scalars(row: dict) -> Iterator[tuple[str, float]]:
    """The numbers of a row worth a curve, with their names."""
    for name, value in row.items():
        if isinstance(value, (int, float)) and name != "step":
            yield name, value
        elif isinstance(value, dict) and name in ("losses", "scores", "weights"):
            yield from ((f"{name}/{task}", number) for task, number in value.items())


def speed(rate: float, fill: float, used: float | None) -> str:
    """What the bar says of a run's speed, such as `  9,000 tokens/s  2% padding  41% MFU`.

    Args:
      rate: subwords a second.
      fill: share of positions that hold one.
      used: model FLOP utilisation, None where it is not known.
    """
    utilisation = "" if used is None else f"  {used:.0%} MFU"
    return f"  {rate:,.0f} tokens/s  {1 - fill:.0%} padding{utilisation}"


@contextmanager
def progress_bar(
    console: Console,
    config: Config,
    phases: Sequence[Phase],
    first: int,
    peak: float | None = None,
) -> Iterator["ProgressLine"]:
    """The bar over a run's steps, `first` of them done already.

    `peak` is what the devices can do together, in FLOP/s; None where that is not known.
    """
    columns = (
        TextColumn("step"),
        MofNCompleteColumn(),
        BarColumn(bar_width=20),
        TextColumn("{task.fields[status]}"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console.rich, disable=not console.rich.is_terminal) as bar:
        yield ProgressLine(console, bar, config, phases, first, peak)


class ProgressLine:
    """Turns the metrics of steps into the bar's text and the history's lines."""

    def __init__(
        self,
        console: Console,
        bar: Progress,
        config: Config,
        phases: Sequence[Phase],
        first: int,
        peak: float | None = None,
    ):
        self._console, self._bar, self._config = console, bar, config
        self._peak = peak
        self._schedule, self._total = make_schedule(phases), phases[-1].end
        self._task = bar.add_task("train", total=self._total, completed=first, status="")
        self._since = time.perf_counter()
        self._tokens = 0
        self._steps = 0
        self._speed = ""

    def step(self, step: int, metrics: StepMetrics, history: History) -> None:
        """Counts a step in; every `log_every` steps a line goes to metrics.jsonl."""
        self._tokens += int(metrics.tokens)
        self._steps += 1
        losses = {name: float(value) for name, value in metrics.losses.items()}
        if step % self._config.train.log_every == 0 or step == self._total:
            now = time.perf_counter()
            rate = self._tokens / max(now - self._since, 1e-9)
            train = self._config.train
            fill = self._tokens / (self._steps * train.batch_rows * train.row_length)
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
            self._speed = speed(rate, fill, used)
            self._since, self._tokens, self._steps = now, 0, 0
        shown = "  ".join(f"{name} {value:.3f}" for name, value in losses.items())
        self._bar.update(self._task, completed=step, status=f"loss {shown}{self._speed}")

    def evaluated(self, step: int, score: float, scores: dict[str, dict]) -> None:
        """Prints an evaluation above the bar; its time does not count as training."""
        shown = ", ".join(f"{name} {main_score(result):.3f}" for name, result in scores.items())
        self._console.say(f"step {step}: dev F1 {shown}; score {score:.4f}")
        self._since = time.perf_counter()
        self._tokens = self._steps = 0
