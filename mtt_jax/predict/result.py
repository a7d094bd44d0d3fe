"""What a predictor returns: a dict per text, and a list of them, which a notebook shows as HTML."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, SupportsIndex, overload

from mtt_jax.report.display import SHOWN, result_html, results_html


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


class Results(list[Result]):
    """The results of several texts: in every way a list, except that a notebook shows it as HTML.

    results = predictor(["Tom works at Microsoft in Seattle.", "Shares fell."])
    results[:1]
    """

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> Result: ...

    @overload
    def __getitem__(self, index: slice) -> "Results": ...

    def __getitem__(self, index: Any) -> Any:
        """A result; of a slice a list that a notebook shows, too."""
        found = super().__getitem__(index)
        return Results(found) if isinstance(index, slice) else found

    def _repr_html_(self) -> str:
        """What a notebook shows: the first results, and how many there are."""
        return results_html([one._repr_html_() for one in self[:SHOWN]], len(self))
