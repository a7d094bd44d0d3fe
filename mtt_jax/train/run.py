"""A run as an object, for notebooks and scripts.

    run = mtt_jax.train("balanced")
    run.scores["test"]["ner"].headline
    run.predictor()("Tom works at Microsoft in Seattle.")

To call the package is to call `train_run`.
"""

from pathlib import Path
from typing import Any

from mtt_jax.config import files as config_files
from mtt_jax.config.resolve import resolve
from mtt_jax.config.schema import Config
from mtt_jax.devices import startup
from mtt_jax.errors import UserError
from mtt_jax.report.console import Console
from mtt_jax.tasks import Score
from mtt_jax.train.finish import read_scores
from mtt_jax.train.loop import train
from mtt_jax.weights import saved_model


class Run:
    """A finished run.

    Attributes:
      path: the run directory.
      config: the run's, as resolved.
      final: the content of metrics.json.
    """

    def __init__(self, path: str | Path):
        """Opens a run directory.

        Raises:
          UserError: if it holds no finished run.
        """
        self.path = Path(path).expanduser()
        self.final: dict[str, Any] = saved_model.read_json(self.path / "metrics.json") or {}
        if not self.final:
            raise UserError(f"{self.path}: no finished run: metrics.json is missing.")
        file = self.path / "config.json"
        self.config: Config = config_files.from_json(file.read_text(encoding="utf-8"), str(file))

    @property
    def scores(self) -> dict[str, dict[str, Score]]:
        """Split -> task -> score; of dev and test, if the run has them."""
        return read_scores(self.final)

    def predictor(self, engine: str = "jax") -> Any:
        """A `Predictor` with the run's model.

        Args:
          engine: what runs the model; see `Predictor.load`.
        """
        import mtt_jax

        return mtt_jax.Predictor.load(self.path, engine=engine)

    def __repr__(self) -> str:
        shown = [
            f"{split} " + ", ".join(f"{task} {score.headline:.3f}" for task, score in found.items())
            for split, found in self.scores.items()
        ]
        return f"Run({str(self.path)!r}: {'; '.join(shown) or 'no dev or test data'})"


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
        workdir = workdir or f"runs/{config_files.find_file(str(config)).stem}"
        config = config_files.load_config(str(config))
    elif not isinstance(config, Config):
        config = resolve(config)
    if workdir is None:
        raise UserError("workdir: name a directory for the run, such as 'runs/first'.")
    startup.prepare()
    train(config, workdir, Console())
    return Run(workdir)
