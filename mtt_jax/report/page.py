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
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.report import charts

_STYLE = Path(__file__).with_name("page.css")


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
        f"<title>{escape(title)}</title><style>{_STYLE.read_text(encoding='utf-8')}</style></head>\n<body>\n{body}\n"
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
    start = f'<p class="{css}">' if css else "<p>"
    return f"{start}{escape(text)}</p>" if text else ""


def grid(*parts: str) -> str:
    """Parts beside one another where there is room, otherwise one below the other."""
    kept = [part for part in parts if part]
    return f'<div class="grid">{"".join(kept)}</div>' if kept else ""


def cards(parts: Sequence[str]) -> str:
    """Cards beside one another where there is room for lines of text."""
    return f'<div class="cards">{"".join(parts)}</div>'


def folded(summary: str, inner: str, opened: bool = False) -> str:
    """A part that opens with a click, or is open at first."""
    start = "<details open>" if opened else "<details>"
    return f"{start}<summary>{escape(summary)}</summary>{inner}</details>"


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


def sentences(count: int, split: str = "") -> str:
    """A number of sentences in words, such as `1 dev sentence` or `1,200 sentences`."""
    return " ".join(word for word in (f"{count:,}", split, "sentence" + "s" * (count != 1)) if word)


def settings(config: Mapping[str, Any]) -> dict[str, Any]:
    """Field -> value of a config as nested dicts, such as {"train.steps": 4}."""
    found: dict[str, Any] = {}
    for key, value in config.items():
        if isinstance(value, Mapping):
            found |= {f"{key}.{name}": inner for name, inner in settings(value).items()}
        else:
            found[key] = value
    return found
