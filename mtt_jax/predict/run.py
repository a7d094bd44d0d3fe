"""A finished run as an object, for notebooks and scripts; what `mtt_jax.train(...)` returns."""

from pathlib import Path
from typing import Any

from mtt_jax.config import files as config_files
from mtt_jax.config.schema import Config
from mtt_jax.errors import UserError
from mtt_jax.predict.predictor import Predictor
from mtt_jax.report.run_files import read_metrics
from mtt_jax.tasks import Score
from mtt_jax.tasks.score import read_scores
from mtt_jax.untrusted.folder import user_path


class Run:
    """A finished run.

        run = mtt_jax.train("balanced")
        run.scores["test"]["ner"].headline
        run.predictor()("Tom works at Microsoft in Seattle.")

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
        self.path = user_path(path)
        final = read_metrics(self.path)
        if not final:
            raise UserError(f"{self.path}: no finished run: metrics.json is missing.")
        self.final: dict[str, Any] = final
        self.config: Config = config_files.read(self.path / "config.json")

    @property
    def scores(self) -> dict[str, dict[str, Score]]:
        """Split -> task -> score; of dev and test, if the run has them."""
        return read_scores(self.final)

    def predictor(self, engine: str = "jax") -> Predictor:
        """A `Predictor` with the run's model.

        Args:
          engine: what runs the model; see `Predictor.load`.
        """
        return Predictor.load(self.path, engine=engine)

    def __repr__(self) -> str:
        shown = [
            f"{split} " + ", ".join(f"{task} {score.headline:.3f}" for task, score in found.items())
            for split, found in self.scores.items()
        ]
        return f"Run({str(self.path)!r}: {'; '.join(shown) or 'no dev or test data'})"
