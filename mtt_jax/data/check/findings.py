"""What a finding is: something in labeled data that is wrong, or may be."""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from mtt_jax.types import Record

ERROR, WARNING = "error", "warning"


class Finding(NamedTuple):
    """Something in the data that is wrong, or may be.

    Attributes:
      severity: ERROR or WARNING.
      name: of this kind of finding, such as "conflicting duplicates".
      task: which task it is about, or which with commas; "" for all.
      split: where it is; "" for several.
      text: what it is and what to do, on one line unless there are lines to paste.
      places: where it was found, such as `train.csv, line 7`; files for what is in no line.
    """

    severity: str
    name: str
    task: str
    split: str
    text: str
    places: tuple[str, ...] = ()

    def line(self) -> str:
        """What it is and where it is first, as the notes of a run have it."""
        known = not self.places or self.places[0] in self.text
        return self.text if known else f"{self.text} First: {self.places[0]}."

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON holds it."""
        return {**self._asdict(), "places": list(self.places)}


def finding_in_texts(
    split: str,
    name: str,
    found: Sequence[Record],
    what: str,
    remedy: str,
    *,
    severity: str = WARNING,
    example: Callable[[str], str] | None = None,
) -> Iterator[Finding]:
    """Yields the finding about some texts of a split; nothing if there are none.

    Args:
      split: of the texts.
      name: of the finding.
      found: the records with these texts.
      what: is the matter with them, with their number.
      remedy: what to do, or what the user has to look at.
      severity: ERROR or WARNING.
      example: from the first text to what the message shows of it; None to show nothing.
    """
    if found:
        such = f", such as {example(found[0].text)}" if example else ""
        places = tuple(record.place for record in found)
        yield Finding(severity, name, "", split, f"{split}: {what}{such}; {remedy}", places)


def merged(found: Iterable[Finding]) -> list[Finding]:
    """The findings, errors first, with those that several tasks share merged into one."""
    whole: dict[tuple, Finding] = {}
    for finding in found:
        own = f"{finding.task}: "
        text = finding.text.removeprefix(own)
        key = (finding.severity, finding.name, finding.split, text, finding.places)
        there = whole.get(key)
        if there and finding.task in there.task.split(", "):
            continue
        if there:
            task = f"{there.task}, {finding.task}"
            shown = f"{task}: {text}" if finding.text.startswith(own) else text
            finding = there._replace(task=task, text=shown)
        whole[key] = finding
    return sorted(whole.values(), key=lambda finding: finding.severity != ERROR)


def number(count: int, one: str, several: str, between: str = "") -> str:
    """A count with its noun: `1 text occurs`, `2 texts occur`.

    Args:
      count: how many.
      one: what follows 1.
      several: what follows any other count.
      between: a word between count and noun, such as "labeled"; "" for none.
    """
    words = [f"{count:,}", between, one if count == 1 else several]
    return " ".join(word for word in words if word)


def listed(labels: Sequence[str], most: int = 8) -> str:
    """Labels in quotes; of many only the first, and how many more there are."""
    more = f" and {len(labels) - most:,} more" if len(labels) > most else ""
    return ", ".join(repr(label) for label in labels[:most]) + more


def files_of(records: Sequence[Record]) -> tuple[str, ...]:
    """The files that records are from."""
    places = (record.place for record in records if record.place)
    return tuple(dict.fromkeys(re.sub(r", [a-z]+ \d+$", "", place) for place in places))
