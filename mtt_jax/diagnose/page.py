"""report.html of a diagnosis: verdicts, intervals, cost and gradients in one offline file."""

from collections.abc import Mapping
from html import escape
from typing import Any

from mtt_jax.report.run_page import chart, page

_WIDTH, _ROW, _LABEL = 720, 26, 260


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
        f"<h1>{escape(name)}</h1>",
        f'<p class="note">{escape(about)}</p>',
        *(
            f"<h2>{escape(question)}: {escape(verdict['finding'])}</h2>"
            f"<p>{escape(verdict['text'])}</p>"
            for question, verdict in report["verdicts"].items()
        ),
        "<h2>Scores on dev</h2>",
        _scores(report),
        "<h2>Differences, with 95% intervals</h2>",
        *(_forest(name, changes) for name, changes in report["differences"].items()),
        "<h2>Cost</h2>",
        _cost(report["cost"]),
        "<h2>Do the tasks pull the encoder in the same direction?</h2>",
        *_gradients(report["gradients"]),
    ]
    return page(name, parts)


def _scores(report: Mapping[str, Any]) -> str:
    lines = [
        "<table><tr><th>task</th><th>arm</th><th>steps</th><th>mean</th><th>per seed</th></tr>"
    ]
    for task, arms in report["scores"].items():
        named = escape(f"{task}, {report['titles'][task]}")
        for arm, result in arms.items():
            each = ", ".join(f"{value:.3f}" for value in result["seeds"])
            lines.append(
                f"<tr><td>{named}</td><td>{escape(arm)}</td>"
                f"<td>{report['steps'][arm]:,}</td><td>{result['mean']:.4f}</td><td>{each}</td></tr>"
            )
    return "".join(lines) + "</table>"


def _forest(name: str, changes: Mapping[str, Mapping[str, float]]) -> str:
    """Intervals, one below the other, around a line at zero, as SVG."""
    reach = max(1e-6, *(abs(change[end]) for change in changes.values() for end in ("low", "high")))
    height = _ROW * len(changes) + 24

    def across(value: float) -> float:
        return _LABEL + (_WIDTH - _LABEL - 20) * (0.5 + 0.5 * value / (1.1 * reach))

    drawn = [
        f'<line x1="{across(0):.1f}" x2="{across(0):.1f}" y1="4" y2="{height - 20}" stroke="#999"/>'
    ]
    for index, (task, change) in enumerate(changes.items()):
        y = 16 + _ROW * index
        sure = change["low"] > 0 or change["high"] < 0
        color = "#1f6fb4" if sure else "#777"
        drawn.append(
            f'<text x="0" y="{y + 4}" font-size="12">{escape(task)} {change["mean"]:+.3f} '
            f"[{change['low']:+.3f}, {change['high']:+.3f}]</text>"
            f'<line x1="{across(change["low"]):.1f}" x2="{across(change["high"]):.1f}" y1="{y}" '
            f'y2="{y}" stroke="{color}" stroke-width="2"/>'
            f'<circle cx="{across(change["mean"]):.1f}" cy="{y}" r="4" fill="{color}"/>'
        )
    drawn.append(f'<text x="{across(0) - 4:.1f}" y="{height - 6}" font-size="11">0</text>')
    return (
        f"<figure><figcaption>{escape(name)}</figcaption>"
        f'<svg viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" role="img" '
        f'aria-label="{escape(name)}">{"".join(drawn)}</svg></figure>'
    )


def _cost(cost: Mapping[str, Mapping[str, float]]) -> str:
    lines = [
        "<table><tr><th>choice</th><th>parameters</th><th>seconds per run, start to end</th>"
        "<th>seconds to predict dev</th></tr>"
    ]
    for name, row in cost.items():
        lines.append(
            f"<tr><td>{escape(name)}</td><td>{row['parameters']:,}</td>"
            f"<td>{row['training_seconds']:,.1f}</td><td>{row['dev_seconds']:,.2f}</td></tr>"
        )
    return "".join(lines) + "</table>"


def _gradients(points: list[Mapping[str, Any]]) -> list[str]:
    """For each pair of tasks: the last point as a table, and charts by step and layer."""
    if not points:
        return ['<p class="note">There are no checkpoints to compare gradients at.</p>']
    parts = [
        '<p class="note">On fixed batches: the cosine of the two gradients, the ratio of their '
        "norms, and the share of batches with a cosine below zero.</p>"
    ]
    for pair in points[-1]["pairs"]:
        parts.append(f"<h3>{escape(pair)}, step {points[-1]['step']:,}</h3>")
        parts.append(_layers(points[-1]["pairs"][pair]))
        for key, title in (("cosine", "Cosine"), ("conflict_rate", "Conflict rate")):
            curves = {
                layer: [(p["step"], p["pairs"][pair][layer][key]["mean"]) for p in points]
                for layer in points[-1]["pairs"][pair]
                if all(layer in p["pairs"].get(pair, {}) for p in points)
            }
            parts.append(chart(f"{title}, by layer", curves))
    return parts


def _layers(layers: Mapping[str, Mapping[str, Mapping[str, float]]]) -> str:
    lines = [
        "<table><tr><th>layer</th><th>cosine</th><th>norm ratio</th><th>conflict rate</th></tr>"
    ]
    for layer, row in layers.items():
        cells = "".join(
            f"<td>{row[key]['mean']:.3f} [{row[key]['low']:.3f}, {row[key]['high']:.3f}]</td>"
            for key in ("cosine", "norm_ratio", "conflict_rate")
        )
        lines.append(f"<tr><td>{escape(layer)}</td>{cells}</tr>")
    return "".join(lines) + "</table>"
