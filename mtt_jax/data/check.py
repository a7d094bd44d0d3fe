"""The check of labelled data: what is wrong with it, or may be, before anything is trained on it.

    counts       task -> split -> how often each label occurs
    summary      the same, a line per task and split; what every run prints
    inspect      what the sentences show: labels, duplicates, texts
    measure      what the tokenizer shows: lengths, unknown subwords, entities cut by words

Each finding is an error, with which a run would be wrong, or a warning.
"""

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from tokenizers import Tokenizer

from mtt_jax.data.encode import ExampleSet
from mtt_jax.data.tokenizer import UNKNOWN
from mtt_jax.tasks import Task
from mtt_jax.types import Record, Span

ERROR, WARNING = "error", "warning"
# A label with fewer examples than this in train is hardly learned.
_FEW = 10
# A dev or test split with fewer labelled sentences than this measures little.
_SMALL = 50
# A split in which one class has this share is answered well by that class alone.
_DOMINANT = 0.95
# A sentence this many times as long as the longest hundredth of the others is hardly one sentence.
_OUTLIER = 3.0
# So many labels are named in the summary of a split.
_SHOWN = 12
# UTF-8 read as Latin-1 or Windows-1252, and what a decoder writes for a byte it cannot read.
_MISREAD = re.compile("\ufffd|[\u00c2\u00c3][\u0080-\u00bf\u2018-\u203a\u0152-\u017e]|\u00e2\u20ac")

Records = Mapping[str, Sequence[Record]]


