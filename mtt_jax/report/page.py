"""The parts that every page of ours is made of: the document, tables, and notes.

A page is one file that opens offline. It loads nothing, and its content security policy forbids
what a browser would load or run beyond the scripts that `document` put there: even a text that
were not escaped could start nothing. Colors are custom properties, so that text, tables and charts
follow the reader's light or dark theme.
"""

import base64
import hashlib
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, NamedTuple

from mtt_jax.report import charts

_STYLE = """
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1d21; --soft: #565c66; --line: #d9dce1;
  --wash: #f4f5f7; --heat: #0072b2; --bad: #a8321e; --good: #00684a;
  --c0: #0072b2; --c1: #c44e00; --c2: #007a57; --c3: #a8387f; --c4: #7a5c00; --c5: #5b4bc4 }
@media (prefers-color-scheme: dark) { :root { --paper: #16181c; --ink: #e8eaed; --soft: #a9b0bb;
  --line: #3a3f47; --wash: #202329; --heat: #4aa8e0; --bad: #ff9d8a; --good: #52d1a4;
  --c0: #5bb8f0; --c1: #f5975a; --c2: #3fcb9f; --c3: #ee9acb; --c4: #e3c14f; --c5: #aea2ff } }
* { box-sizing: border-box }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 76rem; margin: 0 auto; padding: 1.2rem 1rem 4rem;
  color: var(--ink); background: var(--paper); overflow-wrap: anywhere }
h1 { font-size: 1.6rem; margin: .4rem 0 } h2 { font-size: 1.25rem; margin: 2.6rem 0 .6rem;
  border-top: 1px solid var(--line); padding-top: 1rem } h3 { font-size: 1.05rem; margin: 1.4rem 0 .3rem }
p { margin: .4rem 0; max-width: 50rem } a { color: var(--c0) }
nav { display: flex; flex-wrap: wrap; gap: .2rem 1rem; margin: .8rem 0 } ul { padding-left: 1.2rem }
.note { color: var(--soft) } .error { color: var(--bad) }
.grid { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 22.5rem), 1fr));
  gap: 1.2rem 1.6rem; align-items: start } .grid > * { min-width: 0 }
figure { margin: 0; min-width: 0 } figcaption { font-weight: 600 }
.chart, .chart .vega-embed { width: 100% } .chart svg { display: block; max-width: 100%; overflow: visible }
.legend { display: flex; flex-wrap: wrap; gap: 0 1rem; font-size: .85rem; color: var(--soft);
  list-style: none; padding: 0; margin: 0 0 .2rem }
.legend svg { width: 1.7em; height: .8em; margin-right: .35em; vertical-align: baseline }
.scroll { overflow-x: auto; max-width: 100%; margin: .5rem 0 }
.scroll:focus-visible { outline: 2px solid var(--c0) }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; font-size: .93rem }
th, td { padding: .22rem .65rem; text-align: left; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: normal }
th { font-weight: 600; color: var(--soft); vertical-align: bottom } td.number, th.number { text-align: right }
td.number { white-space: nowrap }
td.text { overflow-wrap: anywhere; min-width: 5rem }
tr.total td { font-weight: 600 } td.best { font-weight: 700 } td.best::after { content: " \\2605" }
td.heat { background: color-mix(in srgb, var(--heat) var(--share), transparent); min-width: 2.6rem;
  padding: .22rem .4rem }
pre { background: var(--wash); padding: .8rem; overflow: auto; font-size: .85rem; overflow-wrap: normal }
summary { cursor: pointer; padding: .2rem 0 }
.mistake { border: 1px solid var(--line); border-radius: .4rem; padding: .5rem .8rem; margin: .6rem 0 }
.side { display: grid; grid-template-columns: 3.6rem minmax(0, 1fr); gap: .5rem; margin: .3rem 0 }
.side > .who { color: var(--soft); font-size: .85rem; padding-top: .15rem } .side p { margin: 0; max-width: none;
  line-height: 1.9 }
mark { color: inherit; background: color-mix(in srgb, var(--mark) 17%, var(--paper));
  border-bottom: 2px solid var(--mark); border-radius: .25em; padding: .1em .25em; -webkit-box-decoration-break: clone;
  box-decoration-break: clone }
mark.differs { outline: 2px dashed var(--mark); outline-offset: -1px }
mark > .tag, .chip > .tag { font-size: .68em; font-weight: 700; margin-inline-start: .4em; unicode-bidi: isolate;
  letter-spacing: .02em } .differs > .tag::before { content: "\\2260 " }
.chip { border: 1px solid var(--line); border-radius: .25em; padding: 0 .4em; margin-inline-end: .4em }
.chip.differs { border: 2px dashed var(--bad) }
#vg-tooltip-element { position: fixed; visibility: hidden; z-index: 9; background: var(--paper); color: var(--ink);
  border: 1px solid var(--line); border-radius: .3rem; padding: .35rem .55rem; font-size: .85rem; max-width: 90vw;
  pointer-events: none; box-shadow: 0 2px 8px rgb(0 0 0 / .2) }
#vg-tooltip-element.visible { visibility: visible } #vg-tooltip-element table { font-size: inherit }
#vg-tooltip-element td { border: 0; padding: 0 .3rem } #vg-tooltip-element td.key { color: var(--soft) }
@media (max-width: 30rem) { th, td { padding: .2rem .4rem } .side { grid-template-columns: minmax(0, 1fr); gap: 0 } }
@media print { .scroll { overflow: visible } details > * { display: block } }
"""


