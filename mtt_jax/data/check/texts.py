"""Texts that were damaged before they were read: encoding, control characters, missing quotes."""

import re
from collections.abc import Iterator, Sequence
from functools import partial

import numpy as np

from mtt_jax.data.check.findings import ERROR, Finding, finding_in_texts, number
from mtt_jax.tasks import Task
from mtt_jax.types import Record

# A text this many times as long as 99% of the others is unlikely to be one sentence.
_OUTLIER = 3.0
# Shorter texts than this, in characters, are never too long.
_LONG = 500
# What bytes of UTF-8 become if they are read as Windows-1252: a lead byte and those after it. For
# letters that rarely precede such a symbol one pair is enough; others do so in some languages.
_AFTER = "[\u0080-\u00bf\u0152\u0153\u0160\u0161\u0178\u017d\u017e\u0192\u02c6\u02dc\u2013-\u203a"
_AFTER += "\u20ac\u2122]"
_MISREAD = re.compile(
    f"\ufffd|\u00ef\u00bb\u00bf|\u00e2\u20ac|[\u00c2\u00c3]{_AFTER}"
    f"|(?:[\u00c4-\u00df]{_AFTER}){{2}}|(?:[\u00e0-\u00ef]{_AFTER}{_AFTER}){{2}}"
)
_CONTROL = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f]")


def find_damaged_texts(
    split: str, records: Sequence[Record], tasks: Sequence[Task]
) -> Iterator[Finding]:
    """Texts that were damaged before they came here."""
    misread = [r for r in records if not r.text.isascii() and _MISREAD.search(r.text)]
    looks = number(len(misread), "text looks as if it had", "texts look as if they had")
    yield from finding_in_texts(
        split,
        "misread characters",
        misread,
        f"{looks} been read in a wrong encoding",
        "export the file again as UTF-8.",
        example=partial(_around, pattern=_MISREAD),
    )
    hidden = [record for record in records if _CONTROL.search(record.text)]
    contain = number(len(hidden), "text contains", "texts contain")
    yield from finding_in_texts(
        split,
        "control characters",
        hidden,
        f"{contain} control characters, which no one sees",
        "remove them.",
        example=partial(_around, pattern=_CONTROL),
    )
    swallowed = list(_swallowed(records, tasks))
    contain = number(len(swallowed), "text contains", "texts contain")
    yield from finding_in_texts(
        split,
        "rows inside a text",
        swallowed,
        f"{contain} lines that begin with a label",
        "is a quote missing at its end?",
        severity=ERROR,
    )
    lengths = np.array([len(record.text) for record in records] or [0])
    limit = max(_OUTLIER * np.quantile(lengths, 0.99), _LONG)
    known = {id(record) for record in swallowed}
    long = [r for r in records if len(r.text) > limit and id(r) not in known]
    length = max((len(record.text) for record in long), default=0)
    yield from finding_in_texts(
        split,
        "overlong text",
        long,
        f"{number(len(long), 'text is', 'texts are')} more than {_OUTLIER:.0f} times as long as "
        f"99 of 100 others, the longest {length:,} characters",
        "is a quote or an empty line missing?",
    )


def _swallowed(records: Sequence[Record], tasks: Sequence[Task]) -> Iterator[Record]:
    """Texts over several lines of which one begins as a row of a table does: label, separator."""
    labels = [label for task in tasks if task.unit == "sentence" for label in task.labels]
    if not labels:
        return
    row = re.compile(rf'^"?(?:{"|".join(map(re.escape, labels))})"?[,;\t|]', re.MULTILINE)
    for record in records:
        _, end, rest = record.text.partition("\n")
        if end and row.search(rest):
            yield record


def _around(text: str, pattern: re.Pattern) -> str:
    """What is around the first match, for a message."""
    match = pattern.search(text)
    start = match.start() if match else 0
    return repr(text[max(0, start - 10) : start + 12])
