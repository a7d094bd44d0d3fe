"""check.html: a check of the data in one file that opens offline."""

from collections.abc import Sequence

from mtt_jax.check.examine import Examined
from mtt_jax.check.show import totals
from mtt_jax.check.suspects import Suspect
from mtt_jax.data.splits import SPLITS
from mtt_jax.report.marked import card, label_order
from mtt_jax.report.page import (
    cards,
    contents,
    document,
    folded,
    heading,
    listing,
    paragraph,
    section,
    sentences,
    table,
)

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
        section("Findings", _findings(examined)),
        section("Labels", _counts(examined)),
        section("Texts", _figures(examined), _mixture(examined)),
        section("What was read", *(paragraph(note, "") for note in examined.notes)),
        section("Least likely labels", _suspects(suspects)),
    ]
    title = f"Data of {name}"
    shown = [part for part in parts if part]
    return document(
        title, [heading(1, title), paragraph(totals(examined)), contents(shown), *shown]
    )


def _findings(examined: Examined) -> str:
    lines = []
    for finding in examined.findings:
        places = list(dict.fromkeys(place for place in finding.places if place))
        more = [f"and {len(places) - _PLACES:,} more"] if len(places) > _PLACES else []
        where = folded("where", listing([*places[:_PLACES], *more])) if places else ""
        lines.append(paragraph(f"{finding.severity}: {finding.text}", finding.severity) + where)
    return "".join(lines) or paragraph("None.", "")


def _counts(examined: Examined) -> str:
    rows = [
        (task, label, *(counts.get(split) for split in SPLITS))
        for task, label, counts in examined.rows()
    ]
    return table(("task", "label", *SPLITS), rows, text=2)


def _figures(examined: Examined) -> str:
    rows = [
        (
            split,
            int(figures["sentences"]),
            figures["subwords_mean"],
            int(figures["subwords_max"]),
            f"{figures['cut_share']:.1%}",
            f"{figures['unknown_share']:.2%}",
        )
        for split, figures in examined.figures.items()
    ]
    titles = ("texts", "mean subwords", "longest", "share cut", "share of unknown subwords")
    return table(("split", *titles), rows) if rows else ""


def _mixture(examined: Examined) -> str:
    rows = [
        (task, int(part["sentences"]), f"{part['share']:.0%}", f"{part['epochs']:g}")
        for task, part in examined.mixture.items()
    ]
    head = ("task", "sentences", "share of what training draws", "times each")
    return table(head, rows) if rows else ""


def _suspects(suspects: Sequence[Suspect]) -> str:
    """A card per suspect, by task."""
    parts = []
    for task in dict.fromkeys(suspect.task for suspect in suspects[:_SUSPECTS]):
        own = [suspect for suspect in suspects[:_SUSPECTS] if suspect.task == task]
        order = label_order(answer for one in own for answer in (one.given, one.found))
        shown = [
            card(
                f"{one.probability:.4f}, {one.place}" if one.place else f"{one.probability:.4f}",
                one.text,
                one.given,
                one.found,
                order,
            )
            for one in own
        ]
        parts.append(folded(f"{task}: {sentences(len(own))}", cards(shown), opened=True))
    return "".join(parts)
