"""Tasks: one object per question, which handles everything that depends on the task's kind.

A new kind is a file of its own here and a row in `KINDS`; docs/tasks.md walks through it.
"""

from typing import Any

from mtt_jax.tasks.base import UNITS, Task
from mtt_jax.tasks.classes import Classes
from mtt_jax.tasks.entities import Entities
from mtt_jax.tasks.multilabel import Multilabel
from mtt_jax.tasks.score import Score
from mtt_jax.tasks.tags import Tags

__all__ = [
    "KINDS",
    "Classes",
    "Entities",
    "Multilabel",
    "UNITS",
    "Score",
    "Tags",
    "Task",
    "make_task",
]

KINDS: dict[str, type[Task]] = {task.kind: task for task in (Classes, Multilabel, Entities, Tags)}


def make_task(name: str, config: Any) -> Task:
    """The task with this name, from its section of a config.

    Args:
      name: of the task.
      config: has `kind`, `labels` and whatever else the kind takes.
    """
    return KINDS[config.kind].make(name, config)
