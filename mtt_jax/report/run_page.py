"""report.html: a run's curves, scores and confusion matrices in one file that opens offline."""

from collections.abc import Callable, Mapping, Sequence
from html import escape
from typing import Any

from mtt_jax.report.console import beside_teachers, calibration
from mtt_jax.tasks import Score
from mtt_jax.tasks.score import Reliability, Row

# More points than pixels make the page larger and no curve clearer.
_POINTS = 400
_WIDTH, _HEIGHT, _LEFT, _BOTTOM = 560, 220, 52, 24
_COLOURS = ("#1f6fb4", "#d1622b", "#2f8f4e", "#8a4fb0", "#b0892a", "#4b4b4b")
_STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75rem; margin: 2rem auto; padding: 0 1rem;
       color: #1c1c1c; background: #fff }
h1 { font-size: 1.5rem } h2 { font-size: 1.15rem; margin-top: 2.2rem }
table { border-collapse: collapse; margin: .6rem 0 }
th, td { padding: .2rem .7rem; text-align: right; border-bottom: 1px solid #ddd }
th:first-child, td:first-child { text-align: left }
.charts, .pair { display: flex; flex-wrap: wrap; gap: 1.5rem; align-items: flex-start }
figure { margin: 0 } figcaption { font-weight: 600 }
.note { color: #555 } .total td { font-weight: 600 }
td.cell { min-width: 3.2rem } pre { background: #f6f6f6; padding: .8rem; overflow: auto }
"""

Curve = Sequence[tuple[float, float]]


def render(
    name: str,
    config: Mapping[str, Any],
    history: Sequence[Mapping[str, Any]],
    final: Mapping[str, Any],
) -> str:
    """The page.

    Args:
      name: of the run.
      config: as nested dicts, as in config.json.
      history: rows of metrics.jsonl.
      final: as in metrics.json.
    """
    parts = [
        f"<h1>{escape(name)}</h1>",
        f'<p class="note">{_summary(final)}</p>',
        *(f'<p class="note">{_stopped(stop)}</p>' for stop in final.get("stopped_early", [])),
        *(_split(split, final[split]) for split in ("test", "dev") if final.get(split)),
        _teachers(final),
        _held_out(final.get("held_out", {})),
        _best_by_task(final),
        _phases(final.get("phases", [])),
        f'<h2>Training</h2><div class="charts">{"".join(_charts(history))}</div>',
        f"<h2>Config</h2><pre>{escape(_settings(config))}</pre>",
    ]
    return page(name, parts)


def page(title: str, parts: Sequence[str]) -> str:
    """A complete HTML page made of parts, with its style and no external resources."""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n"
        + "\n".join(parts)
        + "\n</body></html>\n"
    )


def _summary(final: Mapping[str, Any]) -> str:
    facts = [
        f"step {final['best_step']:,} of {final['steps']:,} kept",
        f"{final['parameters']:,} parameters",
        f"{final['seconds']:,.0f} seconds",
        str(final["device"]),
    ]
    return escape("; ".join(facts) + ". Chosen on dev; test was read once, at the end.")


def _stopped(stop: Mapping[str, Any]) -> str:
    return (
        f"Stopped early: {escape(stop['phase'])} ended at step {stop['step']:,} of "
        f"{stop['planned']:,}, since its score on dev was best at step {stop['best_step']:,} "
        f"({stop['best_score']:.4f})."
    )


def _held_out(texts: Mapping[str, Mapping[str, Any]]) -> str:
    """The perplexity of what trains on texts without labels."""
    lines = [
        f'<p class="note">{escape(name)}: perplexity {found["perplexity"]:,.2f} on '
        f"{found['count']:,} hidden subwords of held-out text.</p>"
        for name, found in texts.items()
    ]
    return "".join(["<h2>Held-out text</h2>", *lines]) if lines else ""


def _best_by_task(final: Mapping[str, Any]) -> str:
    """The checkpoints that are best by one task, beside the one that was chosen for all."""
    if not final.get("best_by_task"):
        return ""
    lines = [
        "<h2>Best checkpoint by each task</h2><table><tr><th>task</th><th>step</th>"
        "<th>dev</th><th>dev, chosen for all</th></tr>"
    ]
    for task, best in final["best_by_task"].items():
        own, shared = (Score.from_json(x).headline for x in (best["dev"], final["dev"][task]))
        lines.append(
            f"<tr><td>{escape(task)}</td><td>{best['step']:,}</td><td>{own:.4f}</td>"
            f"<td>{shared:.4f}</td></tr>"
        )
    return "".join(lines) + "</table>"


def _teachers(final: Mapping[str, Any]) -> str:
    """What the student learned from, and its scores beside those of its teachers."""
    if "distill" not in final:
        return ""
    fields = final["distill"]
    share = f"from {fields['gold']:g} to 1 over the run" if fields["anneal"] else fields["gold"]
    filled = ", ".join(f"{count:,} of {task}" for task, count in fields["filled"].items())
    facts = (
        f"Share of the label in the loss: {share}. Temperature {fields['temperature']:g}. Answers "
        f"in place of a missing label: {filled}; weight {fields['weight']:g}, confidence at least "
        f"{fields['floor']:g}."
    )
    split, rows = beside_teachers(final)
    lines = [f'<h2>Teachers</h2><p class="note">{escape(facts)}</p>']
    if rows:
        lines.append(
            f"<table><tr><th>task</th><th>teacher</th><th>its score on {split}</th>"
            "<th>student</th><th>change</th></tr>"
        )
        lines += [
            f"<tr><td>{escape(task)}</td><td>{escape(path)}</td><td>{theirs:.4f}</td>"
            f"<td>{ours:.4f}</td><td>{ours - theirs:+.4f}</td></tr>"
            for task, path, theirs, ours in rows
        ]
        lines.append("</table>")
    return "".join(lines)


def _split(split: str, scores: Mapping[str, Mapping[str, Any]]) -> str:
    read = {task: Score.from_json(plain) for task, plain in scores.items()}
    return f"<h2>Scores on {split}</h2>" + "".join(
        f'<h3>{escape(task)}</h3><div class="pair">{_table(score)}{_confusion(score)}'
        f"{_reliability(score)}</div>" + _ceiling(score)
        for task, score in read.items()
    )


def _phases(rows: Sequence[Mapping[str, Any]]) -> str:
    """What each phase did to the scores on dev: what was learned, and what was forgotten."""
    tasks = dict.fromkeys(task for row in rows for task in row["after"])
    if not tasks:
        return ""
    head = "".join(f'<th colspan="3">{escape(task)}: before, after, change</th>' for task in tasks)
    lines = [
        "<h2>What each phase did to the scores on dev</h2>"
        f"<table><tr><th>phase</th><th>steps</th><th>trains</th>{head}</tr>"
    ]
    for row in rows:
        moves = "".join(
            f"<td>{row['before'][task]:.4f}</td><td>{row['after'][task]:.4f}</td>"
            f"<td>{row['after'][task] - row['before'][task]:+.4f}</td>"
            for task in tasks
        )
        lines.append(
            f"<tr><td>{escape(row['name'])}</td><td>{row['start'] + 1:,} to {row['end']:,}</td>"
            f"<td>{escape(', '.join(row['tasks']))}</td>{moves}</tr>"
        )
    return "".join(lines) + "</table>"


def _table(score: Score) -> str:
    """Precision, recall and F1 per label, with the overall figures last."""
    lines = ["<table><tr><th>label</th><th>precision</th><th>recall</th><th>F1</th>"
             "<th>support</th></tr>"]  # fmt: skip
    lines += [
        f"<tr><td>{escape(label)}</td>{_cells(row)}</tr>" for label, row in score.rows.items()
    ]
    lines += [
        f'<tr class="total"><td>{escape(title)}</td>{_cells(row)}</tr>'
        for title, row in score.totals.items()
    ]
    shown = "; ".join(f"{figure.title} {figure.value:.4f}" for figure in score.figures)
    note = f'<p class="note">{escape(shown)}; {score.sentences:,} sentences.</p>'
    return f"<div>{''.join(lines)}</table>{note}</div>"


def _cells(row: Row) -> str:
    figures = ["" if x is None else f"{x:.4f}" for x in (row.precision, row.recall, row.f1)]
    figures.append("" if row.support is None else f"{row.support:,}")
    return "".join(f"<td>{figure}</td>" for figure in figures)


def _confusion(score: Score) -> str:
    """Gold per row, predicted per column, each row shaded relative to its own sum."""
    if not score.confusion:
        return ""
    labels, counts = score.confusion
    head = "".join(f"<th>{escape(label)}</th>" for label in labels)
    lines = [f"<table><tr><th>gold \\ predicted</th>{head}</tr>"]
    for label, row in zip(labels, counts, strict=True):
        total = sum(row)
        cells = "".join(
            f'<td class="cell" style="background: rgba(31, 111, 180, '
            f'{0.6 * count / max(total, 1):.2f})">{count:,}</td>'
            for count in row
        )
        lines.append(f"<tr><td>{escape(label)}</td>{cells}</tr>")
    return "".join(lines) + "</table>"


def _ceiling(score: Score) -> str:
    if not score.ceiling or not score.ceiling.reason:
        return ""
    return (
        f'<p class="note">Highest F1 that can be reached on these sentences: '
        f"{score.ceiling.f1:.4f}. Of the entities, {escape(score.ceiling.reason)}.</p>"
    )


def _reliability(score: Score) -> str:
    """A reliability diagram: how often decisions with a score are right, a point per bin."""
    if not score.calibration:
        return ""
    _, before, after = score.calibration
    curves = [(after, _COLOURS[0], "with the temperature")]
    if before != after:
        curves.insert(0, (before, _COLOURS[1], "without"))
    side = _HEIGHT - _BOTTOM - 8

    def across(share: float) -> float:
        return _LEFT + side * share

    def down(share: float) -> float:
        return 8 + side * (1 - share)

    marks = [
        f'<line x1="{_LEFT}" x2="{_LEFT + side}" y1="{down(share):.1f}" y2="{down(share):.1f}" '
        f'stroke="#e2e2e2"/><text x="{_LEFT - 6}" y="{down(share) + 4:.1f}" text-anchor="end" '
        f'font-size="11">{share:g}</text><text x="{across(share):.1f}" y="{_HEIGHT - 6}" '
        f'text-anchor="middle" font-size="11">{share:g}</text>'
        for share in (0.0, 0.5, 1.0)
    ]
    marks.append(
        f'<line x1="{across(0)}" x2="{across(1)}" y1="{down(0)}" y2="{down(1)}" stroke="#999" '
        'stroke-dasharray="4 4"/>'
    )
    for row, (found, color, label) in enumerate(curves):
        marks.append(_points(found, color, across, down))
        marks.append(
            f'<text x="{across(1) + 14}" y="{24 + 16 * row}" font-size="12" fill="{color}">'
            f"{label}</text>"
        )
    width = _LEFT + side + 150
    return (
        f"<figure><figcaption>Share that is right, by score</figcaption>"
        f'<svg viewBox="0 0 {width} {_HEIGHT}" width="{width}" role="img" '
        f'aria-label="Reliability">{"".join(marks)}</svg>'
        f'<p class="note">{escape(calibration(score.calibration).capitalize())}. A larger point is '
        "more decisions; on the dashed line a score is the share that is right.</p></figure>"
    )


def _points(
    found: Reliability,
    color: str,
    across: Callable[[float], float],
    down: Callable[[float], float],
) -> str:
    """A circle per bin, whose area is its share of the decisions, and the line through them."""
    total = sum(bin.size for bin in found.bins)
    places = [(across(bin.score), down(bin.right), bin.size / total) for bin in found.bins]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y, _ in places)
    circles = "".join(
        f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{2 + 8 * share**0.5:.1f}" fill="{color}" '
        'fill-opacity="0.5"/>'
        for x, y, share in places
    )
    return f'<polyline fill="none" stroke="{color}" points="{line}"/>{circles}'


def _charts(history: Sequence[Mapping[str, Any]]) -> list[str]:
    """One chart per quantity: losses, scores, learning rate, gradient norm, speed."""
    train = [row for row in history if row.get("kind") == "train"]
    dev = [row for row in history if row.get("kind") == "dev"]
    charts = [
        chart("Training loss", _by_task(train, "losses")),
        chart("Score on dev", _by_task(dev, "scores")),
    ]
    if texts := [row for row in history if row.get("kind") == "held_out"]:
        charts.append(chart("Perplexity on held-out text", _by_task(texts, "perplexity")))
    for key, title in (
        ("learning_rate", "Learning rate"),
        ("gradient_norm", "Gradient norm, before clipping"),
        ("tokens_per_second", "Subwords per second"),
    ):
        curve = [(row["step"], row[key]) for row in train if key in row]
        charts.append(chart(title, {key: curve} if curve else {}))
    return charts


def _by_task(rows: Sequence[Mapping[str, Any]], key: str) -> dict[str, Curve]:
    tasks = dict.fromkeys(task for row in rows for task in row.get(key, {}))
    return {
        task: [(row["step"], row[key][task]) for row in rows if task in row.get(key, {})]
        for task in tasks
    }


def chart(title: str, curves: Mapping[str, Curve]) -> str:
    """A line chart as SVG, or a note if there is nothing to draw."""
    caption = f"<figcaption>{escape(title)}</figcaption>"
    points = [point for curve in curves.values() for point in curve]
    if not points:
        return f'<figure>{caption}<p class="note">no data</p></figure>'
    right = max(x for x, _ in points)
    top = max(max(y for _, y in points), 1e-12)
    bottom = min(0.0, min(y for _, y in points))
    span = top - bottom

    def place(x: float, y: float) -> str:
        across = _LEFT + (_WIDTH - _LEFT - 8) * x / max(right, 1)
        down = 8 + (_HEIGHT - _BOTTOM - 8) * (top - y) / span
        return f"{across:.1f},{down:.1f}"

    drawn = []
    for (label, curve), color in zip(curves.items(), _colors(len(curves)), strict=True):
        stride = max(1, -(-len(curve) // _POINTS))
        kept = [*curve[:-1:stride], curve[-1]]
        line = " ".join(place(x, y) for x, y in kept)
        drawn.append(f'<polyline fill="none" stroke="{color}" stroke-width="1.6" points="{line}"/>')
        if len(curves) > 1:
            drawn.append(
                f'<text x="{_WIDTH - 12}" y="{22 + 16 * (len(drawn) // 2)}" text-anchor="end" '
                f'font-size="12" fill="{color}">{escape(label)}</text>'
            )
    return (
        f'<figure>{caption}<svg viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
        f'role="img" aria-label="{escape(title)}">{_axes(bottom, top, right)}'
        f"{''.join(drawn)}</svg></figure>"
    )


def _axes(bottom: float, top: float, right: float) -> str:
    base = _HEIGHT - _BOTTOM
    marks = []
    for share in (0.0, 0.5, 1.0):
        y = 8 + (base - 8) * (1 - share)
        value = bottom + share * (top - bottom)
        marks.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - 8}" y1="{y}" y2="{y}" stroke="#e2e2e2"/>'
            f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end" font-size="11">{value:.3g}</text>'
        )
    marks.append(
        f'<text x="{_WIDTH - 8}" y="{_HEIGHT - 6}" text-anchor="end" font-size="11">'
        f"step {right:,.0f}</text>"
    )
    return "".join(marks)


def _colors(count: int) -> list[str]:
    return [_COLOURS[index % len(_COLOURS)] for index in range(count)]


def _settings(config: Mapping[str, Any], prefix: str = "") -> str:
    """The config as `a.b.c = value`, one field per line."""
    lines = []
    for key, value in config.items():
        if isinstance(value, Mapping):
            lines.append(_settings(value, f"{prefix}{key}."))
        else:
            lines.append(f"{prefix}{key} = {value!r}")
    return "\n".join(line for line in lines if line)