class Cell(NamedTuple):
    """A cell of a table that is more than its text.

    Attributes:
      text: shown, escaped.
      css: classes, such as "best" or "heat".
      share: how strongly a cell of class "heat" is shaded, 0 to 1.
    """

    text: str
    css: str = ""
    share: float = 0.0


def document(title: str, parts: Sequence[str]) -> str:
    """A complete HTML page.

    Args:
      title: of the page.
      parts: HTML, as the functions of this package return it; a part that is "" is left out.
    """
    body = "\n".join(part for part in parts if part)
    scripts = charts.scripts() if charts.HOLDER in body else ()
    allowed = " ".join(f"'sha256-{_digest(script)}'" for script in scripts) or "'none'"
    policy = (
        f"default-src 'none'; style-src 'unsafe-inline'; script-src {allowed}; base-uri 'none'; "
        "form-action 'none'"
    )
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>\n<body>\n{body}\n"
        + "".join(f"<script>{script}</script>\n" for script in scripts)
        + "</body></html>\n"
    )


def _digest(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def heading(level: int, text: str, anchor: str = "") -> str:
    """A heading, which links can lead to.

    Args:
      level: 1 to 3.
      text: of the heading.
      anchor: its id; "" for none.
    """
    at = f' id="{escape(anchor)}"' if anchor else ""
    return f"<h{level}{at}>{escape(text)}</h{level}>"


def section(title: str, *parts: str) -> str:
    """A heading of level 2 and what follows it; "" if nothing does."""
    inner = "\n".join(part for part in parts if part)
    return f"{heading(2, title, _anchor(title))}\n{inner}" if inner else ""


def contents(parts: Sequence[str]) -> str:
    """Links to the sections among some parts."""
    links = []
    for part in parts:
        if part.startswith('<h2 id="'):
            anchor, _, rest = part.removeprefix('<h2 id="').partition('">')
            links.append(f'<a href="#{anchor}">{rest.partition("</h2>")[0]}</a>')
    return f"<nav>{''.join(links)}</nav>" if len(links) > 1 else ""


def _anchor(title: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in title.lower()).split())


def paragraph(text: str, css: str = "note") -> str:
    """A paragraph; "" for an empty text."""
    return f'<p class="{css}">{escape(text)}</p>' if text else ""


def grid(*parts: str) -> str:
    """Parts beside one another where there is room, otherwise one below the other."""
    kept = [part for part in parts if part]
    return f'<div class="grid">{"".join(kept)}</div>' if kept else ""


def folded(summary: str, inner: str) -> str:
    """A part that opens with a click."""
    return f"<details><summary>{escape(summary)}</summary>{inner}</details>"


def listing(items: Sequence[str]) -> str:
    """A list of lines."""
    return f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in items)}</ul>"


def table(
    head: Sequence[str], rows: Sequence[Sequence[Any]], *, text: int = 1, totals: int = 0
) -> str:
    """A table that scrolls sideways if it is wider than the page.

    Args:
      head: a title per column.
      rows: a value or a `Cell` per column; None leaves a cell empty. A float is shown with four
        decimals, an integer with separators.
      text: how many columns from the left hold text; the others are aligned to the right.
      totals: how many of the last rows are totals.
    """
    titles = "".join(_cell("th", title, i >= text) for i, title in enumerate(head))
    lines = [f"<tr>{titles}</tr>"]
    for index, row in enumerate(rows):
        cells = "".join(_cell("td", value, i >= text) for i, value in enumerate(row))
        total = ' class="total"' if index >= len(rows) - totals else ""
        lines.append(f"<tr{total}>{cells}</tr>")
    return f'<div class="scroll" tabindex="0"><table>{"".join(lines)}</table></div>'


def _cell(tag: str, value: Any, number: bool) -> str:
    cell = value if isinstance(value, Cell) else Cell(shown(value))
    css = " ".join(name for name in ("number" if number else "text", cell.css) if name)
    share = f' style="--share: {100 * cell.share:.0f}%"' if "heat" in cell.css else ""
    return f'<{tag} class="{css}"{share}>{escape(cell.text)}</{tag}>'


def shown(value: Any) -> str:
    """A value as a table shows it."""
    if value is None:
        return ""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Field -> value of a config as nested dicts, such as {"train.steps": 4}."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{name}": inner for name, inner in settings(value).items()}
        else:
            found[key] = value
    return found
