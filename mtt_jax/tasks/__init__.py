"""Tasks: one object per question, which handles everything that depends on the task's kind.

A new kind is a file of its own here and a row in `KINDS`; docs/tasks.md walks through it.
"""

from typing import Any

from mtt_jax.tasks.base import Task
from mtt_jax.tasks.classes import Classes
from mtt_jax.tasks.entities import Entities
from mtt_jax.tasks.masked import Masked
from mtt_jax.tasks.multilabel import Multilabel
from mtt_jax.tasks.objective import UNITS, Objective, Vocabulary
from mtt_jax.tasks.score import Score
from mtt_jax.tasks.tags import Tags

__all__ = [
    "KINDS",
    "Classes",
    "Entities",
    "Masked",
    "Multilabel",
    "Objective",
    "UNITS",
    "Score",
    "Tags",
    "Task",
    "Vocabulary",
    "make_task",
]

KINDS: dict[str, type[Objective]] = {
    kind.kind: kind for kind in (Classes, Multilabel, Entities, Tags, Masked)
}


def make_task(name: str, config: Any) -> Objective:
    """The task with this name, from its section of a config.

    Args:
      name: of the task.
      config: has `kind`, `labels` and whatever else the kind takes.
    """
    return KINDS[config.kind].make(name, config)
