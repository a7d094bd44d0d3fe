"""Training from a notebook or a script: calling the package `mtt_jax.train` comes here."""

from pathlib import Path
from typing import Any

from mtt_jax.config.files import find_file, load_config
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import Config
from mtt_jax.devices import startup
from mtt_jax.errors import UserError
from mtt_jax.predict.run import Run
from mtt_jax.report.console import Console
from mtt_jax.train.loop import train


def train_run(config: Any, workdir: str | Path | None = None) -> Run:
    """Trains a model; resumes a run that was stopped, and opens one that is finished.

    Args:
      config: a `Config`, a `ConfigDict` of a config file, or the path of one or the name of a
        shipped one, such as "balanced".
      workdir: the run directory; by default runs/NAME for a config file of that name.

    Raises:
      UserError: for errors a user can fix.
      InterruptedRunError: after Ctrl-C, once everything is saved; the same call resumes the run.
    """
    if isinstance(config, (str, Path)):
        workdir = workdir or f"runs/{find_file(str(config)).stem}"
        config = load_config(str(config))
    elif not isinstance(config, Config):
        config = resolve(config)
    if workdir is None:
        raise UserError("workdir: name a directory for the run, such as 'runs/first'.")
    startup.prepare()
    train(config, workdir, Console())
    return Run(workdir)
