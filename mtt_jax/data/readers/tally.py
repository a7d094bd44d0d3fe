"""What reading the files of a task gives: its records, and what the user is told about them."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from mtt_jax.data.readers.rows import Place, Row
from mtt_jax.types import Record


class Loaded(NamedTuple):
    """The records of one task and what the user is told about them.

    Attributes:
      records: in the order of the files.
      notes: a line per file and per harmless fault.
      labels: name -> how often the task's label holds it.
      faults: harmless fault -> where it is.
    """

    records: list[Record]
    notes: list[str]
    labels: Mapping[str, int] = {}  # noqa: RUF012  never changed
    faults: Mapping[str, Sequence[Place]] = {}  # noqa: RUF012  never changed


class Tally:
    """What a reader reports: notes, and harmless faults with their places.

    Attributes:
      faults: fault -> where it is.
    """

    def __init__(self) -> None:
        self.faults: dict[str, list[Place]] = {}
        self._notes: list[str] = []

    def add(self, fault: str, place: Place) -> None:
        """Counts one fault."""
        self.faults.setdefault(fault, []).append(place)

    def add_faults(self, row: Row) -> None:
        """Counts the harmless faults of a row."""
        for fault in row.faults:
            self.add(fault, row.place)

    def note(self, text: str) -> None:
        """Adds a line about something that is not a fault."""
        self._notes.append(text)

    def notes(self) -> list[str]:
        """The notes, then one line per fault."""
        return self._notes + [
            f"{places[0].file}: {len(places):,} {fault}"
            + (f" (first: {places[0].unit} {places[0].line})." if places[0].line else ".")
            for fault, places in self.faults.items()
        ]

    def recognized(self) -> list[str]:
        """The notes without the faults."""
        return list(self._notes)
