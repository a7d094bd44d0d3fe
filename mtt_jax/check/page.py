"""check.html: a check of the data in one file that opens offline."""

from collections.abc import Sequence
from html import escape
from typing import Any

from mtt_jax.check.examine import Examined
from mtt_jax.check.show import one_line, totals
from mtt_jax.check.suspects import Suspect
from mtt_jax.data.splits import SPLITS
from mtt_jax.report.run_page import page

# How many places of a finding, and how many suspects, the page shows; the JSON files hold all.
_PLACES, _SUSPECTS = 50, 300


def render(name: str, examined: Examined, suspects: Sequence[Suspect] = ()) -> str:
    """The page.

    Args:
      name: of the config.
      examined: the data.
      suspects: the least likely labels first.
    """
    parts = [
        f"<h1>Data of {escape(name)}</h1>",
        f'<p class="note">{totals(examined)}</p>',
        "<h2>Findings</h2>",
        _findings(examined),
        "<h2>Labels</h2>",
        _counts(examined),
        "<h2>Texts</h2>",
        _figures(examined),
        _mixture(examined),
        "<h2>What was read</h2>",
        "".join(f"<p>{escape(note)}</p>" for note in examined.notes),
    ]
    if suspects:
        parts += ["<h2>Least likely labels</h2>", _suspects(suspects)]
    return page(name, parts)


def _findings(examined: Examined) -> str:
    lines = []
    for finding in examined.findings:
        places = list(dict.fromkeys(place for place in finding.places if place))
        listed = "".join(f"<li>{escape(place)}</li>" for place in places[:_PLACES])
        more = f"<li>and {len(places) - _PLACES:,} more</li>" if len(places) > _PLACES else ""
        where = f"<details><summary>where</summary><ul>{listed}{more}</ul></details>"
        text = f"<b>{escape(finding.severity)}</b>: {escape(finding.text)}"
        lines.append(f"<p>{text}</p>{where if places else ''}")
    return "".join(lines) or "<p>None.</p>"


def _counts(examined: Examined) -> str:
    lines = [_row("th", "task", "label", *SPLITS)]
    for task, label, counts in examined.rows():
        cells = [f"{counts[split]:,}" if split in counts else "" for split in SPLITS]
        lines.append(_row("td", task, label, *cells))
    return f"<table>{''.join(lines)}</table>"


def _figures(examined: Examined) -> str:
    titles = ("texts", "mean subwords", "longest", "share cut", "share of unknown subwords")
    lines = [_row("th", "split", *titles)]
    for split, figures in examined.figures.items():
        lines.append(_row("td", split, *figures.values()))
    return f"<table>{''.join(lines)}</table>"


def _mixture(examined: Examined) -> str:
    lines = [_row("th", "task", "sentences", "share of what training draws", "times each")]
    for task, part in examined.mixture.items():
        cells = (f"{part['sentences']:,}", f"{part['share']:.0%}", f"{part['epochs']:g}")
        lines.append(_row("td", task, *cells))
    return f"<table>{''.join(lines)}</table>" if examined.mixture else ""


def _suspects(suspects: Sequence[Suspect]) -> str:
    lines = [_row("th", "probability", "task", "place", "text", "label", "model")]
    for suspect in suspects[:_SUSPECTS]:
        lines.append(
            _row(
                "td", f"{suspect.probability:.4f}", suspect.task, suspect.place, suspect.text,
                one_line(suspect.given), one_line(suspect.found),
            )
        )  # fmt: skip
    return f"<table>{''.join(lines)}</table>"


def _row(cell: str, *values: Any) -> str:
    cells = "".join(f"<{cell}>{escape(str(value))}</{cell}>" for value in values)
    return f"<tr>{cells}</tr>"
