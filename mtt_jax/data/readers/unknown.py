"""Labels that a task does not have: all of them in one message, with what to write instead."""

import difflib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from mtt_jax.config.values import as_flag
from mtt_jax.data.readers.rows import Place
from mtt_jax.errors import UserError
from mtt_jax.tasks.schemes import OUTSIDE

# What stands in a line to paste for a label that only the user can choose.
_BLANK = "NAME"
_SHOWN = 20
# From this many different ones on they are compared with how often they occur.
_MANY = 50
# Other spellings of usual labels, which are no closer to them than to others.
_SPELLINGS = (
    {"per", "pers", "person"}, {"org", "organization", "organisation"}, {"loc", "location"},
    {"misc", "miscellaneous"},
)  # fmt: skip
# Names of columns that hold labels.
HEADINGS = frozenset(["label", "labels", "category", "class", "topic", "tag", "tags", "target"])


class Unknown:
    """Collects labels that a task does not have, over all files of a task."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._first: dict[str, tuple[Place, str]] = {}
        self._known = 0
        self._tables: set[Place] = set()

    def add(self, name: str, shown: str, place: Place) -> None:
        """Remembers where a label was met first.

        Args:
          name: the label.
          shown: how the file writes it, such as a whole tag.
          place: where it is.
        """
        self._first.setdefault(name, (place, shown))

    def count(self, name: str, times: int) -> None:
        """Adds to how often a label occurs."""
        self.counts[name] += times

    def places(self) -> list[Place]:
        """Where each of the labels was met first."""
        return [place for place, _ in self._first.values()]

    def known(self) -> None:
        """Counts a text whose labels the task has."""
        self._known += 1

    def begins(self, place: Place) -> None:
        """Notes where the first row of a table is, which may be the names of the columns."""
        self._tables.add(place)

    def check(self, labels: Sequence[str], name: str, label_map: Mapping[str, str]) -> None:
        """Ends the run if there were any.

        Args:
          labels: of the task.
          name: of the task.
          label_map: of its data, which the line to paste keeps.

        Raises:
          UserError: with all of them, most frequent first, and the lines to paste.
        """
        if not self.counts:
            return
        order = sorted(self.counts, key=lambda n: (-self.counts[n], str(self._first[n][0]), n))
        header = [n for n in order if self.counts[n] == 1 and self._first[n][0] in self._tables]
        if len(header) == 1 and (
            (len(order) == 1 and self._known) or header[0].lower() in HEADINGS
        ):
            raise UserError(self._as_header(header[0], labels, name))
        message = self._listed(order, labels, name)
        if len(order) >= _MANY and 2 * len(order) > self.counts.total():
            raise UserError(
                f"{message}\nThese are texts or ids rather than labels; say which column or key "
                f"holds the label with --config.data.{name}.label=..."
            )
        separator = _separator(order, labels)
        if separator:
            raise UserError(
                f"{message} They are several labels of the task with {separator!r} between them; "
                f"for a task of kind multilabel set --config.data.{name}.separator='{separator}'"
            )
        raise UserError(message + to_paste(order, labels, name, label_map))

    def _as_header(self, heading: str, labels: Sequence[str], name: str) -> str:
        place, _ = self._first[heading]
        return (
            f"{place}: {heading!r} is not a label of task '{name}' ({', '.join(labels)}); the line "
            "seems to hold the names of the columns. If it does, set "
            f"--config.data.{name}.header=true"
        )

    def _listed(self, order: Sequence[str], labels: Sequence[str], name: str) -> str:
        """The sentence that names the labels."""
        known = ", ".join(labels)
        place, shown = self._first[order[0]]
        if len(order) == 1:
            count = self.counts[order[0]]
            times = f" ({count:,} times)" if count > 1 else ""
            return f"{place}: {shown!r}{times} is not a label of task '{name}' ({known})."
        listed = [f"{n!r} {self.counts[n]:,} (first: {self._first[n][0]})" for n in order[:_SHOWN]]
        more = f" and {len(order) - _SHOWN:,} more" if len(order) > _SHOWN else ""
        return (
            f"{place.file}: {len(order):,} labels are not labels of task '{name}' ({known}): "
            f"{', '.join(listed)}{more}."
        )


def _separator(names: Sequence[str], labels: Sequence[str]) -> str:
    """What stands between known labels in each of some names; "" if they are no such lists."""
    for separator in ";,|/ ":
        parts = [[part.strip() for part in name.split(separator)] for name in names]
        if all(len(found) > 1 and set(found) <= set(labels) for found in parts):
            return separator
    return ""


def to_paste(
    order: Sequence[str], labels: Sequence[str], name: str, label_map: Mapping[str, str]
) -> str:
    """The two lines to paste: one adds the labels to the task, the other maps them to its own.

    Args:
      order: the unknown labels, in the order in which they are shown.
      labels: of the task.
      name: of the task.
      label_map: of its data, which the line keeps.
    """
    near = {label: nearest(label, labels) for label in order}
    field = f"config.data.{name}.label_map"
    kept = {old: new for old, new in label_map.items() if new in labels}
    pairs = kept | {label: found or _BLANK for label, found in near.items()}
    blank = not all(near.values())
    choices = ", ".join(label for label in labels if label != OUTSIDE)
    fill = f", with one of {choices} in place of each {_BLANK}" if blank else ""
    extend = as_flag(f"config.tasks.{name}.labels", (*labels, *order))
    return (
        f"\nIf they are labels of their own, add them to the task:\n  {extend}"
        f"\nIf they are other names of its labels, map them{fill}:\n  {as_flag(field, pairs)}"
    )


def nearest(label: str, known: Iterable[str]) -> str:
    """The known label that another one is surely a spelling of; "" if there is none."""
    known = list(known)
    folded = {name.casefold(): name for name in reversed(known)}
    alike = next((group for group in _SPELLINGS if label.casefold() in group), set())
    for name in (label.casefold(), *sorted(alike)):
        if name in folded:
            return folded[name]
    close = difflib.get_close_matches(label.casefold(), list(folded), n=1, cutoff=0.75)
    return folded[close[0]] if close else ""
