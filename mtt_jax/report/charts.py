"""Charts: Vega-Lite specifications, drawn in the browser by Vega.

Why Vega-Lite: a chart is plain data that tests can read, its SVG has real text and takes the page's
colors, the width follows the container, and the library is one package without dependencies
(vl-convert-python) whose JavaScript makes a page of 1 MB. Plotly's would make it 5 MB; Bokeh
(1.3 MB) draws on a canvas and needs Pillow, Tornado and five more packages; matplotlib has no
hover.

https://vega.github.io/vega-lite/docs/
"""

import functools
import json
import math
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.errors import UserError

# What a page with a chart contains.
HOLDER = '<div class="chart"'
# More points than pixels make the page larger and no curve clearer.
_POINTS = 400
# Colors of a page, as `page` defines them, and the dashes of series beyond them.
_COLORS, _DASHES = 6, ((), (6, 3), (2, 2), (8, 2, 2, 2))
_HEIGHT = 190
# From this ratio of the largest to the smallest value, a loss is drawn on a logarithmic scale.
_LOGARITHMIC = 50

_CONFIG: dict[str, Any] = {
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "titleColor": "var(--soft)",
        "gridColor": "var(--line)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "labelFontSize": 11,
        "titleFontSize": 11,
        "titleFontWeight": "normal",
    },
    "legend": {"disable": True},
}
# Draws the charts of a page.
_START = Path(__file__).with_name("page.js")


class Series(NamedTuple):
    """A curve.

    Attributes:
      name: in the legend and beside the mouse.
      points: (x, y) in order of x.
      dashed: whether it is drawn dashed, as the companion of another one.
      color: index of its color; None for that of its place among the series.
    """

    name: str
    points: Sequence[tuple[float, float]]
    dashed: bool = False
    color: int | None = None


class Interval(NamedTuple):
    """A value with the bounds of its confidence interval."""

    name: str
    value: float
    low: float
    high: float


@functools.cache
def scripts() -> tuple[str, str]:
    """The scripts of a page with charts: Vega, and what draws each chart of the page.

    Raises:
      UserError: if vl-convert-python is not installed.
    """
    try:
        import vl_convert  # it takes a second to bundle Vega, which only a page with charts needs
    except ModuleNotFoundError:
        raise UserError(
            "charts need vl-convert-python, which requirements.txt names: pip install "
            "vl-convert-python, and run the same command again."
        ) from None
    vega = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;")
    notice = (
        "/* Vega, Vega-Lite and Vega-Embed, https://vega.github.io; (c) University of Washington "
        "Interactive Data Lab and contributors, BSD-3-Clause */\n"
    )
    return notice + vega.replace("</script", "<\\/script"), _START.read_text(encoding="utf-8")


