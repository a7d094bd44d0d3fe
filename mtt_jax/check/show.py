"""A check on the terminal: counts by label and split, and the findings."""

from rich.table import Table

from mtt_jax.check.examine import Examined
from mtt_jax.data.splits import SPLITS
from mtt_jax.report.console import Console

# So many labels of a task, and places of a finding, are shown.
_LABELS, _PLACES = 30, 5


def show(examined: Examined, console: Console) -> None:
    """Prints what was read, how often each label occurs, and what is wrong or may be."""
    for note in examined.notes:
        console.say(note)
    console.rich.print(_counts(examined))
    for split, figures in examined.figures.items():
        console.say(
            f"{split}: {figures['sentences']:,} texts of {figures['subwords_mean']} subwords, at "
            f"most {figures['subwords_max']:,}; {figures['cut_share']:.1%} longer than the model "
            f"reads at once, {figures['unknown_share']:.2%} of the subwords unknown."
        )
    for task, part in examined.mixture.items():
        console.say(
            f"{task}: {part['share']:.0%} of what training draws, {part['epochs']} times each of "
            f"{part['sentences']:,} sentences."
        )
    for finding in examined.findings:
        console.say(f"{finding.severity}: {finding.text}")
        places = [place for place in finding.places if place]
        if places:
            more = f", and {len(places) - _PLACES:,} more" if len(places) > _PLACES else ""
            console.say(f"    {'; '.join(places[:_PLACES])}{more}")
    warnings = len(examined.findings) - examined.errors
    console.say(f"{examined.errors:,} errors, {warnings:,} warnings.")


def _counts(examined: Examined) -> Table:
    """The table of labels by split."""
    table = Table(title="labels", title_justify="left")
    for heading in ("task", "label", *SPLITS):
        table.add_column(heading, justify="left" if heading in ("task", "label") else "right")
    rows = examined.rows()
    for task in dict.fromkeys(task for task, *_ in rows):
        own = [(label, counts) for name, label, counts in rows if name == task]
        for label, counts in own[:_LABELS]:
            table.add_row(task, label, *(f"{counts[s]:,}" if s in counts else "" for s in SPLITS))
        if len(own) > _LABELS:
            table.add_row(task, f"... {len(own) - _LABELS:,} more", *[""] * len(SPLITS))
        table.add_section()
    return table
