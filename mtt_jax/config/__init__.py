"""Configs: the schema of all fields, their checks, and config files, flags and JSON."""

from typing import Any

from mtt_jax.config.schema import TaskConfig, TaskDataConfig, default_config, phase

__all__ = ["TaskConfig", "TaskDataConfig", "base_config", "default_config", "phase"]


def base_config(name: str) -> Any:
    """The `ConfigDict` of a shipped config, such as "pretrained", to modify in one of your own."""
    from mtt_jax.config.files import load_file

    return load_file(name)