class Finding(NamedTuple):
    """Something in the data that is wrong, or may be.

    Attributes:
      severity: ERROR or WARNING.
      name: of this kind of finding, such as "conflicting duplicates".
      task: which task it is about; "" for all.
      split: where it is; "" for several.
      text: what it is and what to do, on one line.
      places: where it was found, such as `train.csv, line 7`.
    """

    severity: str
    name: str
    task: str
    split: str
    text: str
    places: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The finding as JSON holds it."""
        return {**self._asdict(), "places": list(self.places)}


def counts(splits: Records, tasks: Sequence[Task]) -> dict[str, dict[str, Counter]]:
    """Task -> split -> label -> how often it occurs, for the splits with labels of the task."""
    found: dict[str, dict[str, Counter]] = {}
    for task in tasks:
        by_split = {split: _labelled(records, task) for split, records in splits.items()}
        found[task.name] = {
            split: Counter(name for record in part for name in task.names(record.labels[task.name]))
            for split, part in by_split.items()
            if part
        }
    return found


def summary(splits: Records, tasks: Sequence[Task]) -> list[str]:
    """A line per task and split: how many sentences are labelled, and how often with what."""
    lines = []
    for task, by_split in counts(splits, tasks).items():
        for split, found in by_split.items():
            shown = ", ".join(f"{label} {count:,}" for label, count in found.most_common(_SHOWN))
            more = f", {len(found) - _SHOWN:,} more labels" if len(found) > _SHOWN else ""
            sentences = sum(task in record.labels for record in splits[split])
            lines.append(f"{task}: {sentences:,} {split} sentences: {shown or 'no label'}{more}.")
    return lines


def inspect(splits: Records, tasks: Sequence[Task]) -> list[Finding]:
    """What the sentences and their labels show.

    Args:
      splits: "train", "dev" and "test" -> records, as the files give them.
      tasks: whose labels to check.
    """
    found: list[Finding] = []
    by_task = counts(splits, tasks)
    for task in tasks:
        found += _labels(task, by_task[task.name], splits)
        found += _spellings(task, by_task[task.name])
        found += _duplicates(task, splits)
    for split, records in splits.items():
        found += _texts(split, records)
    return sorted(found, key=lambda finding: finding.severity != ERROR)


def _labelled(records: Iterable[Record], task: Task) -> list[Record]:
    return [record for record in records if task.name in record.labels]


def _labels(task: Task, by_split: Mapping[str, Counter], splits: Records) -> Iterator[Finding]:
    """Labels that a split lacks, or has too few of."""
    train = by_split.get("train", Counter())
    for split, here in by_split.items():
        sentences = len(_labelled(splits[split], task))
        if not here:
            yield Finding(
                ERROR if split == "train" else WARNING, "no labels", task.name, split,
                f"{task.name}: none of {sentences:,} {split} sentences has a label other than "
                "none at all; look at the field that --config.data."
                f"{task.name}.label names.",
            )  # fmt: skip
            continue
        if split != "train" and sentences < _SMALL:
            yield Finding(
                WARNING, "small split", task.name, split,
                f"{task.name}: {split} has {sentences:,} labelled sentences; its score says "
                "little.",
            )  # fmt: skip
        label, most = here.most_common(1)[0]
        if task.unit == "sentence" and len(train) > 1 and most > _DOMINANT * sentences:
            yield Finding(
                WARNING, "dominant label", task.name, split,
                f"{task.name}: {most / sentences:.0%} of the {split} labels are {label!r}; a model "
                "that always says so scores as well. --config.tasks."
                f"{task.name}.class_sampling=over draws the others more often.",
            )  # fmt: skip
        absent = [label for label in train if label not in here]
        if split != "train" and absent:
            yield Finding(
                WARNING, "absent label", task.name, split,
                f"{task.name}: {split} has no {_listed(absent)}, which train has; the score there "
                "says nothing about it.",
            )  # fmt: skip
        unknown = [label for label in here if label not in train]
        if split != "train" and unknown:
            yield Finding(
                ERROR, "label that train lacks", task.name, split,
                f"{task.name}: {split} has {_listed(unknown)}, which train lacks; no model can "
                "learn it.",
                _places_of(unknown, task, splits[split]),
            )  # fmt: skip
    rare = [label for label, count in train.items() if count < _FEW]
    if rare and train.total() > _FEW * len(train):
        yield Finding(
            WARNING, "rare label", task.name, "train",
            f"{task.name}: train has fewer than {_FEW} examples of {_listed(rare)}.",
            _places_of(rare, task, splits["train"]),
        )  # fmt: skip


def _spellings(task: Task, by_split: Mapping[str, Counter]) -> Iterator[Finding]:
    """Labels that differ in capitals, spaces and signs alone."""
    total: Counter = Counter()
    for here in by_split.values():
        total.update(here)
    alike = defaultdict(list)
    for label in total:
        alike["".join(c for c in label.casefold() if c.isalnum()) or label].append(label)
    for same in alike.values():
        if len(same) > 1:
            same.sort(key=lambda label: (-total[label], label))
            mapped = ", ".join(f"{label}={same[0]}" for label in same[1:])
            yield Finding(
                ERROR, "one label in several spellings", task.name, "",
                f"{task.name}: {_listed(same)} differ in spelling alone; if they are one label, "
                f"--config.data.{task.name}.label_map='{mapped}'.",
            )  # fmt: skip


def _duplicates(task: Task, splits: Records) -> Iterator[Finding]:
    """Texts that occur more than once, with one label or with several."""
    groups: dict[str, list[tuple[str, Record]]] = defaultdict(list)
    for split, records in splits.items():
        for record in _labelled(records, task):
            groups[_plain(record.text)].append((split, record))
    several = [group for group in groups.values() if len(group) > 1]
    conflicting = [
        group
        for group in several
        if len({_comparable(record.labels[task.name], record.text) for _, record in group}) > 1
    ]
    if conflicting:
        first = [record.place for _, record in conflicting[0]]
        yield Finding(
            WARNING, "conflicting duplicates", task.name, "",
            f"{task.name}: {len(conflicting):,} texts occur with different labels; keep the right "
            f"one ({' and '.join(first[:2])}).",
            tuple(record.place for group in conflicting for _, record in group),
        )  # fmt: skip
    within: Counter = Counter()
    places: dict[str, list[str]] = defaultdict(list)
    for group in several:
        for split in splits:
            copies = [record for where, record in group if where == split]
            within[split] += max(len(copies) - 1, 0)
            places[split] += [record.place for record in copies[1:]]
    for split, count in within.items():
        if count:
            yield Finding(
                WARNING, "duplicates", task.name, split,
                f"{task.name}: {count:,} {split} sentences repeat an earlier one.",
                tuple(places[split]),
            )  # fmt: skip
    for split in ("dev", "test"):
        leaked = [
            record
            for group in several
            if {"train", split} <= {where for where, _ in group}
            for where, record in group
            if where == split
        ]
        if leaked:
            total = len(_labelled(splits[split], task))
            yield Finding(
                ERROR if len(leaked) > total / 2 else WARNING, "train text", task.name, split,
                f"{task.name}: {len(leaked):,} of {total:,} {split} sentences are also in train, "
                "which makes their score too high; remove them from one of the two.",
                tuple(record.place for record in leaked),
            )  # fmt: skip


def _texts(split: str, records: Sequence[Record]) -> Iterator[Finding]:
    """Texts that were damaged before they came here."""
    misread = [record for record in records if _MISREAD.search(record.text)]
    if misread:
        yield Finding(
            WARNING, "misread characters", "", split,
            f"{split}: {len(misread):,} texts look as if they had been read in a wrong encoding, "
            f"such as {_shown(misread[0].text, _MISREAD)}; export them again as UTF-8.",
            tuple(record.place for record in misread),
        )  # fmt: skip
    hidden = [record for record in records if any(map(_is_control, record.text))]
    if hidden:
        yield Finding(
            WARNING, "control characters", "", split,
            f"{split}: {len(hidden):,} texts contain control characters, which no one sees.",
            tuple(record.place for record in hidden),
        )  # fmt: skip
    lengths = np.array([len(record.text) for record in records] or [0])
    limit = _OUTLIER * np.quantile(lengths, 0.99)
    long = [r for r, length in zip(records, lengths, strict=False) if length > max(limit, 500)]
    if long:
        yield Finding(
            WARNING, "overlong text", "", split,
            f"{split}: {len(long):,} texts are more than {_OUTLIER:.0f} times as long as 99 of 100 "
            f"others, the longest {lengths.max():,} characters; is a quote or an empty line "
            "missing?",
            tuple(record.place for record in long),
        )  # fmt: skip


def measure(
    splits: Records, encoded: Mapping[str, ExampleSet], tokenizer: Tokenizer, max_length: int
) -> tuple[dict[str, dict[str, float]], list[Finding]]:
    """What the tokenizer shows: (split -> figures, findings).

    Args:
      splits: records.
      encoded: the same records, encoded.
      tokenizer: that encoded them.
      max_length: subwords of the longest sentence that is read whole.
    """
    figures: dict[str, dict[str, float]] = {}
    found: list[Finding] = []
    for split, examples in encoded.items():
        if not len(examples):
            continue
        lengths = examples.lengths()
        shares = _unknown_shares(examples, tokenizer)
        figures[split] = {
            "sentences": len(examples),
            "subwords_mean": round(float(lengths.mean()), 1),
            "subwords_max": int(lengths.max()),
            "cut_share": round(float((lengths > max_length).mean()), 4),
            "unknown_share": round(float(np.average(shares, weights=lengths)), 4),
        }
        strange = [r.place for r, share in zip(splits[split], shares, strict=True) if share > 0.5]
        if strange:
            found.append(
                Finding(
                    WARNING, "unknown characters", "", split,
                    f"{split}: of {len(strange):,} texts the tokenizer knows less than half; are "
                    "they in another script than the rest?",
                    tuple(strange),
                )
            )  # fmt: skip
        long = float((lengths > max_length).mean())
        if split == "train" and long > 0.1:
            found.append(
                Finding(
                    WARNING, "cut sentences", "", split,
                    f"train: {long:.0%} of the sentences are longer than {max_length} subwords and "
                    "are cut; raise --config.data.max_length.",
                )
            )  # fmt: skip
        found += cut_labels(split, splits[split], examples)
    return figures, found


def _unknown_shares(examples: ExampleSet, tokenizer: Tokenizer) -> np.ndarray:
    """[n] share of each sentence's subwords that are unknown."""
    unknown = tokenizer.token_to_id(UNKNOWN)
    if unknown is None:
        unknown = tokenizer.token_to_id("<unk>")
    ends = examples.arrays["token_ends"]
    total = np.concatenate([[0], np.cumsum(examples.arrays["tokens"] == unknown)])
    inside = total[ends] - total[np.concatenate([[0], ends[:-1]])]
    return inside / np.maximum(examples.lengths() - 2, 1)


