"""The source of a task's labels: how its files write them, and from that to the task's names.

A task whose labels are not known yet (`task.labels` is empty) takes every name: `Source.labels`
counts them, and the records carry them as the file has them.
"""

import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from mtt_jax.config.schema import TaskDataConfig
from mtt_jax.data.readers.objects import list_in
from mtt_jax.data.readers.rows import Place
from mtt_jax.data.readers.tally import Tally
from mtt_jax.data.readers.unknown import Unknown
from mtt_jax.errors import UserError
from mtt_jax.tasks import Task
from mtt_jax.tasks.schemes import Tagging
from mtt_jax.types import Span


class Source:
    """What is read for: one task and the fields that say how its labels are written.

    Attributes:
      task: whose labels.
      fields: data.NAME of the config: keys, scheme, names and label map.
      tally: where harmless faults are counted.
      unknown: where labels that the task does not have are collected; `check` reports them.
      labels: name -> how often the task's labels hold it.
    """

    def __init__(
        self,
        task: Task,
        fields: TaskDataConfig,
        unknown: Unknown | None = None,
        faults: list[UserError] | None = None,
    ):
        self.task, self.fields = task, fields
        self._faults = faults
        self.tally = Tally()
        self.unknown = unknown or Unknown()
        self.labels: Counter[str] = Counter()
        self._missing: dict[str, int] = {}

    def tried(self, work: Callable[[], Any]) -> Any:
        """What `work` returns; None if it raises a fault and faults are collected.

        Raises:
          UserError: the fault, if they are not.
        """
        try:
            return work()
        except UserError as error:
            if self._faults is None:
                raise
            self._faults.append(error)
            return None

    @property
    def flag(self) -> str:
        """The prefix of the flags that describe this file."""
        return f"--config.data.{self.task.name}"

    @property
    def known(self) -> frozenset[str]:
        """The names that labels may have in a file."""
        return frozenset((*self.task.labels, *self.fields.label_map))

    def check(self) -> None:
        """Ends the run if there were labels that the task does not have.

        Raises:
          UserError: with all of them.
        """
        self.unknown.check(self.task.labels, self.task.name, self.fields.label_map)

    def read_label(self, name: str, shown: str, place: Place) -> str:
        """The task's name of a label; one that it does not have is remembered and returned.

        Args:
          name: the label in the file.
          shown: how the file writes it, such as a whole tag.
          place: of it.
        """
        label = self.fields.label_map.get(name, name)
        if self.task.labels and label not in self.task.labels:
            self.unknown.add(name, shown, place)
            self._missing[name] = self._missing.get(name, 0) + 1
        return label

    def _counted(self, label: Any) -> Any:
        """A label of the task, its names counted."""
        names = Counter(self.task.names(label)) if label is not None else Counter()
        self.labels.update(names)
        for name, calls in self._missing.items():
            self.unknown.count(name, names.get(self.fields.label_map.get(name, name)) or calls)
        if not self._missing and label is not None:
            self.unknown.known()
        self._missing = {}
        return label

    def read_value(self, value: Any, shown: str, place: Place) -> Any:
        """The label in a cell or a JSON value, None for a sentence without one.

        Raises:
          UserError: naming the place, for a value of another shape.
        """
        try:
            return self._counted(
                self.task.from_value(
                    self._plain(value),
                    self.fields.separator,
                    lambda name: self.read_label(name, name, place),
                )
            )
        except UserError:
            raise
        except ValueError as error:
            if self._missing:  # which explains it
                return self._counted(None)
            raise UserError(f"{place}: {shown} is {value!r}; {error}.") from None

    def read_spans(self, spans: Sequence[Span], place: Place) -> Any:
        """The label of a sentence whose entities are given in characters."""
        return self._counted(
            self.task.from_spans(
                spans, lambda name, shown, index: self.read_label(name, shown, place)
            )
        )

    def read_tags(
        self,
        tags: Sequence[str],
        words: Sequence[tuple[int, int]],
        tagging: Tagging,
        places: Sequence[Place],
    ) -> Any:
        """The label of a sentence with a tag for each word."""
        plain = [tagging.plain.get(tag, tag) for tag in tags]
        return self._counted(
            self.task.from_tags(
                plain,
                words,
                tagging.read_as,
                lambda name, shown, index: self.read_label(name, tags[index], places[index]),
            )
        )

    def _plain(self, value: Any) -> Any:
        """A value as `Task.from_value` takes it: numbers named, one label out of its list."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        one = "columns" not in self.task.reads
        if one and isinstance(value, bool):
            value = self._boolean(value)
        if isinstance(value, str):
            value = list_in(value)
        if isinstance(value, list):
            value = [self.named(item) for item in value]
        if one and isinstance(value, list) and len(value) == 1:
            value = value[0]
        if one and isinstance(value, Mapping) and all(x in (0, 1) for x in value.values()):
            value = self._only(value)
        return self.named(value)

    def _boolean(self, value: bool) -> str:
        """The name of true or false: as the config spells it, or as JSON does."""
        if len(self.fields.names) == 2:
            return self.fields.names[value]
        name = str(value).lower()
        return next((known for known in self.known if known.lower() == name), name)

    def _only(self, cats: Mapping[str, float]) -> str:
        """The one class of several with 1 in it; "" if all have 0."""
        chosen = [name for name, flag in cats.items() if flag == 1]
        if len(chosen) > 1:
            raise ValueError(f"expected 1 for one class, got it for {len(chosen)}")
        return chosen[0] if chosen else ""

    def named(self, value: Any) -> Any:
        """The name of a number, if the config gives names; other values as they are.

        Raises:
          ValueError: for a number without a name.
        """
        names = self.fields.names
        number = value if type(value) is int else None
        if isinstance(value, str) and re.fullmatch("-?[0-9]{1,9}", value.strip()):
            number = int(value)
        if not names or number is None:
            return value
        if not 0 <= number < len(names):
            raise ValueError(
                f"{number} has no name; {self.flag}.names has {len(names)}, for 0 to "
                f"{len(names) - 1}"
            )
        return names[number]
