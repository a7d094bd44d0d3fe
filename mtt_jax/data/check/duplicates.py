"""Texts that occur more than once: with several labels, as copies, or in two splits."""

import unicodedata
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mtt_jax.data.check.counts import Labelled
from mtt_jax.data.check.findings import ERROR, WARNING, Finding, number
from mtt_jax.tasks import Task
from mtt_jax.types import Record, Span

# (split, record) of sentences with the same text.
_Group = list[tuple[str, Record]]


def plain(text: str) -> str:
    """A text as duplicates are compared: without case, composition and extra spaces."""
    text = text if text.isascii() else unicodedata.normalize("NFKC", text)
    return " ".join(text.casefold().split())


def _comparable(label: Any, text: str) -> str:
    """A label as duplicates are compared: spans by what they cover, not by where it is."""
    if isinstance(label, Span):
        return f"{label.label} {plain(text[label.start : label.end])}"
    if isinstance(label, (tuple, list, set, frozenset)):
        return repr(sorted(_comparable(part, text) for part in label))
    return str(label)


def find_duplicates(task: Task, by_split: Mapping[str, Labelled]) -> Iterator[Finding]:
    """Texts that occur more than once, with one label or with several."""
    groups: dict[str, _Group] = defaultdict(list)
    for split, part in by_split.items():
        for record, text in zip(part.records, part.plain, strict=True):
            groups[text].append((split, record))
    several = [group for group in groups.values() if len(group) > 1]
    conflicting: list[_Group] = []
    same: list[_Group] = []
    for group in several:
        labels = {_comparable(record.labels[task.name], record.text) for _, record in group}
        (conflicting if len(labels) > 1 else same).append(group)
    if conflicting:
        pair = [record.place for _, record in conflicting[0] if record.place][:2]
        such = "such as " if len(conflicting) > 1 else ""
        shown = f" ({such}{' and '.join(pair)})" if pair else ""
        yield Finding(
            WARNING, "conflicting duplicates", task.name, "",
            f"{task.name}: {number(len(conflicting), 'text occurs', 'texts occur')} with different "
            f"labels{shown}; keep the right one.",
            tuple(record.place for group in conflicting for _, record in group),
        )  # fmt: skip
    for split in by_split:
        copies = [r for group in same for r in [r for where, r in group if where == split][1:]]
        if copies:
            yield Finding(
                WARNING, "duplicates", task.name, split,
                f"{task.name}: {number(len(copies), 'text repeats', 'texts repeat', split)} an "
                "earlier one; remove the copies.",
                tuple(record.place for record in copies),
            )  # fmt: skip
    yield from _leaks(task, by_split, several)


def _leaks(
    task: Task, by_split: Mapping[str, Labelled], several: Sequence[_Group]
) -> Iterator[Finding]:
    """Texts of dev and test that are in train, and those of test that are in dev."""
    pairs = (("dev", "train"), ("test", "train"), ("test", "dev"))
    told: set[tuple[str, int]] = set()
    for split, other in pairs:
        leaked = [
            record
            for group in several
            if {other, split} <= {where for where, _ in group}
            for where, record in group
            if where == split and (split, id(record)) not in told
        ]
        if leaked:
            told |= {(split, id(record)) for record in leaked}
            total = len(by_split[split].records)
            of = number(total, "sentence", "sentences", split)
            why = "the score too high" if other == "train" else "the choice by dev count for test"
            yield Finding(
                ERROR if 2 * len(leaked) > total else WARNING, f"{other} text", task.name, split,
                f"{task.name}: {len(leaked):,} of {of} {'is' if len(leaked) == 1 else 'are'} also "
                f"in {other}, which makes {why}; remove from one of the two.",
                tuple(record.place for record in leaked),
            )  # fmt: skip
