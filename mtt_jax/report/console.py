"""The terminal: plain lines, tables of scores, and how much of a count is done."""

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from rich.console import Console as RichConsole
from rich.progress import (
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from mtt_jax.tasks.score import Calibration, Reached, Row, Score, read_scores


class Console:
    """The console on which a user follows a run.

    Attributes:
      rich: Rich's console, for bars and tables.
    """

    def __init__(self, rich: RichConsole | None = None):
        self.rich = rich or RichConsole(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Prints a line."""
        self.rich.print(text, markup=False)

    @property
    def shows_progress(self) -> bool:
        """Whether this is a terminal, on which `counting` shows something."""
        return self.rich.is_terminal and not self.rich.quiet

    @contextmanager
    def counting(self, what: str, total: int | None = None) -> Iterator[Callable[[int], None]]:
        """Shows on a terminal how many are done, the time since the start and the time left.

        Elsewhere, such as in a pipe, nothing is shown.

        Args:
          what: is counted, such as "texts".
          total: how many there are; None if that is unknown, and so is the time left.

        Yields:
          A function that takes how many are done.
        """
        left = () if total is None else (TextColumn("left"), TimeRemainingColumn())
        columns = TextColumn(what), MofNCompleteColumn(), TimeElapsedColumn(), *left
        # What the command writes to standard output stays there.
        with Progress(
            *columns, console=self.rich, redirect_stdout=sys.stdout.isatty(),
            disable=not self.shows_progress,
        ) as bar:  # fmt: skip
            task = bar.add_task(what, total=total)
            yield lambda done: bar.update(task, completed=done)

    def scores(self, by_split: Mapping[str, Mapping[str, Score]], split: str = "") -> None:
        """The table of scores of a split; by default of test, and of dev for tasks without test.

        Args:
          by_split: split -> task -> score.
          split: whose scores to show.
        """
        if split:
            self._table(f"{split} scores", by_split.get(split, {}))
            return
        test = by_split.get("test", {})
        dev = {name: score for name, score in by_split.get("dev", {}).items() if name not in test}
        if test:
            self._table("test scores", test)
        if dev:
            why = f" of {', '.join(dev)}, without test data" if test else ""
            self._table(f"dev scores{why}", dev)
        if not test and not dev:
            self.say("No dev and no test sentences: nothing to score.")

    def _table(self, title: str, by_task: Mapping[str, Score]) -> None:
        """A table of scores, a section per task, and what limits them."""
        table = Table(title=title, title_justify="left")
        for heading in ("task", "", "precision", "recall", "F1", "support"):
            table.add_column(heading, justify="left" if heading in ("task", "") else "right")
        for name, score in by_task.items():
            for label, row in score.rows.items():
                table.add_row(name, label, *_cells(row))
            for title, row in score.totals.items():
                table.add_row(name, title, *_cells(row), style="bold")
            table.add_section()
        self.rich.print(table)
        for name, score in by_task.items():
            if score.ceiling and score.ceiling.reason:
                self.say(
                    f"{name}: no model reaches more than F1 {score.ceiling.f1:.4f} on these "
                    f"sentences: of the entities, {score.ceiling.reason}."
                )
            if score.calibration:
                self.say(f"{name}: {calibration(score.calibration)}.")

    def thresholds(self, precision: float, found: Mapping[str, Mapping[str, Reached]]) -> None:
        """The table of what a threshold per label gives, and which labels none helps.

        Args:
          precision: that they were chosen for; 0 for those that training chooses.
          found: task -> label -> what its threshold gives.
        """
        what = f"for a precision of {precision:g}" if precision else "as training chooses them"
        table = Table(title=f"thresholds {what}, from dev", title_justify="left")
        rows = [one.rows for labels in found.values() for one in labels.values()]
        splits = list(dict.fromkeys(split for by_split in rows for split in by_split))
        figures = [f"{split} {figure}" for split in splits for figure in ("precision", "recall")]
        for heading in ("task", "", "threshold", *figures):
            table.add_column(heading, justify="left" if heading in ("task", "") else "right")
        for name, labels in found.items():
            for label, one in labels.items():
                lines = [one.rows.get(split, Row()) for split in splits]
                cells = [_figure(x) for line in lines for x in (line.precision, line.recall)]
                table.add_row(name, label, _figure(one.threshold), *cells)
            table.add_section()
        self.rich.print(table)
        for name, labels in found.items():
            for label, one in labels.items():
                if one.threshold is None:
                    why = "no answer there" if one.best is None else f"at best {one.best:.3f}"
                    self.say(
                        f"{name}: {label} does not reach a precision of {precision:g} on dev "
                        f"({why}); with --save it is never answered."
                    )

    def teachers(self, final: Mapping[str, Any]) -> None:
        """The table of teachers and student on test, or on dev without test sentences.

        Args:
          final: the content of metrics.json.
        """
        split, rows = beside_teachers(final)
        if not rows:
            return
        table = Table(title=f"{split} score of teachers and student", title_justify="left")
        for heading in ("task", "teacher", "its score", "student", "change"):
            table.add_column(heading, justify="left" if heading in ("task", "teacher") else "right")
        for task, path, theirs, ours in rows:
            table.add_row(task, path, f"{theirs:.3f}", f"{ours:.3f}", f"{ours - theirs:+.3f}")
        self.rich.print(table)

    def phases(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """The table of what each phase did to the headline scores on dev.

        Args:
          rows: the phases of metrics.json.
        """
        tasks = dict.fromkeys(task for row in rows for task in row["after"])
        if not tasks:
            return
        table = Table(title="dev score before and after each phase", title_justify="left")
        for heading in ("phase", "steps", "trains", *tasks):
            table.add_column(heading)
        for row in rows:
            moves = (
                f"{row['before'][task]:.3f} -> {row['after'][task]:.3f} "
                f"({row['after'][task] - row['before'][task]:+.3f})"
                for task in tasks
            )
            steps = f"{row['start'] + 1:,} to {row['end']:,}"
            table.add_row(row["name"], steps, ", ".join(row["tasks"]), *moves)
        self.rich.print(table)


def beside_teachers(final: Mapping[str, Any]) -> tuple[str, list[tuple[str, str, float, float]]]:
    """(split, rows of (task, teacher, its headline score, the student's)) of a run with teachers.

    Args:
      final: the content of metrics.json.
    """
    teachers = final.get("distill", {}).get("teachers", [])
    for split in ("test", "dev"):
        rows = [
            (task, teacher["path"], Score.from_json(score).headline, ours[task].headline)
            for ours in [read_scores(final).get(split, {})]
            for teacher in teachers
            for task, score in teacher.get(split, {}).items()
            if task in ours
        ]
        if rows:
            return split, sorted(rows)
    return "", []


def silent() -> Console:
    """A console that shows nothing, for all processes except process 0."""
    return Console(RichConsole(quiet=True))


def on_stderr() -> Console:
    """A console for commands that print a result for programs on standard output."""
    return Console(RichConsole(stderr=True, highlight=False, soft_wrap=True))


def duration(seconds: float) -> str:
    """A length of time in words, such as `40 s`, `12 min` or `3 h 5 min`."""
    if seconds < 59.5:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(round(seconds / 60), 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def calibration(found: Calibration) -> str:
    """Expected calibration error, and what it was without the temperature, on one line."""
    change = (
        f", {found.before.ece:.3f} before the temperature of {found.temperature:.2f}"
        if found.temperature != 1
        else ""
    )
    return f"expected calibration error {found.after.ece:.3f}{change}"


def _cells(row: Row) -> list[str]:
    figures = [_figure(x) for x in (row.precision, row.recall, row.f1)]
    return [*figures, "" if row.support is None else f"{row.support:,}"]


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"
