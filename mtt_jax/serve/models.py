"""The models that a server answers with: their names, and what GET /info says about them."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from mtt_jax.errors import UserError
from mtt_jax.predict.engines import load_for
from mtt_jax.predict.predictor import Predictor
from mtt_jax.report.run_files import read_metrics
from mtt_jax.tasks.score import read_scores
from mtt_jax.untrusted.folder import file_in, read_text, user_path
from mtt_jax.weights import saved_model
from mtt_jax.weights.build import count_parameters
from mtt_jax.weights.saved_model import SavedModel

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
# Shown by the page if the server was given no others.
EXAMPLES = (
    "Maria Lopez resigned as chief executive of Microsoft.",
    "Maria Lopez scored twice as Ajax beat Chelsea in Amsterdam.",
    "The prime minister told parliament in Ottawa that the tax bill would be withdrawn.",
    "Shares of Toyota rose after the Japanese company raised its forecast.",
)


class Served(NamedTuple):
    """A model that is served.

    Attributes:
      predictor: of the model.
      about: as `schema.ModelInfo`.
    """

    predictor: Predictor
    about: dict[str, Any]


def named(runs: Sequence[str]) -> dict[str, str]:
    """Name -> path, from arguments RUN and NAME=RUN.

    A RUN without a name takes that of its directory, and its model/ that of the run.

    Raises:
      UserError: for a name that occurs twice, or holds other characters than URLs may.
    """
    found: dict[str, str] = {}
    for argument in runs:
        name, equals, path = argument.partition("=")
        if not equals or user_path(argument).exists():
            path = argument
            folder = user_path(argument).resolve()
            name = folder.parent.name if folder.name == saved_model.directory() else folder.name
        if not path or not _NAME.fullmatch(name):
            raise UserError(
                f"{argument}: {name!r} cannot name a model: expected letters, digits, '.', '_' or "
                "'-', as in news=runs/balanced."
            )
        if name in found:
            raise UserError(
                f"{argument}: another model is named {name!r} already; name this one, as in "
                f"{name}-2={path}."
            )
        found[name] = path
    return found


def load(path: str, engine: str, aggregation: str, verify: bool = True) -> Served:
    """Reads one model; for the arguments see `Predictor.load`.

    Raises:
      UserError: if there is none, or a file of it is missing or damaged.
    """
    model = load_for(engine, path, verify)
    return Served(Predictor(model, engine, aggregation), _about(model))


def _about(model: SavedModel) -> dict[str, Any]:
    final = read_metrics(model.path.parent) or {}
    card = file_in(model.path, "README.md")
    return {
        "tasks": {task.name: task.describe() for task in model.tasks},
        "max_length": model.config.data.max_length,
        "parameters": count_parameters(model.params),
        "scores": {
            split: {task: score.headline for task, score in scores.items()}
            for split, scores in read_scores(final).items()
        },
        "card": read_text(card) if card else "",
    }


def examples_in(file: str) -> tuple[str, ...]:
    """Texts for the page to offer, one per line; the shipped ones without a file.

    Raises:
      UserError: if the file cannot be read, or holds no text.
    """
    if not file:
        return EXAMPLES
    try:
        lines = Path(file).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise UserError(f"--examples: cannot read {file}: {reason}.") from None
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise UserError(f"--examples: {file} holds no text; expected one per line.")
    return found
