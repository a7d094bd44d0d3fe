"""Texts with the spans in them marked in color, and mistakes: gold labels against answers.

Offsets are in characters (Unicode code points) of the text, as results have them. Texts are of
unknown direction: each stands in an element of its own with dir="auto", so that right-to-left text
is laid out as such and the label of a span does not change its order.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from html import escape
from typing import Any

from mtt_jax.report.charts import color

_NONE = "(none)"
Span = Mapping[str, Any]


def marked(
    text: str,
    spans: Sequence[Mapping[str, Any]],
    others: Sequence[Mapping[str, Any]] | None = None,
    labels: Sequence[str] = (),
) -> str:
    """A text whose spans are marked, each with its label.

    Args:
      text: as given.
      spans: {"start", "end", "label"}; of two that overlap, the later one is named below the text.
      others: those to compare with, if any; a span that is not among them is outlined.
      labels: what decides the colors; those of the spans by default.
    """
    order = list(labels) or sorted({str(span["label"]) for span in spans})
    known = {_key(span) for span in (spans if others is None else others)}
    parts = []
    for part, span in segments(text, spans):
        if span is None:
            parts.append(escape(part))
            continue
        label = str(span["label"])
        differs = ' class="differs"' if _key(span) not in known else ""
        tint = color(order.index(label)) if label in order else "var(--soft)"
        parts.append(
            f'<mark{differs} style="--mark: {tint}">{escape(part)}'
            f'<span class="tag" dir="auto">{escape(label)}</span></mark>'
        )
    beside = ", ".join(f"{text[s['start'] : s['end']]} ({s['label']})" for s in disjoint(spans)[1])
    also = f'<p class="note">also {escape(beside)}</p>' if beside else ""
    return f'<p dir="auto">{"".join(parts)}</p>{also}'


def disjoint(spans: Iterable[Span]) -> tuple[list[Span], list[Span]]:
    """(spans in the order of a text, those that overlap an earlier one or are empty)."""
    kept: list[Span] = []
    others: list[Span] = []
    last = 0
    for span in sorted(spans, key=lambda span: (span["start"], span["end"])):
        if span["start"] < last or span["start"] >= span["end"]:
            others.append(span)
        else:
            kept.append(span)
            last = span["end"]
    return kept, others


def segments(text: str, spans: Iterable[Span]) -> Iterator[tuple[str, Span | None]]:
    """A text cut at its spans, from its beginning to its end: (part, the span that it is).

    Args:
      text: as given.
      spans: {"start", "end", ...} in characters; those that `disjoint` sets apart are left out.
    """
    last = 0
    for span in disjoint(spans)[0]:
        if last < span["start"]:
            yield text[last : span["start"]], None
        yield text[span["start"] : span["end"]], span
        last = span["end"]
    if last < len(text):
        yield text[last:], None


def _key(span: Mapping[str, Any]) -> tuple[int, int, str]:
    return span["start"], span["end"], str(span["label"])


def chips(labels: Sequence[str], others: Sequence[str]) -> str:
    """Labels of a whole text; one that is not among the others is outlined."""
    shown = [
        f'<span class="{"chip" if label in others else "chip differs"}">'
        f"<bdi>{escape(label)}</bdi></span>"
        for label in labels
    ]
    return f"<p>{''.join(shown) or escape(_NONE)}</p>"


def labels_of(answer: Any) -> list[str]:
    """The labels of a whole text, from a result or from a label as a record holds it."""
    if isinstance(answer, Mapping):
        answer = answer.get("labels", answer.get("label"))
    found = answer if isinstance(answer, (list, tuple)) else [answer]
    return [str(label) for label in found if label is not None]


def compared(text: str, given: Any, found: Any, labels: Sequence[str] = ()) -> str:
    """A text with what was given and what a model found, each difference outlined.

    Args:
      text: as given.
      given: the label in the form of a result (`Task.given`), or as a record holds it.
      found: the answer in the form of a result.
      labels: what decides the colors of spans.
    """
    if _has_spans(given) or _has_spans(found):
        ours, theirs = _spans(given), _spans(found)
        order = list(labels) or label_order((ours, theirs))
        sides = (marked(text, ours, theirs, order), marked(text, theirs, ours, order))
        return _side("label", sides[0]) + _side("model", sides[1])
    label, answer = labels_of(given), labels_of(found)
    plain = f'<p dir="auto">{escape(text)}</p>'
    return plain + _side("label", chips(label, answer)) + _side("model", chips(answer, label))


def _has_spans(answer: Any) -> bool:
    return isinstance(answer, (list, tuple)) and any(isinstance(part, Mapping) for part in answer)


def _spans(answer: Any) -> list[Mapping[str, Any]]:
    return [span for span in answer or () if span["label"] is not None]


def _side(who: str, inner: str) -> str:
    return f'<div class="side"><span class="who">{who}</span><div>{inner}</div></div>'


def label_order(answers: Iterable[Any]) -> list[str]:
    """The labels of all spans of some results, in an order that gives each its color."""
    spans = (span for answer in answers if _has_spans(answer) for span in _spans(answer))
    return sorted({str(span["label"]) for span in spans})


def card(title: str, text: str, given: Any, found: Any, labels: Sequence[str] = ()) -> str:
    """A sentence with its label and the model's answer, framed.

    Args:
      title: what is said about it.
      text: as for `compared`, like the rest.
      given: see `compared`.
      found: see `compared`.
      labels: see `compared`.
    """
    inner = compared(text, given, found, labels)
    return f'<div class="card"><p class="note">{escape(title)}</p>{inner}</div>'
