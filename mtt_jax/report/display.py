"""Results of predictions as HTML, for a notebook: labels with scores, spans marked in the text.

Styles are inline, since a notebook has no page to put a style sheet in, and tints are transparent,
since it may be dark.
"""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from mtt_jax.report.marked import segments

_COLORS = (
    "#1f6fb4", "#d1622b", "#2f8f4e", "#8a4fb0", "#b0892a", "#c2407a", "#2a9a9a", "#7a6a5a",
    "#5560c8", "#7f9a1f", "#b04040", "#4f7f9f",
)  # fmt: skip
_NONE = "(none)"
_TAG = "font-size: 0.7em; font-weight: 600; margin-inline-start: 0.4em; opacity: 0.8"
_NOTE = "opacity: 0.7; font-size: 0.85em"
_RULE = "border-top: 1px solid #8886; padding: 0.3em 0"
# Results of a list that are shown; with thousands of them a notebook becomes slow.
SHOWN = 50


def result_html(result: Mapping[str, Any], labels: Mapping[str, Sequence[str]]) -> str:
    """A result: a line per task that answers for the whole text, and the text with its spans.

    A task that answers per word has a copy of the text of its own, since the spans of two tasks may
    overlap. What is not an answer, such as a key that somebody added, is left out.

    Args:
      result: {"text": ..., TASK: ANSWER}, as a predictor returns it.
      labels: task -> all labels it has, whose order decides the colors; those that occur, for a
        task that is not there.
    """
    text, lines, marked = result.get("text", ""), [], []
    for task, answer in result.items():
        if task == "text":
            continue
        if _is_whole(answer):
            lines.append(f"<div>{_name(task)}{_whole(answer)}</div>")
        elif _is_spans(answer):
            order = labels.get(task) or sorted({span["label"] for span in answer} - {None})
            marked.append((task, _marked(text, answer, order)))
    named = len(marked) > 1
    texts = [f"{_name(task) if named else ''}{body}" for task, body in marked] or [
        _paragraph(escape(text))
    ]
    return f'<div style="line-height: 1.9">{"".join(lines)}{"".join(texts)}</div>'


def results_html(shown: Sequence[str], count: int) -> str:
    """The results of a list, one below the other.

    Args:
      shown: the first of them, as HTML.
      count: how many there are.
    """
    parts = [f'<div style="{_RULE}">{one}</div>' for one in shown]
    if not count:
        parts.append(f'<div style="{_NOTE}">no results</div>')
    elif len(shown) < count:
        note = f"the first {len(shown):,} of {count:,} results"
        parts.append(f'<div style="{_RULE}; {_NOTE}">{note}</div>')
    return "".join(parts)


def _is_whole(answer: Any) -> bool:
    """Whether this is the answer of a task that answers once per text."""
    if answer is None:
        return True  # of a text without words
    if not isinstance(answer, Mapping):
        return False
    return "scores" in answer and ("label" in answer or "labels" in answer)


def _is_spans(answer: Any) -> bool:
    return isinstance(answer, Sequence) and all(
        isinstance(span, Mapping) and {"start", "end", "label"} <= span.keys() for span in answer
    )


def _whole(answer: Mapping[str, Any] | None) -> str:
    """Labels with their scores; of an abstention the score that was too low."""
    if answer is None:
        return _NONE
    if "labels" in answer:
        pairs = [(label, answer["scores"].get(label)) for label in answer["labels"]]
    else:
        pairs = [(answer["label"], answer.get("score"))]
    shown = [
        f"{'<b>' + _isolated(label) + '</b>' if label is not None else _NONE}"
        f"{'' if score is None else f' {score:.2f}'}"
        for label, score in pairs
    ]
    return ", ".join(shown) or _NONE


def _marked(text: str, spans: Sequence[Mapping[str, Any]], order: Sequence[str]) -> str:
    """A text with its spans marked; a span without a label, an abstention, is not."""
    parts = [
        escape(part) if span is None else _mark(part, span, order)
        for part, span in segments(text, [span for span in spans if span["label"] is not None])
    ]
    return _paragraph("".join(parts))


def _mark(part: str, span: Mapping[str, Any], order: Sequence[str]) -> str:
    label = span["label"]
    color = _COLORS[order.index(label) % len(_COLORS) if label in order else -1]
    score = span.get("score")
    title = "" if score is None else f' title="{score:.2f}"'
    return (
        f'<mark{title} style="color: inherit; background: {color}33; padding: 0.15em 0.3em; '
        f'border-radius: 0.3em; border-bottom: 2px solid {color}">{escape(part)}'
        f'<bdi style="{_TAG}">{escape(str(label))}</bdi></mark>'
    )


def _paragraph(body: str) -> str:
    """A text in the direction of its own script."""
    return f'<div dir="auto" style="white-space: pre-wrap">{body}</div>'


def _name(task: str) -> str:
    return f'<span style="{_NOTE}">{_isolated(task)}</span> '


def _isolated(name: Any) -> str:
    return f"<bdi>{escape(str(name))}</bdi>"