def figure(title: str, spec: Mapping[str, Any], legend: str = "", note: str = "") -> str:
    """A chart with its caption.

    Args:
      title: caption.
      spec: Vega-Lite, without width and config.
      legend: HTML.
      note: a line below the chart.
    """
    whole = {"width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}
    text = json.dumps({**whole, **spec, "config": _CONFIG}, separators=(",", ":"))
    below = f'<p class="note">{escape(note)}</p>' if note else ""
    return (
        f"<figure><figcaption>{escape(title)}</figcaption>{legend}"
        f'{HOLDER} role="img" aria-label="{escape(title)}"></div>'
        f'<script type="application/json">{_unclosed(text)}</script>{below}</figure>'
    )


def _unclosed(text: str) -> str:
    """JSON in which nothing can end the script element that it is in."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def lines(
    title: str,
    series: Sequence[Series],
    *,
    x: str = "step",
    number: str = ".4g",
    axis: str = "",
    log: bool = False,
    starts: Sequence[tuple[str, float]] = (),
) -> str:
    """Curves over one axis; hovering shows the values of all at the nearest x. "" without points.

    Args:
      title: caption.
      series: the curves; values that are NaN or infinite are left out.
      x: title of the x axis.
      number: format of a value beside the mouse, as in Python.
      axis: format of the y axis (d3-format); Vega's own by default.
      log: whether the y axis is logarithmic if the values differ by orders of magnitude.
      starts: (name, x) of where phases begin, drawn as vertical lines.
    """
    finite = [
        one._replace(points=[(a, b) for a, b in one.points if math.isfinite(b)]) for one in series
    ]
    kept = [one for one in finite if one.points]
    if not kept:
        return ""
    rows: list[dict[str, Any]] = []
    values: list[float] = []
    for index, one in enumerate(kept):
        thinned = _thinned(one.points)
        rows += [{"x": a, "y": b, "s": f"s{index}"} for a, b in thinned]
        values += [b for _, b in thinned]
    keys = [f"s{index}" for index in range(len(kept))]
    looks = [_look(one, index) for index, one in enumerate(kept)]
    spread = log and min(values) > 0 and max(values) / min(values) > _LOGARITHMIC
    y: dict[str, Any] = {
        "field": "y",
        "type": "quantitative",
        "title": None,
        "axis": {"tickCount": 5, **({"format": axis} if axis else {})},
        "scale": {"type": "log"} if spread else _scale(values),
    }
    colors = {"domain": keys, "range": [color for color, _ in looks]}
    dashes = {"domain": keys, "range": [list(dash) or [1, 0] for _, dash in looks]}
    first, last = min(row["x"] for row in rows), max(row["x"] for row in rows)
    # Of few steps Vega would draw ticks between whole numbers, and round their labels.
    ticks = {"values": list(range(int(first), int(last) + 1))} if last - first < 10 else {}
    across = {
        "field": "x", "type": "quantitative", "title": x, "scale": {"nice": False},
        "axis": {"format": ",.0f", "tickCount": 5, "labelOverlap": True, **ticks},
    }  # fmt: skip
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "line", "strokeWidth": 1.8, "point": len(rows) < 6 * len(kept)},
            "encoding": {
                "y": y,
                "color": {"field": "s", "type": "nominal", "scale": colors},
                "strokeDash": {"field": "s", "type": "nominal", "scale": dashes},
            },
        },
        *_starts(starts, last),
        {
            "data": {"values": _bands(kept, number)},
            "mark": {"type": "rect", "color": "var(--soft)"},
            "params": [
                {"name": "near", "select": {"type": "point", "on": "pointerover",
                                            "clear": "pointerout"}}
            ],
            "encoding": {
                "x": {**across, "field": "from"},
                "x2": {"field": "to"},
                "opacity": {
                    "condition": {"param": "near", "empty": False, "value": 0.25},
                    "value": 0,
                },
                "tooltip": [
                    {"field": "x", "type": "quantitative", "title": x, "format": ",.0f"},
                    *(
                        {"field": key, "type": "nominal", "title": one.name}
                        for key, one in zip(keys, kept, strict=True)
                    ),
                ],
            },
        },
    ]  # fmt: skip
    spec = {
        "height": _HEIGHT,
        "data": {"values": rows},
        "encoding": {"x": across},
        "layer": layers,
    }
    named = [(one.name, *look) for one, look in zip(kept, looks, strict=True)]
    return figure(title, spec, legend(named) if len(kept) > 1 else "")


def _scale(values: Sequence[float]) -> dict[str, Any]:
    """A linear scale; around a constant, of which Vega would round the only tick to an integer."""
    low, high = min(values), max(values)
    if low == high:
        margin = abs(low) / 10 or 1.0
        return {"domain": [low - margin, high + margin]}
    return {"zero": False, "nice": True}


def _bands(series: Sequence[Series], number: str) -> list[dict[str, Any]]:
    """For each x a band that reaches halfway to its neighbors, with the values of all series."""
    values = [dict(one.points) for one in series]
    places = _thinned(sorted({x for found in values for x in found}))
    last = len(places) - 1
    return [
        {
            "x": x,
            "from": (x + places[max(i - 1, 0)]) / 2 if last else x - 0.5,
            "to": (x + places[min(i + 1, last)]) / 2 if last else x + 0.5,
            **{
                f"s{index}": format(found[x], number) if x in found else "\u2013"
                for index, found in enumerate(values)
            },
        }
        for i, x in enumerate(places)
    ]


def _thinned(values: Sequence[Any]) -> list[Any]:
    """At most 400 of some values, evenly spaced, the last among them."""
    stride = max(1, -(-len(values) // _POINTS))
    return [*values[:-1:stride], values[-1]]


def _starts(starts: Sequence[tuple[str, float]], last: float) -> list[dict[str, Any]]:
    """Layers of dashed lines where phases begin, with their names; none for a single phase."""
    if len(starts) < 2:
        return []
    data = {"values": [{"x": at, "name": name} for name, at in starts if at < last]}
    where = {"x": {"field": "x", "type": "quantitative"}}
    return [
        {
            "data": data,
            "mark": {"type": "rule", "strokeDash": [3, 3], "color": "var(--soft)"},
            "encoding": where,
        },
        {
            "data": data,
            "mark": {"type": "text", "align": "left", "baseline": "top", "dx": 3, "dy": 1,
                     "fontSize": 10, "color": "var(--soft)", "limit": 90},
            "encoding": {**where, "y": {"value": 0}, "text": {"field": "name"}},
        },
    ]  # fmt: skip


def legend(entries: Sequence[tuple[str, str, Sequence[int]]]) -> str:
    """What each line of a chart stands for.

    Args:
      entries: (name, color, dash) of each.
    """
    items = "".join(
        f'<li><svg viewBox="0 0 24 8" aria-hidden="true"><path d="M0 4H24" stroke="{color}" '
        f'stroke-width="3" stroke-dasharray="{" ".join(map(str, dash)) or "none"}"/></svg>'
        f"<bdi>{escape(name)}</bdi></li>"
        for name, color, dash in entries
    )
    return f'<ul class="legend">{items}</ul>'


def _look(one: Series, index: int) -> tuple[str, Sequence[int]]:
    """(color, dash) of a series."""
    place = index if one.color is None else one.color
    return color(place), _DASHES[1] if one.dashed else _DASHES[place // _COLORS % len(_DASHES)]


def color(index: int) -> str:
    """The color of the page with an index; they repeat."""
    return f"var(--c{index % _COLORS})"


def dots(title: str, rows: Sequence[tuple[str, Mapping[str, float | None]]]) -> str:
    """Several figures from 0 to 1 per name, on one line each; "" without rows.

    Args:
      title: caption.
      rows: (name, figure -> value) from top to bottom; None leaves a figure out.
    """
    if not rows:
        return ""
    figures = list(dict.fromkeys(figure for _, values in rows for figure in values))
    values: list[dict[str, Any]] = [
        {"name": name, "figure": figure, "value": value}
        for name, found in rows
        for figure, value in found.items()
        if value is not None
    ]
    # From the tenth below the lowest, so that labels near 1 can be told apart.
    lowest = math.floor(10 * min((row["value"] for row in values), default=0.0)) / 10
    shapes = ["circle", "square", "triangle-up", "diamond"]
    spec = {
        "height": 24 * len(rows),
        "data": {"values": values},
        "mark": {"type": "point", "filled": True, "size": 75, "opacity": 1},
        "encoding": {
            "x": {"field": "value", "type": "quantitative", "title": None,
                  "scale": {"domain": [min(lowest, 0.9), 1]}, "axis": {"tickCount": 5}},
            "y": {"field": "name", "type": "nominal", "title": None, "sort": None,
                  "axis": {"labelLimit": 110, "labelPadding": 9, "grid": True, "domain": False,
                           "ticks": False}},
            "color": {"field": "figure", "type": "nominal", "scale": {
                "domain": figures, "range": [color(i) for i in range(len(figures))]}},
            "shape": {"field": "figure", "type": "nominal", "scale": {
                "domain": figures, "range": shapes[: len(figures)]}},
            "tooltip": [
                {"field": "name", "title": "label"},
                {"field": "figure", "title": "figure"},
                {"field": "value", "type": "quantitative", "format": ".4f", "title": "value"},
            ],
        },
    }  # fmt: skip
    drawn = {
        "circle": '<circle cx="12" cy="4" r="4"/>',
        "square": '<path d="M8 0h8v8H8z"/>',
        "triangle-up": '<path d="M12 0L17 8H7z"/>',
        "diamond": '<path d="M12 -1L16 4L12 9L8 4z"/>',
    }
    items = "".join(
        f'<li><svg viewBox="0 0 24 8" aria-hidden="true" fill="{color(i)}">{drawn[shapes[i]]}</svg>'
        f"<bdi>{escape(name)}</bdi></li>"
        for i, name in enumerate(figures)
    )
    return figure(title, spec, f'<ul class="legend">{items}</ul>')


class Curve(NamedTuple):
    """A reliability curve: (mean score, share that is right, decisions) of each bin."""

    name: str
    bins: Sequence[tuple[float, float, int]]


def reliability(title: str, curves: Sequence[Curve], note: str = "") -> str:
    """How often decisions with a score are right, a point per bin; "" without bins.

    Args:
      title: caption.
      curves: to compare; the first is in the first color.
      note: a line below the chart.
    """
    kept = [curve for curve in curves if curve.bins]
    if not kept:
        return ""
    values = [
        {"name": curve.name, "score": score, "right": right, "size": size,
         "share": size / sum(bin[2] for bin in curve.bins)}
        for curve in kept
        for score, right, size in curve.bins
    ]  # fmt: skip
    names = [curve.name for curve in kept]
    unit = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"tickCount": 5}}
    place = {
        "x": {"field": "score", "title": "score", **unit},
        "y": {"field": "right", "title": "share right", **unit},
        "color": {"field": "name", "type": "nominal", "scale": {
            "domain": names, "range": [color(i) for i in range(len(names))]}},
    }  # fmt: skip
    spec = {
        "height": 230,
        "layer": [
            {
                "data": {"values": [{"a": 0, "b": 0}, {"a": 1, "b": 1}]},
                "mark": {"type": "line", "strokeDash": [4, 4], "color": "var(--soft)",
                         "strokeWidth": 1},
                "encoding": {"x": {"field": "a", **unit}, "y": {"field": "b", **unit}},
            },
            {
                "data": {"values": values},
                "layer": [
                    {"mark": {"type": "line", "strokeWidth": 1.5}, "encoding": place},
                    {
                        "mark": {"type": "point", "filled": True, "opacity": 0.75},
                        "encoding": {
                            **place,
                            "size": {"field": "share", "type": "quantitative",
                                     "scale": {"range": [25, 350], "domain": [0, 1]}},
                            "tooltip": [
                                {"field": "name", "title": "scores"},
                                {"field": "score", "type": "quantitative", "format": ".3f",
                                 "title": "mean score"},
                                {"field": "right", "type": "quantitative", "format": ".3f",
                                 "title": "share right"},
                                {"field": "size", "type": "quantitative", "format": ",",
                                 "title": "decisions"},
                            ],
                        },
                    },
                ],
            },
        ],
    }  # fmt: skip
    looks = [(name, color(i), ()) for i, name in enumerate(names)]
    return figure(title, spec, legend(looks), note)


def intervals(title: str, rows: Sequence[Interval]) -> str:
    """Values with their confidence intervals around a line at zero; "" without rows.

    Those that do not include zero have a color and a filled point.
    """
    if not rows:
        return ""
    values = [
        {**row._asdict(), "sure": row.low > 0 or row.high < 0,
         "text": f"{row.value:+.3f} [{row.low:+.3f}, {row.high:+.3f}]"}
        for row in rows
    ]  # fmt: skip
    reach = 1.1 * max(1e-6, *(abs(end) for row in rows for end in (row.low, row.high)))
    scale = {"domain": [-reach, reach], "nice": False}
    tint = {"condition": {"test": "datum.sure", "value": color(0)}, "value": "var(--soft)"}
    fill = {"condition": {"test": "datum.sure", "value": color(0)}, "value": "var(--paper)"}
    tips = [{"field": "name", "title": "task"}, {"field": "text", "title": "mean [95%]"}]
    down = {"field": "name", "type": "nominal", "title": None, "sort": None,
            "axis": {"labelLimit": 110, "domain": False, "ticks": False}}  # fmt: skip
    spec = {
        "height": 30 * len(rows),
        "data": {"values": values},
        "layer": [
            {
                "mark": {"type": "rule", "color": "var(--soft)", "strokeDash": [3, 3]},
                "encoding": {"x": {"datum": 0, "type": "quantitative"}},
            },
            {
                "mark": {"type": "rule", "strokeWidth": 2.5},
                "encoding": {
                    "x": {"field": "low", "type": "quantitative", "title": None, "scale": scale,
                          "axis": {"format": "+~g", "tickCount": 5}},
                    "x2": {"field": "high"},
                    "y": down, "color": tint, "tooltip": tips,
                },
            },
            {
                "mark": {"type": "point", "filled": False, "size": 80, "opacity": 1},
                "encoding": {
                    "x": {"field": "value", "type": "quantitative"},
                    "y": down, "stroke": tint, "fill": fill, "tooltip": tips,
                },
            },
        ],
    }  # fmt: skip
    return figure(title, spec)
