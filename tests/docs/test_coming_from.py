"""docs/coming_from.md names fields and commands that exist."""

import re

from mtt_jax.cli import COMMANDS
from mtt_jax.config.schema import SECTIONS, TOP, TaskConfig, TaskDataConfig, options_of
from tests.helpers import ROOT

PAGE = (ROOT / "docs" / "coming_from.md").read_text(encoding="utf-8")


def test_every_field_on_our_side_of_the_tables_exists():
    groups = {**SECTIONS, "tasks.NAME": TaskConfig, "data.NAME": TaskDataConfig}
    fields = {f"{group}.{o.name}" for group, of in groups.items() for o in options_of(of)}
    ours = [line.split(" | ", 1)[1] for line in PAGE.splitlines() if line.startswith("| ")]
    named = re.findall(r"`((?:train|encoder|tasks\.NAME|data(?:\.NAME)?)\.\w+)", " ".join(ours))
    assert len(named) > 40
    assert set(named) <= fields
    assert "init_from" in TOP


def test_every_command_of_ours_exists():
    assert set(re.findall(r"`?mtt (\w+)", PAGE)) <= set(COMMANDS)
