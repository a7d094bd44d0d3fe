"""report.html of a diagnosis: verdicts, intervals, cost and gradients in one offline file."""

from collections.abc import Mapping, Sequence
from typing import Any

from mtt_jax.report.charts import Interval, Series, intervals, lines
from mtt_jax.report.page import contents, document, grid, heading, paragraph, section, table


def render(name: str, report: Mapping[str, Any]) -> str:
    """The page.

    Args:
      name: of the diagnosis.
      report: as in report.json.
    """
    about = (
        f"{report['seeds']} seeds; dev sentences: "
        + ", ".join(f"{task} {count:,}" for task, count in report["dev_sentences"].items())
        + f"; {report['device']}. Decided on dev; no decision looks at test."
    )
    parts = [
        *(
            section(f"{question}: {verdict['finding']}", paragraph(verdict["text"], ""))
            for question, verdict in report["verdicts"].items()
        ),
        section("Scores on dev", _scores(report)),
        section(
            "Differences, with 95% intervals",
            grid(*(_differences(name, found) for name, found in report["differences"].items())),
            paragraph("A filled point in color is a difference whose interval excludes zero."),
        ),
        section("Cost", _cost(report["cost"])),
        section(
            "Do the tasks pull the encoder in the same direction?", *_gradients(report["gradients"])
        ),
    ]
    return document(name, [heading(1, name), paragraph(about), contents(parts), *parts])


def _scores(report: Mapping[str, Any]) -> str:
    rows = [
        (
            f"{task}, {report['titles'][task]}",
            arm,
            report["steps"][arm],
            result["mean"],
            ", ".join(f"{value:.3f}" for value in result["seeds"]),
        )
        for task, arms in report["scores"].items()
        for arm, result in arms.items()
    ]
    return table(("task", "arm", "steps", "mean", "per seed"), rows, text=2)


def _differences(name: str, changes: Mapping[str, Mapping[str, float]]) -> str:
    rows = [(task, c["mean"], c["low"], c["high"]) for task, c in changes.items()]
    cells = [(task, f"{mean:+.3f}", f"[{low:+.3f}, {high:+.3f}]") for task, mean, low, high in rows]
    drawn = intervals(name, [Interval(*row) for row in rows])
    return f"<div>{drawn}{table(('task', 'mean', 'interval'), cells)}</div>"


def _cost(cost: Mapping[str, Mapping[str, float]]) -> str:
    rows = [
        (name, row["parameters"], f"{row['training_seconds']:,.1f}", f"{row['dev_seconds']:,.2f}")
        for name, row in cost.items()
    ]
    head = ("choice", "parameters", "seconds per run, start to end", "seconds to predict dev")
    return table(head, rows)


def _gradients(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """For each pair of tasks: the last point as a table, and charts by step and layer."""
    if not points:
        return [paragraph("There are no checkpoints to compare gradients at.")]
    parts = [
        paragraph(
            "On fixed batches: the cosine of the two gradients, the ratio of their norms, and the "
            "share of batches with a cosine below zero."
        )
    ]
    for pair, layers in points[-1]["pairs"].items():
        charts = []
        for key, title in (("cosine", "Cosine"), ("conflict_rate", "Conflict rate")):
            series = [
                Series(layer, [(p["step"], p["pairs"][pair][layer][key]["mean"]) for p in points])
                for layer in layers
                if all(layer in p["pairs"].get(pair, {}) for p in points)
            ]
            charts.append(lines(f"{title}, by layer", series, number=".3f"))
        parts += [
            heading(3, f"{pair}, step {points[-1]['step']:,}"),
            _layers(layers),
            grid(*charts),
        ]
    return parts


def _layers(layers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    keys = ("cosine", "norm_ratio", "conflict_rate")
    rows = [
        (
            layer,
            *(f"{row[k]['mean']:.3f} [{row[k]['low']:.3f}, {row[k]['high']:.3f}]" for k in keys),
        )
        for layer, row in layers.items()
    ]
    return table(("layer", "cosine", "norm ratio", "conflict rate"), rows)
