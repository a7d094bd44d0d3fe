"""The terminal: plain lines, and the table of scores."""

from rich.console import Console as RichConsole
from rich.table import Table

from mtt_jax.config.schema import Config


class Console:
    """Where a user reads what happens.

    Attributes:
      rich: Rich's console, for bars and tables.
    """

    def __init__(self, rich: RichConsole | None = None):
        self.rich = rich or RichConsole(highlight=False, soft_wrap=True)

    def say(self, text: str) -> None:
        """Prints a line."""
        self.rich.print(text, markup=False)

    def scores(self, config: Config, final: dict, split: str = "") -> None:
        """The table of final scores: of a split, by default of test where there is one."""
        split = split or ("test" if "test" in final else "dev")
        if split not in final:
            self.say("No dev and no test sentences: nothing to score.")
            return
        table = Table(title=f"{split} scores", title_justify="left")
        for heading in ("task", "", "precision", "recall", "F1", "support"):
            table.add_column(heading, justify="left" if heading in ("task", "") else "right")
        for name, result in final[split].items():
            sentence = config.tasks[name].kind == "sentence"
            rows = result["per_class" if sentence else "per_entity"]
            for label, row in rows.items():
                table.add_row(name, label, *_figures(row), f"{row['support']:,}")
            if sentence:
                overall = f"accuracy {result['accuracy']:.3f}"
                table.add_row(name, overall, "", "", f"{result['macro_f1']:.3f}", "", style="bold")
            else:
                table.add_row(name, "strict, overall", *_figures(result), "", style="bold")
            table.add_section()
        self.rich.print(table)
        for name, result in final[split].items():
            if "ceiling" in result and result["ceiling"]["f1"] < 1:
                ceiling = result["ceiling"]
                self.say(
                    f"{name}: the tag scheme {ceiling['scheme']} limits F1 on these sentences to "
                    f"{ceiling['f1']:.4f}; --config.tasks.{name}.scheme=iob2 has no such limit."
                )

    def phases(self, final: dict) -> None:
        """The table of what each phase did to the scores on dev."""
        rows = final.get("phases", [])
        tasks = dict.fromkeys(task for row in rows for task in row["after"])
        if not tasks:
            return
        table = Table(title="dev F1 before and after each phase", title_justify="left")
        for heading in ("phase", "steps", "trains on", *tasks):
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
    """A console that shows nothing, for all processes but one."""
    return Console(RichConsole(quiet=True))


def _figures(row: dict) -> list[str]:
    return [f"{row[key]:.3f}" for key in ("precision", "recall", "f1")]
