"""A check on the terminal: counts by label and split, and the findings."""

from collections.abc import Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from mtt_jax.check.examine import Examined
from mtt_jax.check.suspects import Suspect
from mtt_jax.data.check.findings import number
from mtt_jax.data.splits import SPLITS
from mtt_jax.report.console import Console

# How many labels of a task, and places of a finding, are shown.
_LABELS, _PLACES = 30, 5
# How many of the least likely labels of a task are shown, and characters of each text.
_SUSPECTS, _WIDTH = 10, 80


def show(examined: Examined, console: Console) -> None:
    """Prints what was read, how often each label occurs, and what is wrong or may be."""
    for note in examined.notes:
        console.say(note)
    console.rich.print(_counts(examined))
    for split, figures in examined.figures.items():
        console.say(
            f"{split}: {number(int(figures['sentences']), 'text', 'texts')} of "
            f"{figures['subwords_mean']} subwords, at "
            f"most {figures['subwords_max']:,}; {figures['cut_share']:.1%} longer than the model "
            f"reads at once, {figures['unknown_share']:.2%} of the subwords unknown."
        )
    for task, part in examined.mixture.items():
        console.say(
            f"{task}: {part['share']:.0%} of what training draws, {part['epochs']:g} times each of "
            f"{number(int(part['sentences']), 'sentence', 'sentences')}."
        )
    for finding in examined.findings:
        console.say(f"{finding.severity}: {finding.text}")
        for line in where(finding.places):
            console.say(f"    {line}")
    console.say(totals(examined))


def where(places: Sequence[str]) -> list[str]:
    """The first places of a finding, a line per file: `train.csv, lines 3, 8 and 20 more`."""
    by_file: dict[tuple[str, str], list[str]] = {}
    for place in dict.fromkeys(place for place in places if place):
        file, comma, line = place.rpartition(", ")
        unit, _, line_number = line.rpartition(" ")
        known = comma and unit.isalpha() and line_number.isdecimal()
        by_file.setdefault((file, unit) if known else (place, ""), []).append(line_number)
    lines = []
    for (file, unit), found in by_file.items():
        several = "s" if len(found) > 1 else ""
        more = f" and {len(found) - _PLACES:,} more" if len(found) > _PLACES else ""
        lines.append(
            f"{file}, {unit}{several} {', '.join(found[:_PLACES])}{more}" if unit else file
        )
    left = len(lines) - _PLACES
    return lines[:_PLACES] + ([f"and {left:,} more files"] if left > 0 else [])


def totals(examined: Examined) -> str:
    """How many errors and warnings there are."""
    warnings = len(examined.findings) - examined.errors
    return (
        f"{number(examined.errors, 'error', 'errors')}, {number(warnings, 'warning', 'warnings')}."
    )


def show_suspects(suspects: Sequence[Suspect], split: str, console: Console) -> None:
    """Prints the labels that the model finds least likely, the first few of each task.

    Args:
      suspects: the least likely labels first.
      split: that they are from.
      console: where they are printed.
    """
    for task in dict.fromkeys(suspect.task for suspect in suspects):
        own = [suspect for suspect in suspects if suspect.task == task]
        wrong = sum(suspect.wrong for suspect in own)
        sentences = number(len(own), "sentence", "sentences", split)
        console.say(
            f"{task}: the model gives another answer for {wrong:,} of {sentences}. Least likely:"
        )
        for suspect in own[:_SUSPECTS]:
            given, found, text = (
                _short(part)
                for part in (one_line(suspect.given), one_line(suspect.found), suspect.text)
            )
            console.say(f"  {suspect.probability:.4f}  {given}, model: {found}: {text}")
            if suspect.place:
                console.say(f"          {suspect.place}")


def one_line(answer: Any) -> str:
    """A label or an answer on one line."""
    if isinstance(answer, dict):
        if "text" in answer:
            return f"{answer['text']} ({answer['label']})"
        return one_line(answer.get("label", answer.get("labels")))
    if isinstance(answer, (list, tuple)):
        return ", ".join(map(one_line, answer)) or "(none)"
    return str(answer)


def _short(text: str) -> str:
    plain = " ".join(text.split())
    return plain if len(plain) <= _WIDTH else f"{plain[: _WIDTH - 3]}..."


def _counts(examined: Examined) -> Table:
    """The table of labels by split."""
    table = Table(title="labels", title_justify="left")
    for heading in ("task", "label", *SPLITS):
        table.add_column(heading, justify="left" if heading in ("task", "label") else "right")
    rows = examined.rows()
    for task in dict.fromkeys(task for task, *_ in rows):
        own = [(label, counts) for name, label, counts in rows if name == task]
        for label, counts in own[:_LABELS]:
            table.add_row(
                task, Text(label), *(f"{counts[s]:,}" if s in counts else "" for s in SPLITS)
            )
        if len(own) > _LABELS:
            table.add_row(task, f"... {len(own) - _LABELS:,} more", *[""] * len(SPLITS))
        table.add_section()
    return table
