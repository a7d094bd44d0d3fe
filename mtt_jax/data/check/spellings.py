"""Labels that are none: names of columns, and other spellings of a label."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping

import numpy as np

from mtt_jax.config.values import as_flag
from mtt_jax.data.check.counts import Labelled, places_of
from mtt_jax.data.check.findings import ERROR, Finding, listed
from mtt_jax.data.readers.unknown import HEADINGS
from mtt_jax.tasks import Task

# A column name is rarely repeated more often than this, even in files that were joined.
_HEADERS = 3
# Names of columns that hold a tag per word.
_TAG_HEADINGS = frozenset(["ner", "ner_tag", "ner_tags", "pos", "pos_tag", "bio", "iob", "entity"])
# Separators inside a name, which differ between spellings of one label.
_INNER = re.compile(r"(?<=[^\W\d])[\s_./-]+(?=[^\W\d])")


def find_headers(
    task: Task, by_split: Mapping[str, Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Rows that hold names of columns; their labels are taken out of the counts."""
    if not by_split:
        return
    total = sum(by_label.values(), Counter())
    names = HEADINGS | {task.name.casefold()} | (_TAG_HEADINGS if task.unit == "word" else set())
    usual = np.median([len(text.split()) for part in by_split.values() for text in part.plain])
    for split, part in by_split.items():
        for record, text in zip(part.records, part.plain, strict=True):
            for label in task.names(record.labels[task.name])[:1]:
                if total[label] > _HEADERS or len(total) < 3:
                    continue
                begins = total[label] == 1 and record.place.endswith("line 1")
                short = task.unit == "sentence" and 3 * len(text.split()) < usual
                known = label.strip().casefold() in names and (task.unit == "sentence" or begins)
                if known or (begins and short):
                    yield _header(task, split, label, record.place)
                    del by_label[split][label]


def _header(task: Task, split: str, label: str, place: str) -> Finding:
    remedy = (
        f"set --config.data.{task.name}.header=true, or delete it if it is not the first."
        if task.unit == "sentence"
        else "delete it."
    )
    return Finding(
        ERROR, "header as data", task.name, split,
        f"{task.name}: a line of {split} with the label {label!r} seems to hold the names of the "
        f"columns; {remedy}",
        (place,),
    )  # fmt: skip


def find_spellings(
    task: Task, by_split: Mapping[str, Labelled], by_label: Mapping[str, Counter]
) -> Iterator[Finding]:
    """Labels that differ in capitals, spaces and separators alone; they are counted as one."""
    total = sum(by_label.values(), Counter())
    alike = defaultdict(list)
    for label in total:
        alike[_INNER.sub("", label.strip().casefold())].append(label)
    for same in alike.values():
        if len(same) < 2:
            continue
        same.sort(key=lambda label: (-total[label], label))
        flag = as_flag(f"config.data.{task.name}.label_map", dict.fromkeys(same[1:], same[0]))
        places = [
            place for part in by_split.values() for place in places_of(same[1:], task, part.records)
        ]
        yield Finding(
            ERROR, "one label in several spellings", task.name, "",
            f"{task.name}: {listed(same)} differ in spelling alone; if they are one label, map "
            f"them: {flag}",
            tuple(places),
        )  # fmt: skip
        for here in by_label.values():
            moved = sum(here.pop(label, 0) for label in same[1:])
            if moved:
                here[same[0]] += moved
