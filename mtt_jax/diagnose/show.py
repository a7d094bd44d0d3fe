"""The report of a diagnosis on the terminal."""

from collections.abc import Mapping
from typing import Any

from rich.table import Table

from mtt_jax.diagnose.runs import Study
from mtt_jax.diagnose.verdict import Difference


def show(study: Study, report: Mapping[str, Any]) -> None:
    """Prints scores, differences and verdicts.

    Args:
      study: what was compared.
      report: as in report.json.
    """
    tasks = list(report["scores"])
    titles = [f"{task}, {report['titles'][task]}" for task in tasks]
    table = Table(title="score on dev, mean over seeds", title_justify="left")
    for heading in ("", *titles):
        table.add_column(heading)
    for arm in study.arms:
        cells = [
            f"{report['scores'][task][arm]['mean']:.3f}" if arm in report["scores"][task] else ""
            for task in tasks
        ]
        table.add_row(arm, *cells)
    study.console.rich.print(table)
    table = Table(title="difference with 95% interval", title_justify="left")
    for heading in ("", *tasks):
        table.add_column(heading)
    for name, changes in report["differences"].items():
        table.add_row(name, *(str(Difference(**changes[task])) for task in tasks))
    study.console.rich.print(table)
    for question, verdict in report["verdicts"].items():
        study.console.say(f"{question}: {verdict['finding'].upper()}. {verdict['text']}")
    study.console.say(f"Wrote {study.out}/: report.html, report.json, runs/.")
