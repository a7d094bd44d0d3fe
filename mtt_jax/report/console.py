"""The terminal: plain lines, and tables of scores."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Console as RichConsole
from rich.table import Table

from mtt_jax.tasks.score import Row, Score


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

    def scores(self, by_split: Mapping[str, Mapping[str, Score]], split: str = "") -> None:
        """The table of scores of a split, by default of test, or of dev if there is no test.

        Args:
          by_split: split -> task -> score.
          split: whose scores to show.
        """
        split = split or ("test" if "test" in by_split else "dev")
        if split not in by_split:
            self.say("No dev and no test sentences: nothing to score.")
            return
        table = Table(title=f"{split} scores", title_justify="left")
        for heading in ("task", "", "precision", "recall", "F1", "support"):
            table.add_column(heading, justify="left" if heading in ("task", "") else "right")
        for name, score in by_split[split].items():
            for label, row in score.rows.items():
                table.add_row(name, label, *_cells(row))
            for title, row in score.totals.items():
                table.add_row(name, title, *_cells(row), style="bold")
            table.add_section()
        self.rich.print(table)
        for name, score in by_split[split].items():
            if score.ceiling and score.ceiling.f1 < 1:
                self.say(
                    f"{name}: the tag scheme {score.ceiling.scheme} limits F1 on these sentences "
                    f"to {score.ceiling.f1:.4f}; --config.tasks.{name}.scheme=iob2 has no such "
                    "limit."
                )

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


def silent() -> Console:
    """A console that shows nothing, for all processes except process 0."""
    return Console(RichConsole(quiet=True))


def _cells(row: Row) -> list[str]:
    figures = ["" if x is None else f"{x:.3f}" for x in (row.precision, row.recall, row.f1)]
    return [*figures, "" if row.support is None else f"{row.support:,}"]
