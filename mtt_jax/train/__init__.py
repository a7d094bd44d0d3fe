"""Training: losses, optimizer, step, loop and run directory.

The package can also be called, which trains a model: `run = mtt_jax.train("balanced")`. See
`notebook.train_run`.
"""

import sys
from pathlib import Path
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    """A module that can be called; Python knows no other way to call one."""

    def __call__(self, config: Any, workdir: str | Path | None = None) -> Any:
        """Trains a model, or resumes its run, and returns the `Run`; see `notebook.train_run`."""
        from mtt_jax.train.notebook import train_run  # imports JAX, which takes a second

        return train_run(config, workdir)


sys.modules[__name__].__class__ = _Callable
