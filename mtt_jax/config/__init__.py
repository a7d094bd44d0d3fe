"""Configs: the schema of all fields, their checks, and config files, flags and JSON."""

from typing import Any

from mtt_jax.config.schema import TaskConfig, TaskDataConfig, default_config, phase

__all__ = ["TaskConfig", "TaskDataConfig", "base_config", "default_config", "phase"]


def base_config(name: str) -> Any:
    """The `ConfigDict` of a shipped config, such as "pretrained", to modify in one of your own."""
    from mtt_jax.config.files import load_file, shipped_configs

    # Not a file of the same name in the current folder, which may be the one that asks.
    shipped = shipped_configs() / f"{name}.py"
    return load_file(str(shipped) if shipped.is_file() else name)
