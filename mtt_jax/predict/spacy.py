"""A component for spaCy: a run fills doc.ents and doc.cats.

nlp = spacy.blank("en")
nlp.add_pipe("mtt_jax", config={"run": "runs/balanced"})

An installed package needs no import, since spaCy finds the component by its entry point; in a
checkout, import this module. https://spacy.io/usage/processing-pipelines#custom-components
"""

import importlib
import importlib.util
import shutil
from collections.abc import Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mtt_jax.errors import UserError, one_of

if TYPE_CHECKING:
    from mtt_jax.predict.predictor import Predictor

# An optional package: without it the module can be imported, but no component can be created.
_SPACY = importlib.util.find_spec("spacy") is not None
_MODEL = "model"
ALIGNMENTS = ("strict", "contract", "expand")


class MttJax:
    """Fills doc.ents, doc.cats and `doc._.mtt_jax`, which is the whole result of the text.

    The model is loaded when the first document arrives, in each process by itself.

    Attributes:
      name: of the component in its pipeline.
      run: the run or model directory.
    """

    def __init__(
        self, name: str, run: str, engine: str, aggregation: str, alignment: str, overwrite: bool
    ):
        """For the arguments see `make`."""
        one_of("alignment", alignment, ALIGNMENTS)
        self.name, self.run = name, run
        self._engine, self._aggregation = engine, aggregation
        self._alignment, self._overwrite = alignment, overwrite

    @cached_property
    def predictor(self) -> "Predictor":
        """The model.

        Raises:
          UserError: if there is none.
        """
        from mtt_jax.predict.predictor import Predictor  # JAX, which an unused component needs not

        if not self.run:
            raise UserError(
                f"{self.name}: no run is named; "
                'nlp.add_pipe("mtt_jax", config={"run": "runs/balanced"}).'
            )
        return Predictor.load(self.run, self._engine, self._aggregation)

    def __getstate__(self) -> dict[str, Any]:
        """Without the model: another process loads its own."""
        return {key: value for key, value in vars(self).items() if key != "predictor"}

    def __call__(self, doc: Any) -> Any:
        """Annotates a document.

        Raises:
          UserError: if there is no model, or it has no answer.
        """
        return self._annotated(doc, self.predictor(doc.text))

    def pipe(self, stream: Iterable[Any], *, batch_size: int = 256) -> Iterator[Any]:
        """Annotates documents, `batch_size` of which are packed together.

        Raises:
          UserError: if there is no model, or it has no answer.
        """
        pairs = ((doc.text, doc) for doc in stream)
        for result, doc in self.predictor.pipe(pairs, batch_size, as_tuples=True):
            yield self._annotated(doc, result)

    def _annotated(self, doc: Any, result: dict[str, Any]) -> Any:
        doc._.mtt_jax = result
        per_text = [task.name for task in self.predictor.tasks if task.unit == "sentence"]
        for name in per_text:
            prefix = f"{name}:" if len(per_text) > 1 else ""
            scores = result[name]["scores"] if result[name] else {}
            doc.cats |= {f"{prefix}{label}": score for label, score in scores.items()}
        doc.ents = self._entities(doc, result)
        return doc

    def _entities(self, doc: Any, result: dict[str, Any]) -> list[Any]:
        """The entities that the document had and those of the result, without overlaps.

        Of two that overlap, as two may that are aligned with one token, one stays: the document's
        own, or with `overwrite` that of the result; else the longer one.
        """
        from spacy.util import filter_spans

        found = [
            doc.char_span(span["start"], span["end"], span["label"], alignment_mode=self._alignment)
            for task in self.predictor.tasks
            for span in task.as_spans(result[task.name])
        ]
        ours, theirs = filter_spans([span for span in found if span]), list(doc.ents)
        first, second = (ours, theirs) if self._overwrite else (theirs, ours)
        taken = {token.i for span in first for token in span}
        return first + [span for span in second if taken.isdisjoint(t.i for t in span)]

    def to_disk(self, path: Any, *, exclude: Iterable[str] = ()) -> None:
        """Copies the model into a folder of a pipeline, which then needs the run no more.

        Raises:
          UserError: if there is no model.
        """
        from mtt_jax.weights import saved_model

        del exclude
        target = Path(path) / _MODEL
        source = saved_model.find(self.run)
        if target.exists() and target.samefile(source):
            return
        shutil.rmtree(target, ignore_errors=True)
        shutil.copytree(source, target)

    def from_disk(self, path: Any, *, exclude: Iterable[str] = ()) -> "MttJax":
        """Takes the model from a folder that `to_disk` wrote."""
        del exclude
        self.run = str(Path(path) / _MODEL)
        vars(self).pop("predictor", None)
        return self


def make(
    nlp: Any,
    name: str,
    run: str,
    engine: str,
    aggregation: str,
    alignment: str,
    overwrite: bool,
) -> MttJax:
    """The component `mtt_jax`.

    Args:
      nlp: the pipeline.
      name: of the component.
      run: a run or model directory; it is looked for when the first document arrives, because a
        pipeline that is loaded from disk brings its own.
      engine: as in `Predictor.load`.
      aggregation: as in `Predictor.load`.
      alignment: what becomes of an entity that begins or ends inside a token of spaCy: "expand"
        takes the whole token, "contract" leaves it out, and "strict" drops the entity.
      overwrite: whether entities replace those that the document already has.

    Raises:
      UserError: for an alignment that does not exist.
    """
    del nlp
    from spacy.tokens import Doc

    if not Doc.has_extension("mtt_jax"):
        Doc.set_extension("mtt_jax", default=None)
    return MttJax(name, run, engine, aggregation, alignment, overwrite)


if _SPACY:
    importlib.import_module("spacy.language").Language.factory(
        "mtt_jax",
        default_config={
            "run": "",
            "engine": "jax",
            "aggregation": "first",
            "alignment": "expand",
            "overwrite": False,
        },
        assigns=["doc.ents", "doc.cats", "doc._.mtt_jax"],
        func=make,
    )