def cut_labels(split: str, records: Sequence[Record], examples: ExampleSet) -> Iterator[Finding]:
    """Spans that begin or end inside a word, by task."""
    for task in examples.tasks:
        places: list[str] = []
        total = 0
        for index in np.flatnonzero(examples.labelled(task)):
            example, record = examples[int(index)], records[int(index)]
            cut = task.cut(record.labels[task.name], example.words)
            total += len(task.names(record.labels[task.name]))
            places += [record.place] * cut
        if places:
            yield Finding(
                WARNING, "label inside a word", task.name, split,
                f"{task.name}: {len(places):,} of {total:,} labels in {split} begin or end inside "
                "a word, so that no answer can match them; are the offsets right?",
                tuple(places),
            )  # fmt: skip


def _plain(text: str) -> str:
    """A text as duplicates are compared: without case, accents of composition and extra spaces."""
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split())


def _comparable(label: Any, text: str) -> str:
    """A label as duplicates are compared: spans by what they cover, not by where it is."""
    if isinstance(label, Span):
        return f"{label.label} {_plain(text[label.start : label.end])}"
    if isinstance(label, (tuple, list, set, frozenset)):
        return repr(sorted(_comparable(part, text) for part in label))
    return str(label)


def _is_control(char: str) -> bool:
    return char < " " and char not in "\t\n\r\f\v" or "\x7f" <= char <= "\x9f" and char != "\x85"


def _places_of(labels: Sequence[str], task: Task, records: Sequence[Record]) -> tuple[str, ...]:
    """Where some labels are."""
    wanted = set(labels)
    return tuple(
        record.place
        for record in _labelled(records, task)
        if wanted & set(task.names(record.labels[task.name]))
    )


def _listed(labels: Sequence[str], most: int = 8) -> str:
    more = f" and {len(labels) - most:,} more" if len(labels) > most else ""
    return ", ".join(repr(label) for label in labels[:most]) + more


def _shown(text: str, pattern: re.Pattern) -> str:
    """What is around the first match, for a message."""
    match = pattern.search(text)
    start = match.start() if match else 0
    return repr(text[max(0, start - 10) : start + 12])
