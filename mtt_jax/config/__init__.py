"""Configs: the schema of all fields, their checks, and config files, flags and JSON."""

from mtt_jax.config.schema import TaskConfig, TaskDataConfig, default_config, phase

__all__ = ["TaskConfig", "TaskDataConfig", "default_config", "phase"]
