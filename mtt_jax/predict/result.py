"""What a predictor returns for a text: a dict that a notebook shows with its spans in color."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from mtt_jax.report.display import result_html


class Result(dict[str, Any]):
    """{"text": ..., TASK: ANSWER}: in every way a dict, except that a notebook shows it as HTML.

    result = predictor("Tom works at Microsoft in Seattle.")
    result["ner"][0]["label"]
    """

    __slots__ = ("_labels",)

    def __init__(
        self,
        values: Mapping[str, Any] | Iterable[tuple[str, Any]] = (),
        labels: Mapping[str, Sequence[str]] | None = None,
    ):
        """Takes the values, such as those of a line that `mtt predict` wrote.

        Args:
          values: of the dict.
          labels: task -> labels, so that a label has the same color in every result.
        """
        super().__init__(values)
        self._labels = labels or {}

    def __reduce__(self) -> tuple[type, tuple[dict[str, Any]]]:
        # Without the labels, which every result of a model would carry.
        return Result, (dict(self),)

    def _repr_html_(self) -> str:
        """What a notebook shows. https://ipython.readthedocs.io/en/stable/config/integrating.html"""
        return result_html(self, self._labels)
